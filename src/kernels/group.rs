//! Passes several values as one argument of an operation, since Burn's operations take no lists.

/// Most members of a group, and so most parameters or arrays per launch.
///
/// A launch binds as many as the device allows, but never more than this, even on a device that can
/// bind a million arrays: ELECTRA-Large's 399 parameters then take 13 launches instead of 399. With
/// four arrays per parameter and a few more, that stays far below the thousand bindings that a bind
/// group may have.
pub const GROUP: usize = 32;

/// Group sizes for which a shader is specialised; each is one more shader to compile. A launch with
/// another number of members uses the next larger size, and the unused slots do nothing.
pub const SIZES: [usize; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// Returns the size that holds `members`, at most [`GROUP`].
pub(super) fn size_for(members: usize) -> usize {
    let fitting = SIZES.into_iter().find(|&size| size >= members);
    fitting.unwrap_or(GROUP)
}

/// Returns the largest size that does not exceed `most`.
pub(super) fn size_within(most: usize) -> usize {
    let fitting = SIZES.into_iter().rfind(|&size| size <= most);
    fitting.unwrap_or(1)
}

/// Defines `$group`, holding up to [`GROUP`] of `$member`, an enum with a variant `Empty`.
macro_rules! group {
    ($(#[$attr:meta])* pub struct $group:ident of $member:ident) => {
        $crate::kernels::group::group!(
            @ [$(#[$attr])*] $group $member
            0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31
        );
    };
    (@ [$($attr:tt)*] $group:ident $member:ident $($place:tt)*) => {
        $($attr)*
        #[derive(burn::backend::ExtensionType)]
        pub struct $group<B: burn::backend::Backend>(
            $(
                #[doc = concat!("Place ", $place, ".")]
                #[extension_type]
                pub $member<B>,
            )*
        );

        impl<B: burn::backend::Backend> $group<B> {
            /// Collects the first [`GROUP`](crate::kernels::group::GROUP) of `members`; unused
            /// slots are `Empty`.
            pub(in crate::kernels) fn of(members: impl IntoIterator<Item = $member<B>>) -> Self {
                let mut members = members.into_iter();
                let mut next = |_place: usize| members.next().unwrap_or($member::Empty);
                Self($(next($place)),*)
            }

            /// Returns all slots in order.
            pub(in crate::kernels) fn members(self) -> [$member<B>; $crate::kernels::group::GROUP] {
                [$(self.$place),*]
            }
        }
    };
}

pub(super) use group;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_members_has_a_size_and_every_limit_one_below() {
        assert_eq!(SIZES.last(), Some(&GROUP));
        for count in 1..=GROUP {
            let (above, below) = (size_for(count), size_within(count));
            assert!(below <= count && count <= above, "{count}");
            assert!(SIZES.contains(&above) && SIZES.contains(&below), "{count}");
            assert_eq!(above == count, below == count, "{count}");
        }
        assert_eq!((size_within(0), size_within(1_000)), (1, GROUP));
    }
}

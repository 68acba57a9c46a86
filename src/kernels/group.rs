//! Several values as one argument of an operation: Burn's operations take no lists.

/// Members of a group, and parameters or arrays that one launch takes at most.
///
/// A launch takes what the device can bind, and not more than this even where a device binds a
/// million arrays: ELECTRA-Large's 399 parameters then need 13 launches instead of 399. Of four
/// arrays each, and a few more, that stays far below the thousand that one group of bindings may have.
pub const GROUP: usize = 32;

/// How many members a shader is written for, each of which is one to compile: a launch of another
/// number takes the next of them, and the places that are left have nothing to do.
pub const SIZES: [usize; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// The size that takes `members`, at most [`GROUP`].
pub(super) fn size_for(members: usize) -> usize {
    let fitting = SIZES.into_iter().find(|&size| size >= members);
    fitting.unwrap_or(GROUP)
}

/// The largest size of at most so many.
pub(super) fn size_within(most: usize) -> usize {
    let fitting = SIZES.into_iter().rfind(|&size| size <= most);
    fitting.unwrap_or(1)
}

/// Defines `$group`, up to [`GROUP`] of `$member`, an enum that has a variant `Empty`.
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
            /// The first [`GROUP`](crate::kernels::group::GROUP) of `members`; places without one are empty.
            pub(in crate::kernels) fn of(members: impl IntoIterator<Item = $member<B>>) -> Self {
                let mut members = members.into_iter();
                let mut next = |_place: usize| members.next().unwrap_or($member::Empty);
                Self($(next($place)),*)
            }

            /// All places, in order.
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

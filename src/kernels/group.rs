//! Several values as one argument of an operation: Burn's operations take no lists.

/// Members of a group, and parameters or arrays that one launch takes at most.
///
/// A launch takes what the device can bind, and not more than this even where a device binds a
/// million arrays: ELECTRA-Large's 399 parameters then need 50 launches instead of 399, the next
/// doubling would save only 25 more, and each number of arrays is a shader of its own to compile.
pub const GROUP: usize = 8;

/// Defines `$group`, up to [`GROUP`] of `$member`, an enum that has a variant `Empty`.
macro_rules! group {
    ($(#[$attr:meta])* pub struct $group:ident of $member:ident) => {
        $(#[$attr])*
        #[derive(burn::backend::ExtensionType)]
        pub struct $group<B: burn::backend::Backend>(
            #[extension_type] pub $member<B>,
            #[extension_type] pub $member<B>,
            #[extension_type] pub $member<B>,
            #[extension_type] pub $member<B>,
            #[extension_type] pub $member<B>,
            #[extension_type] pub $member<B>,
            #[extension_type] pub $member<B>,
            #[extension_type] pub $member<B>,
        );

        impl<B: burn::backend::Backend> $group<B> {
            /// The first [`GROUP`](crate::kernels::group::GROUP) of `members`; places without one are empty.
            pub(in crate::kernels) fn of(members: impl IntoIterator<Item = $member<B>>) -> Self {
                let mut members = members.into_iter();
                let mut next = || members.next().unwrap_or($member::Empty);
                Self(
                    next(), next(), next(), next(), next(), next(), next(), next(),
                )
            }

            /// All places, in order.
            pub(in crate::kernels) fn members(self) -> [$member<B>; $crate::kernels::group::GROUP] {
                [
                    self.0, self.1, self.2, self.3, self.4, self.5, self.6, self.7,
                ]
            }
        }
    };
}

pub(super) use group;

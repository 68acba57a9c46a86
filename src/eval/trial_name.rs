//! Under which name a trial writes a result.

/// What a trial writes as: one of several under a name of its own, so that none is in another's way, and
/// a single one under the reference's.
pub fn trial_name<T>(last: T, trials: usize, of_trial: impl FnOnce(&T) -> T) -> T {
    match trials {
        1 => last,
        _ => of_trial(&last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_of_several_has_a_name_of_its_own() {
        let of_trial = |name: &&str| match *name {
            "preds" => "preds_2",
            other => panic!("{other}"),
        };
        assert_eq!(trial_name("preds", 1, of_trial), "preds");
        assert_eq!(trial_name("preds", 3, of_trial), "preds_2");
    }
}

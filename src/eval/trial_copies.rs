//! Under which names a trial writes a result.

/// What a trial of several is written as: a copy of its own, and as the last, which has the
/// reference's name. A single trial is the last.
pub fn trial_copies<T>(last: T, trials: usize, of_trial: impl FnOnce(&T) -> T) -> Vec<T> {
    let own = (trials > 1).then(|| of_trial(&last));
    own.into_iter().chain([last]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_of_several_has_a_copy_of_its_own() {
        let of_trial = |name: &&str| match *name {
            "preds" => "preds_2",
            other => panic!("{other}"),
        };
        assert_eq!(trial_copies("preds", 1, of_trial), ["preds"]);
        assert_eq!(trial_copies("preds", 3, of_trial), ["preds_2", "preds"]);
    }
}

//! The names under which a trial writes a result.

/// Returns the names under which one of several trials is written: its own copy, and the latest,
/// which has the reference's name. A single trial only writes the latest.
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

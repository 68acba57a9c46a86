//! Trials that are missing from a run's results, and why.

use crate::{
    counted::plural,
    train::{lock_holder::Holder, run_lock::told},
};

/// Why a trial is missing from a run's results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Missing {
    NotFinished,
    /// Another process is working on it, named if its lock says so.
    Elsewhere(Option<Holder>),
    /// Its training differs from this run's, as described.
    OtherTraining(String),
    NotEvaluated {
        /// Whether its model was removed, so that it cannot be evaluated.
        is_gone: bool,
    },
    OtherEvaluation {
        differing: String,
        is_gone: bool,
    },
}

/// Messages about the missing trials, of `of` in all.
pub(super) fn lines(missing: &[(usize, Missing)], of: usize) -> Vec<String> {
    let open = missing
        .iter()
        .filter(|(_, why)| *why == Missing::NotFinished);
    let open: Vec<usize> = open.map(|(trial, _)| *trial).collect();
    let mut lines = Vec::new();
    if !open.is_empty() {
        let trials = plural(open.len(), "trial");
        lines.push(format!(
            "missing from the results: {trials} {} of {of}, not finished yet; each is added by the process \
             that finishes it",
            listed(&open)
        ));
    }
    lines.extend(missing.iter().filter_map(|(trial, why)| {
        Some(match why {
            Missing::NotFinished => return None,
            Missing::Elsewhere(holder) => format!(
                "missing from the results: trial {trial} of {of}, which another process is training{}; that \
                 process will add it",
                told(holder)
            ),
            Missing::OtherTraining(differing) => format!(
                "left out of the results: trial {trial} of {of}, which was trained with other settings \
                 ({differing}); give --trial {trial} --restart to train it again"
            ),
            Missing::NotEvaluated { is_gone } => format!(
                "left out of the results: trial {trial} of {of}, which was not evaluated; {}",
                evaluated_by(*trial, *is_gone, "it")
            ),
            Missing::OtherEvaluation { differing, is_gone } => format!(
                "left out of the results: trial {trial} of {of}, which was evaluated with other settings \
                 ({differing}); {}",
                evaluated_by(*trial, *is_gone, "it again")
            ),
        })
    }));
    lines
}

/// How to evaluate a trial.
fn evaluated_by(trial: usize, is_gone: bool, it: &str) -> String {
    match is_gone {
        true => {
            format!("its model has been removed: give --trial {trial} --restart to train it again")
        }
        false => format!("give --trial {trial} to evaluate {it}"),
    }
}

/// Numbers as in a sentence: `1, 2 and 4`.
fn listed(numbers: &[usize]) -> String {
    let words: Vec<String> = numbers.iter().map(usize::to_string).collect();
    match words.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trials_of_one_reason_are_told_together() {
        let missing = [
            (1, Missing::NotFinished),
            (
                2,
                Missing::OtherEvaluation {
                    differing: "beam_size: 5 there, 20 now".into(),
                    is_gone: false,
                },
            ),
            (3, Missing::NotFinished),
            (4, Missing::Elsewhere(None)),
            (5, Missing::NotFinished),
        ];
        let lines = lines(&missing, 5);
        assert_eq!(lines.len(), 3);
        for (line, part) in lines.iter().zip([
            "missing from the results: trials 1, 3 and 5 of 5, not finished yet",
            "left out of the results: trial 2 of 5, which was evaluated with other settings (beam_size: 5 there, 20 now)",
            "missing from the results: trial 4 of 5, which another process is training; that process will add it",
        ]) {
            assert!(line.starts_with(part), "{line}");
        }
        assert!(
            lines[1].ends_with("; give --trial 2 to evaluate it again"),
            "{}",
            lines[1]
        );
        assert_eq!(super::lines(&[], 3), [""; 0]);
        assert_eq!(listed(&[2]), "2");
        assert_eq!(listed(&[2, 3]), "2 and 3");
    }

    #[test]
    fn what_was_not_evaluated_is_evaluated_or_trained_anew() {
        for (is_gone, advice) in [
            (false, "give --trial 1 to evaluate it"),
            (
                true,
                "its model has been removed: give --trial 1 --restart to train it again",
            ),
        ] {
            let told = lines(&[(1, Missing::NotEvaluated { is_gone })], 2);
            let expected =
                format!("left out of the results: trial 1 of 2, which was not evaluated; {advice}");
            assert_eq!(told, [expected]);
        }
    }
}

//! The metrics of all trials as a table that fits a terminal.

use super::{
    figures::{Figure, Scores},
    results::TrialResults,
    summary::Summary,
};

/// Most trials shown individually; beyond that, only mean and deviation are shown, so that the
/// table fits 80 columns.
const SHOWN: usize = 4;

/// Widths of a metric's name and of its value.
const NAME: usize = 20;
const FIGURE: usize = 9;

/// A block a task, a row a figure in the scorer's order, a column a trial; after several trials
/// their mean and standard deviation. `numbers` are those of the trials, none if a run has but one; `shown`
/// gives a task's figure as its cell holds it.
pub fn results_table(
    trials: &[TrialResults],
    numbers: &[usize],
    shown: impl Fn(&str, &Scores, &str, Figure) -> String,
) -> String {
    let mut text = String::new();
    let Some(first) = trials.first() else {
        return text;
    };
    let summary = Summary::of(trials);
    for (place, (task, scores)) in first.tasks.iter().enumerate() {
        if place > 0 {
            text.push('\n');
        }
        let columns = if trials.len() <= SHOWN {
            trials.len()
        } else {
            0
        };
        let several = trials.len() > 1;
        let named = numbers.iter().take(columns);
        let mut heads: Vec<String> = named.map(|trial| format!("trial {trial}")).collect();
        if several {
            heads.extend(["mean".to_owned(), "± sd".to_owned()]);
        }
        push_row(&mut text, task, &heads);
        for (key, _) in scores.iter() {
            let of_trial = |trial: &TrialResults| {
                let scores = &trial.tasks.get(place)?.1;
                let (_, figure) = scores.iter().find(|(name, _)| *name == key)?;
                Some(shown(task, scores, key, figure))
            };
            let mut cells: Vec<String> = trials
                .iter()
                .filter_map(of_trial)
                .take(if several { columns } else { 1 })
                .collect();
            let spread = summary.as_ref().and_then(|all| all.spread(task, key));
            if let Some(spread) = spread {
                let figures = [spread.mean, spread.standard_deviation];
                cells.extend(figures.map(|value| format!("{value:.2}")));
            }
            push_row(&mut text, key, &cells);
        }
    }
    text
}

fn push_row(text: &mut String, name: &str, cells: &[String]) {
    let mut row = format!("{name:NAME$}");
    for cell in cells {
        row.push_str(&format!("{cell:>FIGURE$}"));
    }
    text.push_str(row.trim_end());
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results_table(trials: &[TrialResults]) -> String {
        let numbers: Vec<usize> = (1..=trials.len()).collect();
        let numbers = if trials.len() > 1 { &numbers[..] } else { &[] };
        super::results_table(trials, numbers, |_, _, _, figure| figure.shown())
    }

    fn trial(exact: f64) -> TrialResults {
        let mut scores = Scores::default();
        scores.push("exact", Figure::Value(exact));
        scores.push("total", Figure::Count(3134));
        scores.push("best_exact_thresh", Figure::Value(-2.375));
        TrialResults {
            tasks: vec![("squad".to_owned(), scores)],
        }
    }

    #[test]
    fn one_trial_is_a_column() {
        let expected = "\
squad
exact                   48.25
total                    3134
best_exact_thresh       -2.38
";
        assert_eq!(results_table(&[trial(48.25)]), expected);
        assert_eq!(results_table(&[]), "");
        // Of several that are still to come it is told which.
        let second = super::results_table(&[trial(48.25)], &[2], |_, _, _, figure| figure.shown());
        let expected = expected.replacen("squad\n", "squad                 trial 2\n", 1);
        assert_eq!(second, expected);
        let gap = [trial(1.0), trial(2.0)];
        let gap = super::results_table(&gap, &[1, 3], |_, _, _, figure| figure.shown());
        let heads = "squad                 trial 1  trial 3     mean     ± sd\n";
        assert!(gap.starts_with(heads), "{gap}");
    }

    #[test]
    fn several_trials_end_with_mean_and_deviation() {
        let trials = [50.0, 51.0, 54.0].map(trial);
        let table = results_table(&trials);
        let expected = "\
squad                 trial 1  trial 2  trial 3     mean     ± sd
exact                   50.00    51.00    54.00    51.67     2.08
";
        assert!(table.starts_with(expected), "{table}");
        let many: Vec<_> = (0..30).map(|place| trial(f64::from(place))).collect();
        for table in [table, results_table(&many)] {
            assert!(
                table.lines().all(|line| line.chars().count() <= 80),
                "{table}"
            );
        }
        assert!(results_table(&many).starts_with("squad                    mean     ± sd\n"));
    }
}

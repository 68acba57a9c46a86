//! Scores predictions of texts one by one.

use super::{confidence, is_right};
use crate::{
    eval::judged::{Judged, Told},
    tasks::classification::{
        example::Example,
        labels::{Gold, Labels},
        metric::Metric,
        prediction::Prediction,
        scorers::{
            confusion::Confusion,
            correlation::{RankedPairs, pearson_of_sums},
        },
        task::ClassificationTask,
    },
};

/// Index of the four cells of two classes among the sums, `[gold][predicted]`.
const CELLS: usize = 3;

/// Computes the scorer's metrics and, if the task shows them, our own.
pub(super) fn judged(task: &ClassificationTask, predictions: &[Prediction]) -> Judged {
    match &task.labels {
        Labels::Classes(names) => of_classes(task, names.len(), predictions),
        Labels::Range { .. } => of_values(predictions),
    }
}

fn of_classes(task: &ClassificationTask, classes: usize, predictions: &[Prediction]) -> Judged {
    let mut judged = Judged::new("text", "right only", CELLS + 4);
    let class = |gold: Option<Gold>| match gold {
        Some(Gold::Class(class)) => class,
        _ => 0,
    };
    let pair =
        |prediction: &Prediction| (class(prediction.gold), class(Some(prediction.predicted)));
    for prediction in predictions {
        let right = f64::from(u8::from(is_right(prediction)));
        let mut addends = [0.0; CELLS + 4];
        addends[..CELLS].copy_from_slice(&[1.0, right, prediction.loss.unwrap_or(f64::NAN)]);
        let (gold, predicted) = pair(prediction);
        if let Some(cell) = addends.get_mut(CELLS + 2 * gold as usize + predicted as usize)
            && classes == 2
        {
            *cell = 1.0;
        }
        judged.push(&addends, right);
    }
    let judged = match task.metric() {
        Metric::Matthews => judged.figure("mcc", |sums| 100.0 * of_cells(sums).matthews()),
        Metric::Accuracy | Metric::Correlation => {
            judged.figure("accuracy", |sums| 100.0 * sums[1] / sums[0])
        }
    };
    let judged = judged.figure("loss", |sums| sums[2] / sums[0]);
    if !task.shows_own_scores() {
        return judged;
    }
    if classes == 2 {
        return judged
            .figure("f1", |sums| 100.0 * of_cells(sums).class(1).f1)
            .figure("macro_f1", |sums| 100.0 * of_cells(sums).macro_f1());
    }
    let pairs: Vec<(u32, u32)> = predictions.iter().map(pair).collect();
    judged.figure_of_counts("macro_f1", move |counts| {
        let mut confusion = Confusion::of(classes, []);
        for (&(gold, predicted), &count) in pairs.iter().zip(counts) {
            confusion.counts[gold as usize][predicted as usize] += count as usize;
        }
        100.0 * confusion.macro_f1()
    })
}

/// Sums of ones are integers.
fn of_cells(sums: &[f64]) -> Confusion {
    let cell = |place: usize| sums[CELLS + place] as usize;
    Confusion {
        counts: vec![vec![cell(0), cell(1)], vec![cell(2), cell(3)]],
    }
}

fn of_values(predictions: &[Prediction]) -> Judged {
    let value = |gold: Option<Gold>| match gold {
        Some(Gold::Value(value)) => f64::from(value),
        _ => f64::NAN,
    };
    let pairs = predictions.iter();
    let (predicted, gold): (Vec<f64>, Vec<f64>) = pairs
        .map(|prediction| (value(Some(prediction.predicted)), value(prediction.gold)))
        .unzip();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    // Squares of small numbers lose no precision, and a correlation is invariant to the choice of
    // zero.
    let zero = (mean(&predicted), mean(&gold));
    let mut judged = Judged::new("text", "nearer to the right number", 8);
    for ((&predicted, &gold), prediction) in predicted.iter().zip(&gold).zip(predictions) {
        let (a, b) = (predicted - zero.0, gold - zero.1);
        let error = predicted - gold;
        let loss = prediction.loss.unwrap_or(f64::NAN);
        let addends = [1.0, a, b, a * a, b * b, a * b, error * error, loss];
        judged.push(&addends, -error.abs());
    }
    let ranked = RankedPairs::new(&predicted, &gold);
    judged
        .figure("pearson", |sums| {
            100.0 * pearson_of_sums([sums[0], sums[1], sums[2], sums[3], sums[4], sums[5]])
        })
        .figure_of_counts("spearman", move |counts| 100.0 * ranked.spearman(counts))
        .figure("mse", |sums| sums[6] / sums[0])
        .figure("loss", |sums| sums[7] / sums[0])
}

/// Shows a text with its label and the predicted one.
pub(super) fn told(example: &Example, prediction: &Prediction, labels: &Labels) -> Told {
    let id = match &example.id {
        Some(id) => format!("example {}, {id}", example.eid),
        None => format!("example {}", example.eid),
    };
    let text = match &example.text_b {
        Some(second) => format!("{} / {second}", example.text_a),
        None => example.text_a.clone(),
    };
    let predicted = labels.shown(prediction.predicted);
    Told {
        id,
        text,
        gold: labels.shown(example.gold),
        answer: match labels {
            Labels::Classes(_) => format!("{predicted} ({:.1} %)", 100.0 * confidence(prediction)),
            Labels::Range { .. } => predicted,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::tasks::{classification::scorers::score::own_scores, description::Description};

    fn predictions(labels: &Labels, made: &[(Gold, &[f32])]) -> Vec<Prediction> {
        let made = made.iter().zip(0..);
        let made = made.map(|((gold, logits), eid)| {
            let example = Example {
                eid,
                id: None,
                text_a: "a".to_owned(),
                text_b: None,
                gold: *gold,
            };
            Prediction::new("t", labels, &example, true, logits.to_vec()).unwrap()
        });
        made.collect()
    }

    /// Repeats each prediction this many times.
    fn sample(predictions: &[Prediction], counts: &[u32]) -> Vec<Prediction> {
        let copies = predictions.iter().zip(counts);
        copies
            .flat_map(|(one, &count)| vec![one.clone(); count as usize])
            .collect()
    }

    /// Compares every metric of a sample with the scorer's for the same sample.
    fn check(task: &ClassificationTask, predictions: &[Prediction], keys: &[&str]) {
        let judged = judged(task, predictions);
        assert_eq!(judged.keys().collect::<Vec<_>>(), keys);
        for counts in [[1, 1, 1, 1, 1], [0, 3, 1, 0, 2], [2, 0, 0, 1, 1]] {
            let marked: Vec<_> = sample(predictions, &counts)
                .iter()
                .filter_map(Prediction::marked)
                .collect();
            let scores = task.metric().scores(&marked);
            let own = own_scores(&task.labels, &marked);
            for (key, figure) in judged.keys().zip(judged.figures(&counts)) {
                let scorer_s = scores.get(key).or_else(|| own.get(key)).unwrap();
                assert!(
                    (figure - scorer_s).abs() < 1e-9,
                    "{key}: {figure} {scorer_s}"
                );
            }
        }
    }

    #[test]
    fn figures_of_samples_are_the_scorer_s() {
        use Gold::{Class, Value};
        let two: [(Gold, &[f32]); 5] = [
            (Class(0), &[1.0, 0.0]),
            (Class(1), &[0.0, 2.0]),
            (Class(1), &[0.5, 0.0]),
            (Class(0), &[0.0, 0.25]),
            (Class(0), &[3.0, 0.0]),
        ];
        for (name, keys) in [
            ("cola", &["mcc", "loss"][..]),
            ("rte", &["accuracy", "loss"]),
            ("mrpc", &["accuracy", "loss", "f1", "macro_f1"]),
        ] {
            let task = ClassificationTask::glue(name).unwrap();
            check(&task, &predictions(&task.labels, &two), keys);
        }
        let sts = ClassificationTask::glue("sts").unwrap();
        let values: [(Gold, &[f32]); 5] = [
            (Value(0.5), &[0.25]),
            (Value(1.0), &[0.75]),
            (Value(0.0), &[0.25]),
            (Value(0.25), &[0.5]),
            (Value(0.75), &[1.5]),
        ];
        let keys = ["pearson", "spearman", "mse", "loss"];
        check(&sts, &predictions(&sts.labels, &values), &keys);
        let mnli = ClassificationTask::glue("mnli").unwrap();
        let three: [(Gold, &[f32]); 5] = [
            (Class(0), &[1.0, 0.0, 0.0]),
            (Class(1), &[0.0, 2.0, 0.0]),
            (Class(2), &[0.5, 0.0, 0.0]),
            (Class(2), &[0.0, 0.25, 2.0]),
            (Class(0), &[0.0, 0.0, 4.0]),
        ];
        check(
            &mnli,
            &predictions(&mnli.labels, &three),
            &["accuracy", "loss"],
        );
        let description = r#"{"kind": "classification", "labels": ["a", "b", "c"]}"#;
        let description = Description::parse(description, "task.json").unwrap();
        let own = ClassificationTask::own("mine", description, Path::new("d"), None).unwrap();
        let keys = ["accuracy", "loss", "macro_f1"];
        check(&own, &predictions(&own.labels, &three), &keys);
    }
}

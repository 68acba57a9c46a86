//! Predictions → the files that gluebenchmark.com accepts.
//!
//! A submission is a zip archive of eleven files: `CoLA.tsv`, `SST-2.tsv`, `MRPC.tsv`, `STS-B.tsv`,
//! `QQP.tsv`, `MNLI-m.tsv`, `MNLI-mm.tsv`, `QNLI.tsv`, `RTE.tsv`, `AX.tsv` and `WNLI.tsv`. The last
//! belongs to a task that the reference does not train; the others are written here, unlike in the
//! reference.

use std::path::Path;

use super::{
    labels::{Gold, Labels},
    prediction::Prediction,
};
use crate::eval::{Error, json_file::write_text};

/// Writes `index`, the row's number from 0, and `prediction`, the class's name or the number
/// clamped to the scale of the labels. Rows that were left out are missing; GLUE's own test files
/// have no such rows.
///
/// # Errors
/// If the file cannot be written.
pub fn write_submission(
    path: &Path,
    labels: &Labels,
    predictions: &[Prediction],
) -> Result<(), Error> {
    let mut text = "index\tprediction\n".to_owned();
    for prediction in predictions {
        let shown = match prediction.predicted {
            Gold::Class(class) => labels.name(class).to_owned(),
            Gold::Value(value) => labels.shown(Gold::Value(value.clamp(0.0, 1.0))),
        };
        text.push_str(&format!("{}\t{shown}\n", prediction.eid));
    }
    write_text(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::classification::{example::Example, task::ClassificationTask};

    fn submission(task: &str, logits: &[&[f32]]) -> String {
        let task = ClassificationTask::glue(task).unwrap();
        let predictions: Vec<Prediction> = (0..)
            .zip(logits)
            .map(|(eid, logits)| {
                let example = Example {
                    eid,
                    id: None,
                    text_a: String::new(),
                    text_b: None,
                    gold: task.labels.dummy(),
                };
                let logits = logits.to_vec();
                Prediction::new(&task.name, &task.labels, &example, false, logits).unwrap()
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.tsv");
        write_submission(&path, &task.labels, &predictions).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn labels_are_written_by_name_and_scores_on_their_scale() {
        assert_eq!(
            submission("rte", &[&[0.0, 1.0], &[1.0, 0.0]]),
            "index\tprediction\n0\tnot_entailment\n1\tentailment\n"
        );
        assert_eq!(
            submission("qqp", &[&[0.0, 1.0]]),
            "index\tprediction\n0\t1\n"
        );
        assert_eq!(
            submission("sts", &[&[0.5], &[1.01], &[-0.2]]),
            "index\tprediction\n0\t2.500\n1\t5.000\n2\t0.000\n"
        );
    }

    #[test]
    fn every_test_split_has_its_file() {
        let files = |task: &str| -> Vec<&str> {
            let task = ClassificationTask::glue(task).unwrap();
            let splits = task.splits().into_iter();
            splits.filter_map(|split| task.submission(split)).collect()
        };
        assert_eq!(files("mnli"), ["MNLI-m.tsv", "MNLI-mm.tsv", "AX.tsv"]);
        let others = ["cola", "mrpc", "sst", "rte", "qnli", "qqp", "sts"].map(files);
        assert_eq!(
            others.concat(),
            [
                "CoLA.tsv",
                "MRPC.tsv",
                "SST-2.tsv",
                "RTE.tsv",
                "QNLI.tsv",
                "QQP.tsv",
                "STS-B.tsv"
            ]
        );
    }
}

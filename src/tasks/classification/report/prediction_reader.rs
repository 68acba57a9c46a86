//! The predictions file of an evaluation → the predictions, each checked against its example.

use std::path::Path;

use serde::Deserialize;

use crate::tasks::{
    classification::{
        data::ClassificationData,
        labels::{Gold, Labels},
        prediction::Prediction,
    },
    prediction_lines::{Error, PredictionLines},
};

/// A line as written by `prediction_file`. Its loss follows from the rest.
#[derive(Deserialize)]
struct Line {
    eid: u64,
    id: Option<String>,
    label_id: Option<u32>,
    target: Option<f32>,
    /// The id of a class, or a number.
    prediction: f32,
    logits: Option<Vec<f32>>,
}

/// Reads the predictions for the examples of a file, one per line, in order.
///
/// # Errors
/// If the file cannot be read or is malformed, or belongs to other examples, labels or classes.
pub fn read(path: &Path, data: &ClassificationData) -> Result<Vec<Prediction>, Error> {
    let labels = &data.task.labels;
    let keys = match labels {
        Labels::Classes(_) => "eid, label_id, prediction and logits",
        Labels::Range { .. } => "eid, target and prediction",
    };
    let mut lines = PredictionLines::<Line>::open(path, keys)?;
    let mut predictions = Vec::with_capacity(data.examples.examples.len());
    for example in &data.examples.examples {
        let line = lines.next_of(&format!("the example of eid {}", example.eid))?;
        let gold = data.examples.labelled.then_some(example.gold);
        let found = line.gold(labels);
        if line.eid != example.eid {
            let expected = format!("eid {}, the data's next example", example.eid);
            return Err(lines.wrong(expected, format!("eid {}", line.eid)));
        }
        if line.id != example.id {
            return Err(lines.wrong(named(example.id.as_ref()), named(line.id.as_ref())));
        }
        if found != gold {
            return Err(lines.wrong(shown(labels, gold), shown(labels, found)));
        }
        let logits = match labels {
            Labels::Classes(_) => line.logits.unwrap_or_default(),
            Labels::Range { .. } => vec![line.prediction],
        };
        if logits.len() != labels.outputs() {
            let expected = format!("{} logits, one for each class", labels.outputs());
            return Err(lines.wrong(expected, logits.len().to_string()));
        }
        let (task, labelled) = (&data.task.name, data.examples.labelled);
        let Ok(prediction) = Prediction::new(task, labels, example, labelled, logits) else {
            return Err(lines.wrong("finite numbers", "one that is not"));
        };
        if let Gold::Class(class) = prediction.predicted
            && class as f32 != line.prediction
        {
            let expected = format!("prediction {class}, the class of the greatest logit");
            return Err(lines.wrong(expected, format!("prediction {}", line.prediction)));
        }
        predictions.push(prediction);
    }
    lines.end(predictions.len())?;
    Ok(predictions)
}

impl Line {
    /// Returns the target stated in the line.
    fn gold(&self, labels: &Labels) -> Option<Gold> {
        match labels {
            Labels::Classes(_) => self.label_id.map(Gold::Class),
            Labels::Range { .. } => self.target.map(Gold::Value),
        }
    }
}

fn named(id: Option<&String>) -> String {
    id.map_or("no id".to_owned(), |id| format!("id {id:?}"))
}

fn shown(labels: &Labels, gold: Option<Gold>) -> String {
    match gold {
        None => "no label".to_owned(),
        Some(Gold::Class(class)) => format!("label_id {class} ({:?})", labels.name(class)),
        Some(Gold::Value(target)) => format!("target {target}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        tasks::classification::{
            prediction_file::write_predictions, read_options::ReadOptions, task::ClassificationTask,
        },
        text::{tokenizer::Tokenizer, vocab::Vocab},
    };

    fn data(task: &str, rows: &str) -> ClassificationData {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dev.tsv");
        std::fs::write(&path, rows).unwrap();
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na", "v").unwrap();
        let task = ClassificationTask::glue(task).unwrap();
        let (split, options) = (task.split("dev").unwrap(), ReadOptions::default());
        let tokenizer = Tokenizer::new(vocab, true);
        ClassificationData::read(&task, split, &path, options, &tokenizer, 16).unwrap()
    }

    fn rte() -> ClassificationData {
        // The second row has too few columns, so there is no eid 1.
        data(
            "rte",
            "h\n0\ta\ta\tentailment\nx\n2\ta\ta\tnot_entailment\n",
        )
    }

    fn found(data: &ClassificationData, text: &str) -> Result<Vec<Prediction>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rte_dev.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&path, data).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read() {
        for (data, logits) in [
            (rte(), vec![vec![0.1, -0.7], vec![-1e-9, 0.0]]),
            (data("sts", "h\na\ta\t1.333\n"), vec![vec![0.333_333]]),
        ] {
            let written = data.predictions(logits).unwrap();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("p.jsonl");
            write_predictions(&path, &written).unwrap();
            assert_eq!(read(&path, &data).unwrap(), written);
        }
    }

    #[test]
    fn predictions_of_other_data_are_refused() {
        let line = |eid, label, logits| {
            format!("{{\"eid\":{eid},\"label_id\":{label},\"prediction\":0,\"logits\":{logits}}}\n")
        };
        let first = line(0, 0, "[1,0]");
        for (text, parts) in [
            (
                format!("{first}{}", line(1, 1, "[1,0]")),
                ["line 2: expected eid 2", "found eid 1"],
            ),
            (
                format!("{first}{}", line(2, 0, "[1,0]")),
                [
                    "expected label_id 1 (\"not_entailment\")",
                    "found label_id 0 (\"entailment\")",
                ],
            ),
            (
                first.clone(),
                [
                    "line 2: expected a line for the example of eid 2",
                    "end of the file",
                ],
            ),
            (
                format!("{first}{}{first}", line(2, 1, "[1,0]")),
                [
                    "line 3: expected the end of the file, after 2",
                    "found another line",
                ],
            ),
            (
                line(0, 0, "[1,0,2]"),
                ["line 1: expected 2 logits", "found 3"],
            ),
            (
                line(0, 0, "[1,1e39]"),
                // Larger than f32 can represent.
                ["line 1: expected a JSON object", "number out of range"],
            ),
            (
                line(0, 0, "[1,2]"),
                ["expected prediction 1", "found prediction 0"],
            ),
            (
                "[]\n".to_owned(),
                ["line 1: expected a JSON object", "evaluate the run again"],
            ),
            (
                first.replace("\"label_id\":0,", ""),
                ["expected label_id 0", "found no label"],
            ),
            (
                first.replace("\"eid\":0", "\"eid\":0,\"id\":\"q\""),
                ["expected no id", "found id \"q\""],
            ),
        ] {
            let message = found(&rte(), &text).unwrap_err();
            for part in parts {
                assert!(message.contains(part), "{part:?} is not in {message}");
            }
            assert!(message.contains("rte_dev.jsonl: line"), "{message}");
        }
    }
}

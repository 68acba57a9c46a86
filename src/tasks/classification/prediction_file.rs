//! Predictions → files: one complete line per example, or the reference's test outputs.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    labels::{Gold, Labels},
    prediction::Prediction,
};
use crate::{
    durable_file::write_whole,
    eval::{
        Error,
        json_file::{json_text, write_json},
    },
};

/// Writes one line per example, in order: `eid`, `label_id` and `prediction` (class ids), `logits`
/// and `loss`; for a regression, `eid`, `target`, `prediction` (0 to 1) and `loss`. Without labels,
/// the fields that depend on them are left out; `id` follows `eid` if the file has ids.
///
/// # Errors
/// If the file cannot be written.
pub fn write_predictions(path: &Path, predictions: &[Prediction]) -> Result<(), Error> {
    write_lines(path, predictions.iter().map(fields))
}

/// Writes one object per line.
pub(super) fn write_lines(
    path: &Path,
    lines: impl Iterator<Item = Map<String, Value>>,
) -> Result<(), Error> {
    let mut lines = lines.map(Value::Object);
    let written = write_whole(path, |out| {
        lines.try_for_each(|line| {
            let mut line = json_text(&line);
            line.push(b'\n');
            out.write_all(&line)
        })
    });
    written.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// Returns the fields of an example's line.
pub(super) fn fields(prediction: &Prediction) -> Map<String, Value> {
    let mut line = Map::new();
    line.insert("eid".into(), prediction.eid.into());
    if let Some(id) = &prediction.id {
        line.insert("id".into(), id.as_str().into());
    }
    match prediction.gold {
        Some(Gold::Class(class)) => drop(line.insert("label_id".into(), class.into())),
        Some(Gold::Value(target)) => drop(line.insert("target".into(), number(target))),
        None => {}
    }
    match prediction.predicted {
        Gold::Class(class) => {
            line.insert("prediction".into(), class.into());
            line.insert("logits".into(), logits(prediction));
        }
        Gold::Value(value) => drop(line.insert("prediction".into(), number(value))),
    }
    if let Some(loss) = prediction.loss {
        line.insert("loss".into(), loss.into());
    }
    line
}

/// Writes what the reference's `write_classification_outputs` pickles: an object from `eid` to the
/// logits or, for a regression, to the number (0 to 1).
///
/// # Errors
/// If the file cannot be written.
pub fn write_test_outputs(path: &Path, predictions: &[Prediction]) -> Result<(), Error> {
    let outputs: Map<String, Value> = predictions
        .iter()
        .map(|prediction| {
            let value = match prediction.predicted {
                Gold::Class(_) => logits(prediction),
                Gold::Value(value) => number(value),
            };
            (prediction.eid.to_string(), value)
        })
        .collect();
    write_json(path, &outputs)
}

fn logits(prediction: &Prediction) -> Value {
    prediction
        .logits
        .iter()
        .map(|&logit| number(logit))
        .collect()
}

/// With all digits of the f64, as Python prints a float32.
fn number(number: f32) -> Value {
    f64::from(number).into()
}

/// Formats a prediction for users: the class's name, or the number on the scale of the labels.
pub fn shown(labels: &Labels, prediction: &Prediction) -> String {
    labels.shown(prediction.predicted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::classification::example::Example;

    fn prediction(labels: &Labels, gold: Option<Gold>, logits: &[f32]) -> Prediction {
        let example = Example {
            eid: 3,
            id: None,
            text_a: String::new(),
            text_b: None,
            gold: gold.unwrap_or(labels.dummy()),
        };
        Prediction::new("t", labels, &example, gold.is_some(), logits.to_vec()).unwrap()
    }

    fn written(write: impl FnOnce(&Path) -> Result<(), Error>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/p");
        write(&path).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    #[test]
    fn lines_are_as_the_reference_s_records_have_them() {
        let classes = Labels::Classes(["a", "b"].map(str::to_owned).into());
        let range = Labels::Range { min: 0.0, max: 5.0 };
        let mut named = prediction(&classes, None, &[0.5, 0.25]);
        named.id = Some("x".to_owned());
        let all = [
            prediction(&classes, Some(Gold::Class(1)), &[0.5, 0.5]),
            named.clone(),
            prediction(&range, Some(Gold::Value(0.266_6)), &[0.25]),
        ];
        let loss = 2.0_f64.ln();
        let difference = 0.25 - f64::from(0.266_6_f32);
        let squared = difference * difference;
        assert_eq!(
            written(|path| write_predictions(path, &all)),
            format!(
                "{{\"eid\": 3, \"label_id\": 1, \"prediction\": 0, \"logits\": [0.5, 0.5], \"loss\": {loss}}}\n\
                 {{\"eid\": 3, \"id\": \"x\", \"prediction\": 0, \"logits\": [0.5, 0.25]}}\n\
                 {{\"eid\": 3, \"target\": 0.26660001277923584, \"prediction\": 0.25, \"loss\": {squared}}}\n"
            )
        );
        assert_eq!(
            written(|path| write_test_outputs(path, &[named])),
            r#"{"3": [0.5, 0.25]}"#
        );
        assert_eq!(
            written(|path| write_test_outputs(path, &all[2..])),
            r#"{"3": 0.25}"#
        );
        assert_eq!(
            (shown(&classes, &all[0]), shown(&range, &all[2])),
            ("a".into(), "1.250".into())
        );
    }
}

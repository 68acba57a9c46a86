//! The shape of a task's head, as given in `config.json` under `heads`: either a question-answering
//! head or a dense layer. The keys decide which; keys of both, or of neither, are rejected.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The parts and sizes of a head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Keys")]
pub enum HeadShape {
    /// Predicts where an answer starts and ends in a passage.
    Span(SpanShape),
    /// Predicts a class, a number, or a label for each word.
    Dense(DenseShape),
}

/// Which parts a question-answering head has (reference: `finetune/qa/qa_tasks.py`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SpanShape {
    /// The end is predicted conditioned on the start, through a hidden layer.
    pub joint_prediction: bool,
    /// There is a classifier for unanswerable questions.
    pub answerable_classifier: bool,
    /// That classifier reads the passage weighted by the start probabilities, through a hidden
    /// layer; otherwise only the first token.
    pub answerable_uses_start_logits: bool,
    /// Width of the hidden layers: 512 in the reference, and in a fine-tuned record that does not
    /// state it.
    pub hidden: usize,
}

/// A head of one dense layer on a hidden state, `[hidden, outputs]` (reference:
/// `finetune/classification/classification_tasks.py`, `finetune/tagging/tagging_tasks.py`), or of two, as
/// Hugging Face's `ElectraForSequenceClassification` has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DenseShape {
    /// Values per text or word: the number of labels, or one for a number.
    pub outputs: usize,
    /// The labels in the order of the outputs; `None` if unknown, as in a TensorFlow checkpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<Vec<String>>,
    /// What the outputs mean; `None` if unknown, since the layer is the same for all kinds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<DenseKind>,
    /// Whether a dense layer `[hidden, hidden]` followed by GELU comes first; the reference has
    /// none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hidden_layer: bool,
    /// The segment id of every token that a tagging head was trained with, if it is not 1 as in the
    /// reference's features: 0 for one of Hugging Face. With the other segment the head would
    /// predict different labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<u8>,
    /// How many texts an example has: 1, or 2 for a pair; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub texts: Option<u8>,
    /// The numbers that a regression's outputs 0 and 1 stand for; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The columns of the tables that a user's own task was trained on, under the keys of its
    /// `task.json`; `None` if that names none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<Map<String, Value>>,
}

/// What a dense head predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DenseKind {
    /// One label for a text or a pair of texts, from the first token's hidden state.
    Classification,
    /// A number for a text or a pair of texts, from the first token's hidden state.
    Regression,
    /// A label for each word, from the hidden state of its first token.
    Tagging,
}

impl DenseKind {
    /// Returns its name in messages and in `config.json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
            Self::Tagging => "tagging",
        }
    }
}

/// Width of a question-answering head's hidden layers, if nothing states it.
pub(crate) const HEAD_HIDDEN: usize = 512;

impl HeadShape {
    /// Returns a dense head with `outputs` outputs and nothing else known.
    pub fn dense(outputs: usize) -> Self {
        Self::Dense(DenseShape::new(outputs))
    }
}

impl DenseShape {
    /// Returns a layer with `outputs` outputs and nothing else known.
    pub fn new(outputs: usize) -> Self {
        Self {
            outputs,
            labels: None,
            kind: None,
            hidden_layer: false,
            segment: None,
            texts: None,
            range: None,
            columns: None,
        }
    }

    /// Checks that the parts agree with each other; the error says why they do not.
    fn check(&self) -> Result<(), String> {
        let outputs = self.outputs;
        if outputs == 0 {
            return Err("\"outputs\" is 0; expected at least 1".into());
        }
        if self.kind == Some(DenseKind::Regression) && (outputs != 1 || self.labels.is_some()) {
            return Err(format!(
                "\"kind\" is \"regression\", with {outputs} \"outputs\"{}; expected 1 and no \"labels\"",
                match self.labels {
                    Some(_) => " and \"labels\"",
                    None => "",
                }
            ));
        }
        let is_of_text = matches!(
            self.kind,
            Some(DenseKind::Classification | DenseKind::Regression)
        );
        if self.hidden_layer && !is_of_text {
            return Err(
                "\"hidden_layer\" is true; expected a \"kind\" that is \"classification\" or \
                 \"regression\""
                    .into(),
            );
        }
        if let Some(segment) = self.segment
            && (segment > 1 || self.kind != Some(DenseKind::Tagging))
        {
            return Err(format!(
                "\"segment\" is {segment}; expected 0 or 1, of a \"kind\" that is \"tagging\""
            ));
        }
        if let Some(texts) = self.texts
            && (!(1..=2).contains(&texts) || self.kind == Some(DenseKind::Tagging))
        {
            return Err(format!(
                "\"texts\" is {texts}; expected 1 or 2, of a \"kind\" that is not \"tagging\""
            ));
        }
        if let Some([min, max]) = self.range
            && (min >= max || !(max - min).is_finite() || self.kind != Some(DenseKind::Regression))
        {
            return Err(format!(
                "\"range\" is [{min}, {max}]; expected the least number and the greatest, of a \"kind\" \
                 that is \"regression\""
            ));
        }
        let Some(labels) = &self.labels else {
            return Ok(());
        };
        if labels.len() != outputs {
            let count = labels.len();
            return Err(format!(
                "{count} \"labels\" for {outputs} \"outputs\"; expected one for each"
            ));
        }
        let mut seen = BTreeSet::new();
        match labels.iter().find(|label| !seen.insert(label.as_str())) {
            Some(label) => Err(format!("{label:?} occurs twice among the \"labels\"")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for HeadShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Span(_) => f.write_str("question answering"),
            Self::Dense(dense) => dense.fmt(f),
        }
    }
}

impl fmt::Display for DenseShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Some(DenseKind::Regression) => return f.write_str("regression"),
            Some(DenseKind::Classification) => "classification, ",
            Some(DenseKind::Tagging) => "tagging, ",
            None => "",
        };
        match self.outputs {
            1 => write!(f, "{kind}1 output"),
            outputs => write!(f, "{kind}{outputs} outputs"),
        }
    }
}

/// The keys of either head; others are ignored, so that a later version may add some.
#[derive(Deserialize)]
struct Keys {
    joint_prediction: Option<bool>,
    answerable_classifier: Option<bool>,
    answerable_uses_start_logits: Option<bool>,
    hidden: Option<usize>,
    outputs: Option<usize>,
    labels: Option<Vec<String>>,
    kind: Option<DenseKind>,
    hidden_layer: Option<bool>,
    segment: Option<u8>,
    texts: Option<u8>,
    range: Option<[f64; 2]>,
    columns: Option<Map<String, Value>>,
}

impl TryFrom<Keys> for HeadShape {
    type Error = String;

    fn try_from(keys: Keys) -> Result<Self, String> {
        let is_span = keys.joint_prediction.is_some()
            || keys.answerable_classifier.is_some()
            || keys.answerable_uses_start_logits.is_some()
            || keys.hidden.is_some();
        let is_dense = keys.outputs.is_some()
            || keys.labels.is_some()
            || keys.kind.is_some()
            || keys.hidden_layer.is_some()
            || keys.segment.is_some()
            || keys.texts.is_some()
            || keys.range.is_some();
        let missing = |key: &str| format!("missing field `{key}`");
        match (is_span, is_dense) {
            (true, false) => Ok(Self::Span(SpanShape {
                joint_prediction: keys
                    .joint_prediction
                    .ok_or_else(|| missing("joint_prediction"))?,
                answerable_classifier: keys
                    .answerable_classifier
                    .ok_or_else(|| missing("answerable_classifier"))?,
                answerable_uses_start_logits: keys
                    .answerable_uses_start_logits
                    .ok_or_else(|| missing("answerable_uses_start_logits"))?,
                hidden: keys.hidden.unwrap_or(HEAD_HIDDEN),
            })),
            (false, true) => {
                let dense = DenseShape {
                    outputs: keys.outputs.ok_or_else(|| missing("outputs"))?,
                    labels: keys.labels,
                    kind: keys.kind,
                    hidden_layer: keys.hidden_layer.unwrap_or(false),
                    segment: keys.segment,
                    texts: keys.texts,
                    range: keys.range,
                    columns: keys.columns,
                };
                dense.check()?;
                Ok(Self::Dense(dense))
            }
            (true, true) => Err(
                "keys of a question-answering head (\"joint_prediction\", …) \
                 beside those of a dense one (\"outputs\", \"labels\", \"kind\")"
                    .into(),
            ),
            (false, false) => Err(
                "not a head of any known kind; expected \"outputs\" of a dense head, or \
                 \"joint_prediction\", \"answerable_classifier\" and \"answerable_uses_start_logits\" of a \
                 question-answering head"
                    .into(),
            ),
        }
    }
}

/// Deserializes the heads by task; an error names the key of the head.
pub(crate) fn by_task<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, HeadShape>, D::Error> {
    struct ByTask;

    impl<'de> Visitor<'de> for ByTask {
        type Value = BTreeMap<String, HeadShape>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut heads = BTreeMap::new();
            while let Some(task) = map.next_key::<String>()? {
                let head = map
                    .next_value()
                    .map_err(|error| de::Error::custom(format_args!("heads.{task}: {error}")))?;
                heads.insert(task, head);
            }
            Ok(heads)
        }
    }

    deserializer.deserialize_map(ByTask)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Result<BTreeMap<String, HeadShape>, String> {
        let mut json = serde_json::Deserializer::from_str(text);
        by_task(&mut json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_question_answering_head_is_written_as_ever() {
        let text = r#"{"joint_prediction":true,"answerable_classifier":false,"answerable_uses_start_logits":true,"hidden":12}"#;
        let head: HeadShape = serde_json::from_str(text).unwrap();
        let HeadShape::Span(span) = &head else {
            panic!("{head:?}")
        };
        assert!(span.joint_prediction && !span.answerable_classifier && span.hidden == 12);
        assert_eq!(serde_json::to_string(&head).unwrap(), text);
        // Fine-tuned records of version 0.1 do not state the width.
        let text = text.replace(",\"hidden\":12", "");
        let head: HeadShape = serde_json::from_str(&text).unwrap();
        assert!(matches!(head, HeadShape::Span(span) if span.hidden == 512));
    }

    #[test]
    fn a_dense_head_says_no_more_than_is_known() {
        for (text, shown) in [
            (r#"{"outputs":3}"#, "3 outputs"),
            (r#"{"outputs":1}"#, "1 output"),
            (r#"{"outputs":1,"kind":"regression"}"#, "regression"),
            (
                r#"{"outputs":1,"kind":"regression","texts":2,"range":[0.0,5.0]}"#,
                "regression",
            ),
            (
                r#"{"outputs":2,"labels":["a","b"],"kind":"classification"}"#,
                "classification, 2 outputs",
            ),
            (
                r#"{"outputs":2,"kind":"classification","hidden_layer":true}"#,
                "classification, 2 outputs",
            ),
            (
                r#"{"outputs":1,"kind":"regression","columns":{"text":"review","label":2}}"#,
                "regression",
            ),
            (r#"{"outputs":9,"kind":"tagging"}"#, "tagging, 9 outputs"),
            (
                r#"{"outputs":9,"kind":"tagging","segment":0}"#,
                "tagging, 9 outputs",
            ),
        ] {
            let head: HeadShape = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&head).unwrap(), text);
            assert_eq!(head.to_string(), shown);
        }
        let later = json!({"outputs": 2, "later": [1]});
        let head: HeadShape = serde_json::from_value(later).unwrap();
        assert_eq!(head, HeadShape::dense(2));
    }

    #[test]
    fn what_is_wrong_with_a_head_is_told_with_its_key_and_place() {
        for (head, expected) in [
            ("{}", "heads.rte: not a head of any known kind"),
            (
                r#"{"outputs": 2, "hidden": 4}"#,
                "heads.rte: keys of a question-answering head",
            ),
            (
                r#"{"joint_prediction": true, "answerable_classifier": true}"#,
                "heads.rte: missing field `answerable_uses_start_logits`",
            ),
            (r#"{"labels": ["a"]}"#, "heads.rte: missing field `outputs`"),
            (r#"{"outputs": 0}"#, "heads.rte: \"outputs\" is 0"),
            (
                r#"{"outputs": 3, "labels": ["a", "b"]}"#,
                "heads.rte: 2 \"labels\" for 3 \"outputs\"",
            ),
            (
                r#"{"outputs": 2, "labels": ["a", "a"]}"#,
                "heads.rte: \"a\" occurs twice",
            ),
            (
                r#"{"outputs": 2, "kind": "regression"}"#,
                "heads.rte: \"kind\" is \"regression\", with 2 \"outputs\"; expected 1",
            ),
            (
                r#"{"outputs": 1, "labels": ["a"], "kind": "regression"}"#,
                "with 1 \"outputs\" and \"labels\"; expected 1 and no \"labels\"",
            ),
            (
                r#"{"outputs": 1, "kind": "ranking"}"#,
                "heads.rte: unknown variant `ranking`, expected one of `classification`, `regression`, `tagging` at line 2",
            ),
            (
                r#"{"outputs": 2, "kind": "tagging", "hidden_layer": true}"#,
                "heads.rte: \"hidden_layer\" is true; expected a \"kind\" that is \"classification\" or",
            ),
            (
                r#"{"outputs": 2, "kind": "tagging", "segment": 2}"#,
                "heads.rte: \"segment\" is 2; expected 0 or 1",
            ),
            (
                r#"{"outputs": 2, "segment": 0}"#,
                "expected 0 or 1, of a \"kind\" that is \"tagging\"",
            ),
            (
                r#"{"outputs": 2, "texts": 3}"#,
                "heads.rte: \"texts\" is 3; expected 1 or 2",
            ),
            (
                r#"{"outputs": 2, "texts": 2, "kind": "tagging"}"#,
                "of a \"kind\" that is not \"tagging\"",
            ),
            (
                r#"{"outputs": 1, "kind": "regression", "range": [5, 1]}"#,
                "heads.rte: \"range\" is [5, 1]; expected the least number",
            ),
            (
                r#"{"outputs": 2, "range": [0, 1]}"#,
                "of a \"kind\" that is \"regression\"",
            ),
            (
                r#"{"outputs": "3"}"#,
                "heads.rte: invalid type: string \"3\", expected usize at line 2",
            ),
            (
                r#"{"outputs": -1}"#,
                "heads.rte: invalid value: integer `-1`, expected usize at line 2",
            ),
            ("[]", "heads.rte: "),
        ] {
            let error = read(&format!("{{\n\"rte\": {head}}}")).unwrap_err();
            assert!(error.contains(expected), "{error}");
            assert!(error.contains("at line 2 column "), "{error}");
        }
        assert!(read("3").unwrap_err().contains("expected a map"));
    }
}

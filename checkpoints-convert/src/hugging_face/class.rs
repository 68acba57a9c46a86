//! The classes of `transformers` that have a head for one of this project's tasks.

use serde_json::Value;

/// A class, by what its head reads and gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Where an answer starts and ends: one dense layer on every token.
    Questions,
    /// A class or a number of a text: two dense layers on the first token, GELU between them.
    Texts,
    /// A label of each word: one dense layer on every token.
    Words,
}

impl Class {
    const ALL: [Self; 3] = [Self::Questions, Self::Texts, Self::Words];

    /// Its name in `transformers`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Questions => "ElectraForQuestionAnswering",
            Self::Texts => "ElectraForSequenceClassification",
            Self::Words => "ElectraForTokenClassification",
        }
    }

    /// What `transformers` calls its task.
    pub fn pipeline(self) -> &'static str {
        match self {
            Self::Questions => "question-answering",
            Self::Texts => "text-classification",
            Self::Words => "token-classification",
        }
    }

    /// The class of a model whose `config.json` has these `architectures`. If it has none, the names of
    /// the tensors tell it, of which `classifier.weight` alone is that of several classes.
    pub(super) fn of<'a>(
        architectures: &Value,
        tensors: impl Iterator<Item = &'a str>,
    ) -> Option<Self> {
        match architectures {
            Value::Null => {
                let (mut questions, mut texts) = (false, false);
                for name in tensors {
                    questions |= name.starts_with("qa_outputs.");
                    texts |= is_of_two_layers(name);
                }
                match (questions, texts) {
                    (true, _) => Some(Self::Questions),
                    (false, true) => Some(Self::Texts),
                    (false, false) => None,
                }
            }
            Value::Array(classes) => {
                let is_named = |class: &Self| classes.iter().any(|name| name == class.name());
                Self::ALL.into_iter().find(is_named)
            }
            _ => None,
        }
    }
}

/// Whether the tensor is of the head of `ElectraForSequenceClassification`.
pub(super) fn is_of_two_layers(name: &str) -> bool {
    name.starts_with("classifier.dense.") || name.starts_with("classifier.out_proj.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_class_is_the_one_that_is_named_or_else_the_one_whose_tensors_are_there() {
        let of = |architectures: Value, tensors: &[&str]| {
            Class::of(&architectures, tensors.iter().copied())
        };
        for class in Class::ALL {
            assert_eq!(of(json!(["Other", class.name()]), &[]), Some(class));
        }
        let (qa, texts) = ("qa_outputs.bias", "classifier.out_proj.bias");
        assert_eq!(of(json!(["ElectraModel"]), &[qa, texts]), None);
        assert_eq!(of(json!("ElectraForQuestionAnswering"), &[qa]), None);
        assert_eq!(of(Value::Null, &["a", qa]), Some(Class::Questions));
        assert_eq!(of(Value::Null, &[texts]), Some(Class::Texts));
        assert_eq!(of(Value::Null, &["classifier.weight"]), None);
    }
}

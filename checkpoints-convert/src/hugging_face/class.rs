//! The classes of `transformers` that have a head for one of this project's tasks.

use serde_json::Value;

/// A class, identified by what its head reads and predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Predicts where an answer starts and ends: one dense layer on every token.
    Questions,
    /// Predicts a class or a number for a text: two dense layers on the first token, with GELU
    /// between them.
    Texts,
    /// Predicts a label for each word: one dense layer on every token.
    Words,
}

impl Class {
    const ALL: [Self; 3] = [Self::Questions, Self::Texts, Self::Words];

    /// Returns its name in `transformers`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Questions => "ElectraForQuestionAnswering",
            Self::Texts => "ElectraForSequenceClassification",
            Self::Words => "ElectraForTokenClassification",
        }
    }

    /// Returns the name of its task in `transformers`.
    pub fn pipeline(self) -> &'static str {
        match self {
            Self::Questions => "question-answering",
            Self::Texts => "text-classification",
            Self::Words => "token-classification",
        }
    }

    /// Returns the class of a model whose `config.json` has these `architectures`. If there are
    /// none, it is inferred from the tensor names; `classifier.weight` alone decides nothing, since
    /// several classes have it.
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

/// Returns whether the tensor belongs to the head of `ElectraForSequenceClassification`.
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

//! The labels of texts, classes or numbers in a range, and the targets that a model learns from
//! them.

use std::collections::BTreeSet;

use checkpoints_convert::{DenseKind, DenseShape};
use serde::{Deserialize, Serialize};

use crate::tasks::head::HeadConfig;

/// The labels of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Written")]
pub enum Labels {
    /// Names of the classes, in the order of their ids.
    Classes(Vec<String>),
    /// Numbers; the model learns them rescaled to 0 to 1.
    Range { min: f64, max: f64 },
}

/// Labels as written in a file.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Written {
    Classes(Vec<String>),
    Range { min: f64, max: f64 },
}

impl TryFrom<Written> for Labels {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        match written {
            Written::Classes(names) => {
                let distinct: BTreeSet<&String> = names.iter().collect();
                match distinct.len() == names.len() && names.len() > 1 {
                    true => Ok(Self::Classes(names)),
                    false => Err("expected at least two classes with different names"),
                }
            }
            Written::Range { min, max } => match (max - min).is_finite() && min < max {
                true => Ok(Self::Range { min, max }),
                false => Err("expected a range from its least number to its greatest"),
            },
        }
    }
}

/// The target of a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Gold {
    /// Id of the class.
    Class(u32),
    /// The number rescaled to 0 to 1: (number − min) / (max − min).
    Value(f32),
}

impl Labels {
    /// Returns the labels of a head, if it is a text head and knows them.
    pub fn of_head(head: &HeadConfig) -> Option<Self> {
        match head {
            HeadConfig::Classes { labels, .. } => Some(Self::Classes(labels.to_vec())),
            HeadConfig::Value {
                range: Some([min, max]),
                ..
            } => Some(Self::Range {
                min: *min,
                max: *max,
            }),
            _ => None,
        }
    }

    /// Returns the labels that a record gives for its head.
    pub fn stored(head: &DenseShape) -> Option<Self> {
        match (&head.labels, head.range) {
            _ if head.kind == Some(DenseKind::Tagging) => None,
            (Some(names), _) => Some(Self::Classes(names.clone())),
            (None, Some([min, max])) => Some(Self::Range { min, max }),
            (None, None) => None,
        }
    }

    /// Returns the names of the classes, in the order of their ids.
    pub fn classes(&self) -> Option<Vec<String>> {
        match self {
            Self::Classes(names) => Some(names.clone()),
            Self::Range { .. } => None,
        }
    }

    /// Returns the number of outputs of the head: a logit per class, or one value.
    pub fn outputs(&self) -> usize {
        match self {
            Self::Classes(names) => names.len(),
            Self::Range { .. } => 1,
        }
    }

    /// Parses a label: the exact name of a class, or any number.
    pub fn gold(&self, text: &str) -> Option<Gold> {
        match self {
            Self::Classes(names) => {
                let class = names.iter().position(|name| name == text)?;
                Some(Gold::Class(class as u32))
            }
            Self::Range { min, max } => {
                let number: f64 = text.trim().parse().ok()?;
                let target = ((number - min) / (max - min)) as f32;
                target.is_finite().then_some(Gold::Value(target))
            }
        }
    }

    /// Same as [`Labels::gold`], but rejects numbers outside the range.
    pub fn gold_in_range(&self, text: &str) -> Option<Gold> {
        let number: f64 = match self {
            Self::Classes(_) => return self.gold(text),
            Self::Range { .. } => text.trim().parse().ok()?,
        };
        let inside = matches!(self, Self::Range { min, max } if (*min..=*max).contains(&number));
        if inside { self.gold(text) } else { None }
    }

    /// Returns the placeholder label that the reference gives to unlabelled texts: the first class,
    /// or 0.
    pub fn dummy(&self) -> Gold {
        match self {
            Self::Classes(_) => Gold::Class(0),
            Self::Range { .. } => Gold::Value(0.0),
        }
    }

    /// Returns the name of a class.
    pub fn name(&self, class: u32) -> &str {
        match self {
            Self::Classes(names) => names.get(class as usize).map_or("", String::as_str),
            Self::Range { .. } => "",
        }
    }

    /// Converts a model's output to the scale of the labels.
    pub fn on_scale(&self, value: f32) -> f64 {
        match self {
            Self::Classes(_) => f64::from(value),
            Self::Range { min, max } => min + f64::from(value) * (max - min),
        }
    }

    /// Formats a label as users write it.
    pub fn shown(&self, gold: Gold) -> String {
        match gold {
            Gold::Class(class) => self.name(class).to_owned(),
            Gold::Value(value) => format!("{:.3}", self.on_scale(value)),
        }
    }

    /// Describes valid labels, for messages.
    pub fn expected(&self) -> String {
        match self {
            Self::Classes(names) => {
                let shown: Vec<String> = names
                    .iter()
                    .take(12)
                    .map(|name| format!("{name:?}"))
                    .collect();
                let more = match names.len() {
                    0..=12 => String::new(),
                    all => format!(" and {} more", all - 12),
                };
                format!("one of {}{more}", shown.join(", "))
            }
            Self::Range { min, max } => {
                let [min, max] = [*min, *max].map(written);
                format!("a number from {min} to {max}")
            }
        }
    }
}

/// Formats a number as users write it, in scientific notation if it has many digits.
pub(super) fn written(number: f64) -> String {
    match number == 0.0 || (1e-6..1e15).contains(&number.abs()) {
        true => number.to_string(),
        false => format!("{number:e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_exact_names() {
        let labels = Labels::Classes(["no", "yes"].map(str::to_owned).into());
        assert_eq!(labels.gold("yes"), Some(Gold::Class(1)));
        assert_eq!((labels.gold("yes "), labels.gold("Yes")), (None, None));
        assert_eq!((labels.outputs(), labels.dummy()), (2, Gold::Class(0)));
        assert_eq!(labels.expected(), "one of \"no\", \"yes\"");
        let json = serde_json::to_string(&labels).unwrap();
        assert_eq!(json, r#"{"classes":["no","yes"]}"#);
        assert_eq!(serde_json::from_str::<Labels>(&json).unwrap(), labels);
        for (json, part) in [
            (r#"{"classes":["no"]}"#, "two classes"),
            (r#"{"classes":["no","no"]}"#, "different"),
            (r#"{"range":{"min":1.0,"max":1.0}}"#, "least"),
        ] {
            let message = serde_json::from_str::<Labels>(json)
                .unwrap_err()
                .to_string();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn numbers_are_learnt_from_0_to_1() {
        let labels = Labels::Range { min: 0.0, max: 5.0 };
        assert_eq!(labels.gold("1.333"), Some(Gold::Value(0.266_6)));
        assert_eq!(labels.gold_in_range(" 5 "), Some(Gold::Value(1.0)));
        for text in ["5.001", "-0.1", "nan", "inf", "five", ""] {
            assert_eq!(labels.gold_in_range(text), None, "{text}");
        }
        // Numbers beyond the range are valid if it is only that of the train file.
        assert_eq!(labels.gold("10"), Some(Gold::Value(2.0)));
        for text in ["1e400", "1e300", "-1e300"] {
            assert_eq!(labels.gold(text), None, "{text}: its target is no f32");
        }
        let far = Labels::Range {
            min: -1e300,
            max: 0.5,
        };
        assert_eq!(far.expected(), "a number from -1e300 to 0.5");
        assert_eq!(labels.on_scale(0.5), 2.5);
        assert_eq!(labels.shown(Gold::Value(0.96)), "4.800");
    }
}

//! Keys of a description that do not go together.

use std::collections::BTreeSet;

use super::{Column, Description, Error, Kind};

/// What is wrong with a key.
struct Wrong {
    key: &'static str,
    expected: &'static str,
    found: String,
    advice: &'static str,
}

impl Description {
    /// Rejects keys that do not go together.
    pub(super) fn check(&self, file: &str) -> Result<(), Error> {
        let wrong = self
            .wrong_labels()
            .or_else(|| self.wrong_range())
            .or_else(|| self.wrong_column());
        match wrong {
            None => Ok(()),
            Some(Wrong {
                key,
                expected,
                found,
                advice,
            }) => Err(Error::Value {
                file: file.to_owned(),
                key,
                expected,
                found,
                advice,
            }),
        }
    }

    fn wrong_labels(&self) -> Option<Wrong> {
        let labels = self.labels.as_ref()?;
        let found = format!("{labels:?}");
        if self.kind == Kind::Regression {
            return Some(Wrong {
                key: "labels",
                expected: "none, of a regression",
                found,
                advice: "leave it out, or make the kind classification",
            });
        }
        let blank = labels
            .iter()
            .any(|label| label.trim() != label || label.is_empty());
        let distinct: BTreeSet<&String> = labels.iter().collect();
        (labels.len() < 2 || blank || distinct.len() < labels.len()).then_some(Wrong {
            key: "labels",
            expected: "at least two different names without blanks around them",
            found,
            advice: "give every label once, or leave the key out to take the train file's",
        })
    }

    fn wrong_range(&self) -> Option<Wrong> {
        let [min, max] = self.range?;
        let found = format!("[{min}, {max}]");
        if self.kind != Kind::Regression {
            return Some(Wrong {
                key: "range",
                expected: "none, but of a regression",
                found,
                advice: "leave it out, or make the kind regression",
            });
        }
        let usable = min < max && (max - min).is_finite();
        (!usable).then_some(Wrong {
            key: "range",
            expected: "two numbers, the first the smaller",
            found,
            advice: "give the least value first",
        })
    }

    fn wrong_column(&self) -> Option<Wrong> {
        if let (Kind::Tagging, Some(column)) = (self.kind, &self.text_b) {
            return Some(Wrong {
                key: "text_b",
                expected: "none, of a tagging task",
                found: column.to_string(),
                advice: "leave it out: tags stand at the words of one text",
            });
        }
        let columns = [
            ("text", &self.text),
            ("text_b", &self.text_b),
            ("label", &self.label),
            ("id", &self.id),
        ];
        let mut given = columns
            .iter()
            .enumerate()
            .filter_map(|(place, (key, column))| Some((place, *key, column.as_ref()?)));
        given.find_map(|(place, key, column)| {
            let mut before = columns[..place].iter();
            if before.any(|(_, other)| other.as_ref() == Some(column)) {
                return Some(Wrong {
                    key,
                    expected: "a column of its own",
                    found: format!("{column}, which another key has"),
                    advice: "name another column, or leave the key out",
                });
            }
            let named = matches!(column, Column::Name(_));
            (self.header == Some(false) && named).then(|| Wrong {
                key,
                expected: "a number, of a table without a header",
                found: column.to_string(),
                advice: "give the column's number, or leave \"header\": false out",
            })
        })
    }
}

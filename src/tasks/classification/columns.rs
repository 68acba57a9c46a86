//! Finds the columns of a user's table that hold the texts and the label.
//!
//! They are those of the description or, without one, those used by data sets of Hugging Face.

use super::{advice::Advice, error::Error, table::Format};
use crate::{
    data::split::Split,
    tasks::description::{Column, Description, FILE, Kind},
};

/// Text columns as used by published data sets.
const TEXTS: [(&str, Option<&str>); 8] = [
    ("sentence1", Some("sentence2")),
    ("premise", Some("hypothesis")),
    ("question1", Some("question2")),
    ("question", Some("sentence")),
    ("text_a", Some("text_b")),
    ("text", None),
    ("sentence", None),
    ("review", None),
];

/// Positions of an example's cells in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    pub text_a: usize,
    pub text_b: Option<usize>,
    /// `None` for a test file without labels.
    pub label: Option<usize>,
    pub id: Option<usize>,
}

/// Returns whether the first row of a file is a header.
///
/// # Errors
/// If the description does not say: columns that are all given by number fit files with and without
/// a header, and a wrong guess would lose an example or train on the header.
pub(super) fn has_header(
    description: &Description,
    format: Format,
    file: &str,
) -> Result<bool, Error> {
    let columns = [
        &description.text,
        &description.text_b,
        &description.label,
        &description.id,
    ];
    let mut given = columns.into_iter().flatten().peekable();
    let numbers = given.peek().is_some() && given.all(|column| matches!(column, Column::Number(_)));
    match description.header {
        Some(header) => Ok(header),
        None if numbers && format != Format::Json => Err(Error::Table {
            file: file.to_owned(),
            expected: format!("{FILE} to say whether the first row has the names of the columns"),
            found: "columns by number only".to_owned(),
            advice: Advice::of_columns("add \"header\": true or \"header\": false to it"),
        }),
        None => Ok(true),
    }
}

impl Columns {
    /// Chooses the columns among those with these names.
    ///
    /// # Errors
    /// If one is missing, or if several could be the texts.
    pub fn choose(
        description: &Description,
        names: &[String],
        format: Format,
        split: Split,
        file: &str,
    ) -> Result<Self, Error> {
        let table = Table {
            names,
            format,
            file,
        };
        let (text_a, text_b) = match &description.text {
            Some(text) => {
                let second = description.text_b.as_ref();
                let second = second
                    .map(|column| table.find("text_b", column))
                    .transpose()?;
                (table.find("text", text)?, second)
            }
            None => {
                let (first, second) = table.texts()?;
                let second = match &description.text_b {
                    Some(column) => Some(table.find("text_b", column)?),
                    None => second,
                };
                (first, second)
            }
        };
        let label = match &description.label {
            Some(label) if split == Split::Test => table.place(label),
            Some(label) => Some(table.find("label", label)?),
            None => table.label(description.kind, split)?,
        };
        let id = description.id.as_ref();
        let columns = Self {
            text_a,
            text_b,
            label,
            id: id.map(|id| table.find("id", id)).transpose()?,
        };
        columns.check(&table)?;
        let numbered = [
            &description.text,
            &description.text_b,
            &description.label,
            &description.id,
        ];
        let by_name = columns.places().into_iter().filter(|&place| {
            let number = Some(Column::Number(place));
            !numbered.iter().any(|column| **column == number)
        });
        for place in by_name {
            let name = &names[place];
            if names.iter().filter(|other| *other == name).count() > 1 {
                let expected = format!("one column {name:?}, but there are several");
                let advice = format!("rename one, or give its number in {FILE}, counted from 0");
                return Err(table.missing(expected, Advice::of_columns(advice)));
            }
        }
        Ok(columns)
    }

    /// Rejects a column that has two roles.
    fn check(self, table: &Table<'_>) -> Result<(), Error> {
        let places = self.places();
        let twice = (1..places.len()).find(|&at| places[..at].contains(&places[at]));
        let Some(name) = twice.and_then(|at| table.names.get(places[at])) else {
            return Ok(());
        };
        Err(table.missing(
            format!("a column each for text, label and id, but {name:?} is taken twice"),
            Advice::of_columns(format!("name another in {FILE}")),
        ))
    }

    /// Describes the role of each column on one line.
    pub fn line(self, names: &[String]) -> String {
        let all = [
            ("text", Some(self.text_a)),
            ("second text", self.text_b),
            ("label", self.label),
            ("id", self.id),
        ];
        let taken = all.into_iter().filter_map(|(what, place)| {
            let name = names.get(place?)?;
            Some(format!("{what} from column {name:?}"))
        });
        taken.collect::<Vec<_>>().join(", ")
    }

    /// Returns the names of the columns of text, second text, label and id.
    pub fn names(self, names: &[String]) -> [Option<String>; 4] {
        let all = [Some(self.text_a), self.text_b, self.label, self.id];
        all.map(|place| names.get(place?).cloned())
    }

    /// Returns the positions in the order in which a table yields the cells.
    pub fn places(self) -> Vec<usize> {
        let all = [Some(self.text_a), self.text_b, self.label, self.id];
        all.into_iter().flatten().collect()
    }
}

/// The columns of a file.
struct Table<'a> {
    names: &'a [String],
    format: Format,
    file: &'a str,
}

impl Table<'_> {
    fn named(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|column| column == name)
    }

    fn place(&self, column: &Column) -> Option<usize> {
        match column {
            Column::Name(name) => self.named(name),
            // The keys of an object have no order.
            Column::Number(_) if self.format == Format::Json => None,
            Column::Number(number) => (*number < self.names.len()).then_some(*number),
        }
    }

    fn find(&self, key: &str, column: &Column) -> Result<usize, Error> {
        self.place(column).ok_or_else(|| {
            let mut nearest: Vec<&String> = self.names.iter().collect();
            if let Column::Name(name) = column {
                let likeness = |other: &str| strsim::jaro_winkler(name, other);
                nearest.sort_by(|a, b| likeness(b).total_cmp(&likeness(a)));
            }
            let advice = match nearest.first() {
                _ if matches!(column, Column::Number(_)) && self.format == Format::Json => {
                    format!("give the key of {key} in {FILE} by its name")
                }
                Some(nearest) if matches!(column, Column::Name(_)) => {
                    format!("did you mean {nearest:?}? Correct {key} in {FILE}")
                }
                _ => format!("correct {key} in {FILE}"),
            };
            self.missing(
                format!("the column {column} for {key}"),
                Advice::of_columns(advice),
            )
        })
    }

    /// Finds the text columns if the description does not name them.
    fn texts(&self) -> Result<(usize, Option<usize>), Error> {
        let present: Vec<(&str, usize, Option<usize>)> = TEXTS
            .iter()
            .filter_map(|(first, second)| {
                let place = self.named(first)?;
                match second {
                    Some(second) => Some((*first, place, Some(self.named(second)?))),
                    None => Some((*first, place, None)),
                }
            })
            .collect();
        // A column that is the second of a pair is not also a text of its own.
        let own = |place: usize| !present.iter().any(|(_, _, second)| *second == Some(place));
        let mut found = present.iter().filter(|(_, place, _)| own(*place));
        match (found.next(), found.next()) {
            (Some((_, first, second)), None) => Ok((*first, *second)),
            (Some((first, ..)), Some((other, ..))) => Err(Error::Table {
                file: self.file.to_owned(),
                expected: "one column, or one pair of columns, with texts".to_owned(),
                found: format!("{first:?} and {other:?}"),
                advice: Advice::of_columns(format!(
                    "say in {FILE} which it is: \"text\": {first:?}"
                )),
            }),
            (None, _) => Err(self.missing(
                "a column \"text\", or \"sentence1\" and \"sentence2\"".to_owned(),
                Advice::of_columns(format!(
                    "name the text's column in {FILE}: \"text\": COLUMN"
                )),
            )),
        }
    }

    /// Finds the label column if the description does not name it.
    fn label(&self, kind: Kind, split: Split) -> Result<Option<usize>, Error> {
        let score = match kind {
            Kind::Regression => self.named("score"),
            Kind::Classification | Kind::Tagging => None,
        };
        let label = self.named("label").or(score);
        if label.is_none() && split != Split::Test {
            let advice = format!("name the label's column in {FILE}: \"label\": COLUMN");
            return Err(self.missing("a column \"label\"".to_owned(), Advice::of_columns(advice)));
        }
        Ok(label)
    }

    fn missing(&self, expected: String, advice: Advice) -> Error {
        let mut found: Vec<String> = self
            .names
            .iter()
            .take(8)
            .map(|name| format!("{name:?}"))
            .collect();
        if self.names.len() > found.len() {
            found.push("…".to_owned());
        }
        let found = found.join(", ").chars().take(200).collect::<String>();
        Error::Table {
            file: self.file.to_owned(),
            expected,
            found: format!("the columns {found}"),
            advice,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(description: &str, names: &[&str], split: Split) -> Result<Columns, String> {
        let description = Description::parse(description, "task.json").unwrap();
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Columns::choose(&description, &names, Format::Csv, split, "train.csv")
            .map_err(|error| error.to_string())
    }

    const PLAIN: &str = r#"{"kind": "classification"}"#;

    #[test]
    fn columns_of_published_data_sets_need_no_description() {
        for (names, text_a, text_b) in [
            (&["sentence1", "sentence2", "label", "idx"][..], 0, Some(1)),
            (&["label", "text"], 1, None),
            (&["label", "sentence"], 1, None),
            (&["question", "sentence", "label"], 0, Some(1)),
            (&["hypothesis", "premise", "label"], 1, Some(0)),
        ] {
            let columns = chosen(PLAIN, names, Split::Train).unwrap();
            assert_eq!((columns.text_a, columns.text_b), (text_a, text_b));
        }
        let regression = r#"{"kind": "regression"}"#;
        let columns = chosen(regression, &["text", "score"], Split::Dev).unwrap();
        assert_eq!(columns.label, Some(1));
    }

    #[test]
    fn a_description_names_columns_or_counts_them() {
        let given = r#"{"kind": "classification", "text": "a", "label": 2, "id": "n"}"#;
        let columns = chosen(given, &["n", "a", "c"], Split::Train).unwrap();
        assert_eq!((columns.text_a, columns.text_b), (1, None));
        assert_eq!((columns.label, columns.id), (Some(2), Some(0)));
        assert_eq!(columns.places(), [1, 2, 0]);
        // A test file may have no labels.
        assert_eq!(chosen(given, &["n", "a"], Split::Test).unwrap().label, None);
    }

    #[test]
    fn missing_and_doubtful_columns_are_refused() {
        let message = chosen(
            PLAIN,
            &["text", "premise", "hypothesis", "label"],
            Split::Dev,
        );
        let message = message.unwrap_err();
        assert!(message.contains("\"premise\" and \"text\""), "{message}");
        let message = chosen(PLAIN, &["body", "label"], Split::Train).unwrap_err();
        assert!(
            message.contains("\"body\"") && message.contains("task.json"),
            "{message}"
        );
        let message = chosen(PLAIN, &["text", "label", "text"], Split::Train).unwrap_err();
        assert!(message.contains("there are several"), "{message}");
        let given = r#"{"kind": "classification", "label": "text"}"#;
        let message = chosen(given, &["text", "label"], Split::Train).unwrap_err();
        assert!(message.contains("taken twice"), "{message}");
        let message = chosen(PLAIN, &["text", "class"], Split::Train).unwrap_err();
        assert!(message.contains("\"label\": COLUMN"), "{message}");
        let given = r#"{"kind": "classification", "text": "txet"}"#;
        let message = chosen(given, &["label", "text"], Split::Train).unwrap_err();
        assert!(message.contains("did you mean \"text\""), "{message}");
        let given = r#"{"kind": "classification", "text": 4, "label": 0}"#;
        let message = chosen(given, &["label", "text"], Split::Train).unwrap_err();
        assert!(message.contains("number 4"), "{message}");
    }

    #[test]
    fn numbers_alone_do_not_tell_whether_there_is_a_header() {
        let numbers = r#"{"kind": "classification", "text": 0, "label": 1"#;
        let header = |more: &str, format| {
            let description = Description::parse(&format!("{numbers}{more}}}"), "d").unwrap();
            has_header(&description, format, "f").map_err(|error| error.to_string())
        };
        let message = header("", Format::Tsv).unwrap_err();
        assert!(message.contains("\"header\": true"), "{message}");
        assert_eq!(header(r#", "header": false"#, Format::Csv), Ok(false));
        assert_eq!(header(r#", "id": "n""#, Format::Csv), Ok(true));
        assert_eq!(header("", Format::Json), Ok(true));
    }
}

//! How a tagging file is to be read.

use super::rules::Rules;
use crate::tasks::description::{self, Description};

/// Extensions of users' own files, before that of gzip.
pub const EXTENSIONS: &[&str] = &["txt", "conll", "tsv", "jsonl", "json"];

/// Number of sentences after which the reference stops in debug mode.
pub const DEBUG_SENTENCES: usize = 101;

/// The form of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One word per line, with its tag in another column; a blank line after each sentence.
    Conll,
    /// One sentence per line: `{"tokens": […], "tags": […]}`.
    JsonLines,
}

/// A column of a CoNLL file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// Counted from 0.
    FromStart(usize),
    /// Counted backwards from 0, which is the last column.
    FromEnd(usize),
}

impl Column {
    /// Returns the column for an index as in Python: from 0, or backwards from −1.
    pub fn of(number: i64) -> Self {
        let place = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        match number {
            0.. => Self::FromStart(place(number)),
            _ => Self::FromEnd(place(-(number + 1))),
        }
    }

    /// Returns its index in a line of `columns` columns, if it exists.
    pub(super) fn place(self, columns: usize) -> Option<usize> {
        match self {
            Self::FromStart(place) => (place < columns).then_some(place),
            Self::FromEnd(back) => columns.checked_sub(back)?.checked_sub(1),
        }
    }
}

/// What is read from a file, and by which rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOptions {
    pub rules: Rules,
    /// If `None`, JSON Lines for files named `.jsonl` or `.json`, otherwise CoNLL.
    pub form: Option<Form>,
    /// The word's column in a CoNLL file.
    pub word_column: Column,
    /// The tag's column in a CoNLL file.
    pub tag_column: Column,
    /// Whether lines of a CoNLL file that begin with `#` are comments, as in CoNLL-U.
    pub comments: bool,
    /// The key of the words in JSON Lines; if `None`, `tokens` or `words`.
    pub word_key: Option<String>,
    /// The key of the tags in JSON Lines; if `None`, `tags` or `ner_tags`.
    pub tag_key: Option<String>,
    /// The tags to which numbers in JSON Lines refer, in order.
    pub labels: Option<Vec<String>>,
    /// Whether the file has tags, which are then read.
    pub labelled: bool,
    /// Number of sentences after which reading stops.
    pub limit: Option<usize>,
}

impl ReadOptions {
    /// Returns the options for a described task's files.
    pub fn of_description(description: &Description) -> Self {
        let mut options = Self {
            labels: description.labels.clone(),
            ..Self::default()
        };
        let number = |number: usize| Column::FromStart(number);
        match &description.text {
            None => {}
            Some(description::Column::Name(name)) => options.word_key = Some(name.clone()),
            Some(description::Column::Number(place)) => options.word_column = number(*place),
        }
        match &description.label {
            None => {}
            Some(description::Column::Name(name)) => options.tag_key = Some(name.clone()),
            Some(description::Column::Number(place)) => options.tag_column = number(*place),
        }
        options
    }

    /// Returns the options of the reference's task `chunk`.
    pub fn chunk(debug: bool) -> Self {
        Self {
            rules: Rules::Reference,
            form: Some(Form::Conll),
            limit: debug.then_some(DEBUG_SENTENCES),
            ..Self::default()
        }
    }
}

/// A user's own tagged file: the first column is the word, the last one the tag.
impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            rules: Rules::Usual,
            form: None,
            word_column: Column::FromStart(0),
            tag_column: Column::FromEnd(0),
            comments: false,
            word_key: None,
            tag_key: None,
            labels: None,
            labelled: true,
            limit: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_from_both_ends() {
        for (number, columns, place) in [
            (0, 4, Some(0)),
            (3, 4, Some(3)),
            (4, 4, None),
            (-1, 4, Some(3)),
            (-4, 4, Some(0)),
            (-5, 4, None),
            (i64::MIN, 4, None),
        ] {
            assert_eq!(Column::of(number).place(columns), place, "{number}");
        }
    }
}

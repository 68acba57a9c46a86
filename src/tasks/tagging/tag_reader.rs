//! Parses the tags of a file, each distinct one only once.

use std::collections::HashMap;

use super::{
    error::{Error, quoted},
    rules::Rules,
    tag::Tag,
};

/// Parses tags and caches them.
pub struct TagReader {
    file: String,
    rules: Rules,
    tags: HashMap<String, Tag>,
}

impl TagReader {
    pub fn new(file: &str, rules: Rules) -> Self {
        Self {
            file: file.to_owned(),
            rules,
            tags: HashMap::new(),
        }
    }

    /// Parses the tag on a line.
    ///
    /// # Errors
    /// If it is invalid.
    pub fn read(&mut self, text: &str, line: usize) -> Result<Tag, Error> {
        if let Some(tag) = self.tags.get(text) {
            return Ok(tag.clone());
        }
        let tag = Tag::parse(text, self.rules).map_err(|no_tag| Error::Line {
            file: self.file.clone(),
            line,
            expected: no_tag.expected.to_owned(),
            found: quoted(text),
            advice: no_tag.advice,
        })?;
        self.tags.insert(text.to_owned(), tag.clone());
        Ok(tag)
    }
}

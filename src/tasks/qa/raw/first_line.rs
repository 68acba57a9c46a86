//! What a file's first line, or its beginning, reveals about its form.

use std::fmt;

use serde::{
    Deserializer,
    de::{Error, IgnoredAny, MapAccess, Visitor},
};

use super::json_key::Key;
use crate::data::json_text::mend;

/// What the keys of a file's first object reveal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FirstLine {
    /// It is a whole document, whatever follows the key that reveals this.
    pub document: bool,
    /// It is a passage, a row, an article or a header.
    pub item: bool,
    /// The object ends on the line, and nothing follows it.
    pub whole: bool,
}

impl FirstLine {
    /// Examines a file's first line, or its beginning.
    pub fn of(text: &str) -> Self {
        let mut text = text.to_owned();
        mend(&mut text);
        let mut line = FirstLine::default();
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        let read = deserializer.deserialize_map(&mut line);
        line.whole = read.is_ok() && deserializer.end().is_ok();
        line
    }
}

impl<'de> Visitor<'de> for &mut FirstLine {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            match key {
                Key::Data => {
                    self.document = true;
                    return Err(A::Error::custom("known"));
                }
                Key::Header | Key::Context | Key::Qas | Key::Paragraphs | Key::Question => {
                    self.item = true;
                }
                _ => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

//! JSON Lines: one sentence per line, `{"tokens": ["An", "oak"], "tags": ["B-NP", "I-NP"]}`, as
//! `datasets` writes it. Numeric tags are indices into a list. Other keys are ignored.

use serde_json::{Map, Value};

use super::{
    error::{Error, quoted},
    options::ReadOptions,
    sentence::{Sentence, Sentences},
    span::spans,
    tag::Tag,
    tag_reader::TagReader,
};
use crate::{
    counted::counted,
    data::{json_text::mend, line_reader::LineReader},
    text::normalizer::is_blank,
};

const WORD_KEYS: [&str; 2] = ["tokens", "words"];
const TAG_KEYS: [&str; 2] = ["tags", "ner_tags"];

/// Reads the sentences of a file into `into`.
///
/// # Errors
/// If it cannot be read, or a line does not have the form.
pub(super) fn read(
    mut lines: LineReader,
    options: &ReadOptions,
    into: &mut Sentences,
) -> Result<(), Error> {
    let file = lines.file().to_owned();
    let mut tags = TagReader::new(&file, options.rules);
    while let Some((number, line)) = lines.next_line()? {
        if line.chars().all(is_blank) {
            continue;
        }
        let mut line = line.to_owned();
        into.replaced_surrogates += mend(&mut line);
        let mut row = Row {
            options,
            file: &file,
            line: number,
            tags: &mut tags,
        };
        match row.read(&line)? {
            Some((sentence, tags)) => {
                into.marks.add(tags.iter().map(|tag| (tag, number)));
                into.sentences.push(sentence);
            }
            None => into.empty_rows += 1,
        }
        if options
            .limit
            .is_some_and(|limit| into.sentences.len() >= limit)
        {
            break;
        }
    }
    Ok(())
}

/// Returns whether a line has tags beside its words; `None` for a blank line.
pub(super) fn has_tags(line: &str, options: &ReadOptions) -> Option<bool> {
    if line.chars().all(is_blank) {
        return None;
    }
    let Ok(object) = serde_json::from_str::<Map<String, Value>>(line) else {
        return Some(true);
    };
    let given = options.tag_key.as_deref().map(|key| vec![key]);
    let keys = given.unwrap_or(TAG_KEYS.to_vec());
    let found = keys.iter().find_map(|key| object.get(*key));
    Some(found.is_some_and(|tags| !tags.is_null()))
}

/// A line that is being read.
struct Row<'a> {
    options: &'a ReadOptions,
    file: &'a str,
    line: usize,
    tags: &'a mut TagReader,
}

impl Row<'_> {
    /// Returns the sentence and its tags; `None` if it has no word.
    fn read(&mut self, text: &str) -> Result<Option<(Sentence, Vec<Tag>)>, Error> {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            let column = error.column();
            let problem = error.to_string();
            let problem = problem.split(" at line ").next().unwrap_or_default();
            self.wrong(
                "a JSON object with the sentence's words and tags".to_owned(),
                format!("{} (column {column}: {problem})", quoted(text)),
                "write one sentence a line: {\"tokens\": [\"An\", \"oak\"], \"tags\": [\"B-NP\", \"I-NP\"]}",
            )
        })?;
        let options = self.options;
        let words = self.list(&object, options.word_key.as_deref(), &WORD_KEYS)?;
        let words: Vec<String> = words
            .iter()
            .enumerate()
            .map(|(place, word)| match word {
                Value::String(word) if word.chars().all(is_blank) => Err(self.wrong(
                    format!("word {place} not to be empty"),
                    quoted(word),
                    "fill it, or take it out with its tag",
                )),
                Value::String(word) => Ok(word.clone()),
                other => Err(self.wrong(
                    format!("word {place} to be a text"),
                    kind(other),
                    "write every word in quotes",
                )),
            })
            .collect::<Result<_, _>>()?;
        let tags = match options.labelled {
            true => {
                let tags = self.list(&object, options.tag_key.as_deref(), &TAG_KEYS)?;
                let tags = tags.iter().enumerate();
                tags.map(|(place, tag)| self.tag(place, tag))
                    .collect::<Result<_, _>>()?
            }
            false => vec![Tag::Outside; words.len()],
        };
        if tags.len() != words.len() {
            return Err(self.wrong(
                format!("as many tags as words ({})", words.len()),
                counted(tags.len(), "tag"),
                "give each word one tag, O where it is in no span",
            ));
        }
        Ok((!words.is_empty()).then(|| {
            let sentence = Sentence {
                line: self.line,
                words,
                spans: spans(&tags, options.rules),
            };
            (sentence, tags)
        }))
    }

    /// Returns the list under a key, or under the first of the usual keys that exists.
    fn list<'o>(
        &self,
        object: &'o Map<String, Value>,
        given: Option<&str>,
        usual: &[&str],
    ) -> Result<&'o Vec<Value>, Error> {
        let keys = given.map_or(usual.to_vec(), |key| vec![key]);
        let Some((key, value)) = keys.iter().find_map(|&key| Some((key, object.get(key)?))) else {
            let found: Vec<&str> = object.keys().map(String::as_str).collect();
            return Err(self.wrong(
                format!("the key {}", keys.join(" or ")),
                match found.is_empty() {
                    true => "no key".to_owned(),
                    false => quoted(&found.join(", ")),
                },
                "name the keys of the words and of the tags, or rename them",
            ));
        };
        match value {
            Value::Array(list) => Ok(list),
            other => Err(self.wrong(
                format!("{key} to be a list"),
                kind(other),
                "write words and tags as lists of the same length",
            )),
        }
    }

    fn tag(&mut self, place: usize, tag: &Value) -> Result<Tag, Error> {
        let labels = self.options.labels.as_deref();
        match (tag, labels) {
            (Value::String(text), _) => self.tags.read(text, self.line),
            (Value::Number(number), Some(labels)) => {
                let label = number
                    .as_u64()
                    .and_then(|number| usize::try_from(number).ok());
                match label.and_then(|label| labels.get(label)) {
                    Some(text) => self.tags.read(text, self.line),
                    None => Err(self.wrong(
                        format!("tag {place} to be a number below {}", labels.len()),
                        number.to_string(),
                        "list every tag in labels, in the order of their numbers",
                    )),
                }
            }
            (Value::Number(number), None) => Err(self.wrong(
                format!("tag {place} to be a text, for labels lists no tags"),
                format!("the number {number}"),
                "give labels, the tags in the order of their numbers (datasets: \
                 features[\"ner_tags\"].feature.names)",
            )),
            (other, _) => Err(self.wrong(
                format!("tag {place} to be a text"),
                kind(other),
                "give each word one tag, O where it is in no span",
            )),
        }
    }

    fn wrong(&self, expected: String, found: String, advice: &'static str) -> Error {
        Error::Line {
            file: self.file.to_owned(),
            line: self.line,
            expected,
            found,
            advice,
        }
    }
}

/// Describes a value, briefly enough for one line.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text {}", quoted(text)),
        Value::Array(list) => format!("a list of {}", list.len()),
        Value::Object(_) => "an object".to_owned(),
    }
}

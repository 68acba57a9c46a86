//! Reads `tokenizer.json`, in which newer versions store the whole tokenizer: the normalizer of
//! BERT's tokenizer and the vocabulary. Any other tokenizer is rejected.

use serde::Deserialize;
use serde_json::Value;

use super::tokenizer_setting::{refused, stated};
use super::{Error, TOKENIZER_FILE, VOCABULARY_FILE};

/// `tokenizer.json`, which newer versions save instead of `vocab.txt`.
#[derive(Debug, Deserialize)]
pub(super) struct File {
    #[serde(default, deserialize_with = "stated")]
    normalizer: Option<Option<Value>>,
    #[serde(default, deserialize_with = "stated")]
    pre_tokenizer: Option<Option<Value>>,
    #[serde(default)]
    post_processor: Value,
    model: Model,
    #[serde(default)]
    pub added_tokens: Vec<AddedToken>,
}

#[derive(Debug, Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: Option<String>,
    // Other kinds have a list here.
    #[serde(default)]
    vocab: Value,
    unk_token: Option<String>,
    continuing_subword_prefix: Option<String>,
    max_input_chars_per_word: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AddedToken {
    id: usize,
    pub content: String,
}

/// Longer words become `[UNK]`, as in Google's code.
const LONGEST_WORD: u64 = 200;

/// The normalizer in `tokenizer.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Normalizer {
    clean_text: Option<bool>,
    pub handle_chinese_chars: Option<bool>,
    #[serde(default, deserialize_with = "stated")]
    pub strip_accents: Option<Option<bool>>,
    pub lowercase: Option<bool>,
}

/// Returns the type in a component's description.
fn kind(value: &Value) -> &str {
    value.get("type").and_then(Value::as_str).unwrap_or("none")
}

/// Unwraps a `Sequence` of one component.
fn single<'a>(value: &'a Value, parts: &str) -> &'a Value {
    match value
        .get(parts)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
    {
        Some([only]) if kind(value) == "Sequence" => only,
        _ => value,
    }
}

/// Describes the components of a sequence, so that the error says what is not reproduced.
fn described(value: &Value, parts: &str) -> String {
    let inside = value.get(parts).and_then(Value::as_array);
    let kinds: Vec<&str> = inside.into_iter().flatten().take(8).map(kind).collect();
    match kinds[..] {
        [] => kind(value).into(),
        _ => format!("{} of {}", kind(value), kinds.join(", ")),
    }
}

/// Describes what a post-processor adds around texts, if it differs from what is added here.
fn other_frame(part: &Value) -> Option<String> {
    match kind(part) {
        "TemplateProcessing" => {
            let expected = [
                ("single", "[CLS] A [SEP]"),
                ("pair", "[CLS] A [SEP] B [SEP]"),
            ];
            expected.into_iter().find_map(|(key, expected)| {
                let found = framed(part, key)?;
                (found != expected).then(|| format!("a template whose {key:?} is {found:?}"))
            })
        }
        "BertProcessing" => {
            [("cls", "[CLS]"), ("sep", "[SEP]")]
                .into_iter()
                .find_map(|(key, expected)| {
                    // The token and its id.
                    let found = part.get(key)?.get(0)?.as_str()?;
                    (found != expected)
                        .then(|| format!("BertProcessing whose {key:?} is {found:?}"))
                })
        }
        "RobertaProcessing" => Some("RobertaProcessing".to_owned()),
        _ => None,
    }
}

/// Returns a template's tokens and texts in order; `None` if it has no special token.
fn framed(template: &Value, key: &str) -> Option<String> {
    let pieces = template.get(key)?.as_array()?;
    let special = |piece: &Value| Some(piece.get("SpecialToken")?.get("id")?.as_str()?.to_owned());
    pieces.iter().find_map(special)?;
    // A template with more pieces differs anyway.
    let pieces = pieces.iter().take(8).map(|piece| {
        let Some(id) = special(piece) else {
            let text = piece.get("Sequence").and_then(|text| text.get("id"));
            return text.and_then(Value::as_str).unwrap_or("?").to_owned();
        };
        // A token's name in the template may stand for other tokens.
        let meant = template.get("special_tokens").and_then(|all| all.get(&id));
        match meant.and_then(|meant| meant.get("tokens")?.as_array()) {
            Some(tokens) => {
                let tokens = tokens.iter().take(8).filter_map(Value::as_str);
                tokens.collect::<Vec<_>>().join(" ")
            }
            None => id,
        }
    });
    Some(pieces.collect::<Vec<_>>().join(" "))
}

impl File {
    /// Checks that the file describes BERT's tokenizer; returns its normalizer.
    pub fn check(&self, file: &str) -> Result<Option<Normalizer>, Error> {
        if let Some(kind) = self
            .model
            .kind
            .as_deref()
            .filter(|&kind| kind != "WordPiece")
        {
            let expected = "only WordPiece is reproduced";
            return Err(refused(file, "model", format!("{kind:?}"), expected));
        }
        for (key, found, expected) in [
            ("unk_token", &self.model.unk_token, "[UNK]"),
            (
                "continuing_subword_prefix",
                &self.model.continuing_subword_prefix,
                "##",
            ),
        ] {
            if let Some(found) = found.as_deref().filter(|&found| found != expected) {
                let only = format!("only {expected:?} is reproduced");
                return Err(refused(file, key, format!("{found:?}"), &only));
            }
        }
        if let Some(value) = &self.pre_tokenizer {
            let value = value.as_ref().unwrap_or(&Value::Null);
            let only = single(value, "pretokenizers");
            if kind(only) != "BertPreTokenizer" {
                let expected = "only BertPreTokenizer is reproduced";
                let found = described(value, "pretokenizers");
                return Err(refused(file, "pre_tokenizer", found, expected));
            }
        }
        self.check_post_processor(file)?;
        let Some(value) = &self.normalizer else {
            return Ok(None);
        };
        let value = value.as_ref().unwrap_or(&Value::Null);
        let only = single(value, "normalizers");
        if kind(only) != "BertNormalizer" {
            let expected = "only BertNormalizer is reproduced";
            let found = described(value, "normalizers");
            return Err(refused(file, "normalizer", found, expected));
        }
        let normalizer: Normalizer =
            Normalizer::deserialize(only).map_err(|source| Error::Json {
                file: file.into(),
                source,
            })?;
        if normalizer.clean_text == Some(false) {
            let expected = "control characters are always dropped here";
            return Err(refused(file, "clean_text", "false", expected));
        }
        Ok(Some(normalizer))
    }

    /// Checks that `[CLS]` and `[SEP]` are placed as they are here. A template without special
    /// tokens contradicts nothing.
    fn check_post_processor(&self, file: &str) -> Result<(), Error> {
        let value = &self.post_processor;
        let parts = match kind(value) {
            "Sequence" => value.get("processors").and_then(Value::as_array),
            _ => None,
        };
        let parts = parts.map_or(std::slice::from_ref(value), Vec::as_slice);
        for part in parts {
            if let Some(found) = other_frame(part) {
                let expected =
                    "only \"[CLS] A [SEP]\" and \"[CLS] A [SEP] B [SEP]\" are reproduced";
                return Err(refused(file, "post_processor", found, expected));
            }
        }
        Ok(())
    }

    /// Warns if `transformers` has a different length limit for words before they become unknown.
    /// Its default of 100 is documented in the manual, and 200 is the limit here.
    pub fn length_warning(&self) -> Option<String> {
        let limit = self.model.max_input_chars_per_word;
        let limit = limit.filter(|limit| ![100, LONGEST_WORD].contains(limit))?;
        Some(format!(
            "\"max_input_chars_per_word\" is {limit} in {TOKENIZER_FILE}: transformers makes a longer word \
             [UNK], here a word of up to {LONGEST_WORD} characters is split into pieces"
        ))
    }

    /// Returns the vocabulary in the format of `vocab.txt`: a word per line, in the order of the
    /// ids. `None` if it is not a WordPiece vocabulary or its ids are not 0, 1, 2, ….
    pub fn vocabulary(&self) -> Option<Vec<u8>> {
        let words: Option<Vec<&str>> = self.words()?.into_iter().collect();
        Some((words?.join("\n") + "\n").into_bytes())
    }

    /// Returns the word of each id; `None` for an id that no word has.
    fn words(&self) -> Option<Vec<Option<&str>>> {
        if self
            .model
            .kind
            .as_deref()
            .is_some_and(|kind| kind != "WordPiece")
        {
            return None;
        }
        let vocabulary = self.model.vocab.as_object()?;
        let numbers = vocabulary
            .iter()
            .map(|(word, number)| Some((word.as_str(), usize::try_from(number.as_u64()?).ok()?)));
        let numbers: Vec<(&str, usize)> = numbers.collect::<Option<_>>()?;
        let added = self.added_tokens.iter().map(|t| (t.content.as_str(), t.id));
        let added = added.filter(|(word, _)| !vocabulary.contains_key(*word));
        let all: Vec<(&str, usize)> = numbers.into_iter().chain(added).collect();
        let mut words = vec![None; all.len()];
        for (word, number) in all {
            // If two words had the same id, the second would be lost.
            let place = words.get_mut(number).filter(|place| place.is_none())?;
            if word.contains(['\n', '\r']) {
                return None;
            }
            *place = Some(word);
        }
        Some(words)
    }

    /// Checks that `vocab.txt`, if both files exist, gives every word the same id.
    pub fn check_vocabulary(
        &self,
        display: &dyn Fn(&str) -> String,
        vocabulary: &[u8],
    ) -> Result<(), Error> {
        let (Some(numbers), Ok(text)) = (self.model.vocab.as_object(), str::from_utf8(vocabulary))
        else {
            return Ok(());
        };
        let lines: Vec<&str> = text.split('\n').map(str::trim).collect();
        for (word, number) in numbers {
            let Some(number) = number.as_u64() else {
                continue;
            };
            let line = usize::try_from(number).ok().and_then(|n| lines.get(n));
            if line.is_none_or(|&line| line != word.trim()) {
                return Err(Error::Words {
                    file: display(VOCABULARY_FILE),
                    line: number.saturating_add(1),
                    found: line.map_or_else(
                        || format!("not there ({} lines)", lines.len()),
                        |line| format!("{line:?}"),
                    ),
                    other: display(TOKENIZER_FILE),
                    expected: word.clone(),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vocabulary_is_put_in_the_order_of_its_numbers() {
        let vocabulary = |text: &str| serde_json::from_str::<File>(text).unwrap().vocabulary();
        let text = r#"{"model": {"type": "WordPiece", "vocab": {"b": 0, "a": 1, "[PAD]": 2}}}"#;
        assert_eq!(vocabulary(text).unwrap(), b"b\na\n[PAD]\n");
        // Special tokens may occur only among the added ones.
        let text = r#"{"added_tokens": [{"id": 0, "content": "[PAD]"}, {"id": 1, "content": "a"}],
            "model": {"vocab": {"a": 1}}}"#;
        assert_eq!(vocabulary(text).unwrap(), b"[PAD]\na\n");
        for text in [
            r#"{"model": {"type": "BPE", "vocab": {"b": 0}}}"#,
            r#"{"model": {"vocab": {"b": 1}}}"#,
            r#"{"model": {"vocab": {"a": 0, "b": 0}}}"#,
            r#"{"model": {"vocab": {"a\n": 0}}}"#,
        ] {
            assert_eq!(vocabulary(text), None, "{text}");
        }
    }

    #[test]
    fn two_vocabularies_of_one_model_agree() {
        let file = r#"{"model": {"vocab": {"[PAD]": 0, "a": 1}}}"#;
        let file: File = serde_json::from_str(file).unwrap();
        let check = |text: &str| file.check_vocabulary(&str::to_owned, text.as_bytes());
        check("[PAD]\r\na\r\nmore\n\n").unwrap();
        let error = check("[PAD]\nb\n").unwrap_err().to_string();
        assert!(
            error.contains("line 2 is \"b\"") && error.contains("\"a\""),
            "{error}"
        );
        let error = check("[PAD]").unwrap_err().to_string();
        assert!(error.contains("line 2 is not there"), "{error}");
    }

    fn parsed(text: &str) -> File {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn what_is_put_around_a_text_is_cls_and_sep() {
        let check = |processor: &str| {
            let text = format!(r#"{{"post_processor": {processor}, "model": {{"vocab": {{}}}}}}"#);
            let checked = parsed(&text).check("t.json").map(|_| ());
            checked.map_err(|error| error.to_string())
        };
        let template = |pieces: [&str; 3], special: &str| {
            let pieces = pieces.map(|piece| match piece {
                "A" => r#"{"Sequence": {"id": "A", "type_id": 0}}"#.to_owned(),
                _ => format!(r#"{{"SpecialToken": {{"id": "{piece}", "type_id": 0}}}}"#),
            });
            let (pieces, pair) = (pieces.join(","), r#"[{"Sequence": {"id": "A"}}]"#);
            format!(
                r#"{{"type": "TemplateProcessing", "single": [{pieces}], "pair": {pair},
                    "special_tokens": {special}}}"#
            )
        };
        let usual = r#"{"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}"#;
        let bert = |cls: &str, sep: &str| {
            format!(r#"{{"type": "BertProcessing", "sep": ["{sep}", 3], "cls": ["{cls}", 2]}}"#)
        };
        let sequence = |part: &str| {
            format!(r#"{{"type": "Sequence", "processors": [{{"type": "ByteLevel"}}, {part}]}}"#)
        };
        let right = template(["[CLS]", "A", "[SEP]"], usual);
        for processor in ["null", &right, &bert("[CLS]", "[SEP]"), &sequence(&right)] {
            assert_eq!(check(processor), Ok(()), "{processor}");
        }
        let swapped = template(["[SEP]", "A", "[CLS]"], usual);
        let told = r#"a template whose "single" is "[SEP] A [CLS]""#;
        for (processor, found) in [
            (&swapped, told),
            (&sequence(&swapped), told),
            (&template(["<s>", "A", "</s>"], "{}"), r#""<s> A </s>""#),
            // Only the name is the usual one.
            (
                &template(["[CLS]", "A", "[SEP]"], r#"{"[CLS]": {"tokens": ["<s>"]}}"#),
                r#""<s> A [SEP]""#,
            ),
            (
                &bert("[SEP]", "[CLS]"),
                r#"BertProcessing whose "cls" is "[SEP]""#,
            ),
            (
                &r#"{"type": "RobertaProcessing"}"#.to_owned(),
                "is RobertaProcessing: only",
            ),
        ] {
            let error = check(processor).unwrap_err();
            assert!(
                error.starts_with("t.json: \"post_processor\" is "),
                "{error}"
            );
            assert!(error.contains(found), "{found}: {error}");
        }
    }

    #[test]
    fn another_length_of_unknown_words_is_said() {
        let warning = |limit: &str| {
            let key = "max_input_chars_per_word";
            parsed(&format!(
                r#"{{"model": {{"vocab": {{}}, "{key}": {limit}}}}}"#
            ))
            .length_warning()
        };
        for limit in ["null", "100", "200"] {
            assert_eq!(warning(limit), None);
        }
        let told = warning("10").unwrap();
        assert!(
            told.starts_with("\"max_input_chars_per_word\" is 10 in tokenizer.json: "),
            "{told}"
        );
    }
}

//! The tokenizer's files of a `transformers` model. Takes a record's settings and its `vocab.txt`; yields
//! `tokenizer_config.json`, `special_tokens_map.json` and `tokenizer.json`. All describe the tokenizer of
//! Google's code.

use std::collections::HashMap;

use serde_json::{Map, Value, json};

use crate::config::RecordConfig;
use crate::plain_file;
use crate::staging;

/// Special tokens by their keys in `transformers`.
const SPECIAL: [(&str, &str); 5] = [
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];
/// Tokens required to tokenise any text; only pre-training needs `[MASK]`.
const NEEDED: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];
/// A longer word, in characters, becomes `[UNK]`, as in Google's code.
const LONGEST_WORD: u64 = 200;

/// The tokens of a vocabulary with their ids.
pub(super) struct Tokens<'a> {
    words: Vec<&'a str>,
    numbers: HashMap<&'a str, usize>,
}

impl<'a> Tokens<'a> {
    /// The tokens of a `vocab.txt`, one per line.
    ///
    /// # Errors
    /// The reason why `tokenizer.json` cannot represent them.
    pub fn of(vocabulary: &'a [u8]) -> Result<Self, String> {
        let text = str::from_utf8(plain_file::without_mark(vocabulary));
        let text = text.map_err(|_| "it is not UTF-8".to_owned())?;
        let words: Vec<&str> = text.trim_end().split('\n').map(str::trim).collect();
        let mut numbers = HashMap::with_capacity(words.len());
        for (number, word) in words.iter().enumerate() {
            if let Some(first) = numbers.insert(*word, number) {
                return Err(format!(
                    "{word:?} is on its lines {} and {}",
                    first + 1,
                    number + 1
                ));
            }
        }
        match NEEDED.iter().find(|token| !numbers.contains_key(*token)) {
            Some(missing) => Err(format!("it has no line {missing}")),
            None => Ok(Self { words, numbers }),
        }
    }

    /// The id of `[PAD]`.
    pub fn padding(&self) -> usize {
        self.numbers["[PAD]"]
    }

    /// `tokenizer.json`.
    pub fn file(&self, config: &RecordConfig) -> Vec<u8> {
        let mut special: Vec<(usize, &str)> = SPECIAL
            .iter()
            .filter_map(|(_, token)| Some((*self.numbers.get(token)?, *token)))
            .collect();
        special.sort_unstable();
        let added: Vec<Value> = special
            .iter()
            .map(|(id, token)| {
                json!({
                    "id": id, "content": token, "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true,
                })
            })
            .collect();
        let numbered = self.words.iter().enumerate();
        let vocabulary: Map<String, Value> = numbered
            .map(|(number, word)| ((*word).to_owned(), number.into()))
            .collect();
        let put =
            |token: &str, segment: u8| json!({"SpecialToken": {"id": token, "type_id": segment}});
        let text = |name: &str, segment: u8| json!({"Sequence": {"id": name, "type_id": segment}});
        let single = [put("[CLS]", 0), text("A", 0), put("[SEP]", 0)];
        let second = [text("B", 1), put("[SEP]", 1)];
        let frame: Map<String, Value> = ["[CLS]", "[SEP]"]
            .map(|token| {
                let meant = json!({"id": token, "ids": [self.numbers[token]], "tokens": [token]});
                (token.to_owned(), meant)
            })
            .into_iter()
            .collect();
        staging::json(&json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": added,
            "normalizer": {
                "type": "BertNormalizer",
                "clean_text": true,
                "handle_chinese_chars": config.tokenize_chinese_chars,
                "strip_accents": config.strip_accents,
                "lowercase": config.do_lower_case,
            },
            "pre_tokenizer": {"type": "BertPreTokenizer"},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": single,
                "pair": single.iter().chain(&second).collect::<Vec<_>>(),
                "special_tokens": frame,
            },
            "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
            "model": {
                "type": "WordPiece",
                "unk_token": "[UNK]",
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": LONGEST_WORD,
                "vocab": vocabulary,
            },
        }))
    }
}

/// `tokenizer_config.json`.
pub(super) fn tokenizer_config(config: &RecordConfig) -> Vec<u8> {
    let mut value = json!({
        "tokenizer_class": "ElectraTokenizer",
        "do_lower_case": config.do_lower_case,
        "tokenize_chinese_chars": config.tokenize_chinese_chars,
        "strip_accents": config.strip_accents,
        "model_max_length": config.model.max_position_embeddings,
    });
    if let Some(value) = value.as_object_mut() {
        value.extend(special());
    }
    staging::json(&value)
}

/// `special_tokens_map.json`.
pub(super) fn special_tokens() -> Vec<u8> {
    staging::json(&special())
}

fn special() -> Map<String, Value> {
    let special = SPECIAL.iter();
    special
        .map(|(key, token)| ((*key).to_owned(), json!(token)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head_shape::HeadShape;
    use crate::names::tests::config;

    const VOCABULARY: &str = "a\n[PAD]\n[UNK]\r\n[CLS]\n[SEP]\n##b\n\n";

    #[test]
    fn a_vocabulary_s_numbers_are_its_lines() {
        let marked = format!("\u{feff}{VOCABULARY}");
        for text in [VOCABULARY, &marked] {
            let tokens = Tokens::of(text.as_bytes()).unwrap();
            assert_eq!(tokens.padding(), 1);
            let mut config = config(4, HeadShape::dense(1));
            config.strip_accents = Some(false);
            let file: Value = serde_json::from_slice(&tokens.file(&config)).unwrap();
            let expected =
                json!({"a": 0, "[PAD]": 1, "[UNK]": 2, "[CLS]": 3, "[SEP]": 4, "##b": 5});
            assert_eq!(file["model"]["vocab"], expected);
            assert_eq!(file["normalizer"]["strip_accents"], false);
            assert_eq!(file["normalizer"]["lowercase"], true);
            // [MASK] is missing, and gets no id.
            let added = file["added_tokens"].as_array().unwrap();
            let ids: Vec<_> = added.iter().map(|token| token["id"].as_u64()).collect();
            assert_eq!(ids, [1, 2, 3, 4].map(Some));
            let cls = &file["post_processor"]["special_tokens"]["[CLS]"];
            assert_eq!(cls["ids"], json!([3]));
        }
    }

    #[test]
    fn what_no_tokenizer_file_can_hold_is_said() {
        for (vocabulary, expected) in [
            (
                "[PAD]\n[UNK]\n[CLS]\na\n".as_bytes(),
                "it has no line [SEP]",
            ),
            (b"[PAD]\n\xff\n", "it is not UTF-8"),
            (b"a\nb\na\n", "\"a\" is on its lines 1 and 3"),
        ] {
            assert_eq!(Tokens::of(vocabulary).err().unwrap(), expected);
        }
    }
}

//! Reads the tokenizer's settings from `tokenizer_config.json`, `special_tokens_map.json`,
//! `added_tokens.json`, `tokenizer.json` and the class that `config.json` names. Only BERT's
//! tokenizer is reproduced: any other, and files that contradict each other, are rejected, since
//! every token id would be wrong.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::tokenizer_file::File;
use super::tokenizer_setting::{refused, stated};
use super::{Error, SPECIAL_TOKENS_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE};
use crate::counted::counted;

/// BERT's tokenizer as the files describe it; a field is `None` if no file states it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Tokenizer {
    pub do_lower_case: Option<bool>,
    pub strip_accents: Option<bool>,
    pub tokenize_chinese_chars: Option<bool>,
    pub warnings: Vec<String>,
}

/// Everything that the files state about a tokenizer, file by file.
#[derive(Default)]
pub(super) struct Stated<'a> {
    /// The name of `config.json` in error messages, and the tokenizer class that it states.
    pub class: Option<(&'a str, &'a str)>,
    pub settings: Option<Settings>,
    /// `special_tokens_map.json`, whose keys also occur in `tokenizer_config.json`.
    pub special: Option<Settings>,
    /// `added_tokens.json`: tokens and their ids.
    pub added: BTreeMap<String, Value>,
    pub file: Option<File>,
}

/// `tokenizer_config.json`. A key that is `null` is distinct from a missing one.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Settings {
    do_lower_case: Option<bool>,
    #[serde(default, deserialize_with = "stated")]
    strip_accents: Option<Option<bool>>,
    tokenize_chinese_chars: Option<bool>,
    do_basic_tokenize: Option<bool>,
    tokenizer_class: Option<String>,
    word_tokenizer_type: Option<String>,
    subword_tokenizer_type: Option<String>,
    do_word_tokenize: Option<bool>,
    never_split: Option<Vec<String>>,
    wordpieces_prefix: Option<String>,
    unk_token: Option<Value>,
    sep_token: Option<Value>,
    pad_token: Option<Value>,
    cls_token: Option<Value>,
    #[serde(default)]
    added_tokens_decoder: BTreeMap<String, Value>,
    // A list, or an object with a name for each.
    #[serde(default)]
    additional_special_tokens: Value,
    #[serde(default)]
    extra_special_tokens: Value,
}

/// Classes of `transformers` that tokenize as BERT does. The last two do what `tokenizer.json`
/// says.
const CLASSES: [&str; 7] = [
    "Electra",
    "Bert",
    "DistilBert",
    "MobileBert",
    "ConvBert",
    "PreTrained",
    "TokenizersBackend",
];

/// The special tokens, which this program finds by name.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

impl Tokenizer {
    /// Compares the files with each other; `display` names them in errors.
    pub(super) fn new(
        display: &dyn Fn(&str) -> String,
        stated: &Stated<'_>,
    ) -> Result<Self, Error> {
        let config = display(TOKENIZER_CONFIG_FILE);
        if let Some((file, class)) = stated.class {
            check_class(file, class)?;
        }
        if let Some(settings) = &stated.settings {
            settings.check(&config)?;
        }
        if let Some(special) = &stated.special {
            special.check(&display(SPECIAL_TOKENS_FILE))?;
        }
        let normalizer = match &stated.file {
            Some(file) => file.check(&display(TOKENIZER_FILE))?,
            None => None,
        };
        let mut warnings = Vec::new();
        warnings.extend(added_warning(stated));
        warnings.extend(stated.file.as_ref().and_then(File::length_warning));
        let (settings, normalizer) = (stated.settings.as_ref(), normalizer.as_ref());
        let one = |key, first: Option<bool>, other, second: Option<bool>| match (first, second) {
            (Some(first), Some(second)) if first != second => Err(Error::Contradiction {
                file: config.clone(),
                key,
                found: first.to_string(),
                other: display(TOKENIZER_FILE),
                other_key: other,
                other_found: second.to_string(),
            }),
            (first, second) => Ok(first.or(second)),
        };
        let do_lower_case = one(
            "do_lower_case",
            settings.and_then(|s| s.do_lower_case),
            "lowercase",
            normalizer.and_then(|n| n.lowercase),
        )?;
        let tokenize_chinese_chars = one(
            "tokenize_chinese_chars",
            settings.and_then(|s| s.tokenize_chinese_chars),
            "handle_chinese_chars",
            normalizer.and_then(|n| n.handle_chinese_chars),
        )?;
        // Both null and an explicit value may mean the same: the resulting behaviour is compared.
        let lower_case = do_lower_case.unwrap_or(true);
        let done = |stated: Option<Option<bool>>| stated.map(|value| value.unwrap_or(lower_case));
        let stated = settings.and_then(|s| s.strip_accents);
        let other = normalizer.and_then(|n| n.strip_accents);
        if let (Some(first), Some(second)) = (done(stated), done(other))
            && first != second
        {
            let shown = |value: Option<Option<bool>>| match value.flatten() {
                Some(value) => value.to_string(),
                None => format!("null (as lower-casing, {lower_case})"),
            };
            return Err(Error::Contradiction {
                file: config,
                key: "strip_accents",
                found: shown(stated),
                other: display(TOKENIZER_FILE),
                other_key: "strip_accents",
                other_found: shown(other),
            });
        }
        Ok(Self {
            do_lower_case,
            strip_accents: stated.flatten().or(other.flatten()),
            tokenize_chinese_chars,
            warnings,
        })
    }
}

fn check_class(file: &str, class: &str) -> Result<(), Error> {
    let stem = class.strip_suffix("Fast").unwrap_or(class);
    let stem = stem.strip_suffix("Tokenizer").unwrap_or(stem);
    if CLASSES.contains(&stem) {
        return Ok(());
    }
    let expected =
        "only BERT's WordPiece tokenizer is reproduced (ElectraTokenizer, BertTokenizer)";
    Err(refused(
        file,
        "tokenizer_class",
        format!("{class:?}"),
        expected,
    ))
}

impl Settings {
    /// Returns whether the files state if text is lower-cased.
    pub fn says_case(&self) -> bool {
        self.do_lower_case.is_some()
    }

    fn check(&self, file: &str) -> Result<(), Error> {
        if let Some(class) = &self.tokenizer_class {
            check_class(file, class)?;
        }
        let words = [
            ("word_tokenizer_type", &self.word_tokenizer_type, "basic"),
            (
                "subword_tokenizer_type",
                &self.subword_tokenizer_type,
                "wordpiece",
            ),
            ("wordpieces_prefix", &self.wordpieces_prefix, "##"),
        ];
        for (key, found, expected) in words {
            if let Some(found) = found.as_deref().filter(|&found| found != expected) {
                let only = format!("only {expected:?} is reproduced");
                return Err(refused(file, key, format!("{found:?}"), &only));
            }
        }
        for (key, value) in [
            ("do_basic_tokenize", self.do_basic_tokenize),
            ("do_word_tokenize", self.do_word_tokenize),
        ] {
            if value == Some(false) {
                let expected = "texts are always split into words and punctuation here";
                return Err(refused(file, key, "false", expected));
            }
        }
        if let Some(word) = self
            .never_split
            .iter()
            .flatten()
            .find(|word| !SPECIAL.contains(&word.as_str()))
        {
            let expected = "no word is exempt from splitting here; remove it from the list if your texts do \
                            not contain it";
            return Err(refused(
                file,
                "never_split",
                format!("a list with {word:?}"),
                expected,
            ));
        }
        for (key, value, expected) in [
            ("unk_token", &self.unk_token, "[UNK]"),
            ("sep_token", &self.sep_token, "[SEP]"),
            ("pad_token", &self.pad_token, "[PAD]"),
            ("cls_token", &self.cls_token, "[CLS]"),
        ] {
            if let Some(found) = value.as_ref().and_then(content).filter(|&t| t != expected) {
                let only = format!("the special token is found by its name {expected:?}");
                return Err(refused(file, key, format!("{found:?}"), &only));
            }
        }
        Ok(())
    }
}

/// Returns the text of a token that is given as a string or as an object with its properties.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

/// Returns the texts of tokens in a list, or in an object that names each.
fn listed(tokens: &Value) -> Vec<&str> {
    match tokens {
        Value::Array(tokens) => tokens.iter().filter_map(content).collect(),
        Value::Object(tokens) => tokens.values().filter_map(content).collect(),
        _ => Vec::new(),
    }
}

/// Warns about added tokens, which `transformers` splits off the text before anything else.
fn added_warning(stated: &Stated<'_>) -> Option<String> {
    let mut tokens: Vec<&str> = stated.added.keys().map(String::as_str).collect();
    for settings in [&stated.settings, &stated.special].into_iter().flatten() {
        tokens.extend(settings.added_tokens_decoder.values().filter_map(content));
        tokens.extend(listed(&settings.additional_special_tokens));
        tokens.extend(listed(&settings.extra_special_tokens));
    }
    let added = stated.file.iter().flat_map(|file| &file.added_tokens);
    tokens.extend(added.map(|token| token.content.as_str()));
    tokens.retain(|token| !SPECIAL.contains(token) && !token.starts_with("[unused"));
    tokens.sort_unstable();
    tokens.dedup();
    let first = tokens.first()?;
    Some(format!(
        "{}, such as {first:?}: transformers keeps added tokens whole, but here they are split like any other \
         text",
        counted(tokens.len(), "added token")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer(settings: &str, file: &str) -> Result<Tokenizer, String> {
        let stated = Stated {
            settings: Some(serde_json::from_str(settings).unwrap()),
            file: (!file.is_empty()).then(|| serde_json::from_str(file).unwrap()),
            ..Stated::default()
        };
        told(&stated)
    }

    fn told(stated: &Stated<'_>) -> Result<Tokenizer, String> {
        Tokenizer::new(&str::to_owned, stated).map_err(|error| error.to_string())
    }

    fn with_normalizer(normalizer: &str) -> String {
        format!(r#"{{"normalizer": {normalizer}, "model": {{"vocab": {{}}}}}}"#)
    }

    #[test]
    fn every_setting_is_taken_from_either_file() {
        let found = |lower, accents, chinese| {
            Ok(Tokenizer {
                do_lower_case: lower,
                strip_accents: accents,
                tokenize_chinese_chars: chinese,
                warnings: Vec::new(),
            })
        };
        let german = r#"{"do_lower_case": true, "strip_accents": false}"#;
        assert_eq!(tokenizer(german, ""), found(Some(true), Some(false), None));
        assert_eq!(tokenizer("{}", ""), found(None, None, None));
        let file = with_normalizer(
            r#"{"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                "strip_accents": false, "lowercase": true}"#,
        );
        let all = found(Some(true), Some(false), Some(true));
        assert_eq!(tokenizer("{}", &file), all);
        assert_eq!(tokenizer(german, &file), all);
        let sequence = with_normalizer(
            r#"{"type": "Sequence", "normalizers": [{"type": "BertNormalizer", "lowercase": false}]}"#,
        );
        assert_eq!(tokenizer("{}", &sequence), found(Some(false), None, None));
        // null follows lower-casing, so the two files agree.
        let same = r#"{"do_lower_case": true, "strip_accents": null}"#;
        let file = with_normalizer(r#"{"type": "BertNormalizer", "strip_accents": true}"#);
        assert_eq!(tokenizer(same, &file), found(Some(true), Some(true), None));
    }

    #[test]
    fn files_that_contradict_each_other_are_refused_with_both_values() {
        let cases = [
            (
                r#"{"do_lower_case": false}"#,
                r#"{"type": "BertNormalizer", "lowercase": true}"#,
                ["\"do_lower_case\" is false", "\"lowercase\" is true"],
            ),
            (
                r#"{"strip_accents": true}"#,
                r#"{"type": "BertNormalizer", "strip_accents": false}"#,
                ["\"strip_accents\" is true", "\"strip_accents\" is false"],
            ),
            (
                r#"{"do_lower_case": true, "strip_accents": null}"#,
                r#"{"type": "BertNormalizer", "strip_accents": false}"#,
                [
                    "is null (as lower-casing, true)",
                    "\"strip_accents\" is false",
                ],
            ),
            (
                r#"{"tokenize_chinese_chars": false}"#,
                r#"{"type": "BertNormalizer", "handle_chinese_chars": true}"#,
                ["\"tokenize_chinese_chars\" is false", "is true"],
            ),
        ];
        for (settings, normalizer, expected) in cases {
            let error = tokenizer(settings, &with_normalizer(normalizer)).unwrap_err();
            for part in expected {
                assert!(error.contains(part), "{part}: {error}");
            }
            assert!(error.contains("tokenizer.json"), "{error}");
        }
    }

    #[test]
    fn another_tokenizer_is_refused_with_its_name() {
        for (settings, expected) in [
            (
                r#"{"tokenizer_class": "BertJapaneseTokenizer", "do_lower_case": false}"#,
                "\"tokenizer_class\" is \"BertJapaneseTokenizer\"",
            ),
            (
                r#"{"tokenizer_class": "XLMRobertaTokenizerFast"}"#,
                "XLMRoberta",
            ),
            (r#"{"word_tokenizer_type": "mecab"}"#, "is \"mecab\""),
            (
                r#"{"subword_tokenizer_type": "character"}"#,
                "is \"character\"",
            ),
            (
                r#"{"do_basic_tokenize": false}"#,
                "\"do_basic_tokenize\" is false",
            ),
            (
                r#"{"never_split": ["[SEP]", "U.S."]}"#,
                "a list with \"U.S.\"",
            ),
            (r#"{"wordpieces_prefix": "@@"}"#, "only \"##\""),
            (r#"{"cls_token": "<s>"}"#, "by its name \"[CLS]\""),
            (
                r#"{"unk_token": {"content": "<unk>"}}"#,
                "\"unk_token\" is \"<unk>\"",
            ),
        ] {
            let error = tokenizer(settings, "").unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        for (file, expected) in [
            (
                r#"{"model": {"type": "BPE", "vocab": {}}}"#.to_owned(),
                "\"model\" is \"BPE\"",
            ),
            (
                r#"{"model": {"type": "Unigram", "vocab": [["a", 0.5]]}}"#.to_owned(),
                "only WordPiece",
            ),
            (
                with_normalizer(
                    r#"{"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "BertNormalizer"}]}"#,
                ),
                "\"normalizer\" is Sequence of NFKC, BertNormalizer",
            ),
            (with_normalizer(r#"{"type": "Lowercase"}"#), "is Lowercase"),
            (with_normalizer("null"), "\"normalizer\" is none"),
            (
                with_normalizer(r#"{"type": "BertNormalizer", "clean_text": false}"#),
                "\"clean_text\" is false",
            ),
            (
                r#"{"pre_tokenizer": {"type": "Whitespace"}, "model": {"vocab": {}}}"#.to_owned(),
                "\"pre_tokenizer\" is Whitespace",
            ),
            (
                r#"{"model": {"vocab": {}, "unk_token": "<unk>"}}"#.to_owned(),
                "only \"[UNK]\"",
            ),
        ] {
            let error = tokenizer("{}", &file).unwrap_err();
            assert!(error.contains(expected), "{expected}: {error}");
        }
        for class in [
            "ElectraTokenizer",
            "BertTokenizerFast",
            "PreTrainedTokenizerFast",
        ] {
            check_class("config.json", class).unwrap();
        }
    }

    #[test]
    fn harmless_settings_are_no_reason_to_refuse() {
        let settings = r#"{"do_lower_case": false, "do_basic_tokenize": true, "never_split": null,
            "unk_token": "[UNK]", "cls_token": {"__type": "AddedToken", "content": "[CLS]"},
            "tokenizer_class": "ElectraTokenizer", "model_max_length": 512,
            "added_tokens_decoder": {"0": {"content": "[PAD]", "special": true}}}"#;
        let found = tokenizer(settings, "").unwrap();
        assert_eq!(found.do_lower_case, Some(false));
        assert!(found.warnings.is_empty());
        let settings =
            r#"{"added_tokens_decoder": {"9": {"content": "<e1>"}, "8": {"content": "<e2>"}}}"#;
        let found = tokenizer(settings, "").unwrap();
        assert!(found.warnings[0].starts_with("2 added tokens, such as \"<e1>\""));
    }

    #[test]
    fn special_and_added_tokens_count_in_every_file() {
        let special = |text: &str| {
            told(&Stated {
                special: Some(serde_json::from_str(text).unwrap()),
                ..Stated::default()
            })
        };
        let error = special(r#"{"unk_token": "<unk>", "cls_token": "<s>"}"#).unwrap_err();
        assert!(
            error.starts_with("special_tokens_map.json: \"unk_token\" is \"<unk>\""),
            "{error}"
        );
        let usual = r#"{"unk_token": "[UNK]", "cls_token": {"content": "[CLS]"},
            "mask_token": "[MASK]", "additional_special_tokens": null}"#;
        assert_eq!(special(usual).unwrap().warnings, [""; 0]);

        let added = told(&Stated {
            added: serde_json::from_str(r#"{"[Q]": 222, "[PAD]": 0}"#).unwrap(),
            ..Stated::default()
        });
        let listed = r#"{"additional_special_tokens": ["[CLS]", {"content": "[Q]"}]}"#;
        let named = r#"{"extra_special_tokens": {"question": "[Q]"}}"#;
        for found in [
            added,
            special(listed),
            special(named),
            tokenizer(listed, ""),
            tokenizer(named, ""),
        ] {
            let warnings = found.unwrap().warnings;
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(
                warnings[0].starts_with("1 added token, such as \"[Q]\": transformers"),
                "{warnings:?}"
            );
        }
    }
}

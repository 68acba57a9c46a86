//! What no tensor's shape tells: it is taken from the files beside the weights, refused if it would
//! be computed wrongly, and written again for others.

mod fixture;

use std::fs;
use std::path::Path;

use checkpoints_convert::{Format, RecordConfig, inspect};
use fixture::hugging_face::{model, small, write_config, write_safetensors};
use fixture::{config, convert, variables, verify, write, write_vocabulary};
use tempfile::TempDir;

/// A whole Hugging Face model with these files beside its weights.
fn model_with(files: &[(&str, &str)]) -> TempDir {
    let folder = model();
    write_safetensors(folder.path(), "model.safetensors", &small());
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn converted(folder: &Path) -> (RecordConfig, TempDir) {
    let out = tempfile::tempdir().unwrap();
    let report = convert(folder, out.path()).unwrap();
    let config = RecordConfig::read(&out.path().join("config.json")).unwrap();
    assert_eq!(config, report.config);
    assert!(verify(folder, out.path()).unwrap().is_equal());
    (config, out)
}

fn refusal(folder: &Path) -> String {
    let out = tempfile::tempdir().unwrap();
    let error = convert(folder, &out.path().join("new")).unwrap_err();
    assert!(!out.path().join("new").exists());
    // What cannot be converted can still be looked at.
    let found = inspect(folder).unwrap();
    assert_eq!(found.problem, Some(error.to_string()));
    assert_eq!(found.variables.len(), 23);
    error.to_string()
}

#[test]
fn accents_stay_where_the_tokenizer_keeps_them_and_are_exported_again() {
    for (name, text) in [
        (
            "tokenizer_config.json",
            r#"{"do_lower_case": true, "strip_accents": false}"#,
        ),
        (
            "tokenizer.json",
            r#"{"normalizer": {"type": "BertNormalizer", "lowercase": true, "strip_accents": false},
                "model": {"type": "WordPiece", "vocab": {"w0": 0}}}"#,
        ),
    ] {
        let folder = model_with(&[(name, text)]);
        let (config, record) = converted(folder.path());
        assert!(config.do_lower_case && config.strip_accents == Some(false));
        assert!(!config.strips_accents());
        let out = tempfile::tempdir().unwrap();
        checkpoints_convert::export(Format::Hf, record.path(), out.path(), &mut |_, _| {}).unwrap();
        let text = fs::read(out.path().join("tokenizer_config.json")).unwrap();
        let exported: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(exported["do_lower_case"], true);
        assert_eq!(exported["strip_accents"], false);
        // And the export gives the same record again.
        assert_eq!(converted(out.path()).0, config);
    }
}

#[test]
fn heads_and_dropout_are_those_of_config_json() {
    let folder = model_with(&[]);
    let mut shape = config(&[]);
    shape.model.num_attention_heads = 4;
    shape.model.hidden_dropout_prob = 0.0;
    write_config(folder.path(), &shape);
    assert_eq!(converted(folder.path()).0, shape);

    shape.model.hidden_dropout_prob = 1.0;
    write_config(folder.path(), &shape);
    let out = tempfile::tempdir().unwrap();
    let error = convert(folder.path(), out.path()).unwrap_err().to_string();
    assert!(error.contains("\"hidden_dropout_prob\" is 1"), "{error}");
}

#[test]
fn a_tokenizer_that_is_not_reproduced_is_refused() {
    let cases = [
        (
            "tokenizer_config.json",
            r#"{"do_lower_case": false, "tokenizer_class": "BertJapaneseTokenizer",
                "word_tokenizer_type": "mecab"}"#,
            "\"tokenizer_class\" is \"BertJapaneseTokenizer\"",
        ),
        (
            "tokenizer.json",
            r#"{"normalizer": {"type": "Sequence", "normalizers":
                [{"type": "NFKC"}, {"type": "Lowercase"}]}, "model": {"vocab": {}}}"#,
            "\"normalizer\" is Sequence of NFKC, Lowercase",
        ),
        (
            "tokenizer.json",
            r#"{"model": {"type": "BPE", "vocab": {}, "merges": []}}"#,
            "\"model\" is \"BPE\"",
        ),
        (
            "special_tokens_map.json",
            r#"{"unk_token": "[UNK]", "cls_token": "<s>"}"#,
            "\"cls_token\" is \"<s>\"",
        ),
        (
            "tokenizer.json",
            r#"{"post_processor": {"type": "BertProcessing", "sep": ["</s>", 2], "cls": ["<s>", 0]},
                "model": {"vocab": {}}}"#,
            "\"post_processor\" is BertProcessing whose \"cls\" is \"<s>\"",
        ),
        (
            "tokenizer_config.json",
            r#"{"never_split": ["U.S."]}"#,
            "a list with \"U.S.\"",
        ),
    ];
    for (name, text, expected) in cases {
        let folder = model_with(&[(name, text)]);
        let error = refusal(folder.path());
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
    // The class can stand in config.json alone.
    let folder = model_with(&[]);
    let file = folder.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    let text = text.replacen('{', r#"{"tokenizer_class": "BertJapaneseTokenizer", "#, 1);
    fs::write(&file, text).unwrap();
    let error = refusal(folder.path());
    assert!(
        error.contains("config.json: \"tokenizer_class\""),
        "{error}"
    );
}

#[test]
fn files_that_contradict_each_other_are_refused_with_both_values() {
    let normalizer = r#"{"normalizer": {"type": "BertNormalizer", "lowercase": true},
        "model": {"vocab": {"w0": 0, "w1": 1}}}"#;
    let folder = model_with(&[
        ("tokenizer_config.json", r#"{"do_lower_case": false}"#),
        ("tokenizer.json", normalizer),
    ]);
    let error = refusal(folder.path());
    for part in [
        "tokenizer_config.json",
        "is false",
        "tokenizer.json",
        "is true",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
    let words = r#"{"model": {"vocab": {"w1": 0, "w0": 1}}}"#;
    let folder = model_with(&[("tokenizer.json", words)]);
    let out = tempfile::tempdir().unwrap();
    let error = convert(folder.path(), out.path()).unwrap_err().to_string();
    assert!(error.contains("vocab.txt: line"), "{error}");
}

#[test]
fn a_blank_line_at_the_end_of_the_vocabulary_is_no_token() {
    let folder = model_with(&[]);
    let file = folder.path().join("vocab.txt");
    let words = fs::read(&file).unwrap();
    fs::write(&file, [&words[..], b"\n\r\n"].concat()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let report = convert(folder.path(), out.path()).unwrap();
    assert_eq!(report.warnings, [] as [&str; 0]);
    assert_eq!(fs::read(out.path().join("vocab.txt")).unwrap(), words);
}

#[test]
fn a_vocabulary_whose_numbers_have_gaps_is_said() {
    let folder = model_with(&[(
        "tokenizer.json",
        r#"{"model": {"vocab": {"a": 0, "b": 2}}}"#,
    )]);
    fs::remove_file(folder.path().join("vocab.txt")).unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = convert(folder.path(), out.path()).unwrap_err().to_string();
    assert!(
        error.contains("tokenizer.json: its vocabulary is not a list"),
        "{error}"
    );
}

#[test]
fn what_stands_beside_a_tensorflow_checkpoint_counts_too() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "m", 1, &variables(&config(&[])));
    write_vocabulary(folder.path());
    let add = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    add(
        "base_discriminator_config.json",
        r#"{"hidden_size": 64, "num_attention_heads": 2, "attention_probs_dropout_prob": 0.2}"#,
    );
    add("tokenizer_config.json", r#"{"do_lower_case": false}"#);
    // A record's own is none, and neither is any other JSON.
    add("config.json", r#"{"model": {"hidden_size": 1}}"#);
    let (found, _) = converted(folder.path());
    assert_eq!(found.model.num_attention_heads, 2);
    assert_eq!(found.model.attention_probs_dropout_prob, 0.2);
    assert!(!found.do_lower_case);

    add("base_discriminator_config.json", r#"{"hidden_size": 128}"#);
    let error = refusal(folder.path());
    assert!(
        error.contains("base_discriminator_config.json: \"hidden_size\" is 128")
            && error.contains("the weights have 64"),
        "{error}"
    );
}

#[test]
fn a_cased_vocabulary_that_no_file_calls_cased_is_said_once() {
    let folder = model_with(&[]);
    let words: String = (0..10).map(|word| format!("Wort{word}\n")).collect();
    fs::write(folder.path().join("vocab.txt"), words).unwrap();
    let out = tempfile::tempdir().unwrap();
    let report = convert(folder.path(), out.path()).unwrap();
    assert_eq!(report.warnings.len(), 1);
    assert!(report.warnings[0].contains("10 of 10 words of vocab.txt have capitals"));
}

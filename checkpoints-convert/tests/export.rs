//! Tests exports: converting an export gives the original record, bit by bit; TensorFlow receives the heads,
//! and Hugging Face the one that its classes support; foreign folders are never written to.

mod fixture;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use checkpoints_convert::{Error, Export, Format, inspect};
use fixture::{
    assert_equal_records, config, contents, convert, golden, head, variables, write,
    write_vocabulary,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn export(format: Format, input: &Path, out: &Path) -> Result<Export, Error> {
    checkpoints_convert::export(format, input, out, &mut |_, _| {})
}

/// The record of a small fine-tuned model with two heads.
fn fine_tuned() -> TempDir {
    let (source, record) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = config(&[
        ("squad", head(true, true, true, 12)),
        ("newsqa", head(false, true, false, 512)),
    ]);
    write(source.path(), "m", 1, &variables(&config));
    write_vocabulary(source.path());
    convert(source.path(), record.path()).unwrap();
    record
}

#[test]
fn released_models_come_back_from_either_make_as_they_were() {
    for archive in ["electra_tiny.zip", "electra_tiny_projected.zip"] {
        let record = tempfile::tempdir().unwrap();
        convert(&golden(archive), record.path()).unwrap();
        for format in [Format::Hf, Format::Tf] {
            let (out, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let written = export(format, record.path(), out.path()).unwrap();
            assert!(written.left_out.is_empty());
            convert(out.path(), back.path()).unwrap();
            assert_equal_records(record.path(), back.path());
            assert_eq!(
                fs::read(back.path().join("vocab.txt")).unwrap(),
                fs::read(record.path().join("vocab.txt")).unwrap()
            );
        }
    }
}

#[test]
fn a_tensorflow_export_has_the_source_s_variables_with_their_checksums() {
    let (source, record) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let out = tempfile::tempdir().unwrap();
    let config = config(&[("squad", head(true, true, true, 12))]);
    write(source.path(), "m", 1, &variables(&config));
    write_vocabulary(source.path());
    convert(source.path(), record.path()).unwrap();
    let written = export(Format::Tf, record.path(), out.path()).unwrap();
    let rows = |folder: &Path| -> Vec<_> {
        let rows = inspect(folder).unwrap().variables.into_iter();
        rows.map(|row| (row.name, row.shape, row.dtype, row.crc32c))
            .collect()
    };
    assert_eq!(rows(out.path()), rows(source.path()));
    assert!(
        written
            .tensors
            .iter()
            .any(|t| t.name == "task_specific/squad/dense_3/bias"
                && t.parameter == "heads.squad.answerable.bias")
    );
    let names: Vec<String> = contents(out.path()).into_keys().collect();
    assert_eq!(
        names,
        [
            "checkpoint",
            "export.json",
            "model.ckpt.data-00000-of-00001",
            "model.ckpt.index",
            "vocab.txt"
        ]
    );
}

#[test]
fn heads_go_to_tensorflow_and_the_joint_one_is_left_out_for_hugging_face() {
    let record = fine_tuned();
    let (out, back) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    assert!(
        export(Format::Tf, record.path(), out.path())
            .unwrap()
            .left_out
            .is_empty()
    );
    convert(out.path(), back.path()).unwrap();
    assert_equal_records(record.path(), back.path());

    let out = tempfile::tempdir().unwrap();
    let written = export(Format::Hf, record.path(), out.path()).unwrap();
    // The ten parameters of the joint head, and the two of the other head's classifier.
    assert_eq!(written.left_out.len(), 12);
    assert!(written.left_out.iter().all(|left| {
        left.parameter.starts_with("heads.") && left.reason.starts_with("head of a task")
    }));
    let text = fs::read_to_string(out.path().join("export.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["format"], "hf");
    assert_eq!(
        json["left_out"][0]["parameter"],
        "heads.newsqa.answerable.bias"
    );
}

#[test]
fn a_hugging_face_export_has_the_files_and_names_that_transformers_loads() {
    let record = fine_tuned();
    let out = tempfile::tempdir().unwrap();
    export(Format::Hf, record.path(), out.path()).unwrap();
    let files = contents(out.path());
    let names: Vec<&String> = files.keys().collect();
    assert_eq!(
        names,
        [
            "README.md",
            "config.json",
            "export.json",
            "model.safetensors",
            "special_tokens_map.json",
            "tokenizer_config.json",
            "vocab.txt"
        ]
    );
    let weights = safetensors::SafeTensors::deserialize(&files["model.safetensors"]).unwrap();
    assert_eq!(weights.len(), 5 + 2 + 16 + 2);
    let dense = weights
        .tensor("electra.encoder.layer.0.intermediate.dense.weight")
        .unwrap();
    assert_eq!(dense.shape(), [16, 64]);
    assert!(
        weights
            .tensor("electra.embeddings.LayerNorm.weight")
            .is_ok()
    );
    let (_, header) = safetensors::SafeTensors::read_metadata(&files["model.safetensors"]).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["format"], "pt");
    let json = |name: &str| serde_json::from_slice::<serde_json::Value>(&files[name]).unwrap();
    assert_eq!(json("config.json")["model_type"], "electra");
    let class = &json("config.json")["architectures"][0];
    assert_eq!(class, "ElectraForQuestionAnswering");
    assert_eq!(json("config.json")["hidden_size"], 64);
    assert_eq!(json("config.json")["layer_norm_eps"], 1e-12);
    assert_eq!(json("tokenizer_config.json")["do_lower_case"], true);
}

#[test]
fn a_tokenizer_of_every_make_is_described_where_the_vocabulary_allows_it() {
    let record = tempfile::tempdir().unwrap();
    convert(&golden("electra_tiny.zip"), record.path()).unwrap();
    let out = tempfile::tempdir().unwrap();
    export(Format::Hf, record.path(), out.path()).unwrap();
    let read = |name: &str| -> Value {
        serde_json::from_slice(&fs::read(out.path().join(name)).unwrap()).unwrap()
    };
    let words = fs::read_to_string(out.path().join("vocab.txt")).unwrap();
    let tokenizer = read("tokenizer.json");
    let vocabulary = tokenizer["model"]["vocab"].as_object().unwrap();
    assert_eq!(vocabulary.len(), words.lines().count());
    for (number, word) in words.lines().enumerate() {
        assert_eq!(vocabulary[word], number, "{word}");
    }
    assert_eq!(read("special_tokens_map.json")["mask_token"], "[MASK]");
    let padding = words.lines().position(|word| word == "[PAD]").unwrap();
    assert_eq!(read("config.json")["pad_token_id"], padding);
    // All files of the tokenizer agree, and none causes a warning.
    let back = tempfile::tempdir().unwrap();
    let report = convert(out.path(), back.path()).unwrap();
    assert_eq!(report.warnings, [] as [&str; 0]);

    // A vocabulary without special tokens gets no tokenizer file, and an earlier one is removed.
    fs::write(record.path().join("vocab.txt"), "no\nspecial\ntoken\n").unwrap();
    export(Format::Hf, record.path(), out.path()).unwrap();
    assert!(!out.path().join("tokenizer.json").exists());
}

/// A fine-tuned model as written by a run, with the results of two trials.
fn run() -> (TempDir, PathBuf) {
    let (source, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = config(&[("squad", head(false, false, false, 512))]);
    write(source.path(), "m", 1, &variables(&config));
    write_vocabulary(source.path());
    let model = data.path().join("m/finetuning_models/squad_model_2");
    convert(source.path(), &model).unwrap();
    let mut json = serde_json::to_value(&config).unwrap();
    json["task_names"] = json!(["squad"]);
    json["learning_rate"] = json!(3e-4);
    json["qa_na_threshold"] = json!(-1.5);
    fs::write(model.join("config.json"), json.to_string()).unwrap();
    let results = data.path().join("m/results");
    fs::create_dir(&results).unwrap();
    let trials =
        json!([{"squad": {"exact": 1.5, "f1": 2.5}}, {"squad": {"exact": 80.25, "f1": 83}}]);
    fs::write(results.join("squad_results.json"), trials.to_string()).unwrap();
    (data, model)
}

#[test]
fn a_model_card_has_the_figures_and_settings_of_its_own_trial() {
    let (data, model) = run();
    let out = data.path().join("my-model");
    let card = || fs::read_to_string(out.join("README.md")).unwrap();
    export(Format::Hf, &model, &out).unwrap();
    for part in [
        "license:\n",
        "pipeline_tag: question-answering\n",
        "model-index:\n- name: \"my-model\"\n",
        "    - type: exact_match\n      name: \"Exact match, %\"\n      value: 80.25\n",
        "    - type: f1\n      name: \"F1, %\"\n      value: 83\n",
        "| `learning_rate` | 0.0003 |\n",
    ] {
        assert!(card().contains(part), "{part}: {}", card());
    }
    let config = fs::read(out.join("config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["qa_na_threshold"], -1.5);

    // The results of an evaluation of this very model take precedence.
    let own = model.join("results");
    fs::create_dir(&own).unwrap();
    let results = json!([{"squad": {"exact": 70.5}}]);
    fs::write(own.join("squad_results.json"), results.to_string()).unwrap();
    export(Format::Hf, &model, &out).unwrap();
    assert!(card().contains("value: 70.5\n") && !card().contains("80.25"));

    // Results older than the weights belong to other weights.
    let later = SystemTime::now() + Duration::from_secs(60);
    File::options()
        .write(true)
        .open(model.join("model.bpk"))
        .unwrap()
        .set_modified(later)
        .unwrap();
    export(Format::Hf, &model, &out).unwrap();
    assert!(!card().contains("model-index") && card().contains("None are known"));
}

#[test]
fn a_model_card_that_was_edited_stays() {
    let (data, model) = run();
    let out = data.path().join("my-model");
    export(Format::Hf, &model, &out).unwrap();
    let card = out.join("README.md");
    let edited = fs::read_to_string(&card)
        .unwrap()
        .replace("license:", "license: mit");
    fs::write(&card, &edited).unwrap();
    for _ in 0..2 {
        let written = export(Format::Hf, &model, &out).unwrap();
        assert!(!written.files.contains(&"README.md".to_owned()));
        assert_eq!(fs::read_to_string(&card).unwrap(), edited);
    }
    // A missing card is written again.
    fs::remove_file(&card).unwrap();
    export(Format::Hf, &model, &out).unwrap();
    assert!(fs::read_to_string(&card).unwrap().contains("license:\n"));
}

#[test]
fn only_a_new_folder_or_an_earlier_export_is_written_into() {
    let record = fine_tuned();
    let out = tempfile::tempdir().unwrap();
    let deep = out.path().join("deep/new");
    export(Format::Hf, record.path(), &deep).unwrap();
    let before = contents(&deep);
    export(Format::Hf, record.path(), &deep).unwrap();
    assert_eq!(contents(&deep), before, "the same bytes again");

    let other = export(Format::Tf, record.path(), &deep).unwrap_err();
    assert!(other.to_string().contains("not empty"), "{other}");
    let own = export(Format::Tf, record.path(), record.path()).unwrap_err();
    assert!(own.to_string().contains("not empty"), "{own}");
    fs::write(out.path().join("mine.txt"), "kept").unwrap();
    let mine = export(Format::Hf, record.path(), out.path()).unwrap_err();
    assert!(mine.to_string().contains("not empty"), "{mine}");
    assert_eq!(contents(&deep), before);
}

#[test]
fn a_record_that_is_not_whole_is_refused_before_anything_is_written() {
    let out = tempfile::tempdir().unwrap();
    let new = out.path().join("new");
    let refusal = |record: &Path, format| {
        let error = export(format, record, &new).unwrap_err().to_string();
        assert!(!new.exists());
        error
    };
    let record = fine_tuned();
    fs::remove_file(record.path().join("vocab.txt")).unwrap();
    let error = refusal(record.path(), Format::Hf);
    assert!(
        error.contains("vocab.txt") && error.contains("put the vocabulary"),
        "{error}"
    );

    let record = fine_tuned();
    let file = record.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("\"vocab_size\": 10", "\"vocab_size\": 11"),
    )
    .unwrap();
    let error = refusal(record.path(), Format::Tf);
    assert!(
        error.contains("electra.embeddings.word.weight should be F32 [11, 4]")
            && error.contains("has F32 [10, 4]"),
        "{error}"
    );
    fs::write(&file, text.replace("\"squad\"", "\"other\"")).unwrap();
    let error = refusal(record.path(), Format::Tf);
    assert!(
        error.contains("heads.other.start.weight") && error.contains("has nothing"),
        "{error}"
    );

    let record = fine_tuned();
    fs::write(record.path().join("model.bpk"), "no record").unwrap();
    let error = refusal(record.path(), Format::Hf);
    assert!(
        error.contains("model.bpk: cannot read the record"),
        "{error}"
    );
    let error = refusal(&out.path().join("absent"), Format::Hf);
    assert!(error.contains("absent"), "{error}");
}

//! The way out: what is exported and converted again is what was there, bit by bit; heads go along
//! to TensorFlow and are named as left out for Hugging Face; no folder of another's is written into.

mod fixture;

use std::fs;
use std::path::Path;

use checkpoints_convert::{Error, Export, Format, inspect};
use fixture::{
    assert_equal_records, config, contents, convert, golden, head, variables, write,
    write_vocabulary,
};
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
fn heads_go_to_tensorflow_and_are_left_out_for_hugging_face() {
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
    // The full head has ten parameters, the plain one six.
    assert_eq!(written.left_out.len(), 16);
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
            "config.json",
            "export.json",
            "model.safetensors",
            "tokenizer_config.json",
            "vocab.txt"
        ]
    );
    let weights = safetensors::SafeTensors::deserialize(&files["model.safetensors"]).unwrap();
    assert_eq!(weights.len(), 5 + 2 + 16);
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
    assert_eq!(json("config.json")["hidden_size"], 64);
    assert_eq!(json("config.json")["layer_norm_eps"], 1e-12);
    assert_eq!(json("tokenizer_config.json")["do_lower_case"], true);
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
        error.contains("electra.embeddings.word.weight is to be F32 [11, 4]")
            && error.contains("holds F32 [10, 4]"),
        "{error}"
    );
    fs::write(&file, text.replace("\"squad\"", "\"other\"")).unwrap();
    let error = refusal(record.path(), Format::Tf);
    assert!(
        error.contains("heads.other.start.weight") && error.contains("holds nothing"),
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

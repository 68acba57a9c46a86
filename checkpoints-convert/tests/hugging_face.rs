//! Hugging Face models on the way in: each form of their files gives, bit by bit, the record that
//! the same weights give as a TensorFlow checkpoint.

mod fixture;

use std::fs;

use checkpoints_convert::tensor::DType;
use checkpoints_convert::{RecordConfig, inspect, is_checkpoint, is_hugging_face};
use fixture::hugging_face::{
    FORMS, Pickle, Tensor, model, small, tensors, write_archive, write_config, write_legacy,
    write_safetensors, write_zip,
};
use fixture::{
    Made, assert_equal_records, config, contents, convert, golden, head, variables, variables_of,
    verify, write,
};

#[test]
fn every_form_gives_the_record_of_the_tensorflow_checkpoint() {
    for archive in ["electra_tiny.zip", "electra_tiny_projected.zip"] {
        let expected = tempfile::tempdir().unwrap();
        convert(&golden(archive), expected.path()).unwrap();
        let config = RecordConfig::read(&expected.path().join("config.json")).unwrap();
        let weights = tensors(&variables_of(expected.path()));
        for (file, write) in FORMS {
            let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            write_config(folder.path(), &config);
            fs::copy(
                expected.path().join("vocab.txt"),
                folder.path().join("vocab.txt"),
            )
            .unwrap();
            write(folder.path(), &weights);
            assert!(is_checkpoint(folder.path()) && is_hugging_face(folder.path()));
            let report = convert(folder.path(), out.path()).unwrap();
            assert_equal_records(expected.path(), out.path());
            assert_eq!(report.warnings, [] as [&str; 0]);
            assert_eq!(
                (report.source.kind, report.source.prefix.as_str()),
                ("hugging-face", file)
            );
            assert_eq!(report.totals.used, weights.len());
            assert!(report.variables.iter().all(|v| !v.checked));
            let found = verify(folder.path(), out.path()).unwrap();
            assert!(found.is_equal());
            assert_eq!((found.checked, found.equal), (0, weights.len()));
            assert_eq!(
                fs::read(out.path().join("vocab.txt")).unwrap(),
                fs::read(expected.path().join("vocab.txt")).unwrap()
            );
        }
    }
}

#[test]
fn sums_and_checksums_are_those_of_the_same_bytes_in_tensorflow_s_file() {
    let (source, folder) = (tempfile::tempdir().unwrap(), model());
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = variables(&config(&[]));
    write(source.path(), "m", 1, &made);
    write_zip(folder.path(), &tensors(&made));
    let expected = convert(source.path(), first.path()).unwrap();
    let found = convert(folder.path(), second.path()).unwrap();
    for row in &expected.variables {
        let parameter = &row.parameter;
        let other = found.variables.iter().find(|v| &v.parameter == parameter);
        let other = other.unwrap();
        // Where the layout is the same, so are the bytes.
        if !row.name.ends_with("/kernel") {
            assert_eq!((other.sum, &other.crc32c), (row.sum, &row.crc32c));
        }
        assert!(other.crc32c.is_some() && other.sum.is_some());
    }
}

#[test]
fn old_names_and_a_bare_encoder_s_names_are_read() {
    let (source, expected) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    convert(source.path(), expected.path()).unwrap();
    let renamed: [fn(&str) -> String; 2] = [
        |name| {
            name.replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta")
        },
        |name| name.strip_prefix("electra.").unwrap().to_owned(),
    ];
    for rename in renamed {
        let (folder, out) = (model(), tempfile::tempdir().unwrap());
        let mut weights = small();
        for tensor in &mut weights {
            tensor.name = rename(&tensor.name);
        }
        write_safetensors(folder.path(), "model.safetensors", &weights);
        convert(folder.path(), out.path()).unwrap();
        assert_equal_records(expected.path(), out.path());
    }
}

/// Models that were converted from TensorFlow by `transformers` have such views.
#[test]
fn matrices_that_are_stored_column_after_column_are_read() {
    let (source, expected) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = variables(&config(&[]));
    write(source.path(), "m", 1, &made);
    convert(source.path(), expected.path()).unwrap();
    for write in [write_zip, write_legacy] {
        let (folder, out) = (model(), tempfile::tempdir().unwrap());
        let mut weights = tensors(&made);
        for (tensor, made) in weights.iter_mut().zip(&made) {
            if made.name.ends_with("/kernel") {
                tensor.bytes.clone_from(&made.bytes);
                tensor.column_major = true;
            }
        }
        write(folder.path(), &weights);
        convert(folder.path(), out.path()).unwrap();
        assert_equal_records(expected.path(), out.path());
    }
}

#[test]
fn sixteen_bit_floats_are_widened_as_tensorflow_s_are() {
    for dtype in [DType::F16, DType::BF16] {
        let (source, expected) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = fixture::sixteen_bit(dtype);
        write(source.path(), "m", 1, &made);
        convert(source.path(), expected.path()).unwrap();
        for (_, write) in FORMS {
            let (folder, out) = (model(), tempfile::tempdir().unwrap());
            write(folder.path(), &tensors(&made));
            convert(folder.path(), out.path()).unwrap();
            assert_equal_records(expected.path(), out.path());
        }
    }
}

#[test]
fn what_no_parameter_takes_is_left_out_with_its_reason() {
    for (_, write) in FORMS {
        let (folder, out) = (model(), tempfile::tempdir().unwrap());
        let mut weights = small();
        let extra = |name: &str, dtype, width: usize| Tensor {
            name: name.into(),
            dtype,
            shape: vec![2],
            bytes: vec![7; 2 * width],
            column_major: false,
        };
        weights.push(extra("electra.embeddings.position_ids", DType::I64, 8));
        weights.push(extra("discriminator_predictions.dense.bias", DType::F32, 4));
        weights.push(extra("qa_outputs.bias", DType::F32, 4));
        weights.push(extra("electra.pooler.dense.bias", DType::F32, 4));
        write(folder.path(), &weights);
        let report = convert(folder.path(), out.path()).unwrap();
        let reason = |name: &str| {
            let row = report.variables.iter().find(|v| v.name == name).unwrap();
            row.ignored.clone().unwrap()
        };
        assert!(reason("electra.embeddings.position_ids").contains("not a weight"));
        assert!(reason("discriminator_predictions.dense.bias").starts_with("pre-training head"));
        assert!(reason("qa_outputs.bias").starts_with("a plain head of another make"));
        assert_eq!(reason("electra.pooler.dense.bias"), "unknown name");
        assert_eq!(
            report.warnings,
            ["1 variable with an unknown name left out: electra.pooler.dense.bias"]
        );
        assert_eq!(report.totals.ignored, 4);
        assert!(verify(folder.path(), out.path()).unwrap().is_equal());
    }
}

#[test]
fn settings_and_the_tokenizer_s_files_are_taken_over() {
    let (folder, out) = (model(), tempfile::tempdir().unwrap());
    let mut shape = config(&[]);
    shape.model.num_attention_heads = 2;
    shape.model.attention_probs_dropout_prob = 0.25;
    write_config(folder.path(), &shape);
    write_safetensors(folder.path(), "model.safetensors", &small());
    let tokenizer = folder.path().join("tokenizer_config.json");
    fs::write(&tokenizer, r#"{"do_lower_case": false}"#).unwrap();
    let report = convert(folder.path(), out.path()).unwrap();
    assert!(!report.config.do_lower_case);
    assert_eq!(report.config.model, shape.model);
    // The record says how many heads there are; nobody has to say it again.
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);

    // Newer versions save the vocabulary inside tokenizer.json.
    fs::remove_file(&tokenizer).unwrap();
    let words = fs::read(folder.path().join("vocab.txt")).unwrap();
    fs::remove_file(folder.path().join("vocab.txt")).unwrap();
    let vocabulary: serde_json::Map<_, _> = (0..10)
        .rev()
        .map(|number| (format!("w{number}"), number.into()))
        .collect();
    let json = serde_json::json!({
        "normalizer": {"type": "BertNormalizer", "lowercase": false},
        "model": {"type": "WordPiece", "vocab": vocabulary},
    });
    fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
    let out = tempfile::tempdir().unwrap();
    let report = convert(folder.path(), out.path()).unwrap();
    assert!(!report.config.do_lower_case);
    assert_eq!(fs::read(out.path().join("vocab.txt")).unwrap(), words);
}

#[test]
fn a_model_is_inspected_without_its_values() {
    let folder = model();
    write_safetensors(folder.path(), "model.safetensors", &small());
    let found = inspect(folder.path()).unwrap();
    assert_eq!(found.problem, None);
    assert_eq!(found.config, Some(config(&[])));
    let row = found
        .variables
        .iter()
        .find(|v| v.name == "electra.embeddings_project.weight")
        .unwrap();
    assert_eq!(row.shape, [64, 4]);
    assert_eq!(
        row.parameter.as_deref(),
        Some("electra.embeddings.project.weight")
    );
    assert_eq!((&row.crc32c, row.sum), (&None, None));
    // The file of the weights is as good as its folder.
    let file = folder.path().join("model.safetensors");
    assert!(is_checkpoint(&file));
    assert_eq!(inspect(&file).unwrap().totals, found.totals);
}

#[test]
fn a_model_s_own_config_is_never_replaced() {
    let folder = model();
    write_safetensors(folder.path(), "model.safetensors", &small());
    let before = contents(folder.path());
    let error = convert(folder.path(), folder.path())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("config.json: belongs to a Hugging Face model"),
        "{error}"
    );
    assert_eq!(contents(folder.path()), before);
}

#[test]
fn a_tensorflow_checkpoint_in_the_same_folder_is_taken_first() {
    let folder = model();
    write_safetensors(folder.path(), "model.safetensors", &small());
    write(folder.path(), "m", 1, &variables(&config(&[])));
    assert!(!is_hugging_face(folder.path()));
    assert_eq!(inspect(folder.path()).unwrap().source.kind, "folder");
}

#[test]
fn tied_weights_of_a_generator_s_head_are_left_out() {
    let folder = model();
    let weights = small();
    let words = weights
        .iter()
        .position(|t| t.name == "electra.embeddings.word_embeddings.weight")
        .unwrap();
    // The head's matrix is a view of the embeddings' storage.
    let mut pickle = Pickle::new(false);
    pickle.bytes.extend(b"}(");
    for (number, tensor) in weights.iter().enumerate() {
        let (values, strides) = (
            tensor.shape.iter().product(),
            match tensor.shape[..] {
                [_, columns] => vec![columns, 1],
                _ => vec![1],
            },
        );
        pickle.text(&tensor.name);
        pickle.tensor(tensor, number, values, 0, &strides);
    }
    pickle.text("generator_lm_head.weight");
    pickle.tensor(&weights[words], words, 40, 0, &[4, 1]);
    pickle.bytes.extend(b"u.");
    write_archive(folder.path(), &pickle.bytes, &weights);
    let out = tempfile::tempdir().unwrap();
    let report = convert(folder.path(), out.path()).unwrap();
    assert_eq!(report.totals.ignored, 1);
    assert!(report.warnings[0].starts_with("these are the weights of a generator"));
}

#[test]
fn a_fine_tuned_tensorflow_model_and_its_encoder_alone_differ_by_the_head() {
    let (source, folder) = (tempfile::tempdir().unwrap(), model());
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made: Vec<Made> = variables(&config(&[("squad", head(true, true, true, 12))]));
    write(source.path(), "m", 1, &made);
    write_safetensors(folder.path(), "model.safetensors", &tensors(&made));
    convert(source.path(), first.path()).unwrap();
    convert(folder.path(), second.path()).unwrap();
    let found = verify(source.path(), second.path()).unwrap();
    // config.json and the ten parameters of the head.
    assert_eq!(found.differences.len(), 11);
}

//! Hugging Face models on the way in: each form of their files gives, bit by bit, the record that
//! the same weights give as a TensorFlow checkpoint; what is damaged or hostile is refused.

mod fixture;

use std::fs;
use std::path::Path;

use checkpoints_convert::bundle::DType;
use checkpoints_convert::{RecordConfig, inspect, is_checkpoint, is_hugging_face};
use fixture::hugging_face::{
    Pickle, Tensor, legacy, tensors, write_archive, write_config, write_legacy, write_safetensors,
    write_zip,
};
use fixture::{
    Made, assert_equal_records, config, contents, convert, golden, head, variables, variables_of,
    verify, write, write_vocabulary,
};
use half::{bf16, f16};
use tempfile::TempDir;

/// A small model without weights: `config.json` and `vocab.txt`.
fn model() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write_config(folder.path(), &config(&[]));
    write_vocabulary(folder.path());
    folder
}

fn small() -> Vec<Tensor> {
    tensors(&variables(&config(&[])))
}

/// Changes the tensor of this name.
fn edit(tensors: &mut [Tensor], name: &str, edit: impl FnOnce(&mut Tensor)) {
    edit(tensors.iter_mut().find(|t| t.name == name).unwrap());
}

fn refusal(folder: &Path) -> String {
    let out = tempfile::tempdir().unwrap();
    let error = convert(folder, &out.path().join("new"))
        .unwrap_err()
        .to_string();
    assert!(!out.path().join("new").exists());
    error
}

type Writer = fn(&Path, &[Tensor]);

/// Every form of the weights, by the name of the file that leads to them.
const FORMS: [(&str, Writer); 4] = [
    ("model.safetensors", |folder, tensors| {
        write_safetensors(folder, "model.safetensors", tensors)
    }),
    ("pytorch_model.bin", write_zip),
    ("pytorch_model.bin", write_legacy),
    ("model.safetensors.index.json", write_two_files),
];

fn write_two_files(folder: &Path, tensors: &[Tensor]) {
    let mut map = serde_json::Map::new();
    for (name, part) in ["model-1.safetensors", "model-2.safetensors"]
        .into_iter()
        .zip(tensors.chunks(tensors.len().div_ceil(2)))
    {
        write_safetensors(folder, name, part);
        map.extend(part.iter().map(|t| (t.name.clone(), name.into())));
    }
    let index = serde_json::json!({"metadata": {"total_size": 1}, "weight_map": map});
    fs::write(
        folder.join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
}

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
        let mut made = variables(&config(&[]));
        for variable in &mut made {
            variable.dtype = dtype;
            variable.bytes = fixture::floats(&variable.bytes)
                .into_iter()
                .flat_map(|value| match dtype {
                    DType::F16 => f16::from_f32(value).to_le_bytes(),
                    _ => bf16::from_f32(value).to_le_bytes(),
                })
                .collect();
        }
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
            ["1 variables with unknown names left out: electra.pooler.dense.bias"]
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
    assert!(report.warnings[0].starts_with("2 attention heads where the reference's rule gives 1"));

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
fn missing_wrong_and_doubled_tensors_are_named() {
    const KEY: &str = "electra.encoder.layer.0.attention.self.key.weight";
    type Spoil = fn(&mut Vec<Tensor>);
    let cases: [(Spoil, &[&str]); 6] = [
        (
            |tensors| tensors.retain(|t| t.name != KEY),
            &[KEY, "is missing"],
        ),
        (
            |tensors| edit(tensors, KEY, |t| t.name = "other".into()),
            &[KEY, "is missing"],
        ),
        (
            |tensors| {
                edit(tensors, "electra.embeddings_project.weight", |t| {
                    t.shape.reverse()
                })
            },
            &[
                "electra.embeddings_project.weight",
                "[4, 64]",
                "expected [64, 4]",
            ],
        ),
        (
            |tensors| {
                edit(tensors, KEY, |t| {
                    t.shape = vec![32, 64];
                    t.dtype = DType::I64;
                })
            },
            &[KEY, "[32, 64]", "expected [64, 64]"],
        ),
        (
            |tensors| {
                edit(tensors, "electra.embeddings_project.bias", |t| {
                    t.dtype = DType::I64;
                    t.bytes.extend(t.bytes.clone());
                })
            },
            &["electra.embeddings_project.bias", "holds int64 values"],
        ),
        (
            |tensors| {
                let mut bare = tensors[0].clone();
                bare.name = bare.name.strip_prefix("electra.").unwrap().into();
                tensors.push(bare);
            },
            &["two tensors", "embeddings.LayerNorm.bias"],
        ),
    ];
    for (spoil, expected) in cases {
        for (_, write) in FORMS {
            let folder = model();
            let mut weights = small();
            spoil(&mut weights);
            write(folder.path(), &weights);
            let error = refusal(folder.path());
            for part in expected {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }
}

#[test]
fn a_config_that_does_not_fit_is_refused() {
    let cases = [
        ("{", "config.json: not the JSON"),
        (r#"{"hidden_size": 64}"#, "\"model_type\" is missing"),
        (r#"{"model_type": "bert"}"#, "only \"electra\""),
        (
            r#"{"model_type": "electra", "num_hidden_layers": 2}"#,
            "\"num_hidden_layers\" is 2, but the weights have 1",
        ),
        (
            r#"{"model_type": "electra", "hidden_act": "relu"}"#,
            "\"hidden_act\" is \"relu\"",
        ),
    ];
    for (text, expected) in cases {
        let folder = model();
        write_safetensors(folder.path(), "model.safetensors", &small());
        fs::write(folder.path().join("config.json"), text).unwrap();
        let error = refusal(folder.path());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn weights_cut_off_anywhere_are_refused() {
    for (file, write) in &FORMS[..3] {
        let folder = model();
        write(folder.path(), &small());
        let path = folder.path().join(file);
        let bytes = fs::read(&path).unwrap();
        // All of the header and pickles byte by byte at the start, then in larger steps.
        let lengths = (0..bytes.len()).filter(|n| *n < 600 || n % 997 == 0);
        for length in lengths.chain([bytes.len() - 1]) {
            fs::write(&path, &bytes[..length]).unwrap();
            let error = refusal(folder.path());
            assert!(error.contains(file), "{length} of {}: {error}", bytes.len());
        }
    }
}

/// Wherever a header or pickle is damaged, it is refused, or is still a model whose values are read
/// as they are: nothing in between, and no panic.
#[test]
fn a_flipped_bit_anywhere_before_the_values_is_refused_or_harmless() {
    for (file, write) in &FORMS[..3] {
        let (folder, out) = (model(), tempfile::tempdir().unwrap());
        write(folder.path(), &small());
        let path = folder.path().join(file);
        let length = fs::metadata(&path).unwrap().len() as usize;
        let mut refused = 0;
        for byte in (0..length.min(3000)).step_by(7) {
            fixture::flip_bit(&path, byte);
            if let Err(error) = convert(folder.path(), out.path()) {
                refused += 1;
                assert!(error.to_string().contains(file), "{byte}: {error}");
            } else {
                assert!(verify(folder.path(), out.path()).unwrap().is_equal());
            }
            fixture::flip_bit(&path, byte);
        }
        // Many a byte is a letter of a name, without which the model is not whole.
        assert!(refused > 200, "{file}: {refused}");
    }
}

#[test]
fn a_flipped_bit_in_an_archive_s_storage_is_refused() {
    let folder = model();
    let weights = small();
    write_zip(folder.path(), &weights);
    let path = folder.path().join("pytorch_model.bin");
    let words = weights
        .iter()
        .find(|t| t.name == "electra.embeddings.word_embeddings.weight")
        .unwrap();
    let bytes = fs::read(&path).unwrap();
    let start = bytes
        .windows(words.bytes.len())
        .position(|window| window == words.bytes)
        .unwrap();
    fixture::flip_bit(&path, start + 10);
    let error = refusal(folder.path());
    assert!(
        error.contains("pytorch_model.bin") && error.contains("checksum"),
        "{error}"
    );
}

#[test]
fn a_header_that_only_claims_is_refused() {
    let tensor = |dtype: &str, shape: &str, offsets: &str| {
        format!(r#"{{"a": {{"dtype": "{dtype}", "shape": {shape}, "data_offsets": {offsets}}}}}"#)
    };
    let cases = [
        ("{}".into(), u64::MAX, "claims a header of"),
        ("{}".into(), 100, "its header describes 108"),
        ("[]".into(), 2, "no safetensors file"),
        (tensor("F32", "[1]", "[0, 4]"), 0, "its header describes"),
        (
            tensor("F32", "[4611686018427387904]", "[0, 4]"),
            0,
            "no safetensors file",
        ),
        (
            tensor("F32", "[576460752303423487]", "[0, 2305843009213693948]"),
            0,
            "its header describes 23058430092136",
        ),
        (tensor("F32", "[1]", "[4, 8]"), 0, "offset for tensor `a`"),
        (tensor("F32", "[2]", "[0, 4]"), 0, "no safetensors file"),
        (tensor("F31", "[1]", "[0, 4]"), 0, "unknown variant `F31`"),
        (tensor("F32", "[-1]", "[0, 4]"), 0, "no safetensors file"),
    ];
    for (header, claimed, expected) in cases {
        let folder = model();
        let size = if claimed == 0 {
            header.len() as u64
        } else {
            claimed
        };
        let mut bytes = size.to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        fs::write(folder.path().join("model.safetensors"), bytes).unwrap();
        let error = refusal(folder.path());
        assert!(
            error.contains("model.safetensors") && error.contains(expected),
            "{header}: {error}"
        );
    }
}

#[test]
fn a_pickle_that_would_run_something_is_refused_by_its_name() {
    let hostile = b"\x80\x02cos\nsystem\nq\x00X\x0a\x00\x00\x00touch /tmp\x85R.";
    let folder = model();
    write_archive(folder.path(), hostile, &[]);
    let error = refusal(folder.path());
    assert!(error.contains("asks for \"os.system\""), "{error}");
    assert!(error.contains("nothing of it was run"), "{error}");

    // In the older form, in the place of the magic number and in that of the state dict.
    let path = folder.path().join("pytorch_model.bin");
    fs::write(&path, hostile).unwrap();
    assert!(refusal(folder.path()).contains("asks for \"os.system\""));
    let whole = legacy(&[]);
    let start = whole
        .windows(13)
        .position(|window| window == b"little_endian")
        .unwrap()
        + 18;
    let mut bytes = whole[..start].to_vec();
    bytes.extend(hostile);
    fs::write(&path, bytes).unwrap();
    assert!(refusal(folder.path()).contains("asks for \"os.system\""));
}

#[test]
fn a_state_dict_of_other_things_is_refused() {
    let cases: [(&[u8], &str); 6] = [
        (b"\x80\x02N.", "holds None"),
        (b"\x80\x02}K\x01K\x02s.", "has a number for a key"),
        (
            b"\x80\x02}X\x05\x00\x00\x00epochK\x02s.",
            "\"epoch\" is a number, no tensor",
        ),
        (
            b"\x80\x02}X\x01\x00\x00\x00m}s.",
            "\"m\" is a dictionary, no tensor",
        ),
        (
            b"\x80\x02}X\x01\x00\x00\x00tctorch._utils\n_rebuild_tensor_v2\n)Rs.",
            "fewer than four values",
        ),
        (b"\x80\x04N.", "protocol 4"),
    ];
    for (pickle, expected) in cases {
        let folder = model();
        write_archive(folder.path(), pickle, &[]);
        let error = refusal(folder.path());
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn views_that_their_storage_cannot_have_are_refused() {
    let tensor = |shape: &[usize]| Tensor {
        name: "t".into(),
        dtype: DType::F32,
        shape: shape.to_vec(),
        bytes: vec![0; 24],
        column_major: false,
    };
    let huge = 1 << 62;
    // Shape, values that the storage is said to have, offset, strides.
    let cases: [(&[usize], usize, usize, &[usize], &str); 6] = [
        (&[2, 3], 6, 1, &[3, 1], "reaches past its storage"),
        (&[2, 4], 6, 0, &[4, 1], "reaches past its storage"),
        (&[2, 3], 6, 0, &[6, 2], "strides [6, 2]"),
        (&[2, 3], 7, 0, &[3, 1], "but the file holds 24 bytes"),
        (&[huge, 8], huge, 0, &[8, 1], "reaches past its storage"),
        (&[huge], huge, 0, &[1], "claims a storage"),
    ];
    for (shape, values, offset, strides, expected) in cases {
        for is_legacy in [false, true] {
            let folder = model();
            let tensor = tensor(shape);
            let mut pickle = Pickle::new(is_legacy);
            pickle.bytes.push(b'}');
            pickle.text("t");
            pickle.tensor(&tensor, 0, values, offset, strides);
            pickle.bytes.extend(b"s.");
            if is_legacy {
                // The stream of a right tensor, with this state dict in the place of its own.
                let right = Tensor {
                    shape: vec![6],
                    ..tensor
                };
                let whole = legacy(std::slice::from_ref(&right));
                let own = Pickle::new(true).state_dict(std::slice::from_ref(&right));
                let at = whole.windows(own.len()).position(|w| w == own).unwrap();
                let bytes = [&whole[..at], &pickle.bytes, &whole[at + own.len()..]].concat();
                fs::write(folder.path().join("pytorch_model.bin"), bytes).unwrap();
            } else {
                write_archive(folder.path(), &pickle.bytes, &[tensor]);
            }
            let error = refusal(folder.path());
            assert!(error.contains(expected), "legacy {is_legacy}: {error}");
        }
    }
}

#[test]
fn files_that_an_index_names_stay_in_its_folder_and_are_whole() {
    let cases = [
        (
            r#"{"weight_map": {"a": "../x"}}"#,
            "expected a plain name of a file",
        ),
        (
            r#"{"weight_map": {"a": "/etc/passwd"}}"#,
            "expected a plain name of a file",
        ),
        (r#"{"weight_map": {"a": "gone"}}"#, "gone: missing"),
        (
            r#"{"weight_map": {"absent": "model-1.safetensors"}}"#,
            "\"absent\" is to be in it",
        ),
        (r#"{"weight_map": []}"#, "not the JSON"),
    ];
    for (text, expected) in cases {
        let folder = model();
        write_two_files(folder.path(), &small());
        fs::write(folder.path().join("model.safetensors.index.json"), text).unwrap();
        let error = refusal(folder.path());
        assert!(error.contains(expected), "{error}");
    }
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

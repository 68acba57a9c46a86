//! Damaged and hostile Hugging Face models: each is refused, with the file's or the tensor's name,
//! and nothing of a pickle is run.

mod fixture;

use std::fs;
use std::path::Path;

use checkpoints_convert::tensor::DType;
use fixture::hugging_face::{
    FORMS, Pickle, Tensor, legacy, model, small, write_archive, write_safetensors, write_two_files,
    write_zip,
};
use fixture::{convert, verify};

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
        ("[]".into(), 2, "not a safetensors file"),
        (tensor("F32", "[1]", "[0, 4]"), 0, "its header describes"),
        (
            tensor("F32", "[4611686018427387904]", "[0, 4]"),
            0,
            "not a safetensors file",
        ),
        (
            tensor("F32", "[576460752303423487]", "[0, 2305843009213693948]"),
            0,
            "its header describes 23058430092136",
        ),
        (tensor("F32", "[1]", "[4, 8]"), 0, "offset for tensor `a`"),
        (tensor("F32", "[2]", "[0, 4]"), 0, "not a safetensors file"),
        (tensor("F31", "[1]", "[0, 4]"), 0, "unknown variant `F31`"),
        (tensor("F32", "[-1]", "[0, 4]"), 0, "not a safetensors file"),
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

/// Shape, values that the storage is said to have, offset, strides, and what is said to it.
type View = (
    &'static [usize],
    usize,
    usize,
    &'static [usize],
    &'static str,
);

#[test]
fn views_that_their_storage_cannot_have_are_refused() {
    let tensor = |shape: &[usize]| Tensor {
        name: "t".into(),
        dtype: DType::F32,
        shape: shape.to_vec(),
        bytes: vec![0; 24],
        column_major: false,
    };
    const HUGE: usize = 1 << 62;
    let cases: [View; 6] = [
        (&[2, 3], 6, 1, &[3, 1], "reaches past its storage"),
        (&[2, 4], 6, 0, &[4, 1], "reaches past its storage"),
        (&[2, 3], 6, 0, &[6, 2], "strides [6, 2]"),
        (&[2, 3], 7, 0, &[3, 1], "but the file holds 24 bytes"),
        (&[HUGE, 8], HUGE, 0, &[8, 1], "reaches past its storage"),
        (&[HUGE], HUGE, 0, &[1], "claims a storage"),
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
            "\"absent\" should be in it",
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

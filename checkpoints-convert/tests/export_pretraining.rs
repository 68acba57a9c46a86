//! Tests exports of pre-trained models: discriminator and generator as two `transformers` models, and all
//! networks, with the optimiser's state if it is known, as a TensorFlow checkpoint. Converting an export
//! gives the original values, bit by bit.

mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use burn_pack::{Bytes, Tensor};
use checkpoints_convert::tensor::DType;
use checkpoints_convert::{
    Error, Export, Format, Kept, Network, export, export_head, export_network, inspect, pack,
    write_pretraining,
};
use fixture::{
    Made, assert_equal_records, config, contents, convert, floats, golden, head, variables, write,
    write_vocabulary,
};
use serde_json::{Value, json};
use tempfile::TempDir;

const GENERATOR: &str = "generator.bpk";

/// The checkpoint, converted with its generator.
fn converted(source: &Path) -> TempDir {
    let record = tempfile::tempdir().unwrap();
    convert(source, record.path()).unwrap();
    let kept = write_pretraining(source, Kept::Generator, &record.path().join(GENERATOR));
    assert!(kept.unwrap() > 0);
    record
}

fn network(network: Network, record: &Path, out: &Path) -> Result<Export, Error> {
    export_network(network, record, out, &mut |_, _| {})
}

fn to_tensorflow(record: &Path, out: &Path) -> Export {
    export(Format::Tf, record, out, &mut |_, _| {}).unwrap()
}

/// Maps the path of each tensor in a record's file to its shape and values.
fn tensors(file: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let tensors = pack::open(file).unwrap().tensors.into_iter();
    tensors
        .map(|tensor| {
            let (name, shape) = (tensor.name.clone(), tensor.shape.iter().copied().collect());
            (name, (shape, floats(&tensor.to_bytes().unwrap())))
        })
        .collect()
}

/// Maps the name of each tensor in an export to Hugging Face to its shape and values.
fn weights(out: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = fs::read(out.join("model.safetensors")).unwrap();
    let weights = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let tensors = weights.tensors().into_iter();
    tensors
        .map(|(name, view)| (name, (view.shape().to_vec(), floats(view.data()))))
        .collect()
}

fn json_of(folder: &Path, file: &str) -> Value {
    serde_json::from_slice(&fs::read(folder.join(file)).unwrap()).unwrap()
}

/// The transpose of a `[rows, columns]` matrix.
fn exchanged((shape, values): &(Vec<usize>, Vec<f32>)) -> (Vec<usize>, Vec<f32>) {
    let [rows, columns] = shape[..] else {
        panic!("{shape:?}")
    };
    let turned = (0..columns).flat_map(|c| (0..rows).map(move |r| values[r * columns + c]));
    (vec![columns, rows], turned.collect())
}

#[test]
fn the_discriminator_is_a_model_for_pre_training() {
    let record = converted(&golden("electra_tiny.zip"));
    let out = tempfile::tempdir().unwrap();
    // A pre-trained model is exported as the discriminator unless the generator is requested.
    let written = export(Format::Hf, record.path(), out.path(), &mut |_, _| {}).unwrap();
    assert_eq!(written.network, Some(Network::Discriminator));
    let config = json_of(out.path(), "config.json");
    assert_eq!(config["architectures"], json!(["ElectraForPreTraining"]));
    assert_eq!(
        (&config["hidden_size"], &config["num_attention_heads"]),
        (&128.into(), &2.into())
    );

    let (found, source) = (weights(out.path()), tensors(&record.path().join(GENERATOR)));
    // 69 of the encoder, two layers of the head.
    assert_eq!(found.len(), 69 + 4);
    for (name, path) in [("dense", "dense"), ("dense_prediction", "dense_1")] {
        let name = format!("discriminator_predictions.{name}");
        let path = format!("discriminator_predictions.{path}");
        let kernel = &source[&format!("{path}.weight")];
        assert_eq!(found[&format!("{name}.weight")], exchanged(kernel));
        assert_eq!(
            found[&format!("{name}.bias")],
            source[&format!("{path}.bias")]
        );
    }
    assert_eq!(
        found["discriminator_predictions.dense_prediction.weight"].0,
        [1, 128]
    );

    // The generator's 66 parameters and the 5 of its head.
    assert_eq!(written.left_out.len(), 71);
    for left_out in &written.left_out {
        assert!(
            left_out.reason.contains("--network generator"),
            "{left_out:?}"
        );
    }
    let card = fs::read_to_string(out.path().join("README.md")).unwrap();
    assert!(
        card.contains("ElectraForPreTraining.from_pretrained"),
        "{card}"
    );

    // Fine-tuning starts from the encoder, as with any model of the hub.
    let back = tempfile::tempdir().unwrap();
    let report = convert(out.path(), back.path()).unwrap();
    assert_equal_records(record.path(), back.path());
    assert_eq!((report.totals.used, report.totals.ignored), (69, 4));
    assert_eq!(report.warnings, [] as [&str; 0]);
}

#[test]
fn the_generator_is_a_masked_language_model_in_the_embeddings_that_it_shares() {
    for (archive, shape, layers) in [
        // Embeddings as wide as the discriminator's layers, and narrower ones.
        ("electra_tiny.zip", [128, 64], 4),
        ("electra_tiny_projected.zip", [64, 32], 3),
    ] {
        let record = converted(&golden(archive));
        let out = tempfile::tempdir().unwrap();
        let written = network(Network::Generator, record.path(), out.path()).unwrap();
        assert_eq!(written.network, Some(Network::Generator));
        let [embedding, hidden] = shape;
        let config = json_of(out.path(), "config.json");
        for (key, expected) in [
            ("architectures", json!(["ElectraForMaskedLM"])),
            ("embedding_size", json!(embedding)),
            ("hidden_size", json!(hidden)),
            ("intermediate_size", json!(4 * hidden)),
            ("num_hidden_layers", json!(layers)),
            ("num_attention_heads", json!(1)),
            ("layer_norm_eps", json!(1e-12)),
            ("tie_word_embeddings", json!(true)),
        ] {
            assert_eq!(config[key], expected, "{archive}: {key}");
        }
        let found = weights(out.path());
        let model = tensors(&record.path().join("model.bpk"));
        let source = tensors(&record.path().join(GENERATOR));
        // The output table is the word table, which is stored once.
        assert!(!found.contains_key("generator_lm_head.weight"));
        assert_eq!(found.len(), 5 + 2 + 16 * layers + 5);
        for (name, expected) in [
            (
                "electra.embeddings.word_embeddings.weight",
                model["electra.embeddings.word.weight"].clone(),
            ),
            (
                "electra.embeddings.LayerNorm.weight",
                model["electra.embeddings.layer_norm.gamma"].clone(),
            ),
            (
                "electra.embeddings_project.weight",
                exchanged(&source["generator.project.weight"]),
            ),
            (
                "electra.embeddings_project.bias",
                source["generator.project.bias"].clone(),
            ),
            (
                "electra.encoder.layer.1.attention.self.key.weight",
                exchanged(&source["generator.layers.1.attention.key.weight"]),
            ),
            (
                "generator_predictions.dense.weight",
                exchanged(&source["generator_predictions.dense.weight"]),
            ),
            (
                "generator_predictions.LayerNorm.weight",
                source["generator_predictions.layer_norm.gamma"].clone(),
            ),
            (
                "generator_predictions.LayerNorm.bias",
                source["generator_predictions.layer_norm.beta"].clone(),
            ),
            (
                "generator_lm_head.bias",
                source["generator_predictions.output_bias"].clone(),
            ),
        ] {
            assert!(found[name] == expected, "{archive}: {name}");
        }
        let others = written.left_out.iter();
        for left_out in others {
            let is_other = left_out.parameter.starts_with("electra.")
                || left_out.parameter.starts_with("discriminator_predictions.");
            assert!(
                is_other && left_out.reason.contains("--network discriminator"),
                "{left_out:?}"
            );
        }
        let card = fs::read_to_string(out.path().join("README.md")).unwrap();
        assert!(card.contains("pipeline_tag: fill-mask\n"), "{card}");
    }
}

#[test]
fn tensorflow_gets_every_network_as_it_was() {
    for archive in ["electra_tiny.zip", "electra_tiny_projected.zip"] {
        let source = golden(archive);
        let record = converted(&source);
        let out = tempfile::tempdir().unwrap();
        let written = to_tensorflow(record.path(), out.path());
        let rows = |checkpoint: &Path| -> BTreeMap<String, (Vec<u64>, Option<String>)> {
            let rows = inspect(checkpoint).unwrap().variables.into_iter();
            rows.filter(|row| row.name != "global_step")
                .map(|row| (row.name, (row.shape, row.crc32c)))
                .collect()
        };
        assert_eq!(rows(out.path()), rows(&source), "{archive}");
        // Only the optimiser's state is missing, and the report says so.
        let left_out: Vec<&str> = written
            .left_out
            .iter()
            .map(|it| it.parameter.as_str())
            .collect();
        assert_eq!(left_out, ["adam_m, adam_v, global_step"]);
        assert!(written.left_out[0].reason.contains("checkpoint-N"));

        let back = converted(out.path());
        assert_equal_records(record.path(), back.path());
        let [first, second] = [&record, &back].map(|it| tensors(&it.path().join(GENERATOR)));
        assert!(first == second, "{archive}: the generator differs");
    }
}

/// Variables of the pre-training networks beside the small encoder of the fixture, whose layers are 64 wide:
/// a generator with this name and layers of 32 values, and all the heads given.
fn networks(generators: &[&str], heads: &[&str]) -> Vec<Made> {
    let mut made = variables(&config(&[]));
    let mut shapes: Vec<(String, Vec<u64>)> = Vec::new();
    for generator in generators {
        for variable in made.iter().filter(|it| it.name.contains("/encoder/")) {
            let narrow = |&size: &u64| if size == 64 { 32 } else { size };
            let name = variable.name.replace("electra/", &format!("{generator}/"));
            shapes.push((name, variable.shape.iter().map(narrow).collect()));
        }
        shapes.push((
            format!("{generator}/embeddings_project/kernel"),
            vec![4, 32],
        ));
        shapes.push((format!("{generator}/embeddings_project/bias"), vec![32]));
    }
    for head in heads {
        // A head on the encoder's own layers, on the generator's, or on both towers' side by side.
        let input = match (*head, generators.len()) {
            ("discriminator_predictions", _) | (_, 0) => 64,
            (_, count) => 32 * count as u64,
        };
        let layers: &[(&str, &[u64])] = match *head {
            "discriminator_predictions" => &[
                ("dense/kernel", &[64, 64]),
                ("dense/bias", &[64]),
                ("dense_1/kernel", &[64, 1]),
                ("dense_1/bias", &[1]),
            ],
            _ => &[
                ("dense/kernel", &[input, 4]),
                ("dense/bias", &[4]),
                ("LayerNorm/gamma", &[4]),
                ("LayerNorm/beta", &[4]),
                ("output_bias", &[10]),
            ],
        };
        let named = layers.iter();
        shapes.extend(named.map(|(layer, shape)| (format!("{head}/{layer}"), shape.to_vec())));
    }
    for (number, (name, shape)) in shapes.into_iter().enumerate() {
        made.push(filled(&name, &shape, 100.0 + number as f32));
    }
    made
}

fn filled(name: &str, shape: &[u64], first: f32) -> Made {
    let count: u64 = shape.iter().product();
    let values = (0..count).map(|place| first + place as f32 / 1024.0);
    Made {
        name: name.into(),
        dtype: DType::F32,
        shape: shape.to_vec(),
        bytes: values.flat_map(f32::to_le_bytes).collect(),
    }
}

/// A TensorFlow checkpoint with these variables.
fn checkpoint(made: &[Made]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "model.ckpt-7", 1, made);
    write_vocabulary(folder.path());
    folder
}

/// A run's folder with its checkpoint of step 7, made from a TensorFlow checkpoint with the moments.
fn run(source: &Path) -> (TempDir, PathBuf) {
    let run = converted(source);
    let folder = run.path().join("checkpoint-7");
    fs::create_dir(&folder).unwrap();
    // A run's checkpoint has all parameters in one file.
    let files = ["model.bpk", GENERATOR].map(|file| pack::open(&run.path().join(file)).unwrap());
    let all = files.into_iter().flat_map(|file| file.tensors).collect();
    pack::write(all, &[], &folder.join("model.bpk")).unwrap();
    write_pretraining(source, Kept::Moments, &folder.join("optimizer.bpk")).unwrap();
    fs::write(
        folder.join("state.json"),
        r#"{"step": 7, "steps": 9, "hparams": {}}"#,
    )
    .unwrap();
    (run, folder)
}

/// Both moments of each of these variables.
fn made_moments(made: &[Made]) -> Vec<Made> {
    let numbered = made.iter().enumerate();
    let both = numbered.flat_map(|(number, variable)| {
        [("adam_m", -1.0), ("adam_v", 1.0)].map(|(slot, sign)| {
            let name = format!("{}/{slot}", variable.name);
            filled(&name, &variable.shape, sign * number as f32)
        })
    });
    both.collect()
}

#[test]
fn a_run_s_checkpoint_goes_to_tensorflow_with_moments_and_step() {
    let heads = ["generator_predictions", "discriminator_predictions"];
    let mut made = networks(&["generator"], &heads);
    let moments = made_moments(&made);
    made.extend(moments);
    made.push(Made {
        name: "global_step".into(),
        dtype: DType::I64,
        shape: Vec::new(),
        bytes: 7i64.to_le_bytes().to_vec(),
    });
    let source = checkpoint(&made);
    let (_run, folder) = run(source.path());
    let out = tempfile::tempdir().unwrap();
    let written = to_tensorflow(&folder, out.path());
    assert!(written.left_out.is_empty(), "{:?}", written.left_out);
    assert_eq!(written.tensors.len(), made.len());
    let rows = |checkpoint: &Path| -> Vec<_> {
        let rows = inspect(checkpoint).unwrap().variables.into_iter();
        rows.map(|row| (row.name, row.shape, row.dtype, row.crc32c))
            .collect()
    };
    // Names, shapes, types and the checksums of all values.
    assert_eq!(rows(out.path()), rows(source.path()));

    fs::write(folder.join("state.json"), "{}").unwrap();
    let out = tempfile::tempdir().unwrap();
    let error = export(Format::Tf, &folder, out.path(), &mut |_, _| {}).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("state.json: not the state of a run's checkpoint"),
        "{error}"
    );
}

/// How a run stores the moments of a parameter.
enum Stored {
    F32,
    /// bfloat16: both moments in one word.
    Words,
    /// 8 bits.
    Blocks,
    /// None: the parameter was not trained.
    Nothing,
}

/// Chooses the format from a parameter's path and shape.
type Mix = fn(&str, &[usize]) -> Stored;

/// The format of a parameter's moments with `optimizer_moments=8bit`.
fn eight_bit(path: &str, shape: &[usize]) -> Stored {
    let tables = ["word", "token_type", "position"].map(|it| format!("embeddings.{it}.weight"));
    let is_table = tables.iter().any(|table| path.ends_with(table));
    match shape.len() > 1 && shape.iter().product::<usize>() >= 4096 && !is_table {
        true => Stored::Blocks,
        false => Stored::F32,
    }
}

/// Writes the moments of the parameters in `folder` as a run does; in float32 they equal the parameters.
/// Returns the number of parameters.
fn write_moments(folder: &Path, stored: Mix) -> usize {
    let parameters = pack::open(&folder.join("model.bpk")).unwrap().tensors;
    let mut moments = Vec::new();
    for parameter in &parameters {
        let shape: Vec<usize> = parameter.shape.iter().copied().collect();
        let count = shape.iter().product::<usize>();
        let name = |kind: &str| format!("{kind}/{}", parameter.name);
        let words = |kind: &str, shape: Vec<usize>| {
            let words = vec![7u32; shape.iter().product()];
            let words = Bytes::from_elems(words);
            Tensor::new(name(kind), burn_pack::DType::U32, shape, None, words)
        };
        match stored(&parameter.name, &shape) {
            Stored::F32 => moments.extend(["m", "v"].map(|kind| {
                let values = parameter.to_bytes().unwrap();
                let dtype = burn_pack::DType::F32;
                Tensor::new(name(kind), dtype, shape.clone(), None, values)
            })),
            Stored::Words => moments.push(words("mv", shape)),
            // Two one-byte codes per value, and two scales per block of 1,024.
            Stored::Blocks => {
                let size = count / 2 + 2 * count.div_ceil(1024);
                moments.push(words("blocks", vec![size]));
            }
            Stored::Nothing => {}
        }
    }
    pack::write(moments, &[], &folder.join("optimizer.bpk")).unwrap();
    parameters.len()
}

/// Checks that neither moments nor the step were exported, and that one entry says why.
#[track_caller]
fn assert_without_moments(written: &Export, reason: &str) {
    let [left_out] = &written.left_out[..] else {
        panic!("{:?}", written.left_out)
    };
    assert_eq!(left_out.parameter, "adam_m, adam_v, global_step");
    assert!(left_out.reason.contains(reason), "{}", left_out.reason);
    for tensor in &written.tensors {
        let name = tensor.name.as_str();
        assert!(!name.contains("adam") && name != "global_step", "{name}");
    }
}

#[test]
fn moments_that_are_not_all_in_float32_stay_behind_with_the_step() {
    let heads = ["generator_predictions", "discriminator_predictions"];
    let mut made = networks(&["generator"], &heads);
    let moments = made_moments(&made);
    made.extend(moments);
    let source = checkpoint(&made);
    let (_run, folder) = run(source.path());

    // A fine-tuned model's checkpoint, whose folder has no other state.
    let tasks = config(&[("squad", head(false, false, false, 512))]);
    let source = checkpoint(&variables(&tasks));
    let tuned_run = tempfile::tempdir().unwrap();
    convert(source.path(), tuned_run.path()).unwrap();
    let tuned = tuned_run.path().join("checkpoint-7");
    fs::create_dir(&tuned).unwrap();
    fs::copy(tuned_run.path().join("model.bpk"), tuned.join("model.bpk")).unwrap();
    fs::copy(folder.join("state.json"), tuned.join("state.json")).unwrap();

    let mixes: [(Mix, &str); 4] = [
        (eight_bit, "train with optimizer_moments=f32"),
        (|_, _| Stored::Words, "train with optimizer_moments=f32"),
        // trainable_layers freezes the embeddings.
        (
            |path, _| match path.starts_with("electra.embeddings.") {
                true => Stored::Nothing,
                false => Stored::F32,
            },
            "layers that were not trained",
        ),
        (
            |path, shape| match path.starts_with("electra.embeddings.") {
                true => Stored::Nothing,
                false => eight_bit(path, shape),
            },
            "train with optimizer_moments=f32",
        ),
    ];
    for folder in [&folder, &tuned] {
        for (stored, reason) in mixes {
            write_moments(folder, stored);
            let out = tempfile::tempdir().unwrap();
            assert_without_moments(&to_tensorflow(folder, out.path()), reason);
        }
        let parameters = write_moments(folder, |_, _| Stored::F32);
        let out = tempfile::tempdir().unwrap();
        let written = to_tensorflow(folder, out.path());
        assert!(written.left_out.is_empty(), "{:?}", written.left_out);
        assert_eq!(written.tensors.len(), 3 * parameters + 1);
    }
    // The four 64 × 64 attention matrices of each layer are in 8 bits; everything else is not.
    write_moments(&tuned, eight_bit);
    let stored = pack::open(&tuned.join("optimizer.bpk")).unwrap().tensors;
    let count = |kind: &str| stored.iter().filter(|it| it.name.starts_with(kind)).count();
    assert!(count("blocks/") >= 4 && count("m/") > 4 && count("m/") == count("v/"));
    // A model that is not a checkpoint is not reported to lack them.
    let out = tempfile::tempdir().unwrap();
    let written = to_tensorflow(tuned_run.path(), out.path());
    assert!(written.left_out.is_empty(), "{:?}", written.left_out);
}

#[test]
fn one_network_for_both_is_either_model() {
    let heads = ["generator_predictions", "discriminator_predictions"];
    let source = checkpoint(&networks(&[], &heads));
    let record = converted(source.path());
    let (both, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    network(Network::Discriminator, record.path(), both.path()).unwrap();
    network(Network::Generator, record.path(), out.path()).unwrap();
    let (discriminator, generator) = (weights(both.path()), weights(out.path()));
    for (name, tensor) in &discriminator {
        if name.starts_with("electra.") {
            assert!(&generator[name] == tensor, "{name}");
        }
    }
    // 23 of the encoder.
    assert_eq!((discriminator.len(), generator.len()), (23 + 4, 23 + 5));
    assert_eq!(json_of(out.path(), "config.json")["hidden_size"], 64);
}

#[test]
fn what_transformers_has_no_model_for_is_refused_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |asked: Network, record: &Path| {
        let error = network(asked, record, &folder.path().join("new"));
        error.unwrap_err().to_string()
    };
    // Two towers: the discriminator can be exported, and TensorFlow receives everything.
    let towers = ["generator_ltr", "generator_rtl"];
    let made = networks(&towers, &["cloze_predictions", "discriminator_predictions"]);
    let source = checkpoint(&made);
    let record = converted(source.path());
    let message = refusal(Network::Generator, record.path());
    assert!(
        message.contains("cannot export the generator: two towers"),
        "{message}"
    );
    let out = tempfile::tempdir().unwrap();
    let written = network(Network::Discriminator, record.path(), out.path()).unwrap();
    assert_eq!(written.left_out.len(), 2 * 18 + 5);
    assert!(
        written
            .left_out
            .iter()
            .all(|it| it.reason.starts_with("two towers"))
    );
    let card = |out: &Path| fs::read_to_string(out.join("README.md")).unwrap();
    assert!(card(out.path()).contains("If this model was trained as Electric"));
    let file = record.path().join("config.json");
    let mut described = json_of(record.path(), "config.json");
    described["pretraining"] = json!({"electric_objective": false, "mask_prob": 0.25});
    fs::write(&file, described.to_string()).unwrap();
    network(Network::Discriminator, record.path(), out.path()).unwrap();
    assert!(
        !card(out.path()).contains("Electric")
            && card(out.path()).contains("| `mask_prob` | 0.25 |")
    );
    let out = tempfile::tempdir().unwrap();
    let written = to_tensorflow(record.path(), out.path());
    assert_eq!(written.tensors.len(), made.len());

    // Tokens replaced at random, and a masked language model on its own.
    let source = checkpoint(&networks(&[], &["discriminator_predictions"]));
    let record = converted(source.path());
    let message = refusal(Network::Generator, record.path());
    assert!(message.contains("uniform_generator=true"), "{message}");
    let source = checkpoint(&networks(&[], &["generator_predictions"]));
    let record = converted(source.path());
    let message = refusal(Network::Discriminator, record.path());
    assert!(message.contains("electra_objective=false"), "{message}");
    let out = tempfile::tempdir().unwrap();
    let written = export(Format::Hf, record.path(), out.path(), &mut |_, _| {}).unwrap();
    assert_eq!(written.network, Some(Network::Generator));
    assert!(written.left_out.is_empty());

    let plain = tempfile::tempdir().unwrap();
    convert(source.path(), plain.path()).unwrap();
    let message = refusal(Network::Generator, plain.path());
    assert!(message.contains("convert --with-generator"), "{message}");
    assert!(!folder.path().join("new").exists());
}

#[test]
fn a_generator_that_is_not_whole_is_refused_with_its_file() {
    let heads = ["generator_predictions", "discriminator_predictions"];
    let source = checkpoint(&networks(&["generator"], &heads));
    let record = converted(source.path());
    let file = record.path().join(GENERATOR);
    let without = |gone: &str| {
        let tensors = pack::open(&file).unwrap().tensors.into_iter();
        let kept = tensors.filter(|tensor| tensor.name != gone).collect();
        let other = record.path().join("other.bpk");
        pack::write(kept, &[], &other).unwrap();
        fs::rename(other, &file).unwrap();
    };
    without("generator.layers.0.attention.key.bias");
    let out = tempfile::tempdir().unwrap();
    for format in [Format::Hf, Format::Tf] {
        let new = out.path().join("new");
        let written = match format {
            Format::Hf => network(Network::Generator, record.path(), &new),
            Format::Tf => export(Format::Tf, record.path(), &new, &mut |_, _| {}),
        };
        let message = written.unwrap_err().to_string();
        assert!(
            message.contains(
                "generator.bpk: parameter generator.layers.0.attention.key.bias should be F32 [32]"
            ) && message.contains("has nothing"),
            "{message}"
        );
        assert!(!new.exists());
    }
    // The discriminator needs none of it.
    network(
        Network::Discriminator,
        record.path(),
        &out.path().join("whole"),
    )
    .unwrap();

    // Converting into the same folder without the generator removes the earlier generator.
    convert(source.path(), record.path()).unwrap();
    assert!(!file.exists());
}

#[test]
fn two_networks_do_not_share_a_folder_and_a_task_s_head_comes_before_them() {
    let heads = ["generator_predictions", "discriminator_predictions"];
    let mut made = networks(&["generator"], &heads);
    let source = checkpoint(&made);
    let record = converted(source.path());
    let out = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        network(Network::Discriminator, record.path(), out.path()).unwrap();
    }
    let before = contents(out.path());
    let error = network(Network::Generator, record.path(), out.path()).unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("holds the export of the discriminator; give the generator a folder"),
        "{message}"
    );
    assert_eq!(contents(out.path()), before);

    // A fine-tuned checkpoint that still has its generator.
    let tasks = config(&[("squad", head(false, false, false, 512))]);
    let of_head = variables(&tasks).into_iter();
    made.extend(of_head.filter(|it| it.name.starts_with("task_specific/")));
    let source = checkpoint(&made);
    let record = converted(source.path());
    let out = tempfile::tempdir().unwrap();
    let written = export(Format::Hf, record.path(), out.path(), &mut |_, _| {}).unwrap();
    assert_eq!(written.network, None);
    let class = &json_of(out.path(), "config.json")["architectures"][0];
    assert_eq!(class, "ElectraForQuestionAnswering");
    assert!(
        written
            .left_out
            .iter()
            .all(|it| it.reason.starts_with("part of pre-training"))
    );
    let out = tempfile::tempdir().unwrap();
    let asked = export_head(
        Format::Hf,
        record.path(),
        Some("squad"),
        out.path(),
        &mut |_, _| {},
    );
    assert_eq!(asked.unwrap().network, None);
    let out = tempfile::tempdir().unwrap();
    let written = network(Network::Discriminator, record.path(), out.path()).unwrap();
    assert_eq!(written.network, Some(Network::Discriminator));
    let of_head = written
        .left_out
        .iter()
        .find(|it| it.parameter.starts_with("heads."));
    assert!(of_head.unwrap().reason.contains("--task NAME"));
}

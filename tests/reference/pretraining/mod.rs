//! Tests pre-training against the reference: forward passes, losses and gradients of every variant,
//! trajectories with recorded masks and samples, and the metrics of its evaluation.
//! tests/golden/pretrain/README.md explains the files.

mod evaluation;
mod forward;
mod hyper_parameters;
mod trajectory;

use std::{
    fs,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use checkpoints_convert::{Kept, write_pretraining};
use electra::{
    config::PretrainConfig,
    model::{arithmetic::Arithmetic, parameters::ParameterSource, record},
    pretrain::{
        masking::Masking,
        networks::Networks,
        objective::{Chance, Objective},
    },
    text::vocab::Vocab,
};
use serde_json::Value;

use crate::support::golden;

fn json_file(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Unpacks a committed file into a folder.
fn unpacked(name: &str, folder: &Path) -> PathBuf {
    let bytes = fs::read(golden(&format!("pretrain/{name}.xz"))).unwrap();
    let mut text = Vec::new();
    lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut text).unwrap();
    let path = folder.join(Path::new(name).file_name().unwrap());
    fs::write(&path, text).unwrap();
    path
}

fn config(hparams: &Value) -> PretrainConfig {
    let given = hparams.as_object().unwrap();
    PretrainConfig::resolve(Path::new("d"), "m", given)
        .unwrap()
        .0
}

fn masking(config: &PretrainConfig, vocab: &Path) -> Masking {
    let words = Vocab::read(vocab).unwrap();
    let name = vocab.display().to_string();
    Masking::new(config.mask_prob, config.max_seq_length, &words, &name).unwrap()
}

/// Returns the networks with the weights of a TensorFlow checkpoint; every parameter must be used.
fn networks(
    checkpoint: &Path,
    config: &PretrainConfig,
    device: &Device,
    arithmetic: Arithmetic,
) -> Networks {
    let folder = tempfile::tempdir().unwrap();
    checkpoints_convert::convert(checkpoint, folder.path(), &mut |_, _| {}).unwrap();
    let generator = folder.path().join("generator.bpk");
    write_pretraining(checkpoint, Kept::Generator, &generator).unwrap();
    let mut stored = record::open(&folder.path().join("model.bpk")).unwrap();
    stored.join(record::open(&generator).unwrap());
    let mut source =
        ParameterSource::new(device.clone(), 1, Some(&mut stored)).with_arithmetic(arithmetic);
    let networks = Networks::new(&mut source, config).unwrap();
    let origin = source.finish();
    assert_eq!((origin.initialised, origin.unused), (vec![], vec![]));
    networks
}

fn objective<'a>(
    config: &'a PretrainConfig,
    masking: &Masking,
    device: &'a Device,
) -> Objective<'a> {
    Objective {
        config,
        mask: masking.mask_id(),
        recompute_layers: false,
        loss_scale: 1.0,
        device,
    }
}

fn without_dropout(step: u64) -> Chance {
    Chance {
        seed: 1,
        step,
        drops: false,
    }
}

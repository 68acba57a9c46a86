//! The last hidden states that a fine-tuned or converted model computes for features, on the CPU, for
//! comparison with other programs (`tests/interop/settings.py`).
//!
//! ```text
//! cargo run --example hidden_states FOLDER FEATURES.jsonl
//! ```
//!
//! FOLDER contains `model.bpk` and `config.json`; FEATURES.jsonl is the output of `electra features`. Prints
//! one line of JSON per feature: an array of the values of each token.

use std::{env, fs, path::Path};

use anyhow::{Context, Result};
use burn::tensor::Device;
use electra::{
    batch::Batch,
    config::EncoderConfig,
    model::{ModelInput, dropout::Mode, electra::Electra, parameters::ParameterSource, record},
};
use serde_json::Value;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let folder = arguments.next().context("expected FOLDER FEATURES.jsonl")?;
    let features = arguments.next().context("expected FOLDER FEATURES.jsonl")?;
    let folder = Path::new(&folder);
    let encoder = encoder(&folder.join("config.json"))?;
    let device = Device::flex();
    let mut stored = record::open(&folder.join("model.bpk"))?;
    let mut source = ParameterSource::new(device.clone(), 1, Some(&mut stored));
    let model = Electra::new(&mut source, &encoder)?;
    for line in fs::read_to_string(features)?.lines() {
        let feature: Value = serde_json::from_str(line)?;
        let integers = |key: &str| -> Result<Vec<i32>> {
            let list = feature[key].clone();
            serde_json::from_value(list).with_context(|| format!("{key} of {line}"))
        };
        let input_ids = integers("input_ids")?;
        let batch = Batch {
            size: 1,
            lengths: vec![input_ids.len()],
            segment_ids: integers("segment_ids")?,
            input_ids,
            ..Batch::default()
        };
        let input = ModelInput::new(&batch, 0, &device);
        let hidden = model.forward(&input, Mode::Predict);
        let values = hidden.try_into_vec_as::<f32>()?;
        let rows: Vec<&[f32]> = values.chunks(encoder.hidden_size).collect();
        println!("{}", serde_json::to_string(&rows)?);
    }
    Ok(())
}

/// The encoder of a fine-tuned or converted record.
fn encoder(file: &Path) -> Result<EncoderConfig> {
    let config: Value = serde_json::from_slice(&fs::read(file)?)?;
    let model = config["model"].clone();
    serde_json::from_value(model).with_context(|| format!("{}: model", file.display()))
}

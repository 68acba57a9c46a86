//! Tests models of other programs: fine-tuning from a Hugging Face folder equals fine-tuning from
//! Google's checkpoint, and fine-tuned models can be exported to either program.
#![cfg(target_os = "linux")]

use std::fs;

use crate::support::{Arrays, devices, golden, max_difference, small_run::SmallRun};
use checkpoints_convert::{Format, RecordConfig, convert, export, inspect, verify};
use electra::{
    config::EncoderConfig,
    model::{Electra, ModelInput, dropout::Mode, parameters::ParameterSource, record},
};

#[test]
fn a_run_from_a_hugging_face_folder_is_the_run_from_google_s_checkpoint() {
    let expected = SmallRun::new();
    expected.finish();

    let run = SmallRun::new();
    let model = run.data.join("models/electra_tiny");
    let folder = run.data.join("exported");
    export(Format::Hf, &model, &folder, &mut |_, _| {}).unwrap();
    fs::remove_dir_all(&model).unwrap();
    fs::rename(&folder, &model).unwrap();
    let config = fs::read(model.join("config.json")).unwrap();
    run.finish();
    assert_eq!(fs::read(model.join("config.json")).unwrap(), config);
    assert!(model.join("record/model.bpk").is_file());
    assert!(run.record() == expected.record(), "another model was made");

    // A fine-tuned model survives export to TensorFlow, with its head, and conversion back.
    let (out, back) = (run.data.join("tf"), run.data.join("back"));
    let written = export(Format::Tf, &run.model_dir(), &out, &mut |_, _| {}).unwrap();
    assert!(written.left_out.is_empty());
    let found = inspect(&out).unwrap();
    assert!(found.config.unwrap().heads.contains_key("squad"));
    convert(&out, &back, &mut |_, _| {}).unwrap();
    fs::copy(run.model_dir().join("model.bpk"), back.join("model.bpk")).unwrap();
    assert!(verify(&out, &back, &mut |_, _| {}).unwrap().is_equal());

    // Hugging Face's program has no such head.
    let out = run.data.join("hf");
    let written = export(Format::Hf, &run.model_dir(), &out, &mut |_, _| {}).unwrap();
    assert_eq!(written.left_out.len(), 10);
    assert!(
        written
            .left_out
            .iter()
            .all(|left| left.parameter.starts_with("heads.squad."))
    );
}

/// Every shape fits any number of heads: only the record's config.json determines it.
#[test]
fn a_model_with_other_attention_heads_computes_what_transformers_does() {
    let out = tempfile::tempdir().unwrap();
    let model = golden("hugging-face/four_heads");
    convert(&model, out.path(), &mut |_, _| {}).unwrap();
    let config = RecordConfig::read(&out.path().join("config.json")).unwrap();
    assert_eq!(config.model.num_attention_heads, 4);
    let told = serde_json::to_value(&config.model).unwrap();
    let encoder: EncoderConfig = serde_json::from_value(told).unwrap();

    let arrays = Arrays::read(&golden("hugging-face/four_heads.states.safetensors"));
    let tokens = arrays.shape("input_ids").iter().product();
    let batch = arrays.batch(&vec![1; tokens]);
    for (name, device) in devices() {
        let difference = |heads: usize| {
            let encoder = EncoderConfig {
                num_attention_heads: heads,
                ..encoder.clone()
            };
            let mut stored = record::open(&out.path().join("model.bpk")).unwrap();
            let mut source = ParameterSource::new(device.clone(), 1, Some(&mut stored));
            let model = Electra::new(&mut source, &encoder).unwrap();
            let hidden = model.forward(&ModelInput::new(&batch, 0, &device), Mode::Predict);
            let hidden = hidden.try_into_vec_as::<f32>().unwrap();
            max_difference(&hidden, &arrays.floats("hidden"))
        };
        let tolerance = if name == "cpu" { 2e-5 } else { 2e-4 };
        assert!(difference(4) <= tolerance, "{name}: {}", difference(4));
        // The reference's default, which no shape contradicts.
        assert!(difference(1) > 0.1, "{name}: {}", difference(1));
    }
}

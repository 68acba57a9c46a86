//! Models of other programs in a run: fine-tuning from a Hugging Face folder is fine-tuning from
//! Google's checkpoint, and what was fine-tuned leaves for either program.
#![cfg(target_os = "linux")]

mod support;

use std::fs;

use checkpoints_convert::{Format, convert, export, inspect, verify};
use support::small_run::SmallRun;

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

    // What was fine-tuned goes to TensorFlow with its head, and comes back as it was.
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

//! The heads of Hugging Face's classes for questions and for texts: each value arrives where it belongs,
//! what is exported computes what the record does, and what was exported comes back.

mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use checkpoints_convert::tensor::DType;
use checkpoints_convert::{
    Conversion, DenseKind, DenseShape, Format, HeadShape, KeptRecord, KeptState, RecordConfig,
    export,
};
use fixture::hugging_face::{FORMS, Tensor, model, small, write_safetensors, write_zip};
use fixture::{
    assert_equal_records, config, contents, convert, head, read_record, variables, verify, write,
    write_vocabulary,
};
use half::f16;
use serde_json::{Value, json};
use tempfile::TempDir;

const HIDDEN: usize = 64;

fn float(name: &str, shape: &[usize], values: impl Fn(usize) -> f32) -> Tensor {
    let count = shape.iter().product();
    Tensor {
        name: name.into(),
        dtype: DType::F32,
        shape: shape.to_vec(),
        bytes: (0..count)
            .flat_map(|place| values(place).to_le_bytes())
            .collect(),
        column_major: false,
    }
}

/// A model of this class, with `more` in its `config.json` and no weights.
fn of_class(class: &str, more: Value) -> TempDir {
    let folder = model();
    let file = folder.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json["architectures"] = json!([class]);
    json.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    fs::write(file, json.to_string()).unwrap();
    folder
}

fn questions() -> Vec<Tensor> {
    let mut weights = small();
    weights.push(float("qa_outputs.weight", &[2, HIDDEN], |place| {
        place as f32
    }));
    weights.push(float("qa_outputs.bias", &[2], |place| 0.25 - place as f32));
    weights
}

/// A value that is not near those of its neighbours.
fn uneven(place: usize) -> f32 {
    (((place * 7919) % 1013) as f32 / 1013.0 - 0.5) * 0.5
}

fn texts(outputs: usize) -> Vec<Tensor> {
    let mut weights = small();
    weights.extend([
        float("classifier.dense.weight", &[HIDDEN, HIDDEN], uneven),
        float("classifier.dense.bias", &[HIDDEN], |place| {
            uneven(place + 5)
        }),
        float("classifier.out_proj.weight", &[outputs, HIDDEN], |place| {
            uneven(place + 11)
        }),
        float("classifier.out_proj.bias", &[outputs], |place| {
            uneven(place + 17)
        }),
    ]);
    weights
}

fn read_json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// Shape and values of every tensor of an export.
fn exported(folder: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let file = fs::read(folder.join("model.safetensors")).unwrap();
    let weights = safetensors::SafeTensors::deserialize(&file).unwrap();
    weights
        .iter()
        .map(|(name, view)| {
            let values = fixture::floats(view.data());
            (name.to_owned(), (view.shape().to_vec(), values))
        })
        .collect()
}

/// `x · W + b` for a weight `[out, in]`.
fn dense(tensors: &BTreeMap<String, (Vec<usize>, Vec<f32>)>, layer: &str, x: &[f64]) -> Vec<f64> {
    let (_, weight) = &tensors[&format!("{layer}.weight")];
    let (_, bias) = &tensors[&format!("{layer}.bias")];
    let rows = weight.chunks(x.len()).zip(bias);
    rows.map(|(row, bias)| {
        let products = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x);
        products.sum::<f64>() + f64::from(*bias)
    })
    .collect()
}

/// GELU with `erf` summed by its series, which is exact to f64 for the arguments here.
fn gelu(x: f64) -> f64 {
    let z = x / 2f64.sqrt();
    let (mut term, mut sum) = (z, z);
    for n in 1..200 {
        term *= -z * z / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    x * 0.5 * (1.0 + sum * 2.0 / std::f64::consts::PI.sqrt())
}

/// What `transformers`' classifier gives for a hidden state.
fn classified(folder: &Path, x: &[f64]) -> Vec<f64> {
    let tensors = exported(folder);
    let inner: Vec<f64> = dense(&tensors, "classifier.dense", x)
        .into_iter()
        .map(gelu)
        .collect();
    dense(&tensors, "classifier.out_proj", &inner)
}

fn hidden_state() -> Vec<f64> {
    (0..HIDDEN)
        .map(|place| f64::from(uneven(3 * place + 1)))
        .collect()
}

#[test]
fn a_model_of_questions_brings_its_start_and_its_end() {
    for (named, task) in [
        (json!({}), "squad"),
        (json!({"finetuning_task": "newsqa"}), "newsqa"),
    ] {
        for (_, write) in FORMS {
            let folder = of_class("ElectraForQuestionAnswering", named.clone());
            let out = tempfile::tempdir().unwrap();
            write(folder.path(), &questions());
            let report = convert(folder.path(), out.path()).unwrap();
            assert_eq!(report.warnings, [] as [&str; 0]);
            assert_eq!((report.totals.used, report.totals.ignored), (27, 0));
            let heads = &report.config.heads;
            assert_eq!(heads.len(), 1);
            assert_eq!(heads[task], head(false, false, false, 512));
            let record = read_record(out.path());
            let value = |parameter: &str| &record[&format!("heads.{task}.{parameter}")];
            let rows: Vec<f32> = (0..128).map(|place| place as f32).collect();
            assert_eq!(*value("start.weight"), (vec![64, 1], rows[..64].to_vec()));
            assert_eq!(*value("end.weight"), (vec![64, 1], rows[64..].to_vec()));
            assert_eq!(*value("start.bias"), (vec![1], vec![0.25]));
            assert_eq!(*value("end.bias"), (vec![1], vec![-0.75]));
            assert!(verify(folder.path(), out.path()).unwrap().is_equal());
            let rows = report
                .variables
                .iter()
                .filter(|row| row.name.starts_with("qa_"));
            let rows: Vec<_> = rows.map(|row| (&*row.name, row.sum.unwrap())).collect();
            assert_eq!(
                rows,
                [
                    ("qa_outputs.bias[0]", 0.25),
                    ("qa_outputs.bias[1]", -0.75),
                    ("qa_outputs.weight[0]", 2016.0),
                    ("qa_outputs.weight[1]", 6112.0),
                ]
            );
        }
    }
}

#[test]
fn halves_of_sixteen_bit_heads_are_widened() {
    let folder = of_class("ElectraForQuestionAnswering", json!({}));
    let mut weights = questions();
    for tensor in &mut weights[23..] {
        let values = fixture::floats(&tensor.bytes);
        tensor.dtype = DType::F16;
        tensor.bytes = values
            .into_iter()
            .flat_map(|value| f16::from_f32(value).to_le_bytes())
            .collect();
    }
    write_safetensors(folder.path(), "model.safetensors", &weights);
    let out = tempfile::tempdir().unwrap();
    convert(folder.path(), out.path()).unwrap();
    let record = read_record(out.path());
    assert_eq!(record["heads.squad.end.weight"].1[..2], [64.0, 65.0]);
    assert_eq!(record["heads.squad.end.bias"].1, [-0.75]);
}

#[test]
fn a_head_of_questions_that_lies_column_after_column_is_left_out_and_said() {
    let folder = of_class("ElectraForQuestionAnswering", json!({}));
    let mut weights = questions();
    weights[23].column_major = true;
    write_zip(folder.path(), &weights);
    let out = tempfile::tempdir().unwrap();
    let report = convert(folder.path(), out.path()).unwrap();
    assert!(report.config.heads.is_empty());
    assert_eq!(report.warnings.len(), 1);
    assert!(
        report.warnings[0]
            .contains("qa_outputs.weight are stored column by column; save the model with")
    );
}

#[test]
fn a_head_of_questions_has_the_threshold_of_transformers_until_one_is_chosen() {
    let out = tempfile::tempdir().unwrap();
    let converted = |more: Value| {
        let folder = of_class("ElectraForQuestionAnswering", more);
        write_safetensors(folder.path(), "model.safetensors", &questions());
        convert(folder.path(), out.path()).unwrap();
        let mut conversion = Conversion::open(folder.path()).unwrap();
        let weights = conversion.weights(&mut |_, _| {}).unwrap();
        let kept = KeptRecord::open(out.path()).unwrap();
        assert_eq!(kept.content(), conversion.content(weights));
        assert_eq!(kept.state(), KeptState::Whole);
        let config = read_json(&out.path().join("config.json"));
        (config["qa_na_threshold"].clone(), kept.content())
    };
    let (threshold, first) = converted(json!({}));
    assert_eq!(threshold, 0.0);
    let (threshold, other) = converted(json!({"qa_na_threshold": -3.25}));
    assert_eq!(threshold, -3.25);
    // With another threshold it is another record.
    assert_eq!(first.weights, other.weights);
    assert_ne!(first.digest, other.digest);

    let file = out.path().join("config.json");
    let mut config = read_json(&file);
    config["qa_na_threshold"] = json!(7.5);
    config["calibration"] = json!({"f1": 50.0});
    fs::write(&file, config.to_string()).unwrap();
    assert_eq!(converted(json!({})).0, 7.5);

    // What a conversion leaves that was killed before the weights had their place is its own.
    for name in ["model.bpk", "conversion.json"] {
        fs::remove_file(out.path().join(name)).unwrap();
    }
    let folder = of_class("ElectraForQuestionAnswering", json!({}));
    write_safetensors(folder.path(), "model.safetensors", &questions());
    let error = convert(folder.path(), out.path()).unwrap_err().to_string();
    assert!(error.contains("was not made by a conversion"), "{error}");
    let other = tempfile::tempdir().unwrap();
    convert(folder.path(), other.path()).unwrap();
    for name in ["model.bpk", "conversion.json"] {
        fs::remove_file(other.path().join(name)).unwrap();
    }
    convert(folder.path(), other.path()).unwrap();
}

#[test]
fn a_head_of_questions_goes_out_as_one_layer_and_comes_back() {
    let folder = of_class(
        "ElectraForQuestionAnswering",
        json!({"qa_na_threshold": -0.5}),
    );
    write_safetensors(folder.path(), "model.safetensors", &questions());
    let [record, out, back, again] = [(); 4].map(|()| tempfile::tempdir().unwrap());
    convert(folder.path(), record.path()).unwrap();
    let written = export(Format::Hf, record.path(), out.path(), &mut |_, _| {}).unwrap();
    assert!(written.left_out.is_empty());
    assert!(
        written
            .tensors
            .iter()
            .any(|tensor| tensor.name == "qa_outputs.bias"
                && tensor.parameter == "heads.squad.start.bias + heads.squad.end.bias")
    );
    let found = exported(out.path());
    let values: Vec<f32> = (0..128).map(|place| place as f32).collect();
    assert_eq!(found["qa_outputs.weight"], (vec![2, 64], values));
    assert_eq!(found["qa_outputs.bias"], (vec![2], vec![0.25, -0.75]));
    let config = read_json(&out.path().join("config.json"));
    assert_eq!(
        config["architectures"],
        json!(["ElectraForQuestionAnswering"])
    );
    assert_eq!(config["qa_na_threshold"], -0.5);
    convert(out.path(), back.path()).unwrap();
    assert_equal_records(record.path(), back.path());
    export(Format::Hf, back.path(), again.path(), &mut |_, _| {}).unwrap();
    let mut files = [out.path(), again.path()].map(contents);
    // The card has the name of its folder.
    files
        .iter_mut()
        .for_each(|files| drop(files.remove("README.md")));
    files
        .iter_mut()
        .for_each(|files| drop(files.remove("export.json")));
    assert_eq!(files[0], files[1]);
}

#[test]
fn a_model_of_texts_brings_both_layers() {
    let labels = json!({"0": "bad", "1": "good", "2": "so-so"});
    for (_, write) in FORMS {
        let folder = of_class(
            "ElectraForSequenceClassification",
            json!({"id2label": labels, "finetuning_task": "reviews"}),
        );
        let [out, again, back] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        write(folder.path(), &texts(3));
        let report = convert(folder.path(), out.path()).unwrap();
        assert_eq!(report.warnings, [] as [&str; 0]);
        assert_eq!((report.totals.used, report.totals.ignored), (27, 0));
        let expected = HeadShape::Dense(DenseShape {
            labels: Some(["bad", "good", "so-so"].map(str::to_owned).into()),
            kind: Some(DenseKind::Classification),
            hidden_layer: true,
            ..DenseShape::new(3)
        });
        assert_eq!(report.config.heads["reviews"], expected);
        let record = read_record(out.path());
        let (shape, values) = &record["heads.reviews.hidden.weight"];
        assert_eq!(shape, &[64, 64]);
        // Row r, column c of the record is row c, column r of the model.
        assert_eq!(values[2 * 64 + 5], uneven(5 * 64 + 2));
        let (shape, values) = &record["heads.reviews.dense.weight"];
        assert_eq!(shape, &[64, 3]);
        assert_eq!(values[7 * 3 + 2], uneven(2 * 64 + 7 + 11));
        assert!(verify(folder.path(), out.path()).unwrap().is_equal());

        // It leaves as it came.
        export(Format::Hf, out.path(), again.path(), &mut |_, _| {}).unwrap();
        for tensor in texts(3) {
            let expected = fixture::floats(&tensor.bytes);
            assert_eq!(
                exported(again.path())[&tensor.name].1,
                expected,
                "{}",
                tensor.name
            );
        }
        convert(again.path(), back.path()).unwrap();
        assert_equal_records(out.path(), back.path());
    }
}

#[test]
fn a_number_of_a_text_is_the_model_s_own() {
    let folder = of_class("ElectraForSequenceClassification", json!({}));
    let [out, again] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    write_safetensors(folder.path(), "model.safetensors", &texts(1));
    let report = convert(folder.path(), out.path()).unwrap();
    let HeadShape::Dense(dense) = &report.config.heads["regression"] else {
        panic!()
    };
    assert_eq!(dense.kind, Some(DenseKind::Regression));
    assert_eq!((dense.range, dense.hidden_layer), (Some([0.0, 1.0]), true));
    // Once it is trained on from 1 to 5 here, its numbers stand for those.
    let mut config = report.config.clone();
    if let Some(HeadShape::Dense(dense)) = config.heads.get_mut("regression") {
        dense.range = Some([1.0, 5.0]);
    }
    let file = out.path().join("config.json");
    fs::write(file, serde_json::to_string(&config).unwrap()).unwrap();
    export(Format::Hf, out.path(), again.path(), &mut |_, _| {}).unwrap();
    let found = exported(again.path());
    let (own, scaled) = (texts(1), &found["classifier.out_proj.weight"].1);
    let own = |name: &str| fixture::floats(&own.iter().find(|t| t.name == name).unwrap().bytes);
    let expected: Vec<f32> = own("classifier.out_proj.weight")
        .iter()
        .map(|value| 4.0 * value)
        .collect();
    assert_eq!(*scaled, expected);
    let bias = 4.0 * own("classifier.out_proj.bias")[0] + 1.0;
    assert_eq!(found["classifier.out_proj.bias"].1, [bias]);
    assert_eq!(
        found["classifier.dense.weight"].1,
        own("classifier.dense.weight")
    );
}

/// A record with a head of one layer.
fn linear(shape: DenseShape) -> (TempDir, RecordConfig) {
    let (source, record) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let model = config(&[("mine", HeadShape::Dense(shape))]);
    let mut made = variables(&model);
    for variable in &mut made {
        if variable.name.starts_with("task_specific/") {
            let count = variable.bytes.len() / 4;
            variable.bytes = (0..count)
                .flat_map(|place| uneven(place).to_le_bytes())
                .collect();
        }
    }
    write(source.path(), "m", 1, &made);
    write_vocabulary(source.path());
    convert(source.path(), record.path()).unwrap();
    let text = serde_json::to_string(&model).unwrap();
    fs::write(record.path().join("config.json"), text).unwrap();
    (record, model)
}

#[test]
fn a_head_of_one_layer_becomes_a_classifier_that_gives_the_same() {
    let labels = Some(["a", "b", "c"].map(str::to_owned).into());
    for (shape, problem, factor, offset) in [
        (
            DenseShape {
                kind: Some(DenseKind::Classification),
                labels,
                ..DenseShape::new(3)
            },
            "single_label_classification",
            1.0,
            0.0,
        ),
        (
            DenseShape {
                kind: Some(DenseKind::Regression),
                range: Some([1.0, 6.0]),
                ..DenseShape::new(1)
            },
            "regression",
            5.0,
            1.0,
        ),
    ] {
        let outputs = shape.outputs;
        let (record, _) = linear(shape);
        let [out, back, again] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let written = export(Format::Hf, record.path(), out.path(), &mut |_, _| {}).unwrap();
        assert!(written.left_out.is_empty());
        let config = read_json(&out.path().join("config.json"));
        assert_eq!(config["problem_type"], problem);
        assert_eq!(config["id2label"].as_object().unwrap().len(), outputs);
        assert_eq!(config["classifier_dropout"], 0.1);

        let x = hidden_state();
        let stored = read_record(record.path());
        let (weight, bias) = (
            &stored["heads.mine.dense.weight"].1,
            &stored["heads.mine.dense.bias"].1,
        );
        let found = classified(out.path(), &x);
        assert_eq!(found.len(), outputs);
        for (output, found) in found.iter().enumerate() {
            let products =
                (0..HIDDEN).map(|row| f64::from(weight[row * outputs + output]) * x[row]);
            let logit = products.sum::<f64>() + f64::from(bias[output]);
            assert!(logit.abs() > 1e-3, "a value that shows something: {logit}");
            // Sums in f64 of f32 values; only their order differs.
            let expected = factor * logit + offset;
            assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
        }
        // It comes back as the two layers that it is now, and leaves as them.
        convert(out.path(), back.path()).unwrap();
        export(Format::Hf, back.path(), again.path(), &mut |_, _| {}).unwrap();
        assert_eq!(classified(again.path(), &x), found);
    }
}

//! Heads of one dense layer: which variables make one up, that they come back from TensorFlow bit by
//! bit, and which of them Hugging Face's classes have too.

mod fixture;

use std::fs;
use std::path::Path;

use checkpoints_convert::command::{InspectArgs, Manner};
use checkpoints_convert::tensor::DType;
use checkpoints_convert::{
    Conversion, DenseKind, DenseShape, Error, Export, Format, HeadShape, KeptRecord, RecordConfig,
    export_head, inspect,
};
use fixture::hugging_face::{FORMS, Tensor, small, tensors, write_safetensors};
use fixture::{
    Made, assert_equal_records, config, convert, floats, head, read_record, variables, verify,
    write, write_vocabulary,
};
use serde_json::{Value, json};
use tempfile::TempDir;

fn dense(outputs: usize, kind: Option<DenseKind>, labels: Option<&[&str]>) -> HeadShape {
    HeadShape::Dense(DenseShape {
        labels: labels.map(|labels| labels.iter().map(|&label| label.to_owned()).collect()),
        kind,
        ..DenseShape::new(outputs)
    })
}

/// The head as one that was trained with another segment than the reference's.
fn with_segment(head: HeadShape, segment: u8) -> HeadShape {
    match head {
        HeadShape::Dense(dense) => HeadShape::Dense(DenseShape {
            segment: Some(segment),
            ..dense
        }),
        span => span,
    }
}

fn export(format: Format, input: &Path, out: &Path) -> Result<Export, Error> {
    checkpoints_convert::export(format, input, out, &mut |_, _| {})
}

/// A TensorFlow checkpoint with heads of every kind, as several tasks at once leave one.
fn mixture() -> (TempDir, RecordConfig) {
    let config = config(&[
        ("rte", dense(2, Some(DenseKind::Classification), None)),
        ("sts", dense(1, Some(DenseKind::Regression), None)),
        ("chunk", dense(14, Some(DenseKind::Tagging), None)),
        ("reviews", dense(1, None, None)),
        ("squad", head(true, true, true, 12)),
        ("squadv1", head(false, false, false, 512)),
    ]);
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "m", 1, &variables(&config));
    write_vocabulary(source.path());
    (source, config)
}

/// A float32 variable.
fn made(name: &str, shape: &[u64]) -> Made {
    let values = shape.iter().product::<u64>() as usize;
    Made {
        name: name.into(),
        dtype: DType::F32,
        shape: shape.to_vec(),
        bytes: (0..values).flat_map(|v| (v as f32).to_le_bytes()).collect(),
    }
}

/// Name and shape.
type Shaped<'a> = (&'a str, &'a [u64]);

/// A checkpoint of an encoder and these variables under `task_specific/`.
fn with_variables(heads: &[Shaped]) -> TempDir {
    let source = tempfile::tempdir().unwrap();
    let mut all = variables(&config(&[]));
    for (name, shape) in heads {
        all.push(made(&format!("task_specific/{name}"), shape));
    }
    write(source.path(), "m", 1, &all);
    source
}

#[test]
fn heads_of_every_kind_come_out_of_one_checkpoint_and_go_back() {
    let (source, config) = mixture();
    let [record, out, back] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let report = convert(source.path(), record.path()).unwrap();
    assert_eq!(report.config, config);
    assert_eq!(report.warnings, [] as [&str; 0]);
    // Two parameters of each dense head, ten of the full head, four of the plain one.
    assert_eq!(report.totals.used, 23 + 4 * 2 + 10 + 4);
    assert_eq!((report.totals.ignored, report.unfilled.len()), (0, 0));
    assert!(verify(source.path(), record.path()).unwrap().is_equal());
    let stored = read_record(record.path());
    assert_eq!(stored["heads.chunk.dense.weight"].0, [64, 14]);
    assert_eq!(stored["heads.sts.dense.bias"].0, [1]);

    let written = export(Format::Tf, record.path(), out.path()).unwrap();
    assert_eq!((written.tensors.len(), written.left_out.len()), (45, 0));
    let rows = |folder: &Path| -> Vec<_> {
        let rows = inspect(folder).unwrap().variables.into_iter();
        rows.map(|row| (row.name, row.shape, row.dtype, row.crc32c))
            .collect()
    };
    assert_eq!(rows(out.path()), rows(source.path()));
    convert(out.path(), back.path()).unwrap();
    assert_equal_records(record.path(), back.path());
}

#[test]
fn a_summary_names_the_heads() {
    let (source, _) = mixture();
    let record = tempfile::tempdir().unwrap();
    convert(source.path(), record.path()).unwrap();
    for (input, counted) in [
        (source.path(), "head rte complete: 2 variables"),
        (record.path(), "head rte complete: 2 parameters"),
    ] {
        let mut out = Vec::new();
        let arguments = InspectArgs {
            input: input.into(),
            all: false,
        };
        arguments.run(false, Manner::Words, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= 80));
        let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            joined.contains(
                "heads: chunk (tagging, 14 outputs), reviews (1 output), rte (classification, 2 \
                 outputs), squad (question answering), squadv1 (question answering), sts \
                 (regression)"
            ),
            "{text}"
        );
        assert!(joined.contains(counted), "{text}");
    }
}

#[test]
fn a_kept_record_is_that_of_a_checkpoint_with_the_same_heads() {
    let (source, _) = mixture();
    let record = tempfile::tempdir().unwrap();
    convert(source.path(), record.path()).unwrap();
    let kept = KeptRecord::open(record.path()).unwrap().content();
    let content = |source: &Path| {
        let mut conversion = Conversion::open(source).unwrap();
        let weights = conversion.weights(&mut |_, _| {}).unwrap();
        conversion.content(weights)
    };
    assert_eq!(kept, content(source.path()));
    // Without one head it is another.
    let mut config = mixture().1;
    config.heads.remove("sts");
    write(source.path(), "m", 1, &variables(&config));
    assert_ne!(kept, content(source.path()));
}

#[test]
fn a_head_is_known_by_all_of_its_variables() {
    const DENSE: [Shaped; 2] = [("t/dense/kernel", &[64, 1]), ("t/dense/bias", &[1])];
    let found = |more: &[Shaped]| {
        let source = with_variables(&[&DENSE[..], more].concat());
        inspect(source.path()).unwrap()
    };
    let heads = |more: &[Shaped]| found(more).config.unwrap().heads.remove("t");
    assert_eq!(heads(&[]), Some(HeadShape::dense(1)));
    // Its optimiser's slots are no layers.
    assert_eq!(
        heads(&[
            ("t/dense/kernel/adam_m", &[64, 1]),
            ("t/dense/bias/adam_v", &[1])
        ]),
        Some(HeadShape::dense(1))
    );
    let end: [Shaped; 2] = [("t/dense_1/kernel", &[64, 1]), ("t/dense_1/bias", &[1])];
    assert_eq!(heads(&end), Some(head(false, false, false, 512)));
    // A question-answering head that lacks a part is no regression.
    let lacking = found(&end[..1]);
    assert_eq!(lacking.unfilled, ["heads.t.end.bias"]);
    assert!(lacking.config.unwrap().heads.is_empty());
}

#[test]
fn a_head_of_another_make_is_left_out_and_said_while_the_encoder_is_converted() {
    let cases: [(&[Shaped], &str); 7] = [
        (
            &[("t/dense/kernel", &[64, 3])],
            "its variables (task_specific/t/dense/kernel) are neither",
        ),
        (
            &[("t/dense/bias", &[3])],
            "its variables (task_specific/t/dense/bias) are neither",
        ),
        (
            &[
                ("t/dense/kernel", &[64, 3]),
                ("t/dense/bias", &[3]),
                ("t/LayerNorm/beta", &[3]),
            ],
            "its variables (task_specific/t/LayerNorm/beta, task_specific/t/dense/bias, \
             task_specific/t/dense/kernel) are neither those of a question-answering head nor the \
             kernel and the bias of one layer, dense",
        ),
        (
            &[("t/dense/kernel", &[128, 3]), ("t/dense/bias", &[3])],
            "task_specific/t/dense/kernel has shape [128, 3]; expected a matrix for hidden states of \
             64 values",
        ),
        (
            &[("t/dense/kernel", &[64]), ("t/dense/bias", &[3])],
            "task_specific/t/dense/kernel has shape [64]; expected",
        ),
        (
            &[("t/dense/kernel", &[64, 0]), ("t/dense/bias", &[0])],
            "task_specific/t/dense/kernel has shape [64, 0]; expected",
        ),
        (
            &[
                ("t/dense/kernel", &[64, 64]),
                ("t/dense/bias", &[64]),
                ("t/dense_1/kernel", &[64, 3]),
                ("t/dense_1/bias", &[3]),
            ],
            "task_specific/t/dense/kernel gives 64 values a token; the first layer of a \
             question-answering head gives 1",
        ),
    ];
    for (variables, expected) in cases {
        let (source, out) = (with_variables(variables), tempfile::tempdir().unwrap());
        write_vocabulary(source.path());
        let report = convert(source.path(), out.path()).unwrap();
        assert!(report.config.heads.is_empty());
        assert_eq!(report.totals.used, 23);
        assert_eq!(report.totals.ignored, variables.len());
        let [warning] = &report.warnings[..] else {
            panic!("{:?}", report.warnings)
        };
        assert!(
            warning.starts_with("head \"t\" is left out: ") && warning.contains(expected),
            "{warning}"
        );
        let reasons = report.variables.iter().filter_map(|v| v.ignored.as_deref());
        assert!({ reasons }.all(|why| why == "not part of a question-answering head"));
        assert!(verify(source.path(), out.path()).unwrap().is_equal());
    }
}

#[test]
fn a_layer_whose_parts_contradict_each_other_is_refused() {
    let source = with_variables(&[("t/dense/kernel", &[64, 3]), ("t/dense/bias", &[2])]);
    let out = source.path().join("out");
    let error = convert(source.path(), &out).unwrap_err().to_string();
    assert!(
        error.contains("\"task_specific/t/dense/bias\" has shape [2], expected [3]"),
        "{error}"
    );
    assert!(!out.exists());

    let source = tempfile::tempdir().unwrap();
    let mut all = variables(&config(&[("t", HeadShape::dense(3))]));
    all.last_mut().unwrap().dtype = DType::I32;
    assert_eq!(all.last().unwrap().name, "task_specific/t/dense/kernel");
    write(source.path(), "m", 1, &all);
    let problem = inspect(source.path()).unwrap().problem.unwrap();
    assert!(
        problem.contains("task_specific/t/dense/kernel") && problem.contains("int32"),
        "{problem}"
    );
}

#[test]
fn a_wrong_head_in_config_json_is_told_with_file_and_key() {
    let (source, _) = mixture();
    let record = tempfile::tempdir().unwrap();
    convert(source.path(), record.path()).unwrap();
    let file = record.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    let refusal = |heads: Value| {
        let mut config: Value = serde_json::from_str(&text).unwrap();
        config["heads"] = heads;
        fs::write(&file, config.to_string()).unwrap();
        let error = checkpoints_convert::inspect_record(record.path()).unwrap_err();
        error.to_string()
    };
    let error = refusal(json!({"rte": {"outputs": 2, "joint_prediction": true}}));
    assert!(
        error.contains("config.json: ")
            && error.contains("heads.rte: keys of a question-answering head")
            && error.contains("at line 1 column "),
        "{error}"
    );
    let error = refusal(json!({"rte": {"outputs": 2, "labels": ["yes"]}}));
    assert!(error.contains("heads.rte: 1 \"labels\" for 2"), "{error}");
    // Where it is well formed but not the record's, the parameter is named.
    fs::write(&file, text.replace("\"outputs\": 14", "\"outputs\": 15")).unwrap();
    let found = checkpoints_convert::inspect_record(record.path()).unwrap();
    assert_eq!(
        found.missing,
        ["heads.chunk.dense.weight", "heads.chunk.dense.bias"]
    );
}

/// A Hugging Face model of these classes with a classifier of three outputs, and what else its
/// `config.json` says.
fn classifier(class: &str, more: Value) -> (TempDir, Vec<Tensor>) {
    let folder = fixture::hugging_face::model();
    let file = folder.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut json: Value = serde_json::from_str(&text).unwrap();
    json["architectures"] = json!([class]);
    let more = more.as_object().unwrap().clone();
    json.as_object_mut().unwrap().extend(more);
    fs::write(file, json.to_string()).unwrap();
    let mut weights = small();
    weights.push(tensor("classifier.weight", &[3, 64]));
    weights.push(tensor("classifier.bias", &[3]));
    (folder, weights)
}

fn tensor(name: &str, shape: &[usize]) -> Tensor {
    let values = shape.iter().product::<usize>();
    Tensor {
        name: name.into(),
        dtype: DType::F32,
        shape: shape.to_vec(),
        bytes: (0..values).flat_map(|v| (v as f32).to_le_bytes()).collect(),
        column_major: false,
    }
}

/// A model of texts with so many outputs.
fn texts(more: Value, outputs: usize) -> TempDir {
    let (folder, mut weights) = classifier(TEXTS, more);
    weights.truncate(23);
    for (name, shape) in [
        ("classifier.dense.weight", &[64, 64][..]),
        ("classifier.dense.bias", &[64]),
        ("classifier.out_proj.weight", &[outputs, 64]),
        ("classifier.out_proj.bias", &[outputs]),
    ] {
        weights.push(tensor(name, shape));
    }
    write_safetensors(folder.path(), "model.safetensors", &weights);
    folder
}

const TAGGING: &str = "ElectraForTokenClassification";
const TEXTS: &str = "ElectraForSequenceClassification";
const QUESTIONS: &str = "ElectraForQuestionAnswering";

#[test]
fn a_tagging_model_of_hugging_face_brings_its_head_and_its_labels() {
    let labels = json!({"2": "I", "0": "O", "1": "B"});
    let cases = [
        (
            json!({"id2label": labels}),
            "tagging",
            Some(&["O", "B", "I"][..]),
        ),
        (
            json!({"id2label": labels, "finetuning_task": "ner"}),
            "ner",
            Some(&["O", "B", "I"][..]),
        ),
        (json!({}), "tagging", None),
        (
            json!({"id2label": {"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"}}),
            "tagging",
            None,
        ),
    ];
    for (more, task, labels) in cases {
        for (_, write) in FORMS {
            let (folder, weights) = classifier(TAGGING, more.clone());
            let out = tempfile::tempdir().unwrap();
            write(folder.path(), &weights);
            let report = convert(folder.path(), out.path()).unwrap();
            assert_eq!(report.warnings, [] as [&str; 0]);
            assert_eq!((report.totals.used, report.totals.ignored), (25, 0));
            // Its tokens have the segment that transformers gives them.
            let expected = with_segment(dense(3, Some(DenseKind::Tagging), labels), 0);
            assert_eq!(report.config.heads.get(task), Some(&expected));
            assert_eq!(report.config.heads.len(), 1);
            let record = read_record(out.path());
            let (shape, values) = &record[&format!("heads.{task}.dense.weight")];
            assert_eq!(shape, &[64, 3]);
            // Row r, column c of the record is row c, column r of the model.
            let place = |row: usize, column: usize| values[row * 3 + column];
            assert_eq!((place(0, 0), place(1, 0), place(5, 2)), (0.0, 1.0, 133.0));
            assert_eq!(
                record[&format!("heads.{task}.dense.bias")].1,
                [0.0, 1.0, 2.0]
            );
            let found = verify(folder.path(), out.path()).unwrap();
            assert!(found.is_equal());
            assert_eq!(found.equal, 25);
        }
    }
}

#[test]
fn a_head_that_lies_column_after_column_is_read() {
    let (folder, mut weights) = classifier(TAGGING, json!({}));
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let write = fixture::hugging_face::write_zip;
    write(folder.path(), &weights);
    convert(folder.path(), first.path()).unwrap();
    let head = weights.len() - 2;
    let values = floats(&weights[head].bytes);
    weights[head].bytes = (0..64)
        .flat_map(|column| (0..3).map(move |row| row * 64 + column))
        .flat_map(|place| values[place].to_le_bytes())
        .collect();
    weights[head].column_major = true;
    write(folder.path(), &weights);
    convert(folder.path(), second.path()).unwrap();
    assert_equal_records(first.path(), second.path());
}

#[test]
fn labels_that_are_not_the_head_s_are_refused() {
    let (folder, weights) = classifier(TAGGING, json!({"id2label": {"0": "O", "1": "B"}}));
    write_safetensors(folder.path(), "model.safetensors", &weights);
    let problem = inspect(folder.path()).unwrap().problem.unwrap();
    assert!(
        problem
            .contains("config.json: \"id2label\" is a map of 2; expected the numbers from 0 to 2"),
        "{problem}"
    );
}

#[test]
fn a_classifier_that_is_not_the_reference_s_is_left_out_and_said() {
    let encoder = |class: &str, names: &[(&str, &[usize])], more: Value| {
        let (folder, mut weights) = classifier(class, more);
        let out = tempfile::tempdir().unwrap();
        weights.truncate(23);
        weights.extend(names.iter().map(|(name, shape)| tensor(name, shape)));
        write_safetensors(folder.path(), "model.safetensors", &weights);
        let report = convert(folder.path(), out.path()).unwrap();
        assert!(report.config.heads.is_empty());
        assert_eq!(report.totals.used, 23);
        assert_eq!(report.totals.ignored, names.len());
        assert!(verify(folder.path(), out.path()).unwrap().is_equal());
        let reason = report.variables.iter().find_map(|v| v.ignored.clone());
        (reason.unwrap(), report.warnings)
    };
    let (reason, warnings) = encoder(
        TEXTS,
        &[
            ("classifier.dense.weight", &[64, 64]),
            ("classifier.dense.bias", &[64]),
            ("classifier.out_proj.weight", &[3, 64]),
            ("classifier.out_proj.bias", &[3]),
        ],
        json!({"problem_type": "multi_label_classification", "id2label": ["not", "looked", "at"]}),
    );
    assert!(
        reason.starts_with("a classifier of another make"),
        "{reason}"
    );
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("the encoder alone converted")
            && warnings[0].contains("a text may have several labels"),
        "{warnings:?}"
    );
    let (_, warnings) = encoder(
        TEXTS,
        &[
            ("classifier.dense.weight", &[64, 64]),
            ("classifier.out_proj.weight", &[3, 64]),
            ("classifier.out_proj.bias", &[3]),
        ],
        json!({}),
    );
    assert_eq!(
        warnings,
        [
            "head \"classification\" is left out: its variables (classifier.dense.weight, \
             classifier.out_proj.bias, classifier.out_proj.weight) are neither those of a \
             question-answering head nor the kernel and the bias of one layer, dense"
        ]
    );
    let (reason, warnings) = encoder(
        QUESTIONS,
        &[("qa_outputs.weight", &[3, 64]), ("qa_outputs.bias", &[3])],
        json!({}),
    );
    assert!(reason.starts_with("a plain head of another make"));
    assert_eq!(
        warnings,
        [
            "the head of ElectraForQuestionAnswering is left out and the encoder alone converted: \
             qa_outputs.bias has shape [3]; expected [2], a start and an end"
        ]
    );
    let (reason, warnings) = encoder(
        "ElectraForMultipleChoice",
        &[
            ("sequence_summary.summary.weight", &[64, 64]),
            ("classifier.weight", &[1, 64]),
            ("classifier.bias", &[1]),
        ],
        json!({}),
    );
    assert_eq!(reason, "the head of another task");
    assert!(warnings.is_empty());
    let (_, warnings) = encoder(TAGGING, &[("classifier.weight", &[3, 64])], json!({}));
    assert_eq!(
        warnings,
        [
            "head \"tagging\" is left out: its variables (classifier.weight) are neither those of a \
          question-answering head nor the kernel and the bias of one layer, dense"
        ]
    );
    let (_, warnings) = encoder(
        TAGGING,
        &[("classifier.weight", &[3, 32]), ("classifier.bias", &[3])],
        json!({"finetuning_task": "a task"}),
    );
    assert!(
        warnings
            .iter()
            .any(|w| w.contains("classifier.weight has shape [3, 32]; expected"))
            && warnings
                .iter()
                .any(|w| w.contains("\"finetuning_task\" is \"a task\"")),
        "{warnings:?}"
    );
}

#[test]
fn a_tagging_head_goes_to_hugging_face_and_back() {
    let labels: &[&str] = &["O", "B-\"x\"", "I"];
    for (labels, segment) in [(Some(labels), 1), (None, 0)] {
        let mut head = dense(3, Some(DenseKind::Tagging), labels);
        if segment == 0 {
            head = with_segment(head, 0);
        }
        let (source, _) = mixture();
        let [record, out, back] = [(); 3].map(|()| tempfile::tempdir().unwrap());
        let model = config(&[("ner", head)]);
        write(source.path(), "m", 1, &variables(&model));
        convert(source.path(), record.path()).unwrap();
        // No TensorFlow variable tells the kind and the labels; a fine-tuned record says them.
        let text = serde_json::to_string_pretty(&model).unwrap();
        fs::write(record.path().join("config.json"), text).unwrap();

        let written = export(Format::Hf, record.path(), out.path()).unwrap();
        assert_eq!((written.tensors.len(), written.left_out.len()), (25, 0));
        let file = fs::read(out.path().join("model.safetensors")).unwrap();
        let weights = safetensors::SafeTensors::deserialize(&file).unwrap();
        assert_eq!(
            weights.tensor("classifier.weight").unwrap().shape(),
            [3, 64]
        );
        assert_eq!(weights.tensor("classifier.bias").unwrap().shape(), [3]);
        let expected = tensors(&variables(&model)).len() + 2;
        assert_eq!(weights.len(), expected);
        let text = fs::read_to_string(out.path().join("config.json")).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["architectures"], json!([TAGGING]));
        assert_eq!(json["finetuning_task"], "ner");
        assert_eq!(json["classifier_dropout"], 0.0);
        assert_eq!(json["tagging_segment"], segment);
        let names = labels.unwrap_or(&["LABEL_0", "LABEL_1", "LABEL_2"]);
        assert_eq!(
            json["id2label"],
            json!({"0": names[0], "1": names[1], "2": names[2]})
        );
        assert_eq!(json["label2id"][names[1]], 1);

        convert(out.path(), back.path()).unwrap();
        assert_equal_records(record.path(), back.path());
    }
}

#[test]
fn heads_that_hugging_face_has_not_are_left_out_with_their_reasons() {
    let (source, _) = mixture();
    let [record, out, other, tf] = [(); 4].map(|()| tempfile::tempdir().unwrap());
    convert(source.path(), record.path()).unwrap();
    // Of several heads none is chosen in silence.
    let written = export(Format::Hf, record.path(), out.path()).unwrap();
    assert_eq!(written.tensors.len(), 23);
    assert_eq!(written.left_out.len(), 4 * 2 + 10 + 4);
    for (parameter, reason) in [
        ("heads.rte.dense.bias", "one of several"),
        ("heads.chunk.dense.weight", "--task chooses it"),
        (
            "heads.reviews.dense.bias",
            "config.json does not say its kind",
        ),
        ("heads.squad.start.bias", "no model with the joint head"),
    ] {
        let left = written.left_out.iter().find(|l| l.parameter == parameter);
        let left = left.unwrap();
        assert!(left.reason.starts_with("head of a task: ") && left.reason.contains(reason));
    }
    let text = fs::read_to_string(out.path().join("config.json")).unwrap();
    assert!(text.contains("\"ElectraModel\"") && !text.contains("id2label"));

    let chosen =
        |task, out: &Path| export_head(Format::Hf, record.path(), Some(task), out, &mut |_, _| {});
    let written = chosen("chunk", other.path()).unwrap();
    assert_eq!(written.tensors.len(), 25);
    let reasons = written.left_out.iter().map(|left| left.reason);
    assert_eq!(
        reasons
            .filter(|why| why.ends_with("another task's head is exported"))
            .count(),
        3 * 2 + 4 - 2
    );
    for (task, expected) in [
        (
            "squad",
            "head \"squad\" cannot be exported to transformers: transformers has no model",
        ),
        (
            "mnli",
            "no head for task \"mnli\"; it has chunk, reviews, rte, squad, squadv1, sts",
        ),
    ] {
        let error = chosen(task, other.path()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let one = export_head(
        Format::Tf,
        record.path(),
        Some("rte"),
        tf.path(),
        &mut |_, _| {},
    );
    let one = one.unwrap();
    assert_eq!(
        (one.tensors.len(), one.left_out.len()),
        (25, 3 * 2 + 10 + 4)
    );
    assert_eq!(
        one.left_out[0].reason,
        "head of a task: --task selects another one"
    );

    // A hidden layer is none of Google's.
    let [record, tf] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let hf = texts(json!({"finetuning_task": "mine"}), 2);
    convert(hf.path(), record.path()).unwrap();
    let written = export(Format::Tf, record.path(), tf.path()).unwrap();
    assert_eq!((written.tensors.len(), written.left_out.len()), (23, 4));
    assert!(
        written.left_out[0]
            .reason
            .contains("none with a hidden layer")
    );
}

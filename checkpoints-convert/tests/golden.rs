//! The converter on checkpoints that TensorFlow itself wrote. The expected sums and values were
//! taken from the data files by a few lines of Python with `math.fsum`, not by this crate.

mod fixture;

use std::path::{Path, PathBuf};

use checkpoints_convert::{
    DenseKind, DenseShape, Format, HeadShape, RecordConfig, Report, export, inspect, is_checkpoint,
};
use fixture::{convert, golden, read_record, verify};

fn sum(report: &Report, name: &str) -> f64 {
    report
        .variables
        .iter()
        .find(|v| v.name == name)
        .unwrap()
        .sum
        .unwrap()
}

#[test]
fn a_released_archive_becomes_a_record_with_the_same_values() {
    let out = tempfile::tempdir().unwrap();
    let input = golden("electra_tiny.zip");
    let mut heard = Vec::new();
    let report = checkpoints_convert::convert(&input, out.path(), &mut |done, total| {
        heard.push((done, total))
    })
    .unwrap();
    assert!(heard.is_sorted() && heard.last() == Some(&(5_426_956, 5_426_956)));

    assert_eq!(report.totals.variables, 145);
    // 5 embedding tensors and 16 for each of 4 layers.
    assert_eq!(report.totals.used, 69);
    assert_eq!(report.warnings, [] as [&str; 0]);
    assert_eq!(report.unfilled, [] as [&str; 0]);
    // These sums come out exactly: float64 has room enough for so few float32 values.
    assert_eq!(
        sum(&report, "electra/embeddings/word_embeddings"),
        -1059.3061140551267
    );
    assert_eq!(
        sum(&report, "electra/encoder/layer_3/output/dense/kernel"),
        45.046119080571856
    );
    assert_eq!(sum(&report, "global_step"), 4800.0);

    let record = read_record(out.path());
    assert_eq!(record.len(), 69);
    let (shape, values) = &record["electra.layers.3.feed_forward.output.weight"];
    assert_eq!(shape, &[512, 128]);
    assert_eq!(
        (values[0], values[512 * 128 - 1]),
        (0.048_967_887, 0.049_150_46)
    );
    let (_, gamma) = &record["electra.layers.2.feed_forward.layer_norm.gamma"];
    assert_eq!((gamma[0], gamma[127]), (0.848_281_8, 0.810_288_9));

    let found = verify(&input, out.path()).unwrap();
    assert!(found.is_equal());
    assert_eq!(
        (found.checked, found.equal, found.values),
        (145, 69, 1_121_280)
    );
    let vocabulary = std::fs::read_to_string(out.path().join("vocab.txt")).unwrap();
    assert_eq!(vocabulary.lines().count(), 2048);
}

#[test]
fn a_projected_model_keeps_its_projection() {
    let out = tempfile::tempdir().unwrap();
    let report = convert(&golden("electra_tiny_projected.zip"), out.path()).unwrap();
    let config = RecordConfig::read(&out.path().join("config.json")).unwrap();
    assert_eq!(config, report.config);
    let model = &config.model;
    assert_eq!((model.embedding_size, model.hidden_size), (64, 128));
    assert_eq!((model.num_hidden_layers, model.num_attention_heads), (3, 2));
    assert_eq!((model.vocab_size, model.intermediate_size), (2048, 512));
    assert_eq!(
        (model.max_position_embeddings, model.type_vocab_size),
        (512, 2)
    );

    assert_eq!(
        sum(&report, "electra/embeddings_project/kernel"),
        17.41713007902399
    );
    let (shape, values) = &read_record(out.path())["electra.embeddings.project.weight"];
    assert_eq!(shape, &[64, 128]);
    assert_eq!(
        (values[0], values[64 * 128 - 1]),
        (-0.237_693_19, 0.095_402_66)
    );
}

#[test]
fn every_variable_is_used_or_explained() {
    let out = tempfile::tempdir().unwrap();
    let report = convert(&golden("electra_tiny.zip"), out.path()).unwrap();
    for variable in &report.variables {
        assert!(variable.checked, "{}", variable.name);
        let why = variable.ignored.as_deref();
        let expected = match variable.name.split('/').next().unwrap() {
            "electra" => None,
            "generator" | "generator_predictions" => Some("generator"),
            "discriminator_predictions" => Some("pre-training head"),
            "global_step" => Some("step counter"),
            other => panic!("a scope that the archive does not have: {other}"),
        };
        assert_eq!(why.is_none(), expected.is_none(), "{}", variable.name);
        assert_eq!(
            variable.parameter.is_some(),
            expected.is_none(),
            "{}",
            variable.name
        );
        assert!(
            why.unwrap_or_default()
                .starts_with(expected.unwrap_or_default())
        );
    }
    let text = std::fs::read_to_string(out.path().join("conversion.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["variables"].as_array().unwrap().len(), 145);
    assert_eq!(json["source"]["prefix"], "electra_tiny");
}

#[test]
fn two_conversions_give_the_same_bytes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for out in [&first, &second] {
        convert(&golden("electra_tiny_projected.zip"), out.path()).unwrap();
    }
    assert_eq!(
        fixture::contents(first.path()),
        fixture::contents(second.path())
    );
}

#[test]
fn an_archive_is_told_from_other_files() {
    assert!(is_checkpoint(&golden("electra_tiny.zip")));
    assert!(!is_checkpoint(Path::new(file!())));
    assert!(!is_checkpoint(&golden(".")));
    assert!(!is_checkpoint(&golden("absent")));
}

/// The bigger set of reference checkpoints, which is not part of the repository.
fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("ELECTRA_SHARED").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared"),
        PathBuf::from,
    );
    let folder = folder.join("reference");
    if !folder.is_dir() {
        println!(
            "skipped: {} is not there (set ELECTRA_SHARED)",
            folder.display()
        );
        return None;
    }
    Some(folder)
}

#[test]
fn fine_tuned_checkpoints_keep_their_heads() {
    let Some(shared) = shared() else { return };
    // Folder, whether the answerable classifier sees the start logits, variables left out.
    let cases = [
        ("qa-squad2-tiny/init", true, 0),
        ("qa-squad2-tiny/trained", true, 0),
        ("qa-squad2-tiny-projected/init", false, 0),
        ("qa-squad2-tiny-projected/trained", false, 0),
        ("qa-facts/trained", true, 1),
    ];
    for (folder, start_logits, ignored) in cases {
        let out = tempfile::tempdir().unwrap();
        let prefix = shared.join(folder).join("model.ckpt");
        let report = convert(&prefix, out.path()).unwrap();
        assert_eq!(
            report.config.heads.get("squad"),
            Some(&fixture::head(true, true, start_logits, 512)),
            "{folder}"
        );
        assert_eq!(report.totals.ignored, ignored, "{folder}");
        assert!(
            verify(&shared.join(folder), out.path()).unwrap().is_equal(),
            "{folder}"
        );
    }
}

#[test]
fn checkpoints_of_every_task_come_back_from_tensorflow_bit_by_bit() {
    use DenseKind::{Classification, Regression, Tagging};
    let Some(shared) = shared() else { return };
    let dense = |task: &str, outputs: usize, kind| {
        let kind = Some(kind);
        let shape = DenseShape {
            kind,
            ..DenseShape::new(outputs)
        };
        (task.to_owned(), HeadShape::Dense(shape))
    };
    let span = || ("squad".to_owned(), fixture::head(true, true, true, 512));
    let mut cases = vec![
        ("chunk".to_owned(), vec![dense("chunk", 14, Tagging)]),
        (
            "multitask/rte_squad".to_owned(),
            vec![dense("rte", 2, Classification), span()],
        ),
        (
            "multitask/cola_sts_chunk".to_owned(),
            vec![
                dense("cola", 2, Classification),
                dense("sts", 1, Regression),
                dense("chunk", 14, Tagging),
            ],
        ),
    ];
    for (task, outputs) in [
        ("cola", 2),
        ("mrpc", 2),
        ("mnli", 3),
        ("sst", 2),
        ("rte", 2),
        ("qnli", 2),
        ("qqp", 2),
        ("sts", 1),
    ] {
        let kind = if task == "sts" {
            Regression
        } else {
            Classification
        };
        cases.push((format!("glue/{task}"), vec![dense(task, outputs, kind)]));
    }
    let (mut checkpoints, mut variables, mut values) = (0, 0, 0);
    for (folder, heads) in cases {
        for weights in ["init", "trained", "learned"] {
            let source = shared.join(&folder).join(weights);
            if !source.is_dir() {
                continue;
            }
            let [record, out] = [(); 2].map(|()| tempfile::tempdir().unwrap());
            let report = convert(&source, record.path()).unwrap();
            assert_eq!(
                report.config.heads,
                heads.iter().cloned().collect(),
                "{folder}"
            );
            assert_eq!((report.totals.ignored, report.unfilled.len()), (0, 0));
            let found = verify(&source, record.path()).unwrap();
            assert!(found.is_equal(), "{folder}: {:?}", found.differences);
            // Without a vocabulary nothing is exported; the size does not matter here.
            std::fs::write(record.path().join("vocab.txt"), "[PAD]\n").unwrap();
            export(Format::Tf, record.path(), out.path(), &mut |_, _| {}).unwrap();
            let rows = |folder: &Path| -> Vec<_> {
                let rows = inspect(folder).unwrap().variables.into_iter();
                rows.map(|row| (row.name, row.shape, row.dtype, row.crc32c))
                    .collect()
            };
            assert_eq!(rows(out.path()), rows(&source), "{folder}");
            let exported = verify(out.path(), record.path()).unwrap();
            assert!(exported.is_equal() && exported.equal == found.equal);
            checkpoints += 1;
            variables += found.equal;
            values += found.values;
        }
    }
    println!("{checkpoints} checkpoints, {variables} variables, {values} values, every bit equal");
    assert_eq!(checkpoints, 27);
}

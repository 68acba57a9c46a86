//! What a conversion promises beyond equal values: how the checkpoint is found, what is
//! inferred, and what is left on the disk when it fails.

mod fixture;

use std::fs;

use checkpoints_convert::tensor::DType;
use checkpoints_convert::{RecordConfig, inspect, is_checkpoint};
use fixture::{Made, config, contents, convert, head, read_record, variables, verify, write};
use half::{bf16, f16};

#[test]
fn several_data_files_are_read_as_one_checkpoint() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = config(&[("squad", head(true, true, true, 12))]);
    let variables = variables(&config);
    write(source.path(), "model.ckpt", 3, &variables);
    let report = convert(source.path(), out.path()).unwrap();
    assert_eq!(report.config, config);
    assert_eq!(report.source.data_files.len(), 3);
    let record = read_record(out.path());
    assert_eq!(record.len(), variables.len());
    for row in &report.variables {
        let made = variables.iter().find(|made| made.name == row.name).unwrap();
        let (_, values) = &record[row.parameter.as_ref().unwrap()];
        assert_eq!(values, &fixture::floats(&made.bytes), "{}", row.name);
    }
}

#[test]
fn sixteen_bit_floats_are_widened() {
    for dtype in [DType::F16, DType::BF16] {
        let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let made = fixture::sixteen_bit(dtype);
        write(source.path(), "m", 1, &made);
        convert(source.path(), out.path()).unwrap();
        let (_, words) = &read_record(out.path())["electra.embeddings.word.weight"];
        let original = &variables(&config(&[]))[4];
        assert_eq!(original.name, "electra/embeddings/word_embeddings");
        let rounded: Vec<f32> = fixture::floats(&original.bytes)
            .into_iter()
            .map(|value| match dtype {
                DType::F16 => f16::from_f32(value).to_f32(),
                _ => bf16::from_f32(value).to_f32(),
            })
            .collect();
        assert_eq!(words, &rounded);
        assert!(verify(source.path(), out.path()).unwrap().is_equal());
    }
}

#[test]
fn the_parts_of_a_head_are_inferred_from_its_variables() {
    let source = tempfile::tempdir().unwrap();
    let heads = [
        ("squad", head(true, true, true, 12)),
        ("squadv1", head(false, false, false, 512)),
        ("newsqa", head(true, true, false, 20)),
        ("triviaqa", head(false, true, true, 24)),
        ("a-task", head(false, true, false, 512)),
    ];
    let config = config(&heads);
    write(source.path(), "m", 1, &variables(&config));
    let found = inspect(source.path()).unwrap();
    assert_eq!(found.config, Some(config));
    assert_eq!(found.totals.ignored, 0);
}

#[test]
fn an_incomplete_head_is_left_out_and_what_it_lacks_is_listed() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut made = variables(&config(&[("squad", head(true, true, true, 12))]));
    made.retain(|variable| variable.name != "task_specific/squad/dense_1/bias");
    write(source.path(), "m", 1, &made);
    let report = convert(source.path(), out.path()).unwrap();
    assert_eq!(report.unfilled, ["heads.squad.end.bias"]);
    assert!(report.config.heads.is_empty());
    assert!(
        report
            .warnings
            .iter()
            .any(|w| w.contains("heads.squad.end.bias"))
    );
    assert!(
        read_record(out.path())
            .keys()
            .all(|path| path.starts_with("electra."))
    );
}

#[test]
fn a_classifier_s_head_is_no_question_answering_head() {
    let source = tempfile::tempdir().unwrap();
    let mut made = variables(&config(&[]));
    made.push(Made {
        name: "task_specific/mnli/dense/kernel".into(),
        dtype: DType::F32,
        shape: vec![64, 3],
        bytes: vec![0; 64 * 3 * 4],
    });
    write(source.path(), "m", 1, &made);
    let found = inspect(source.path()).unwrap();
    assert!(found.config.unwrap().heads.is_empty() && found.unfilled.is_empty());
    let row = found.variables.last().unwrap();
    assert_eq!(
        row.ignored.as_deref(),
        Some("not part of a question-answering head")
    );
}

#[test]
fn optimiser_slots_and_unknown_names_are_left_out_and_said() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut made = variables(&config(&[]));
    let extra = |name: &str, dtype, bytes: usize| Made {
        name: name.into(),
        dtype,
        shape: vec![2],
        bytes: vec![0; bytes],
    };
    made.push(extra(
        "electra/embeddings/word_embeddings/adam_m",
        DType::F32,
        8,
    ));
    made.push(extra("electra/pooler/dense/bias", DType::F32, 8));
    made.push(extra("labels", DType::Other(7), 11));
    write(source.path(), "m", 1, &made);
    let report = convert(source.path(), out.path()).unwrap();
    let row = |name: &str| report.variables.iter().find(|v| v.name == name).unwrap();
    let slot = row("electra/embeddings/word_embeddings/adam_m");
    assert!(
        slot.ignored
            .as_ref()
            .unwrap()
            .starts_with("optimiser state")
    );
    assert_eq!(
        row("electra/pooler/dense/bias").ignored.as_deref(),
        Some("unknown name")
    );
    assert_eq!(
        (row("labels").checked, row("labels").dtype.as_str()),
        (false, "string")
    );
    assert_eq!(
        report
            .warnings
            .iter()
            .find(|w| w.contains("unknown"))
            .unwrap(),
        "2 variables with unknown names left out: electra/pooler/dense/bias, labels"
    );
}

#[test]
fn a_missing_variable_of_a_layer_is_named() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut made = variables(&config(&[]));
    made.retain(|v| v.name != "electra/encoder/layer_0/attention/self/key/bias");
    write(source.path(), "m", 1, &made);
    let error = convert(source.path(), out.path()).unwrap_err().to_string();
    assert!(
        error.contains("electra/encoder/layer_0/attention/self/key/bias"),
        "{error}"
    );
}

#[test]
fn a_gap_between_layers_is_named() {
    let source = tempfile::tempdir().unwrap();
    let mut made = variables(&config(&[]));
    made.push(Made {
        name: "electra/encoder/layer_9/output/dense/bias".into(),
        dtype: DType::F32,
        shape: vec![64],
        bytes: vec![0; 256],
    });
    write(source.path(), "m", 1, &made);
    let problem = inspect(source.path()).unwrap().problem.unwrap();
    assert!(
        problem.contains("electra/encoder/layer_1/attention/self/query/kernel"),
        "{problem}"
    );
}

#[test]
fn a_shape_that_contradicts_the_others_is_named_with_both_shapes() {
    let source = tempfile::tempdir().unwrap();
    let mut made = variables(&config(&[]));
    let wrong = made
        .iter_mut()
        .find(|v| v.name.ends_with("layer_0/output/dense/bias"))
        .unwrap();
    wrong.shape = vec![63];
    wrong.bytes.truncate(63 * 4);
    write(source.path(), "m", 1, &made);
    let problem = inspect(source.path()).unwrap().problem.unwrap();
    assert!(
        problem.contains("[63]") && problem.contains("[64]"),
        "{problem}"
    );
    assert!(problem.contains("layer_0/output/dense/bias"), "{problem}");
}

#[test]
fn a_parameter_of_integers_is_refused() {
    let source = tempfile::tempdir().unwrap();
    let mut made = variables(&config(&[]));
    made[0].dtype = DType::I32;
    write(source.path(), "m", 1, &made);
    let problem = inspect(source.path()).unwrap().problem.unwrap();
    assert!(
        problem.contains(&made[0].name) && problem.contains("int32"),
        "{problem}"
    );
}

#[test]
fn another_model_s_checkpoint_is_listed_but_not_converted() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let bert = Made {
        name: "bert/pooler/dense/bias".into(),
        dtype: DType::F32,
        shape: vec![1],
        bytes: vec![0; 4],
    };
    write(source.path(), "bert_model.ckpt", 1, &[bert]);
    assert_eq!(inspect(source.path()).unwrap().variables.len(), 1);
    let out = out.path().join("new");
    let error = convert(source.path(), &out).unwrap_err().to_string();
    assert!(
        error.contains("does not hold an ELECTRA discriminator"),
        "{error}"
    );
    assert!(!out.exists(), "a failed conversion leaves no folder behind");
}

#[test]
fn the_file_checkpoint_may_name_a_path_that_is_no_more() {
    let source = tempfile::tempdir().unwrap();
    let made = variables(&config(&[]));
    write(source.path(), "model.ckpt-1", 1, &made);
    write(source.path(), "model.ckpt-2", 1, &made);
    let state = source.path().join("checkpoint");
    for named in [
        "/home/gone/model.ckpt-1",
        r"C:\\gone\\model.ckpt-1",
        "elsewhere/model.ckpt-1",
    ] {
        fs::write(&state, format!("model_checkpoint_path: \"{named}\"\n")).unwrap();
        let found = inspect(source.path()).unwrap();
        assert_eq!(found.source.prefix, "model.ckpt-1", "{named}");
        assert_eq!(found.warnings, [] as [&str; 0]);
    }
}

#[test]
fn a_path_into_another_folder_is_not_followed() {
    let (named, asked) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(named.path(), "model.ckpt", 1, &variables(&config(&[])));
    let path = named
        .path()
        .join("model.ckpt")
        .display()
        .to_string()
        .replace('\\', "\\\\");
    fs::write(
        asked.path().join("checkpoint"),
        format!("model_checkpoint_path: \"{path}\"\n"),
    )
    .unwrap();
    assert!(is_checkpoint(asked.path()));
    let error = inspect(asked.path()).unwrap_err().to_string();
    assert!(error.contains("which is in another folder"), "{error}");
    assert!(error.contains("give that prefix"), "{error}");
}

#[test]
fn the_only_index_is_taken_where_nothing_names_one_and_that_is_said() {
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "model.ckpt-7", 1, &variables(&config(&[])));
    let state = source.path().join("checkpoint");
    fs::write(&state, "model_checkpoint_path: \"model.ckpt-9\"\n").unwrap();
    let found = inspect(source.path()).unwrap();
    assert_eq!(
        found.warnings,
        [
            "the file `checkpoint` names \"model.ckpt-9\", which does not exist; took the only one, \"model.ckpt-7\""
        ]
    );
    fs::remove_file(&state).unwrap();
    let found = inspect(source.path()).unwrap();
    assert_eq!(
        found.warnings,
        ["there is no file `checkpoint`; took the only one, \"model.ckpt-7\""]
    );

    write(source.path(), "model.ckpt-8", 1, &variables(&config(&[])));
    fs::remove_file(&state).unwrap();
    let error = inspect(source.path()).unwrap_err().to_string();
    assert!(error.contains("model.ckpt-7, model.ckpt-8"), "{error}");
}

#[test]
fn a_prefix_or_one_of_its_files_is_as_good_as_the_folder() {
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "model.ckpt-7", 1, &variables(&config(&[])));
    for name in [
        "model.ckpt-7",
        "model.ckpt-7.index",
        "model.ckpt-7.data-00000-of-00001",
    ] {
        let path = source.path().join(name);
        assert!(is_checkpoint(&path), "{name}");
        assert_eq!(inspect(&path).unwrap().source.prefix, "model.ckpt-7");
    }
    assert!(is_checkpoint(source.path()));
    assert!(!is_checkpoint(&source.path().join("model.ckpt")));
}

#[test]
fn input_that_is_no_checkpoint_is_refused_with_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("absent", "nothing there"),
        ("file", "neither a zip archive nor part of"),
        ("empty", "no *.index file"),
        ("face", "no Hugging Face model either"),
        (
            "record",
            "record: a record of this program, not a checkpoint",
        ),
        (
            "record/model.bpk",
            "model.bpk: a record of this program, not a checkpoint",
        ),
    ];
    fs::write(folder.path().join("file"), "text").unwrap();
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::create_dir(folder.path().join("face")).unwrap();
    fs::write(folder.path().join("face/config.json"), "{}").unwrap();
    fs::create_dir(folder.path().join("record")).unwrap();
    fs::write(folder.path().join("record/model.bpk"), "").unwrap();
    for (name, expected) in cases {
        let error = inspect(&folder.path().join(name)).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(expected), "{error}");
    }
}

#[test]
fn the_vocabulary_is_copied_and_its_length_compared() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    let report = convert(source.path(), out.path()).unwrap();
    assert!(report.warnings[0].starts_with("no vocab.txt beside the checkpoint"));
    assert!(!out.path().join("vocab.txt").exists());

    fixture::write_vocabulary(source.path());
    assert_eq!(
        convert(source.path(), out.path()).unwrap().warnings,
        [] as [&str; 0]
    );
    let copied = fs::read(out.path().join("vocab.txt")).unwrap();
    assert_eq!(copied, fs::read(source.path().join("vocab.txt")).unwrap());

    fs::write(source.path().join("vocab.txt"), "a\nb").unwrap();
    assert_eq!(
        convert(source.path(), out.path()).unwrap().warnings,
        ["vocab.txt has 2 lines, but the word embeddings have 10 rows"]
    );
}

#[test]
fn a_failed_conversion_leaves_a_good_record_untouched() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut made = variables(&config(&[]));
    // The damage is in the last variable, which no parameter needs: all of the record has been
    // written by then.
    made.push(Made {
        name: "zzz".into(),
        dtype: DType::F32,
        shape: vec![2],
        bytes: vec![0; 8],
    });
    write(source.path(), "m", 1, &made);
    convert(source.path(), out.path()).unwrap();
    fs::write(out.path().join("mine.txt"), "kept").unwrap();
    let before = contents(out.path());
    let data = source.path().join("m.data-00000-of-00001");
    fixture::flip_bit(&data, fs::metadata(&data).unwrap().len() as usize - 1);
    let error = convert(source.path(), out.path()).unwrap_err().to_string();
    assert!(error.contains("\"zzz\" is damaged"), "{error}");
    assert_eq!(contents(out.path()), before);
}

#[test]
fn what_a_killed_conversion_left_is_cleared_by_the_next() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    fs::create_dir(out.path().join(".converting")).unwrap();
    fs::write(out.path().join(".converting/model.bpk.77-0.tmp"), "half").unwrap();
    convert(source.path(), out.path()).unwrap();
    let names: Vec<String> = contents(out.path()).into_keys().collect();
    assert_eq!(names, ["config.json", "conversion.json", "model.bpk"]);
}

#[test]
fn a_second_conversion_into_a_folder_is_refused_while_the_first_runs() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    let staging = out.path().join(".converting");
    fs::create_dir(&staging).unwrap();
    fs::write(staging.join("model.bpk"), "of the first").unwrap();
    let lock = fs::File::create(staging.join("lock")).unwrap();
    lock.lock().unwrap();
    let error = convert(source.path(), out.path()).unwrap_err().to_string();
    assert!(
        error.contains("another conversion into this folder is running"),
        "{error}"
    );
    assert!(
        staging.join("model.bpk").exists(),
        "the first one's file stays"
    );
    drop(lock);
    convert(source.path(), out.path()).unwrap();
}

#[test]
fn a_record_may_stand_beside_its_checkpoint() {
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "m", 1, &variables(&config(&[])));
    fixture::write_vocabulary(source.path());
    let before = contents(source.path());
    convert(source.path(), source.path()).unwrap();
    let after = contents(source.path());
    assert!(
        before
            .iter()
            .all(|(name, bytes)| after.get(name) == Some(bytes))
    );
    assert!(verify(source.path(), source.path()).unwrap().is_equal());
}

#[test]
fn values_that_are_not_finite_are_said() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fixture::write_vocabulary(source.path());
    let mut made = variables(&config(&[]));
    made[0].bytes[..4].copy_from_slice(&f32::INFINITY.to_le_bytes());
    write(source.path(), "m", 1, &made);
    let report = convert(source.path(), out.path()).unwrap();
    let expected = format!(
        "variable {:?} holds values that are not finite",
        made[0].name
    );
    assert_eq!(report.warnings, [expected]);
    assert!(verify(source.path(), out.path()).unwrap().is_equal());
}

#[test]
fn verification_names_what_differs() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut made = variables(&config(&[("squad", head(true, true, true, 12))]));
    write(source.path(), "m", 1, &made);
    convert(source.path(), out.path()).unwrap();

    // One value more, as if another checkpoint of the same run had been converted.
    let changed = made
        .iter_mut()
        .find(|v| v.name.ends_with("word_embeddings"))
        .unwrap();
    changed.bytes[12..16].copy_from_slice(&7.5f32.to_le_bytes());
    made.retain(|variable| !variable.name.starts_with("task_specific/"));
    write(source.path(), "m", 1, &made);
    let found = verify(source.path(), out.path()).unwrap();
    assert!(!found.is_equal());
    // config.json, the value, and the ten parameters of the head.
    assert_eq!(found.differences.len(), 12);
    assert!(found.differences[0].starts_with("config.json"));
    assert!(found.differences[1].starts_with(
        "electra.embeddings.word.weight differs in 1 value, first at 3: 7.5 in the checkpoint"
    ));
    assert!(found.differences[2].starts_with("heads.squad.answerable.bias is in the record but"));
    let config = RecordConfig::read(&out.path().join("config.json")).unwrap();
    assert!(config.heads.contains_key("squad"));
}

//! A record belongs to the content of its checkpoint, and a conversion to a folder of its own: what
//! is known of an earlier record, and what a conversion does not write over, delete or follow.

mod fixture;

use std::fs;
use std::path::Path;

use checkpoints_convert::{
    Content, Conversion, Format, KeptRecord, KeptState, export, inspect, pack,
};
use fixture::hugging_face::{model, small, write_safetensors};
use fixture::{Made, config, contents, convert, head, variables, verify, write, write_vocabulary};
use serde_json::Value;

/// What a checkpoint is now.
fn content(input: &Path) -> Content {
    let mut conversion = Conversion::open(input).unwrap();
    let weights = conversion.weights(&mut |_, _| {}).unwrap();
    conversion.content(weights)
}

fn kept(folder: &Path) -> Content {
    KeptRecord::open(folder).unwrap().content()
}

/// One value of one variable is another.
fn changed() -> Vec<Made> {
    let mut made = variables(&config(&[]));
    made[4].bytes[0] ^= 1;
    made
}

fn edit(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    edit(&mut value);
    fs::write(path, value.to_string()).unwrap();
}

#[test]
fn a_record_knows_what_it_was_made_of() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "model.ckpt-5", 1, &variables(&config(&[])));
    write_vocabulary(source.path());
    convert(source.path(), out.path()).unwrap();
    let record = KeptRecord::open(out.path()).unwrap();
    assert_eq!(record.content(), content(source.path()));
    assert_eq!(record.state(), KeptState::Whole);

    // The same values in two files under another name are the same content.
    let moved = tempfile::tempdir().unwrap();
    write(moved.path(), "other", 2, &variables(&config(&[])));
    write_vocabulary(moved.path());
    assert_eq!(content(moved.path()), record.content());

    // A later checkpoint in the same folder is another one.
    write(source.path(), "model.ckpt-9", 1, &changed());
    assert_ne!(content(source.path()).weights, record.content().weights);
    let earlier = source.path().join("model.ckpt-5");
    assert_eq!(content(&earlier), record.content());

    fs::write(moved.path().join("vocab.txt"), "x\n").unwrap();
    assert_eq!(content(moved.path()).weights, record.content().weights);
    assert_ne!(content(moved.path()).digest, record.content().digest);
}

#[test]
fn a_hugging_face_model_is_its_weights_and_its_settings() {
    let (source, out) = (model(), tempfile::tempdir().unwrap());
    write_safetensors(source.path(), "model.safetensors", &small());
    convert(source.path(), out.path()).unwrap();
    let before = content(source.path());
    assert_eq!(kept(out.path()), before);

    let settings = source.path().join("tokenizer_config.json");
    fs::write(&settings, r#"{"do_lower_case": false}"#).unwrap();
    assert_eq!(content(source.path()).weights, before.weights);
    assert_ne!(content(source.path()).digest, before.digest);
    fs::remove_file(&settings).unwrap();
    assert_eq!(content(source.path()), before);

    // Of the same length.
    let mut tensors = small();
    tensors[3].bytes[5] ^= 1;
    write_safetensors(source.path(), "model.safetensors", &tensors);
    assert_ne!(content(source.path()).weights, before.weights);
}

#[test]
fn a_record_of_version_0_1_is_known_by_what_it_says_of_each_variable() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    write_vocabulary(source.path());
    convert(source.path(), out.path()).unwrap();
    edit(&out.path().join("conversion.json"), |report| {
        report.as_object_mut().unwrap().remove("record");
        report["source"].as_object_mut().unwrap().remove("content");
    });
    let record = out.path().join("model.bpk");
    let tensors = pack::open(&record).unwrap().tensors;
    burn_pack::Writer::new(tensors)
        .with_metadata("producer", "checkpoints-convert 0.1.0")
        .write_to_file(&record)
        .unwrap();
    let old = KeptRecord::open(out.path()).unwrap();
    assert_eq!(old.state(), KeptState::Whole);
    assert_eq!(old.content(), content(source.path()));
    assert!(verify(source.path(), out.path()).unwrap().is_equal());
    write(source.path(), "m", 1, &changed());
    assert_ne!(old.content(), content(source.path()));
    // What version 0.1 made is converted again where it stands.
    convert(source.path(), out.path()).unwrap();
    assert_eq!(kept(out.path()), content(source.path()));
}

#[test]
fn files_of_two_records_are_told_apart() {
    let source = tempfile::tempdir().unwrap();
    let [first, second] = [(), ()].map(|()| tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    convert(source.path(), first.path()).unwrap();
    write(source.path(), "m", 1, &changed());
    convert(source.path(), second.path()).unwrap();
    let record = first.path().join("model.bpk");
    fs::copy(second.path().join("model.bpk"), &record).unwrap();
    let state = || KeptRecord::open(first.path()).unwrap().state();
    assert_eq!(state(), KeptState::Other);
    fixture::flip_bit(&record, 100);
    assert_eq!(state(), KeptState::Damaged);
    // Converting again is what mends it.
    convert(source.path(), first.path()).unwrap();
    assert_eq!(state(), KeptState::Whole);
}

#[test]
fn another_vocabulary_is_told_from_one_that_an_editor_touched() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n";
    fs::write(source.path().join("vocab.txt"), words).unwrap();
    convert(source.path(), out.path()).unwrap();
    let state = |text: &str| {
        fs::write(out.path().join("vocab.txt"), text).unwrap();
        KeptRecord::open(out.path()).unwrap().state()
    };
    for same in [words, &format!("{words}\n\n"), &words.replace('\n', "\r\n")] {
        assert_eq!(state(same), KeptState::Whole, "{same:?}");
    }
    for other in ["b\na\n", "a\nc\n", "a\n"] {
        let other = words.replace("a\nb\n", other);
        assert_eq!(state(&other), KeptState::OtherVocabulary, "{other:?}");
    }
    // No vocabulary at all, which is told where it is read.
    for damaged in ["", "a\nb\n"] {
        assert_eq!(state(damaged), KeptState::Damaged, "{damaged:?}");
    }
    convert(source.path(), out.path()).unwrap();
    let kept = KeptRecord::open(out.path()).unwrap();
    assert_eq!(kept.state(), KeptState::Whole);
}

#[test]
fn verification_compares_the_vocabulary_and_tells_damage() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    write_vocabulary(source.path());
    convert(source.path(), out.path()).unwrap();
    fs::write(out.path().join("vocab.txt"), "another\n").unwrap();
    let found = verify(source.path(), out.path()).unwrap();
    assert_eq!(found.differences, ["vocab.txt is not the checkpoint's"]);
    write_vocabulary(out.path());
    let record = out.path().join("model.bpk");
    fixture::flip_bit(&record, fs::metadata(&record).unwrap().len() as usize - 20);
    let found = verify(source.path(), out.path()).unwrap();
    assert_eq!(found.differences.len(), 1);
    assert!(found.differences[0].starts_with("model.bpk is damaged: "));
}

/// Asserts that a conversion into `out` is refused for this reason, and that nothing changed.
#[track_caller]
fn is_refused(source: &Path, out: &Path, why: &str) {
    let before = contents(out);
    let error = convert(source, out).unwrap_err().to_string();
    assert!(error.contains(why), "{error}");
    assert!(contents(out) == before, "{why}");
}

#[test]
fn what_no_conversion_made_is_not_replaced() {
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "m", 1, &variables(&config(&[])));
    write_vocabulary(source.path());
    let record = || {
        let out = tempfile::tempdir().unwrap();
        convert(source.path(), out.path()).unwrap();
        out
    };
    let trained = |config: &mut Value| config["task_names"] = serde_json::json!(["squad"]);

    let out = record();
    edit(&out.path().join("config.json"), trained);
    is_refused(
        source.path(),
        out.path(),
        "config.json: belongs to a fine-tuned model",
    );
    // Also where nothing of a conversion is left beside it.
    for name in ["conversion.json", "vocab.txt"] {
        fs::remove_file(out.path().join(name)).unwrap();
    }
    is_refused(
        source.path(),
        out.path(),
        "config.json: belongs to a fine-tuned model",
    );

    let out = record();
    let path = out.path().join("model.bpk");
    let tensors = pack::open(&path).unwrap().tensors;
    pack::write(tensors, &[("producer", "electra 0.1.0")], &path).unwrap();
    is_refused(
        source.path(),
        out.path(),
        "model.bpk: was not made by a conversion",
    );

    for (name, text) in [
        ("config.json", r#"{"layers": 3}"#),
        ("model.bpk", "weights of another program"),
        ("conversion.json", "{}"),
    ] {
        let out = tempfile::tempdir().unwrap();
        fs::write(out.path().join(name), text).unwrap();
        is_refused(source.path(), out.path(), "was not made by a conversion");
    }
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("vocab.txt"), "my own\n").unwrap();
    let why = "vocab.txt: is not the vocabulary of this checkpoint";
    is_refused(source.path(), out.path(), why);
    write_vocabulary(out.path());
    convert(source.path(), out.path()).unwrap();
}

#[test]
fn what_a_conversion_made_is_replaced_even_if_it_is_damaged() {
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "m", 1, &variables(&config(&[])));
    for name in ["config.json", "model.bpk", "conversion.json"] {
        let out = tempfile::tempdir().unwrap();
        convert(source.path(), out.path()).unwrap();
        fs::write(out.path().join(name), "damaged").unwrap();
        convert(source.path(), out.path()).unwrap();
        assert_eq!(kept(out.path()), content(source.path()), "{name}");
    }
    // Killed while its files got their places.
    let out = tempfile::tempdir().unwrap();
    convert(source.path(), out.path()).unwrap();
    for name in ["conversion.json", "model.bpk"] {
        fs::remove_file(out.path().join(name)).unwrap();
    }
    convert(source.path(), out.path()).unwrap();
}

#[test]
fn an_interrupted_export_can_be_repeated_and_converted_into() {
    let (source, record) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(source.path(), "m", 1, &variables(&config(&[])));
    write_vocabulary(source.path());
    convert(source.path(), record.path()).unwrap();
    let killed = |names: &[&str]| {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join(".converting");
        fs::create_dir(&folder).unwrap();
        for name in names {
            fs::write(folder.join(name), "half").unwrap();
        }
        out
    };
    // As this version leaves them, and as earlier ones did.
    for names in [["lock", ".bundle-qYrj1X"], ["lock", ".tmpMYqYrj"]] {
        for format in [Format::Tf, Format::Hf] {
            let out = killed(&names);
            export(format, record.path(), out.path(), &mut |_, _| {}).unwrap();
            assert!(!out.path().join(".converting").exists());
        }
        let out = killed(&names);
        convert(source.path(), out.path()).unwrap();
        assert_eq!(kept(out.path()), content(source.path()));
    }
    // Without a lock, or with another name, it may be anybody's.
    for names in [
        &[".tmpMYqYrj"][..],
        &["lock", ".tmpMYqYr"],
        &["lock", ".tmp-MYqYr"],
    ] {
        let out = killed(names);
        let error = export(Format::Tf, record.path(), out.path(), &mut |_, _| {}).unwrap_err();
        assert!(error.to_string().contains("not empty"), "{error}");
        let why = "has the name of an unfinished conversion's folder";
        is_refused(source.path(), out.path(), why);
    }
}

#[test]
fn a_folder_that_only_has_the_name_of_a_staging_folder_stays() {
    let source = tempfile::tempdir().unwrap();
    write(source.path(), "m", 1, &variables(&config(&[])));
    for (name, text) in [
        ("thesis.tex", "1"),
        ("model.py", "1"),
        ("config.json.old", "1"),
    ] {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join(".converting");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("vocab.txt"), "mine").unwrap();
        fs::write(folder.join(name), text).unwrap();
        let before = contents(&folder);
        is_refused(
            source.path(),
            out.path(),
            "has the name of an unfinished conversion's folder",
        );
        assert_eq!(contents(&folder), before);
    }
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join(".converting"), "a file").unwrap();
    is_refused(
        source.path(),
        out.path(),
        "has the name of an unfinished conversion's folder",
    );
}

#[cfg(unix)]
#[test]
fn no_link_of_a_stranger_s_folder_is_followed() {
    use std::os::unix::fs::symlink;

    let (source, victim) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(
        source.path(),
        "m",
        1,
        &variables(&config(&[("squad", head(true, true, true, 12))])),
    );
    write_vocabulary(source.path());
    let record = tempfile::tempdir().unwrap();
    convert(source.path(), record.path()).unwrap();
    // Names that a conversion would remove, were they in its own folder.
    for name in ["thesis.tex", "lock", "model.bpk", "vocab.txt"] {
        fs::write(victim.path().join(name), "mine").unwrap();
    }
    let before = contents(victim.path());
    let refused = |out: &Path| {
        for result in [
            convert(source.path(), out).map(|_| ()),
            export(Format::Tf, record.path(), out, &mut |_, _| {}).map(|_| ()),
        ] {
            assert!(result.is_err());
        }
        assert_eq!(contents(victim.path()), before);
    };

    let out = tempfile::tempdir().unwrap();
    symlink(victim.path(), out.path().join(".converting")).unwrap();
    refused(out.path());
    for name in ["lock", "model.bpk", "vocab.txt"] {
        let out = tempfile::tempdir().unwrap();
        let folder = out.path().join(".converting");
        fs::create_dir(&folder).unwrap();
        symlink(victim.path().join(name), folder.join(name)).unwrap();
        refused(out.path());
        assert!(folder.join(name).exists());
    }
    // A file's mode stays.
    use std::os::unix::fs::PermissionsExt;
    let out = tempfile::tempdir().unwrap();
    convert(source.path(), out.path()).unwrap();
    let file = out.path().join("model.bpk");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    convert(source.path(), out.path()).unwrap();
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    // The files themselves may be links: these are replaced, not what they point to.
    let out = tempfile::tempdir().unwrap();
    convert(source.path(), out.path()).unwrap();
    let link = out.path().join("vocab.txt");
    fs::remove_file(&link).unwrap();
    symlink(victim.path().join("vocab.txt"), &link).unwrap();
    convert(source.path(), out.path()).unwrap();
    assert_eq!(contents(victim.path()), before);
}

#[test]
fn a_copied_folder_gives_its_own_checkpoint_and_not_the_one_it_was_copied_from() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["v1", "v2"].map(|name| folder.path().join(name));
    for (path, made) in [(&first, variables(&config(&[]))), (&second, changed())] {
        fs::create_dir(path).unwrap();
        write(path, "model.ckpt", 1, &made);
    }
    let own = [content(&first), content(&second)];
    let named = first.join("model.ckpt").display().to_string();
    let state = format!(
        "model_checkpoint_path: \"{}\"\n",
        named.replace('\\', "\\\\")
    );
    for path in [&first, &second] {
        fs::write(path.join("checkpoint"), &state).unwrap();
    }
    assert_eq!([content(&first), content(&second)], own);
    assert_eq!(inspect(&first).unwrap().warnings, [""; 0]);
    let warnings = inspect(&second).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].ends_with("in another folder; took \"model.ckpt\" beside it"),
        "{warnings:?}"
    );

    // A relative path that leaves the folder is no better.
    fs::write(
        second.join("checkpoint"),
        "model_checkpoint_path: \"../v1/model.ckpt\"\n",
    )
    .unwrap();
    assert_eq!(content(&second), own[1]);

    // Nothing of that name beside it: nobody knows which one is meant.
    fs::rename(
        second.join("model.ckpt.index"),
        second.join("model.ckpt-7.index"),
    )
    .unwrap();
    let error = inspect(&second).unwrap_err().to_string();
    assert!(
        error.contains("which is in another folder") && error.contains("model.ckpt-7"),
        "{error}"
    );
}

//! Tests which record a path leads to: made from what is there now, stored where it damages
//! nothing, and reused only while it is that checkpoint's.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::place::golden;
use checkpoints_convert::{Format, convert, export, pack};
use electra::model::{
    folder::{Error, Finder},
    record,
};

/// A folder with the tiny checkpoint and a modified one, with its own cache.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let zip = golden("models/electra_tiny.zip");
        convert(&zip, &place.path("first"), &mut |_, _| {}).unwrap();
        place.record_like("first", "second", |bytes| bytes[0] ^= 1);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Copies a record and changes its first tensor.
    fn record_like(&self, from: &str, to: &str, edit: impl FnOnce(&mut Vec<u8>)) {
        copy(&self.path(from), &self.path(to));
        let file = self.path(to).join("model.bpk");
        let mut tensors = pack::open(&file).unwrap().tensors;
        let (name, dtype, shape, id, bytes) = tensors.remove(0).into_parts().unwrap();
        let mut bytes = bytes.to_vec();
        edit(&mut bytes);
        let bytes = burn_pack::Bytes::from_bytes_vec(bytes);
        tensors.push(burn_pack::Tensor::new(name, dtype, shape, id, bytes));
        pack::write(tensors, &[("producer", "checkpoints-convert")], &file).unwrap();
    }

    /// Writes a record's weights as a TensorFlow checkpoint or a Hugging Face model into a folder.
    fn put(&self, format: Format, record: &str, folder: &str) -> PathBuf {
        let made = self.path("made");
        export(format, &self.path(record), &made, &mut |_, _| {}).unwrap();
        fs::remove_file(made.join("export.json")).unwrap();
        copy(&made, &self.path(folder));
        fs::remove_dir_all(&made).unwrap();
        self.path(folder)
    }

    /// Returns the record, and the notes.
    fn find(&self, path: &Path, home: Option<&Path>) -> Result<(PathBuf, Vec<String>), Error> {
        let mut notes = Vec::new();
        let found = Finder {
            home,
            cache: Some(self.path("cache")),
            note: &mut |line| notes.push(line.into()),
            progress: &mut |_, _| {},
        }
        .find(path)?;
        Ok((found.path, notes))
    }

    /// Returns the identity of the weights of the record in a folder.
    fn identity(&self, folder: &Path) -> String {
        let stored = record::open(&folder.join("model.bpk")).unwrap();
        stored.identity().unwrap()
    }

    fn own(&self, record: &str) -> String {
        self.identity(&self.path(record))
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Returns name and bytes of every file below a folder.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(contents(&path));
            found.insert(path, Vec::new());
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

fn zip(folder: &Path, to: &Path) {
    let mut zip = zip::ZipWriter::new(fs::File::create(to).unwrap());
    for (path, bytes) in contents(folder) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(name, options).unwrap();
        std::io::Write::write_all(&mut zip, &bytes).unwrap();
    }
    zip.finish().unwrap();
}

#[test]
fn elsewhere_nothing_is_written_and_the_cache_holds_the_record_of_the_content() {
    let place = Place::new();
    for format in [Format::Tf, Format::Hf] {
        let [folder, again] = ["model", "copied"].map(|name| place.put(format, "first", name));
        let before = contents(&folder);
        let (path, notes) = place.find(&folder, None).unwrap();
        assert!(path.starts_with(place.path("cache/records")), "{path:?}");
        assert_eq!(place.identity(&path), place.own("first"));
        let expected = format!("converted {} to {} (", folder.display(), path.display());
        assert!(
            notes.len() == 1 && notes[0].starts_with(&expected),
            "{notes:?}"
        );
        assert_eq!(contents(&folder), before);
        // On a second use, and at any location.
        assert_eq!(place.find(&folder, None).unwrap(), (path.clone(), vec![]));
        assert_eq!(place.find(&again, None).unwrap(), (path, vec![]));

        place.put(format, "second", "model");
        let (path, notes) = place.find(&folder, None).unwrap();
        assert_eq!(place.identity(&path), place.own("second"));
        assert_eq!(notes.len(), 1);
        for name in ["model", "copied"] {
            fs::remove_dir_all(place.path(name)).unwrap();
        }
    }
}

#[test]
fn at_home_the_record_stands_beside_its_checkpoint_and_follows_it() {
    let place = Place::new();
    let home = place.path("data/models/tiny");
    for (format, kept) in [(Format::Tf, ""), (Format::Hf, "record")] {
        place.put(format, "first", "data/models/tiny");
        let (path, _) = place.find(&home, Some(&home)).unwrap();
        assert_eq!(path, home.join(kept));
        assert_eq!(place.identity(&path), place.own("first"));
        assert_eq!(
            place.find(&home, Some(&home)).unwrap(),
            (path.clone(), vec![])
        );
        // Another command finds it there too.
        assert_eq!(place.find(&home, None).unwrap(), (path.clone(), vec![]));

        place.put(format, "second", "data/models/tiny");
        let before = contents(&home);
        let (cached, notes) = place.find(&home, None).unwrap();
        assert!(cached.starts_with(place.path("cache")));
        assert_eq!(place.identity(&cached), place.own("second"));
        assert!(notes[0].ends_with("was made from other weights: that record is ignored"));
        assert_eq!(contents(&home), before);

        let (again, notes) = place.find(&home, Some(&home)).unwrap();
        assert_eq!(
            (&again, place.identity(&again)),
            (&path, place.own("second"))
        );
        assert!(
            notes[0].ends_with("was made from other weights: it is converted again"),
            "{notes:?}"
        );
        assert_eq!(notes.len(), 2);
        fs::remove_dir_all(&home).unwrap();
    }
    assert!(
        !place
            .path("cache/records")
            .read_dir()
            .unwrap()
            .any(|entry| {
                let stored = record::open(&entry.unwrap().path().join("model.bpk")).unwrap();
                stored.identity().unwrap() == place.own("first")
            })
    );
}

#[test]
fn a_zip_is_not_answered_for_by_whatever_has_its_name() {
    let place = Place::new();
    let folder = place.put(Format::Tf, "second", "unpacked");
    zip(&folder, &place.path("m.zip"));
    // Beside it there are an older record and one that was fine-tuned.
    copy(&place.path("first"), &place.path("m"));
    let (path, notes) = place.find(&place.path("m.zip"), None).unwrap();
    assert_eq!(place.identity(&path), place.own("second"));
    assert!(notes[0].contains("other weights"), "{notes:?}");
    fs::write(place.path("m/config.json"), r#"{"task_names": ["squad"]}"#).unwrap();
    let before = contents(&place.path("m"));
    for home in [None, Some(place.path("m"))] {
        let (path, _) = place.find(&place.path("m.zip"), home.as_deref()).unwrap();
        assert_eq!(place.identity(&path), place.own("second"));
        assert_eq!(contents(&place.path("m")), before);
    }

    fs::remove_dir_all(place.path("m")).unwrap();
    let home = place.path("m");
    let (path, _) = place.find(&place.path("m.zip"), Some(&home)).unwrap();
    assert_eq!((&path, place.identity(&path)), (&home, place.own("second")));
    // Unpacked, it is the same checkpoint.
    let (path, notes) = place.find(&folder, None).unwrap();
    assert!(
        path.starts_with(place.path("cache")) && notes.is_empty(),
        "{notes:?}"
    );
}

#[test]
fn a_prefix_has_a_record_of_its_own() {
    let place = Place::new();
    let home = place.put(Format::Tf, "first", "home");
    let prefix = home.join("model.ckpt");
    let (path, _) = place.find(&prefix, Some(&home)).unwrap();
    assert_eq!(path, home.join("model.ckpt.record"));
    place.put(Format::Tf, "second", "home");
    let (path, notes) = place.find(&prefix, Some(&home)).unwrap();
    assert_eq!(place.identity(&path), place.own("second"));
    assert_eq!((path, notes.len()), (home.join("model.ckpt.record"), 2));
}

#[test]
fn a_checkpoint_with_a_configuration_of_its_own_keeps_it() {
    let place = Place::new();
    let home = place.put(Format::Tf, "first", "home");
    let config = r#"{"hidden_size": 128, "num_attention_heads": 2, "intermediate_size": 512}"#;
    fs::write(home.join("config.json"), config).unwrap();
    let (path, _) = place.find(&home, Some(&home)).unwrap();
    assert_eq!(path, home.join("record"));
    assert_eq!(place.find(&home, Some(&home)).unwrap(), (path, vec![]));
    assert_eq!(
        fs::read_to_string(home.join("config.json")).unwrap(),
        config
    );
}

#[test]
fn a_record_without_its_checkpoint_is_a_model_and_two_halves_are_none() {
    let place = Place::new();
    let first = place.path("first");
    assert_eq!(place.find(&first, None).unwrap(), (first.clone(), vec![]));
    fs::copy(place.path("second/model.bpk"), first.join("model.bpk")).unwrap();
    let error = place.find(&first, None).unwrap_err();
    assert!(matches!(error, Error::Mixed { .. }), "{error}");
    // A fine-tuned model in place of a converted one has no conversion to match.
    fs::write(first.join("config.json"), r#"{"task_names": ["squad"]}"#).unwrap();
    assert_eq!(place.find(&first, None).unwrap(), (first, vec![]));
}

#[test]
fn a_checkpoint_that_was_deleted_after_its_conversion_is_not_missed_in_silence() {
    let place = Place::new();
    let home = place.put(Format::Tf, "first", "home");
    place.find(&home, Some(&home)).unwrap();
    fs::remove_file(home.join("model.ckpt.data-00000-of-00001")).unwrap();
    let (path, notes) = place.find(&home, Some(&home)).unwrap();
    assert_eq!(path, home);
    assert!(
        notes[0].contains("missing") && notes[0].contains("used unchecked"),
        "{notes:?}"
    );
}

#[test]
fn a_damaged_record_is_made_again_where_its_checkpoint_is_at_hand() {
    let place = Place::new();
    let elsewhere = place.put(Format::Tf, "first", "model");
    let home = place.put(Format::Tf, "first", "home");
    for (checkpoint, at_home) in [(&elsewhere, None), (&home, Some(home.as_path()))] {
        let (record, _) = place.find(checkpoint, at_home).unwrap();
        let [data, config] = ["model.bpk", "config.json"].map(|name| record.join(name));
        let plain = fs::read(&config).unwrap();
        // A threshold that was chosen for these weights is kept.
        let mut said: serde_json::Value = serde_json::from_slice(&plain).unwrap();
        said["qa_na_threshold"] = (-1.5).into();
        fs::write(&config, serde_json::to_string_pretty(&said).unwrap() + "\n").unwrap();
        assert_eq!(place.find(checkpoint, at_home).unwrap().1, [""; 0]);
        let whole = contents(&record);
        let damages: [fn(&mut Vec<u8>); 2] = [
            |bytes| {
                let middle = bytes.len() / 2;
                bytes[middle] ^= 1;
            },
            |bytes| bytes.truncate(1000),
        ];
        for damage in damages {
            let mut bytes = fs::read(&data).unwrap();
            damage(&mut bytes);
            fs::write(&data, bytes).unwrap();
            let (path, notes) = place.find(checkpoint, at_home).unwrap();
            assert!(notes[0].contains("is damaged"), "{notes:?}");
            assert!(notes[0].ends_with("it is converted again"), "{notes:?}");
            assert_eq!((path, notes.len()), (record.clone(), 2));
            assert!(contents(&record) == whole, "{}", record.display());
        }
        fs::write(&config, "{").unwrap();
        let (_, notes) = place.find(checkpoint, at_home).unwrap();
        assert!(notes[0].contains("is damaged"), "{notes:?}");
        assert_eq!(fs::read(&config).unwrap(), plain);
    }
    // Other weights have no threshold yet.
    let config = home.join("config.json");
    let text = fs::read_to_string(&config).unwrap();
    let calibrated = text.replacen('{', "{\"qa_na_threshold\": -1.5,", 1);
    fs::write(&config, calibrated).unwrap();
    place.put(Format::Tf, "second", "home");
    place.find(&home, Some(&home)).unwrap();
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
    // A record without its source cannot be repaired.
    fs::write(place.path("first/config.json"), "{").unwrap();
    let found = place.find(&place.path("first"), None).unwrap();
    assert_eq!(found, (place.path("first"), vec![]));
}

#[test]
fn without_a_cache_a_checkpoint_elsewhere_is_refused() {
    let place = Place::new();
    let folder = place.put(Format::Tf, "first", "model");
    let find = |cache: Option<PathBuf>| {
        let finder = Finder {
            home: None,
            cache,
            note: &mut |_| {},
            progress: &mut |_, _| {},
        };
        finder.find(&folder).unwrap_err().to_string()
    };
    assert!(find(None).contains("set XDG_CACHE_HOME"));
    fs::write(place.path("file"), "").unwrap();
    let error = find(Some(place.path("file")));
    assert!(
        error.contains("cannot be kept in") && error.contains("file/records"),
        "{error}"
    );
}

#[test]
fn an_identity_moves_with_the_weights_and_needs_no_checksums() {
    let place = Place::new();
    let first = place.path("first/model.bpk");
    assert_ne!(place.own("first"), place.own("second"));
    // As version 0.1 wrote it.
    let old = place.path("old.bpk");
    let tensors = pack::open(&first).unwrap().tensors;
    burn_pack::Writer::new(tensors).write_to_file(&old).unwrap();
    let stored = record::open(&old).unwrap();
    assert_eq!(stored.identity().unwrap(), place.own("first"));
}

#[test]
fn a_flipped_bit_is_refused_with_file_and_tensor() {
    let place = Place::new();
    let file = place.path("first/model.bpk");
    let name = "electra.embeddings.word.weight";
    let take = || {
        let mut stored = record::open(&file).unwrap();
        let shape = stored.tensors[name].shape.to_vec();
        stored.take(name, &shape).map_err(|error| error.to_string())
    };
    let values = take().unwrap().unwrap().into_bytes();
    let mut bytes = fs::read(&file).unwrap();
    let at = bytes.windows(64).position(|found| *found == values[..64]);
    bytes[at.unwrap() + 7] ^= 0x20;
    fs::write(&file, bytes).unwrap();
    let error = take().unwrap_err();
    assert!(
        error.contains("model.bpk: parameter electra.embeddings.word.weight"),
        "{error}"
    );
    assert!(error.contains("is damaged: its checksum is"), "{error}");
}

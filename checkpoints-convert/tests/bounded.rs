//! Files that say more than they hold, and files that are no files: each is refused with its name in
//! a moment and little memory, and what was not fetched is said to be so.

mod fixture;

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use checkpoints_convert::{inspect, is_checkpoint};
use fixture::hugging_face::{Pickle, Tensor, model, small, write_archive, write_safetensors};
use fixture::{config, golden, variables, write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const POINTER: &str =
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab\nsize 54236116\n";

/// The refusal of what is at `path`, which may not take long.
fn refusal(path: &Path) -> String {
    let began = Instant::now();
    let error = inspect(path).unwrap_err().to_string();
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}: {error}");
    assert!(error.len() < 4000, "{} bytes", error.len());
    error
}

#[test]
fn a_pickle_whose_entries_share_one_long_name_is_refused() {
    let folder = model();
    let weights = small();
    for (name, expected) in [(3_600_000, "a name of 3600000 bytes"), (9, "two tensors")] {
        let mut pickle = Pickle::new(false);
        pickle.bytes.push(b'}');
        pickle.text(&"n".repeat(name));
        pickle.bytes.extend(b"q\x01");
        tensor(&mut pickle, &weights[0]);
        pickle.bytes.extend(b"q\x02s(");
        pickle.bytes.extend(b"h\x01h\x02".repeat(99_000));
        pickle.bytes.extend(b"u.");
        write_archive(folder.path(), &pickle.bytes, &weights);
        let error = refusal(folder.path());
        assert!(error.contains("pytorch_model.bin"), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_pickle_whose_tensors_share_one_long_storage_name_is_refused() {
    let folder = model();
    let weights = small();
    let mut pickle = Pickle::new(false);
    pickle.bytes.push(b'}');
    pickle.text("a");
    pickle
        .bytes
        .extend(b"ctorch._utils\n_rebuild_tensor_v2\n((");
    pickle.text("storage");
    pickle.bytes.extend(b"ctorch\nFloatStorage\n");
    pickle.text(&"k".repeat(3_000_000));
    pickle.text("cpu");
    pickle.int(4);
    pickle.bytes.extend(b"tQ");
    pickle.int(0);
    pickle.sizes(&[4]);
    pickle.sizes(&[1]);
    pickle
        .bytes
        .extend(b"\x89ccollections\nOrderedDict\n)RtRs.");
    write_archive(folder.path(), &pickle.bytes, &weights);
    let error = refusal(folder.path());
    assert!(error.contains("a name of 3000000 bytes"), "{error}");
}

fn tensor(pickle: &mut Pickle, tensor: &Tensor) {
    let values = tensor.shape.iter().product();
    pickle.tensor(tensor, 0, values, 0, &vec![1; tensor.shape.len()]);
}

#[test]
fn long_names_in_a_header_are_refused() {
    let folder = model();
    let mut weights = small();
    weights[0].name = "n".repeat(1_000_000);
    write_safetensors(folder.path(), "model.safetensors", &weights);
    let error = refusal(folder.path());
    assert!(error.contains("a name of 1000000 bytes"), "{error}");
}

#[test]
fn one_file_of_weights_under_many_names_is_read_few_times() {
    let folder = model();
    write_safetensors(folder.path(), "w0", &small());
    let mut map = serde_json::Map::new();
    for number in 0..1000 {
        let name = format!("w{number}");
        if number > 0 {
            fs::hard_link(folder.path().join("w0"), folder.path().join(&name)).unwrap();
        }
        map.insert(format!("t{number}"), name.into());
    }
    let index = serde_json::json!({ "weight_map": map });
    let file = folder.path().join("model.safetensors.index.json");
    fs::write(file, index.to_string()).unwrap();
    let error = refusal(folder.path());
    assert!(error.contains("\"t0\" should be in it"), "{error}");
}

#[test]
fn a_pointer_of_git_lfs_is_said_whatever_it_stands_for() {
    for name in [
        "model.safetensors",
        "pytorch_model.bin",
        "model.safetensors.index.json",
    ] {
        let folder = model();
        fs::write(folder.path().join(name), POINTER).unwrap();
        assert!(is_checkpoint(folder.path()));
        let error = refusal(folder.path());
        assert!(
            error.contains(name) && error.contains("git lfs pull"),
            "{error}"
        );
        assert!(error.contains("54236116 bytes"), "{error}");
    }
    let folder = model();
    write_safetensors(folder.path(), "model.safetensors", &small());
    fs::write(folder.path().join("vocab.txt"), POINTER).unwrap();
    assert!(refusal(folder.path()).contains("git lfs pull"));

    let folder = tempfile::tempdir().unwrap();
    let zip = folder.path().join("electra_small.zip");
    fs::write(&zip, POINTER).unwrap();
    assert!(is_checkpoint(&zip));
    assert!(refusal(&zip).contains("git lfs pull"));
    write(folder.path(), "m", 1, &variables(&config(&[])));
    for name in ["m.data-00000-of-00001", "m.index"] {
        fs::write(folder.path().join(name), POINTER).unwrap();
        let error = refusal(folder.path());
        assert!(
            error.contains(name) && error.contains("git lfs pull"),
            "{error}"
        );
    }
}

#[test]
fn a_model_without_weights_is_said_to_be_one() {
    let folder = model();
    for name in ["", "tf_model.h5", "pytorch_model.bin.index.json"] {
        if !name.is_empty() {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        assert!(is_checkpoint(folder.path()));
        let error = refusal(folder.path());
        assert!(error.contains("no readable weights"), "{error}");
        assert!(error.contains(name), "{error}");
        let _ = fs::remove_file(folder.path().join(name));
    }
}

#[test]
fn parts_of_a_model_and_packed_ones_are_said_to_be_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.safetensors");
    write_safetensors(folder.path(), "model.safetensors", &small());
    for path in [folder.path(), &file] {
        assert!(is_checkpoint(path));
        let error = refusal(path);
        assert!(error.contains("without the config.json"), "{error}");
    }
    let path = folder.path().join("model.zip");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let options = SimpleFileOptions::default();
    zip.start_file("small/model.safetensors", options).unwrap();
    zip.write_all(&fs::read(&file).unwrap()).unwrap();
    zip.finish().unwrap();
    assert!(is_checkpoint(&path));
    assert!(refusal(&path).contains("unpack the archive"));

    // What is no record is said to be what it is.
    let export = |input: &Path| {
        let out = folder.path().join("out");
        let format = checkpoints_convert::Format::Hf;
        let done = checkpoints_convert::export(format, input, &out, &mut |_, _| {});
        done.unwrap_err().to_string()
    };
    let [empty, run] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    assert!(export(&folder.path().join("absent")).contains("absent: nothing there"));
    assert!(export(empty.path()).contains("holds no model.bpk"));
    let file = empty.path().join("model.bpk");
    fs::write(&file, "").unwrap();
    assert!(export(&file).contains("model.bpk: a file; expected the folder of a record"));
    for step in ["checkpoint-9", "checkpoint-11", "checkpoint-12.tmp"] {
        let step = run.path().join(step);
        fs::create_dir(&step).unwrap();
        fs::write(step.join("model.bpk"), "").unwrap();
    }
    let message = export(run.path());
    assert!(message.contains("has not ended"), "{message}");
    assert!(message.ends_with("checkpoint-11"), "{message}");
    let model = model();
    write_safetensors(model.path(), "model.safetensors", &small());
    assert!(export(model.path()).contains("a checkpoint that was not converted"));
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_among_a_model_s_files_are_refused_and_not_waited_for() {
    let pipe = |path: &Path| {
        let _ = fs::remove_file(path);
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    let zero = |path: &Path| {
        let _ = fs::remove_file(path);
        std::os::unix::fs::symlink("/dev/zero", path).unwrap();
    };
    for (kind, put) in [("a pipe", &pipe as &dyn Fn(&Path)), ("a device", &zero)] {
        for name in [
            "model.safetensors",
            "config.json",
            "vocab.txt",
            "tokenizer.json",
            "tokenizer_config.json",
            "special_tokens_map.json",
            "added_tokens.json",
        ] {
            let folder = model();
            write_safetensors(folder.path(), "model.safetensors", &small());
            put(&folder.path().join(name));
            let error = refusal(folder.path());
            assert!(
                error.contains(name) && error.contains(kind),
                "{name}: {error}"
            );
        }
        for name in [
            "m.index",
            "m.data-00000-of-00001",
            "checkpoint",
            "vocab.txt",
        ] {
            let folder = tempfile::tempdir().unwrap();
            write(folder.path(), "m", 1, &variables(&config(&[])));
            put(&folder.path().join(name));
            let error = refusal(folder.path());
            assert!(
                error.contains(name) && error.contains(kind),
                "{name}: {error}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let zip = folder.path().join("model.zip");
        put(&zip);
        assert!(!is_checkpoint(&zip));
        assert!(refusal(&zip).contains(kind));
        for name in ["config.json", "model.bpk"] {
            let folder = tempfile::tempdir().unwrap();
            fixture::convert(&golden("electra_tiny.zip"), folder.path()).unwrap();
            put(&folder.path().join(name));
            let error = checkpoints_convert::inspect_record(folder.path());
            let error = error.unwrap_err().to_string();
            assert!(
                error.contains(name) && error.contains(kind),
                "{name}: {error}"
            );
        }
    }
}

#[test]
fn a_cut_archive_is_said_in_words_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.zip");
    let bytes = fs::read(golden("electra_tiny.zip")).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 100]).unwrap();
    assert!(is_checkpoint(&path), "it is one, and cannot be read");
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_checkpoints-convert"))
        .arg("inspect")
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(done.status.code(), Some(2));
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(error.contains("cut off or damaged: download"), "{error}");
    assert_eq!(
        error.matches("end of central directory").count(),
        0,
        "{error}"
    );
    assert_eq!(error.to_lowercase().matches("eocd").count(), 1, "{error}");
}

#[test]
fn a_damaged_member_is_said_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("damaged.zip");
    fs::copy(golden("electra_tiny.zip"), &path).unwrap();
    let length = fs::metadata(&path).unwrap().len() as usize;
    fixture::flip_bit(&path, length / 2);
    let out = tempfile::tempdir().unwrap();
    let error = fixture::convert(&path, &out.path().join("new")).unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
}

/// Two hundred data files that are one member's bytes: read as they are named, they would take two
/// hundred times the archive.
#[test]
fn members_that_share_their_bytes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("source");
    fs::create_dir(&source).unwrap();
    write(&source, "m", 4, &variables(&config(&[])));
    let path = folder.path().join("shared.zip");
    let mut zip = ZipWriter::new(File::create(&path).unwrap());
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for name in fixture::contents(&source).keys() {
        zip.start_file(name, options).unwrap();
        zip.write_all(&fs::read(source.join(name)).unwrap())
            .unwrap();
    }
    zip.finish().unwrap();
    inspect(&path).unwrap();
    // The central directory gives every data file the packed size of the whole archive.
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len() as u32;
    let headers: Vec<usize> = (0..bytes.len() - 46)
        .filter(|&at| bytes[at..].starts_with(b"PK\x01\x02"))
        .filter(|&at| bytes[at + 46..].starts_with(b"m.data-"))
        .collect();
    assert_eq!(headers.len(), 4);
    for at in headers {
        bytes[at + 20..at + 24].copy_from_slice(&(length / 2).to_le_bytes());
    }
    fs::write(&path, bytes).unwrap();
    let error = refusal(&path);
    assert!(error.contains("share bytes"), "{error}");
}

//! What a terminal is sent: nothing that it would obey comes out of a file, and a summary fits its
//! columns.

mod fixture;

use std::fs;
use std::io::Write;
use std::path::Path;

use checkpoints_convert::command::{InspectArgs, Manner};
use fixture::hugging_face::{Tensor, model, small, write_safetensors};
use fixture::{config, convert, golden, head, variables, write};

/// What `inspect` prints, and its error.
fn inspected(path: &Path, all: bool, manner: Manner) -> (String, Option<String>) {
    let arguments = InspectArgs {
        input: path.into(),
        all,
    };
    let mut out = Vec::new();
    let done = arguments.run(false, manner, &mut out);
    (
        String::from_utf8(out).unwrap(),
        done.err().map(|error| error.to_string()),
    )
}

fn fits(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line:?} in\n{text}");
    }
}

#[test]
fn a_summary_folds_layers_and_counts_what_is_left_out() {
    let (text, error) = inspected(&golden("electra_tiny.zip"), false, Manner::Words);
    assert_eq!(error, None);
    fits(&text);
    let joined = text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        joined.contains(
            "encoder complete: 69 variables; 76 not needed (generator, pre-training heads, step counter)"
        ),
        "{text}"
    );
    assert!(
        joined.contains("4 layers of 128, 2 attention heads"),
        "{text}"
    );
    assert!(
        joined.contains("text: lower-cased, without accents"),
        "{text}"
    );
    assert!(joined.contains("layers 64 variables"), "{text}");
    assert!(text.lines().count() < 20, "{text}");
    let (all, _) = inspected(&golden("electra_tiny.zip"), true, Manner::Words);
    assert_eq!(all.lines().count(), 1 + 145 + 1);
}

#[test]
fn a_record_is_looked_at_like_any_checkpoint() {
    let (source, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = variables(&config(&[("squad", head(true, true, true, 12))]));
    write(source.path(), "m", 1, &made);
    convert(source.path(), out.path()).unwrap();
    for path in [out.path().to_owned(), out.path().join("model.bpk")] {
        let (text, error) = inspected(&path, false, Manner::Words);
        assert_eq!(error, None);
        fits(&text);
        assert!(text.contains("encoder complete: 23 parameters"), "{text}");
        assert!(
            text.contains("head squad complete: 10 parameters"),
            "{text}"
        );
    }
    let (text, _) = inspected(out.path(), true, Manner::Words);
    assert_eq!(text.lines().count(), 1 + 33 + 1);
    let (text, _) = inspected(out.path(), false, Manner::Json);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json["kind"], "record");
    assert_eq!(json["tensors"].as_array().unwrap().len(), 33);

    // A checkpoint of a run has its config.json one folder up.
    let step = out.path().join("checkpoint-7");
    fs::create_dir(&step).unwrap();
    fs::copy(out.path().join("model.bpk"), step.join("model.bpk")).unwrap();
    let (text, error) = inspected(&step, false, Manner::Words);
    assert!(
        error.is_none() && text.contains("head squad complete"),
        "{text}"
    );

    // One that lacks something says what.
    let file = out.path().join("config.json");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("\"num_hidden_layers\": 1", "\"num_hidden_layers\": 2"),
    )
    .unwrap();
    let (text, error) = inspected(out.path(), false, Manner::Words);
    fits(&text);
    assert!(
        text.contains("encoder incomplete: lacks 16 parameters"),
        "{text}"
    );
    assert!(error.unwrap().contains("electra.layers.1."));
}

const OBEYED: &str = "\u{1b}]0;title\u{7}\u{9b}31m\u{202e}gpj\u{2066}";

fn is_harmless(text: &str) -> bool {
    !text.chars().any(|c| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[test]
fn names_of_tensors_and_folders_never_reach_a_terminal_raw() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join(format!("m{OBEYED}"));
    fs::create_dir(&folder).unwrap();
    let from = model();
    for (name, bytes) in fixture::contents(from.path()) {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let mut weights = small();
    weights.push(Tensor {
        name: format!("x{OBEYED}\ny"),
        ..weights[0].clone()
    });
    write_safetensors(&folder, "model.safetensors", &weights);
    for (all, manner) in [
        (false, Manner::Words),
        (true, Manner::Words),
        (true, Manner::Json),
    ] {
        let (text, error) = inspected(&folder, all, manner);
        assert_eq!(error, None);
        assert!(is_harmless(&text), "{text:?}");
        assert!(text.contains("202e"), "it is shown: {text}");
    }
    let (text, _) = inspected(&folder, true, Manner::Words);
    assert_eq!(
        text.lines().count(),
        1 + 24 + 1,
        "a name has no line of its own"
    );

    // The program's own lines, warnings and errors.
    let run = |arguments: &[&Path]| {
        std::process::Command::new(env!("CARGO_BIN_EXE_checkpoints-convert"))
            .args(arguments)
            .output()
            .unwrap()
    };
    let out = parent.path().join(format!("out{OBEYED}"));
    for (arguments, code) in [
        (vec![Path::new("convert"), &folder, &out], 0),
        (vec![Path::new("verify"), &folder, &out], 0),
        (vec![Path::new("convert"), &out.join("absent"), &out], 2),
        (vec![Path::new("convert"), &folder, &folder], 2),
    ] {
        let done = run(&arguments);
        assert_eq!(done.status.code(), Some(code));
        for stream in [done.stdout, done.stderr] {
            let text = String::from_utf8(stream).unwrap();
            assert!(is_harmless(&text), "{text:?}");
        }
    }
}

#[test]
fn names_in_an_archive_never_reach_a_terminal_raw() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("two.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&path).unwrap());
    for name in ["a", OBEYED] {
        let options = zip::write::SimpleFileOptions::default();
        zip.start_file(format!("{name}/m.index"), options).unwrap();
        zip.write_all(b"").unwrap();
    }
    zip.finish().unwrap();
    let error = checkpoints_convert::inspect(&path).unwrap_err();
    let line = checkpoints_convert::command::one_line(&error);
    assert!(is_harmless(&line) && line.contains(r"\u{202e}"), "{line:?}");
}

//! Tests `electra data split`, `merge` and `stats` with the real program.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

use crate::support::golden;

fn electra(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_electra"))
        .arg("data")
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap()
}

/// Runs a command that must exit with `code`; returns standard output and standard error.
#[track_caller]
fn told(folder: &Path, arguments: &[&str], code: i32) -> (String, String) {
    let output = electra(folder, arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let ended = output.status.code();
    assert_eq!(ended, Some(code), "{arguments:?}: {stdout}{stderr}");
    (stdout, stderr)
}

/// Returns the JSON that a command prints.
#[track_caller]
fn figures(folder: &Path, arguments: &[&str]) -> Value {
    let (stdout, _) = told(folder, &[arguments, &["--json"]].concat(), 0);
    serde_json::from_str(&stdout).unwrap()
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

/// Returns the questions of a document by id, each with its article's title and its passage.
fn questions(file: &Path) -> BTreeMap<String, (String, String, Value)> {
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let list = |value: &Value| value.as_array().unwrap().clone();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all = BTreeMap::new();
    for article in list(&document["data"]) {
        for paragraph in list(&article["paragraphs"]) {
            for question in list(&paragraph["qas"]) {
                let (title, context) = (text(&article["title"]), text(&paragraph["context"]));
                let id = text(&question["id"]);
                let earlier = all.insert(id, (title, context, question));
                assert_eq!(earlier, None, "twice");
            }
        }
    }
    all
}

fn squad() -> PathBuf {
    golden("data/squad2-tiny.dev.json")
}

const OUT: [&str; 4] = ["--train", "train.json", "--dev", "dev.json"];

#[test]
fn a_split_keeps_passages_or_articles_together_and_loses_nothing() {
    let squad = squad();
    let all = questions(&squad);
    assert_eq!(all.len(), 60);
    // Two articles with nine, nine, ten, two, ten, ten and ten questions per passage.
    for (flags, passages, articles) in [
        (&["--share", "0.2"][..], true, false),
        (&["--share", "0.5", "--by", "article"], true, true),
        (&["--share", "0.5", "--by", "row"], false, false),
    ] {
        let place = folder(&[]);
        let path = |name: &str| place.path().join(name);
        let file = squad.to_str().unwrap();
        let found = figures(place.path(), &[&["split", file], flags, &OUT].concat());
        let (train, dev) = (questions(&path("train.json")), questions(&path("dev.json")));
        assert_eq!(found["train"]["questions"], train.len());
        assert_eq!(found["dev"]["questions"], dev.len());
        // Every question is in exactly one part, unchanged.
        let mut both = train.clone();
        both.extend(dev.clone());
        assert_eq!(both, all, "{flags:?}");
        assert_eq!(train.len() + dev.len(), all.len(), "{flags:?}");
        let of = |part: &BTreeMap<String, (String, String, Value)>, article: bool| {
            let of_one = |(title, context, _): &(String, String, Value)| match article {
                true => title.clone(),
                false => context.clone(),
            };
            part.values().map(of_one).collect::<BTreeSet<String>>()
        };
        let common = of(&train, false).intersection(&of(&dev, false)).count();
        assert_eq!(common == 0, passages, "{flags:?}: {common}");
        assert_eq!(found["passages_in_both"], common);
        assert_eq!(found["train"]["passages"], of(&train, false).len());
        let common = of(&train, true).intersection(&of(&dev, true)).count();
        assert_eq!(common == 0, articles, "{flags:?}: {common}");
        // The held-out fraction is as close to the requested one as whole passages and articles
        // allow.
        let share = dev.len() as f64 / 60.0;
        let asked: f64 = flags[1].parse().unwrap();
        assert!(share > 0.0 && share <= asked + 1e-9, "{flags:?}: {share}");
        let document: Value = serde_json::from_slice(&fs::read(path("dev.json")).unwrap()).unwrap();
        assert_eq!(document["version"], "v2.0");
        told(place.path(), &["check", "dev.json"], 0);
    }
}

#[test]
fn a_split_is_drawn_by_its_seed() {
    let place = folder(&[]);
    let squad = squad();
    let file = squad.to_str().unwrap();
    let drawn = |name: &str, seed: &str| {
        let (train, dev) = (format!("{name}.train.json"), format!("{name}.dev.json"));
        let out = ["--train", &train, "--dev", &dev, "--seed", seed];
        let asked = [&["split", file, "--by", "row", "--share", "0.3"], &out[..]].concat();
        let (printed, warned) = told(place.path(), &asked, 0);
        assert!(printed.contains(": 18 questions on "), "{printed}");
        let last = format!("by row, seed {seed}: passages are in both\n");
        assert!(printed.ends_with(&last), "{printed}");
        assert!(
            warned.contains("--by passage keeps each in one file"),
            "{warned}"
        );
        fs::read(place.path().join(dev)).unwrap()
    };
    let first = drawn("a", "7");
    assert_eq!(drawn("b", "7"), first);
    assert_ne!(drawn("c", "8"), first);
}

#[test]
fn rows_lines_and_csv_are_split_in_their_own_form() {
    let row = |id: usize, title: &str, context: &str| {
        json!({
            "id": id.to_string(), "title": title, "context": context, "question": format!("Q{id}?"),
            "answers": {"text": ["oak"], "answer_start": [3]}, "more": [null, 0.1],
        })
        .to_string()
    };
    // Four passages of two rows each; the first two have the same title.
    let rows: Vec<String> = (0..8)
        .map(|id| {
            let passage = format!("An oak, number {}.", id / 2);
            row(id, ["T", "T", "U", "V"][id / 2], &passage)
        })
        .collect();
    let csv_rows = (0..8).map(|id| format!("{id},\"An oak,\nnumber {}.\",Q{id}?,\n", id / 2));
    let csv = format!(
        "id,context,question,answers\n{}",
        csv_rows.collect::<String>()
    );
    let place = folder(&[
        ("rows.jsonl", &(rows.join("\n") + "\n")),
        ("rows.csv", &csv),
    ]);
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    let out = ["--train", "train.jsonl", "--dev", "dev.jsonl"];
    let asked = ["split", "rows.jsonl", "--share", "0.25"];
    let (printed, _) = told(place.path(), &[&asked[..], &out].concat(), 0);
    assert_eq!(
        printed,
        "train.jsonl: 6 questions on 3 passages\ndev.jsonl: 2 questions on 1 passage\n\
         by passage, seed 1: no passage is in both\n"
    );
    let (train, dev) = (read("train.jsonl"), read("dev.jsonl"));
    let mut lines: Vec<&str> = train.lines().chain(dev.lines()).collect();
    lines.sort_unstable();
    assert_eq!(lines, rows, "rows as they were");

    let out = ["--train", "t.train.jsonl", "--dev", "t.dev.jsonl"];
    let asked = ["split", "rows.jsonl", "--share", "0.5", "--by", "article"];
    told(place.path(), &[&asked[..], &out].concat(), 0);
    let titles = |name: &str| -> BTreeSet<String> {
        let text = read(name);
        let lines = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|row| row["title"].as_str().unwrap().to_owned())
            .collect()
    };
    let (train, dev) = (titles("t.train.jsonl"), titles("t.dev.jsonl"));
    assert!(
        train.is_disjoint(&dev) && train.len() + dev.len() == 3,
        "{train:?} {dev:?}"
    );

    let out = ["--train", "train.csv", "--dev", "dev.csv"];
    let asked = ["split", "rows.csv", "--share", "0.25"];
    told(place.path(), &[&asked[..], &out].concat(), 0);
    let (train, dev) = (read("train.csv"), read("dev.csv"));
    let header = "id,context,question,answers\n";
    let (train, dev) = (
        train.strip_prefix(header).unwrap(),
        dev.strip_prefix(header).unwrap(),
    );
    assert_eq!(train.len() + dev.len(), csv.len() - header.len());
    assert!(dev.contains("\"An oak,\nnumber "), "{dev}");
    let (_, refused) = told(
        place.path(),
        &[
            "split", "rows.csv", "--share", "0.5", "--by", "article", "--train", "x", "--dev", "y",
        ],
        2,
    );
    assert!(
        refused.contains("rows.csv: expected articles, or rows with a title, found none"),
        "{refused}"
    );
}

#[test]
fn texts_and_words_are_split_by_row() {
    let reviews: String = (0..20)
        .map(|n| format!("\"film, {}\",{}\n", n / 2, ["good", "bad"][n / 2 % 2]))
        .collect();
    let tagged: String = (0..10)
        .map(|n| format!("Ada\tB-PER\nwrote\tO\n{n}\tO\n\n"))
        .collect();
    let place = folder(&[
        (
            "reviews.csv",
            &format!("review,label\n{reviews}").replace("review", "text"),
        ),
        ("names.conll", &tagged),
    ]);
    fs::copy(golden("glue/rte/train.tsv"), place.path().join("rte.tsv")).unwrap();
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    for (file, flags, share, all, held) in [
        ("reviews.csv", &[][..], "0.2", 20, 4),
        ("names.conll", &[], "0.2", 10, 2),
        ("rte.tsv", &["--task", "rte"], "0.25", 48, 12),
    ] {
        let (train, dev) = (format!("{file}.train"), format!("{file}.dev"));
        let out = ["--share", share, "--train", &train, "--dev", &dev];
        let found = figures(place.path(), &[&["split", file], flags, &out[..]].concat());
        let rows = |part: &str| found[part]["rows"].as_u64().unwrap();
        assert_eq!(rows("train") + rows("dev"), all, "{file}");
        assert!(
            rows("dev") <= held && rows("dev") * 2 >= held,
            "{file}: {found}"
        );
        let (train, dev, whole) = (read(&train), read(&dev), read(file));
        let head = match file {
            "names.conll" => "",
            _ => whole.split_inclusive('\n').next().unwrap(),
        };
        assert!(train.starts_with(head) && dev.starts_with(head), "{file}");
        assert_eq!(train.len() + dev.len(), whole.len() + head.len(), "{file}");
        let lines = |text: &str| -> BTreeSet<String> {
            let below = text[head.len()..].lines().filter(|line| !line.is_empty());
            below.map(str::to_owned).collect()
        };
        if file == "reviews.csv" {
            assert!(lines(&train).is_disjoint(&lines(&dev)), "{dev}");
            let of = |label: &str| dev.matches(label).count();
            assert_eq!((of(",good"), of(",bad")), (2, 2), "each class has its part");
        }
    }
    let asked = ["split", "reviews.csv", "--share", "0.2", "--by", "passage"];
    let out = ["--train", "x", "--dev", "y"];
    let (_, refused) = told(place.path(), &[&asked[..], &out].concat(), 2);
    assert!(
        refused.contains("reviews.csv: expected passages, found rows of texts or words"),
        "{refused}"
    );
}

#[test]
fn nothing_is_replaced_and_no_half_is_left() {
    let place = folder(&[("dev.json", "mine"), ("taken", "mine")]);
    let squad = squad();
    let file = squad.to_str().unwrap();
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    fn split<'a>(file: &'a str, out: &[&'a str]) -> Vec<&'a str> {
        [&["split", file, "--share", "0.2"], out].concat()
    }
    let (_, refused) = told(place.path(), &split(file, &OUT), 2);
    assert!(
        refused.contains("dev.json: exists, and is not replaced; give another file"),
        "{refused}"
    );
    assert!(!place.path().join("train.json").exists());
    let (_, refused) = told(
        place.path(),
        &split(file, &["--train", "a", "--dev", "./a"]),
        2,
    );
    assert!(refused.contains("both parts would go there"), "{refused}");
    // A folder that cannot be created, for the second file.
    let out = ["--train", "train.json", "--dev", "taken/dev.json"];
    let (_, refused) = told(place.path(), &split(file, &out), 2);
    assert!(refused.contains("taken/dev.json: "), "{refused}");
    assert!(!place.path().join("train.json").exists());
    let (_, refused) = told(
        place.path(),
        &[
            &["split", file, "--share", "0.01"],
            &["--train", "a", "--dev", "b"][..],
        ]
        .concat(),
        2,
    );
    assert!(
        refused
            .contains("--share 0.01: 0 of 60 questions would be held out, for up to 10 questions"),
        "{refused}"
    );
    let (_, refused) = told(
        place.path(),
        &["merge", file, file, "--output", "dev.json"],
        2,
    );
    assert!(refused.contains("exists, and is not replaced"), "{refused}");
    assert_eq!(
        (read("dev.json"), read("taken")),
        ("mine".into(), "mine".into())
    );
    assert_eq!(fs::read_dir(place.path()).unwrap().count(), 2);
}

#[test]
fn parts_put_together_are_the_whole_and_ids_that_collide_are_told() {
    let place = folder(&[]);
    let squad = squad();
    let file = squad.to_str().unwrap();
    let asked = ["split", file, "--share", "0.4"];
    told(place.path(), &[&asked[..], &OUT].concat(), 0);
    let asked = ["merge", "train.json", "dev.json", "--output", "all.json"];
    let found = figures(place.path(), &asked);
    assert_eq!(
        (&found["count"], &found["doubles"]),
        (&json!(60), &json!(0))
    );
    let path = |name: &str| place.path().join(name);
    assert_eq!(questions(&path("all.json")), questions(&squad));

    let asked = ["merge", "all.json", "dev.json", "--output", "more.json"];
    let (_, refused) = told(place.path(), &asked, 2);
    let dev = questions(&path("dev.json"));
    let count = dev.len();
    let beginning = format!(
        "error: expected each id once, found {count} questions with an id that an earlier one has, {count} \
         of them the same question on the same passage: "
    );
    assert!(refused.starts_with(&beginning), "{refused}");
    assert!(refused.contains("(all.json, article ") && refused.contains("; dev.json, article "));
    assert!(!path("more.json").exists());
    let found = figures(place.path(), &[&asked[..], &["--rename"]].concat());
    assert_eq!(found["doubles"], count);
    let renamed = found["renamed"].as_array().unwrap();
    assert_eq!(renamed.len(), count);
    let more = questions(&path("more.json"));
    assert_eq!(more.len(), 60 + count);
    for one in renamed {
        let text = |key: &str| one[key].as_str().unwrap();
        let (id, new_id) = (text("id"), text("new_id"));
        assert_eq!(new_id, format!("{id}-2"));
        let (mut old, new) = (more[id].clone(), more[new_id].clone());
        old.2["id"] = json!(new_id);
        assert_eq!(old, new);
    }
    let (_, same) = told(place.path(), &["check", "more.json"], 0);
    assert_eq!(same, "");
}

#[test]
fn files_of_other_forms_are_not_mixed() {
    let line = |id: &str| {
        json!({"context": "An oak.", "qas": [{
            "qid": id, "question": "What?", "answers": ["oak"],
            "detected_answers": [{"text": "oak", "char_spans": [[3, 5]]}],
        }]})
    };
    let header = json!({"header": {"dataset": "X"}});
    let mrqa = |id: &str| format!("{header}\n{}\n", line(id));
    let old = r#"{"version": "1.1", "data": [{"paragraphs": [{"context": "An oak.", "qas": [{"id": "x", "question": "What?", "answers": [{"text": "oak", "answer_start": 3}]}]}]}]}"#;
    let place = folder(&[
        ("a.jsonl", &mrqa("1")),
        ("b.jsonl", &mrqa("2")),
        ("old.json", old),
        (
            "test.json",
            &old.replace(r#", "answers": [{"text": "oak", "answer_start": 3}]"#, "")
                .replace("\"x\"", "\"z\""),
        ),
        ("a.csv", "text,label\nx,1\ny,0\n"),
        ("b.csv", "label,text\n1,x\n0,z\n"),
        ("c.csv", "text,label\ny,0\nz,1\n"),
    ]);
    let read = |name: &str| fs::read_to_string(place.path().join(name)).unwrap();
    let merge = |files: &[&str], output: &str, code| {
        let asked = [&["merge"], files, &["--output", output]].concat();
        told(place.path(), &asked, code)
    };
    // There is only one header.
    merge(&["a.jsonl", "b.jsonl"], "ab.jsonl", 0);
    assert_eq!(
        read("ab.jsonl"),
        format!("{header}\n{}\n{}\n", line("1"), line("2"))
    );
    // A document with SQuAD 2.0 questions states that version.
    let squad = squad();
    merge(&["old.json", squad.to_str().unwrap()], "two.json", 0);
    let two: Value = serde_json::from_str(&read("two.json")).unwrap();
    assert_eq!(
        (&two["version"], two["data"].as_array().unwrap().len()),
        (&json!("v2.0"), 3)
    );

    let (printed, _) = merge(&["a.csv", "c.csv"], "ac.csv", 0);
    assert_eq!(read("ac.csv"), "text,label\nx,1\ny,0\ny,0\nz,1\n");
    assert_eq!(
        printed,
        "a.csv: 2 rows\nc.csv: 2 rows\nac.csv: 4 rows\n\
         doubles: 1 (the same text as an earlier one)\n"
    );
    for (files, part) in [
        (
            ["a.jsonl", "old.json"],
            "old.json: expected mrqa's passages, as a.jsonl has it, found articles; ",
        ),
        (
            ["old.json", "test.json"],
            "test.json: expected answers, as old.json has it, found no answers; a test file",
        ),
        (
            ["old.json", "a.csv"],
            "a.csv: expected questions, as old.json has it, found texts",
        ),
        (
            ["a.csv", "b.csv"],
            "b.csv: expected classification in csv with the first row text,label",
        ),
    ] {
        let (_, refused) = merge(&files, "no.json", 2);
        let refused = refused.replace("MRQA", "mrqa");
        assert!(refused.contains(part), "{part}: {refused}");
        assert!(!place.path().join("no.json").exists());
    }
}

#[test]
fn figures_stand_side_by_side() {
    let place = folder(&[(
        "films.csv",
        "text,label\na film,good\nthe film,bad\na film,good\n",
    )]);
    let squad = squad();
    fs::copy(&squad, place.path().join("all.json")).unwrap();
    let asked = ["split", "all.json", "--share", "0.4"];
    told(place.path(), &[&asked[..], &OUT].concat(), 0);
    let found = figures(
        place.path(),
        &["stats", "all.json", "train.json", "dev.json"],
    );
    let files = found["files"].as_array().unwrap();
    for (place_, name) in ["all.json", "train.json", "dev.json"].iter().enumerate() {
        let checked = figures(place.path(), &["check", name]);
        for key in [
            "questions",
            "passages",
            "answers",
            "windows",
            "passage_tokens",
            "question_tokens",
            "answer_tokens",
            "windows_per_question",
            "tokens",
            "errors",
            "warnings",
        ] {
            assert_eq!(files[place_][key], checked[key], "{name}: {key}");
        }
        assert_eq!(files[place_]["doubles"], 0);
    }
    let sum = |key: &str| files[1][key].as_u64().unwrap() + files[2][key].as_u64().unwrap();
    assert_eq!((sum("questions"), sum("passages")), (60, 7));
    // The whole contains each part, and the parts are disjoint.
    let common = found["common"].as_array().unwrap();
    assert_eq!(common.len(), 2, "{common:?}");
    for (one, part) in common.iter().zip([1, 2]) {
        assert_eq!(one["files"][0], "all.json");
        for (key, of_part) in [
            ("ids", "questions"),
            ("doubles", "questions"),
            ("passages", "passages"),
        ] {
            assert_eq!(one[key], files[part][of_part], "{one}");
        }
    }
    let (printed, _) = told(
        place.path(),
        &["stats", "train.json", "dev.json", "films.csv"],
        0,
    );
    for part in [
        "                       train.json",
        "questions              ",
        "tokens of a passage    ",
        "doubles in the file    0",
        "labels               bad 1, good 2",
        "doubles in the file  1",
        "no two files have anything in common",
    ] {
        assert!(printed.contains(part), "{part:?} is not in {printed}");
    }
    assert!(
        printed.lines().all(|line| line.chars().count() <= 80),
        "{printed}"
    );
}

/// Returns a document with a question for each of these ids, each on a passage of its own.
fn document(ids: &[&str]) -> String {
    let paragraphs = ids.iter().map(|id| {
        json!({"context": format!("An oak, {id}."), "qas": [{
            "id": id, "question": "What?", "answers": [{"text": "oak", "answer_start": 3}],
        }]})
    });
    let paragraphs: Vec<Value> = paragraphs.collect();
    json!({"version": "1.1", "data": [{"title": "T", "paragraphs": paragraphs}]}).to_string()
}

#[cfg(target_os = "linux")]
#[test]
fn parts_in_one_place_are_refused_under_whatever_name() {
    let place = folder(&[("all.json", &document(&["a", "b", "c", "d"]))]);
    let path = |name: &str| place.path().join(name);
    fs::create_dir(path("d")).unwrap();
    std::os::unix::fs::symlink("d", path("link")).unwrap();
    std::os::unix::fs::symlink("all.json", path("input")).unwrap();
    fs::hard_link(path("all.json"), path("hard")).unwrap();
    let split = |train: &str, dev: &str| {
        let asked = ["split", "all.json", "--share", "0.25", "--train", train];
        told(place.path(), &[&asked[..], &["--dev", dev]].concat(), 2).1
    };
    for (train, dev) in [
        ("d/x.json", "link/x.json"),
        ("s", "./d/../s"),
        ("s", "link/../s"),
        ("d/new/s", "link/new/s"),
        ("/dev/stdout", "/dev/fd/1"),
    ] {
        let refused = split(train, dev);
        let expected = format!("{dev}: both parts would go there; give each its own file");
        assert!(refused.contains(&expected), "{refused}");
    }
    for input in ["all.json", "./d/../all.json", "input", "hard"] {
        let refused = split("train.json", input);
        let expected = format!("{input}: exists, and is not replaced");
        assert!(refused.contains(&expected), "{refused}");
    }
    assert_eq!(fs::read_dir(path("d")).unwrap().count(), 0);
    assert_eq!(questions(&path("all.json")).len(), 4);
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_that_is_full_leaves_nothing_of_the_other_part() {
    let place = folder(&[("all.json", &document(&["a", "b", "c", "d"]))]);
    for out in [
        ["--train", "/dev/full", "--dev", "part"],
        ["--train", "part", "--dev", "/dev/full"],
    ] {
        let asked = [&["split", "all.json", "--share", "0.25"], &out[..]].concat();
        let (_, refused) = told(place.path(), &asked, 2);
        assert!(
            refused.contains("/dev/full: the file cannot be written"),
            "{refused}"
        );
        assert!(!place.path().join("part").exists());
    }
}

#[cfg(unix)]
#[test]
fn a_part_on_standard_output_has_it_to_itself() {
    let place = folder(&[("all.json", &document(&["a", "b", "c", "d"]))]);
    let dev = place.path().join("dev.json");
    for flags in [&[][..], &["--json"]] {
        for out in [
            ["--train", "/dev/stdout", "--dev", "dev.json"],
            ["--dev", "/dev/stdout", "--train", "dev.json"],
        ] {
            let asked = [&["split", "all.json", "--share", "0.25"], &out[..], flags].concat();
            let (stdout, stderr) = told(place.path(), &asked, 0);
            let document: Value = serde_json::from_str(&stdout).unwrap();
            assert_eq!(document["version"], "1.1");
            // The summary is told beside it.
            assert!(stderr.contains("/dev/stdout"), "{stderr}");
            let other = questions(&dev).len();
            let here = document["data"][0]["paragraphs"].as_array().unwrap().len();
            assert_eq!(here + other, 4);
            fs::remove_file(&dev).unwrap();
        }
    }
    // A shell may have led it into a file, which is there already.
    fs::write(place.path().join("more.json"), document(&["e", "f"])).unwrap();
    let file = place.path().join("out.json");
    let into_file = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_electra"))
            .arg("data")
            .args(arguments)
            .current_dir(place.path())
            .stdout(fs::File::create(&file).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        questions(&file).len()
    };
    let split = ["split", "all.json", "--share", "0.25", "--dev", "dev.json"];
    let kept = into_file(&[&split[..], &["--train", "/dev/stdout"]].concat());
    assert_eq!(kept + questions(&dev).len(), 4);
    let both = ["merge", "all.json", "more.json", "--output", "/dev/stdout"];
    assert_eq!(into_file(&both), 6);
}

#[cfg(target_os = "linux")]
#[test]
fn what_is_read_several_times_is_no_pipe() {
    let place = folder(&[("all.json", &document(&["a"]))]);
    let file = || fs::File::open(place.path().join("all.json")).unwrap();
    let out = ["--share", "0.5", "--train", "x", "--dev", "y"];
    for asked in [
        ["check", "/dev/stdin"].to_vec(),
        ["stats", "/dev/stdin"].to_vec(),
        [&["split", "/dev/stdin"], &out[..]].concat(),
        ["merge", "/dev/stdin", "all.json", "--output", "x"].to_vec(),
    ] {
        let mut source = Command::new("cat");
        let mut source = source
            .stdin(file())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_electra"))
            .arg("data")
            .args(&asked)
            .stdin(source.stdout.take().unwrap())
            .current_dir(place.path())
            .output()
            .unwrap();
        source.wait().unwrap();
        assert_eq!(output.status.code(), Some(2), "{asked:?}");
        let refused = String::from_utf8(output.stderr).unwrap();
        let expected =
            "/dev/stdin: expected a file, found a pipe, which can be read only once; give";
        assert!(refused.contains(expected), "{asked:?}: {refused}");
    }
    // A file under this name is read like any other.
    let output = Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(["data", "check", "/dev/stdin"])
        .stdin(file())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
}

#[test]
fn files_without_rows_and_other_columns_are_named() {
    let place = folder(&[
        ("none.json", "{\"version\": \"v2.0\", \"data\": []}"),
        ("one.json", &document(&["a"])),
        ("head.csv", "text,label\n"),
        ("a.csv", "text,label\nx,1\ny,0\n"),
        ("two.conll", "-DOCSTART- -X- O O\n\nAda B-PER\nwrote O\n\n"),
        ("three.conll", "Bob NNP B-PER\nsang VB O\n\n"),
        ("more.conll", "Eve B-PER\n\n"),
    ]);
    let refused = |asked: &[&str]| told(place.path(), asked, 2).1;
    let split = |file: &str| {
        let asked = [
            "split", file, "--share", "0.5", "--train", "x", "--dev", "y",
        ];
        refused(&asked)
    };
    for (said, expected) in [
        (
            split("head.csv"),
            "head.csv: expected rows, found none; give a file that has some",
        ),
        (
            split("none.json"),
            "none.json: expected questions, found none; give a file that has some",
        ),
        (
            split("one.json"),
            "--share 0.5: 0 of 1 question would be held out, for at least one must stay; give a file with more",
        ),
        (
            refused(&["merge", "one.json", "none.json", "--output", "m"]),
            "none.json: expected questions, found none; leave the file out",
        ),
        (
            refused(&["merge", "a.csv", "head.csv", "--output", "m"]),
            "head.csv: expected rows, found none; leave the file out",
        ),
        (
            refused(&["merge", "two.conll", "three.conll", "--output", "m"]),
            "three.conll: expected tagging in a word a line with 2 columns, as two.conll has it, found \
             tagging in a word a line with 3 columns; save both in one form",
        ),
        (
            refused(&["stats", "one.json", "--max-seq-length", "0"]),
            "--max-seq-length: expected a number from 5 to 512, as a run takes it, found 0",
        ),
        (
            refused(&["check", "one.json", "--max-query-length", "0"]),
            "--max-query-length: expected a number of at least 1, as a run takes it, found 0",
        ),
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!place.path().join("m").exists());
    let asked = ["merge", "two.conll", "more.conll", "--output", "m"];
    let (printed, _) = told(place.path(), &asked, 0);
    assert!(printed.ends_with("m: 2 sentences\n"), "{printed}");
    told(place.path(), &["check", "m"], 0);
    let (printed, _) = told(place.path(), &["check", "one.json"], 0);
    let counts = "1 article, 1 passage, 1 question: 1 answerable, 0 impossible; 1 answer\n";
    assert!(printed.contains(counts), "{printed}");
}

#[test]
fn parts_whose_names_end_in_gz_are_archives() {
    let place = folder(&[("all.json", &document(&["a", "b", "c", "d"]))]);
    let out = ["--train", "train.json.gz", "--dev", "dev.json.gz"];
    let asked = ["split", "all.json", "--share", "0.25"];
    told(place.path(), &[&asked[..], &out].concat(), 0);
    for (name, count) in [("train.json.gz", 3), ("dev.json.gz", 1)] {
        let bytes = fs::read(place.path().join(name)).unwrap();
        assert_eq!(bytes[..2], [0x1F, 0x8B], "{name}");
        assert_eq!(figures(place.path(), &["check", name])["questions"], count);
    }
    let asked = [
        "merge",
        "train.json.gz",
        "dev.json.gz",
        "--output",
        "m.json",
    ];
    told(place.path(), &asked, 0);
    assert_eq!(questions(&place.path().join("m.json")).len(), 4);
}

//! Tests pre-training data against the reference: examples from recorded random draws, its record
//! files, the counts of masked tokens. tests/golden/pretrain/README.md explains the files.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::support::place::{golden, tiny_vocabulary};
use electra::{
    pretrain::{
        Error,
        build::{Made, Place, Request, build},
        example::Example,
        examples::Examples,
        masking::{Masking, max_predictions},
    },
    stop::Stop,
    text::{normalizer::Normalizer, tokenizer::Tokenizer, vocab::Vocab},
};
use serde_json::{Value, json};

const CASES: [&str; 8] = [
    "32",
    "64",
    "64.accents",
    "64.cased",
    "64.job0of2",
    "64.job1of2",
    "64.noblanks",
    "128",
];

fn unpacked(path: &Path) -> String {
    let bytes = fs::read(path).unwrap();
    let mut text = Vec::new();
    lzma_rs::xz_decompress(&mut bytes.as_slice(), &mut text).unwrap();
    String::from_utf8(text).unwrap()
}

fn cases() -> Value {
    let text = fs::read_to_string(golden("pretrain/data/cases.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn lines(case: &str) -> String {
    unpacked(&golden(&format!("pretrain/data/examples.{case}.jsonl.xz")))
}

fn recorded(case: &str) -> Vec<Value> {
    let lines = lines(case);
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn vocab() -> Vocab {
    Vocab::read(&tiny_vocabulary()).unwrap()
}

/// A recorded case on disk, with its settings.
struct Case {
    folder: tempfile::TempDir,
    corpus: PathBuf,
    settings: Value,
}

impl Case {
    fn new(case: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let recorded = golden("pretrain/data/cases.json");
        fs::copy(recorded, folder.path().join("cases.json")).unwrap();
        fs::write(
            folder.path().join(format!("examples.{case}.jsonl")),
            lines(case),
        )
        .unwrap();
        Self {
            folder,
            corpus: golden("pretrain/corpus"),
            settings: cases()[case].clone(),
        }
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out/text.tokens")
    }

    /// Builds its examples, with recorded draws or with a seed.
    fn build(
        &self,
        replay: Option<&str>,
        save_every: Duration,
        stop: &Stop,
        watch: &mut dyn FnMut(Place),
    ) -> Result<Made, Error> {
        let flag = |name: &str| self.settings[name].as_bool().unwrap();
        let lower_case = flag("do_lower_case");
        let normalizer = Normalizer {
            lower_case,
            strip_accents: lower_case && flag("strip_accents"),
            split_ideographs: true,
        };
        let tokenizer = Tokenizer::new(vocab(), normalizer);
        let replay = replay.map(|case| self.folder.path().join(format!("examples.{case}.jsonl")));
        let request = Request {
            corpus: &self.corpus,
            output: &self.output(),
            tokenizer: &tokenizer,
            vocab_file: &tiny_vocabulary(),
            max_seq_length: self.settings["max_seq_length"].as_u64().unwrap() as usize,
            blanks_separate_docs: flag("blanks_separate_docs"),
            seed: 1,
            replay: replay.as_deref(),
            save_every,
        };
        build(&request, stop, watch)
    }

    fn replayed(&self, case: &str) -> Result<Made, Error> {
        self.build(Some(case), Duration::ZERO, &Stop::default(), &mut |_| {})
    }
}

/// Formats an example as in the reference's lines.
fn shown(example: &Example) -> Value {
    json!({
        "length": example.ids.len(),
        "input_ids": example.ids,
        "segment_ids": example.segments().collect::<Vec<_>>(),
    })
}

#[test]
fn examples_equal_the_reference() {
    for name in CASES {
        let case = Case::new(name);
        let made = case.replayed(name).unwrap();
        let examples = Examples::open(case.output().to_str().unwrap(), &vocab()).unwrap();
        let expected = recorded(name);
        assert_eq!(examples.count(), expected.len() as u64, "{name}");
        assert_eq!(case.settings["examples"], expected.len());
        let mut example = Example::default();
        for (number, expected) in expected.iter().enumerate() {
            examples.read(number as u64, &mut example).unwrap();
            for (key, found) in shown(&example).as_object().unwrap() {
                assert_eq!(*found, expected[key], "{name}: {key} of example {number}");
            }
        }
        let counts = made.header.counts;
        assert_eq!(case.settings["lengths_below_max"], counts.short, "{name}");
        assert_eq!(case.settings["one_segment"], counts.one_segment, "{name}");
        // Every token that is neither lost nor special is in the examples.
        let special = 3 * made.header.examples - counts.one_segment;
        assert_eq!(
            counts.tokens - counts.lost + special,
            made.header.ids,
            "{name}"
        );
    }
}

#[test]
fn draws_of_another_case_are_refused() {
    let case = Case::new("64");
    fs::write(
        case.folder.path().join("examples.64.noblanks.jsonl"),
        lines("64.noblanks"),
    )
    .unwrap();
    let message = case.replayed("64.noblanks").unwrap_err().to_string();
    assert!(
        message.contains("blanks_separate_docs false, not true"),
        "{message}"
    );
    // One draw too many, and a draw of the wrong kind.
    let path = case.folder.path().join("examples.64.jsonl");
    let whole = lines("64");
    for (changed, expected) in [
        (
            format!("{whole}{{\"draws\": [[\"random\", 0.5]]}}\n"),
            "1 draw is left, the first on line 76",
        ),
        (
            whole.replacen("[\"random\", ", "[\"random\", 0.01], [\"random\", ", 1),
            "expected a draw",
        ),
    ] {
        fs::write(&path, changed).unwrap();
        let message = case.replayed("64").unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
        assert!(!case.output().exists());
    }
}

#[test]
fn the_reference_s_record_files_are_read() {
    let pattern = golden("pretrain/tfrecords/pretrain_data.tfrecord*");
    let examples = Examples::open(pattern.to_str().unwrap(), &vocab()).unwrap();
    let expected = recorded("64");
    assert_eq!(examples.count(), expected.len() as u64);
    assert_eq!(examples.max_seq_length(), 64);
    // Distributed to four files in turn, which are read one after the other.
    let dealt = (0..4).flat_map(|file| expected.iter().skip(file).step_by(4));
    let mut example = Example::default();
    for (number, expected) in (0..).zip(dealt) {
        examples.read(number, &mut example).unwrap();
        for (key, found) in shown(&example).as_object().unwrap() {
            assert_eq!(*found, expected[key], "{key} of example {number}");
        }
    }
    assert!(examples.read(examples.count(), &mut example).is_err());
}

#[test]
fn our_files_and_the_reference_s_are_read_together() {
    let case = Case::new("64");
    case.replayed("64").unwrap();
    let records = golden("pretrain/tfrecords/pretrain_data.tfrecord-1*");
    let patterns = format!("{},{}", case.output().display(), records.display());
    let examples = Examples::open(&patterns, &vocab()).unwrap();
    // 75 of our file, 19 of the second of four.
    assert_eq!(examples.count(), 94);
    let read = |number| {
        let mut example = Example::default();
        examples.read(number, &mut example).unwrap();
        example
    };
    // Files are sorted by path, and a temporary one may be anywhere.
    let (ours, theirs) = match case.output() < records {
        true => (0, 75),
        false => (19, 0),
    };
    for number in 0..19 {
        assert_eq!(read(theirs + number), read(ours + 1 + 4 * number));
    }
}

#[test]
fn masked_tokens_are_as_many_as_in_the_reference() {
    let text = unpacked(&golden("pretrain/masking_counts.json.xz"));
    let counts: Value = serde_json::from_str(&text).unwrap();
    let mut compared = 0;
    for (mask_prob, told) in counts["n_masked"].as_object().unwrap() {
        let mask_prob: f64 = mask_prob.parse().unwrap();
        let masking = Masking::new(mask_prob, 512, &vocab(), "v").unwrap();
        assert_eq!(told["max_predictions_per_seq"], masking.max_predictions());
        let expected = told["n_masked_for_length_1_to_512"].as_array().unwrap();
        for (length, expected) in (1..).zip(expected) {
            assert_eq!(*expected, masking.slots(length), "{mask_prob}, {length}");
            compared += 1;
        }
    }
    assert_eq!(compared, 4 * 512);
    for (mask_prob, told) in counts["max_predictions_per_seq"].as_object().unwrap() {
        let mask_prob: f64 = mask_prob.parse().unwrap();
        for (length, expected) in told.as_object().unwrap() {
            let found = max_predictions(mask_prob, length.parse().unwrap());
            assert_eq!(*expected, found, "{mask_prob}, {length}");
        }
    }
}

/// Creates a corpus of several blocks: files of lines, of rows and of one long line, plain and
/// compressed.
fn large(case: &mut Case) {
    let corpus = case.folder.path().join("corpus");
    fs::create_dir(&corpus).unwrap();
    let texts: Vec<String> = ["a_sentences.txt", "b_passages.txt", "d_odd.txt"]
        .iter()
        .map(|name| fs::read_to_string(golden("pretrain/corpus").join(name)).unwrap())
        .collect();
    let text = texts.join("\n\n");
    fs::write(corpus.join("lines.txt"), text.repeat(60)).unwrap();
    fs::write(
        corpus.join("one_line.txt"),
        text.replace('\n', " ").repeat(40),
    )
    .unwrap();
    let rows: String = (0..400)
        .map(|row| format!("{}\n", json!({"text": texts[row % 3], "row": row})))
        .collect();
    let packed = fs::File::create(corpus.join("rows.jsonl.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, rows.as_bytes()).unwrap();
    packed.finish().unwrap();
    case.corpus = corpus;
}

/// Returns the output of a pool of `threads` threads.
fn made_by(case: &Case, threads: usize) -> Vec<u8> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    let pool = pool.build().unwrap();
    let stop = Stop::default();
    let made = pool.install(|| case.build(None, Duration::MAX, &stop, &mut |_| {}));
    assert!(!made.unwrap().was_there);
    let bytes = fs::read(case.output()).unwrap();
    fs::remove_dir_all(case.output().parent().unwrap()).unwrap();
    bytes
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_file_depends_neither_on_cores_nor_on_interruptions() {
    let mut case = Case::new("64");
    large(&mut case);
    let whole = made_by(&case, 1);
    assert!(made_by(&case, 3) == whole, "one core, and three");

    // The state that a killed process leaves: the folder as found between two saves, with more in
    // its files than the state records.
    let partial = case.output().with_extension("tokens.partial");
    let kept = case.folder.path().join("kept");
    let mut places = Vec::new();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1);
    let pool = pool.build().unwrap();
    let mut watch = |place: Place| {
        let number = places.len();
        places.push(place);
        let folder = kept.join(number.to_string());
        copy(&partial, &folder);
    };
    let stop = Stop::default();
    pool.install(|| case.build(None, Duration::ZERO, &stop, &mut watch))
        .unwrap();
    assert!(places.len() > 4, "{}", places.len());
    assert!(fs::read(case.output()).unwrap() == whole);
    for number in [1, 2, places.len() / 2, places.len() - 1] {
        fs::remove_file(case.output()).unwrap();
        let found = kept.join(number.to_string());
        for file in ["ids", "lengths"] {
            let mut bytes = fs::read(found.join(file)).unwrap();
            bytes.extend([7; 1001]);
            fs::write(found.join(file), bytes).unwrap();
        }
        copy(&found, &partial);
        let mut first = None;
        let mut watch = |place: Place| {
            first.get_or_insert(place);
        };
        case.build(None, Duration::MAX, &stop, &mut watch).unwrap();
        assert!(fs::read(case.output()).unwrap() == whole, "{number}");
        assert!(!partial.exists());
        // It has not started over.
        let first = first.unwrap().examples;
        assert!(number == 1 || first > 0, "{number}: {first}");
    }
    let again = case.build(None, Duration::MAX, &stop, &mut |_| {}).unwrap();
    assert!(again.was_there);
}

#[test]
fn asked_to_end_the_work_is_saved() {
    let mut case = Case::new("64");
    large(&mut case);
    let whole = made_by(&case, 2);
    let mut stops = 0;
    loop {
        let stop = Stop::default();
        let asked = std::sync::Arc::clone(stop.asked());
        let mut watched = 0;
        let mut watch = |_: Place| {
            watched += 1;
            if watched == 3 {
                asked.store(true, std::sync::atomic::Ordering::Relaxed);
            }
        };
        match case.build(None, Duration::MAX, &stop, &mut watch) {
            Ok(_) => break,
            Err(error) => assert!(error.was_stopped(), "{error}"),
        }
        stops += 1;
        assert!(stops < 100);
    }
    assert!(stops > 0);
    assert!(fs::read(case.output()).unwrap() == whole);
}

#[test]
fn an_interrupted_run_goes_on_with_the_same_only() {
    let mut case = Case::new("64");
    large(&mut case);
    let stop = Stop::default();
    stop.asked()
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let stopped = case.build(None, Duration::ZERO, &stop, &mut |_| {});
    assert!(stopped.unwrap_err().was_stopped());
    let run = |case: &Case| case.build(None, Duration::MAX, &Stop::default(), &mut |_| {});
    let refused = |case: &Case| run(case).unwrap_err().to_string();

    case.settings["max_seq_length"] = 32.into();
    let message = refused(&case);
    assert!(message.contains("max_seq_length 64, not 32"), "{message}");
    case.settings["max_seq_length"] = 64.into();
    let more = case.corpus.join("more.txt");
    fs::write(&more, "more").unwrap();
    let message = refused(&case);
    assert!(message.contains("files of other names"), "{message}");
    fs::remove_file(more).unwrap();
    run(&case).unwrap();

    // The same for a complete file.
    case.settings["max_seq_length"] = 32.into();
    let message = refused(&case);
    assert!(
        message.contains("already exists, made with max_seq_length 64, not 32"),
        "{message}"
    );
    case.settings["max_seq_length"] = 64.into();
    fs::write(case.output(), "text").unwrap();
    let message = refused(&case);
    assert!(message.contains("is not a file of examples"), "{message}");
    assert_eq!(fs::read_to_string(case.output()).unwrap(), "text");
}

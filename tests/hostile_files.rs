//! The fuzzing targets on their seeds, within their budget of time and memory: files that once broke
//! a reader, and ordinary ones.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::{fs, path::Path, time::Duration};

use fuzz::budget::{Budget, FUZZING};

/// A fuzzer has the machine to itself; a test shares it.
const BUDGET: Budget = Budget {
    time: Duration::from_secs(60),
    ..FUZZING
};

/// For files of some MiB: a reader's own text, what it makes of it, and room.
const JUSTIFIED: Budget = Budget {
    memory: 64 << 20,
    memory_per_byte: 16,
    ..BUDGET
};

#[test]
fn every_seed_is_read_or_refused() {
    // First, and not beside the seeds: memory is the process's.
    what_costs_more_than_its_budget_is_a_finding();
    long_files_take_no_more_than_they_justify();
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, target) in fuzz::TARGETS {
        let files: Vec<_> = fs::read_dir(seeds.join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.len() >= 3, "{name} has {} seeds", files.len());
        for file in files {
            println!("{}", file.display());
            let bytes = fs::read(file).unwrap();
            fuzz::run(BUDGET, target, &bytes);
        }
    }
}

fn what_costs_more_than_its_budget_is_a_finding() {
    let spent = |budget: Budget, work: fn()| std::panic::catch_unwind(|| budget.hold(10, work));
    let slow = Budget {
        time: Duration::from_millis(1),
        ..BUDGET
    };
    let sleep = || std::thread::sleep(Duration::from_millis(20));
    assert!(spent(slow, sleep).is_err());
    assert!(spent(BUDGET, sleep).is_ok());
    #[cfg(target_os = "linux")]
    {
        let small = Budget {
            memory: 1 << 20,
            ..BUDGET
        };
        let fill = || {
            std::hint::black_box(vec![1u8; 128 << 20]);
        };
        assert!(spent(small, fill).is_err());
    }
}

/// Little in a file that is long: what a reader keeps must not grow with what it passes over.
fn long_files_take_no_more_than_they_justify() {
    const LENGTH: usize = 8 << 20;
    let filled = |begin: &str, part: &str, end: &str| {
        let times = LENGTH / part.len();
        [begin, &part.repeat(times), end].concat().into_bytes()
    };
    let entry = r#"{"context": "a", "qas": []}"#;
    let header = "story_id,story_text,question,answer_token_ranges\ns,\"";
    let quac = r#"{"data": [{"paragraphs": [{"context": "a", "qas": [{"id": "q", "question": "?", "answers": [], "orig_answer": {"text": "a", "answer_start": 0}, "x": ["#;
    for (name, target, bytes) in [
        (
            "blank lines",
            fuzz::mrqa as fuzz::Target,
            filled(entry, "\n", entry),
        ),
        ("blank lines before", fuzz::mrqa, filled("", "\r\n", entry)),
        ("blank objects", fuzz::mrqa, filled(entry, "\n{}", "")),
        (
            "headers",
            fuzz::mrqa,
            filled("", "{\"header\":[]}\n", entry),
        ),
        (
            "a header's list",
            fuzz::mrqa,
            filled("{\"header\": [0", ",0", "]}"),
        ),
        (
            "an unused list",
            fuzz::squad,
            filled("{\"x\": [0", ",0", "], \"data\": []}"),
        ),
        (
            "a version's list",
            fuzz::squad,
            filled("{\"version\": [0", ",0", "], \"data\": []}"),
        ),
        (
            "a title's list",
            fuzz::squad,
            filled("{\"data\": [{\"title\": [0", ",0", "]}]}"),
        ),
        (
            "empty articles",
            fuzz::squad,
            filled(
                "{\"data\": [",
                "{\"paragraphs\":[]},",
                "{\"paragraphs\":[]}]}",
            ),
        ),
        ("brackets", fuzz::squad, filled("", "[", "")),
        (
            "an open text",
            fuzz::squad,
            filled("{\"data\": \"", "a", ""),
        ),
        (
            "an unused list",
            fuzz::quac,
            filled(quac, "0,", "0]}]}]}]}"),
        ),
        ("an open quote", fuzz::newsqa, filled(header, "a,", "")),
        ("blank rows", fuzz::newsqa, filled(header, "\"\n", "")),
        (
            "a list for a text",
            fuzz::predictions,
            filled("{\"q\": [0", ",0", "]}"),
        ),
        (
            "a key again and again",
            fuzz::predictions,
            filled("{\"q\": \"\"", ",\"q\":\"\"", "}"),
        ),
    ] {
        println!("{name}");
        fuzz::run(JUSTIFIED, target, &bytes);
    }
}

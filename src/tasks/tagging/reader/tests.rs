use std::{fs, io::Write};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::tasks::tagging::{
    options::Column,
    rules::Rules,
    sentence::{Lost, Sentence},
    span::spans,
};

fn parse(text: &str, options: &ReadOptions) -> Result<Sentences, String> {
    parse_named("a.txt", text, options)
}

fn parse_named(file: &str, text: &str, options: &ReadOptions) -> Result<Sentences, String> {
    let read = read_bytes(text.as_bytes().to_vec(), file, options);
    read.map_err(|error| error.to_string())
}

/// Returns words with their tags in BIOES, sentence by sentence.
fn shown(read: &Sentences) -> Vec<String> {
    let shown = |sentence: &Sentence| {
        let words = sentence.words.iter().zip(sentence.tags());
        let words: Vec<String> = words.map(|(word, tag)| format!("{word}/{tag}")).collect();
        format!("{}: {}", sentence.line, words.join(" "))
    };
    read.sentences.iter().map(shown).collect()
}

#[test]
fn any_unicode_blank_separates() {
    let text = "-DOCSTART- -X- O\n\n\u{3000}\n\u{A0}a\u{2028}x\u{1C}B-NP\u{85}\r\nb\tI-NP\n \u{B}\nc\rd\rO\n\n";
    let read = parse(text, &ReadOptions::chunk(false)).unwrap();
    assert_eq!(shown(&read), ["4: a/B-NP b/E-NP", "7: c/O"]);
    assert_eq!((read.dropped_lines, read.lost), (1, None));
}

#[test]
fn a_document_line_does_not_end_a_sentence() {
    let read = parse(
        "a B-NP\n-DOCSTART- x\nb I-NP\n\n",
        &ReadOptions::chunk(false),
    )
    .unwrap();
    assert_eq!(shown(&read), ["1: a/B-NP b/E-NP"]);
}

#[test]
fn the_reference_loses_a_last_sentence_without_a_blank_line() {
    let text = "a B-NP\n\nb B-NP\nc O";
    for end in ["", "\n"] {
        let text = format!("{text}{end}");
        let read = parse(&text, &ReadOptions::chunk(false)).unwrap();
        assert_eq!(shown(&read), ["1: a/S-NP"]);
        assert_eq!(read.lost, Some(Lost { line: 3, words: 2 }));
        assert!(read.passed_over().contains("line 3, 2 words"));
        let read = parse(&text, &ReadOptions::default()).unwrap();
        assert_eq!(shown(&read), ["1: a/S-NP", "3: b/S-NP c/O"]);
        assert_eq!((read.lost, read.passed_over().as_str()), (None, ""));
    }
}

#[test]
fn debug_stops_after_101_sentences() {
    let text = "a O\n\n".repeat(150) + "no tag here\n";
    assert_eq!(
        parse(&text, &ReadOptions::chunk(true))
            .unwrap()
            .sentences
            .len(),
        101
    );
    assert!(parse(&text, &ReadOptions::chunk(false)).is_err());
    let rows = "{\"tokens\": [\"a\"], \"tags\": [\"O\"]}\n".repeat(150);
    let options = ReadOptions {
        limit: Some(7),
        ..ReadOptions::default()
    };
    assert_eq!(
        parse_named("a.jsonl", &rows, &options)
            .unwrap()
            .sentences
            .len(),
        7
    );
}

#[test]
fn archives_and_files_of_windows_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let text = "\u{FEFF}-DOCSTART- O\r\n\r\na B-NP\r\nb I-NP\r\n\r\n";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    fs::write(folder.path().join("dev.txt.gz"), encoder.finish().unwrap()).unwrap();
    let path = folder.path().join("dev.txt");
    let found = read(&path, &ReadOptions::chunk(false)).unwrap();
    assert_eq!(shown(&found), ["3: a/B-NP b/E-NP"]);
    assert!(found.file.ends_with("dev.txt.gz"));
    let rows = "{\"tokens\": [\"a\"], \"tags\": [\"O\"]}";
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(rows.as_bytes()).unwrap();
    fs::write(
        folder.path().join("dev.jsonl.gz"),
        encoder.finish().unwrap(),
    )
    .unwrap();
    let found = read(&folder.path().join("dev.jsonl"), &ReadOptions::default()).unwrap();
    assert_eq!(shown(&found), ["1: a/O"]);
}

#[test]
fn peoples_own_files_choose_their_columns() {
    // As in GermEval 2014: comments, numbers, words, outer and inner tags, separated by tabs.
    let text =
        "#\thttp://example.org [2009]\n1\tNew York\tB-LOC\tO\n2\tist\tO\tO\n\t\n1\t#\tO\tO\n";
    let mut options = ReadOptions {
        word_column: Column::of(1),
        tag_column: Column::of(-2),
        comments: true,
        ..ReadOptions::default()
    };
    let read = parse(text, &options).unwrap();
    assert_eq!(shown(&read), ["2: New York/S-LOC ist/O", "5: #/O"]);
    assert_eq!(read.dropped_lines, 1);
    options.labelled = false;
    options.word_column = Column::of(0);
    let read = parse("New\nYork\n", &options).unwrap();
    assert_eq!(shown(&read), ["1: New/O York/O"]);
    assert!(!read.labelled);
}

#[test]
fn json_rows_are_read() {
    let text = r#"{"id": "0", "tokens": ["New York", "is"], "ner_tags": [1, 0], "pos": NaN}

{"tokens": [], "ner_tags": []}
{"tokens": ["\ud83d"], "tags": ["B-LOC"]}
"#;
    let options = ReadOptions {
        labels: Some(["O", "B-LOC", "I-LOC"].map(str::to_owned).into()),
        ..ReadOptions::default()
    };
    let read = parse_named("a.json", text, &options).unwrap();
    assert_eq!(
        shown(&read),
        ["1: New York/S-LOC is/O", "4: \u{FFFD}/S-LOC"]
    );
    assert_eq!(read.empty_rows, 1);
    let options = ReadOptions {
        word_key: Some("text".to_owned()),
        tag_key: Some("chunk_tags".to_owned()),
        form: Some(Form::JsonLines),
        ..ReadOptions::default()
    };
    let text = r#"{"text": ["a", "b"], "tags": [7], "chunk_tags": ["I-A", "I-B"]}"#;
    assert_eq!(shown(&parse(text, &options).unwrap()), ["1: a/S-A b/S-B"]);
}

/// Malformed files: a name, a text, and what the message contains besides the name.
const BAD_FILES: [(&str, &str, &[&str]); 29] = [
    (
        "a.txt",
        "a B-NP\nb\n\n",
        &["line 2", "found 1", "2 columns, as on line 1"],
    ),
    (
        "a.txt",
        "word\n\n",
        &[
            "line 1",
            "two columns",
            "one column, \"word\"",
            "separate the columns",
        ],
    ),
    (
        "a.txt",
        "{\"tokens\": []}\n",
        &["line 1", "O, or a tag", "\"[]}\""],
    ),
    (
        "a.txt",
        "{\"tokens\":[]}\n",
        &["line 1", "one column", "name a file of JSON lines .jsonl"],
    ),
    (
        "a.txt",
        "a NN\n",
        &["line 1", "\"NN\"", "B-NP", "parts of speech"],
    ),
    (
        "a.txt",
        "a x\n",
        &["line 1", "\"x\"", "column that has the tags"],
    ),
    ("a.txt", "a o\n", &["line 1", "\"o\""]),
    (
        "a.txt",
        "a O\nb X-NP\n",
        &["line 2", "B-, I-, E- or S-", "\"X-NP\""],
    ),
    (
        "a.txt",
        "a PER-B\n",
        &["line 1", "\"PER-B\"", "mark before the type"],
    ),
    (
        "a.txt",
        "a B-\n",
        &["line 1", "a type after the hyphen", "\"B-\""],
    ),
    (
        "a.txt",
        "a x B-NP\nb B-NP\n",
        &["line 2", "3 columns, as on line 1", "found 2"],
    ),
    (
        "a.txt",
        "a\tx\tO\n\t\tO\n",
        &["line 2", "a word", "an empty cell"],
    ),
    ("a.txt", "a\t\n", &["line 1", "found \"\""]),
    (
        "a.txt",
        "a O\rb O\r\r",
        &["line 1", "carriage return", "line feeds"],
    ),
    ("a.txt", "a O\nb \0 O\n", &["NUL byte on line 2", "damaged"]),
    (
        "a.jsonl",
        "{\"tokens\": [\"a\"]}\n",
        &["line 1", "the key tags or ner_tags", "\"tokens\""],
    ),
    (
        "a.jsonl",
        "{}\n",
        &["line 1", "the key tokens or words", "no key"],
    ),
    (
        "a.jsonl",
        "a O\n",
        &["line 1", "a JSON object", "\"a O\"", "column 1"],
    ),
    (
        "a.jsonl",
        "[\"a\"]\n",
        &["line 1", "a JSON object", "one sentence a line"],
    ),
    (
        "a.jsonl",
        "{\"tokens\": [\"a\"], \"tags\": [\"O\"]\n",
        &["line 1", "EOF"],
    ),
    (
        "a.jsonl",
        "{\"tokens\": \"a\", \"tags\": [\"O\"]}\n",
        &["line 1", "tokens to be a list", "the text \"a\""],
    ),
    (
        "a.jsonl",
        "{\"tokens\": [\"a\"], \"tags\": null}\n",
        &["line 1", "tags to be a list", "null"],
    ),
    (
        "a.jsonl",
        "{\"tokens\": [\"a\", 5], \"tags\": [\"O\", \"O\"]}\n",
        &["line 1", "word 1", "the number 5"],
    ),
    (
        "a.jsonl",
        "\n{\"tokens\": [\"a\", \"\", \"b\"], \"tags\": [\"O\", \"B-N\", \"O\"]}\n",
        &[
            "line 2",
            "word 1 not to be empty, found \"\"",
            "fill it, or take it out with its tag",
        ],
    ),
    (
        "a.jsonl",
        "{\"tokens\": [\" \\u3000\", \"b\"], \"tags\": [\"O\", \"O\"]}\n",
        &["line 1", "word 0 not to be empty"],
    ),
    (
        "a.jsonl",
        "\n{\"tokens\": [\"a\"], \"tags\": []}\n",
        &["line 2", "as many tags as words (1)", "0 tags"],
    ),
    (
        "a.jsonl",
        "{\"tokens\": [\"a\"], \"tags\": [1]}\n",
        &["line 1", "labels lists no tags", "the number 1"],
    ),
    (
        "a.jsonl",
        "{\"tokens\": [\"a\"], \"tags\": [{}]}\n",
        &["line 1", "tag 0", "an object"],
    ),
    (
        "a.jsonl",
        "{\"tokens\": [\"a\"], \"tags\": [\"NN\"]}\n",
        &["line 1", "\"NN\"", "hyphen"],
    ),
];

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_line() {
    for (file, text, parts) in BAD_FILES {
        let message = parse_named(file, text, &ReadOptions::default());
        let message = message.expect_err(text);
        for part in [file].iter().chain(parts) {
            assert!(
                message.contains(part),
                "{text:?}: {part:?} is not in: {message}"
            );
        }
        assert!(message.contains("; "), "no advice: {message}");
    }
}

#[test]
fn the_reference_splits_a_tag_at_one_hyphen() {
    for (text, parts) in [
        (
            "a B-creative-work\n\n",
            ["line 1", "exactly one hyphen", "\"B-creative-work\""],
        ),
        ("O\n\n", ["line 1", "two columns", "one column, \"O\""]),
        (
            "x-ray\n\n",
            ["line 1", "two columns", "one column, \"x-ray\""],
        ),
    ] {
        let message = parse(text, &ReadOptions::chunk(false)).unwrap_err();
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in: {message}");
        }
    }
}

#[test]
fn labels_of_numbers_are_looked_up() {
    let options = ReadOptions {
        labels: Some(vec!["O".to_owned(), "NN".to_owned()]),
        ..ReadOptions::default()
    };
    for (tag, found) in [
        ("2", "a number below 2, found 2"),
        ("-1", "found -1"),
        ("0.5", "found 0.5"),
        ("1", "\"NN\""),
    ] {
        let text = format!("{{\"tokens\": [\"a\"], \"tags\": [{tag}]}}");
        let message = parse_named("a.jsonl", &text, &options).unwrap_err();
        assert!(
            message.contains(found) && message.contains("line 1"),
            "{message}"
        );
    }
}

#[test]
fn bytes_that_are_no_text_and_sentences_without_end_are_refused() {
    let options = ReadOptions::default();
    let message = read_bytes(b"a O\nb \xE9\xFF O\n".to_vec(), "a.txt", &options);
    let message = message.unwrap_err().to_string();
    assert!(
        message.contains("a.txt") && message.contains("other bytes on line 2"),
        "{message}"
    );
    for options in [ReadOptions::default(), ReadOptions::chunk(false)] {
        let message = parse(&format!("\n{}", "a O\n".repeat(10_001)), &options).unwrap_err();
        for part in [
            "a.txt: line 2",
            "10000 words",
            "blank line after each sentence",
        ] {
            assert!(message.contains(part), "{message}");
        }
    }
    assert_eq!(options.rules, Rules::Usual);
    let message = read(Path::new("no/such.txt"), &options)
        .unwrap_err()
        .to_string();
    assert!(message.contains("such.txt"), "{message}");
}

/// Whatever a file contains, it is read or rejected, and the tags of what is read survive another
/// round trip.
#[test]
fn files_of_random_pieces_are_read_or_refused() {
    const PIECES: [&str; 22] = [
        "O",
        "B-A",
        "I-A",
        "E-B",
        "S-B",
        "I-B",
        "a",
        "é",
        "\u{200B}",
        " ",
        "\t",
        "\n",
        "\n\n",
        "\r\n",
        "\u{A0}",
        "-DOCSTART-",
        "#",
        "{\"tokens\": [\"a\"], \"tags\": [\"B-A\"]}",
        "[",
        "\"",
        "\\ud83d",
        "x B-A\n",
    ];
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut read = 0;
    for round in 0..4000 {
        let count = random.random_range(0..14);
        let pieces = (0..count).map(|_| PIECES[random.random_range(0..PIECES.len())]);
        let text: String = pieces.collect();
        let form = [Form::Conll, Form::JsonLines][round % 2];
        for rules in [Rules::Reference, Rules::Usual] {
            let options = ReadOptions {
                rules,
                form: Some(form),
                comments: round % 3 == 0,
                labelled: round % 5 != 0,
                ..ReadOptions::default()
            };
            let Ok(found) = parse(&text, &options) else {
                continue;
            };
            read += found.sentences.len();
            for sentence in &found.sentences {
                assert!(!sentence.words.is_empty());
                assert_eq!(spans(&sentence.tags(), rules), sentence.spans, "{text:?}");
            }
        }
    }
    assert!(read > 100, "{read}");
}

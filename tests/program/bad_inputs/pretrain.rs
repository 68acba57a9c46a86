//! Bad input for pre-training: corpora, vocabularies, files of examples.

use std::{fs, io::Write};

use flate2::{Compression, write::GzEncoder};

use super::{Case, Place, VOCAB, words};
use crate::support::place::golden;

const TEXT: &str = "The church is old.\nA man found it.\n\nAn oak was there.\n";

/// Returns a command that builds examples from a corpus with this file in it.
fn pretrain(place: &Place, name: &str, bytes: impl AsRef<[u8]>) -> Vec<String> {
    place.put("corpus/a.txt", TEXT);
    place.put(&format!("corpus/{name}"), bytes);
    of("corpus", VOCAB, "text.tokens", &[])
}

fn of(corpus: &str, vocab: &str, output: &str, more: &[&str]) -> Vec<String> {
    let arguments = [
        "data", "pretrain", "--corpus", corpus, "--vocab", vocab, "--output", output,
    ];
    words(&[&arguments, more].concat())
}

/// Writes a valid file of examples with the real program.
fn made(place: &Place) {
    let status = std::process::Command::new(env!("CARGO_BIN_EXE_electra"))
        .args(pretrain(place, "b.txt", TEXT))
        .current_dir(&place.data)
        .output()
        .unwrap();
    assert!(status.status.success(), "{status:?}");
}

fn examples(files: &str) -> Vec<String> {
    words(&["data", "examples", files, "--vocab", VOCAB])
}

/// Returns a command that reads a valid file of examples after a change to it.
fn changed(place: &Place, change: impl FnOnce(&mut Vec<u8>)) -> Vec<String> {
    made(place);
    place.edit("text.tokens", change);
    examples("text.tokens")
}

pub const CORPORA: &[Case] = &[
    ("no folder", |_| of("none", VOCAB, "text.tokens", &[])),
    ("a file in the folder's place", |_| {
        of(VOCAB, VOCAB, "text.tokens", &[])
    }),
    ("an empty folder", |place| {
        fs::create_dir(place.path("corpus")).unwrap();
        of("corpus", VOCAB, "text.tokens", &[])
    }),
    ("empty lines alone", |place| {
        place.put("corpus/a.txt", "\n \n\t\n");
        of("corpus", VOCAB, "text.tokens", &[])
    }),
    ("bytes that are not UTF-8", |place| {
        pretrain(place, "b.txt", b"caf\xC3\xA9\n\ncaf\xE9\n")
    }),
    ("a NUL", |place| pretrain(place, "b.txt", b"a\n\0\n")),
    ("a Parquet file", |place| {
        pretrain(place, "b.parquet", b"PAR1\x15\x04")
    }),
    ("a tar archive", |place| pretrain(place, "b.tar", b"a.txt")),
    ("a zip archive", |place| {
        pretrain(place, "b.zip", b"PK\x03\x04")
    }),
    ("a gzip archive that was cut", |place| {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(TEXT.as_bytes()).unwrap();
        let packed = packed.finish().unwrap();
        pretrain(place, "b.txt.gz", &packed[..packed.len() - 9])
    }),
    ("the reference's examples among the text", |place| {
        pretrain(place, "pretrain_data.tfrecord-0-of-1000", b"")
    }),
    ("JSON lines: no key text", |place| {
        pretrain(place, "b.jsonl", "{\"text\": \"a\"}\n{\"body\": \"b\"}\n")
    }),
    ("JSON lines: a list", |place| {
        pretrain(place, "b.jsonl", "[\"a\"]\n")
    }),
    ("JSON lines: a line of 70 MB", |place| {
        let row = format!("{{\"text\": \"{}", "a".repeat(70_000_000));
        pretrain(place, "b.jsonl", row)
    }),
    ("an output in the corpus", |place| {
        place.put("corpus/a.txt", TEXT);
        of("corpus", VOCAB, "corpus/text.tokens", &[])
    }),
    ("the vocabulary in the corpus", |place| {
        place.put("corpus/a.txt", TEXT);
        place.put("corpus/vocab.txt", fs::read(place.path(VOCAB)).unwrap());
        of("corpus", "corpus/vocab.txt", "text.tokens", &[])
    }),
    ("another file in the output's place", |place| {
        place.put("corpus/a.txt", TEXT);
        place.put("text.tokens", "mine");
        of("corpus", VOCAB, "text.tokens", &[])
    }),
    (
        "examples of other settings in the output's place",
        |place| {
            made(place);
            of("corpus", VOCAB, "text.tokens", &["--max-seq-length", "64"])
        },
    ),
    ("the vocabulary in the output's place", |place| {
        place.put("corpus/a.txt", TEXT);
        of("corpus", VOCAB, VOCAB, &[])
    }),
    ("a vocabulary without [MASK]", |place| {
        place.put("corpus/a.txt", TEXT);
        place.put("v.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\nthe\n");
        of("corpus", "v.txt", "text.tokens", &[])
    }),
    ("a length of 4", |place| {
        place.put("corpus/a.txt", TEXT);
        of("corpus", VOCAB, "text.tokens", &["--max-seq-length", "4"])
    }),
    ("a recorded case without its cases.json", |place| {
        place.put("corpus/a.txt", TEXT);
        place.put("examples.a.jsonl", "{\"draws\": []}\n");
        of(
            "corpus",
            VOCAB,
            "text.tokens",
            &["--replay", "examples.a.jsonl"],
        )
    }),
    ("a vocabulary smaller than the alphabet", |place| {
        place.put("corpus/a.txt", TEXT);
        words(&["vocab", "--corpus", "corpus", "--size", "9"])
    }),
];

pub const EXAMPLES: &[Case] = &[
    ("no file", |_| examples("none*")),
    ("a file of text", |place| {
        place.put("text.tokens", TEXT);
        examples("text.tokens")
    }),
    ("an empty file", |place| {
        place.put("text.tokens", "");
        examples("text.tokens")
    }),
    ("a file that was cut", |place| {
        changed(place, |bytes| bytes.truncate(bytes.len() - 1))
    }),
    ("a file of another version", |place| {
        changed(place, |bytes| bytes[15] = b'9')
    }),
    ("a damaged first page", |place| {
        changed(place, |bytes| bytes[40] ^= 1)
    }),
    ("a damaged id", |place| {
        changed(place, |bytes| bytes[4100] ^= 1)
    }),
    ("a damaged index", |place| {
        changed(place, |bytes| *bytes.last_mut().unwrap() ^= 1)
    }),
    ("ids of another vocabulary", |place| {
        made(place);
        place.edit(VOCAB, |bytes| bytes.extend(b"more\n"));
        examples("text.tokens")
    }),
    ("tfrecords that were cut", |place| {
        let records = golden("pretrain/tfrecords/pretrain_data.tfrecord-0-of-4");
        let records = fs::read(records).unwrap();
        place.put("a.tfrecord", &records[..5000]);
        examples("a.tfrecord*")
    }),
    ("tfrecords with a damaged record", |place| {
        let records = golden("pretrain/tfrecords/pretrain_data.tfrecord-0-of-4");
        let mut records = fs::read(records).unwrap();
        records[20] ^= 1;
        place.put("a.tfrecord", records);
        examples("a.tfrecord")
    }),
    ("tfrecords of another vocabulary", |place| {
        let records = golden("pretrain/tfrecords/pretrain_data.tfrecord-0-of-4");
        place.put("a.tfrecord", fs::read(records).unwrap());
        place.put(VOCAB, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\n");
        examples("a.tfrecord")
    }),
];

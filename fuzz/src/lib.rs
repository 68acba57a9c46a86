//! What fuzzing does with a stranger's bytes: each function hands them to one reader, which may
//! refuse them but must neither panic nor take memory that the bytes do not justify. Where a
//! reader accepts, its result is held against what it promises.

pub mod budget;

use std::{fs, path::Path, sync::LazyLock};

use checkpoints_convert::bundle::TableWriter;
use checkpoints_convert::tensor::{DType, Index, ShardReader, Variable};
use electra::{
    config::{Config, given},
    data::split::Split,
    model::{folder, record},
    pretrain::{
        example::Example, settings::Vocabulary, tfrecord::RecordFile, token_file::TokenFile,
    },
    tasks::{
        classification::{
            example::Examples as Texts, feature::featurize as featurize_texts,
            read_options::ReadOptions as TableOptions, task::ClassificationTask,
        },
        description::Description,
        qa::{
            answers::{
                answer::{detokenize, project},
                prediction_file::{read_null_odds, read_predictions},
            },
            dataset::{
                self, Error,
                dropped::Dropped,
                place::{self, CodePoints},
                squad_writer::{Paragraph, SquadWriter},
            },
            example::{Examples, Passage},
            feature::{FeatureOptions, featurize},
            raw::{paragraph::Family, question_set::QuestionSet},
            reader::ReadOptions,
        },
        tagging::{
            feature::{FeatureOptions as WordOptions, featurize as featurize_sentences},
            labels::Labels,
            options::{Form, ReadOptions as TagOptions},
            reader::read_bytes,
            rules::Rules,
            span::spans,
        },
    },
    text::{normalizer::basic_tokenize, tokenizer::Tokenizer, vocab::Vocab},
};

use budget::Budget;

/// A function that takes the bytes of one kind of file.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its folder of seeds.
pub const TARGETS: [(&str, Target); 18] = [
    ("index", index),
    ("entries", entries),
    ("data", data),
    ("archive", archive),
    ("safetensors", safetensors),
    ("pytorch", pytorch),
    ("squad", squad),
    ("mrqa", mrqa),
    ("quac", quac),
    ("newsqa", newsqa),
    ("hparams", hparams),
    ("vocab", vocab),
    ("record", record_file),
    ("predictions", predictions),
    ("table", table),
    ("tagging", tagging),
    ("description", description),
    ("examples", examples),
];

/// Hands the bytes to a target, within a budget of time and memory.
pub fn run(budget: Budget, target: Target, bytes: &[u8]) {
    budget.hold(bytes.len(), || target(bytes));
}

/// The `.index` file of a TensorFlow checkpoint.
pub fn index(bytes: &[u8]) {
    if let Ok(index) = Index::parse("fuzz.index", bytes) {
        check_index(&index);
    }
}

/// The entries of an index: a well-formed table with right checksums around arbitrary protobufs.
///
/// The bytes are pieces, each a length and its content, in turn a key and a value.
pub fn entries(bytes: &[u8]) {
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut rest = bytes;
    while let Some(key) = piece(&mut rest) {
        let value = piece(&mut rest).unwrap_or_default();
        pairs.push((key.to_vec(), value.to_vec()));
    }
    pairs.sort();
    pairs.dedup_by(|a, b| a.0 == b.0);
    let mut table = TableWriter::default();
    for (key, value) in &pairs {
        table.add(key, value);
    }
    if let Ok(index) = Index::parse("fuzz.index", &table.finish()) {
        assert!(index.variables.len() < pairs.len());
        check_index(&index);
    }
}

fn piece<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (&length, after) = rest.split_first()?;
    let (piece, after) = after.split_at(after.len().min(usize::from(length)));
    *rest = after;
    Some(piece)
}

fn check_index(index: &Index) {
    for variable in &index.variables {
        assert!(variable.shard < index.shards);
        assert!(variable.offset.checked_add(variable.size).is_some());
        if let Some(width) = variable.dtype.width() {
            assert_eq!(
                variable.shape.iter().product::<u64>() * width,
                variable.size
            );
        }
    }
    let files: Vec<(String, u64)> = (0..index.shards.min(8))
        .map(|shard| (format!("data-{shard}"), 1 << 20))
        .collect();
    let _ = index.check_places(&files);
}

/// A data file: the bytes say where a variable lies in them, of which type and size it is.
pub fn data(bytes: &[u8]) {
    let Some((head, body)) = bytes.split_at_checked(8) else {
        return;
    };
    let kinds = [
        DType::F32,
        DType::F16,
        DType::BF16,
        DType::I32,
        DType::I64,
        DType::Other(7),
    ];
    let dtype = kinds[usize::from(head[0]) % kinds.len()];
    let values = u64::from(u16::from_le_bytes([head[1], head[2]]));
    let size = values * dtype.width().unwrap_or(1);
    let offset = u64::from(head[3]);
    let place = offset as usize..(offset + size) as usize;
    let right = body.get(place).map(masked_checksum);
    let variable = Variable {
        name: "x".into(),
        dtype,
        shape: vec![values],
        shard: 0,
        offset,
        size,
        // Some files store no checksum.
        crc32c: (head[4] & 4 == 0).then(|| right.filter(|_| head[4] & 1 == 0).unwrap_or(7)),
    };
    let stated = if head[4] & 2 == 0 {
        body.len() as u64
    } else {
        u64::from(head[5]) << head[6].min(56)
    };
    let mut file = body;
    let mut heard = 0;
    let mut on_bytes = |bytes| heard += bytes;
    let mut reader = ShardReader::new("fuzz.data", &mut file, stated, &mut on_bytes);
    // A reader that failed is done with.
    let Ok((facts, floats)) = reader.values(&variable) else {
        return;
    };
    let read = if dtype.is_float() { values * 4 } else { 0 };
    assert_eq!(floats.len() as u64, read);
    assert_eq!(right, Some(facts.crc32c));
    assert!(!facts.checked || variable.crc32c == Some(facts.crc32c));
    let finished = reader.finish();
    assert!(finished.is_err() || stated == body.len() as u64);
    assert!(heard <= body.len() as u64);
}

/// As TensorFlow stores it.
fn masked_checksum(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// A zip archive that is said to hold a checkpoint.
pub fn archive(bytes: &[u8]) {
    in_a_file("fuzz.zip", bytes, |path| {
        if checkpoints_convert::inspect(path).is_ok() {
            let out = path.with_extension("out");
            if checkpoints_convert::convert(path, &out, &mut |_, _| {}).is_ok() {
                assert!(checkpoints_convert::verify(path, &out, &mut |_, _| {}).is_ok());
            }
        }
    });
}

/// The weights of a Hugging Face model as a safetensors file.
pub fn safetensors(bytes: &[u8]) {
    hugging_face("model.safetensors", bytes);
}

/// The weights of a Hugging Face model as `torch.save` writes them: a zip archive, or pickles.
pub fn pytorch(bytes: &[u8]) {
    hugging_face("pytorch_model.bin", bytes);
}

fn hugging_face(name: &str, bytes: &[u8]) {
    in_a_file(name, bytes, |path| {
        let config = r#"{"model_type": "electra", "num_attention_heads": 1}"#;
        fs::write(path.with_file_name("config.json"), config).expect("a temporary file");
        if checkpoints_convert::inspect(path).is_ok() {
            let out = path.with_file_name("out");
            if checkpoints_convert::convert(path, &out, &mut |_, _| {}).is_ok() {
                let found = checkpoints_convert::verify(path, &out, &mut |_, _| {});
                assert!(found.is_ok_and(|found| found.is_equal()));
            }
        }
    });
}

/// SQuAD's JSON and rows, plain or packed, read for training and for evaluation, and made into
/// features.
pub fn squad(bytes: &[u8]) {
    let Ok(file) = QuestionSet::parse(bytes, "fuzz.json", Some(Family::Squad)) else {
        return;
    };
    for split in [Split::Train, Split::Dev] {
        let options = ReadOptions {
            task: "squad",
            split,
        };
        if let Ok(examples) = file.examples(options) {
            check_features(&examples, split);
        }
    }
}

/// MRQA's JSON lines.
pub fn mrqa(bytes: &[u8]) {
    let Ok(file) = QuestionSet::parse(bytes, "fuzz.jsonl", Some(Family::Mrqa)) else {
        return;
    };
    for split in [Split::Train, Split::Dev] {
        let options = ReadOptions {
            task: "newsqa",
            split,
        };
        if let Ok(examples) = file.examples(options) {
            check_features(&examples, split);
        }
    }
}

/// QuAC's JSON, converted with one turn of the dialogue.
pub fn quac(bytes: &[u8]) {
    if let Ok(text) = str::from_utf8(bytes) {
        check_conversion(|dropped, emit| dataset::quac::parse(text, "fuzz.json", 1, dropped, emit));
    }
}

/// NewsQA's csv, converted.
pub fn newsqa(bytes: &[u8]) {
    check_conversion(|dropped, emit| dataset::newsqa::parse(bytes, "fuzz.csv", dropped, emit));
}

/// Every answer stands at its place, and SQuAD's reader takes what is written.
fn check_conversion(
    read: impl FnOnce(
        &mut Dropped,
        &mut dyn FnMut(Paragraph<'_>) -> Result<(), Error>,
    ) -> Result<(), Error>,
) {
    let mut written = Vec::new();
    let mut writer = SquadWriter::new(&mut written).expect("room in memory");
    let mut questions = 0;
    let read = read(&mut Dropped::new(5), &mut |paragraph| {
        let passage = CodePoints::new(paragraph.context);
        for question in &paragraph.qas {
            assert_eq!(question.is_impossible, question.answers.is_empty());
            for answer in &question.answers {
                let length = answer.text.chars().count();
                let found = passage.slice(answer.answer_start, length);
                assert_eq!(found, Some(answer.text.as_str()));
                assert!(!place::is_empty(&answer.text));
            }
        }
        questions += paragraph.qas.len();
        writer.paragraph(&paragraph).expect("room in memory");
        Ok(())
    });
    writer.finish().expect("room in memory");
    if read.is_ok() {
        let text = str::from_utf8(&written).expect("UTF-8");
        let options = ReadOptions {
            task: "squad",
            split: Split::Dev,
        };
        let file = QuestionSet::parse(text, "out.json", None).expect("SQuAD's JSON");
        let examples = file.examples(options).expect("no training");
        assert_eq!(examples.examples.len(), questions);
    }
}

/// Labelled texts in every form of a table, as a person's own task and as one of GLUE's.
pub fn table(bytes: &[u8]) {
    for (name, description) in [
        ("train.tsv", r#"{"kind": "classification"}"#),
        ("train.csv", r#"{"kind": "classification"}"#),
        ("train.jsonl", r#"{"kind": "classification"}"#),
        ("train.csv", r#"{"kind": "regression", "id": "id"}"#),
        (
            "train.tsv",
            r#"{"kind": "regression", "text": 0, "text_b": 1, "label": 2, "header": false}"#,
        ),
    ] {
        in_a_file(name, bytes, |path| {
            let folder = path.parent().expect("a folder");
            let description = Description::parse(description, "task.json").expect("a description");
            if let Ok(task) = ClassificationTask::own("fuzz", description, folder, None) {
                check_texts(&task, path, "train");
            }
        });
    }
    for (name, split) in [("cola", "train"), ("rte", "dev"), ("sts", "train")] {
        in_a_file("file.tsv", bytes, |path| {
            let task = ClassificationTask::glue(name).expect("a task of GLUE");
            check_texts(&task, path, split);
        });
    }
}

fn check_texts(task: &ClassificationTask, path: &Path, split: &str) {
    const LONGEST: usize = 16;
    let options = TableOptions {
        double_unordered: true,
        ..TableOptions::default()
    };
    let split = task.split(split).expect("a split");
    let Ok(read) = task.read(path, split, options) else {
        return;
    };
    let texts: &Texts = &read;
    let features = featurize_texts(texts, &TOKENIZER, LONGEST).expect("room for special tokens");
    assert_eq!(features.len(), texts.examples.len());
    for feature in &features {
        assert!(feature.input_ids.len() <= LONGEST);
        assert!((2..=feature.input_ids.len()).contains(&feature.first_segment));
    }
}

/// A file of examples for pre-training, ours or Google's.
pub fn examples(bytes: &[u8]) {
    const READ: u64 = 1000;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("fuzz.tokens");
    fs::write(&path, bytes).expect("a temporary file");
    let check = |example: &Example, most: usize, tokens: usize| {
        assert!((2..=example.ids.len()).contains(&example.first));
        assert!(example.ids.len() <= most);
        assert!(example.ids.iter().all(|&id| (id as usize) < tokens));
    };
    let mut example = Example::default();
    if let Ok(file) = TokenFile::open(&path) {
        let settings = &file.header().settings;
        for number in 0..file.header().examples.min(READ) {
            if file.read(number, &mut example).is_ok() {
                check(
                    &example,
                    settings.max_seq_length,
                    settings.vocabulary.tokens,
                );
            }
        }
        let _ = file.verify(&mut |_| {});
    }
    let vocabulary = Vocabulary::of(TOKENIZER.vocab());
    if let Ok(file) = RecordFile::open(&path, &vocabulary) {
        for number in 0..file.records().min(READ) {
            if file.read(number, &mut example).is_ok() {
                check(&example, file.max_seq_length(), vocabulary.tokens);
            }
        }
    }
}

/// Sentences with tags, by the rules of the reference and by the usual ones, and as JSON lines.
pub fn tagging(bytes: &[u8]) {
    const LONGEST: usize = 12;
    for (form, rules, comments) in [
        (Form::Conll, Rules::Reference, false),
        (Form::Conll, Rules::Usual, true),
        (Form::JsonLines, Rules::Usual, false),
    ] {
        let options = TagOptions {
            form: Some(form),
            rules,
            comments,
            ..TagOptions::default()
        };
        let Ok(read) = read_bytes(bytes.to_vec(), "fuzz.txt", &options) else {
            continue;
        };
        for sentence in &read.sentences {
            let mut free = 0;
            for span in &sentence.spans {
                assert!(free <= span.start && span.start <= span.end);
                free = span.end + 1;
            }
            assert!(free <= sentence.words.len());
            assert_eq!(spans(&sentence.tags(), rules), sentence.spans);
        }
        let Ok(labels) = Labels::of_files([&read], rules) else {
            continue;
        };
        let options = WordOptions {
            max_seq_length: LONGEST,
            rules,
        };
        if let Ok(features) = featurize_sentences(&read, &labels, &TOKENIZER, &options) {
            assert_eq!(features.len(), read.sentences.len());
            for feature in &features {
                let length = feature.input_ids.len();
                assert!(length <= LONGEST && feature.kept_labels().len() == feature.kept());
                let mut places = feature.labeled_positions.iter();
                assert!(places.all(|&place| (place as usize) < length));
            }
        }
    }
}

/// `task.json`.
pub fn description(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(description) = Description::parse(text, "task.json") {
        let written = serde_json::to_string(&description).expect("no map with other keys");
        let again = Description::parse(&written, "task.json");
        assert!(matches!(again, Ok(again) if again == description));
    }
}

static TOKENIZER: LazyLock<Tokenizer> = LazyLock::new(|| {
    let tokens = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\nb\nc\n.\n,\nthe\n##e\n1\n9\n##9\n";
    Vocab::parse(tokens, "vocab.txt")
        .map(|vocab| Tokenizer::new(vocab, true))
        .expect("a vocabulary with the special tokens")
});

/// Small windows, so that short passages have several; what they promise is checked.
fn check_features(examples: &Examples, split: Split) {
    let options = FeatureOptions {
        max_seq_length: 24,
        doc_stride: 5,
        max_query_length: 8,
        split,
    };
    let Ok(features) = featurize(examples, &TOKENIZER, &options) else {
        return;
    };
    for feature in &features {
        let length = feature.input_ids.len();
        assert!(length <= options.max_seq_length);
        assert!(feature.start <= feature.end && feature.end < length);
        let passage = &examples.passages[examples.examples[feature.eid].passage];
        assert_eq!(
            feature.question_length + feature.token_to_orig.len() + 1,
            length
        );
        assert_eq!(feature.token_to_orig.len(), feature.max_context.len());
        for &word in &feature.token_to_orig {
            assert!((word as usize) < passage.words.len());
        }
    }
}

/// Hyper-parameters as JSON text.
pub fn hparams(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    // A text of this end is a path.
    if text.ends_with(".json") {
        return;
    }
    if let Ok(given) = given::read(Some(text), &[])
        && let Ok((config, _)) = Config::resolve(Path::new("data"), "model", &given)
    {
        let saved = config.to_json();
        let again = saved.as_object().map(Config::from_json);
        assert!(matches!(again, Some(Ok(again)) if again.to_json() == saved));
        let _ = config.encoder();
    }
}

/// A vocabulary, before a text that holds some of everything.
pub fn vocab(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    if let Ok(vocab) = Vocab::parse(text, "vocab.txt") {
        let size = vocab.len();
        let tokenizer = Tokenizer::new(vocab, true);
        let sample: String = text.chars().rev().take(64).collect();
        for text in [
            "The café's 1,234.5 naïve 東京 ##x [SEP]\u{200d}\u{0}",
            &sample,
        ] {
            let ids = tokenizer.tokenize(text);
            assert!(ids.iter().all(|&id| (id as usize) < size));
            let answer = detokenize(tokenizer.tokens(&ids));
            let words = basic_tokenize(text, true);
            assert!(text.get(project(&answer, text, &words)).is_some());
            let passage = tokenizer.tokenize_words(&Passage::new(text).words);
            assert!(passage.ids.iter().all(|&id| (id as usize) < size));
        }
    }
}

/// A Burn record, and the folder of a model that holds it.
pub fn record_file(bytes: &[u8]) {
    in_a_file("model.bpk", bytes, |path| {
        if let Ok(mut stored) = record::open(path) {
            let names: Vec<(String, Vec<usize>)> = stored
                .tensors
                .iter()
                .map(|(name, tensor)| (name.clone(), tensor.shape.to_vec()))
                .collect();
            for (name, shape) in names {
                let _ = stored.take(&name, &shape);
            }
        }
    });
    in_a_file("config.json", bytes, |path| {
        if let Some(folder) = path.parent() {
            let _ = folder::config_file(folder).map(|said| said.map(|said| said.record()));
        }
    });
}

/// Predictions and null odds of `electra score`.
pub fn predictions(bytes: &[u8]) {
    in_a_file("predictions.json", bytes, |path| {
        let _ = read_predictions(path);
        if let Ok(odds) = read_null_odds(path) {
            assert!(odds.iter().all(|(_, odds)| odds.is_finite()));
        }
    });
}

/// Calls `read` with a file of these bytes, in a folder of its own that goes away.
fn in_a_file(name: &str, bytes: &[u8], read: impl FnOnce(&Path)) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a temporary file");
    read(&path);
}

//! Checks a file of tagged words: its contents, its length in tokens, and its problems.

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
};

use rayon::prelude::*;
use serde::Serialize;

use super::{
    error::{Error, quoted},
    feature::{FeatureOptions, kept, kept_of_reference},
    options::ReadOptions,
    reader::{read, read_test},
    rules::Rules,
    sentence::{Lost, Sentence, Sentences},
    span::Span,
};
use crate::{
    counted::counted,
    data::{existing_file::existing, split::Split, spread::Spread},
    tasks::{
        problem::{Kind, Problem},
        qa::token_counts::TokenCounts,
    },
    text::tokenizer::{Tokenizer, WordTokens},
};

/// The contents of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WordFile {
    pub file: PathBuf,
    pub split: &'static str,
    /// Whether the file has tags.
    pub labelled: bool,
    pub sentences: usize,
    pub words: usize,
    /// Scheme by which tags mark spans: IOB1, IOB2 or BIOES.
    pub scheme: &'static str,
    /// Number of spans of each type.
    pub spans: BTreeMap<String, usize>,
    pub words_in_spans: usize,
    pub words_per_sentence: Spread,
    /// Before truncation, including special tokens.
    pub tokens_per_sentence: Spread,
    /// Number of sentences longer than `max_seq_length`.
    pub cut: usize,
    /// Their words that are neither trained on nor scored.
    pub words_lost: usize,
    pub tokens: TokenCounts,
}

/// Checks the files of a task, train first.
pub struct WordChecker<'a> {
    tokenizer: &'a Tokenizer,
    options: FeatureOptions,
    /// Sentences of the train file, with their lines.
    train: Option<Seen>,
    pub problems: Vec<Problem>,
}

#[derive(Default)]
struct Seen {
    sentences: HashMap<Vec<String>, (usize, Vec<Span>)>,
    spans: BTreeMap<String, usize>,
}

impl<'a> WordChecker<'a> {
    pub fn new(tokenizer: &'a Tokenizer, max_seq_length: usize, rules: Rules) -> Self {
        Self {
            tokenizer,
            options: FeatureOptions {
                max_seq_length,
                rules,
            },
            train: None,
            problems: Vec::new(),
        }
    }

    /// Checks a file.
    ///
    /// # Errors
    /// If the file cannot be read, or a line does not have its form.
    pub fn check(
        &mut self,
        path: &Path,
        split: Split,
        options: &ReadOptions,
    ) -> Result<WordFile, Error> {
        self.options.check()?;
        let path = existing(path);
        let sentences = match split {
            Split::Test => read_test(&path, options)?,
            Split::Train | Split::Dev => read(&path, options)?,
        };
        for stray in sentences.marks.ill_formed() {
            let place = format!("line {}", stray.line);
            let found = format!("{} {}", stray.tag, stray.why);
            self.problem(Kind::IllFormed, &path, place, found);
        }
        if let Some(Lost { line, words }) = sentences.lost {
            let found = format!(
                "the last sentence, {}: no blank line after it",
                counted(words, "word")
            );
            self.problem(Kind::LeftOut, &path, format!("line {line}"), found);
        }
        if sentences.empty_rows > 0 {
            let found = format!("{} without a word", counted(sentences.empty_rows, "row"));
            self.problem(Kind::LeftOut, &path, "the whole file".to_owned(), found);
        }
        if sentences.sentences.is_empty() {
            self.problem(
                Kind::NoRow,
                &path,
                "the whole file".to_owned(),
                String::new(),
            );
        }
        let seen = self.compare(&path, split, &sentences);
        let mut file = self.measure(&path, &sentences);
        file.split = split.name();
        file.spans = seen.spans.clone();
        if split == Split::Train {
            self.train = Some(seen);
        }
        Ok(file)
    }

    fn problem(&mut self, kind: Kind, file: &Path, place: String, found: String) {
        self.problems.push(Problem::new(kind, file, place, found));
    }

    /// Reports sentences that already occur in the file or in the train file, and types that the
    /// train file lacks.
    fn compare(&mut self, path: &Path, split: Split, file: &Sentences) -> Seen {
        let mut seen = Seen::default();
        let mut told = Vec::new();
        for sentence in &file.sentences {
            let place = || format!("line {}", sentence.line);
            let mut tell = |kind, found: String| {
                told.push(Problem::new(kind, path, place(), found));
            };
            for span in &sentence.spans {
                let kind = span.kind.to_string();
                let lacking = self
                    .train
                    .as_ref()
                    .is_some_and(|train| !train.spans.contains_key(&kind));
                if lacking && !seen.spans.contains_key(&kind) {
                    tell(Kind::NotInTrain, format!("{kind:?}"));
                }
                *seen.spans.entry(kind).or_default() += 1;
            }
            let train = self.train.as_ref();
            if let Some((line, _)) = train.and_then(|train| train.sentences.get(&sentence.words)) {
                tell(
                    Kind::AlsoInTrain,
                    format!("as line {line} of the train file"),
                );
            }
            match seen.sentences.get(&sentence.words) {
                Some((line, spans)) if *spans != sentence.spans => {
                    tell(
                        Kind::Contradiction,
                        format!("other spans than on line {line}"),
                    );
                }
                Some((line, _)) => tell(Kind::Repeated, format!("as line {line}")),
                None => {
                    let kept = (sentence.line, sentence.spans.clone());
                    seen.sentences.insert(sentence.words.clone(), kept);
                }
            }
        }
        self.problems.append(&mut told);
        if split == Split::Train && seen.spans.is_empty() && !file.sentences.is_empty() {
            let whole = Problem::of_file(Kind::NoSpan, path, "");
            self.problems.push(whole);
        }
        seen
    }

    fn measure(&mut self, path: &Path, file: &Sentences) -> WordFile {
        let unk = self.tokenizer.vocab().unk_id();
        let measured: Vec<Measured> = file
            .sentences
            .par_iter()
            .map(|sentence| {
                let words = &sentence.words;
                let (tokens, empty) = self.options.tokens_and_empty(words, self.tokenizer);
                let mut measured = Measured::new(sentence, &tokens, file, self.options, unk);
                let empty = empty.iter().filter_map(|place| words.get(*place));
                let empty = empty.map(|word| (Kind::WordWithoutToken, quoted(word)));
                measured.problems.extend(empty);
                measured
            })
            .collect();
        let mut tokens = TokenCounts::default();
        let (mut cut, mut words_lost) = (0, 0);
        let mut lengths = Vec::with_capacity(measured.len());
        for (of_sentence, sentence) in measured.into_iter().zip(&file.sentences) {
            tokens += of_sentence.tokens;
            lengths.push(of_sentence.tokens.tokens + 2);
            cut += usize::from(of_sentence.lost > 0);
            words_lost += of_sentence.lost;
            for (kind, found) in of_sentence.problems {
                self.problem(kind, path, format!("line {}", sentence.line), found);
            }
        }
        if tokens.warning().is_some() {
            let foreign = Problem::of_file(Kind::ForeignVocabulary, path, tokens.to_string());
            self.problems.push(foreign);
        }
        let all = file.sentences.iter();
        let spans = all.clone().flat_map(|sentence| &sentence.spans);
        WordFile {
            file: path.to_owned(),
            split: "",
            labelled: file.labelled,
            sentences: file.sentences.len(),
            words: file.words(),
            scheme: file.marks.scheme().name(),
            spans: BTreeMap::new(),
            words_in_spans: spans.map(|span| span.end + 1 - span.start).sum(),
            words_per_sentence: Spread::of(all.map(|sentence| sentence.words.len()).collect()),
            tokens_per_sentence: Spread::of(lengths),
            cut,
            words_lost,
            tokens,
        }
    }
}

/// A sentence in tokens.
struct Measured {
    tokens: TokenCounts,
    /// Number of words cut off.
    lost: usize,
    problems: Vec<(Kind, String)>,
}

impl Measured {
    fn new(
        sentence: &Sentence,
        tokens: &WordTokens,
        file: &Sentences,
        options: FeatureOptions,
        unk: u32,
    ) -> Self {
        let words = sentence.words.len();
        let (kept, problem) = match options.rules {
            Rules::Reference => match kept_of_reference(sentence, tokens, file, &options) {
                Ok(kept) => (kept, None),
                Err(Error::LongWord { word, pieces, .. }) => {
                    let found = format!("{word} has {pieces} tokens");
                    (words, Some((Kind::WordDoesNotFit, found)))
                }
                Err(_) => (0, Some((Kind::NoWordKept, counted(words, "word")))),
            },
            Rules::Usual => {
                let room = options.max_seq_length - 2;
                let ends = tokens.first_tokens.iter().skip(1).copied();
                let ends = ends.chain([tokens.ids.len()]);
                let pieces = tokens
                    .first_tokens
                    .iter()
                    .zip(ends)
                    .map(|(first, end)| end - first);
                let long = sentence
                    .words
                    .iter()
                    .zip(pieces)
                    .find(|(_, pieces)| *pieces > room);
                let found = long.map(|(word, pieces)| {
                    let found = format!("{} has {pieces} tokens", quoted(word));
                    (Kind::WordCut, found)
                });
                (kept(tokens, 0, options.max_seq_length), found)
            }
        };
        Self {
            tokens: TokenCounts::of_ids(&tokens.ids, unk),
            lost: words - kept,
            problems: Vec::from_iter(problem),
        }
    }
}

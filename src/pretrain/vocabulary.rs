//! Trains a WordPiece vocabulary on a corpus.
//!
//! Words are counted, and the most frequent pairs of adjacent pieces are merged until there are enough
//! pieces: `tokenizers`' trainer, as used by Hugging Face's `BertWordPieceTokenizer`. Unlike theirs, ids are
//! deterministic: the special tokens come first, then the characters by code point.

use std::{collections::BTreeMap, path::Path};

use ahash::AHashMap;
use serde::Serialize;
use tokenizers::{
    AddedToken,
    models::bpe::{BPE, BpeTrainer},
};

use super::{corpus::Corpus, error::Error, pipeline::run, text_blocks::Block};
use crate::{
    counted::counted,
    data,
    durable_file::is_own_stream,
    text::normalizer::{Normalizer, for_each_basic_token, is_blank},
};

/// The special tokens, in the order of their ids.
const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Prefix of a piece that does not start a word.
const PREFIX: &str = "##";

/// The maximum number of characters in a vocabulary, as in Hugging Face's trainer; rarer ones become unknown.
const CHARACTERS: usize = 1000;

/// Maximum number of distinct words while counting: beyond that the rarest are dropped.
const COUNTED: usize = 4 << 20;

/// Number of the most frequent words that the pieces are trained on.
const WORDS: usize = 1 << 20;

/// The longest word, in characters; the tokenizer maps longer ones to unknown.
const LONGEST: usize = 200;

/// A pair that occurs less often is not merged.
const LEAST: u64 = 2;

/// What a vocabulary was trained on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    pub words: u64,
    pub distinct_words: u64,
    pub characters: u64,
    /// Words with a character outside the vocabulary.
    pub unknown_words: u64,
}

/// A vocabulary, one token per line, and what it was trained on.
#[derive(Debug)]
pub struct Trained {
    pub tokens: Vec<String>,
    pub facts: Facts,
}

/// Trains a vocabulary of at most `size` tokens on the files below `folder`.
///
/// # Errors
/// If the corpus is unusable, or has more characters than the vocabulary may have tokens.
pub fn train(
    folder: &Path,
    size: usize,
    normalizer: Normalizer,
    watch: &mut dyn FnMut(u64, u64),
) -> Result<Trained, Error> {
    let corpus = Corpus::find(folder)?;
    let total = corpus.bytes();
    let mut words = Words::default();
    run(
        &corpus,
        (0, 0),
        |block| words_of(block, normalizer),
        &mut words,
        |words, counts| {
            words.add(counts);
            Ok(())
        },
        &mut |_, bytes| {
            watch(bytes, total);
            Ok(())
        },
    )?;
    if words.counts.is_empty() {
        return Err(Error::Corpus {
            path: folder.to_owned(),
            found: "no word".to_owned(),
            advice: "put text files there, .txt, .txt.gz or .jsonl",
        });
    }
    of_words(words, size)
}

/// Refuses an output file inside the corpus, and one that exists: models may depend on it.
///
/// # Errors
/// If it is inside, or exists.
pub fn check_output(corpus: &Path, output: &Path) -> Result<(), Error> {
    super::build::refuse_in(corpus, output, "choose an --output elsewhere")?;
    let is_there = output.is_file() || output.is_dir();
    match is_there && !is_own_stream(output) {
        true => Err(exists(output)),
        false => Ok(()),
    }
}

/// The error of an output that is there already.
pub fn exists(output: &Path) -> Error {
    Error::Exists {
        output: output.to_owned(),
        found: "already exists".to_owned(),
    }
}

fn words_of(block: &Block, normalizer: Normalizer) -> AHashMap<String, u64> {
    let mut counts: AHashMap<String, u64> = AHashMap::new();
    for (_, line) in block.lines() {
        for_each_basic_token(line.trim_matches(is_blank), normalizer, |word| match counts
            .get_mut(word)
        {
            Some(count) => *count += 1,
            None => drop(counts.insert(word.to_owned(), 1)),
        });
    }
    counts
}

/// Word counts.
#[derive(Debug, Default)]
struct Words {
    counts: AHashMap<String, u64>,
    /// The last threshold: when there were too many words, those counted at most this often were dropped.
    forgotten: u64,
    all: u64,
}

impl Words {
    fn add(&mut self, counts: AHashMap<String, u64>) {
        for (word, count) in counts {
            self.all += count;
            *self.counts.entry(word).or_insert(0) += count;
        }
        while self.counts.len() > COUNTED {
            self.forgotten += 1;
            self.counts.retain(|_, count| *count > self.forgotten);
        }
    }
}

fn of_words(words: Words, size: usize) -> Result<Trained, Error> {
    let mut facts = Facts {
        words: words.all,
        distinct_words: words.counts.len() as u64,
        ..Facts::default()
    };
    if words.forgotten > 0 {
        let (most, rarest) = (COUNTED, words.forgotten);
        let rarest = counted(rarest as usize, "time");
        log::warn!(
            "more than {most} distinct words: those that occurred at most {rarest} were dropped"
        );
    }
    let mut sorted: Vec<(String, u64)> = words.counts.into_iter().collect();
    sorted.sort_by(|(a, m), (b, n)| n.cmp(m).then_with(|| a.cmp(b)));
    let alphabet = alphabet(&sorted);
    facts.characters = alphabet.len() as u64;
    let is_known = |word: &str| word.chars().all(|c| alphabet.contains_key(&c));
    let unknown = sorted.iter().filter(|(word, _)| !is_known(word));
    facts.unknown_words = unknown.map(|(_, count)| count).sum();
    sorted.retain(|(word, _)| is_known(word) && word.chars().count() <= LONGEST);
    sorted.truncate(WORDS);

    // Passed as special tokens, characters get ids that do not depend on a hash; ties between pairs are
    // merged in the order of these ids.
    let alone = alphabet.keys().map(char::to_string);
    let inside = alphabet.iter().filter(|(_, is_inside)| **is_inside);
    let inside = inside.map(|(c, _)| format!("{PREFIX}{c}"));
    let first: Vec<String> = SPECIAL
        .map(str::to_owned)
        .into_iter()
        .chain(alone)
        .chain(inside)
        .collect();
    if first.len() > size {
        return Err(Error::Data(data::Error::Option {
            name: "--size",
            expected: "room for the special tokens and the characters of the corpus",
            found: format!("{size}, where they are {}", first.len()),
        }));
    }
    // The trainer reserves memory for every token requested. The words cannot yield more than this, because
    // each merge makes a word one piece shorter.
    let joined: usize = sorted.iter().map(|(word, _)| word.chars().count()).sum();
    let most = first.len().saturating_add(joined);
    let special = first.into_iter().map(|token| AddedToken::from(token, true));
    let trainer = BpeTrainer::builder()
        .show_progress(false)
        .vocab_size(size.min(most))
        .min_frequency(LEAST)
        .special_tokens(special.collect())
        .continuing_subword_prefix(PREFIX.to_owned())
        .build();
    let part = scale(&sorted);
    let counts = sorted.iter().map(|(word, count)| (word, count / part));
    let counts = counts.filter(|(_, count)| *count > 0);
    let counts = counts.map(|(word, count)| (word.as_str().into(), count));
    let mut model = BPE::default();
    let trained = trainer.do_train(&counts.collect(), &mut model);
    trained.map_err(|error| {
        Error::Data(data::Error::Option {
            name: "--size",
            expected: "a vocabulary that can be made",
            found: error.to_string(),
        })
    })?;
    let mut tokens: Vec<(String, u32)> = model.get_vocab().into_iter().collect();
    tokens.sort_by_key(|(_, id)| *id);
    Ok(Trained {
        tokens: tokens.into_iter().map(|(token, _)| token).collect(),
        facts,
    })
}

/// The most frequent characters, in order, each with whether it occurs inside words.
fn alphabet(words: &[(String, u64)]) -> BTreeMap<char, bool> {
    let mut counts: BTreeMap<char, (u64, bool)> = BTreeMap::new();
    for (word, count) in words {
        for (place, c) in word.chars().enumerate() {
            let (all, is_inside) = counts.entry(c).or_default();
            *all += count;
            *is_inside |= place > 0;
        }
    }
    let mut sorted: Vec<_> = counts.into_iter().collect();
    // Stable: on ties, the lower code point stays.
    sorted.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
    sorted.truncate(CHARACTERS);
    let kept = sorted.into_iter().map(|(c, (_, is_inside))| (c, is_inside));
    kept.collect()
}

/// The divisor for counts, since the trainer counts pairs in 32 bits.
fn scale(words: &[(String, u64)]) -> u64 {
    let pairs = words.iter().map(|(word, count)| word.len() as u64 * count);
    pairs.sum::<u64>() / (i32::MAX as u64) + 1
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn trained(text: &str, size: usize) -> Result<Trained, Error> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), text).unwrap();
        train(folder.path(), size, true.into(), &mut |_, _| {})
    }

    #[test]
    fn frequent_pieces_are_joined() {
        let text = "Roses are red\nare is is and big blue BERT so so";
        let found = trained(text, 100).unwrap();
        let special = SPECIAL.map(str::to_owned);
        assert_eq!(found.tokens[..5], special);
        // Characters by code point, those inside words, pairs by frequency.
        let characters = "a b d e g i l n o r s t u";
        let alone: Vec<&str> = characters.split(' ').collect();
        assert_eq!(found.tokens[5..18], alone[..]);
        let inside: Vec<_> = found.tokens[18..]
            .iter()
            .take_while(|token| token.len() == 3)
            .collect();
        assert_eq!(inside.len(), 11);
        let joined = &found.tokens[18 + inside.len()..];
        assert_eq!(joined, ["ar", "is", "so", "are"]);
        assert_eq!(
            found.facts,
            Facts {
                words: 12,
                distinct_words: 9,
                characters: 13,
                unknown_words: 0
            }
        );
    }

    #[test]
    fn a_size_beyond_the_corpus_takes_no_memory() {
        let text = "Roses are red\nare is is and big blue BERT so so";
        let found = trained(text, usize::MAX).unwrap();
        assert_eq!(found.tokens, trained(text, 100).unwrap().tokens);
        // Every possible merge: abc, and whichever piece represents its first two letters.
        let found = trained("abc abc", usize::MAX).unwrap();
        assert_eq!(found.tokens.last().map(String::as_str), Some("abc"));
        // The special tokens, three characters, two of them inside words, and two pairs.
        assert_eq!(found.tokens.len(), 12);
    }

    #[test]
    fn the_same_corpus_gives_the_same_vocabulary() {
        let words = (0..500).map(|n| format!("w{}x{} ", n * 7919 % 91, n % 13));
        let text: String = words.collect();
        let first = trained(&text, 120).unwrap().tokens;
        assert_eq!(first.len(), 120);
        for _ in 0..5 {
            assert_eq!(trained(&text, 120).unwrap().tokens, first);
        }
    }

    #[test]
    fn rare_characters_are_left_out_and_too_small_a_size_is_refused() {
        let rare: String = (0..1005)
            .filter_map(|n| char::from_u32(0x4E00 + n))
            .collect();
        let found = trained(&format!("{rare} {rare} z z"), 3000).unwrap();
        assert_eq!(found.facts.characters, 1000);
        // 1,005 ideographs twice, of which six are dropped for z and the limit.
        assert_eq!(found.facts.unknown_words, 12);
        let message = trained("a b", 6).unwrap_err().to_string();
        assert!(
            message.contains("--size") && message.contains("they are 7"),
            "{message}"
        );
        let message = trained(" \n", 60).unwrap_err().to_string();
        assert!(message.contains("no word"), "{message}");
    }

    #[test]
    fn counts_are_divided_before_they_pass_32_bits() {
        let words = [("the".to_owned(), 3_000_000_000), ("of".to_owned(), 5)];
        // 9,000,000,010 / 2,147,483,647 is between 4 and 5.
        assert_eq!(scale(&words), 5);
        assert_eq!(scale(&words[1..]), 1);
        let words = Words {
            counts: words.into_iter().collect(),
            forgotten: 0,
            all: 3_000_000_005,
        };
        let tokens = of_words(words, 100).unwrap().tokens;
        assert!(tokens.contains(&"the".to_owned()), "{tokens:?}");
    }
}

//! How many words of a sentence a feature keeps.

use super::options::{FeatureOptions, first_token};
use crate::{
    tasks::tagging::{
        error::{Error, quoted},
        sentence::{Sentence, Sentences},
    },
    text::tokenizer::WordTokens,
};

/// Returns how many words from `from` on fit with `[CLS]` and `[SEP]`; at least one, if there is
/// one.
pub(in crate::tasks::tagging) fn kept(
    tokens: &WordTokens,
    from: usize,
    max_seq_length: usize,
) -> usize {
    let room = max_seq_length - 2;
    let begin = first_token(tokens, from);
    let words = from..tokens.first_tokens.len();
    // A word takes up a position even if it has no token.
    let fits = |&word: &usize| word < from + room && first_token(tokens, word + 1) - begin <= room;
    let kept = words.clone().take_while(fits).count();
    kept.max(usize::from(!words.is_empty()))
}

/// Returns how many words the reference keeps: before each word it adds up the words of the **whole
/// sentence**, `[CLS]` and `[SEP]`, the tokens so far and one more, and stops if that exceeds
/// `max_seq_length`. Of 42 words with one token each it keeps 3 at length 48.
pub(in crate::tasks::tagging) fn kept_of_reference(
    sentence: &Sentence,
    tokens: &WordTokens,
    file: &Sentences,
    options: &FeatureOptions,
) -> Result<usize, Error> {
    let max_seq_length = options.max_seq_length;
    let words = sentence.words.len();
    let is_full = |&word: &usize| words + 2 + (1 + tokens.first_tokens[word]) + 1 > max_seq_length;
    let kept = (0..words).find(is_full).unwrap_or(words);
    let (file, line) = (file.file.clone(), sentence.line);
    if kept == 0 {
        // Its scorer takes the last tag of an empty list.
        return Err(Error::NoWordKept {
            file,
            line,
            words,
            max_seq_length,
            needed: words + 4,
        });
    }
    let length = first_token(tokens, kept) + 2;
    if length > max_seq_length {
        let word = kept - 1;
        return Err(Error::LongWord {
            file,
            line,
            word: quoted(&sentence.words[word]),
            pieces: first_token(tokens, kept) - tokens.first_tokens[word],
            tokens: length,
            max_seq_length,
        });
    }
    Ok(kept)
}

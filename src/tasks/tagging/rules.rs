//! The rules that a tagging task follows.
//!
//! | | [`Rules::Reference`] | [`Rules::Usual`] |
//! |---|---|---|
//! | a last sentence not followed by a blank line | is lost | counts |
//! | a tag's type | has no hyphen | may have hyphens |
//! | an `I` or `E` whose type differs from the previous tag's, or after an `E` or `S` | continues the span, which takes its type | begins a span |
//! | labels | the tags that occur | `O`, and `B`, `I`, `E`, `S` of each type that occurs |
//! | letters | always lower-case, without accents | as in the model's tokenizer |
//! | ideographs | stay together | as in the model's tokenizer |
//! | a word of which the tokenizer leaves nothing | is learnt from the next word's token, or `[SEP]` | is `[UNK]` |
//! | a sentence is cut | long before it is full | where no further word fits |
//! | loss of an evaluation | twice the mean over words | the mean over words |

/// The reference's rules or the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Those of `finetune/tagging`, including its bugs, so that the metrics of its task `chunk` are
    /// equal.
    Reference,
    /// Those of `conlleval` and `seqeval`, for users' own data.
    Usual,
}

//! Which rules a tagging task follows.
//!
//! | | [`Rules::Reference`] | [`Rules::Usual`] |
//! |---|---|---|
//! | a last sentence without a blank line after it | is lost | counts |
//! | a tag's type | has no hyphen | may have hyphens |
//! | an `I` or `E` of another type than the tag before, or after an `E` or `S` | goes on with the span, which takes its type | begins a span |
//! | labels | the tags that occur | `O`, and `B`, `I`, `E`, `S` of each type that occurs |
//! | letters | always lower-case, without accents | as the model's tokenizer has them |
//! | ideographs | stay together | as the model's tokenizer has them |
//! | a word of which the tokenizer leaves nothing | is learnt on the next word's token, or `[SEP]` | is `[UNK]` |
//! | a sentence is cut | long before it is full | where no further word fits |
//! | loss of an evaluation | twice the mean over words | the mean over words |

/// The reference's rules or the usual ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Those of `finetune/tagging`, faults included, so that figures of its task `chunk` are equal.
    Reference,
    /// Those of `conlleval` and `seqeval`, for people's own data.
    Usual,
}

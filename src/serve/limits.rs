//! What a server takes on: sizes, numbers and times, beyond which it refuses in words.

use std::time::Duration;

/// The bounds of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Code points of a question.
    pub question_characters: usize,
    /// Code points of a passage.
    pub passage_characters: usize,
    /// Code points of a text that is to be classified, rated or tagged.
    pub text_characters: usize,
    /// Requests that are being tokenised, wait or are being answered; each item of a list is one.
    pub queue: usize,
    /// Items of a list that come in one request.
    pub list: usize,
    /// Tokens of all rows that wait or are being computed: what a line of long passages may
    /// take of memory and of everybody's time.
    pub tokens: usize,
    /// Open connections; more wait for one to close.
    pub connections: usize,
    /// Time for a request's body to arrive.
    pub receive: Duration,
    /// Time from a whole request to its answer.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            body_bytes: 1 << 20,
            question_characters: 1000,
            passage_characters: 100_000,
            text_characters: 100_000,
            queue: 512,
            list: 256,
            // Eight passages of the most windows (1000) of the most tokens (512).
            tokens: 1 << 22,
            // Below the 1024 files that a process may usually have open.
            connections: 768,
            receive: Duration::from_secs(10),
            answer: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Items that a list may have: more than wait at once would never be answered.
    pub fn items(&self) -> usize {
        self.list.min(self.queue)
    }

    /// How long a connection may stay open without anything being written to it: what the longest
    /// request takes, and some more, so that the answer to it comes first on a busy machine too.
    pub fn silence(&self) -> Duration {
        self.receive + self.answer + Duration::from_secs(5)
    }
}

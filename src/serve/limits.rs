//! The limits of a server: sizes, counts and times beyond which it refuses with a message.

use std::time::Duration;

/// The limits of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes in a request's body.
    pub body_bytes: usize,
    /// Code points in a question.
    pub question_characters: usize,
    /// Code points in a passage.
    pub passage_characters: usize,
    /// Code points in a text to be classified, rated or tagged.
    pub text_characters: usize,
    /// Requests that are being tokenised, wait or are being answered; each item of a list counts as
    /// one.
    pub queue: usize,
    /// Items in one request's list.
    pub list: usize,
    /// Tokens in all rows that wait or are being computed: bounds the memory and time that a queue
    /// of long passages can take.
    pub tokens: usize,
    /// Open connections; further ones wait until one closes.
    pub connections: usize,
    /// Time for a request's body to arrive.
    pub receive: Duration,
    /// Time from the complete request to its reply.
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
            // Eight passages of the most windows (1000) with the most tokens (512).
            tokens: 1 << 22,
            // Below the 1024 files that a process may usually have open.
            connections: 768,
            receive: Duration::from_secs(10),
            answer: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Returns the most items in a list: more than the queue holds could never be answered.
    pub fn items(&self) -> usize {
        self.list.min(self.queue)
    }

    /// Returns how long a connection may stay open without anything being written to it: the time
    /// of the longest request plus a margin, so that its reply comes first even on a busy machine.
    pub fn silence(&self) -> Duration {
        self.receive + self.answer + Duration::from_secs(5)
    }
}

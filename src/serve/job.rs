//! A question on its way through the model: cut into windows, of which some are computed.

use std::ops::Range;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::refusal::Refusal;
use crate::{
    batch::Row,
    tasks::{featurized::Featurized, output::Output},
};

/// Where a question's outcome arrives.
pub type Outcome = oneshot::Receiver<Result<Computed, Refusal>>;

/// A question's share of what may be under way; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    pub question: OwnedSemaphorePermit,
    pub tokens: Option<OwnedSemaphorePermit>,
}

/// A question all of whose windows the model has seen.
#[derive(Debug)]
pub struct Computed {
    pub asked: Featurized,
    /// What the model says of each window, in their order.
    pub outputs: Vec<Output>,
    pub place: Place,
}

/// A question that waits for the model, or for more of it.
#[derive(Debug)]
pub struct Job {
    asked: Featurized,
    place: Place,
    reply: oneshot::Sender<Result<Computed, Refusal>>,
    /// Of the windows before the first that is not computed.
    outputs: Vec<Output>,
    /// Windows that the model has, or has been given.
    given: usize,
}

impl Job {
    pub fn new(
        asked: Featurized,
        place: Place,
        reply: oneshot::Sender<Result<Computed, Refusal>>,
    ) -> Self {
        Job {
            asked,
            place,
            reply,
            outputs: Vec::new(),
            given: 0,
        }
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_left(&self) -> bool {
        self.reply.is_closed()
    }

    /// Whether the model has been given all windows.
    pub fn is_given(&self) -> bool {
        self.given == self.asked.row_count()
    }

    /// Gives the next window to the model, and returns its tokens.
    pub fn give(&mut self) -> usize {
        let window = self.asked.row(self.given);
        self.given += usize::from(window.is_some());
        window.map_or(0, |window| window.input_ids.len())
    }

    /// The windows that have been given and are not computed.
    pub fn under_way(&self) -> Vec<Row<'_>> {
        let range: Range<usize> = self.outputs.len()..self.given;
        self.asked.rows(range).collect()
    }

    /// Takes what the model says of the windows under way, in their order.
    pub fn take(&mut self, outputs: impl Iterator<Item = Output>) {
        self.outputs.extend(outputs);
    }

    /// Tells the client's task what the model says, once all windows are computed.
    pub fn finish(self) {
        // A client that has gone needs no answer.
        let _gone = self.reply.send(Ok(Computed {
            asked: self.asked,
            outputs: self.outputs,
            place: self.place,
        }));
    }

    /// Tells the client's task why there will be no answer, once its place is free.
    pub fn refuse(self, refusal: Refusal) {
        drop(self.place);
        let _gone = self.reply.send(Err(refusal));
    }
}

#[cfg(test)]
pub mod example {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::tasks::qa::{ask::FeaturizedQuestions, example::Examples, feature::Feature};

    /// Tokens of a window.
    pub const TOKENS: usize = 6;

    /// A question of so many windows, whose ids are `1000 · number`, `1000 · number + 1`, ….
    pub fn asked(number: u64, windows: usize) -> Featurized {
        let window = |window: usize| Feature {
            feature_id: 1000 * number + window as u64,
            qas_id: (1000 * number + window as u64).to_string().into(),
            eid: 0,
            input_ids: vec![1000 * number as u32 + window as u32; TOKENS],
            question_length: 3,
            start: 0,
            end: 0,
            is_impossible: false,
            token_to_orig: vec![0; 2],
            max_context: vec![true; 2],
        };
        let features = (0..windows).map(window).collect();
        Featurized::Questions(FeaturizedQuestions {
            examples: Examples::of_one("oak", "oak"),
            features,
            threshold: None,
        })
    }

    /// The same on its way, with a place of `places`.
    pub fn job(places: &Arc<Semaphore>, number: u64, windows: usize) -> (Job, Outcome) {
        let (reply, outcome) = oneshot::channel();
        let place = Place {
            question: places.clone().try_acquire_owned().unwrap(),
            tokens: None,
        };
        (Job::new(asked(number, windows), place, reply), outcome)
    }
}

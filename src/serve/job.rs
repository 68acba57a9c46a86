//! What was asked, on its way through the model: cut into rows, of which some are computed.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::refusal::Refusal;
use crate::{
    batch::Row,
    tasks::{featurized::Featurized, output::Output},
};

/// Where the outcome of what was asked arrives.
pub type Outcome = oneshot::Receiver<Result<Computed, Refusal>>;

/// A request's share of what may be under way; given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    pub request: OwnedSemaphorePermit,
    pub tokens: Option<OwnedSemaphorePermit>,
}

/// What was asked, once the model has seen all rows of it.
#[derive(Debug)]
pub struct Computed {
    pub asked: Featurized,
    /// What the model says of each row, in their order.
    pub outputs: Vec<Output>,
    pub place: Place,
}

/// What waits for the model, or for more of it.
#[derive(Debug)]
pub struct Job {
    /// The place of the head that answers, in the model's list.
    head: usize,
    asked: Featurized,
    place: Place,
    reply: oneshot::Sender<Result<Computed, Refusal>>,
    /// Of the rows before the first that is not computed.
    outputs: Vec<Output>,
    /// Rows that the model has, or has been given.
    given: usize,
}

impl Job {
    pub fn new(
        head: usize,
        asked: Featurized,
        place: Place,
        reply: oneshot::Sender<Result<Computed, Refusal>>,
    ) -> Self {
        Job {
            head,
            asked,
            place,
            reply,
            outputs: Vec::new(),
            given: 0,
        }
    }

    pub fn head(&self) -> usize {
        self.head
    }

    /// Whether nobody waits for the answer any more.
    pub fn is_left(&self) -> bool {
        self.reply.is_closed()
    }

    /// Whether the model has been given all rows.
    pub fn is_given(&self) -> bool {
        self.given == self.asked.row_count()
    }

    /// Gives the next row to the model, and returns its tokens.
    pub fn give(&mut self) -> usize {
        let row = self.asked.row(self.given);
        let tokens = row.as_ref().map_or(0, |row| row.input_ids.len());
        self.given += usize::from(row.is_some());
        tokens
    }

    /// How many rows have been given and are not computed.
    pub fn under_way(&self) -> usize {
        self.given - self.outputs.len()
    }

    /// The rows that have been given and are not computed.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.asked.rows(self.outputs.len()..self.given)
    }

    /// Takes what the model says of the rows under way, in their order.
    pub fn take(&mut self, outputs: impl Iterator<Item = Output>) {
        self.outputs.extend(outputs);
    }

    /// Tells the client's task what the model says, once all rows are computed.
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
        job_of(places, 0, number, windows)
    }

    /// The same for another head than the first.
    pub fn job_of(
        places: &Arc<Semaphore>,
        head: usize,
        number: u64,
        windows: usize,
    ) -> (Job, Outcome) {
        let (reply, outcome) = oneshot::channel();
        let place = Place {
            request: places.clone().try_acquire_owned().unwrap(),
            tokens: None,
        };
        let job = Job::new(head, asked(number, windows), place, reply);
        (job, outcome)
    }
}

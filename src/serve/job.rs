//! A request on its way through the model: cut into rows, some of which are computed.

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::refusal::Refusal;
use crate::{
    batch::Row,
    tasks::{featurized::Featurized, output::Output},
};

/// Receives the outcome of a request.
pub type Outcome = oneshot::Receiver<Result<Computed, Refusal>>;

/// A request's share of the queue's capacity, released on drop.
#[derive(Debug)]
pub struct Place {
    pub request: OwnedSemaphorePermit,
    pub tokens: Option<OwnedSemaphorePermit>,
}

/// A request of which the model has computed all rows.
#[derive(Debug)]
pub struct Computed {
    pub asked: Featurized,
    /// The model's output for each row, in order.
    pub outputs: Vec<Output>,
    pub place: Place,
}

/// A request that waits for the model, or for more of its rows to be computed.
#[derive(Debug)]
pub struct Job {
    /// Index of the answering head in the model's list.
    head: usize,
    asked: Featurized,
    place: Place,
    reply: oneshot::Sender<Result<Computed, Refusal>>,
    /// Outputs of the rows computed so far.
    outputs: Vec<Output>,
    /// Number of rows that have been given to the model.
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

    /// Returns whether nobody waits for the reply any more.
    pub fn is_left(&self) -> bool {
        self.reply.is_closed()
    }

    /// Returns whether the model has been given all rows.
    pub fn is_given(&self) -> bool {
        self.given == self.asked.row_count()
    }

    /// Gives the next row to the model and returns its token count.
    pub fn give(&mut self) -> usize {
        let row = self.asked.row(self.given);
        let tokens = row.as_ref().map_or(0, |row| row.input_ids.len());
        self.given += usize::from(row.is_some());
        tokens
    }

    /// Returns how many rows have been given to the model but not computed yet.
    pub fn under_way(&self) -> usize {
        self.given - self.outputs.len()
    }

    /// Iterates over the rows given to the model but not computed yet.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.asked.rows(self.outputs.len()..self.given)
    }

    /// Takes the model's outputs for the rows in flight, in order.
    pub fn take(&mut self, outputs: impl Iterator<Item = Output>) {
        self.outputs.extend(outputs);
    }

    /// Sends the outputs to the client's task; all rows must be computed.
    pub fn finish(self) {
        // A client that has disconnected needs no reply.
        let _gone = self.reply.send(Ok(Computed {
            asked: self.asked,
            outputs: self.outputs,
            place: self.place,
        }));
    }

    /// Frees the place, then tells the client's task why there will be no reply.
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

    /// Tokens in a window.
    pub const TOKENS: usize = 6;

    /// Creates a question of `windows` windows, whose ids are `1000 · number`, `1000 · number + 1`,
    /// ….
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

    /// Wraps such a question in a job, with a place of `places`.
    pub fn job(places: &Arc<Semaphore>, number: u64, windows: usize) -> (Job, Outcome) {
        job_of(places, 0, number, windows)
    }

    /// Does the same for a head other than the first.
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

//! Many requests → the line to the model.
//!
//! So many requests may be under way at once, with so many tokens together: what comes beyond that
//! is turned away. A request's text is cut into rows outside of the model's thread
//! ([`worker`](super::worker)), and given up as soon as its client has gone.

use std::sync::{Arc, mpsc};

use axum::http::StatusCode;
use tokio::{
    sync::{Semaphore, TryAcquireError, oneshot},
    task::spawn_blocking,
};

use super::{
    job::{Computed, Job, Outcome, Place},
    limits::Limits,
    refusal::Refusal,
};
use crate::tasks::featurized::Featurized;

/// What the requests are, by the tasks of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    Questions,
    Texts,
    /// Of either kind.
    Requests,
}

impl Waiting {
    /// What is asked of tasks of which each answers questions or does not.
    pub fn of(are_questions: impl Iterator<Item = bool>) -> Self {
        let all: Vec<bool> = are_questions.collect();
        match (all.contains(&true), all.contains(&false)) {
            (true, false) => Self::Questions,
            (true, true) => Self::Requests,
            _ => Self::Texts,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Questions => "questions",
            Self::Texts => "texts",
            Self::Requests => "requests",
        }
    }

    fn with_tokens(self, tokens: usize) -> String {
        match self {
            Self::Questions => {
                format!("passages that wait have {tokens} tokens with their windows' overlap")
            }
            other => format!("{} that wait have {tokens} tokens", other.name()),
        }
    }
}

/// The way to the model.
#[derive(Debug, Clone)]
pub struct Queue {
    limits: Limits,
    waiting: Waiting,
    requests: Arc<Semaphore>,
    tokens: Arc<Semaphore>,
    line: mpsc::Sender<Job>,
}

impl Queue {
    /// A line within these limits, and its other end; `waiting` is what stands in it.
    pub fn new(limits: Limits, waiting: Waiting) -> (Self, mpsc::Receiver<Job>) {
        let (line, jobs) = mpsc::channel();
        let limits = Limits {
            queue: limits.queue.min(Semaphore::MAX_PERMITS),
            tokens: limits.tokens.min(Semaphore::MAX_PERMITS),
            ..limits
        };
        let queue = Queue {
            limits,
            waiting,
            requests: Arc::new(Semaphore::new(limits.queue)),
            tokens: Arc::new(Semaphore::new(limits.tokens)),
            line,
        };
        (queue, jobs)
    }

    /// A place for a request.
    ///
    /// # Errors
    /// When all are taken.
    pub fn place(&self) -> Result<Place, Refusal> {
        let request = self.requests.clone().try_acquire_owned();
        let request = request.map_err(|_| {
            let waiting = self.waiting.name();
            busy(format!("{} {waiting} wait already", self.limits.queue))
        })?;
        Ok(Place {
            request,
            tokens: None,
        })
    }

    /// How many requests are under way.
    pub fn taken(&self) -> usize {
        self.limits.queue - self.requests.available_permits()
    }

    /// Has what is asked cut into rows by `featurize` and seen by this head of the model.
    ///
    /// # Errors
    /// Those of `featurize` and of the model, and when too many tokens wait.
    pub async fn compute(
        &self,
        head: usize,
        place: Place,
        featurize: impl FnOnce() -> Result<Featurized, Refusal> + Send + 'static,
    ) -> Result<Computed, Refusal> {
        let queue = self.clone();
        let (reply, outcome) = oneshot::channel();
        // A long passage would hold up other requests.
        spawn_blocking(move || {
            // Dropped in the opposite order: the place is free before the client is told, also
            // when this thread panics.
            let (reply, place) = (reply, place);
            // Its client may have gone while it waited for a thread.
            if reply.is_closed() {
                return;
            }
            let sent = featurize().and_then(|asked| queue.weigh(place, &asked).map(|p| (p, asked)));
            match sent {
                Ok((place, asked)) => queue.send(Job::new(head, asked, place, reply)),
                Err(refusal) => drop(reply.send(Err(refusal))),
            }
        });
        received(outcome).await
    }

    /// Adds the request's tokens to its place.
    fn weigh(&self, mut place: Place, asked: &Featurized) -> Result<Place, Refusal> {
        // One request alone is answered, whatever the limit.
        let tokens = asked.tokens().min(self.limits.tokens);
        let permits = u32::try_from(tokens).unwrap_or(u32::MAX);
        match self.tokens.clone().try_acquire_many_owned(permits) {
            Ok(tokens) => place.tokens = Some(tokens),
            Err(TryAcquireError::NoPermits) => {
                let taken = self.limits.tokens - self.tokens.available_permits();
                return Err(busy(format!(
                    "the {}, this one {tokens}, and the server holds {}",
                    self.waiting.with_tokens(taken),
                    self.limits.tokens
                )));
            }
            Err(TryAcquireError::Closed) => return Err(Refusal::defect()),
        }
        Ok(place)
    }

    fn send(&self, job: Job) {
        // Without a model's thread the job is dropped, and its client's task told.
        drop(self.line.send(job));
    }
}

/// What became of a request; one that was dropped on its way met a defect.
async fn received(outcome: Outcome) -> Result<Computed, Refusal> {
    outcome.await.unwrap_or_else(|_| Err(Refusal::defect()))
}

fn busy(what: String) -> Refusal {
    Refusal::new(
        StatusCode::SERVICE_UNAVAILABLE,
        format!("{what}; ask again in a moment"),
    )
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::serve::job::example::{TOKENS, asked};

    fn queue(questions: usize, windows: usize) -> (Queue, mpsc::Receiver<Job>) {
        let limits = Limits {
            queue: questions,
            tokens: windows * TOKENS,
            ..Limits::default()
        };
        Queue::new(limits, Waiting::Questions)
    }

    #[test]
    fn what_waits_is_called_by_what_it_is() {
        for (tasks, busy) in [
            (
                &[true][..],
                "0 questions wait already; ask again in a moment",
            ),
            (
                &[false, false],
                "0 texts wait already; ask again in a moment",
            ),
            (
                &[true, false],
                "0 requests wait already; ask again in a moment",
            ),
        ] {
            let limits = Limits {
                queue: 0,
                ..Limits::default()
            };
            let waiting = Waiting::of(tasks.iter().copied());
            let (queue, _jobs) = Queue::new(limits, waiting);
            assert_eq!(queue.place().unwrap_err().message, busy);
        }
        let told = Waiting::Texts.with_tokens(7);
        assert_eq!(told, "texts that wait have 7 tokens");
    }

    #[test]
    fn places_are_counted_by_questions() {
        let (queue, _jobs) = queue(2, 100);
        let places = [queue.place().unwrap(), queue.place().unwrap()];
        assert_eq!(queue.taken(), 2);
        let refusal = queue.place().unwrap_err();
        assert_eq!(refusal.status, 503);
        assert!(refusal.message.contains("2 questions wait already"));
        drop(places);
        assert_eq!(queue.taken(), 0);
    }

    #[test]
    fn places_are_counted_by_tokens() {
        let (queue, _jobs) = queue(10, 5);
        let weigh = |windows| queue.weigh(queue.place().unwrap(), &asked(0, windows));
        let three = weigh(3).unwrap();
        let refusal = weigh(3).unwrap_err();
        assert_eq!(refusal.status, 503);
        assert!(
            refusal.message.contains("have 18 tokens") && refusal.message.contains("holds 30"),
            "{refusal:?}"
        );
        let two = weigh(2).unwrap();
        assert_eq!(
            queue.taken(),
            2,
            "a question that is refused gives its place back"
        );
        drop((three, two));
        // More than the server holds, but alone.
        let many = weigh(50).unwrap();
        assert!(weigh(1).is_err());
        drop(many);
        weigh(1).unwrap();
    }

    #[test]
    fn a_question_that_is_not_cut_or_not_seen_is_told() {
        let (queue, jobs) = queue(1, 100);
        let runtime = Builder::new_current_thread().build().unwrap();
        let compute = |featurize: fn() -> Result<Featurized, Refusal>| {
            let computed = queue.compute(0, queue.place().unwrap(), featurize);
            runtime.block_on(computed).unwrap_err()
        };
        let refusal = compute(|| Err(Refusal::bad("too many windows")));
        assert_eq!(refusal.status, 400);
        assert_eq!(compute(|| panic!("made for this test")), Refusal::defect());
        // No model's thread is left.
        drop(jobs);
        assert_eq!(compute(|| Ok(asked(0, 1))), Refusal::defect());
        assert_eq!(queue.taken(), 0);
    }
}

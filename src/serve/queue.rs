//! Many requests → the line to the model.
//!
//! The number of requests in progress and their total tokens are limited; whatever exceeds the
//! limits is turned away. A request's text is cut into rows outside of the model's thread
//! ([`worker`](super::worker)), and dropped as soon as its client has disconnected.

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

/// What the requests are called, depending on the model's tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiting {
    Questions,
    Texts,
    /// A mixture of both.
    Requests,
}

impl Waiting {
    /// Derives it from whether each task answers questions.
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
    /// Creates a line within these limits and its receiving end; `waiting` says what its jobs are
    /// called.
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

    /// Reserves a place for a request.
    ///
    /// # Errors
    /// If all places are taken.
    pub fn place(&self) -> Result<Place, Refusal> {
        let places = self.places(1)?;
        places.into_iter().next().ok_or_else(Refusal::defect)
    }

    /// Reserves `count` places for inputs that come together.
    ///
    /// # Errors
    /// If not enough places are free.
    pub fn places(&self, count: usize) -> Result<Vec<Place>, Refusal> {
        let permits = u32::try_from(count).unwrap_or(u32::MAX);
        let all = self.requests.clone().try_acquire_many_owned(permits);
        let mut all = all.map_err(|_| {
            let (waiting, most) = (self.waiting.name(), self.limits.queue);
            busy(match count {
                1 => format!("{most} {waiting} wait already"),
                _ => format!(
                    "{} of {most} {waiting} wait already, and {count} more came",
                    self.taken()
                ),
            })
        })?;
        let place = || {
            let request = all.split(1)?;
            let tokens = None;
            Some(Place { request, tokens })
        };
        Ok(std::iter::from_fn(place).take(count).collect())
    }

    /// Returns how many requests are in progress.
    pub fn taken(&self) -> usize {
        self.limits.queue - self.requests.available_permits()
    }

    /// Cuts an input into rows with `featurize` and has this head of the model compute them.
    ///
    /// # Errors
    /// Those of `featurize` and of the model, and if too many tokens wait.
    pub async fn compute(
        &self,
        head: usize,
        place: Place,
        featurize: impl FnOnce() -> Result<Featurized, Refusal> + Send + 'static,
    ) -> Result<Computed, Refusal> {
        let one = vec![(place, featurize)];
        let computed = self.compute_all(one, move |featurize| Ok((head, featurize()?)));
        let computed = computed.await.map_err(|(_, refusal)| refusal)?;
        computed.into_iter().next().ok_or_else(Refusal::defect)
    }

    /// Does the same for several inputs that come together, each with its place: all are computed,
    /// or none if any of them cannot be. `featurize` also says which head computes each.
    ///
    /// # Errors
    /// As for [`Queue::compute`], with the index of the input to blame; and if together they have
    /// more tokens than the server holds.
    pub async fn compute_all<T: Send + 'static>(
        &self,
        asked: Vec<(Place, T)>,
        featurize: impl Fn(T) -> Result<(usize, Featurized), Refusal> + Send + 'static,
    ) -> Result<Vec<Computed>, (usize, Refusal)> {
        let queue = self.clone();
        let (reply, outcomes) = oneshot::channel();
        // Off the async threads: a long passage would hold up other requests.
        spawn_blocking(move || {
            // Dropped last, so that the places are free before the client is told, even if this
            // thread panics.
            let reply = reply;
            let has_left = || reply.is_closed();
            match queue.jobs(asked, featurize, has_left) {
                Ok(jobs) => {
                    let (jobs, outcomes): (Vec<Job>, Vec<Outcome>) = jobs.into_iter().unzip();
                    jobs.into_iter().for_each(|job| queue.send(job));
                    drop(reply.send(Ok(outcomes)));
                }
                Err(refusal) => drop(reply.send(Err(refusal))),
            }
        });
        let outcomes: Result<Vec<Outcome>, _> = outcomes
            .await
            .unwrap_or_else(|_| Err((0, Refusal::defect())));
        let mut computed = Vec::new();
        for (item, outcome) in outcomes?.into_iter().enumerate() {
            let outcome = received(outcome).await;
            computed.push(outcome.map_err(|refusal| (item, refusal))?);
        }
        Ok(computed)
    }

    /// Returns the jobs for inputs that came together, once all of them are cut into rows; none if
    /// the client has disconnected, which may have happened while this waited for a thread.
    fn jobs<T>(
        &self,
        asked: Vec<(Place, T)>,
        featurize: impl Fn(T) -> Result<(usize, Featurized), Refusal>,
        has_left: impl Fn() -> bool,
    ) -> Result<Vec<(Job, Outcome)>, (usize, Refusal)> {
        let mut jobs: Vec<(Job, Outcome)> = Vec::new();
        let mut tokens = 0;
        for (item, (place, asked)) in asked.into_iter().enumerate() {
            if has_left() {
                return Ok(Vec::new());
            }
            let refused = |refusal| (item, refusal);
            let (head, asked) = featurize(asked).map_err(refused)?;
            tokens += asked.tokens();
            // A single input is accepted whatever the limit.
            if item > 0 && tokens > self.limits.tokens {
                return Err(refused(self.too_much(tokens)));
            }
            let place = self.weigh(place, &asked).map_err(refused)?;
            let (reply, outcome) = oneshot::channel();
            jobs.push((Job::new(head, asked, place, reply), outcome));
        }
        Ok(jobs)
    }

    /// Refuses a list that could never be answered as a whole.
    fn too_much(&self, tokens: usize) -> Refusal {
        let overlap = match self.waiting {
            Waiting::Texts => "",
            _ => " with their windows' overlap",
        };
        let message = format!(
            "up to here the list has {tokens} tokens{overlap}, and the server holds {}; ask in \
             several requests",
            self.limits.tokens
        );
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }

    /// Adds the request's tokens to its place.
    fn weigh(&self, mut place: Place, asked: &Featurized) -> Result<Place, Refusal> {
        // A single input is accepted whatever the limit.
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
        // Without a model thread the job is dropped, which tells its client's task.
        drop(self.line.send(job));
    }
}

/// Returns the outcome of a request; if the request was dropped on its way, that is a defect.
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

    /// Cuts questions of these many windows into rows, as if they came in one list; returns how
    /// many wait, or which one is to blame.
    fn lined_up(queue: &Queue, windows: &[usize]) -> Result<usize, (usize, u16, String)> {
        let places = queue.places(windows.len()).unwrap();
        let all = places.into_iter().zip(windows.iter().copied()).collect();
        let jobs = queue.jobs(all, |windows| Ok((0, asked(0, windows))), || false);
        let refused =
            |(item, refusal): (usize, Refusal)| (item, refusal.status.as_u16(), refusal.message);
        jobs.map(|jobs| jobs.len()).map_err(refused)
    }

    #[test]
    fn a_list_has_all_its_places_or_none() {
        let (queue, _jobs) = queue(4, 100);
        let one = queue.place().unwrap();
        let three = queue.places(3).unwrap();
        assert_eq!((three.len(), queue.taken()), (3, 4));
        drop(three);
        let refusal = queue.places(4).unwrap_err();
        assert_eq!(
            (refusal.status.as_u16(), refusal.message.as_str()),
            (
                503,
                "1 of 4 questions wait already, and 4 more came; ask again in a moment"
            )
        );
        assert_eq!(queue.taken(), 1);
        drop(one);
        assert!(queue.places(0).unwrap().is_empty());
        assert_eq!(queue.taken(), 0);
    }

    #[test]
    fn a_list_that_the_server_never_holds_is_told_so() {
        // Each has 6 tokens.
        let (queue, _jobs) = queue(10, 5);
        assert_eq!(lined_up(&queue, &[]), Ok(0));
        assert_eq!(lined_up(&queue, &[2, 0, 3]), Ok(3));
        assert_eq!(lined_up(&queue, &[50]), Ok(1));
        let message = "up to here the list has 36 tokens with their windows' overlap, and the \
                       server holds 30; ask in several requests";
        let refused = Err((2, 413, message.to_owned()));
        assert_eq!(lined_up(&queue, &[2, 3, 1, 9]), refused);
        // What others hold may be free in a moment.
        let other = queue.weigh(queue.place().unwrap(), &asked(0, 2)).unwrap();
        let (item, status, message) = lined_up(&queue, &[2, 2]).unwrap_err();
        assert_eq!((item, status), (1, 503), "{message}");
        drop(other);
        assert_eq!(lined_up(&queue, &[2, 2]), Ok(2));
        assert_eq!(queue.taken(), 0, "all places are given back");
    }

    #[test]
    fn a_list_whose_client_has_gone_is_given_up() {
        let (queue, _jobs) = queue(2, 100);
        let places = queue.places(2).unwrap();
        let all = places.into_iter().zip([1, 1]).collect();
        let jobs = queue.jobs(all, |_| panic!("nobody waits for it"), || true);
        assert!(jobs.unwrap().is_empty());
        assert_eq!(queue.taken(), 0);
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
        // There is no model thread left.
        drop(jobs);
        assert_eq!(compute(|| Ok(asked(0, 1))), Refusal::defect());
        assert_eq!(queue.taken(), 0);
    }
}

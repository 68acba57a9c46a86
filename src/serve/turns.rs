//! Whose rows the model sees next.
//!
//! Requests take turns, a row each, so that a short one need not wait for the hundreds of rows of a
//! long one. A request that the model has not seen goes before those that it has begun; but every
//! fourth row is theirs, so that a stream of new requests cannot hold up the long ones for ever.

use std::collections::VecDeque;

use super::job::Job;

/// Of so many rows one is kept for requests that are begun.
const BEGUN: usize = 4;

/// The requests that wait for the model.
#[derive(Debug, Default)]
pub struct Turns {
    fresh: VecDeque<Job>,
    begun: VecDeque<Job>,
    /// Rows given so far.
    given: usize,
}

impl Turns {
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.begun.is_empty()
    }

    /// A new request joins; one without rows has its outcome at once.
    pub fn join(&mut self, job: Job) {
        if job.is_given() {
            job.finish();
        } else {
            self.fresh.push_back(job);
        }
    }

    /// Gives up the requests whose clients have gone.
    pub fn drop_left(&mut self) {
        self.fresh.retain(|job| !job.is_left());
        self.begun.retain(|job| !job.is_left());
    }

    /// Takes out the requests that have rows in the next go, which has so many tokens or, by its
    /// last row, a few more.
    pub fn go(&mut self, tokens: usize) -> (Vec<Job>, usize) {
        let (mut whole, mut taken) = (Vec::new(), 0);
        while taken < tokens.max(1)
            && let Some(mut job) = self.next()
        {
            taken += job.give();
            if job.is_given() {
                whole.push(job);
            } else {
                self.begun.push_back(job);
            }
        }
        let (part, waiting): (Vec<Job>, Vec<Job>) =
            self.begun.drain(..).partition(|job| job.under_way() > 0);
        self.begun = waiting.into();
        whole.extend(part);
        (whole, taken)
    }

    /// A request comes back from a go, with rows left, or done.
    pub fn come_back(&mut self, job: Job) {
        if job.is_given() {
            job.finish();
        } else {
            self.begun.push_back(job);
        }
    }

    fn next(&mut self) -> Option<Job> {
        self.given = self.given.wrapping_add(1);
        let (first, second) = if self.given.is_multiple_of(BEGUN) {
            (&mut self.begun, &mut self.fresh)
        } else {
            (&mut self.fresh, &mut self.begun)
        };
        first.pop_front().or_else(|| second.pop_front())
    }
}

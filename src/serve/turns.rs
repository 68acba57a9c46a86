//! Decides whose rows the model computes next.
//!
//! Requests take turns, one row each, so that a short one need not wait for the hundreds of rows of
//! a long one. A request that the model has not started goes before those it has; but every fourth
//! row belongs to the latter, so that a stream of new requests cannot hold up the long ones for
//! ever.

use std::collections::VecDeque;

use super::job::Job;

/// One in this many rows is reserved for requests already begun.
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

    /// Adds a new request; one without rows finishes at once.
    pub fn join(&mut self, job: Job) {
        if job.is_given() {
            job.finish();
        } else {
            self.fresh.push_back(job);
        }
    }

    /// Drops the requests whose clients have disconnected.
    pub fn drop_left(&mut self) {
        self.fresh.retain(|job| !job.is_left());
        self.begun.retain(|job| !job.is_left());
    }

    /// Removes and returns the requests with rows in the next batch, which has `tokens` tokens or,
    /// because of its last row, a few more.
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

    /// Takes back a request after a batch, with rows left or done.
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

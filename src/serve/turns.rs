//! Whose windows the model sees next.
//!
//! Questions take turns, a window each, so that a short one need not wait for the hundreds of
//! windows of a long one. A question that the model has not seen goes before those that it has
//! begun; but every fourth window is theirs, so that a stream of new questions cannot hold up the
//! long ones for ever.

use std::collections::VecDeque;

use super::job::Job;

/// Of so many windows one is kept for questions that are begun.
const BEGUN: usize = 4;

/// The questions that wait for the model.
#[derive(Debug, Default)]
pub struct Turns {
    fresh: VecDeque<Job>,
    begun: VecDeque<Job>,
    /// Windows given so far.
    given: usize,
}

impl Turns {
    pub fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.begun.is_empty()
    }

    /// A new question joins; one without windows has its outcome at once.
    pub fn join(&mut self, job: Job) {
        if job.is_given() {
            job.finish();
        } else {
            self.fresh.push_back(job);
        }
    }

    /// Gives up the questions whose clients have gone.
    pub fn drop_left(&mut self) {
        self.fresh.retain(|job| !job.is_left());
        self.begun.retain(|job| !job.is_left());
    }

    /// Takes out the questions that have windows in the next go, which has so many tokens or, by
    /// its last window, a few more.
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
        let (part, waiting): (Vec<Job>, Vec<Job>) = self
            .begun
            .drain(..)
            .partition(|job| !job.under_way().is_empty());
        self.begun = waiting.into();
        whole.extend(part);
        (whole, taken)
    }

    /// A question comes back from a go, with windows left, or done.
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

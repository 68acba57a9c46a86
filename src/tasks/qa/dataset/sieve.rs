//! Decides which questions of a passage are kept, and why others are left out.

use std::collections::HashSet;

use super::{
    dropped::{Dropped, Reason},
    place::{self, CodePoints},
    squad_writer::Question,
};
use crate::tasks::qa::raw::paragraph;

/// Examines the questions of one file, in order.
#[derive(Debug, Default)]
pub struct Sieve {
    ids: HashSet<String>,
}

impl Sieve {
    /// Returns why a question on `context` is left out, whatever its answers are.
    pub fn fault(&mut self, question: &paragraph::Question, context: &str) -> Option<Reason> {
        if place::is_empty(context) {
            Some(Reason::EmptyPassage)
        } else if place::is_empty(&question.text) {
            Some(Reason::EmptyQuestion)
        } else if !self.ids.insert(question.id.clone()) {
            Some(Reason::RepeatedId)
        } else {
            None
        }
    }

    /// Returns the questions of a passage that `keep` accepts; others are counted in `dropped`.
    pub fn kept(
        &mut self,
        paragraph: &paragraph::Paragraph,
        place: &str,
        dropped: &mut Dropped,
        mut keep: impl FnMut(
            &paragraph::Question,
            &CodePoints<'_>,
            &mut Dropped,
        ) -> Result<Question, Reason>,
    ) -> Vec<Question> {
        let passage = CodePoints::new(&paragraph.context);
        let mut kept = Vec::with_capacity(paragraph.questions.len());
        for question in &paragraph.questions {
            let made = match self.fault(question, &paragraph.context) {
                Some(reason) => Err(reason),
                None => keep(question, &passage, dropped),
            };
            match made {
                Ok(question) => kept.push(question),
                Err(reason) => dropped.question(reason, &question.id, place),
            }
        }
        kept
    }
}

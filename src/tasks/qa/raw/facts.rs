//! Facts about a file as a whole, collected from its JSON texts.

use super::{paragraph::Family, summary::Form};

/// Facts about a JSON text as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub family: Option<Family>,
    pub form: Option<Form>,
    pub version: Option<String>,
    pub articles: usize,
    /// Whether a question has the key `is_impossible`.
    pub flagged: bool,
    /// Whether a question comes from QuAC's own file.
    pub quac: bool,
    /// Whether there is a header in MRQA's place.
    pub header: bool,
}

impl Facts {
    /// Merges the facts of another line.
    pub fn merge(&mut self, line: Facts) {
        self.family = self.family.or(line.family);
        self.form = self.form.or(line.form);
        self.articles += line.articles;
        self.flagged |= line.flagged;
        self.quac |= line.quac;
    }
}

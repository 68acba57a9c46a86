//! What the JSON texts of a file say of themselves as a whole.

use super::{paragraph::Family, summary::Form};

/// What a JSON text says of itself as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub family: Option<Family>,
    pub form: Option<Form>,
    pub version: Option<String>,
    pub articles: usize,
    /// Whether a question has the key `is_impossible`.
    pub flagged: bool,
    /// Whether a question is of QuAC's own file.
    pub quac: bool,
    /// Whether a header stood in MRQA's place.
    pub header: bool,
}

impl Facts {
    /// Adds what another line tells.
    pub fn merge(&mut self, line: Facts) {
        self.family = self.family.or(line.family);
        self.form = self.form.or(line.form);
        self.articles += line.articles;
        self.flagged |= line.flagged;
        self.quac |= line.quac;
    }
}

//! The context of one pass through a layer: which sequences, which layer, which dropout.

use super::dropout::{Mode, Site};
use crate::{kernels::dropout::Dropped, packed::sequences::Sequences};

/// The context of a pass through a layer, forward or backward.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    pub sequences: &'a Sequences,
    /// Index of the layer.
    pub layer: usize,
    pub mode: Mode,
}

impl Pass<'_> {
    /// Returns the dropout of a site that drops with probability `rate`, if that is not 0.
    pub fn dropped(&self, site: Site, rate: f64) -> Option<Dropped> {
        Some(Dropped {
            sequences: self.sequences.clone(),
            mask: self.mode.mask(site, rate)?,
        })
    }
}

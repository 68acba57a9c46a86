//! One pass through a layer: over which sequences, in which layer, dropping what.

use super::dropout::{Mode, Site};
use crate::{kernels::dropout::Dropped, packed::sequences::Sequences};

/// What a pass through a layer goes by, forward and backward.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a> {
    pub sequences: &'a Sequences,
    /// The layer's number.
    pub layer: usize,
    pub mode: Mode,
}

impl Pass<'_> {
    /// What a site drops with probability `rate`, if it drops at all.
    pub fn dropped(&self, site: Site, rate: f64) -> Option<Dropped> {
        Some(Dropped {
            sequences: self.sequences.clone(),
            mask: self.mode.mask(site, rate)?,
        })
    }
}

//! What a device can run: an operation's configuration that generates its own WGSL.

use std::{fmt, hash::Hash};

use super::params::Params;

/// A shader of an operation at one configuration, which is also the key of the compiled shader
/// cache.
pub trait Shader: fmt::Debug + Copy + Eq + Hash + Send + Sync + 'static {
    /// What it reads as `params`, bound after its arrays.
    type Params: Params;

    /// Returns the complete WGSL.
    fn text(self) -> String;

    /// Returns the workgroup size, as declared in the WGSL.
    fn workgroup(self) -> [u32; 2];

    /// Returns every configuration; if configurations depend on a model's shape or a device, a
    /// selection that covers the existing devices and models.
    fn all() -> Vec<Self>;
}

/// Direction in which a shader runs a differentiable operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Forward,
    Backward,
}

impl Direction {
    pub const ALL: [Self; 2] = [Self::Forward, Self::Backward];
}

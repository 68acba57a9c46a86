//! What a device can be asked to run: an operation's configuration, which writes its own WGSL.

use std::{fmt, hash::Hash};

use super::params::Params;

/// One of an operation's shaders at one configuration, by which it is compiled once and cached.
pub trait Shader: fmt::Debug + Copy + Eq + Hash + Send + Sync + 'static {
    /// What it reads as `params`, bound after its arrays.
    type Params: Params;

    /// Whole WGSL.
    fn text(self) -> String;

    /// Threads of a workgroup, as the WGSL has them.
    fn workgroup(self) -> [u32; 2];

    /// Every configuration. Of those that follow a model's shape or a device, a choice that covers
    /// what devices and models there are.
    fn all() -> Vec<Self>;
}

/// Which way a shader goes through a differentiable operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    Forward,
    Backward,
}

impl Direction {
    pub const ALL: [Self; 2] = [Self::Forward, Self::Backward];
}

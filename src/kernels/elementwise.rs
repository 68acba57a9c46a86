//! Launches a shader with one thread for each element of its arrays.

use burn::backend::wgpu::{CubeDim, SourceKernel};
use cubecl::{
    client::Client,
    prelude::CubeCount,
    server::{Handle, KernelArguments},
};

use super::shader::Shader;

/// Threads of a workgroup, as the shaders have them.
const THREADS: u32 = 256;

/// A dispatch is at most this many workgroups wide.
const WIDEST: u32 = 65_535;

/// Runs `shader` on `arrays` and, as its last binding, the words of `info`.
pub(super) fn launch(
    client: &Client,
    shader: Shader,
    elements: usize,
    arrays: impl IntoIterator<Item = Handle>,
    info: impl IntoIterator<Item = u32>,
) {
    let info: Vec<u8> = info.into_iter().flat_map(u32::to_le_bytes).collect();
    let info = client.create_from_slice(&info);
    let groups = (elements as u32).div_ceil(THREADS);
    let wide = groups.clamp(1, WIDEST);
    let buffers = arrays.into_iter().chain([info]);
    client.launch(
        Box::new(SourceKernel::new(shader, CubeDim::new_1d(THREADS))),
        CubeCount::Static(wide, groups.div_ceil(wide), 1),
        KernelArguments::new().with_buffers(buffers.map(Handle::binding).collect()),
    );
}

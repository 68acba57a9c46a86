//! Launches shaders, binding their arrays in order and then their parameters.

use burn::{
    backend::wgpu::{
        CubeDim, CubeTensor, KernelSource, SourceKernel, SourceTemplate, into_contiguous,
    },
    tensor::Shape,
};
use cubecl::{
    client::Client,
    ir::attributes::BufferIOAttr,
    prelude::{CubeCount, ExecutionMode, KernelId},
    server::{KernelArguments, MetadataBindingInfo},
};

use super::{formats::Element, group::size_within, params::Params, shader::Shader};

/// Widest dispatch that every device supports, in workgroups.
pub(super) const WIDEST_DISPATCH: u32 = 65_535;

/// Workgroup size of the elementwise shaders; matches the WGSL.
pub(super) const THREADS: u32 = 256;

/// Allocates an uninitialised tensor on the device of `tensor`.
pub(super) fn like(tensor: &CubeTensor, shape: Shape, element: Element) -> CubeTensor {
    let bytes = shape.num_elements() * element.size();
    CubeTensor::new_contiguous(
        tensor.client.clone(),
        tensor.device.clone(),
        shape,
        tensor.client.empty(bytes),
        element.dtype(),
    )
}

/// Returns a tensor that may be written in place: the tensor itself if it is uniquely owned,
/// otherwise a copy.
pub(super) fn owned(tensor: CubeTensor) -> CubeTensor {
    let tensor = into_contiguous(tensor);
    if tensor.can_mut() {
        tensor
    } else {
        tensor.copy()
    }
}

/// The arrays of a launch, in the order of the shader's bindings.
///
/// Write-only arrays are declared as such because the runtime skips a launch whose inputs an
/// earlier failure left unwritten; otherwise memory recycled from a failed step would remain
/// unusable.
#[derive(Default)]
pub(super) struct Arrays<'a> {
    /// Read and written in place.
    pub updated: &'a [&'a CubeTensor],
    pub read: &'a [&'a CubeTensor],
    pub written: &'a [&'a CubeTensor],
}

/// Adapts a [`Shader`] to Burn's kernel interface.
struct Source<S>(S);

impl<S: Shader> KernelSource for Source<S> {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.0.text())
    }

    fn id(&self) -> KernelId {
        // In checked mode naga adds an iteration counter to every loop to guarantee termination,
        // which no loop here needs; with it, drivers neither unroll loops nor keep arrays in
        // registers.
        KernelId::new::<S>()
            .info(self.0)
            .mode(ExecutionMode::Unchecked)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

/// Runs `shader` in `groups` workgroups.
pub(super) fn launch<S: Shader>(
    client: &Client,
    shader: S,
    groups: [u32; 2],
    params: &S::Params,
    arrays: Arrays,
) {
    let uses = [
        (arrays.updated, BufferIOAttr::ReadWrite),
        (arrays.read, BufferIOAttr::ReadOnly),
        (arrays.written, BufferIOAttr::WriteOnly),
    ];
    let in_order: Vec<_> = uses
        .into_iter()
        .flat_map(|(tensors, with)| tensors.iter().map(move |&tensor| (tensor, with)))
        .collect();
    launch_in_order(client, shader, groups, params, &in_order);
}

/// Same as [`launch`], with the use of each array given beside it.
///
/// The parameters are passed as the launch's own metadata, which the runtime binds after the
/// arrays: it writes them ahead of the pending launches and reuses them if the next launch has the
/// same. Writing them to a buffer instead would submit all pending work at every launch.
pub(super) fn launch_in_order<S: Shader>(
    client: &Client,
    shader: S,
    groups: [u32; 2],
    params: &S::Params,
    arrays: &[(&CubeTensor, BufferIOAttr)],
) {
    let mut arguments = KernelArguments::new().with_info(words(params));
    for (tensor, with) in arrays {
        arguments = arguments.with_buffer_io(tensor.handle.clone().binding(), *with);
    }
    let [wide, high] = shader.workgroup();
    client.launch(
        Box::new(SourceKernel::new(
            Source(shader),
            CubeDim::new_2d(wide, high),
        )),
        CubeCount::Static(groups[0], groups[1], 1),
        arguments,
    );
}

/// Packs the parameters' 32-bit words into pairs, as the runtime takes them.
fn words(params: &impl Params) -> MetadataBindingInfo {
    let mut words = Vec::new();
    params.push(&mut words);
    let pairs = words.chunks(2).map(|pair| {
        let [low, high] = [pair[0], pair.get(1).copied().unwrap_or(0)].map(u32::to_le_bytes);
        let [a, b, c, d] = low;
        let [e, f, g, h] = high;
        u64::from_ne_bytes([a, b, c, d, e, f, g, h])
    });
    MetadataBindingInfo::custom(pairs.collect())
}

/// Runs `shader` with one thread per element of its arrays.
pub(super) fn launch_elementwise<S: Shader>(
    client: &Client,
    shader: S,
    elements: usize,
    params: &S::Params,
    arrays: Arrays,
) {
    let groups = in_two_dimensions((elements as u32).div_ceil(THREADS));
    launch(client, shader, groups, params, arrays);
}

/// Returns whether the device of `tensor` can bind this many arrays at once. The runtime reserves
/// one further binding, which the parameters use.
pub(super) fn binds(tensor: &CubeTensor, arrays: usize) -> bool {
    arrays <= tensor.client.properties().hardware.max_bindings as usize
}

/// Returns how many members with `arrays` arrays each fit in a launch beside `shared` other arrays:
/// as many as the device binds, at most a whole group, rounded down to one of
/// [`SIZES`](super::group::SIZES).
pub(super) fn members(client: &Client, arrays: usize, shared: usize) -> usize {
    let bindings = client.properties().hardware.max_bindings as usize;
    size_within(bindings.saturating_sub(shared) / arrays)
}

/// Returns a dispatch of at least `count` workgroups, as wide as allowed.
pub(super) fn in_two_dimensions(count: u32) -> [u32; 2] {
    let wide = count.clamp(1, WIDEST_DISPATCH);
    [wide, count.div_ceil(wide)]
}

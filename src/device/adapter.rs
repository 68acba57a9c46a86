//! The graphics adapters of this machine, as wgpu sees them.
//!
//! The same card is listed once for every graphics API that reaches it. OpenGL comes last and is
//! queried only when the whole list is requested: it is never chosen automatically, and querying it
//! makes some drivers write to standard error.

use std::{
    fmt,
    sync::{Mutex, OnceLock},
};

use burn::tensor::wgpu::wgpu;
use cubecl::future::block_on;
use serde::Serialize;

use super::memory;

/// A graphics API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    Vulkan,
    Metal,
    Dx12,
    Gl,
}

impl Api {
    /// Returns the name used by `--device`.
    pub fn name(self) -> &'static str {
        match self {
            Api::Vulkan => "vulkan",
            Api::Metal => "metal",
            Api::Dx12 => "dx12",
            Api::Gl => "gl",
        }
    }

    pub(super) fn backend(self) -> wgpu::Backend {
        match self {
            Api::Vulkan => wgpu::Backend::Vulkan,
            Api::Metal => wgpu::Backend::Metal,
            Api::Dx12 => wgpu::Backend::Dx12,
            Api::Gl => wgpu::Backend::Gl,
        }
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The kind of an adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A card with its own memory.
    Discrete,
    /// Shares the processor's memory.
    Integrated,
    /// Part of a GPU, in a virtual machine.
    Virtual,
    /// A GPU whose driver does not report its kind.
    Other,
    /// A CPU implementation of a GPU: lavapipe, WARP.
    Software,
}

impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AdapterKind::Discrete => "discrete GPU",
            AdapterKind::Integrated => "integrated GPU",
            AdapterKind::Virtual => "virtual GPU",
            AdapterKind::Other => "GPU",
            AdapterKind::Software => "software",
        })
    }
}

/// A cooperative matrix product, computed by a subgroup at once: `[m, k] × [k, n] + [m, n]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CooperativeMatrix {
    pub m: u32,
    pub n: u32,
    pub k: u32,
    /// Number format of the factors.
    pub operands: String,
    /// Number format of the sum.
    pub result: String,
}

impl fmt::Display for CooperativeMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            m,
            n,
            k,
            operands,
            result,
        } = self;
        write!(f, "{m}x{n}x{k} {operands}->{result}")
    }
}

/// One adapter on one graphics API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// Index in the list, the `N` of `gpu:N`.
    pub index: usize,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    pub api: Api,
    /// Driver name and version.
    pub driver: String,
    /// Bytes; `None` if the system does not report it.
    pub memory: Option<u64>,
    /// Size of the largest buffer in bytes.
    pub max_buffer: u64,
    /// Most bytes of a buffer that a shader can bind; no tensor can be larger.
    pub max_storage_binding: u64,
    /// Bytes of workgroup memory.
    pub max_workgroup_storage: u32,
    /// Most invocations per workgroup.
    pub max_workgroup_invocations: u32,
    /// Number formats that shaders can compute in.
    pub precisions: Vec<&'static str>,
    /// Smallest and largest subgroup size; `None` without subgroup operations.
    pub subgroup: Option<(u32, u32)>,
    pub cooperative_matrices: Vec<CooperativeMatrix>,
    /// Whether it can run compute shaders at all.
    pub compute: bool,
    /// Most storage buffers that a shader can bind.
    #[serde(skip)]
    pub storage_buffers: u32,
    /// Index among the adapters of the same API and kind, by which the runtime identifies it.
    #[serde(skip)]
    pub nth_of_kind: usize,
}

impl AdapterInfo {
    /// Storage buffers that our shaders bind, equal to WebGPU's guaranteed minimum.
    const BUFFERS: u32 = 8;

    /// Returns what it lacks to run our shaders, if anything.
    pub fn lack(&self) -> Option<String> {
        if !self.compute {
            return Some("runs no compute shaders".to_owned());
        }
        (self.storage_buffers < Self::BUFFERS).then(|| {
            let (bound, needed) = (self.storage_buffers, Self::BUFFERS);
            format!("binds {bound} storage buffers to a shader, {needed} are needed")
        })
    }

    /// Returns whether it is a CPU implementation.
    pub fn is_software(&self) -> bool {
        self.kind == AdapterKind::Software
    }

    /// Returns whether shaders can compute in half precision.
    pub fn f16(&self) -> bool {
        self.precisions.contains(&"f16")
    }

    /// Returns whether cooperative matrices can be loaded from arrays of vectors: naga's Metal
    /// output supports only arrays of scalars.
    pub fn loads_matrices_from_vectors(&self) -> bool {
        self.api != Api::Metal
    }

    /// Returns whether it has cooperative matrices of `size × size` with f16 operands and f32 sums.
    pub fn multiplies_f16(&self, size: usize) -> bool {
        self.cooperative_matrices.iter().any(|matrix| {
            [matrix.m, matrix.n, matrix.k] == [size as u32; 3]
                && matrix.operands == "f16"
                && matrix.result == "f32"
        })
    }
}

/// Held while a graphics instance is created: the Vulkan loader crashes when several threads create
/// and destroy instances at the same time.
pub(super) static INSTANCES: Mutex<()> = Mutex::new(());

/// Returns every adapter of this machine, OpenGL last; empty if there is none.
pub fn list() -> Vec<AdapterInfo> {
    static WITH_GL: OnceLock<Vec<AdapterInfo>> = OnceLock::new();
    WITH_GL
        .get_or_init(|| {
            let mut adapters = without_gl();
            adapters.extend(enumerate(Api::Gl));
            number(&mut adapters);
            adapters
        })
        .clone()
}

/// Returns the adapters that may be chosen automatically: those of [`list`] before OpenGL.
pub fn without_gl() -> Vec<AdapterInfo> {
    static WITHOUT_GL: OnceLock<Vec<AdapterInfo>> = OnceLock::new();
    WITHOUT_GL
        .get_or_init(|| {
            let apis = [Api::Vulkan, Api::Metal, Api::Dx12];
            let mut adapters: Vec<_> = apis.into_iter().flat_map(enumerate).collect();
            number(&mut adapters);
            adapters
        })
        .clone()
}

fn number(adapters: &mut [AdapterInfo]) {
    for (index, adapter) in adapters.iter_mut().enumerate() {
        adapter.index = index;
    }
}

fn enumerate(api: Api) -> Vec<AdapterInfo> {
    let backends = wgpu::Backends::from(api.backend());
    if !wgpu::Instance::enabled_backend_features().contains(backends) {
        return Vec::new();
    }
    let _instances = INSTANCES
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor {
        backends,
        flags: wgpu::InstanceFlags::empty(),
        ..wgpu::InstanceDescriptor::new_without_display_handle()
    });
    let mut adapters: Vec<AdapterInfo> = Vec::new();
    for adapter in block_on(instance.enumerate_adapters(backends)) {
        let mut described = describe(&adapter, api);
        described.nth_of_kind = adapters
            .iter()
            .filter(|other| other.kind == described.kind)
            .count();
        adapters.push(described);
    }
    adapters
}

fn describe(adapter: &wgpu::Adapter, api: Api) -> AdapterInfo {
    let (info, limits, features) = (adapter.get_info(), adapter.limits(), adapter.features());
    let kind = match info.device_type {
        wgpu::DeviceType::DiscreteGpu => AdapterKind::Discrete,
        wgpu::DeviceType::IntegratedGpu => AdapterKind::Integrated,
        wgpu::DeviceType::VirtualGpu => AdapterKind::Virtual,
        wgpu::DeviceType::Cpu => AdapterKind::Software,
        wgpu::DeviceType::Other => AdapterKind::Other,
    };
    let memory = match kind {
        AdapterKind::Integrated | AdapterKind::Software => memory::system_memory(),
        _ => memory::gpu_memory(info.vendor, &info.device_pci_bus_id),
    };
    let mut precisions = vec!["f32"];
    if features.contains(wgpu::Features::SHADER_F16) {
        precisions.push("f16");
    }
    let cooperative = features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX);
    let subgroup = features
        .contains(wgpu::Features::SUBGROUP)
        .then_some((info.subgroup_min_size, info.subgroup_max_size))
        .map(|sizes| match api {
            Api::Metal => metal_subgroup(&info.name, sizes),
            _ => sizes,
        });
    let has_matrices = api != Api::Metal || is_apples(&info.name);
    let format = |scalar| format!("{scalar:?}").to_ascii_lowercase();
    AdapterInfo {
        index: 0,
        name: info.name,
        kind,
        api,
        driver: format!("{} {}", info.driver, info.driver_info)
            .trim()
            .to_owned(),
        memory,
        max_buffer: limits.max_buffer_size,
        max_storage_binding: limits.max_storage_buffer_binding_size,
        max_workgroup_storage: limits.max_compute_workgroup_storage_size,
        max_workgroup_invocations: limits.max_compute_invocations_per_workgroup,
        precisions,
        subgroup,
        cooperative_matrices: if cooperative && has_matrices {
            let products = adapter.cooperative_matrix_properties();
            products
                .into_iter()
                .map(|product| CooperativeMatrix {
                    m: product.m_size,
                    n: product.n_size,
                    k: product.k_size,
                    operands: format(product.ab_type),
                    result: format(product.cr_type),
                })
                .collect()
        } else {
            Vec::new()
        },
        compute: limits.max_compute_invocations_per_workgroup > 0,
        storage_buffers: limits.max_storage_buffers_per_shader_stage,
        nth_of_kind: 0,
    }
}

/// Returns the subgroup sizes of a GPU on Metal. wgpu reports only the range 4 to 64; Apple's own
/// GPUs use 32.
fn metal_subgroup(name: &str, sizes: (u32, u32)) -> (u32, u32) {
    match is_apples(name) {
        true => (32, 32),
        false => sizes,
    }
}

/// Returns whether a GPU on Metal is Apple's own. Only these have cooperative matrices, though wgpu also reports
/// them for AMD's and Intel's GPUs of older Macs.
fn is_apples(name: &str) -> bool {
    name.starts_with("Apple")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apples_subgroups_are_known() {
        assert_eq!(metal_subgroup("Apple M2 Pro", (4, 64)), (32, 32));
        assert_eq!(metal_subgroup("AMD Radeon Pro 5500M", (4, 64)), (4, 64));
    }
}

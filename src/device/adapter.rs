//! The graphics adapters of this machine, as wgpu sees them.
//!
//! The same card stands in the list once for every graphics API that reaches it. OpenGL comes
//! last and is asked only when somebody wants the whole list: it is never taken unasked, and
//! asking it makes some drivers write to standard error.

use std::{
    fmt,
    sync::{Mutex, OnceLock},
};

use burn::tensor::wgpu::wgpu;
use cubecl::future::block_on;
use serde::Serialize;

use super::memory;

/// A way to reach a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Api {
    Vulkan,
    Metal,
    Dx12,
    Gl,
}

impl Api {
    /// As `--device` spells it.
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

/// What an adapter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A card with its own memory.
    Discrete,
    /// Shares the processor's memory.
    Integrated,
    /// Part of a GPU, in a virtual machine.
    Virtual,
    /// A GPU whose driver does not say more.
    Other,
    /// A program on the CPU that acts as a GPU: lavapipe, WARP.
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

/// A product of small matrices that a subgroup computes at once: `[m, k] × [k, n] + [m, n]`.
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
    /// Place in the list, which `gpu:N` means.
    pub index: usize,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    pub api: Api,
    /// The driver with its version.
    pub driver: String,
    /// Bytes; `None` where the system does not tell.
    pub memory: Option<u64>,
    /// Bytes of the largest buffer.
    pub max_buffer: u64,
    /// Bytes of a buffer that a shader can read at most; no tensor is larger.
    pub max_storage_binding: u64,
    /// Bytes that a workgroup shares.
    pub max_workgroup_storage: u32,
    /// Invocations of a workgroup.
    pub max_workgroup_invocations: u32,
    /// Number formats that shaders compute with.
    pub precisions: Vec<&'static str>,
    /// Smallest and largest subgroup; `None` without subgroup operations.
    pub subgroup: Option<(u32, u32)>,
    pub cooperative_matrices: Vec<CooperativeMatrix>,
    /// Whether it runs compute shaders at all.
    pub compute: bool,
    /// Buffers that a shader binds at most.
    #[serde(skip)]
    pub storage_buffers: u32,
    /// Place among the adapters of the same API and kind, by which the runtime names it.
    #[serde(skip)]
    pub nth_of_kind: usize,
}

impl AdapterInfo {
    /// Storage buffers that our shaders bind, which is WebGPU's least limit.
    const BUFFERS: u32 = 8;

    /// What it would need to run our shaders, if it lacks anything.
    pub fn lack(&self) -> Option<String> {
        if !self.compute {
            return Some("runs no compute shaders".to_owned());
        }
        (self.storage_buffers < Self::BUFFERS).then(|| {
            let (bound, needed) = (self.storage_buffers, Self::BUFFERS);
            format!("binds {bound} storage buffers to a shader, {needed} are needed")
        })
    }

    /// Whether it is a program on the CPU.
    pub fn is_software(&self) -> bool {
        self.kind == AdapterKind::Software
    }

    /// Whether shaders compute in half precision.
    pub fn f16(&self) -> bool {
        self.precisions.contains(&"f16")
    }

    /// Whether cooperative matrices load from arrays of vectors: naga's Metal output takes scalars only.
    pub fn loads_matrices_from_vectors(&self) -> bool {
        self.api != Api::Metal
    }

    /// Whether it has matrix units for `size × size` matrices of f16 with f32 sums.
    pub fn multiplies_f16(&self, size: usize) -> bool {
        self.cooperative_matrices.iter().any(|matrix| {
            [matrix.m, matrix.n, matrix.k] == [size as u32; 3]
                && matrix.operands == "f16"
                && matrix.result == "f32"
        })
    }
}

/// Guards every creation of a graphics instance: the Vulkan loader crashes when instances come
/// and go on several threads at once.
pub(super) static INSTANCES: Mutex<()> = Mutex::new(());

/// Every adapter of this machine, OpenGL last; empty where there is none.
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

/// The adapters that may be taken unasked: those of [`list`] up to the first of OpenGL.
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
        cooperative_matrices: if cooperative {
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

/// The subgroups of a GPU on Metal, of which wgpu only knows that they are of 4 to 64: Apple's own are
/// of 32.
fn metal_subgroup(name: &str, sizes: (u32, u32)) -> (u32, u32) {
    match name.starts_with("Apple") {
        true => (32, 32),
        false => sizes,
    }
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

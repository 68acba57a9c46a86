//! Opens the picked device for Burn, once per process, after configuring the runtime.

use std::sync::{Mutex, Once};

use burn::{
    backend::DispatchDevice,
    tensor::{DType, Device},
};
use cubecl::{
    config::{CubeClRuntimeConfig, RuntimeConfig},
    wgpu::{
        AutoGraphicsApi, RuntimeOptions, WgpuBackend, WgpuDevice, WgpuDeviceKind, WgpuInitError,
    },
};

use super::{
    Error,
    adapter::{self, AdapterInfo, AdapterKind, Api, INSTANCES},
    memory,
    pick::{Pick, Picked, pick},
    request::DeviceRequest,
};
use crate::counted::counted;

/// An open device, with what there is to report about it.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// Without autodiff.
    pub device: Device,
    pub name: String,
    /// `cpu`, `vulkan`, `metal`, `dx12` or `gl`.
    pub backend: &'static str,
    pub driver: String,
    /// Why this device was picked.
    pub reason: String,
    /// Whether it is a CPU implementation of a GPU.
    pub is_software: bool,
    /// Bytes; `None` if the system does not report it.
    pub memory: Option<u64>,
    /// Whether it can run matmuls with f16 operands.
    pub f16: bool,
    /// The adapter with its limits; `None` for the CPU.
    pub adapter: Option<AdapterInfo>,
}

impl Chosen {
    /// Describes the device in a few words.
    pub fn short(&self) -> String {
        format!("{} ({})", self.name, self.backend)
    }

    /// Describes the device and the reason on one line.
    pub fn line(&self) -> String {
        let software = if self.is_software { ", software" } else { "" };
        let driver = if self.driver.is_empty() {
            String::new()
        } else {
            format!(", {}", self.driver)
        };
        format!(
            "{} ({}{software}{driver}): {}",
            self.name, self.backend, self.reason
        )
    }
}

/// Returns whether `device` is the CPU backend, with or without autodiff.
pub fn is_cpu(device: &Device) -> bool {
    matches!(
        device.clone().without_autodiff().as_dispatch(),
        DispatchDevice::Flex(_)
    )
}

/// Picks the device that `request` names and opens it; an already open device is shared.
///
/// `auto` also falls back to the CPU if the GPU cannot be opened.
///
/// # Errors
/// If no device matches the request, or the driver refuses.
///
/// # Examples
///
/// ```
/// use electra::device::{DeviceRequest, choose};
///
/// // DeviceRequest::Auto takes a GPU if there is one.
/// let chosen = choose(DeviceRequest::Cpu)?;
/// println!("{}", chosen.line());
/// # Ok::<(), electra::device::Error>(())
/// ```
pub fn choose(request: DeviceRequest) -> Result<Chosen, Error> {
    let adapters = match request {
        DeviceRequest::Cpu => Vec::new(),
        DeviceRequest::Adapter(_) => adapter::list(),
        _ => adapter::without_gl(),
    };
    let Pick { picked, reason } = pick(request, &adapters)?;
    let adapter = match picked {
        Picked::Cpu => return Ok(cpu(reason)),
        Picked::Adapter(adapter) => adapter,
    };
    match open(&adapter) {
        Ok(device) => Ok(Chosen {
            name: adapter.name.clone(),
            backend: adapter.api.name(),
            driver: adapter.driver.clone(),
            reason,
            is_software: adapter.is_software(),
            memory: adapter.memory,
            f16: device.supports_dtype(DType::F16),
            adapter: Some(adapter),
            device,
        }),
        Err(reason) if request == DeviceRequest::Auto => Ok(cpu(format!(
            "{} ({}) cannot be opened: {reason}",
            adapter.name, adapter.api
        ))),
        Err(reason) => Err(Error::Open {
            request,
            name: adapter.name,
            api: adapter.api,
            reason,
        }),
    }
}

fn cpu(reason: String) -> Chosen {
    keep_freed_memory();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    Chosen {
        device: Device::flex(),
        name: cpu_name(),
        backend: "cpu",
        driver: counted(threads, "thread"),
        reason,
        is_software: false,
        memory: memory::system_memory(),
        f16: Device::flex().supports_dtype(DType::F16),
        adapter: None,
    }
}

/// Keeps glibc from returning large buffers to the system when they are freed. It then has to fault
/// in every page of the next buffers anew: with a small model in bf16 that takes a seventh of the
/// processor time of predictions. The size that counts as large grows to that of the largest buffer
/// freed so far, up to 32 MiB, so this frees one such buffer without ever touching its memory.
/// Other allocators are unaffected.
fn keep_freed_memory() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(31 << 20)));
}

/// Returns the processor's name if the system reports it, otherwise `CPU`.
fn cpu_name() -> String {
    let named = if cfg!(target_os = "macos") {
        memory::sysctl("machdep.cpu.brand_string")
    } else if cfg!(windows) {
        std::env::var("PROCESSOR_IDENTIFIER").ok()
    } else {
        let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let name = |line: &str| {
            let (_, name) = line.strip_prefix("model name")?.split_once(':')?;
            Some(name.to_owned())
        };
        cpuinfo.lines().find_map(name)
    };
    let named = named.unwrap_or_default();
    match named.trim() {
        "" => "CPU".to_owned(),
        name => name.to_owned(),
    }
}

/// Limits the runtime to one stream. Must run before the first use of a GPU; it has no effect when
/// called again or after another part of the process has configured the runtime.
///
/// With the default of 128 streams, every thread allocates from its own pools and memory grows step
/// by step (tracel-ai/burn#4971). `burn.toml`, `cubecl.toml` and the environment still control
/// everything else.
pub fn configure_runtime() {
    static CONFIGURED: Once = Once::new();
    CONFIGURED.call_once(|| {
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        config.streaming.max_streams = 1;
        if !CubeClRuntimeConfig::try_set(config) {
            log::warn!("the GPU runtime was configured before; it may use more than one stream");
        }
    });
}

/// Launches per submission, unless the environment overrides it: more than the runtime's 32, but
/// fewer than the 64 buffer writes at which it waits for the GPU, since each launch may write its
/// parameters.
const LAUNCHES: usize = 60;

fn options() -> Result<RuntimeOptions, WgpuInitError> {
    let launches = std::env::var_os("CUBECL_WGPU_MAX_TASKS").is_none();
    RuntimeOptions::with_tasks_max(launches.then_some(LAUNCHES))
}

/// Opens an adapter, or shares it if already open: the runtime accepts each only once.
fn open(adapter: &AdapterInfo) -> Result<Device, String> {
    static OPEN: Mutex<Vec<WgpuDevice>> = Mutex::new(Vec::new());
    configure_runtime();
    let wanted = runtime_device(adapter)?;
    let mut opened = OPEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !opened.contains(&wanted) {
        let _instances = INSTANCES
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        let options = options().map_err(|e| e.to_string())?;
        let setup = cubecl::wgpu::try_init_setup::<AutoGraphicsApi>(&wanted, options)
            .map_err(|e| e.to_string())?;
        // The runtime enumerates adapters again, so a card may have come or gone in between.
        let found = setup.adapter.get_info().name;
        if found != adapter.name {
            return Err(format!("the runtime found {found} in its place; try again"));
        }
        opened.push(wanted.clone());
    }
    Ok(Device::new(wanted))
}

/// Returns the runtime's identifier of an adapter: its index among those of its kind and API.
fn runtime_device(adapter: &AdapterInfo) -> Result<WgpuDevice, String> {
    let nth = adapter.nth_of_kind;
    let kind = match adapter.kind {
        AdapterKind::Discrete => WgpuDeviceKind::DiscreteGpu(nth),
        AdapterKind::Integrated => WgpuDeviceKind::IntegratedGpu(nth),
        AdapterKind::Virtual => WgpuDeviceKind::VirtualGpu(nth),
        AdapterKind::Other => WgpuDeviceKind::Other(nth),
        AdapterKind::Software if nth == 0 => WgpuDeviceKind::Cpu,
        AdapterKind::Software => {
            return Err("the runtime takes only the first software adapter of an API".to_owned());
        }
    };
    Ok(WgpuDevice::new(kind).on(match adapter.api {
        Api::Vulkan => WgpuBackend::Vulkan,
        Api::Metal => WgpuBackend::Metal,
        Api::Dx12 => WgpuBackend::Dx12,
        Api::Gl => WgpuBackend::Gl,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_uses_one_stream() {
        configure_runtime();
        assert_eq!(CubeClRuntimeConfig::get().streaming.max_streams, 1);
    }

    #[test]
    fn the_cpu_is_told_from_others_with_autodiff_too() {
        assert!(is_cpu(&Device::flex()) && is_cpu(&Device::flex().autodiff()));
    }

    #[test]
    fn the_cpu_is_always_there() {
        let chosen = choose(DeviceRequest::Cpu).unwrap();
        assert_eq!((chosen.backend, chosen.is_software), ("cpu", false));
        assert_eq!(chosen.device, Device::flex());
        assert!(
            chosen.line().ends_with(" threads): as requested"),
            "{}",
            chosen.line()
        );
        assert_eq!(chosen.adapter, None);
    }

    #[test]
    fn auto_always_finds_a_device() {
        let chosen = choose(DeviceRequest::Auto).unwrap();
        assert!(!chosen.is_software);
        assert_ne!(chosen.backend, "gl");
        let sum: f32 = burn::Tensor::<1>::from_floats([1.0, 2.0], &chosen.device)
            .sum()
            .into_scalar();
        assert_eq!(sum, 3.0);
    }

    #[test]
    fn a_device_opened_twice_is_shared() {
        let Ok(first) = choose(DeviceRequest::Gpu) else {
            println!("skipped: this machine has no Vulkan, Metal or DirectX 12 adapter");
            return;
        };
        let second = choose(DeviceRequest::Gpu).unwrap();
        assert_eq!(first.device, second.device);
        assert_eq!(first.adapter, second.adapter);
        assert_eq!(first.f16, first.adapter.as_ref().unwrap().f16());
        // Tensors of the two handles can only be combined if both are the same device.
        let a = burn::Tensor::<1>::from_floats([1.0, 2.0], &first.device);
        let b = burn::Tensor::<1>::from_floats([3.0, 4.0], &second.device);
        let product: Vec<f32> = (a * b).into_data().try_to_vec().unwrap();
        assert_eq!(product, [3.0, 8.0]);
        assert!(first.device.memory_pool_usage().is_some());
    }
}

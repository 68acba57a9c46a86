//! Lists the graphics adapters, picks a device, and states which and why.
//!
//! [`DeviceRequest`] is the value of `--device`, [`adapter::list`] what the machine has,
//! [`pick::pick`] the pure rule that decides, and [`choose`] opens the device. The runtime is
//! limited to one stream before its first use: with its default of 128, memory grows without bound
//! during training (tracel-ai/burn#4971).

pub mod adapter;
pub mod coming;
pub mod failure;
pub mod half;
pub mod memory;
pub mod open;
pub mod pick;
pub mod request;

pub use adapter::{AdapterInfo, AdapterKind, Api, CooperativeMatrix, list};
pub use coming::Coming;
pub use failure::DeviceError;
pub use memory::ByteSize;
pub use open::{Chosen, choose, configure_runtime, is_cpu};
pub use pick::{Pick, Picked, card_of};
pub use request::DeviceRequest;

/// A requested device is unavailable.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("--device {request}: {found}; {advice}")]
    NotFound {
        request: DeviceRequest,
        found: String,
        advice: &'static str,
    },
    #[error(
        "--device {request}: {name} ({api}) cannot be opened: {reason}; check its driver, or give --device \
         cpu"
    )]
    Open {
        request: DeviceRequest,
        name: String,
        api: Api,
        reason: String,
    },
    #[error("{name} does not compute with f16; give --precision f32")]
    NoF16 { name: String },
    #[error("{name} does not compute with bf16: {reason}")]
    NoBf16 { name: String, reason: String },
    #[error("{name}: trying kernels failed: {reason}; check its driver, or give --device cpu")]
    Products { name: String, reason: String },
    #[error(
        "{name}: expected training steps like the CPU's, found others in {format}: {found}; update its driver, \
         or give {advice}"
    )]
    Disagrees {
        name: String,
        format: &'static str,
        found: String,
        advice: &'static str,
    },
    #[error(
        "{name}: expected a kernel that computes {operation} correctly, found none ({found}); update its \
         driver, or give {advice}"
    )]
    NoKernel {
        name: String,
        operation: String,
        /// Why each was left out.
        found: String,
        advice: &'static str,
    },
    #[error("stopped while kernels were being tried")]
    Stopped,
    #[error(
        "the device failed: {reason}; start the same command again to go on from the last \
         checkpoint, or give --device cpu"
    )]
    Failed { reason: String },
}

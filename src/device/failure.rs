//! A device that fails where the runtime returns no error: the runtime panics, and here that
//! becomes an error.

use std::{
    any::Any,
    fmt,
    panic::{self, AssertUnwindSafe},
};

use burn::tensor::Device;

use super::{Error, is_cpu};

/// How the runtime's panics begin (cubecl-wgpu, `PoisonWatch::watch`).
const PANIC: &str = "wgpu error:";

/// What the runtime says of a device that is gone for good (cubecl-runtime, `DevicePoisoned`).
const POISONED: &str = "device is poisoned";

/// The device did not give back what it computed.
#[derive(Debug, thiserror::Error)]
#[error("{FAILED}{0}")]
pub struct DeviceError(String);

/// How a [`DeviceError`] begins.
const FAILED: &str = "the device failed: ";

impl DeviceError {
    /// `cause` is an error of Burn's or of the runtime's; only its debug form tells the reason.
    pub fn new(cause: impl fmt::Debug) -> Self {
        Self(one_line(&format!("{cause:?}").replace("\\n", "\n")))
    }

    /// The error that was told in `text`, for callers whose own errors carry nothing but text.
    pub fn from_message(text: &str) -> Option<Self> {
        let (_, reason) = text.split_once(FAILED)?;
        Some(Self(reason.to_owned()))
    }

    /// Whether to compute less at once may help: most often memory ran out on a device of its own.
    pub fn maybe_out_of_memory(&self, device: &Device) -> bool {
        !self.is_lost() && !is_cpu(device)
    }

    /// Whether the device will not come back in this process, as after a reset of its driver.
    pub fn is_lost(&self) -> bool {
        self.0.contains(POISONED)
    }
}

/// Keeps the panics that [`caught`] turns into errors off the screen; other panics are reported as usual.
pub fn quiet_panics() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| match reason(info.payload()) {
        Some(reason) => log::debug!("{reason}"),
        None => tell(info),
    }));
}

/// Runs `work`; a panic of the GPU's runtime ends it with an error, any other goes on.
///
/// # Errors
/// [`Error::Failed`] with what the driver said.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| match reason(&*payload) {
        Some(reason) => Error::Failed { reason },
        None => panic::resume_unwind(payload),
    })
}

/// What the driver said, in one line; `None` for a panic that is not the GPU runtime's.
fn reason(payload: &(dyn Any + Send)) -> Option<String> {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())?;
    let said = text.strip_prefix(PANIC)?;
    Some(one_line(said))
}

/// Without line ends and without what the runtime says of backtraces that it did not take.
fn one_line(text: &str) -> String {
    text.replace("Backtrace:\nNo backtrace available", "")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtimes_panic_is_an_error() {
        let error = caught(|| panic!("wgpu error: Out of\n  Memory\n")).unwrap_err();
        let expected = "the device failed: Out of Memory; start the same command again to go on \
                        from the last checkpoint, or give --device cpu";
        assert_eq!(error.to_string(), expected);
        assert_eq!(caught(|| 3).unwrap(), 3);
    }

    #[test]
    fn a_lost_device_is_told_from_lack_of_memory() {
        let lost = "StorageAccess(Read(\"The device is poisoned\nCaused by:\n  Unknown: \
                    reset\nBacktrace:\nNo backtrace available\"))";
        let lost = DeviceError::new(lost);
        assert!(lost.is_lost());
        let expected = "The device is poisoned Caused by: Unknown: reset";
        assert!(lost.to_string().contains(expected), "{lost}");
        assert!(!DeviceError::new("out of memory").is_lost());
        let again = DeviceError::from_message(&format!("I/O error: {lost}")).unwrap();
        assert_eq!(again.to_string(), lost.to_string());
        assert!(DeviceError::from_message("No space left on device").is_none());
    }

    #[test]
    fn another_panic_goes_on() {
        let payload = panic::catch_unwind(|| caught(|| panic!("a defect of ours"))).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"a defect of ours"));
    }
}

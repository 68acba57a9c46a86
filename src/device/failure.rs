//! Turns device failures that the runtime reports by panicking into errors.

use std::{
    any::Any,
    fmt,
    panic::{self, AssertUnwindSafe},
};

use burn::tensor::Device;

use super::{Error, is_cpu};

/// Prefix of the runtime's panics (cubecl-wgpu, `PoisonWatch::watch`).
const PANIC: &str = "wgpu error:";

/// The runtime's message for a device that is lost for good (cubecl-runtime, `DevicePoisoned`).
const POISONED: &str = "device is poisoned";

/// The device did not return its results.
#[derive(Debug, thiserror::Error)]
#[error("{FAILED}{0}")]
pub struct DeviceError(String);

/// Prefix of a [`DeviceError`].
const FAILED: &str = "the device failed: ";

impl DeviceError {
    /// Wraps an error of Burn or the runtime; only its debug output states the reason.
    pub fn new(cause: impl fmt::Debug) -> Self {
        Self(one_line(&format!("{cause:?}").replace("\\n", "\n")))
    }

    /// Recovers the error from a message, for callers whose own errors carry only text.
    pub fn from_message(text: &str) -> Option<Self> {
        let (_, reason) = text.split_once(FAILED)?;
        Some(Self(reason.to_owned()))
    }

    /// Returns whether computing less at once may help: on a device with its own memory, the usual
    /// cause is that it ran out.
    pub fn maybe_out_of_memory(&self, device: &Device) -> bool {
        !self.is_lost() && !is_cpu(device)
    }

    /// Returns whether the device is gone for the rest of this process, as after a driver reset.
    pub fn is_lost(&self) -> bool {
        self.0.contains(POISONED)
    }
}

/// Silences the panics that [`caught`] turns into errors; other panics are reported as usual.
pub fn quiet_panics() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| match reason(info.payload()) {
        Some(reason) => log::debug!("{reason}"),
        None => tell(info),
    }));
}

/// Runs `work`; turns a panic of the GPU runtime into an error and resumes any other panic.
///
/// # Errors
/// [`Error::Failed`] with the driver's message.
pub fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Error> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|payload| match reason(&*payload) {
        Some(reason) => Error::Failed { reason },
        None => panic::resume_unwind(payload),
    })
}

/// Returns the driver's message on one line; `None` if the panic is not the GPU runtime's.
fn reason(payload: &(dyn Any + Send)) -> Option<String> {
    let text = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())?;
    let said = text.strip_prefix(PANIC)?;
    Some(one_line(said))
}

/// Removes line breaks and the runtime's remark about backtraces that it did not take.
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

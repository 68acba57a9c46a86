//! A step that its device could not compute: it is tried with half as many rows at once, or ends the run.

use burn::tensor::Device;

use crate::{device::DeviceError, progress::Progress};

/// What ends a run when fewer rows at once do not help.
#[derive(Debug, thiserror::Error)]
#[error(
    "step {step}: {source}; start the same command again to go on from the last checkpoint, or give \
     --device cpu"
)]
pub struct StepFailure {
    pub step: u64,
    pub source: DeviceError,
}

impl StepFailure {
    /// Returns half as many rows, called `rows_are`, as the `failed` ones that could not be computed at
    /// once, and says so. What the failed attempt held goes back to the driver.
    ///
    /// # Errors
    /// The failure, if there was one row, or memory cannot be the cause.
    pub fn half_of(
        self,
        failed: usize,
        rows_are: &str,
        device: &Device,
        progress: &Progress,
    ) -> Result<usize, Self> {
        if failed < 2 || !self.source.maybe_out_of_memory(device) {
            return Err(self);
        }
        let Self { step, source } = self;
        log::warn!("step {step}: {source}");
        device.memory_cleanup();
        let half = failed.div_ceil(2);
        progress.note(&format!(
            "step {step}: the device could not compute {failed} {rows_are} at once, most often for lack \
             of memory; going on with {half}"
        ));
        Ok(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Output;

    #[test]
    fn a_device_without_memory_of_its_own_ends_the_run() {
        let failure = StepFailure {
            step: 7,
            source: DeviceError::new("no reply"),
        };
        let progress = Progress::new(Output::Quiet);
        let error = failure
            .half_of(8, "features", &Device::flex(), &progress)
            .unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with("step 7: "), "{told}");
        assert!(
            told.ends_with(
                "; start the same command again to go on from the last checkpoint, or give --device cpu"
            ),
            "{told}"
        );
    }
}

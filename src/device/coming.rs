//! Values that a device has yet to compute, asked for now and waited for later.

use std::task::{Context, Poll, Waker};

use burn::{
    Tensor,
    backend::wgpu::{CubeBackend, CubeTensor, into_contiguous},
};
use cubecl::{
    future::{DynFut, block_on},
    server::ServerError,
};

use super::{DeviceError, is_cpu};

/// Values in f32 on their way from a device.
pub struct Coming(State);

enum State {
    Here(Vec<f32>),
    Under(DynFut<Result<Vec<f32>, ServerError>>),
}

impl Coming {
    /// Asks for the values of a tensor, without autodiff. The device copies them as soon as it has
    /// computed them, before anything that is launched later; Burn's own reads, of which one waits at
    /// once and the other asks only when it is waited for, cannot do that.
    ///
    /// # Errors
    /// If a launch that they depend on has failed already, most often for lack of memory. What they do
    /// not depend on may have failed unseen: it shows in whatever uses it next.
    pub fn ask(values: Tensor<1>) -> Result<Self, DeviceError> {
        if is_cpu(&values.device()) {
            let values = values.try_into_vec_as::<f32>().map_err(DeviceError::new)?;
            return Ok(Self(State::Here(values)));
        }
        let tensor = values
            .try_into_primitive::<CubeBackend>()
            .map_err(DeviceError::new)?;
        let mut reading: DynFut<_> = Box::pin(read(into_contiguous(tensor)));
        // The first poll asks; it is the last if that has failed.
        match reading
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(read) => Ok(Self(State::Here(read.map_err(DeviceError::new)?))),
            Poll::Pending => Ok(Self(State::Under(reading))),
        }
    }

    /// Waits for the values.
    ///
    /// # Errors
    /// If the device fails meanwhile.
    pub fn wait(mut self) -> Result<Vec<f32>, DeviceError> {
        match std::mem::replace(&mut self.0, State::Here(Vec::new())) {
            State::Here(values) => Ok(values),
            State::Under(reading) => block_on(reading).map_err(DeviceError::new),
        }
    }
}

/// Waits for values that nobody wants any more: the runtime would take their buffer for another copy
/// while it is still mapped, and the driver refuses that.
impl Drop for Coming {
    fn drop(&mut self) {
        if let State::Under(reading) = std::mem::replace(&mut self.0, State::Here(Vec::new()))
            && !std::thread::panicking()
        {
            // Whatever has failed shows again in what is launched next.
            let _ = block_on(reading);
        }
    }
}

/// The values of a contiguous tensor in f32.
async fn read(tensor: CubeTensor) -> Result<Vec<f32>, ServerError> {
    let bytes = tensor
        .client
        .read_async(vec![tensor.handle.clone()])
        .await?;
    let words = bytes.iter().flat_map(|bytes| bytes.as_chunks::<4>().0);
    Ok(words.map(|&word| f32::from_ne_bytes(word)).collect())
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[test]
    fn values_of_the_cpu_are_here_at_once() {
        let values = Tensor::from_floats([1.5, f32::NEG_INFINITY], &Device::flex());
        let coming = Coming::ask(values).unwrap();
        assert!(matches!(coming.0, State::Here(_)));
        assert_eq!(coming.wait().unwrap(), [1.5, f32::NEG_INFINITY]);
    }
}

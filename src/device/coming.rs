//! Values that a device has yet to compute, asked for now and waited for later.

use std::task::{Context, Poll, Waker};

use burn::{
    Tensor,
    backend::wgpu::{CubeBackend, CubeTensor, into_contiguous},
    tensor::FloatDType,
};
use cubecl::{
    future::{DynFut, block_on},
    server::ServerError,
};

use super::{DeviceError, is_cpu};

/// Values in f32 on their way from a device.
pub struct Coming(State);

enum State {
    Here(Result<Vec<f32>, DeviceError>),
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
        let values = values.cast(FloatDType::F32);
        if is_cpu(&values.device()) {
            let values = values.try_into_vec_as::<f32>().map_err(DeviceError::new)?;
            return Ok(Self(State::Here(Ok(values))));
        }
        let tensor = values
            .try_into_primitive::<CubeBackend>()
            .map_err(DeviceError::new)?;
        let reading = Box::pin(read(into_contiguous(tensor)));
        let mut coming = Self(State::Under(reading));
        // The first look asks; it is the last if that has failed.
        match coming.look() {
            true => coming.wait().map(|values| Self(State::Here(Ok(values)))),
            false => Ok(coming),
        }
    }

    /// Returns whether [`wait`](Self::wait) would return at once.
    pub fn look(&mut self) -> bool {
        let State::Under(reading) = &mut self.0 else {
            return true;
        };
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(read) = reading.as_mut().poll(&mut context) else {
            return false;
        };
        self.0 = State::Here(read.map_err(DeviceError::new));
        true
    }

    /// Waits for the values.
    ///
    /// # Errors
    /// If the device fails meanwhile.
    pub fn wait(mut self) -> Result<Vec<f32>, DeviceError> {
        match self.take() {
            State::Here(values) => values,
            State::Under(reading) => block_on(reading).map_err(DeviceError::new),
        }
    }

    fn take(&mut self) -> State {
        std::mem::replace(&mut self.0, State::Here(Ok(Vec::new())))
    }
}

/// Waits for values that nobody wants any more: the runtime would take their buffer for another copy
/// while it is still mapped, and the driver refuses that.
impl Drop for Coming {
    fn drop(&mut self) {
        if let State::Under(reading) = self.take()
            && !std::thread::panicking()
        {
            // Whatever has failed shows again in what is launched next.
            let _ = block_on(reading);
        }
    }
}

/// The values of a contiguous tensor in f32.
async fn read(tensor: CubeTensor) -> Result<Vec<f32>, ServerError> {
    let (client, handle) = (tensor.client.clone(), tensor.handle.clone());
    // The pool may take the tensor's memory for what is launched after the copy.
    drop(tensor);
    let bytes = client.read_async(vec![handle]).await?;
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
        let mut coming = Coming::ask(values).unwrap();
        assert!(coming.look());
        assert_eq!(coming.wait().unwrap(), [1.5, f32::NEG_INFINITY]);
    }
}

//! Dropout: in training, zeroes a share of the values and scales the others up to keep the mean.
//!
//! Masks follow from a seed that the training step gives. On the CPU each thread draws its own
//! from that seed, because Burn's CPU backend has one random stream for the whole process; on a
//! GPU the device's stream is seeded.

use std::cell::RefCell;

use burn::{
    Tensor,
    tensor::{Device, Distribution, TensorData},
};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Whether a forward pass drops values. Predictions never do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Train,
    Predict,
}

thread_local! {
    /// The stream of this thread's masks, where they are drawn on the host.
    static MASKS: RefCell<Option<ChaCha8Rng>> = const { RefCell::new(None) };
}

/// Starts the masks of the calling thread's next forward pass on `device`.
pub fn seed(device: &Device, seed: u64) {
    let on_host = crate::device::is_cpu(device);
    if !on_host {
        device.seed(seed);
    }
    MASKS.with_borrow_mut(|masks| *masks = on_host.then(|| ChaCha8Rng::seed_from_u64(seed)));
}

/// Keeps each value with probability `1 − rate`, scaled by `1 / (1 − rate)`.
pub fn dropout<const D: usize>(values: Tensor<D>, rate: f64, mode: Mode) -> Tensor<D> {
    if mode == Mode::Predict || rate == 0.0 {
        return values;
    }
    let keep = 1.0 - rate;
    let (shape, device) = (values.dims(), values.device());
    let mask = MASKS.with_borrow_mut(|masks| match masks {
        Some(random) => {
            let elements = shape.iter().product();
            let mask = host_mask(random, elements, keep);
            Tensor::from_data(TensorData::new(mask, shape), &device)
        }
        None => Tensor::random(shape, Distribution::Bernoulli(keep), &device) / keep,
    });
    values * mask
}

/// `elements` values of which a share `keep` is `1 / keep` and the others 0.
fn host_mask(random: &mut ChaCha8Rng, elements: usize, keep: f64) -> Vec<f32> {
    let mut bytes = vec![0; 4 * elements];
    random.fill_bytes(&mut bytes);
    let below = (keep * (f64::from(u32::MAX) + 1.0)) as u32;
    let scale = (1.0 / keep) as f32;
    bytes
        .chunks_exact(4)
        .map(|word| {
            let drawn = u32::from_le_bytes([word[0], word[1], word[2], word[3]]);
            if drawn < below { scale } else { 0.0 }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_is_dropped_and_the_mean_kept() {
        let mask = host_mask(&mut ChaCha8Rng::seed_from_u64(1), 100_000, 0.9);
        let dropped = mask.iter().filter(|&&value| value == 0.0).count();
        // Four standard deviations of a binomial share of a tenth.
        assert!((9_620..10_380).contains(&dropped), "{dropped}");
        assert!(
            mask.iter()
                .all(|&value| value == 0.0 || value == 1.0 / 0.9_f32)
        );
    }

    #[test]
    fn the_same_seed_draws_the_same_mask() {
        let device = Device::flex().autodiff();
        let draw = |number| {
            seed(&device, number);
            let ones = Tensor::<1>::ones([64], &device);
            let dropped = dropout(ones, 0.5, Mode::Train).inner();
            dropped.try_into_vec_as::<f32>().unwrap()
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}

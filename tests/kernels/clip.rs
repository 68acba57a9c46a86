//! The norm of all gradients and the factor that clips them, or leaves them out, on every device.

use burn::{
    Tensor,
    tensor::{Device, TensorData},
};
use electra::kernels::{
    clip::{Clip, LEFT_OUT, clip},
    square_sum::SquareSum,
};

/// Sums that are not 0, each behind its place.
type Sums = &'static [(usize, f32)];

/// More sums than a workgroup has threads.
const SUMS: usize = 300;

fn flat(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// Losses and norm, and the factor, of sums that are 0 but for these.
fn clipped(losses: &[f32], sums: Sums, to: Clip, device: &Device) -> (Vec<f32>, f32) {
    let mut all = [0.0; SUMS];
    for &(place, sum) in sums {
        all[place] = sum;
    }
    let squares = SquareSum::of_sums(flat(&all, device));
    let clipped = clip(flat(losses, device), squares, to);
    let factor = clipped.factor.try_into_vec_as::<f32>().unwrap();
    assert_eq!(factor.len(), 1);
    let figures = clipped.figures.try_into_vec_as::<f32>().unwrap();
    (figures, factor[0])
}

#[test]
fn finite_gradients_are_clipped_by_their_norm() {
    let sums: [Sums; 5] = [
        &[],
        &[(0, 0.25)],
        &[(3, 4.0), (299, 5.0)],
        &[(256, 1e-30)],
        // Close to the greatest value of f32.
        &[(7, 3.0e38)],
    ];
    for (name, device) in crate::support::devices() {
        for loss_scale in [1.0, 1024.0] {
            for sums in sums {
                let to = Clip {
                    norm: 1.0,
                    loss_scale,
                };
                let losses = [1.5, -3.0e38, 0.0];
                let (figures, factor) = clipped(&losses, sums, to, &device);
                assert_eq!(figures[..3], losses, "{name} {sums:?}");
                let norm = sums.iter().map(|&(_, sum)| f64::from(sum)).sum::<f64>();
                let norm = norm.sqrt() / loss_scale;
                let off = f64::from(figures[3]) - norm;
                assert!(off.abs() <= 1e-6 * norm, "{name} {sums:?}: {figures:?}");
                let exact = 1.0 / norm.max(1.0) / loss_scale;
                let off = f64::from(factor) / exact - 1.0;
                assert!(off.abs() < 1e-6, "{name} {sums:?}: {factor}");
            }
        }
    }
}

#[test]
fn gradients_are_left_out_if_a_loss_or_the_norm_is_not_finite() {
    const NAN: f32 = f32::NAN;
    const INFINITE: f32 = f32::INFINITY;
    let cases: [(&[f32], Sums); 9] = [
        (&[NAN], &[(0, 1.0)]),
        (&[INFINITE], &[(0, 1.0)]),
        (&[-INFINITE, 1.0], &[(0, 1.0)]),
        (&[1.0, 2.0, -NAN], &[]),
        (&[INFINITE, -INFINITE], &[]),
        (&[1.0], &[(299, NAN)]),
        (&[1.0], &[(5, INFINITE)]),
        // Each is finite.
        (&[1.0], &[(5, 3.0e38), (100, 3.0e38)]),
        (&[1.0, 0.0], &[(5, INFINITE), (6, NAN)]),
    ];
    for (name, device) in crate::support::devices() {
        for loss_scale in [1.0, 1024.0] {
            for (losses, sums) in cases {
                let to = Clip {
                    norm: 1.0,
                    loss_scale,
                };
                let (figures, factor) = clipped(losses, sums, to, &device);
                let what = format!("{name} {losses:?} {sums:?}: {figures:?}");
                assert_eq!(factor, LEFT_OUT, "{what}");
                // The host tells the same from them.
                assert!(figures.iter().any(|figure| !figure.is_finite()), "{what}");
                for (figure, loss) in figures.iter().zip(losses) {
                    assert_eq!(figure.is_nan(), loss.is_nan(), "{what}");
                    assert!(figure == loss || loss.is_nan(), "{what}");
                }
            }
        }
    }
}

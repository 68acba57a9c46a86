//! The GELU in both directions against its definition, on every device.

use burn::{Tensor, tensor::TensorData};
use electra::kernels::gelu::gelu;

/// erf by its Taylor series, exact to f64 rounding on |x| ≤ 4.
fn erf(x: f64) -> f64 {
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        let n = f64::from(n);
        term *= -x * x / n;
        sum += term / (2.0 * n + 1.0);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[test]
fn value_and_gradient_are_those_of_erf_not_of_tanh() {
    let points: Vec<f32> = (-40..=40).map(|i| i as f32 / 10.0).collect();
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    for (name, device) in crate::support::devices() {
        let device = device.autodiff();
        let data = TensorData::new(points.clone(), [points.len()]);
        let x = Tensor::<1>::from_data(data, &device).require_grad();
        let y = gelu(x.clone());
        let gradients = y.clone().sum().backward();
        let slopes = x
            .grad(&gradients)
            .unwrap()
            .try_into_vec_as::<f32>()
            .unwrap();
        let values = y.inner().try_into_vec_as::<f32>().unwrap();
        for ((&x, value), slope) in points.iter().zip(values).zip(slopes) {
            let x = f64::from(x);
            let distribution = 0.5 * (1.0 + erf(x * half));
            // The GPU's erf is a polynomial good to 1.5e-7; values reach 4. The tanh form is off
            // by 9e-4 at ±2, far outside.
            assert!(
                (f64::from(value) - x * distribution).abs() < 2e-6,
                "{name} {x}: {value}"
            );
            let exact = distribution + x * density(x);
            assert!(
                (f64::from(slope) - exact).abs() < 2e-6,
                "{name} slope at {x}: {slope}"
            );
        }
    }
}

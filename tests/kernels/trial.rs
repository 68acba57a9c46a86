//! The trial of kernels on a real device: every form is right, tails and all, and what is submitted at
//! once changes no number.

use std::sync::{Mutex, PoisonError};

use burn::{Tensor, tensor::Device};
use electra::{
    device::{DeviceRequest, choose},
    kernels::{
        autotune::{ModelShape, try_out},
        dense::layer::DenseLayer,
        formats::Element,
        matmul::{MatmulTilings, config::MatmulTiling},
        work,
    },
};

/// Both tests set the rate of the one device.
static RATE: Mutex<()> = Mutex::new(());

#[test]
fn every_form_that_a_device_offers_is_right() {
    let Ok(chosen) = choose(DeviceRequest::Gpu) else {
        println!("skipped: no GPU");
        return;
    };
    let _rate = RATE.lock().unwrap_or_else(PoisonError::into_inner);
    let adapter = chosen.adapter.as_ref().unwrap();
    // One sequence of 383 tokens; 123 rows of a product on a software driver.
    let shape = ModelShape {
        tokens: 400,
        hidden: 64,
        inner: 144,
        heads: 2,
    };
    for operand in Element::ALL {
        if operand == Element::F16 && !chosen.f16 {
            println!("{}: no f16", chosen.name);
            continue;
        }
        let choice = try_out(&chosen.device, adapter, operand, shape).unwrap();
        for timing in &choice.timings {
            println!("{timing}");
            assert_eq!(timing.left_out, "", "{timing}");
        }
        // Burn's and at least one more at six products.
        assert!(choice.timings.len() >= 12, "{}", choice.timings.len());
        assert!(choice.left_out.is_empty());
        assert_eq!(choice.conversion.is_some(), operand == Element::F16);
        println!("{:?}", choice.conversion);
        let bound = work::most_tokens(&chosen.device, [64, 144]);
        assert!(bound.is_some() || chosen.is_software);
    }
}

/// What two dense layers give, one after the other, and their gradients.
fn computed(device: &Device) -> Vec<Vec<f32>> {
    let matrix = |rows: usize, columns: usize, first: i64| {
        let end = first + (rows * columns) as i64;
        let values = Tensor::<1, burn::tensor::Int>::arange(first..end, device).float();
        (values * 0.37).sin().reshape([rows, columns])
    };
    let layer = |input, output| DenseLayer {
        kernel: matrix(input, output, 7),
        bias: matrix(1, output, 3).flatten(0, 1),
        products: MatmulTilings::all(MatmulTiling::Tiled { quarters: 1 }).into(),
    };
    let x = matrix(70, 64, 1);
    let inner = layer(64, 144);
    let (y, kept) = inner.gelu_keeping(x.clone());
    let z = layer(144, 64).residual(y.clone(), x.clone(), None);
    let dy = layer(144, 64).inner_gradient(z.clone(), kept);
    let (dw, db) = inner.parameter_gradients(x, dy.clone());
    let dx = inner.input_gradient(dy);
    let values = [z, dw, db.unsqueeze(), dx];
    values
        .map(|values| values.into_data().try_to_vec().unwrap())
        .into()
}

#[test]
fn work_is_submitted_in_pieces_that_a_slow_device_computes_in_time() {
    let Some(device) = crate::support::gpu() else {
        return;
    };
    let _rate = RATE.lock().unwrap_or_else(PoisonError::into_inner);
    let at_rate = |rate: f64| {
        let before = work::flushes(&device);
        work::set_rates(&device, [rate; 2]);
        let values = computed(&device);
        (values, work::flushes(&device) - before)
    };
    let (whole, none) = at_rate(1e18);
    assert_eq!(none, 0);
    // A launch of a million operations takes it a second: of five, four are not the first.
    let (pieces, flushes) = at_rate(1e6);
    assert!(flushes >= 4, "{flushes}");
    assert_eq!(work::most_tokens(&device, [64, 144]), Some(27));
    assert!(pieces == whole, "other numbers");
    work::set_rates(&device, [1e18; 2]);
}

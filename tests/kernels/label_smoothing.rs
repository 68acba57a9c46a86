//! Cross-entropy with smoothed labels against its formula in f64: losses, and the gradients of logits.

use burn::{Tensor, tensor::TensorData};
use electra::tasks::loss::cross_entropy;

/// What `torch.nn.CrossEntropyLoss(reduction="none", label_smoothing=0.1)` of 2.15.0 gives of these.
const TORCH: [f32; 2] = [2.738_205_7, 0.314_021_62];

/// Logits of some rows, up to 4 from 0.
fn logits(rows: usize, classes: usize) -> Vec<f32> {
    let places = 0..rows * classes;
    places
        .map(|place| ((place * 7 + 3) % 11) as f32 * 0.8 - 4.0)
        .collect()
}

fn softmax(logits: &[f32]) -> Vec<f64> {
    let powers: Vec<f64> = logits.iter().map(|&logit| f64::from(logit).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

#[test]
fn losses_and_gradients_are_those_of_the_formula() {
    for (name, device) in crate::support::devices() {
        let device = device.autodiff();
        for (rows, classes, smoothing) in [
            (1, 2, 0.1),
            (5, 3, 0.1),
            (7, 23, 0.5),
            (4, 1, 0.25),
            (6, 5, 0.0),
            (3, 70, 0.99),
        ] {
            let what = format!("{name}, {rows} rows of {classes}, {smoothing}");
            let values = logits(rows, classes);
            let targets: Vec<u32> = (0..rows).map(|row| (row * 5 % classes) as u32).collect();
            let data = TensorData::new(values.clone(), [rows, classes]);
            let tensor = Tensor::<2>::from_data(data, &device).require_grad();
            let losses = cross_entropy(tensor.clone(), &targets, smoothing);
            // Every row counts otherwise, so that none can stand for another.
            let weights: Vec<f32> = (0..rows).map(|row| 1.0 + row as f32).collect();
            let weighted = Tensor::from_data(TensorData::new(weights.clone(), [rows]), &device);
            let gradients = (losses.clone() * weighted).sum().backward();
            let gradients = tensor.grad(&gradients).unwrap();
            let gradients = gradients.try_into_vec_as::<f32>().unwrap();
            let losses = losses.inner().try_into_vec_as::<f32>().unwrap();
            for (row, of_row) in values.chunks(classes).enumerate() {
                let probabilities = softmax(of_row);
                let share = |class: usize| {
                    let right = f64::from(u8::from(class == targets[row] as usize));
                    (1.0 - smoothing) * right + smoothing / classes as f64
                };
                let loss = probabilities.iter().enumerate();
                let loss: f64 = loss.map(|(class, p)| -share(class) * p.ln()).sum();
                // Sums of a few f32 below 10.
                let difference = (f64::from(losses[row]) - loss).abs();
                assert!(
                    difference < 1e-5,
                    "{what}, row {row}: {} for {loss}",
                    losses[row]
                );
                for (class, probability) in probabilities.iter().enumerate() {
                    let expected = f64::from(weights[row]) * (probability - share(class));
                    let found = f64::from(gradients[row * classes + class]);
                    let difference = (found - expected).abs();
                    assert!(
                        difference < 1e-5,
                        "{what}, row {row}: {found} for {expected}"
                    );
                }
            }
        }
    }
}

#[test]
fn losses_are_those_of_torch() {
    for (name, device) in crate::support::devices() {
        let logits = [1.0_f32, -0.5, 2.0, 0.25, 3.0, -1.5];
        let logits = Tensor::<2>::from_data(TensorData::new(logits.to_vec(), [2, 3]), &device);
        let losses = cross_entropy(logits, &[1, 1], 0.1);
        let losses = losses.try_into_vec_as::<f32>().unwrap();
        for (loss, expected) in losses.into_iter().zip(TORCH) {
            assert!(
                (loss - expected).abs() < 1e-6,
                "{name}: {loss} instead of {expected}"
            );
        }
    }
}

//! The optimiser's kernels on many parameters: sums of squares and Adam, in every size of arrays
//! and of groups, against sums and formulas in f64.

mod support;

use burn::{
    Tensor,
    tensor::{Device, TensorData},
};
use electra::kernels::{
    adam::{Parameter, Step, adam_steps},
    square_sum::SquareSum,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Less than four values, less than a workgroup's and more, multiples of four and others; more
/// arrays than a launch takes.
const SIZES: [usize; 19] = [
    1, 3, 4, 63, 70_001, 64, 2, 70_000, 1024, 5, 257, 256, 1023, 12, 3, 70_004, 1, 8, 4096,
];

/// The word table of ELECTRA-Large.
const LARGEST: usize = 30_522 * 1024;

fn random(count: usize, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
}

fn flat(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

fn values(tensor: Tensor<1>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

fn square_sum(arrays: &[Tensor<1>], device: &Device) -> f32 {
    let mut sum = SquareSum::new(device);
    for array in arrays {
        sum.add(array.clone());
    }
    sum.total().try_into_scalar::<f32>().unwrap()
}

#[test]
fn squares_of_many_arrays_are_summed_the_same_each_time() {
    let arrays: Vec<Vec<f32>> = SIZES.map(|count| random(count, count as u64)).to_vec();
    let exact: f64 = arrays.iter().flatten().map(|&x| f64::from(x).powi(2)).sum();
    for (name, device) in support::devices() {
        let tensors: Vec<_> = arrays.iter().map(|array| flat(array, &device)).collect();
        let sum = square_sum(&tensors, &device);
        // f32 sums of at most 1,100 squares each.
        let off = (f64::from(sum) / exact - 1.0).abs();
        assert!(off < 1e-6, "{name}: {sum} of {exact}");
        for _ in 0..3 {
            let again = square_sum(&tensors, &device);
            assert_eq!(again.to_bits(), sum.to_bits(), "{name}");
        }
        assert_eq!(square_sum(&[], &device), 0.0, "{name}");
    }
}

#[test]
fn squares_of_the_largest_array_are_summed_as_well() {
    let array = random(LARGEST, 1);
    let exact: f64 = array.iter().map(|&x| f64::from(x).powi(2)).sum();
    for (name, device) in support::devices() {
        let sum = square_sum(&[flat(&array, &device)], &device);
        let off = f64::from(sum) / exact - 1.0;
        println!("{name}: {sum} of {exact}, off by {off:e}");
        // As for small arrays: the sums are many, so that each has few terms.
        assert!(off.abs() < 1e-6, "{name}: {sum} of {exact}");
    }
}

/// A parameter's values before a step.
struct Case {
    weight: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    gradient: Vec<f32>,
    step: Step,
}

impl Case {
    /// Rate and decay of its own, so that a workgroup that takes another's is found out.
    fn new(count: usize, number: usize) -> Self {
        let values = |part| random(count, (4 * number + part) as u64);
        Self {
            weight: values(0),
            first: values(1),
            second: values(2).iter().map(|v| v * v).collect(),
            gradient: values(3),
            step: Step {
                rate: 1e-2 / (number + 1) as f64,
                decay: if number % 2 == 0 { 0.01 } else { 0.0 },
            },
        }
    }

    fn parameter(&self, device: &Device) -> Parameter {
        Parameter {
            weight: flat(&self.weight, device),
            moments: [&self.first, &self.second].map(|values| flat(values, device)),
            gradient: flat(&self.gradient, device),
            step: self.step,
        }
    }
}

const FACTOR: f32 = 0.37;

/// Weight, first and second moment of each parameter after a step.
fn stepped(parameters: Vec<Parameter>, device: &Device) -> Vec<[Vec<f32>; 3]> {
    adam_steps(parameters, flat(&[FACTOR], device))
        .into_iter()
        .map(|(weight, [first, second])| [weight, first, second].map(values))
        .collect()
}

#[test]
fn adam_updates_many_parameters_as_its_formula_says() {
    let cases: Vec<Case> = (0..SIZES.len()).map(|n| Case::new(SIZES[n], n)).collect();
    for (name, device) in support::devices() {
        let mut parameters: Vec<_> = cases.iter().map(|case| case.parameter(&device)).collect();
        // Someone else holds these: they must not change.
        let held: Vec<_> = [4, 7, 16]
            .map(|number: usize| {
                let parameter = &mut parameters[number];
                let [first, second] = parameter.moments.clone();
                let (weight, gradient) = (parameter.weight.clone(), parameter.gradient.clone());
                (number, [weight, first, second, gradient])
            })
            .into();
        let updated = stepped(parameters, &device);
        assert_eq!(updated.len(), cases.len(), "{name}");
        for (number, tensors) in held {
            let case = &cases[number];
            let before = [&case.weight, &case.first, &case.second, &case.gradient];
            for (tensor, before) in tensors.into_iter().zip(before) {
                assert!(&values(tensor) == before, "{name} {number}");
            }
        }
        for (number, (case, updated)) in cases.iter().zip(&updated).enumerate() {
            assert_formula(&format!("{name} {number}"), case, updated);
        }
    }
}

fn assert_formula(what: &str, case: &Case, updated: &[Vec<f32>; 3]) {
    let Step { rate, decay } = case.step;
    for place in 0..case.weight.len() {
        let [w, m, v, g] = [&case.weight, &case.first, &case.second, &case.gradient]
            .map(|values| f64::from(values[place]));
        let g = g * f64::from(FACTOR);
        let m = 0.9 * m + 0.1 * g;
        let v = 0.999 * v + 0.001 * g * g;
        let w = w - rate * (m / (v.sqrt() + 1e-6) + decay * w);
        for (part, (ours, exact)) in ["weight", "first", "second"]
            .iter()
            .zip(updated.iter().zip([w, m, v]))
        {
            let ours = f64::from(ours[place]);
            // A few roundings of values up to 1; where the second moment is tiny, the update is
            // large and its rounding with it.
            let bound = 5e-7 * (1.0 + (m / v.sqrt()).abs() * rate);
            assert!(
                (ours - exact).abs() < bound,
                "{what} {part} {place}: {ours} instead of {exact}"
            );
        }
    }
}

#[test]
fn a_parameter_s_step_is_the_same_alone_in_a_group_and_at_every_width() {
    let bits = |parts: &[Vec<f32>; 3]| -> Vec<u32> {
        parts
            .iter()
            .flatten()
            .map(|value| value.to_bits())
            .collect()
    };
    let cases: Vec<Case> = (0..SIZES.len()).map(|n| Case::new(SIZES[n], n)).collect();
    for (name, device) in support::devices() {
        let together = cases.iter().map(|case| case.parameter(&device)).collect();
        for (case, together) in cases.iter().zip(stepped(together, &device)) {
            let alone = stepped(vec![case.parameter(&device)], &device);
            let what = format!("{name} {}", case.weight.len());
            assert!(bits(&alone[0]) == bits(&together), "{what}");
        }
        // 70,001 values go one by one, their first 70,000 in fours.
        let odd = Case::new(70_001, 0);
        let mut even = Case::new(70_001, 0);
        for values in [
            &mut even.weight,
            &mut even.first,
            &mut even.second,
            &mut even.gradient,
        ] {
            values.pop();
        }
        let [mut odd, even] = [odd, even].map(|case| {
            let parameters = vec![case.parameter(&device)];
            stepped(parameters, &device).remove(0)
        });
        for values in &mut odd {
            values.pop();
        }
        assert!(bits(&odd) == bits(&even), "{name}");
    }
}

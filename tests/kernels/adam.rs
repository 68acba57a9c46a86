//! The optimiser's kernels on many parameters: sums of squares and Adam, in every size of arrays
//! and of groups, against sums and formulas in f64.

use burn::{
    Tensor,
    tensor::{DType, Device, FloatDType, TensorData},
};
use electra::{
    config::OptimizerMoments,
    kernels::{
        adam::{
            Moments, Parameter, Step, adam_steps,
            packed_moments::{noise, pack, unpack},
        },
        clip::LEFT_OUT,
        square_sum::SquareSum,
    },
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::adam_8bit::{coded, decoded};

/// Less than four values, less than a workgroup's and more, multiples of four and others; more
/// arrays than a launch takes.
const SIZES: [usize; 38] = [
    1, 3, 4, 63, 70_001, 64, 2, 70_000, 1024, 5, 257, 256, 1023, 12, 3, 70_004, 1, 8, 4096, 7, 9,
    16, 2, 32, 33, 100, 128, 1, 6, 20, 44, 48, 500, 12, 5, 4, 260, 76,
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
    for (name, device) in crate::support::devices() {
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
    for (name, device) in crate::support::devices() {
        let sum = square_sum(&[flat(&array, &device)], &device);
        let off = f64::from(sum) / exact - 1.0;
        println!("{name}: {sum} of {exact}, off by {off:e}");
        // As for small arrays: the sums are many, so that each has few terms.
        assert!(off.abs() < 1e-6, "{name}: {sum} of {exact}");
    }
}

/// A parameter's values before a step; the moments are such as every format holds.
struct Case {
    weight: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    gradient: Vec<f32>,
    step: Step,
}

impl Case {
    /// Rate, decay and rounding of its own, so that a workgroup that takes another's is found out.
    fn new(count: usize, number: usize) -> Self {
        let values = |part| random(count, (4 * number + part) as u64);
        let word = |m: f32, v: f32| pack([m, v * v], [0; 2]);
        let words = values(1).into_iter().zip(values(2));
        let (first, second): (Vec<_>, Vec<_>) = words
            .map(|(m, v)| <(f32, f32)>::from(unpack(word(m, v))))
            .unzip();
        let [mut first, mut second] = decoded(&coded([&first, &second]));
        first.truncate(count);
        second.truncate(count);
        Self {
            weight: values(0),
            first,
            second,
            gradient: values(3),
            step: Step {
                rate: 1e-2 / (number + 1) as f64,
                decay: if number.is_multiple_of(2) { 0.01 } else { 0.0 },
                rounding: [7, number as u32],
            },
        }
    }

    fn all() -> Vec<Self> {
        (0..SIZES.len())
            .map(|number| Self::new(SIZES[number], number))
            .collect()
    }

    fn parameter(&self, format: OptimizerMoments, device: &Device) -> Parameter {
        let moments = self.first.iter().zip(&self.second);
        let words: Vec<u32> = moments.map(|(&m, &v)| pack([m, v], [0; 2])).collect();
        Parameter {
            weight: flat(&self.weight, device),
            moments: match format {
                OptimizerMoments::EightBit if words.len().is_multiple_of(4) => {
                    let blocks = coded([&self.first, &self.second]);
                    let data = TensorData::new(blocks.clone(), [blocks.len()]);
                    Moments::EightBit(Tensor::from_data(data, (device, DType::U32)))
                }
                // As those that do not come in fours are kept.
                OptimizerMoments::F32 | OptimizerMoments::EightBit => {
                    Moments::F32([&self.first, &self.second].map(|values| flat(values, device)))
                }
                OptimizerMoments::Bf16 => {
                    let data = TensorData::new(words, [self.first.len()]);
                    Moments::Bf16(Tensor::from_data(data, (device, DType::U32)))
                }
            },
            gradient: flat(&self.gradient, device),
            copy: None,
            step: self.step,
        }
    }
}

/// First and second moment as f32, whatever they are stored in.
fn read(moments: Moments) -> [Vec<f32>; 2] {
    match moments {
        Moments::F32(moments) => moments.map(values),
        Moments::Bf16(words) => {
            let words = words.try_into_vec_as::<u32>().unwrap();
            let (first, second) = words.into_iter().map(|word| unpack(word).into()).unzip();
            [first, second]
        }
        Moments::EightBit(words) => decoded(&words.try_into_vec_as::<u32>().unwrap()),
    }
}

const FACTOR: f32 = 0.37;

/// Weight, first and second moment of each parameter after a step.
fn stepped(parameters: Vec<Parameter>, device: &Device) -> Vec<[Vec<f32>; 3]> {
    adam_steps(parameters, flat(&[FACTOR], device))
        .into_iter()
        .map(|updated| {
            let [first, second] = read(updated.moments);
            [values(updated.weight), first, second]
        })
        .collect()
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

const FORMATS: &[OptimizerMoments] = OptimizerMoments::ALL;

#[test]
fn adam_updates_many_parameters_as_its_formula_says() {
    let cases = Case::all();
    for (name, device) in crate::support::devices() {
        for &format in FORMATS {
            let parameter = |case: &Case| case.parameter(format, &device);
            let parameters: Vec<_> = cases.iter().map(parameter).collect();
            // Someone else holds these: they must not change.
            let held: Vec<_> = [4, 7, 16]
                .map(|number: usize| {
                    let parameter = &parameters[number];
                    let tensors = [parameter.weight.clone(), parameter.gradient.clone()];
                    (number, tensors, parameter.moments.clone())
                })
                .into();
            let updated = stepped(parameters, &device);
            assert_eq!(updated.len(), cases.len(), "{name} {format}");
            for (number, tensors, moments) in held {
                let case = &cases[number];
                let [weight, gradient] = tensors.map(values);
                let [first, second] = read(moments);
                let now = [weight, first, second, gradient];
                let before = [&case.weight, &case.first, &case.second, &case.gradient];
                for (now, before) in now.iter().zip(before) {
                    assert!(now == before, "{name} {format} {number}");
                }
            }
            for (number, (case, updated)) in cases.iter().zip(&updated).enumerate() {
                assert_formula(&format!("{name} {format} {number}"), format, case, updated);
            }
        }
    }
}

fn assert_formula(what: &str, format: OptimizerMoments, case: &Case, updated: &[Vec<f32>; 3]) {
    let Step { rate, decay, .. } = case.step;
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
            let mut bound = 5e-7 * (1.0 + (m / v.sqrt()).abs() * rate);
            if *part != "weight" {
                bound += match format {
                    OptimizerMoments::F32 => 0.0,
                    // A unit of bfloat16.
                    OptimizerMoments::Bf16 => exact.abs() / 128.0,
                    // A code, or all where it is below the first one of a block of values up to 1.
                    OptimizerMoments::EightBit => exact.abs() / 8.0 + 2.0_f64.powi(-14),
                };
            }
            assert!(
                (ours - exact).abs() < bound,
                "{what} {part} {place}: {ours} instead of {exact}"
            );
        }
    }
}

#[test]
fn the_f16_copy_is_the_new_weight_rounded() {
    let cases = Case::all();
    for (name, device) in crate::support::devices() {
        for &format in FORMATS {
            // Every other parameter has a copy: the others' places are no one's.
            let parameter = |(number, case): (usize, &Case)| {
                let copy = (number % 2 == 0)
                    .then(|| Tensor::zeros([case.weight.len()], (&device, DType::F16)));
                Parameter {
                    copy,
                    ..case.parameter(format, &device)
                }
            };
            let copied = adam_steps(
                cases.iter().enumerate().map(parameter).collect(),
                flat(&[FACTOR], &device),
            );
            let plain = cases.iter().map(|case| case.parameter(format, &device));
            let plain = stepped(plain.collect(), &device);
            for (number, (copied, plain)) in copied.into_iter().zip(plain).enumerate() {
                let what = format!("{name} {format} {number}");
                assert_eq!(copied.copy.is_some(), number % 2 == 0, "{what}");
                if let Some(copy) = copied.copy {
                    assert_eq!(copy.dtype(), DType::F16, "{what}");
                    let cast = copied.weight.clone().cast(FloatDType::F16);
                    let [copy, cast] = [copy, cast].map(values);
                    assert!(bits(&copy) == bits(&cast), "{what}");
                    // Within half a unit of f16 of values up to 2.
                    for (copy, weight) in copy.iter().zip(&plain[0]) {
                        assert!((copy - weight).abs() <= 1.0 / 2048.0, "{what}");
                    }
                }
                // The copy changes nothing else.
                let [first, second] = read(copied.moments);
                for (ours, plain) in [values(copied.weight), first, second].iter().zip(&plain) {
                    assert!(bits(ours) == bits(plain), "{what}");
                }
            }
        }
    }
}

/// The moments as they are stored, bit by bit.
fn stored(moments: Moments) -> Vec<Vec<u32>> {
    match moments {
        Moments::F32(moments) => moments.map(|it| bits(&values(it))).to_vec(),
        Moments::Bf16(words) | Moments::EightBit(words) => {
            vec![words.try_into_vec_as::<u32>().unwrap()]
        }
    }
}

#[test]
fn gradients_that_are_not_finite_leave_every_array_as_it_is() {
    let mut cases = Case::all();
    for (number, case) in cases.iter_mut().enumerate() {
        let place = number % case.gradient.len();
        case.gradient[place] = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY][number % 3];
    }
    for (name, device) in crate::support::devices() {
        for &format in FORMATS {
            for copied in [false, true] {
                // Which is not that of the weight: a cast would show.
                let copy = |case: &Case| flat(&vec![0.25; case.weight.len()], &device);
                let parameter = |case: &Case| Parameter {
                    copy: copied.then(|| copy(case).cast(FloatDType::F16)),
                    ..case.parameter(format, &device)
                };
                let parameters = cases.iter().map(parameter).collect();
                let updated = adam_steps(parameters, flat(&[LEFT_OUT], &device));
                assert_eq!(updated.len(), cases.len());
                for (number, (case, updated)) in cases.iter().zip(updated).enumerate() {
                    let what = format!("{name} {format} {copied} {number}");
                    let weight = values(updated.weight);
                    assert!(bits(&weight) == bits(&case.weight), "{what}: weight");
                    let before = stored(case.parameter(format, &device).moments);
                    assert!(stored(updated.moments) == before, "{what}: moments");
                    assert_eq!(updated.copy.is_some(), copied, "{what}");
                    if let Some(copy) = updated.copy {
                        assert!(values(copy).iter().all(|&it| it == 0.25), "{what}: copy");
                    }
                }
            }
        }
    }
}

#[test]
fn a_parameter_s_step_is_the_same_alone_in_a_group_and_at_every_width() {
    let cases = Case::all();
    for (name, device) in crate::support::devices() {
        for &format in FORMATS {
            let parameter = |case: &Case| case.parameter(format, &device);
            let together = cases.iter().map(parameter).collect();
            for (case, together) in cases.iter().zip(stepped(together, &device)) {
                let alone = stepped(vec![parameter(case)], &device).remove(0);
                for (alone, together) in alone.iter().zip(&together) {
                    let what = format!("{name} {format} {}", case.weight.len());
                    assert!(bits(alone) == bits(together), "{what}");
                }
            }
            if format == OptimizerMoments::EightBit {
                // Which has one width.
                continue;
            }
            // 70,001 values go one by one, their first 70,000 in fours.
            let (odd, mut even) = (Case::new(70_001, 0), Case::new(70_001, 0));
            for values in [
                &mut even.weight,
                &mut even.first,
                &mut even.second,
                &mut even.gradient,
            ] {
                values.pop();
            }
            let [odd, even] =
                [odd, even].map(|case| stepped(vec![parameter(&case)], &device).remove(0));
            for (odd, even) in odd.iter().zip(&even) {
                assert!(bits(&odd[..70_000]) == bits(even), "{name} {format}");
            }
        }
    }
}

#[test]
fn weights_take_the_moments_before_they_are_rounded() {
    let cases = Case::all();
    for (name, device) in crate::support::devices() {
        let weights = |format| {
            let parameters = cases.iter().map(|case| case.parameter(format, &device));
            stepped(parameters.collect(), &device)
        };
        let exact = weights(OptimizerMoments::F32);
        for format in [OptimizerMoments::Bf16, OptimizerMoments::EightBit] {
            for (number, (exact, rounded)) in exact.iter().zip(weights(format)).enumerate() {
                let same = bits(&exact[0]) == bits(&rounded[0]);
                assert!(same, "{name} {format} {number}");
            }
        }
    }
}

#[test]
fn every_device_draws_the_same_roundings() {
    let mut cases = Case::all();
    for case in &mut cases {
        // Without a gradient each moment is one product, which every device rounds alike.
        case.gradient.fill(0.0);
    }
    for (name, device) in crate::support::devices() {
        let parameter = |case: &Case| case.parameter(OptimizerMoments::Bf16, &device);
        let updated = stepped(cases.iter().map(parameter).collect(), &device);
        for (case, [_, first, second]) in cases.iter().zip(&updated) {
            for element in 0..case.weight.len() {
                // The gradient's 0 is added, which turns −0 into 0.
                let moments = [
                    case.first[element] * 0.9 + 0.0,
                    case.second[element] * 0.999,
                ];
                let word = pack(moments, noise(element as u32, case.step.rounding));
                let ours = [first[element], second[element]];
                assert_eq!(
                    ours.map(f32::to_bits),
                    unpack(word).map(f32::to_bits),
                    "{name}: {element} of {}",
                    case.weight.len()
                );
            }
        }
    }
}

#[test]
fn moments_in_bfloat16_are_right_on_the_average() {
    // All of the same moments, each rounded by a number of its own.
    let (elements, keys) = (4_099, 64);
    let case = |key| Case {
        weight: vec![0.0; elements],
        first: vec![-1.25; elements],
        second: vec![1.5; elements],
        gradient: vec![0.75; elements],
        step: Step {
            rate: 1e-3,
            decay: 0.0,
            rounding: [1, key],
        },
    };
    let g = 0.75 * f64::from(FACTOR);
    let exact = [0.9 * -1.25 + 0.1 * g, 0.999 * 1.5 + 0.001 * g * g];
    for (name, device) in crate::support::devices() {
        let parameter = |key| case(key).parameter(OptimizerMoments::Bf16, &device);
        let updated = stepped((0..keys).map(parameter).collect(), &device);
        let mut means = [0.0; 2];
        for [_, first, second] in &updated {
            for (mean, values) in means.iter_mut().zip([first, second]) {
                *mean += values.iter().map(|&value| f64::from(value)).sum::<f64>();
            }
        }
        let means = means.map(|sum| sum / (elements * keys as usize) as f64);
        println!("{name}: {means:?}, exactly {exact:?}");
        for (mean, exact) in means.iter().zip(exact) {
            // Values from 1 to 2 have a unit of 2⁻⁷, a rounding a deviation of at most half of it,
            // the mean of 262,336 one of 7.6e-6; four of these. To the nearest, the first moment
            // would be off by 3.5e-3, the second by 1.4e-3.
            assert!((mean - exact).abs() < 3.1e-5, "{name}: {means:?}, {exact}");
        }
    }
}

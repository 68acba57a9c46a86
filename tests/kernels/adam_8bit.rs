//! Adam's moments in eight bits: steps on every device against f64, and codes against a rule in
//! fractions that knows nothing of bits.

use burn::{
    Tensor,
    tensor::{DType, Device, TensorData},
};
use electra::kernels::adam::{
    Moments, Parameter, Step, adam_steps,
    block_moments::{self, BLOCK, BLOCK_WORDS, noise},
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// One place, less than a block and more, whole blocks, blocks with a tail, many.
const SIZES: [usize; 8] = [4, 8, 1_020, 1_024, 1_028, 4_096, 5_000, 70_000];

/// Octaves that the codes of a first and of a second moment reach over.
const OCTAVES: [i32; 2] = [16, 32];

/// Words that hold first and second moments, none of which is rounded up.
pub fn coded([first, second]: [&[f32]; 2]) -> Vec<u32> {
    let mut words = vec![0; block_moments::words(first.len())];
    let blocks = first.chunks(BLOCK).zip(second.chunks(BLOCK));
    for ((first, second), words) in blocks.zip(words.chunks_mut(BLOCK_WORDS)) {
        block_moments::pack([first, second], |_| [0; 2], words);
    }
    words
}

/// First and second moments that words hold, a multiple of four of each.
pub fn decoded(words: &[u32]) -> [Vec<f32>; 2] {
    let mut moments = [Vec::new(), Vec::new()];
    for words in words.chunks(BLOCK_WORDS) {
        let mut block = [[0.0; BLOCK]; 2];
        let count = 2 * (words.len() - 2);
        let [first, second] = block.each_mut().map(|values| &mut values[..count]);
        block_moments::unpack(words, [&mut *first, &mut *second]);
        moments[0].extend_from_slice(first);
        moments[1].extend_from_slice(second);
    }
    moments
}

/// The octave of a value that is not 0: 2 to this is at most its size.
fn octave(value: f32) -> i32 {
    (value.abs().to_bits() >> 23) as i32 - 127
}

/// A value as a block keeps it, whose greatest is `greatest`: `noise` of 2²⁰ steps are added before the
/// rest of a step, an eighth of the value's octave, is left out.
fn kept(value: f32, greatest: f32, noise: u32, octaves: i32) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let step = 2.0_f64.powi(octave(value) - 3);
    let steps = f64::from(value.abs()) / step + f64::from(noise) / f64::from(1 << 20);
    let size = steps.floor() * step;
    // Above 15 of 16 parts of its octave the greatest may get into the next one.
    let top = octave(greatest);
    let rounded_up = f64::from(greatest.abs()) > 1.875 * 2.0_f64.powi(top);
    let floor = 2.0_f64.powi(top + i32::from(rounded_up) - (octaves - 1));
    let is_second = octaves == OCTAVES[1];
    match size > floor {
        true => size.copysign(f64::from(value)),
        // No second moment becomes 0.
        false if is_second => 1.125 * floor,
        false => 0.0,
    }
}

/// What is kept of a parameter's moments after a step with these words of rounding.
fn kept_moments(moments: [&[f32]; 2], rounding: [u32; 2]) -> [Vec<f64>; 2] {
    [0, 1].map(|which| {
        let mut places = 0..;
        let mut all = Vec::new();
        for block in moments[which].chunks(BLOCK) {
            let greatest = block
                .iter()
                .fold(0.0, |most: f32, value| most.max(value.abs()));
            for (&value, place) in block.iter().zip(&mut places) {
                let noise = noise(place, rounding)[which];
                all.push(kept(value, greatest, noise, OCTAVES[which]));
            }
        }
        all
    })
}

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

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// A parameter on its way through several steps.
struct Trained {
    weight: Vec<f32>,
    words: Vec<u32>,
}

impl Trained {
    fn new(weight: Vec<f32>, moments: [&[f32]; 2]) -> Self {
        let words = coded(moments);
        Self { weight, words }
    }

    fn step(&mut self, gradient: &[f32], step: Step, device: &Device) {
        let data = TensorData::new(self.words.clone(), [self.words.len()]);
        let parameter = Parameter {
            weight: flat(&self.weight, device),
            moments: Moments::EightBit(Tensor::from_data(data, (device, DType::U32))),
            gradient: flat(gradient, device),
            copy: None,
            step,
        };
        let updated = adam_steps(vec![parameter], flat(&[FACTOR], device)).remove(0);
        let Moments::EightBit(words) = updated.moments else {
            panic!("moments of another format");
        };
        self.words = words.try_into_vec_as::<u32>().unwrap();
        self.weight = values(updated.weight);
    }
}

const FACTOR: f32 = 0.5;

fn step(number: u32) -> Step {
    Step {
        rate: 1e-2,
        decay: 0.01,
        rounding: [number, 77],
    }
}

#[test]
fn the_first_step_of_four_values_is_the_one_done_by_hand() {
    // Scaled by the clip factor: 1, −1/2, 0 and 2⁻²⁰.
    let gradient = [2.0, -1.0, 0.0, 2.0_f32.powi(-19)];
    for (name, device) in crate::support::devices() {
        let mut trained = Trained::new(vec![1.0; 4], [&[0.0; 4], &[0.0; 4]]);
        trained.step(&gradient, step(0), &device);
        // m = 0.1 g, v = 0.001 g², and Adam without bias correction: the first three are the gradient's
        // sign times √10 (0 for none); the root of the last, 3e-8, vanishes beside epsilon.
        let last = 0.1 * 2.0_f64.powi(-20) / (0.001_f64.sqrt() * 2.0_f64.powi(-20) + 1e-6);
        let root = 0.1 / (0.001_f64.sqrt() + 1e-6);
        let half = 0.1 / (0.001_f64.sqrt() + 2e-6);
        for (weight, update) in trained.weight.iter().zip([root, -half, 0.0, last]) {
            let exact = 1.0 - 1e-2 * (update + 0.01);
            let off = f64::from(*weight) - exact;
            assert!(off.abs() < 2e-7, "{name}: {weight} instead of {exact}");
        }
        let [first, second] = decoded(&trained.words);
        // An octave's eighths: 0.1 lies between 12/128 and 13/128, 0.05 between 12/256 and 13/256.
        assert!(
            [12.0, 13.0].contains(&(first[0] * 128.0)),
            "{name}: {first:?}"
        );
        assert!(
            [-12.0, -13.0].contains(&(first[1] * 256.0)),
            "{name}: {first:?}"
        );
        // 2⁻²⁰ of the block's greatest is below what a first moment reaches.
        assert_eq!(first[2..], [0.0, 0.0], "{name}");
        // 0.001 lies between 8/8192 and 9/8192, a quarter of it between as many of 32,768.
        assert!(
            [8.0, 9.0].contains(&(second[0] * 8_192.0)),
            "{name}: {second:?}"
        );
        assert!(
            [8.0, 9.0].contains(&(second[1] * 32_768.0)),
            "{name}: {second:?}"
        );
        // Of 0 comes 0; 2⁻⁴⁰ of the greatest becomes the first code, in the 31st octave below.
        assert_eq!(second[2], 0.0, "{name}");
        assert_eq!(second[3], 1.125 * 2.0_f32.powi(-41), "{name}");
        // And all as they are drawn.
        let exact = [0.1_f32, -0.05, 0.0, 0.1 * 2.0_f32.powi(-20)];
        let square = [0.001_f32, 0.00025, 0.0, 0.001 * 2.0_f32.powi(-40)];
        let kept = kept_moments([&exact, &square], step(0).rounding);
        assert_eq!(kept[0], wide(&first), "{name}");
        assert_eq!(kept[1], wide(&second), "{name}");
    }
}

#[test]
fn ten_steps_follow_the_formula_and_the_rule() {
    const NUMBERS: u32 = 10;
    for (name, device) in crate::support::devices() {
        for size in SIZES {
            let mut trained = Trained::new(random(size, 1), [&vec![0.0; size], &vec![0.0; size]]);
            for number in 0..NUMBERS {
                let gradient = random(size, 10 + u64::from(number));
                let before = decoded(&trained.words);
                let weight = trained.weight.clone();
                trained.step(&gradient, step(number), &device);
                let what = format!("{name} {size} step {number}");
                assert_step(&what, [&weight, &gradient], &before, &trained);
                if name == "cpu" {
                    assert_drawn(&what, &gradient, &before, &trained, number);
                }
            }
        }
    }
}

/// Weights as the formula says; moments within a step of a code.
fn assert_step(
    what: &str,
    [weight, gradient]: [&[f32]; 2],
    before: &[Vec<f32>; 2],
    after: &Trained,
) {
    let stored = decoded(&after.words);
    for place in 0..weight.len() {
        let [w, g, m, v] = [
            weight[place],
            gradient[place],
            before[0][place],
            before[1][place],
        ]
        .map(f64::from);
        let g = g * f64::from(FACTOR);
        let (m, v) = (0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g);
        let update = m / (v.sqrt() + 1e-6) + 0.01 * w;
        // Some roundings of f32, of a weight up to 2 and of the update.
        let bound = 5e-7 * (1.0 + 1e-2 * update.abs());
        let off = f64::from(after.weight[place]) - (w - 1e-2 * update);
        assert!(off.abs() < bound, "{what} {place}: off by {off:e}");
        // The greatest of a block is below 0.5 and 0.25: what is below a first code is lost or raised.
        for (stored, exact, least) in [
            (&stored[0], m, 2.0_f64.powi(-15)),
            (&stored[1], v, 2.0_f64.powi(-31)),
        ] {
            let stored = f64::from(stored[place]);
            let off = (stored - exact).abs();
            assert!(
                off <= exact.abs() / 8.0 + least,
                "{what} {place}: {stored} for {exact}"
            );
        }
        assert!(v == 0.0 || stored[1][place] > 0.0, "{what} {place}");
    }
}

/// Every bit, where each operation is known to be rounded by itself.
fn assert_drawn(
    what: &str,
    gradient: &[f32],
    [first, second]: &[Vec<f32>; 2],
    after: &Trained,
    number: u32,
) {
    let (mut m, mut v) = (first.clone(), second.clone());
    for ((m, v), g) in m.iter_mut().zip(&mut v).zip(gradient) {
        let g = g * FACTOR;
        *m = *m * 0.9 + g * (1.0 - 0.9_f64) as f32;
        *v = *v * 0.999 + g * g * (1.0 - 0.999_f64) as f32;
    }
    let kept = kept_moments([&m, &v], step(number).rounding);
    let stored = decoded(&after.words);
    for (kept, stored) in kept.iter().zip(&stored) {
        assert_eq!(*kept, wide(stored), "{what}");
    }
}

/// Moments over many octaves, zeros among them.
fn spread(size: usize) -> [Vec<f32>; 2] {
    let mut random = ChaCha8Rng::seed_from_u64(size as u64);
    let mut values = |octaves: f32, negative: bool| -> Vec<f32> {
        let one = |_| match random.random_range(0..8) {
            0 => 0.0,
            _ => {
                let size = 2.0_f32.powf(random.random_range(-octaves..0.0));
                let sign = [1.0, -1.0][usize::from(negative && random.random_bool(0.5))];
                sign * size
            }
        };
        (0..size).map(one).collect()
    };
    [values(18.0, true), values(36.0, false)]
}

#[test]
fn every_device_codes_moments_of_many_sizes_alike() {
    for (name, device) in crate::support::devices() {
        for size in SIZES {
            for scale in [1.0, 2.0_f32.powi(-80), 2.0_f32.powi(90)] {
                let [mut first, mut second] = spread(size);
                first.iter_mut().for_each(|m| *m *= scale);
                second.iter_mut().for_each(|v| *v *= scale);
                let [first, second] = decoded(&coded([&first, &second]));
                let mut trained = Trained::new(vec![0.0; size], [&first, &second]);
                assert_eq!(decoded(&trained.words), [first.clone(), second.clone()]);
                trained.step(&vec![0.0; size], step(3), &device);
                // Without a gradient each moment is one product, which every device rounds alike.
                let m: Vec<f32> = first.iter().map(|m| m * 0.9).collect();
                let v: Vec<f32> = second.iter().map(|v| v * 0.999).collect();
                let kept = kept_moments([&m, &v], step(3).rounding);
                let stored = decoded(&trained.words);
                for (kept, stored) in kept.iter().zip(&stored) {
                    assert_eq!(*kept, wide(stored), "{name} {size} × {scale:e}");
                }
            }
        }
    }
}

#[test]
fn no_step_is_larger_than_the_moments_that_were_there() {
    // Gradients over 40 octaves: beside the greatest, most are below what a block keeps.
    let size = 4_096;
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let mut draw = || 2.0_f32.powf(random.random_range(-40.0..0.0));
    let gradient: Vec<f32> = (0..size).map(|_| draw()).collect();
    for (name, device) in crate::support::devices() {
        let mut trained = Trained::new(vec![0.0; size], [&vec![0.0; size], &vec![0.0; size]]);
        trained.step(&gradient, step(0), &device);
        let [first, second] = decoded(&trained.words);
        for (place, (&m, &v)) in first.iter().zip(&second).enumerate() {
            assert!(v > 0.0, "{name} {place}: the second moment is gone");
            // √10, by which the first step of Adam exceeds 1; m is up to an eighth above, v below.
            let most = 10.0_f32.sqrt() * (1.125 / 0.875_f32.sqrt());
            assert!(m / v.sqrt() < most, "{name} {place}: {m} and {v}");
        }
        // Then none comes: no weight moves farther than in the first step.
        let before = trained.weight.clone();
        trained.step(&vec![0.0; size], step(1), &device);
        for (place, (now, before)) in trained.weight.iter().zip(&before).enumerate() {
            let moved = (now - before).abs();
            assert!(moved < 1e-2 * 3.9, "{name} {place}: {moved}");
        }
    }
}

#[test]
fn codes_are_right_on_the_average() {
    // All of the same moments, each rounded by a number of its own.
    let (size, steps) = (4_096, 64);
    let [m, v, g] = [-1.25_f32, 1.5, 0.75];
    let scaled = f64::from(g) * f64::from(FACTOR);
    let exact = [
        0.9 * f64::from(m) + 0.1 * scaled,
        0.999 * f64::from(v) + 0.001 * scaled * scaled,
    ];
    for (name, device) in crate::support::devices() {
        let mut means = [0.0; 2];
        for number in 0..steps {
            let mut trained = Trained::new(vec![0.0; size], [&vec![m; size], &vec![v; size]]);
            trained.step(&vec![g; size], step(number), &device);
            for (mean, values) in means.iter_mut().zip(decoded(&trained.words)) {
                *mean += values.iter().map(|&value| f64::from(value)).sum::<f64>();
            }
        }
        let means = means.map(|sum| sum / (size * steps as usize) as f64);
        println!("{name}: {means:?}, exactly {exact:?}");
        for (mean, exact) in means.iter().zip(exact) {
            // Values from 1 to 2 have steps of an eighth, a rounding a deviation of at most half of
            // it, the mean of 262,144 one of 1.2e-4; four of these. To the nearest, the first moment
            // would be off by 3.8e-2, the second by 1.4e-3.
            assert!((mean - exact).abs() < 4.9e-4, "{name}: {means:?}, {exact}");
        }
    }
}

#[test]
fn threads_change_no_byte() {
    let size = 70_000;
    let gradient = random(size, 3);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        pool.build().unwrap().install(|| {
            let mut trained = Trained::new(random(size, 4), [&vec![0.0; size], &vec![0.0; size]]);
            for number in 0..3 {
                trained.step(&gradient, step(number), &Device::flex());
            }
            (trained.weight, trained.words)
        })
    };
    let [one, three] = [1, 3].map(run);
    assert!(one == three);
}

#[test]
fn a_gradient_that_is_no_number_stays_visible() {
    // A run skips such steps; were one taken, its weights and moments must not look sound.
    for (name, device) in crate::support::devices() {
        let mut trained = Trained::new(vec![1.0; 8], [&[0.5; 8], &[0.25; 8]]);
        let mut gradient = [0.5; 8];
        gradient[2] = f32::NAN;
        trained.step(&gradient, step(0), &device);
        let [first, second] = decoded(&trained.words);
        for value in [trained.weight[2], first[2], second[2]] {
            assert!(value.is_nan(), "{name}: {value}");
        }
    }
}

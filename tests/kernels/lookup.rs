//! A look-up's gradient on every device, at odd shapes: one id in all rows, each id once, none,
//! as frequent as words are; columns that no vector divides; more threads than a dispatch is wide.

use burn::{
    Tensor,
    tensor::{Device, TensorData},
};
use electra::kernels::lookup::{Ids, add_by_id};
use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Ids of a table's rows, one for each row that is looked up.
struct Case {
    entries: usize,
    columns: usize,
    ids: Vec<u32>,
}

fn cases() -> Vec<Case> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut distinct: Vec<u32> = (0..300).collect();
    distinct.shuffle(&mut random);
    // The n-th word of a text's vocabulary is about 1/n as frequent as the first.
    let mut words = |count: usize, entries: usize| -> Vec<u32> {
        let id = |draw: f64| (entries as f64).powf(draw) as u32 - 1;
        (0..count).map(|_| id(random.random())).collect()
    };
    let case = |entries, columns, ids| Case {
        entries,
        columns,
        ids,
    };
    vec![
        case(7, 128, vec![3; 1_000]),
        case(5, 20, [vec![4; 9], vec![0; 8], vec![2; 7]].concat()),
        case(300, 21, distinct),
        case(400, 1_024, words(700, 400)),
        case(1_000, 128, words(3_000, 1_000)),
        case(1, 1, vec![0]),
        case(6, 20, vec![]),
        case(4_200, 1_021, (0..4_200).rev().collect()),
    ]
}

impl Case {
    fn what(&self) -> String {
        let Self {
            entries,
            columns,
            ids,
        } = self;
        format!("{} rows by {columns} of {entries}", ids.len())
    }

    fn random(&self, rows: usize, seed: u64) -> Vec<f32> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let count = rows * self.columns;
        (0..count).map(|_| random.random_range(-1.0..1.0)).collect()
    }

    fn tensor(&self, values: &[f32], device: &Device) -> Tensor<2> {
        let rows = values.len() / self.columns;
        let data = TensorData::new(values.to_vec(), [rows, self.columns]);
        Tensor::from_data(data, device)
    }

    fn ids(&self, device: &Device) -> Ids {
        Ids::new(self.ids.as_slice().into(), device)
    }

    /// `sums` with the rows added to them.
    fn exact(&self, sums: &[f32], rows: &[f32]) -> Vec<f64> {
        let mut sums: Vec<f64> = sums.iter().copied().map(f64::from).collect();
        for (row, &id) in rows.chunks_exact(self.columns).zip(&self.ids) {
            let line = &mut sums[id as usize * self.columns..][..self.columns];
            for (sum, value) in line.iter_mut().zip(row) {
                *sum += f64::from(*value);
            }
        }
        sums
    }
}

fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

#[track_caller]
fn assert_near(what: &str, ours: &[f32], exact: &[f64]) {
    assert_eq!(ours.len(), exact.len(), "{what}");
    let scale = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    for (place, (ours, exact)) in ours.iter().zip(exact).enumerate() {
        let difference = (f64::from(*ours) - exact).abs();
        // What f32 sums of a thousand terms lose.
        assert!(
            difference <= 2e-6 * scale,
            "{what}, {place}: {ours} instead of {exact}, greatest {scale}"
        );
    }
}

#[test]
fn rows_are_added_to_their_ids_in_order() {
    for case in cases() {
        let sums = case.random(case.entries, 2);
        let rows = case.random(case.ids.len(), 3);
        let exact = case.exact(&sums, &rows);
        let mut on_cpu = None;
        for (name, device) in crate::support::devices() {
            let add = || {
                let (sums, rows) = (case.tensor(&sums, &device), case.tensor(&rows, &device));
                values(add_by_id(sums, case.ids(&device), rows))
            };
            let (what, ours) = (format!("{name} {}", case.what()), add());
            assert_near(&what, &ours, &exact);
            assert_eq!(ours, add(), "{what}, again");
            // Metal's compiler may add in another order.
            if !cfg!(target_os = "macos") {
                let cpu = on_cpu.get_or_insert_with(|| ours.clone());
                assert!(ours == *cpu, "{what}: other bits than on the CPU");
            }
        }
    }
}

#[test]
fn sums_that_others_hold_stay_as_they_are() {
    let case = &cases()[1];
    let rows = case.random(case.ids.len(), 3);
    for (name, device) in crate::support::devices() {
        let sums = case.tensor(&vec![0.5; case.entries * case.columns], &device);
        let added = add_by_id(sums.clone(), case.ids(&device), case.tensor(&rows, &device));
        assert!(values(sums).iter().all(|&sum| sum == 0.5), "{name}");
        assert!(values(added).iter().any(|&sum| sum != 0.5), "{name}");
    }
}

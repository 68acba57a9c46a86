//! Decides which features are in the batch of each step.
//!
//! The reference pads its feature list with empty features to a multiple of the batch size and
//! cycles through it. Empty features have no loss, so here they are counted but left out, and the
//! last batch of an epoch may be short. The order of an epoch depends only on the seed and the
//! epoch, so a run resumed at any step continues as if it had never stopped.
//!
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/finetune/preprocessing.py#L107-L111>

use std::ops::Range;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::data::error::Error;

/// Number of batches' worth of features that are sorted by length together; limited, so that
/// batches still differ between epochs.
const BUCKETED_BATCHES: usize = 64;

/// How training batches are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanOptions {
    pub batch_size: usize,
    /// Passes over the padded list; may be fractional.
    pub epochs: f64,
    pub seed: u64,
    /// If false, features keep their order in every epoch.
    pub shuffle: bool,
    /// Groups features of similar length into batches and shuffles the batches. Requires `shuffle`.
    pub length_bucketing: bool,
}

/// Position of a step in the training run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// From 0.
    pub epoch: usize,
    /// Batch within the epoch, from 0.
    pub index: usize,
}

/// The features of every training step, as indices into the feature list.
#[derive(Debug, Clone)]
pub struct BatchPlan {
    /// Token count of each feature.
    lengths: Vec<usize>,
    options: PlanOptions,
    steps: usize,
    /// Most recently requested epoch order.
    current: Option<EpochOrder>,
}

#[derive(Debug, Clone)]
struct EpochOrder {
    epoch: usize,
    features: Vec<usize>,
    batches: Vec<Range<usize>>,
}

impl BatchPlan {
    /// Creates a plan for features of these lengths (in tokens, without padding). For several
    /// tasks, pass all lengths, task after task: the features are shuffled together.
    ///
    /// # Errors
    /// If there are no features, `batch_size` is 0, or `epochs` is negative or not a number.
    pub fn new(lengths: Vec<usize>, options: PlanOptions) -> Result<Self, Error> {
        let wrong = |name, expected, found: String| {
            Err(Error::Option {
                name,
                expected,
                found,
            })
        };
        if lengths.is_empty() {
            return wrong("training features", "at least 1", "0".to_owned());
        }
        if options.batch_size == 0 {
            return wrong("train_batch_size", "at least 1", "0".to_owned());
        }
        if !options.epochs.is_finite() || options.epochs < 0.0 {
            return wrong(
                "num_train_epochs",
                "a number of 0 or more",
                options.epochs.to_string(),
            );
        }
        let per_epoch = lengths.len().div_ceil(options.batch_size);
        Ok(BatchPlan {
            lengths,
            options,
            steps: (per_epoch as f64 * options.epochs) as usize,
            current: None,
        })
    }

    /// Returns the number of training steps.
    pub fn steps(&self) -> usize {
        self.steps
    }

    pub fn steps_per_epoch(&self) -> usize {
        self.lengths.len().div_ceil(self.options.batch_size)
    }

    /// Number of features including the padding that fills the last batch.
    #[cfg(test)]
    fn padded_features(&self) -> usize {
        self.steps_per_epoch() * self.options.batch_size
    }

    /// Returns the position of a step (from 0).
    pub fn position(&self, step: usize) -> Position {
        Position {
            epoch: step / self.steps_per_epoch(),
            index: step % self.steps_per_epoch(),
        }
    }

    /// Returns the features of a step (from 0), at least one and at most `batch_size`.
    ///
    /// Any step may be requested, even beyond [`BatchPlan::steps`]; steps in order cost one shuffle
    /// per epoch.
    pub fn features(&mut self, step: usize) -> &[usize] {
        let Position { epoch, index } = self.position(step);
        let order = match self.current.take() {
            Some(order) if order.epoch == epoch => order,
            _ => self.epoch_order(epoch),
        };
        let order = self.current.insert(order);
        &order.features[order.batches[index].clone()]
    }

    fn epoch_order(&self, epoch: usize) -> EpochOrder {
        let size = self.options.batch_size;
        let mut features: Vec<usize> = (0..self.lengths.len()).collect();
        let mut random = generator(self.options.seed, epoch);
        if self.options.shuffle {
            shuffle(&mut features, &mut random);
        }
        let bucketing = self.options.shuffle && self.options.length_bucketing;
        if bucketing {
            for stretch in features.chunks_mut(size.saturating_mul(BUCKETED_BATCHES)) {
                stretch.sort_by_key(|&feature| self.lengths[feature]);
            }
        }
        let mut batches: Vec<Range<usize>> = (0..self.steps_per_epoch())
            .map(|batch| batch * size..features.len().min((batch + 1) * size))
            .collect();
        if bucketing {
            shuffle(&mut batches, &mut random);
        }
        EpochOrder {
            epoch,
            features,
            batches,
        }
    }
}

/// Creates the generator of an epoch's order. The tag keeps it independent of other uses of the
/// seed.
fn generator(seed: u64, epoch: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&(epoch as u64).to_le_bytes());
    key[16..].copy_from_slice(b"electra: batches");
    ChaCha8Rng::from_seed(key)
}

/// Fisher–Yates, written out so that a new library version cannot change the order of a resumed
/// run.
fn shuffle<T>(items: &mut [T], random: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        // The high half of a 64 × 64 bit product is uniform enough: its bias is below last / 2⁶⁴.
        let product = u128::from(random.next_u64()) * (last as u128 + 1);
        items.swap(last, (product >> 64) as usize);
    }
}

/// Divides features into prediction batches: every feature once, each batch with at most as many
/// tokens as `batch_size` features of the longest length, and at most `most_tokens` unless that is less
/// than one feature.
///
/// Sorted by length, longest first, so that a batch that does not fit in memory fails at once;
/// results are matched up by the features' indices.
///
/// # Errors
/// If `batch_size` is 0.
pub fn prediction_batches(
    lengths: &[usize],
    batch_size: usize,
    most_tokens: Option<usize>,
) -> Result<Vec<Vec<usize>>, Error> {
    if batch_size == 0 {
        return Err(Error::Option {
            name: "predict_batch_size",
            expected: "at least 1",
            found: "0".to_owned(),
        });
    }
    let mut features: Vec<usize> = (0..lengths.len()).collect();
    features.sort_by_key(|&feature| std::cmp::Reverse(lengths[feature]));
    let longest = features.first().map_or(0, |&feature| lengths[feature]);
    let most = batch_size.saturating_mul(longest);
    let most = most_tokens.map_or(most, |tokens| tokens.min(most));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut tokens = usize::MAX;
    for feature in features {
        tokens = tokens.saturating_add(lengths[feature]);
        match batches.last_mut() {
            Some(batch) if tokens <= most => batch.push(feature),
            _ => {
                tokens = lengths[feature];
                batches.push(vec![feature]);
            }
        }
    }
    Ok(batches)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const OPTIONS: PlanOptions = PlanOptions {
        batch_size: 8,
        epochs: 2.0,
        seed: 1,
        shuffle: true,
        length_bucketing: false,
    };

    fn plan(features: usize, options: PlanOptions) -> BatchPlan {
        BatchPlan::new((0..features).map(|i| 5 + i * 7 % 100).collect(), options).unwrap()
    }

    fn epoch(plan: &mut BatchPlan, epoch: usize) -> Vec<Vec<usize>> {
        let per_epoch = plan.steps_per_epoch();
        (epoch * per_epoch..(epoch + 1) * per_epoch)
            .map(|step| plan.features(step).to_vec())
            .collect()
    }

    #[test]
    fn unshuffled_steps_are_those_of_the_reference() {
        // The reference's run on squad2-tiny: 148 features, batches of 8, 2 epochs.
        let options = PlanOptions {
            shuffle: false,
            ..OPTIONS
        };
        let mut plan = plan(148, options);
        assert_eq!(plan.steps(), 38);
        assert_eq!(plan.padded_features(), 152);
        assert_eq!(plan.features(0), (0..8).collect::<Vec<_>>());
        assert_eq!(plan.features(18), [144, 145, 146, 147]);
        assert_eq!(plan.features(19), (0..8).collect::<Vec<_>>());
        assert_eq!(plan.features(37), [144, 145, 146, 147]);
        assert_eq!(plan.position(19), Position { epoch: 1, index: 0 });
    }

    #[test]
    fn steps_are_counted_on_the_padded_list() {
        let steps = |features, batch_size, epochs| {
            plan(
                features,
                PlanOptions {
                    batch_size,
                    epochs,
                    ..OPTIONS
                },
            )
            .steps()
        };
        assert_eq!(steps(93, 8, 2.0), 24);
        assert_eq!(steps(17, 8, 1.0), 3);
        assert_eq!(steps(17, 8, 0.5), 1);
        assert_eq!(steps(1, 32, 3.0), 3);
        assert_eq!(steps(16, 8, 0.0), 0);
    }

    #[test]
    fn orders_differ_by_seed_and_epoch_and_are_kept_for_good() {
        let mut first = plan(40, OPTIONS);
        let orders = [epoch(&mut first, 0), epoch(&mut first, 1)];
        assert_ne!(orders[0], orders[1]);
        let mut other = plan(40, PlanOptions { seed: 2, ..OPTIONS });
        assert_ne!(epoch(&mut other, 0), orders[0]);
        // A resumed run must find this order again in every later version.
        assert_eq!(orders[0][0], [9, 34, 39, 29, 37, 15, 12, 32]);
    }

    #[test]
    fn any_step_can_be_asked_for_first() {
        let mut whole = plan(50, OPTIONS);
        let expected: Vec<Vec<usize>> = (0..14).map(|step| whole.features(step).to_vec()).collect();
        for step in [13, 3, 7, 0, 12] {
            assert_eq!(plan(50, OPTIONS).features(step), expected[step]);
            assert_eq!(whole.features(step), expected[step]);
        }
    }

    #[test]
    fn bucketing_puts_like_lengths_together() {
        let waste = |plan: &mut BatchPlan| -> usize {
            let batches = epoch(plan, 0);
            let lengths = plan.lengths.clone();
            batches
                .iter()
                .map(|batch| {
                    let longest = batch.iter().map(|&i| lengths[i]).max().unwrap();
                    batch.iter().map(|&i| longest - lengths[i]).sum::<usize>()
                })
                .sum()
        };
        let bucketing = PlanOptions {
            length_bucketing: true,
            ..OPTIONS
        };
        let (bucketed, random) = (
            waste(&mut plan(1000, bucketing)),
            waste(&mut plan(1000, OPTIONS)),
        );
        assert!(bucketed * 10 < random, "{bucketed} {random}");
        let mut bucketed = plan(1000, bucketing);
        assert_ne!(epoch(&mut bucketed, 0)[0], epoch(&mut bucketed, 1)[0]);
    }

    #[test]
    fn options_out_of_range_are_refused() {
        let error = |lengths: Vec<usize>, options| {
            BatchPlan::new(lengths, options).unwrap_err().to_string()
        };
        assert!(error(vec![], OPTIONS).contains("training features"));
        assert!(
            error(
                vec![1],
                PlanOptions {
                    batch_size: 0,
                    ..OPTIONS
                }
            )
            .contains("train_batch_size")
        );
        for epochs in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(error(vec![1], PlanOptions { epochs, ..OPTIONS }).contains("num_train_epochs"));
        }
        assert!(prediction_batches(&[1], 0, None).is_err());
    }

    #[test]
    fn predictions_take_every_feature_once() {
        // Two features of nine tokens have as many as five, three and one together, and more.
        assert_eq!(
            prediction_batches(&[3, 9, 5, 9, 1, 5, 5], 2, None).unwrap(),
            [vec![1, 3], vec![2, 5, 6, 0], vec![4]]
        );
        let single = [[0], [1], [2]];
        assert_eq!(prediction_batches(&[4; 3], 1, None).unwrap(), single);
        assert!(prediction_batches(&[], 2, None).unwrap().is_empty());
        // A device that takes eight tokens in time, or not even one feature.
        assert_eq!(
            prediction_batches(&[4; 3], 3, Some(8)).unwrap(),
            [vec![0, 1], vec![2]]
        );
        assert_eq!(prediction_batches(&[4; 3], 3, Some(1)).unwrap(), single);
        assert_eq!(prediction_batches(&[4; 2], 2, Some(99)).unwrap(), [[0, 1]]);
    }

    proptest! {
        #[test]
        fn an_epoch_takes_every_feature_once(
            features in 1usize..300, batch_size in 1usize..40, seed: u64, number in 0usize..5,
            shuffle: bool, length_bucketing: bool,
        ) {
            let options = PlanOptions { batch_size, epochs: 1.0, seed, shuffle, length_bucketing };
            let mut plan = plan(features, options);
            let batches = epoch(&mut plan, number);
            prop_assert_eq!(batches.len(), plan.steps());
            prop_assert!(batches.iter().all(|batch| !batch.is_empty() && batch.len() <= batch_size));
            let short = batches.iter().filter(|batch| batch.len() < batch_size).count();
            prop_assert!(short <= 1);
            let mut all: Vec<usize> = batches.concat();
            all.sort_unstable();
            prop_assert_eq!(all, (0..features).collect::<Vec<_>>());
        }
    }
}

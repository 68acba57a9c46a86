//! The batches of a run: which examples a step uses, and which of their tokens are masked. Each is a function
//! of the seed and the step, so that a run can start at any step.

use serde_json::{Value, json};

use super::{
    epoch_order::EpochOrder, error::Error, example::Example, examples::Examples, masking::Masking,
    part::Masked, recorded_masks::RecordedMasks, settings::Vocabulary,
};
use crate::{config::PretrainConfig, text::vocab::Vocab};

/// Evaluation draws from its own range of steps.
const EVALUATION: u64 = 1 << 62;

/// Where batches come from.
#[derive(Debug)]
enum Source {
    Examples(Examples),
    Recorded(RecordedMasks),
}

/// The batches of a run.
#[derive(Debug)]
pub struct Batches {
    source: Source,
    masking: Masking,
    vocabulary: Vocabulary,
    seed: u64,
    shuffle: bool,
    /// Batch sizes of training and of evaluation.
    sizes: [usize; 2],
}

impl Batches {
    /// The batches of the examples that the configuration names.
    ///
    /// # Errors
    /// If they cannot be read, or have more tokens than `max_seq_length`.
    pub fn open(config: &PretrainConfig, vocab: &Vocab, masking: Masking) -> Result<Self, Error> {
        let examples = Examples::open(&config.pretrain_tfrecords, vocab)?;
        if examples.max_seq_length() > config.max_seq_length {
            return Err(Error::Examples {
                path: (&config.pretrain_tfrecords).into(),
                expected: format!("examples of up to {} tokens", config.max_seq_length),
                found: format!("some of up to {}", examples.max_seq_length()),
                advice: "set max_seq_length to that, or make shorter ones with electra data pretrain",
            });
        }
        Ok(Self::of(config, vocab, masking, Source::Examples(examples)))
    }

    /// The batches of a recorded run, in its order.
    pub fn recorded(
        config: &PretrainConfig,
        vocab: &Vocab,
        masking: Masking,
        recorded: RecordedMasks,
    ) -> Self {
        Self::of(config, vocab, masking, Source::Recorded(recorded))
    }

    fn of(config: &PretrainConfig, vocab: &Vocab, masking: Masking, source: Source) -> Self {
        Self {
            source,
            masking,
            vocabulary: Vocabulary::of(vocab),
            seed: config.seed,
            shuffle: config.shuffle,
            sizes: [config.train_batch_size, config.eval_batch_size],
        }
    }

    pub fn mask_id(&self) -> u32 {
        self.masking.mask_id()
    }

    /// The examples, if they are read from files.
    pub fn examples(&self) -> Option<&Examples> {
        match &self.source {
            Source::Examples(examples) => Some(examples),
            Source::Recorded(_) => None,
        }
    }

    /// The number of steps for which there is data, whatever the configured number.
    pub fn steps(&self) -> u64 {
        match &self.source {
            Source::Examples(_) => u64::MAX,
            Source::Recorded(recorded) => recorded.steps.len() as u64,
        }
    }

    /// The values that must match those of a checkpoint for a run to resume from it.
    pub fn identity(&self) -> Value {
        let vocabulary = &self.vocabulary.sha256;
        match &self.source {
            Source::Examples(examples) => {
                json!({"count": examples.count(), "vocabulary": vocabulary})
            }
            Source::Recorded(recorded) => {
                json!({"recorded": recorded.steps.len(), "vocabulary": vocabulary})
            }
        }
    }

    /// The checksum of the examples, if they are read from files.
    pub fn checksum(&self) -> Option<String> {
        let examples = self.examples()?;
        Some(format!("crc32c {:08x}", examples.checksum()))
    }

    /// The batch of a training step.
    ///
    /// # Errors
    /// If an example cannot be read.
    pub fn training(&self, step: u64) -> Result<Vec<Masked>, Error> {
        match &self.source {
            Source::Recorded(recorded) => Ok(recorded
                .steps
                .get(step as usize)
                .cloned()
                .unwrap_or_default()),
            Source::Examples(examples) => self.read(examples, step, 0, self.sizes[0]),
        }
    }

    /// A batch of an evaluation.
    ///
    /// # Errors
    /// As [`training`](Self::training).
    pub fn evaluation(&self, step: u64) -> Result<Vec<Masked>, Error> {
        match &self.source {
            Source::Recorded(_) => self.training(step),
            Source::Examples(examples) => self.read(examples, step, EVALUATION, self.sizes[1]),
        }
    }

    fn read(
        &self,
        examples: &Examples,
        step: u64,
        apart: u64,
        size: usize,
    ) -> Result<Vec<Masked>, Error> {
        let count = examples.count();
        let mut order: Option<(u64, EpochOrder)> = None;
        (0..size as u64)
            .map(|place| {
                let number = step * size as u64 + place;
                let (epoch, number) = (number / count, number % count);
                if order.as_ref().is_none_or(|(of, _)| *of != epoch) {
                    order = Some((epoch, EpochOrder::new(self.seed, apart + epoch, count)));
                }
                let number = match &order {
                    Some((_, order)) if self.shuffle => order.at(number),
                    _ => number,
                };
                let mut example = Example::default();
                examples.read(number, &mut example)?;
                let ids = &example.ids;
                Ok(Masked {
                    slots: self.masking.draw(ids, self.seed, apart + step, place),
                    candidates: self.masking.is_candidate(ids),
                    recorded: None,
                    example,
                })
            })
            .collect()
    }
}

//! Text that is longer than any that the model's pre-training has seen.

use indicatif::HumanCount;

use super::{Finetune, RunData};
use crate::{counted::grouped, model::description::trained_positions};

impl Finetune<'_> {
    /// Warns if features of any file reach positions that pre-training has not trained.
    pub(super) fn warn_of_untrained_positions(&self, data: &RunData) {
        let initial = self.config.init_checkpoint.as_deref();
        let Some(trained) = initial.and_then(trained_positions) else {
            return;
        };
        let files = data.train.iter().chain(&data.dev);
        let files = files.chain(data.test.iter().map(|(_, file)| file));
        let lengths = files.flat_map(|file| file.rows().map(|row| row.input_ids.len()));
        let (longer, all) = lengths.fold((0, 0), |(longer, all), length| {
            (longer + usize::from(length > trained), all + 1)
        });
        if longer > 0 {
            log::warn!("{}", warning(longer, all, trained));
        }
    }
}

fn warning(longer: usize, all: usize, trained: usize) -> String {
    format!(
        "{} of {} {} longer than the {trained} tokens of the examples that the model was pre-trained on: the \
         embeddings of further positions are untrained; give --set max_seq_length={trained}, or continue \
         pre-training with longer examples first",
        HumanCount(longer as u64),
        grouped(all, "feature"),
        match longer {
            1 => "is",
            _ => "are",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_counts_features() {
        let told = warning(1, 2_000, 64);
        assert!(
            told.starts_with("1 of 2,000 features is longer than the 64 tokens"),
            "{told}"
        );
        let told = warning(1_500, 2_000, 64);
        assert!(
            told.starts_with("1,500 of 2,000 features are longer"),
            "{told}"
        );
        assert!(told.contains("give --set max_seq_length=64"), "{told}");
    }
}

//! The head of tagging: a dense layer on the hidden state of each word's first token.
//!
//! Reproduces `TaggingTask.get_prediction_module` of the reference
//! (`finetune/tagging/tagging_tasks.py`).

use std::sync::Arc;

use burn::{
    Tensor,
    module::Module,
    tensor::{Int, TensorData},
};

use crate::{
    device::DeviceError,
    kernels::rows::rows,
    model::{
        arithmetic::Arithmetic,
        dense::Dense,
        head_input::HeadInput,
        initialiser::Initialiser,
        parameters::{Error, ParameterSource},
    },
    packed::sequences::Sequences,
    tasks::{label::Label, loss::cross_entropy},
};

#[derive(Module, Debug)]
pub struct WordHead {
    /// `hidden → tags`
    pub dense: Dense,
    /// Share of a label that is spread over all tags in the loss.
    #[module(skip)]
    pub(in crate::tasks) label_smoothing: f64,
    #[module(skip)]
    arithmetic: Arithmetic,
}

impl WordHead {
    pub fn new(
        source: &mut ParameterSource,
        task: &str,
        [hidden, tags]: [usize; 2],
    ) -> Result<Self, Error> {
        source.within(&format!("heads.{task}"), |source| {
            let kernel = Initialiser::GlorotUniform;
            Ok(Self {
                dense: Dense::new(source, "dense", [hidden, tags], kernel)?,
                label_smoothing: 0.0,
                arithmetic: source.arithmetic,
            })
        })
    }

    /// Returns the tag logits of each word, `[words, tags]` in f32, sequence after sequence.
    pub fn logits(&self, input: &HeadInput, words: &WordRows) -> Tensor<2> {
        let states = rows(input.hidden.clone(), words.rows.clone());
        let logits = self.dense.forward(self.arithmetic.widen(states));
        match &words.of_word {
            None => logits,
            Some(of_word) => {
                let index = TensorData::new(of_word.clone(), [of_word.len()]);
                let index = Tensor::<1, Int>::from_data(index, &logits.device());
                logits.select(0, index)
            }
        }
    }

    /// Returns the tag logits of each sequence's words on the host, `[sequences][words · tags]`,
    /// word after word.
    ///
    /// # Errors
    /// If the device fails.
    ///
    /// # Panics
    /// As for [`WordRows::new`].
    pub fn predict(
        &self,
        input: &HeadInput,
        labels: &[Label],
    ) -> Result<Vec<Vec<f32>>, DeviceError> {
        let logits = self.logits(input, &WordRows::new(&input.sequences, labels));
        let [_, count] = logits.dims();
        let values = logits.try_into_vec_as::<f32>().map_err(DeviceError::new)?;
        let mut values = values.into_iter();
        let own = labels.iter().map(|label| {
            let words = tags(label).0.len();
            values.by_ref().take(words * count).collect()
        });
        Ok(own.collect())
    }

    /// Returns the loss of each word, `[words]`.
    ///
    /// # Panics
    /// If a label is of another kind.
    pub fn losses(&self, input: &HeadInput, labels: &[Label]) -> Tensor<1> {
        let words = WordRows::new(&input.sequences, labels);
        let tags = labels
            .iter()
            .flat_map(|label| tags(label).1.iter().copied());
        let (logits, tags) = (self.logits(input, &words), tags.collect::<Vec<_>>());
        cross_entropy(logits, &tags, self.label_smoothing)
    }
}

/// The packed rows that represent the words of several sequences.
#[derive(Debug, Clone)]
pub struct WordRows {
    /// Without duplicates.
    rows: Arc<[u32]>,
    /// The row of each word, if some rows represent several words.
    of_word: Option<Vec<i32>>,
}

impl WordRows {
    /// # Panics
    /// If a label is of another kind, or a position is outside its sequence: a device would read
    /// beyond the hidden states.
    pub fn new(sequences: &Sequences, labels: &[Label]) -> Self {
        assert_eq!(sequences.len(), labels.len());
        let (mut unique, mut of_word, mut words): (Vec<u32>, Vec<i32>, usize) = Default::default();
        for (number, label) in labels.iter().enumerate() {
            let own = sequences.rows(number);
            let first_of_sequence = unique.len();
            for &position in tags(label).0.iter() {
                assert!((position as usize) < own.len(), "{position} of {own:?}");
                let row = own.start as u32 + position;
                let known = unique[first_of_sequence..]
                    .iter()
                    .rposition(|&known| known == row);
                let place = known.map_or(unique.len(), |known| first_of_sequence + known);
                if place == unique.len() {
                    unique.push(row);
                }
                of_word.push(place as i32);
                words += 1;
            }
        }
        Self {
            of_word: (unique.len() < words).then_some(of_word),
            rows: unique.into(),
        }
    }
}

/// Returns the positions and tags of a label's words.
fn tags(label: &Label) -> (&Arc<[u32]>, &Arc<[u32]>) {
    match label {
        Label::Tags { positions, tags } => (positions, tags),
        other => panic!("tags expected, found {other:?}"),
    }
}

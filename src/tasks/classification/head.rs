//! The head of classification and regression: a dense layer on the hidden state of the first token,
//! without a pooling layer.
//!
//! Reproduces `get_prediction_module` of the reference's `ClassificationTask` and `RegressionTask`
//! (`finetune/classification/classification_tasks.py`), and `ElectraClassificationHead` of
//! `transformers`, which has a hidden layer with GELU.

use burn::{Tensor, module::Module, tensor::TensorData};

use crate::{
    device::DeviceError,
    kernels::{gelu::gelu, rows::rows},
    model::{
        arithmetic::Arithmetic,
        dense::Dense,
        dropout::{Site, dropout},
        head_input::HeadInput,
        initialiser::Initialiser,
        parameters::{Error, ParameterSource},
    },
    tasks::{label::Label, loss::cross_entropy},
};

/// Dropout probability of the hidden state, whatever the encoder's; a run whose encoder has no
/// dropout has none here either.
pub const DROPOUT: f64 = 0.1;

/// The layers of a head.
#[derive(Debug, Clone, Copy)]
pub struct SequenceHeadShape {
    /// Width of the hidden states.
    pub hidden: usize,
    pub outputs: usize,
    /// Whether a hidden layer with GELU comes first.
    pub hidden_layer: bool,
}

#[derive(Module, Debug)]
pub struct SequenceHead {
    /// `hidden → hidden`, followed by GELU; only in models of `transformers`.
    pub hidden: Option<Dense>,
    /// `hidden → outputs`: one logit per class, or the value.
    pub dense: Dense,
    #[module(skip)]
    dropout: f64,
    /// Share of a label that is spread over all classes in the loss.
    #[module(skip)]
    pub(in crate::tasks) label_smoothing: f64,
    #[module(skip)]
    arithmetic: Arithmetic,
}

impl SequenceHead {
    pub fn new(
        source: &mut ParameterSource,
        task: &str,
        shape: SequenceHeadShape,
        dropout: f64,
    ) -> Result<Self, Error> {
        let SequenceHeadShape {
            hidden,
            outputs,
            hidden_layer,
        } = shape;
        source.within(&format!("heads.{task}"), |source| {
            let kernel = Initialiser::GlorotUniform;
            let first = hidden_layer
                .then(|| Dense::new(source, "hidden", [hidden, hidden], kernel))
                .transpose()?;
            Ok(Self {
                hidden: first,
                dense: Dense::new(source, "dense", [hidden, outputs], kernel)?,
                dropout,
                label_smoothing: 0.0,
                arithmetic: source.arithmetic,
            })
        })
    }

    /// Returns the outputs for each sequence, `[sequences, outputs]` in f32.
    pub fn logits(&self, input: &HeadInput) -> Tensor<2> {
        let sequences = &input.sequences;
        let firsts = sequences.offsets()[..sequences.len()].into();
        let states = self.arithmetic.widen(rows(input.hidden.clone(), firsts));
        let firsts = sequences.firsts();
        let states = dropout(states, &firsts, Site::Head, self.dropout, input.mode);
        let states = match &self.hidden {
            None => states,
            Some(hidden) => {
                let inner = gelu(hidden.forward(states));
                dropout(inner, &firsts, Site::HeadHidden, self.dropout, input.mode)
            }
        };
        self.dense.forward(states)
    }

    /// Returns the outputs for each sequence on the host, `[sequences][outputs]`.
    ///
    /// # Errors
    /// If the device fails.
    pub fn predict(&self, input: &HeadInput) -> Result<Vec<Vec<f32>>, DeviceError> {
        let logits = self.logits(input);
        let [_, outputs] = logits.dims();
        let values = logits.try_into_vec_as::<f32>().map_err(DeviceError::new)?;
        Ok(values.chunks(outputs).map(<[f32]>::to_vec).collect())
    }

    /// Returns the loss of each sequence, `[sequences]`: cross-entropy with its class, or the
    /// squared difference to its value.
    ///
    /// # Panics
    /// If a label is of another kind.
    pub fn losses(&self, input: &HeadInput, labels: &[Label]) -> Tensor<1> {
        let logits = self.logits(input);
        match Targets::of(labels) {
            Targets::Classes(classes) => cross_entropy(logits, &classes, self.label_smoothing),
            Targets::Values(values) => {
                let count = values.len();
                let values = Tensor::from_data(TensorData::new(values, [count]), &logits.device());
                let difference = logits.reshape([count]) - values;
                difference.clone() * difference
            }
        }
    }
}

/// The targets of sequences, `[sequences]`.
enum Targets {
    Classes(Vec<u32>),
    Values(Vec<f32>),
}

impl Targets {
    fn of(labels: &[Label]) -> Self {
        let class = |label: &Label| match label {
            Label::Class(class) => Some(*class),
            _ => None,
        };
        let value = |label: &Label| match label {
            Label::Value(value) => Some(*value),
            _ => None,
        };
        let classes: Option<Vec<u32>> = labels.iter().map(class).collect();
        let values = || labels.iter().map(value).collect::<Option<Vec<f32>>>();
        match classes {
            Some(classes) => Self::Classes(classes),
            None => Self::Values(values().expect("labels of one kind, classes or values")),
        }
    }
}

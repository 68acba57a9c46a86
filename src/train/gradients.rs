//! Gradients of a batch's loss for every trainable parameter, summed part by part.
//!
//! Word vectors are looked up outside the graph and enter it as leaves, for two reasons: the
//! reference's gradient norm counts each looked-up row's gradient by itself, and the table's
//! gradient is then one scatter of those rows.

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::IndexingUpdateOp,
};

use super::{
    loss::{Targets, batch_loss},
    recompute,
};
use crate::{
    kernels::square_sum::SquareSum,
    model::{
        HeadInput, ModelInput, QuestionAnsweringModel, dropout::Mode, record::for_each_parameter,
    },
};

/// Which parameters are trained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trainable {
    All,
    /// The layers from this number on, and the heads.
    FromLayer(usize),
}

impl Trainable {
    /// `trainable_layers` of the hyper-parameters: the top `n` of `layers`, or all.
    pub fn new(trainable_layers: Option<usize>, layers: usize) -> Self {
        match trainable_layers {
            None => Self::All,
            Some(top) => Self::FromLayer(layers.saturating_sub(top)),
        }
    }

    /// Marks the parameters below the first trained layer as constants.
    pub fn freeze(self, mut model: QuestionAnsweringModel) -> QuestionAnsweringModel {
        let Self::FromLayer(first) = self else {
            return model;
        };
        model.electra.embeddings = model.electra.embeddings.no_grad();
        model.electra.layers = model
            .electra
            .layers
            .into_iter()
            .enumerate()
            .map(|(number, layer)| {
                if number < first {
                    layer.no_grad()
                } else {
                    layer
                }
            })
            .collect();
        model
    }
}

/// What a step takes the gradient of.
#[derive(Debug, Clone, Copy)]
pub struct Objective {
    /// Weight of the answerability classifier's loss.
    pub answerable_weight: f64,
    pub trainable: Trainable,
    /// Keeps only each layer's input and computes the rest again in the backward pass.
    pub recompute_layers: bool,
    /// What the loss is multiplied by, and with it every gradient.
    pub loss_scale: f64,
}

impl Objective {
    /// The loss, `[1]`, as the backward pass takes it.
    pub(super) fn scaled(&self, loss: Tensor<1>) -> Tensor<1> {
        if self.loss_scale == 1.0 {
            return loss;
        }
        loss * self.loss_scale
    }
}

/// Gradients summed over the parts of a batch.
#[derive(Default)]
pub struct Gradients {
    /// By parameter, without the word table.
    pub parameters: GradientsParams,
    /// The word table's parameter and its summed gradient `[vocab, embedding]`, where trained.
    pub word_table: Option<(ParamId, Tensor<2>)>,
    /// Σ over looked-up rows of ‖row gradient‖², `[1]`: what the word table adds to the squared
    /// norm.
    pub word_rows_square: Option<Tensor<1>>,
}

/// Adds one part's gradients, times the loss scale, to `gradients` and returns its sum loss, `[1]`,
/// unscaled and outside the graph.
///
/// `tasks` gives each row's place in the task list.
pub fn accumulate(
    model: &QuestionAnsweringModel,
    input: &ModelInput,
    targets: &Targets,
    tasks: &[usize],
    objective: Objective,
    mode: Mode,
    gradients: &mut Gradients,
) -> Tensor<1> {
    let loss = |hidden: Tensor<2>| {
        let hidden = model.electra.arithmetic.narrow(hidden);
        let weight = objective.answerable_weight;
        let input = HeadInput::new(hidden, input);
        batch_loss(&model.heads, &input, targets, tasks, weight)
    };
    if objective.recompute_layers {
        return recompute::accumulate(model, input, loss, objective, mode, gradients);
    }
    let electra = &model.electra;
    let layers = electra.layers.len();
    let words = electra.embeddings.look_up(input.input_ids.clone()).detach();
    let (words, hidden) = match objective.trainable {
        Trainable::All => {
            let words = words.require_grad();
            let hidden = electra.embed(words.clone(), input, mode);
            let hidden = electra.forward_layers(0..layers, hidden, input, mode);
            (Some(words), hidden)
        }
        Trainable::FromLayer(first) => {
            let hidden = electra.embed(words, input, mode);
            let hidden = electra.forward_layers(0..first, hidden, input, mode);
            // Burn 0.22 returns wrong gradients on the GPU where a graph starts from constants
            // alone, so the first trained layer's input is a tracked leaf.
            let hidden = hidden.detach().require_grad();
            let hidden = electra.forward_layers(first..layers, hidden, input, mode);
            (None, hidden)
        }
    };
    let loss = loss(electra.arithmetic.widen(hidden));
    let mut grads = objective.scaled(loss.clone()).backward();
    if let Some(rows) = words.and_then(|words| words.grad_remove(&mut grads)) {
        gradients.add_word_rows(model, input, rows);
    }
    gradients.add(model, GradientsParams::from_grads(grads, model));
    loss.inner()
}

impl Gradients {
    /// Adds the gradients of the parameters of `module`.
    pub fn add<M: Module>(&mut self, module: &M, mut part: GradientsParams) {
        struct Sum<'a> {
            whole: &'a mut GradientsParams,
            part: &'a mut GradientsParams,
        }
        impl ModuleVisitor for Sum<'_> {
            fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
                let Some(part) = self.part.remove::<D>(parameter.id) else {
                    return;
                };
                let sum = match self.whole.remove::<D>(parameter.id) {
                    Some(whole) => whole + part,
                    None => part,
                };
                self.whole.register(parameter.id, sum);
            }
        }
        module.visit(&mut Sum {
            whole: &mut self.parameters,
            part: &mut part,
        });
    }

    /// Adds the gradients of the looked-up word vectors, `rows` `[tokens, embedding]`.
    pub fn add_word_rows(
        &mut self,
        model: &QuestionAnsweringModel,
        input: &ModelInput,
        rows: Tensor<2>,
    ) {
        let table = &model.electra.embeddings.word.weight;
        let mut square = SquareSum::new(&rows.device());
        square.add(rows.clone());
        let square = square.total();
        self.word_rows_square = Some(match self.word_rows_square.take() {
            Some(whole) => whole + square,
            None => square,
        });
        let whole = match self.word_table.take() {
            Some((_, whole)) => whole,
            None => Tensor::zeros(table.val().dims(), &rows.device()),
        };
        let ids = input.input_ids.clone().inner();
        let whole = whole.select_assign(0, ids, rows, IndexingUpdateOp::Add);
        self.word_table = Some((table.id, whole));
    }

    /// Takes one parameter's gradient, flattened to `[elements]`.
    pub fn take<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<1>> {
        if self
            .word_table
            .as_ref()
            .is_some_and(|(table, _)| *table == id)
        {
            return self.word_table.take().map(|(_, g)| g.flatten(0, 1));
        }
        let gradient = self.parameters.remove::<D>(id)?;
        let elements = gradient.dims().iter().product::<usize>();
        Some(gradient.reshape([elements]))
    }

    /// The gradients of two sets of parts, summed.
    pub fn plus(mut self, other: Self, model: &QuestionAnsweringModel) -> Self {
        self.add(model, other.parameters);
        self.word_table = match (self.word_table, other.word_table) {
            (Some((id, whole)), Some((_, part))) => Some((id, whole + part)),
            (whole, part) => whole.or(part),
        };
        self.word_rows_square = match (self.word_rows_square, other.word_rows_square) {
            (Some(whole), Some(part)) => Some(whole + part),
            (whole, part) => whole.or(part),
        };
        self
    }

    /// Every gradient by record name, each `[elements]`, in the order of the modules.
    pub fn into_values(
        mut self,
        model: &QuestionAnsweringModel,
        tasks: &[String],
    ) -> Vec<(String, Tensor<1>)> {
        let mut values = Vec::new();
        for_each_parameter(model, tasks, |parameter| {
            let gradient = match *parameter.shape {
                [_] => self.take::<1>(parameter.id),
                _ => self.take::<2>(parameter.id),
            };
            values.extend(gradient.map(|gradient| (parameter.name.to_owned(), gradient)));
        });
        values
    }

    /// Norm over all gradients as the reference's clipping computes it, `[1]`.
    pub fn global_norm(&self, model: &QuestionAnsweringModel) -> Tensor<1> {
        struct Squares<'a> {
            gradients: &'a GradientsParams,
            sum: SquareSum,
        }
        impl ModuleVisitor for Squares<'_> {
            fn visit_float<const D: usize>(&mut self, parameter: &Param<Tensor<D>>) {
                if let Some(gradient) = self.gradients.get::<D>(parameter.id) {
                    self.sum.add(gradient);
                }
            }
        }
        let device = model.electra.embeddings.word.weight.val().device();
        let mut visitor = Squares {
            gradients: &self.parameters,
            sum: SquareSum::new(&device.without_autodiff()),
        };
        model.visit(&mut visitor);
        let sum = visitor.sum.total();
        match &self.word_rows_square {
            None => sum.sqrt(),
            Some(rows) => (sum + rows.clone()).sqrt(),
        }
    }
}

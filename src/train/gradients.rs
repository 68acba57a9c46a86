//! Gradients of a batch's loss for every trainable parameter, summed part by part.
//!
//! Word vectors are looked up without autodiff and enter that of the embeddings as leaves, for two
//! reasons: the reference's gradient norm counts each looked-up row's gradient by itself, and the
//! table's gradient is then one scatter of those rows.

use burn::{
    Tensor,
    module::{Module, ModuleVisitor, Param, ParamId},
    optim::GradientsParams,
    tensor::{Gradients as Backward, IndexingUpdateOp},
};

use crate::{
    kernels::square_sum::SquareSum,
    model::{
        HeadInput, ModelInput, dropout::Mode, layer::LayerState,
        parameter_gradients::ParameterGradients, parameters::without_graph, pass::Pass,
        record::for_each_parameter,
    },
    tasks::{head::batch_loss, label::Label, model::Model},
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

    /// The first trained layer.
    pub fn first_layer(self) -> usize {
        match self {
            Self::All => 0,
            Self::FromLayer(first) => first,
        }
    }

    /// Marks the parameters below the first trained layer as constants.
    pub fn freeze(self, mut model: Model) -> Model {
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
    pub trainable: Trainable,
    /// Keeps only each layer's input and computes the rest again in the backward pass.
    pub recompute_layers: bool,
    /// What the loss is multiplied by, and with it every gradient.
    pub loss_scale: f64,
}

impl Objective {
    /// The loss, `[1]`, as the backward pass takes it.
    fn scaled(&self, loss: Tensor<1>) -> Tensor<1> {
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
    pub parameters: ParameterGradients,
    /// The word table's parameter and its summed gradient `[vocab, embedding]`, where trained.
    pub word_table: Option<(ParamId, Tensor<2>)>,
    /// Σ over looked-up rows of ‖row gradient‖², `[1]`: what the word table adds to the squared
    /// norm.
    pub word_rows_square: Option<Tensor<1>>,
}

/// What is kept of a layer's forward pass: all of it, or its input alone.
#[expect(clippy::large_enum_variant, reason = "one for each layer")]
enum Kept {
    Input(Tensor<2>),
    State(LayerState),
}

/// Adds one part's gradients, times the loss scale, to `gradients` and returns its sum loss, `[1]`,
/// unscaled and outside the graph.
///
/// The heads and the embeddings have graphs of their own; the layers between them, which work
/// outside any, are gone through one by one. With `recompute_layers` a layer runs again before its
/// backward pass, and drops the same values. `tasks` gives each row's place in the task list.
pub fn accumulate(
    model: &Model,
    input: &ModelInput,
    labels: &[Label],
    tasks: &[usize],
    objective: Objective,
    mode: Mode,
    gradients: &mut Gradients,
) -> Tensor<1> {
    let electra = &model.electra;
    let layers = electra.layers.len();
    let first = objective.trainable.first_layer();
    let sequences = &input.sequences;
    let pass = |layer| Pass {
        sequences,
        layer,
        mode,
    };

    let words = without_graph(electra.embeddings.look_up(input.input_ids.clone()));
    let hidden = without_graph(electra.embed(constant(words.clone()), input, mode));
    let mut hidden = electra.forward_layers(0..first, hidden, input, mode);
    let mut kept = Vec::with_capacity(layers - first);
    for layer in first..layers {
        let (output, state) =
            electra.layers[layer].forward_with_state(hidden.clone(), &pass(layer));
        kept.push(match objective.recompute_layers {
            true => Kept::Input(hidden),
            false => Kept::State(state),
        });
        hidden = output;
    }

    let last = leaf(hidden);
    let read = HeadInput::new(last.clone(), input);
    let loss = batch_loss(&model.heads, &read, labels, tasks);
    let mut grads = objective.scaled(loss.clone()).backward();
    let mut upstream = gradient(&last, &mut grads);
    let heads = GradientsParams::from_module(&mut grads, &model.heads);
    gradients.parameters.add_all(&model.heads, heads);

    for (layer, kept) in (first..layers).zip(kept).rev() {
        let (module, pass) = (&electra.layers[layer], pass(layer));
        let state = match kept {
            Kept::State(state) => state,
            Kept::Input(hidden) => module.forward_with_state(hidden, &pass).1,
        };
        upstream = module.backward(state, upstream, &pass, &mut gradients.parameters);
    }

    if objective.trainable == Trainable::All {
        let words = leaf(words);
        let output = electra.embed(words.clone(), input, mode);
        // The gradient of Σ output · upstream is `upstream`, exactly.
        let mut grads = (output * constant(upstream)).sum().backward();
        let rows = gradient(&words, &mut grads);
        let module = &electra.embeddings;
        let embeddings = GradientsParams::from_module(&mut grads, module);
        gradients.parameters.add_all(module, embeddings);
        gradients.add_word_rows(model, input, rows);
    }
    loss.inner()
}

/// A value as the start of a graph.
fn leaf(value: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(value).require_grad()
}

/// A value that takes part in a graph and has no gradient.
fn constant(value: Tensor<2>) -> Tensor<2> {
    Tensor::from_inner(value)
}

fn gradient(leaf: &Tensor<2>, grads: &mut Backward) -> Tensor<2> {
    leaf.grad_remove(grads)
        .expect("a loss depends on the hidden states")
}

impl Gradients {
    /// Adds the gradients of the looked-up word vectors, `rows` `[tokens, embedding]`.
    pub fn add_word_rows(&mut self, model: &Model, input: &ModelInput, rows: Tensor<2>) {
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

    /// Every gradient by record name, each `[elements]`, in the order of the modules.
    pub fn into_values(mut self, model: &Model, tasks: &[String]) -> Vec<(String, Tensor<1>)> {
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
    pub fn global_norm(&self, model: &Model) -> Tensor<1> {
        struct Squares<'a> {
            gradients: &'a ParameterGradients,
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

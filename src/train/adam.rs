//! ELECTRA's Adam over the whole model: moments by record name, rates by layer.
//!
//! [`kernels::adam`](crate::kernels::adam) has the formula. Reproduces `AdamWeightDecayOptimizer`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/model/optimization.py#L70-L171>

use std::collections::{BTreeMap, HashMap};

use burn::{
    Tensor,
    module::{Module, ModuleMapper, Param, ParamId},
    tensor::{DType, Device, Int, Shape, TensorData, kind::Basic},
};

use super::{gradients::Gradients, moments_format::format_of, schedule::LayerDecay};
use crate::{
    config::OptimizerMoments,
    kernels::{
        adam::{Moments, Parameter, Step, Updated, adam_steps, block_moments},
        group::GROUP,
    },
    model::{
        HalfWeights,
        dropout::StepSeed,
        parameters::{Error, StoredParameters},
        record::{ParameterView, for_each_parameter, record_name, stored_tensor},
    },
};

/// The record's name for moments in 8 bits.
const BLOCKS: &str = "blocks";

/// The moments of one parameter.
#[derive(Debug, Clone)]
struct Stored {
    moments: Moments,
    shape: Vec<usize>,
}

/// The optimiser and its state, by record name.
#[derive(Debug, Clone)]
pub struct Adam {
    pub weight_decay: f64,
    pub layer_decay: LayerDecay,
    /// The storage format of moments; 8 bits applies to matrices only.
    pub format: OptimizerMoments,
    moments: BTreeMap<String, Stored>,
}

impl Adam {
    pub fn new(weight_decay: f64, layer_decay: LayerDecay) -> Self {
        Self {
            weight_decay,
            layer_decay,
            format: OptimizerMoments::F32,
            moments: BTreeMap::new(),
        }
    }

    /// The same optimiser with moments in this format.
    pub fn with_moments(mut self, format: OptimizerMoments) -> Self {
        self.format = format;
        self
    }

    /// Creates zero moments for every trained parameter without any. Otherwise they are created in the first
    /// update, and a step that does not fit in memory is detected one step late.
    pub fn begin(&mut self, model: &impl Module, tasks: &[String]) {
        for_each_parameter(model, tasks, |parameter| {
            if parameter.trained && !self.moments.contains_key(parameter.name) {
                let [elements] = parameter.value.dims();
                let format = format_of(self.format, parameter.name, parameter.shape);
                let stored = Stored {
                    moments: Moments::zeros(format, elements, &parameter.value.device()),
                    shape: parameter.shape.to_vec(),
                };
                self.moments.insert(parameter.name.into(), stored);
            }
        });
    }

    /// Updates every trained parameter; a parameter without a gradient is updated with zeros.
    ///
    /// `clip_factor` `[1]` scales the gradients; `learning_rate` is the schedule's, before the layer factor;
    /// `seed` determines stochastic rounding. Also writes the f16 copies of the weights.
    pub fn update<M: HalfWeights>(
        &mut self,
        mut model: M,
        tasks: &[String],
        gradients: Gradients,
        clip_factor: Tensor<1>,
        learning_rate: f64,
        seed: StepSeed,
    ) -> M {
        let copies = model.take_f16_weights();
        let mut update = Update {
            adam: self,
            tasks,
            gradients,
            clip_factor,
            learning_rate,
            seed,
            path: Vec::new(),
            number: 0,
            waiting: [(); 4].map(|()| Vec::with_capacity(GROUP)),
            weights: HashMap::new(),
            copies,
        };
        let model = model.map(&mut update);
        for list in 0..update.waiting.len() {
            update.update_waiting(list);
        }
        let mut model = model.map(&mut PutBack {
            weights: update.weights,
        });
        model.put_f16_weights(update.copies);
        free_replaced_leaves();
        model
    }

    /// Total bytes of the moments.
    pub fn bytes(&self) -> u64 {
        let bytes = self.moments.values().map(|stored| stored.moments.bytes());
        bytes.sum()
    }

    /// The moments as tensors of a record: `m/<parameter>` and `v/<parameter>` in f32; or both in one tensor
    /// of words, `mv/<parameter>` in bf16 and `blocks/<parameter>`, `[words]`, in 8 bits.
    pub fn stored(&self) -> Vec<burn_pack::Tensor> {
        self.moments
            .iter()
            .flat_map(|(name, stored)| match &stored.moments {
                Moments::F32(moments) => ["m", "v"]
                    .iter()
                    .zip(moments)
                    .map(|(kind, moment)| stored.tensor(kind, name, moment))
                    .collect(),
                Moments::Bf16(moments) => vec![stored.tensor("mv", name, moments)],
                Moments::EightBit(moments) => {
                    let name = format!("{BLOCKS}/{name}");
                    vec![stored_tensor(&name, &moments.dims(), moments.clone())]
                }
            })
            .collect()
    }

    /// Loads the moments of `model`'s parameters from a record written from [`stored`](Self::stored).
    pub fn load(
        &mut self,
        model: &impl Module,
        tasks: &[String],
        stored: &mut StoredParameters,
    ) -> Result<(), Error> {
        let mut result = Ok(());
        for_each_parameter(model, tasks, |parameter| {
            match load_moments(self.format, &parameter, stored) {
                Ok(Some(moments)) => {
                    let shape = parameter.shape.to_vec();
                    let taken = Stored { moments, shape };
                    self.moments.insert(parameter.name.into(), taken);
                }
                // A frozen parameter has no moments.
                Ok(None) => {}
                Err(error) => result = Err(error),
            }
        });
        result
    }
}

impl Stored {
    fn tensor<K: Basic + 'static>(
        &self,
        kind: &str,
        name: &str,
        values: &Tensor<1, K>,
    ) -> burn_pack::Tensor {
        stored_tensor(&format!("{kind}/{name}"), &self.shape, values.clone())
    }
}

fn load_moments(
    format: OptimizerMoments,
    parameter: &ParameterView,
    stored: &mut StoredParameters,
) -> Result<Option<Moments>, Error> {
    let device = parameter.value.device();
    let shape = parameter.shape;
    let mut take = |kind: &str, shape: &[usize], dtype: DType| -> Result<_, Error> {
        let name = format!("{kind}/{}", parameter.name);
        let data = stored.take_as(&name, shape, dtype)?;
        let elements = shape.iter().product::<usize>();
        Ok(data.map(|data| TensorData::from_bytes(data.into_bytes(), [elements], dtype)))
    };
    let words = |data: TensorData| Tensor::<1, Int>::from_data(data, (&device, DType::U32));
    Ok(match format_of(format, parameter.name, shape) {
        OptimizerMoments::F32 => {
            let first = take("m", shape, DType::F32)?;
            let second = take("v", shape, DType::F32)?;
            first.zip(second).map(|(first, second)| {
                Moments::F32([first, second].map(|data| Tensor::from_data(data, &device)))
            })
        }
        OptimizerMoments::Bf16 => {
            let data = take("mv", shape, DType::U32)?;
            data.map(|data| Moments::Bf16(words(data)))
        }
        OptimizerMoments::EightBit => {
            let [elements] = parameter.value.dims();
            let data = take(BLOCKS, &[block_moments::words(elements)], DType::U32)?;
            data.map(|data| Moments::EightBit(words(data)))
        }
    })
}

/// Weight decay excludes biases and the parameters of LayerNorm.
fn decays(name: &str) -> bool {
    // Including `output_bias`, over the vocabulary.
    !name.ends_with("bias") && !name.contains("layer_norm")
}

/// Takes the parameters out of the model and updates them in groups.
struct Update<'a> {
    adam: &'a mut Adam,
    tasks: &'a [String],
    gradients: Gradients,
    clip_factor: Tensor<1>,
    learning_rate: f64,
    seed: StepSeed,
    path: Vec<String>,
    /// Number of the model's parameters visited so far, trained or not.
    number: usize,
    /// By whether they have an f16 copy and 8-bit moments: a launch handles one kind.
    waiting: [Vec<Waiting>; 4],
    weights: Weights,
    /// f16 copies of the weights, old or updated.
    copies: HashMap<ParamId, Tensor<2>>,
}

/// Updated parameters, `[elements]` each, and their shapes.
type Weights = HashMap<ParamId, (Tensor<1>, Vec<usize>)>;

/// A parameter waiting for its group to be complete.
struct Waiting {
    id: ParamId,
    name: String,
    shape: Vec<usize>,
    parameter: Parameter,
}

impl Update<'_> {
    fn update_waiting(&mut self, list: usize) {
        let (places, parameters): (Vec<_>, _) = self.waiting[list]
            .drain(..)
            .map(|waiting| {
                let place = (waiting.id, waiting.name, waiting.shape);
                (place, waiting.parameter)
            })
            .unzip();
        let updated = adam_steps(parameters, self.clip_factor.clone());
        for ((id, name, shape), updated) in places.into_iter().zip(updated) {
            let Updated {
                weight,
                moments,
                copy,
            } = updated;
            if let Some(copy) = copy {
                self.copies.insert(id, copy.reshape([shape[0], shape[1]]));
            }
            let stored = Stored {
                moments,
                shape: shape.clone(),
            };
            self.adam.moments.insert(name, stored);
            self.weights.insert(id, (weight, shape));
        }
    }
}

impl ModuleMapper for Update<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = parameter.id;
        let number = self.number;
        self.number += 1;
        let gradient = match self.gradients.take::<D>(id) {
            Some(gradient) => gradient,
            // A head whose task has no example in the batch. In the reference every head computes every
            // example, and the other tasks' loss counts 0: moments and decay are updated.
            None if parameter.val().is_require_grad() => {
                let elements = parameter.shape().num_elements();
                Tensor::zeros([elements], &self.clip_factor.device())
            }
            None => return parameter,
        };
        let name = record_name(&self.path, self.tasks);
        let step = Step {
            rate: self.learning_rate * self.adam.layer_decay.factor(&name),
            decay: if decays(&name) {
                self.adam.weight_decay
            } else {
                0.0
            },
            rounding: self.seed.rounding(number),
        };
        let [elements] = gradient.dims();
        let shape = parameter.shape().to_vec();
        let moments = match self.adam.moments.remove(&name) {
            Some(stored) => stored.moments,
            None => {
                let format = format_of(self.adam.format, &name, &shape);
                Moments::zeros(format, elements, &gradient.device())
            }
        };
        let copy = self.copies.remove(&id).map(|copy| copy.reshape([elements]));
        let is_coded = matches!(moments, Moments::EightBit(_));
        let list = usize::from(copy.is_some()) + 2 * usize::from(is_coded);
        // The model must not share what is updated in place.
        let parameter = parameter.map(|value| {
            let weight = value.inner().reshape([elements]);
            let nothing = Tensor::empty([0; D], &weight.device());
            self.waiting[list].push(Waiting {
                id,
                name,
                shape,
                parameter: Parameter {
                    weight,
                    moments,
                    gradient,
                    copy,
                    step,
                },
            });
            Tensor::from_inner(nothing)
        });
        if self.waiting[list].len() == GROUP {
            self.update_waiting(list);
        }
        parameter
    }
}

/// Frees what autodiff has kept of the parameters that an update replaced. It does so only when a
/// backward pass of its own ends, and pre-training has none: without this, every step would leave some
/// kilobytes for each parameter.
fn free_replaced_leaves() {
    // The graphs of all devices are kept in one place.
    let device = Device::flex().autodiff();
    Tensor::<1>::zeros([1], &device).require_grad().backward();
}

/// Puts the updated parameters back into the model.
struct PutBack {
    weights: Weights,
}

impl ModuleMapper for PutBack {
    fn map_float<const D: usize>(&mut self, parameter: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((weight, shape)) = self.weights.remove(&parameter.id) else {
            return parameter;
        };
        let weight = weight.reshape(Shape::from(shape));
        parameter.map(|_nothing| Tensor::from_inner(weight).require_grad())
    }
}

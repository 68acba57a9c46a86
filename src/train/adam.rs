//! ELECTRA's Adam over the whole model: moments by record name, rates by layer.
//!
//! [`kernels::adam`](crate::kernels::adam) has the formula.

use std::collections::{BTreeMap, HashMap};

use burn::{
    Tensor,
    module::{Module, ModuleMapper, Param, ParamId},
    tensor::{DType, Shape, TensorData},
};

use super::{gradients::Gradients, schedule::LayerDecay};
use crate::{
    kernels::{
        adam::{Parameter, Step, adam_steps},
        group::GROUP,
    },
    model::{
        QuestionAnsweringModel,
        parameters::{Error, StoredParameters},
        record::{for_each_parameter, record_name, stored_tensor},
    },
};

/// First and second moment of one parameter, each `[elements]`.
#[derive(Debug, Clone)]
struct Moments {
    first: Tensor<1>,
    second: Tensor<1>,
    shape: Vec<usize>,
}

/// The optimiser and its state, by record name.
#[derive(Debug, Clone)]
pub struct Adam {
    pub weight_decay: f64,
    pub layer_decay: LayerDecay,
    moments: BTreeMap<String, Moments>,
}

impl Adam {
    pub fn new(weight_decay: f64, layer_decay: LayerDecay) -> Self {
        Self {
            weight_decay,
            layer_decay,
            moments: BTreeMap::new(),
        }
    }

    /// Makes the moments of every trained parameter that has none yet: zeros. Without it they come
    /// with the first update, and a step that does not fit is found out one step late.
    pub fn begin(&mut self, model: &QuestionAnsweringModel, tasks: &[String]) {
        for_each_parameter(model, tasks, |parameter| {
            if parameter.trained && !self.moments.contains_key(parameter.name) {
                let zeros = || Tensor::zeros(parameter.value.dims(), &parameter.value.device());
                let moments = Moments {
                    first: zeros(),
                    second: zeros(),
                    shape: parameter.shape.to_vec(),
                };
                self.moments.insert(parameter.name.into(), moments);
            }
        });
    }

    /// Updates every parameter that has a gradient.
    ///
    /// `clip_factor` `[1]` scales the gradients; `learning_rate` is the schedule's, before the
    /// layer factor.
    pub fn update(
        &mut self,
        model: QuestionAnsweringModel,
        tasks: &[String],
        gradients: Gradients,
        clip_factor: Tensor<1>,
        learning_rate: f64,
    ) -> QuestionAnsweringModel {
        let mut update = Update {
            adam: self,
            tasks,
            gradients,
            clip_factor,
            learning_rate,
            path: Vec::new(),
            waiting: Vec::with_capacity(GROUP),
            weights: HashMap::new(),
        };
        let model = model.map(&mut update);
        update.update_waiting();
        model.map(&mut PutBack {
            weights: update.weights,
        })
    }

    /// Numbers that all moments hold.
    pub fn elements(&self) -> usize {
        let each = |moments: &Moments| moments.shape.iter().product::<usize>();
        2 * self.moments.values().map(each).sum::<usize>()
    }

    /// The moments as tensors of a record: `m/<parameter>` and `v/<parameter>`.
    pub fn stored(&self) -> Vec<burn_pack::Tensor> {
        self.moments
            .iter()
            .flat_map(|(name, moments)| {
                let store = |kind: &str, value: &Tensor<1>| {
                    stored_tensor(&format!("{kind}/{name}"), &moments.shape, value.clone())
                };
                [store("m", &moments.first), store("v", &moments.second)]
            })
            .collect()
    }

    /// Takes the moments of `model`'s parameters from a record that [`stored`](Self::stored) made.
    pub fn load(
        &mut self,
        model: &QuestionAnsweringModel,
        tasks: &[String],
        stored: &mut StoredParameters,
    ) -> Result<(), Error> {
        let mut result = Ok(());
        for_each_parameter(model, tasks, |parameter| {
            let device = parameter.value.device();
            let mut take = |kind: &str| -> Result<Option<Tensor<1>>, Error> {
                let name = format!("{kind}/{}", parameter.name);
                let data = stored.take(&name, parameter.shape)?;
                let elements = parameter.shape.iter().product::<usize>();
                Ok(data.map(|data| {
                    let flat = TensorData::from_bytes(data.into_bytes(), [elements], DType::F32);
                    Tensor::from_data(flat, &device)
                }))
            };
            match (take("m"), take("v")) {
                (Ok(Some(first)), Ok(Some(second))) => {
                    let shape = parameter.shape.to_vec();
                    let moments = Moments {
                        first,
                        second,
                        shape,
                    };
                    self.moments.insert(parameter.name.into(), moments);
                }
                (Err(error), _) | (_, Err(error)) => result = Err(error),
                // A frozen parameter has no moments.
                _ => {}
            }
        });
        result
    }
}

/// Weight decay spares biases and LayerNorm's parameters.
fn decays(name: &str) -> bool {
    !name.ends_with(".bias") && !name.contains("layer_norm")
}

/// Takes the parameters out of the model and updates them group by group.
struct Update<'a> {
    adam: &'a mut Adam,
    tasks: &'a [String],
    gradients: Gradients,
    clip_factor: Tensor<1>,
    learning_rate: f64,
    path: Vec<String>,
    waiting: Vec<Waiting>,
    weights: Weights,
}

/// Updated parameters, `[elements]` each, and their shapes.
type Weights = HashMap<ParamId, (Tensor<1>, Vec<usize>)>;

/// A parameter that waits for its group to be full.
struct Waiting {
    id: ParamId,
    name: String,
    shape: Vec<usize>,
    parameter: Parameter,
}

impl Update<'_> {
    fn update_waiting(&mut self) {
        let (places, parameters): (Vec<_>, _) = self
            .waiting
            .drain(..)
            .map(|waiting| {
                let place = (waiting.id, waiting.name, waiting.shape);
                (place, waiting.parameter)
            })
            .unzip();
        let updated = adam_steps(parameters, self.clip_factor.clone());
        for ((id, name, shape), (weight, [first, second])) in places.into_iter().zip(updated) {
            let moments = Moments {
                first,
                second,
                shape: shape.clone(),
            };
            self.adam.moments.insert(name, moments);
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
        let Some(gradient) = self.gradients.take::<D>(id) else {
            return parameter;
        };
        let name = record_name(&self.path, self.tasks);
        let step = Step {
            rate: self.learning_rate * self.adam.layer_decay.factor(&name),
            decay: if decays(&name) {
                self.adam.weight_decay
            } else {
                0.0
            },
        };
        let moments = match self.adam.moments.remove(&name) {
            Some(moments) => [moments.first, moments.second],
            None => [(); 2].map(|()| gradient.zeros_like()),
        };
        let shape = parameter.shape().to_vec();
        // The model must not hold what is updated in place.
        let parameter = parameter.map(|value| {
            let weight = value.inner().reshape([gradient.dims()[0]]);
            let nothing = Tensor::empty([0; D], &weight.device());
            self.waiting.push(Waiting {
                id,
                name,
                shape,
                parameter: Parameter {
                    weight,
                    moments,
                    gradient,
                    step,
                },
            });
            Tensor::from_inner(nothing)
        });
        if self.waiting.len() == GROUP {
            self.update_waiting();
        }
        parameter
    }
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

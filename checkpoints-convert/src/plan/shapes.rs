//! The shapes of a checkpoint's variables: infers the sizes of the model, and checks whether a
//! variable has the shape of its parameter.

use std::collections::HashMap;

use super::error::Error;
use crate::config::{self, ModelShape};
use crate::framework::Framework;
use crate::names::Parameter;
use crate::tensor::Variable;

/// The reason for leaving out a variable with an unknown name.
pub(crate) const UNKNOWN: &str = "unknown name";

/// The variables of a checkpoint by the reference's names.
pub(super) struct Shapes<'a> {
    pub file: &'a str,
    pub framework: Framework,
    pub variables: HashMap<&'a str, &'a Variable>,
}

impl Shapes<'_> {
    pub fn model(&self) -> Result<ModelShape, Error> {
        const NOT_ELECTRA: &str = "the checkpoint does not hold an ELECTRA discriminator";
        let [vocabulary, embedding] =
            self.matrix("electra/embeddings/word_embeddings", NOT_ELECTRA)?;
        let [positions, _] = self.matrix("electra/embeddings/position_embeddings", NOT_ELECTRA)?;
        let [types, _] = self.matrix("electra/embeddings/token_type_embeddings", NOT_ELECTRA)?;
        let [hidden, _] = self.matrix(
            "electra/encoder/layer_0/attention/self/query/kernel",
            NOT_ELECTRA,
        )?;
        let [_, intermediate] = self.matrix(
            "electra/encoder/layer_0/intermediate/dense/kernel",
            NOT_ELECTRA,
        )?;
        let projection = "electra/embeddings_project/kernel";
        if embedding == hidden && self.variables.contains_key(projection) {
            return Err(Error::Projection {
                file: self.file.into(),
                name: self.framework.name(projection),
                size: hidden,
            });
        }
        // A layer has sixteen variables: if there are too few for the highest number seen, counting
        // one layer more than is possible is enough to find a missing variable.
        let most = self.variables.len() / 16 + 1;
        let layers = self
            .variables
            .keys()
            .filter_map(|name| {
                let number = name
                    .strip_prefix("electra/encoder/layer_")?
                    .split('/')
                    .next()?;
                number
                    .parse::<u16>()
                    .ok()
                    .filter(|n| n.to_string() == number)
            })
            .max()
            .map_or(0, |last| usize::from(last) + 1)
            .min(most);
        // The sizes fit in usize: the data file holds that many values.
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Ok(ModelShape {
            vocab_size: size(vocabulary),
            embedding_size: size(embedding),
            hidden_size: size(hidden),
            num_hidden_layers: layers,
            num_attention_heads: (size(hidden) / 64).max(1),
            intermediate_size: size(intermediate),
            max_position_embeddings: size(positions),
            type_vocab_size: size(types),
            hidden_act: config::gelu(),
            hidden_dropout_prob: config::tenth(),
            attention_probs_dropout_prob: config::tenth(),
            initializer_range: config::fiftieth(),
            layer_norm_eps: config::epsilon(),
        })
    }

    pub fn matrix(&self, name: &str, why: &'static str) -> Result<[u64; 2], Error> {
        let variable = self.variables.get(name).ok_or_else(|| Error::Missing {
            file: self.file.into(),
            name: self.framework.name(name),
            why,
        })?;
        <[u64; 2]>::try_from(self.framework.shape(name, &variable.shape))
            .ok()
            .filter(|shape| !shape.contains(&0))
            .ok_or_else(|| Error::Matrix {
                file: self.file.into(),
                name: variable.name.clone(),
                found: variable.shape.clone(),
            })
    }

    pub fn check(&self, parameter: &Parameter) -> Result<(), Error> {
        let file = self.file.to_owned();
        let Some(variable) = self.variables.get(parameter.variable.as_str()) else {
            let name = self.framework.name(&parameter.variable);
            let why = "the model is not whole without it";
            return Err(Error::Missing { file, name, why });
        };
        let name = variable.name.clone();
        let expected = self.framework.shape(&parameter.variable, &parameter.shape);
        if variable.shape != expected {
            let found = variable.shape.clone();
            return Err(Error::Shape {
                file,
                name,
                expected,
                found,
            });
        }
        if !variable.dtype.is_float() {
            return Err(Error::Type {
                file,
                name,
                dtype: variable.dtype.to_string(),
            });
        }
        let (bytes, limit) = (
            variable.values().saturating_mul(4),
            burn_pack::MAX_TENSOR_SIZE as u64,
        );
        if bytes > limit {
            return Err(Error::TooLarge {
                file,
                name,
                bytes,
                limit,
            });
        }
        Ok(())
    }
}

//! What becomes of each variable: an index enters; the model's configuration, inferred from
//! names and shapes, and the place of every variable leave. No values are read for it. Which
//! layers a head has is told by which variables exist (`heads`).

mod error;
mod heads;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::checkpoint::Checkpoint;
use crate::config::{self, ModelShape, RecordConfig};
use crate::framework::Framework;
use crate::names::{self, Parameter};
use crate::tensor::Variable;
use crate::vocabulary;

pub use error::Error;
use heads::Heads;

/// What becomes of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// It fills the parameter of this number.
    Parameter(usize),
    /// It is left out, and why.
    Ignored(String),
}

/// The place of every variable of a checkpoint.
#[derive(Clone, Debug)]
pub struct Plan {
    pub config: RecordConfig,
    /// Every parameter of that configuration; each is filled by one variable.
    pub parameters: Vec<Parameter>,
    /// For each variable of the index, in its order.
    pub uses: Vec<Use>,
    /// Paths of parameters, of incomplete heads, that nothing fills; such heads are left out.
    pub unfilled: Vec<String>,
    pub warnings: Vec<String>,
}

impl Plan {
    /// Infers the model from names and shapes, and from a Hugging Face model's settings.
    ///
    /// # Errors
    /// A variable of the encoder is missing, a shape contradicts the others, or the settings do.
    pub fn new(checkpoint: &Checkpoint) -> Result<Self, crate::Error> {
        let (file, framework) = (checkpoint.display(), checkpoint.framework());
        let index = &checkpoint.index;
        let references: Vec<Option<Cow<str>>> = index
            .variables
            .iter()
            .map(|variable| checkpoint.reference(&variable.name))
            .collect();
        let named = references.iter().zip(&index.variables);
        let shapes = Shapes {
            file: &file,
            framework,
            variables: named
                .filter_map(|(reference, variable)| Some((reference.as_deref()?, variable)))
                .collect(),
        };
        let mut config = RecordConfig {
            model: shapes.model()?,
            do_lower_case: true,
            strip_accents: None,
            tokenize_chinese_chars: true,
            heads: BTreeMap::new(),
        };
        let says_heads = checkpoint.apply_settings(&mut config.model)?;
        let tokenizer = checkpoint.tokenizer()?;
        config.do_lower_case = tokenizer.do_lower_case.unwrap_or(config.do_lower_case);
        config.strip_accents = tokenizer.strip_accents;
        config.tokenize_chinese_chars = tokenizer
            .tokenize_chinese_chars
            .unwrap_or(config.tokenize_chinese_chars);
        let mut heads = Heads::of(&shapes, &config);
        config.heads = std::mem::take(&mut heads.complete);
        for (task, head) in &mut config.heads {
            checkpoint.apply_head_settings(task, head)?;
        }

        let parameters = names::parameters(&config);
        let mut filled = HashMap::new();
        for (number, parameter) in parameters.iter().enumerate() {
            shapes.check(parameter)?;
            filled.insert(parameter.variable.as_str(), number);
        }
        let uses: Vec<Use> = references
            .iter()
            .zip(&index.variables)
            .map(|(reference, variable)| {
                match reference.as_deref().and_then(|name| filled.get(name)) {
                    Some(&number) => Use::Parameter(number),
                    None => Use::Ignored(heads.reason(framework, &variable.name)),
                }
            })
            .collect();

        let mut warnings = heads.warnings;
        let unknown: Vec<&str> = index
            .variables
            .iter()
            .zip(&uses)
            .filter(|(_, becomes)| matches!(becomes, Use::Ignored(why) if why == UNKNOWN))
            .map(|(variable, _)| variable.name.as_str())
            .collect();
        if !unknown.is_empty() {
            let more = if unknown.len() > 5 { ", …" } else { "" };
            let some = unknown[..unknown.len().min(5)].join(", ");
            warnings.push(format!(
                "{} variables with unknown names left out: {some}{more}",
                unknown.len()
            ));
        }
        warnings.extend(checkpoint.model_warnings());
        warnings.extend(tokenizer.warnings);
        if let Ok(Some(words)) = checkpoint.vocabulary(config.model.vocab_size) {
            warnings.extend(vocabulary::case_warning(&words, tokenizer.do_lower_case));
        }
        if !says_heads && !config.model.hidden_size.is_multiple_of(64) {
            warnings.push(format!(
                "hidden size {} is not a multiple of 64: {} attention heads by the reference's rule; \
                 correct config.json if the model was made with another number",
                config.model.hidden_size, config.model.num_attention_heads
            ));
        }
        Ok(Self {
            config,
            parameters,
            uses,
            unfilled: heads.unfilled,
            warnings,
        })
    }
}

pub(crate) const UNKNOWN: &str = "unknown name";

/// The variables of a checkpoint by the reference's names.
struct Shapes<'a> {
    file: &'a str,
    framework: Framework,
    variables: HashMap<&'a str, &'a Variable>,
}

impl Shapes<'_> {
    fn model(&self) -> Result<ModelShape, Error> {
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
        // A layer has sixteen variables: where there are too few for the highest number seen, one
        // layer more than there can be is enough to find one that is missing.
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
        // Sizes fit: the data file holds that many values.
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

    fn matrix(&self, name: &str, why: &'static str) -> Result<[u64; 2], Error> {
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

    fn check(&self, parameter: &Parameter) -> Result<(), Error> {
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

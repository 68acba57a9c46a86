//! Decides what becomes of each variable: infers the model's configuration from names and shapes,
//! and assigns every variable of the index. Reads no values. Which layers a head has is determined
//! by which variables exist (`heads`).

mod error;
mod heads;
mod shapes;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use crate::checkpoint::Checkpoint;
use crate::config::RecordConfig;
use crate::counted::counted;
use crate::names::{self, Parameter};
use crate::vocabulary;

pub use error::Error;
use heads::Heads;
use shapes::Shapes;
pub(crate) use shapes::UNKNOWN;

/// What becomes of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// It fills the parameter with this index.
    Parameter(usize),
    /// It is left out, for this reason.
    Ignored(String),
}

/// What becomes of every variable of a checkpoint.
#[derive(Clone, Debug)]
pub struct Plan {
    pub config: RecordConfig,
    /// Every parameter of that configuration; each is filled by one variable.
    pub parameters: Vec<Parameter>,
    /// For each variable of the index, in order.
    pub uses: Vec<Use>,
    /// Paths of parameters of incomplete heads that no variable fills; such heads are left out.
    pub unfilled: Vec<String>,
    pub warnings: Vec<String>,
    /// The no-answer threshold of a head of the checkpoint, if it is not the reference's default.
    pub threshold: Option<f64>,
}

impl Plan {
    /// Infers the model from names and shapes, and from a Hugging Face model's settings.
    ///
    /// # Errors
    /// If a variable of the encoder is missing, or a shape or a setting contradicts the others.
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
            let names = if unknown.len() == 1 {
                "an unknown name"
            } else {
                "unknown names"
            };
            warnings.push(format!(
                "{} with {names} left out: {some}{more}",
                counted(unknown.len(), "variable")
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
        let threshold = checkpoint.threshold()?;
        let threshold = threshold.filter(|(task, _)| config.heads.contains_key(*task));
        Ok(Self {
            threshold: threshold.map(|(_, threshold)| threshold),
            config,
            parameters,
            uses,
            unfilled: heads.unfilled,
            warnings,
        })
    }
}

//! Chooses the network of a pre-trained model that is exported to `transformers`, which has one model class
//! for each. Takes the contents of the record; yields a network's shape and parameters, or the reason why it
//! is left out.

use serde::{Deserialize, Serialize};

use super::source::Source;
use crate::Error;
use crate::config::ModelShape;
use crate::names::{
    self, CLOZE_HEAD, DISCRIMINATOR_HEAD, GENERATOR, Parameter, TOKEN_HEAD, TOWERS,
};
use crate::pretrained::{Generator, Pretrained};

/// A pre-training network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// Tells replaced tokens from original ones: ElectraForPreTraining
    Discriminator,
    /// Guesses masked tokens: ElectraForMaskedLM
    Generator,
}

impl Network {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Discriminator => "discriminator",
            Self::Generator => "generator",
        }
    }

    /// Its class in `transformers`.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Discriminator => "ElectraForPreTraining",
            Self::Generator => "ElectraForMaskedLM",
        }
    }
}

/// Why two towers cannot be exported.
const TOWERS_STAY: &str = "two towers that read from either side guess its tokens, and transformers has no \
                           such model; --format tf exports them";

/// A note on scores that depend on more than the network.
const ELECTRIC: &str = "If this model was trained as Electric, a token's score is the sum of this \
                        network's, ln q(token) of the two towers and ln(mask_prob / (1 − mask_prob)); \
                        transformers computes only the first.";

/// A network that can be exported.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub network: Network,
    pub model: ModelShape,
    /// Its parameters, each under the variable that determines its `transformers` name: a generator of its
    /// own uses the encoder's.
    pub parameters: Vec<Parameter>,
    /// What a user must know.
    pub note: Option<&'static str>,
    /// Why the other network cannot be exported even on request; `None` if it can.
    pub other: Option<&'static str>,
}

impl Chosen {
    /// The requested network. Without a request, the discriminator if the record has no task head, or else
    /// the only network; `None` if the record has none.
    ///
    /// # Errors
    /// If the requested network does not exist, or `transformers` has no model for it.
    pub fn of(
        source: &Source,
        pretrained: Option<&Pretrained>,
        asked: Option<Network>,
    ) -> Result<Option<Self>, Error> {
        let has_heads = !source.config.heads.is_empty();
        let generator = able(pretrained, Network::Generator);
        let discriminator = able(pretrained, Network::Discriminator);
        let (network, why) = match asked {
            None if has_heads => return Ok(None),
            Some(Network::Generator) => (Network::Generator, generator),
            Some(Network::Discriminator) => (Network::Discriminator, discriminator),
            None if discriminator.is_ok() => (Network::Discriminator, discriminator),
            None if generator.is_ok() => (Network::Generator, generator),
            None => return Ok(None),
        };
        let pretrained = why.map_err(|why| Error::Network {
            folder: source.folder.display().to_string(),
            network: network.name(),
            why,
        })?;
        let config = &source.config;
        let own = pretrained.generator();
        let (model, parameters, other) = match (network, own) {
            (Network::Generator, Some(own)) => {
                (own.model.clone(), of_generator(source, own), discriminator)
            }
            (Network::Generator, None) => {
                let mut parameters = names::encoder_parameters(config);
                parameters.extend(names::token_head_parameters(TOKEN_HEAD, &config.model));
                (config.model.clone(), parameters, discriminator)
            }
            (Network::Discriminator, _) => {
                let mut parameters = names::encoder_parameters(config);
                parameters.extend(names::discriminator_head_parameters(&config.model));
                (config.model.clone(), parameters, generator)
            }
        };
        let may_be_electric = pretrained.has_cloze_head && source.is_electric() != Some(false);
        Ok(Some(Self {
            note: (network == Network::Discriminator && may_be_electric).then_some(ELECTRIC),
            network,
            model,
            parameters,
            other: other.err(),
        }))
    }

    /// Why the parameter at `path` of the record is left out.
    pub fn reason_of(&self, path: &str) -> &'static str {
        let module = path.split('.').next().unwrap_or_default();
        match (self.network, module) {
            (_, "heads") => "head of a task: --task NAME exports it",
            (Network::Generator, "electra" | DISCRIMINATOR_HEAD) => self
                .other
                .unwrap_or("the discriminator's: --network discriminator exports it"),
            (Network::Discriminator, GENERATOR | TOKEN_HEAD) => self
                .other
                .unwrap_or("the generator's: --network generator exports it"),
            (_, name) if name == CLOZE_HEAD || TOWERS.contains(&name) => TOWERS_STAY,
            _ => "not in config.json",
        }
    }
}

/// The record's pre-training description, if it includes this network and `transformers` has a model for it.
fn able(pretrained: Option<&Pretrained>, network: Network) -> Result<&Pretrained, &'static str> {
    let Some(pretrained) = pretrained else {
        return Err(
            "there is nothing of pre-training; electra pretrain writes it to generator.bpk, and so does \
             convert --with-generator for a released checkpoint",
        );
    };
    match network {
        Network::Discriminator if pretrained.has_discriminator_head => Ok(pretrained),
        Network::Discriminator => Err(
            "one network was trained, to guess masked tokens (electra_objective=false); --network generator \
             exports it",
        ),
        Network::Generator if pretrained.has_token_head => Ok(pretrained),
        Network::Generator if pretrained.has_cloze_head => Err(TOWERS_STAY),
        Network::Generator => Err(
            "the discriminator was trained without one, on tokens that were replaced at random \
             (uniform_generator=true)",
        ),
    }
}

/// The parameters of a model that is a generator of its own: its layers, and the embeddings that it uses.
fn of_generator(source: &Source, own: &Generator) -> Vec<Parameter> {
    let embeddings = names::encoder_parameters(&source.config);
    let is_shared = |parameter: &Parameter| {
        !own.has_embeddings && parameter.variable.starts_with("electra/embeddings/")
    };
    let mut parameters: Vec<Parameter> = embeddings.into_iter().filter(is_shared).collect();
    parameters.extend(own.parameters().into_iter().map(|parameter| {
        let rest = parameter
            .variable
            .strip_prefix(own.name)
            .unwrap_or_default();
        Parameter {
            variable: format!("electra{rest}"),
            ..parameter
        }
    }));
    parameters.extend(names::token_head_parameters(TOKEN_HEAD, &own.model));
    parameters
}

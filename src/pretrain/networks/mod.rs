//! The networks of pre-training and their parameters: the discriminator, the network that guesses the masked
//! tokens, and their heads.
//!
//! Field names are the parameter names of the record, which follow the reference's variable scopes.

pub mod discriminator_head;
pub mod generator;
pub mod token_head;
pub mod two_towers;
pub mod vocabulary_loss;

use burn::{
    Tensor,
    module::{Module, Param},
};

use self::{
    discriminator_head::DiscriminatorHead,
    generator::Generator,
    token_head::{HeadSizes, TokenHead},
};
use crate::{
    config::{PretrainConfig, pretraining::networks::Generator as Kind},
    kernels::formats::Element,
    model::{
        Electra, HalfWeights,
        dense::Dense,
        layer::EncoderLayer,
        parameters::{Error, ParameterSource},
    },
};

#[derive(Module, Debug)]
pub struct Networks {
    /// The discriminator, or the only network.
    pub electra: Electra,
    pub generator: Option<Generator>,
    /// The tower that reads from the left.
    pub generator_ltr: Option<Generator>,
    /// The tower that reads from the right.
    pub generator_rtl: Option<Generator>,
    pub generator_predictions: Option<TokenHead>,
    /// The head of the two towers.
    pub cloze_predictions: Option<TokenHead>,
    pub discriminator_predictions: Option<DiscriminatorHead>,
}

impl Networks {
    /// The networks of a configuration, with weights from the source's record or initial ones.
    ///
    /// # Errors
    /// If the record lacks a parameter, or one has another shape.
    pub fn new(source: &mut ParameterSource, config: &PretrainConfig) -> Result<Self, Error> {
        let (kind, own) = (config.generator_kind(), config.generator());
        let discriminator = config.discriminator();
        let electra = Electra::new(source, &discriminator)?;
        let mut part = |name: &str, is_there: bool| {
            is_there
                .then(|| Generator::new(source, name, &own, config.untied_generator_embeddings))
                .transpose()
        };
        let generator = part("generator", kind == Kind::Own)?;
        let generator_ltr = part("generator_ltr", kind == Kind::TwoTowers)?;
        let generator_rtl = part("generator_rtl", kind == Kind::TwoTowers)?;
        let sizes = |input: usize, embedding: usize| HeadSizes {
            input,
            embedding,
            vocabulary: discriminator.vocab_size,
            deviation: discriminator.initializer_range,
        };
        let head = match kind {
            Kind::Own => Some(sizes(own.hidden_size, own.embedding_size)),
            Kind::Shared => Some(sizes(
                discriminator.hidden_size,
                discriminator.embedding_size,
            )),
            Kind::TwoTowers | Kind::Uniform => None,
        };
        let cloze = sizes(2 * own.hidden_size, own.embedding_size);
        let networks = Self {
            electra,
            generator,
            generator_ltr,
            generator_rtl,
            generator_predictions: head
                .map(|sizes| TokenHead::new(source, "generator_predictions", sizes))
                .transpose()?,
            cloze_predictions: (kind == Kind::TwoTowers)
                .then(|| TokenHead::new(source, "cloze_predictions", cloze))
                .transpose()?,
            discriminator_predictions: config
                .has_discriminator()
                .then(|| DiscriminatorHead::new(source, &discriminator))
                .transpose()?,
        };
        source.check_unused()?;
        Ok(networks.refreshed())
    }

    fn refreshed(mut self) -> Self {
        self.f16_denses().for_each(Dense::refresh_f16_weight);
        self.denses().for_each(Dense::renew_packed);
        self
    }

    /// The word table that the guesser's rows are multiplied with, if there is one.
    pub fn output_table(&self) -> Option<&Param<Tensor<2>>> {
        let guesser = match (&self.generator_predictions, &self.cloze_predictions) {
            (None, None) => return None,
            (Some(_), _) => self.generator.as_ref(),
            (None, Some(_)) => self.generator_ltr.as_ref(),
        };
        let own = guesser.and_then(|generator| generator.embeddings.as_ref());
        Some(&own.unwrap_or(&self.electra.embeddings).word.weight)
    }

    /// The word tables that are looked up; one of them may serve as output matrix, too.
    pub fn word_tables(&self) -> impl Iterator<Item = &Param<Tensor<2>>> {
        let generators = [&self.generator, &self.generator_ltr, &self.generator_rtl];
        let own = generators.into_iter().flatten();
        let own = own.filter_map(|generator| generator.embeddings.as_ref());
        let all = std::iter::once(&self.electra.embeddings).chain(own);
        all.map(|embeddings| &embeddings.word.weight)
    }

    /// The layers of all networks in the order in which the backward passes leave them for good.
    pub fn layers_as_left(&self) -> impl Iterator<Item = &EncoderLayer> {
        let generators = [&self.generator, &self.generator_ltr, &self.generator_rtl];
        let generators = generators.into_iter().flatten();
        let networks = generators.map(|generator| &generator.layers);
        let all = networks.chain(std::iter::once(&self.electra.layers));
        all.flat_map(|layers| layers.iter().rev())
    }

    /// The dense layers of all transformer layers of all networks.
    fn denses(&mut self) -> impl Iterator<Item = &mut Dense> {
        let Self {
            electra,
            generator,
            generator_ltr,
            generator_rtl,
            ..
        } = self;
        let generators = [generator, generator_ltr, generator_rtl]
            .into_iter()
            .flatten();
        electra
            .denses()
            .chain(generators.flat_map(Generator::denses))
    }
}

impl HalfWeights for Networks {
    fn f16_denses(&mut self) -> impl Iterator<Item = &mut Dense> {
        let f16 = self.electra.arithmetic.layers == Element::F16;
        self.denses().filter(move |_| f16)
    }

    fn renew(&mut self) {
        self.denses().for_each(Dense::renew_packed);
    }
}

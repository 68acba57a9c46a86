//! The networks of a pre-trained model besides its encoder: names and shapes of a record's tensors enter;
//! which networks and heads there are, of which sizes, and their parameters leave.

use crate::config::ModelShape;
use crate::names::{
    self, CLOZE_HEAD, DISCRIMINATOR_HEAD, GENERATOR, Parameter, TOKEN_HEAD, TOWERS,
};
use crate::stored_record::StoredRecord;

/// What only pre-training has. There is something of it.
#[derive(Clone, Debug)]
pub(crate) struct Pretrained {
    /// One of its own, the two towers, or none.
    pub generators: Vec<Generator>,
    /// The head of a generator, or of a masked language model in the encoder itself.
    pub has_token_head: bool,
    /// The head of two towers.
    pub has_cloze_head: bool,
    pub has_discriminator_head: bool,
}

/// A network that guesses tokens.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    /// Its scope, and that of its parameters.
    pub name: &'static str,
    pub model: ModelShape,
    /// Whether its embeddings are its own; else they are those of the encoder.
    pub has_embeddings: bool,
}

impl Pretrained {
    /// The pre-training networks of a record; reads no values. A network of which only a part exists counts
    /// as one: what it lacks is reported when it is requested.
    pub fn of(record: &StoredRecord) -> Option<Self> {
        let has = |module: &str| record.left().any(|path| is_inside(path, module));
        let has_towers = TOWERS.iter().chain([&CLOZE_HEAD]).any(|name| has(name));
        let own = [GENERATOR].into_iter().filter(|name| has(name));
        let towers = TOWERS.into_iter().filter(|_| has_towers);
        let generators: Vec<Generator> = own
            .chain(towers)
            .map(|name| Generator::of(record, name))
            .collect();
        let pretrained = Self {
            has_token_head: has(TOKEN_HEAD) || has(GENERATOR),
            has_cloze_head: has_towers,
            has_discriminator_head: has(DISCRIMINATOR_HEAD),
            generators,
        };
        let is_any = pretrained.has_token_head
            || pretrained.has_cloze_head
            || pretrained.has_discriminator_head;
        is_any.then_some(pretrained)
    }

    /// The generator of its own, if there is one.
    pub fn generator(&self) -> Option<&Generator> {
        self.generators.iter().find(|own| own.name == GENERATOR)
    }

    /// All parameters of it in a model with this encoder.
    pub fn parameters(&self, encoder: &ModelShape) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for generator in &self.generators {
            parameters.extend(generator.parameters());
        }
        // The towers are of one shape.
        let guessing = self.generators.first().map_or(encoder, |own| &own.model);
        if self.has_token_head {
            parameters.extend(names::token_head_parameters(TOKEN_HEAD, guessing));
        }
        if self.has_cloze_head {
            parameters.extend(names::token_head_parameters(CLOZE_HEAD, guessing));
        }
        if self.has_discriminator_head {
            parameters.extend(names::discriminator_head_parameters(encoder));
        }
        parameters
    }
}

impl Generator {
    /// The sizes of the one with this name. Its heads are 64 wide whatever those of the encoder are, as in
    /// the reference, and the rest it has from the encoder.
    fn of(record: &StoredRecord, name: &'static str) -> Self {
        let encoder = &record.config.model;
        let size = |path: &str| record.size(&format!("{name}.{path}"), 1);
        let hidden = size("layers.0.attention.query.weight").unwrap_or(encoder.hidden_size);
        let has_embeddings = size("embeddings.word.weight").is_some();
        let layers = format!("{name}.layers.");
        let last = record
            .left()
            .filter_map(|path| path.strip_prefix(&layers)?.split('.').next()?.parse().ok())
            .max();
        // No more than there are tensors, whatever number a name has.
        let most = record.left().count();
        Self {
            name,
            has_embeddings,
            model: ModelShape {
                // Its own are as wide as its layers.
                embedding_size: match has_embeddings {
                    true => hidden,
                    false => encoder.embedding_size,
                },
                hidden_size: hidden,
                num_hidden_layers: last.map_or(0, |last: usize| last.saturating_add(1).min(most)),
                num_attention_heads: (hidden / 64).max(1),
                intermediate_size: size("layers.0.feed_forward.intermediate.weight")
                    .unwrap_or(hidden.saturating_mul(4)),
                ..encoder.clone()
            },
        }
    }

    /// Its parameters, without the embeddings that it shares and without its head.
    pub fn parameters(&self) -> Vec<Parameter> {
        names::generator_parameters(self.name, &self.model, self.has_embeddings)
    }
}

fn is_inside(path: &str, module: &str) -> bool {
    path.strip_prefix(module)
        .is_some_and(|rest| rest.starts_with('.'))
}

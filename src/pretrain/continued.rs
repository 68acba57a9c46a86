//! The sizes of a checkpoint's networks as hyper-parameters. A run that continues from it must have the same
//! sizes, the generator's included.

use std::{collections::BTreeMap, path::Path};

use checkpoints_convert::{RECORD_FILE, pretraining_path};
use serde_json::{Map, Value, json};

use super::model_files::{Error, GENERATOR_FILE};
use crate::{
    config::{ModelSize, PretrainConfig, Vocabulary},
    model::{absent::explain, description::describe, folder, record},
};

/// What a run takes from the checkpoint that it continues from.
#[derive(Debug)]
pub struct Continued {
    /// The sizes of all networks.
    pub hparams: Map<String, Value>,
    /// The checkpoint's own vocabulary.
    pub vocabulary: Option<Vocabulary>,
}

impl Continued {
    /// Reads the sizes from the checkpoint at `path`: a TensorFlow checkpoint or a folder with both records.
    /// Reads no weights and writes nothing.
    ///
    /// # Errors
    /// If there is no model, or it lacks its generator.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let Some(facts) = describe(path)? else {
            return Err(match explain(path) {
                error @ (folder::Error::Unfinished { .. } | folder::Error::Missing { .. }) => {
                    error.into()
                }
                _ => Error::NoModel { path: path.into() },
            });
        };
        let shape = &facts.record.model;
        let generator = Generator::of(&shapes(path)?)
            .ok_or_else(|| Error::NoGenerator { path: path.into() })?;
        let sizes = [ModelSize::Small, ModelSize::Base, ModelSize::Large];
        let fitting = sizes
            .into_iter()
            .find(|size| size.shape().0 == shape.hidden_size);
        let given = json!({
            // Only the name; the network's size follows below.
            "model_size": fitting.unwrap_or(ModelSize::Large).word(),
            "model_hparam_overrides": {
                "hidden_size": shape.hidden_size,
                "num_hidden_layers": shape.num_hidden_layers,
                "num_attention_heads": shape.num_attention_heads,
                "intermediate_size": shape.intermediate_size,
                "max_position_embeddings": shape.max_position_embeddings,
                "type_vocab_size": shape.type_vocab_size,
                "layer_norm_eps": shape.layer_norm_eps,
            },
            "embedding_size": shape.embedding_size,
            "vocab_size": shape.vocab_size,
            "max_seq_length": shape.max_position_embeddings.min(512),
        });
        let mut hparams = given.as_object().cloned().unwrap_or_default();
        hparams.extend(generator.hparams(shape.hidden_size, shape.num_hidden_layers));
        Ok(Self {
            hparams,
            vocabulary: facts.vocabulary,
        })
    }
}

/// Refuses a checkpoint whose `config.json` states another size than the run has: parameters of further layers
/// would be left out, and heads split otherwise, without an error. Returns the checkpoint's own vocabulary.
///
/// # Errors
/// If a size differs, or the description cannot be read. What has none is not refused.
pub fn check_sizes(path: &Path, config: &PretrainConfig) -> Result<Option<Vocabulary>, Error> {
    let facts = match describe(path) {
        Ok(Some(facts)) => facts,
        Ok(None) | Err(folder::Error::Undescribed { .. }) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (theirs, ours) = (facts.record.model, config.discriminator());
    for (key, theirs, ours) in [
        ("hidden_size", theirs.hidden_size, ours.hidden_size),
        (
            "num_hidden_layers",
            theirs.num_hidden_layers,
            ours.num_hidden_layers,
        ),
        (
            "num_attention_heads",
            theirs.num_attention_heads,
            ours.num_attention_heads,
        ),
        ("embedding_size", theirs.embedding_size, ours.embedding_size),
    ] {
        if theirs != ours {
            let path = path.into();
            return Err(Error::Size {
                path,
                key,
                theirs,
                ours,
            });
        }
    }
    Ok(facts.vocabulary)
}

/// The shapes of the parameters of the generator and of the heads, by name.
fn shapes(path: &Path) -> Result<BTreeMap<String, Vec<usize>>, Error> {
    let of_record = |file: &Path| -> Result<_, Error> {
        let tensors = record::open(file)?.tensors.into_iter();
        Ok(tensors
            .map(|(name, it)| (name, it.shape.to_vec()))
            .collect())
    };
    let beside = path.join(GENERATOR_FILE);
    if beside.is_file() {
        return of_record(&beside);
    }
    if !checkpoints_convert::is_checkpoint(path) {
        // A run's checkpoint has all networks in one record.
        return of_record(&path.join(RECORD_FILE));
    }
    let inspected = checkpoints_convert::inspect(path).map_err(|source| Error::Convert {
        path: path.into(),
        source,
    })?;
    let variables = inspected.variables.into_iter();
    let named = variables.filter_map(|variable| {
        let shape = variable.shape.iter().map(|&size| size as usize);
        Some((pretraining_path(&variable.name)?, shape.collect()))
    });
    Ok(named.collect())
}

/// The kind of generator.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Generator {
    /// A network of its own, with this number of layers of this width.
    Own {
        towers: bool,
        untied_embeddings: bool,
        width: usize,
        layers: usize,
    },
    /// Shares the discriminator's network.
    Shared,
    /// No network: every token is equally likely.
    Uniform,
}

impl Generator {
    fn of(shapes: &BTreeMap<String, Vec<usize>>) -> Option<Self> {
        for (network, towers) in [("generator", false), ("generator_ltr", true)] {
            let query = |layer: usize| {
                shapes.get(&format!("{network}.layers.{layer}.attention.query.weight"))
            };
            let Some(&[width, _]) = query(0).map(Vec::as_slice) else {
                continue;
            };
            let own = format!("{network}.embeddings.");
            return Some(Self::Own {
                towers,
                untied_embeddings: shapes.keys().any(|name| name.starts_with(&own)),
                width,
                layers: (0..).take_while(|&layer| query(layer).is_some()).count(),
            });
        }
        if shapes.contains_key("generator_predictions.output_bias") {
            return Some(Self::Shared);
        }
        // A discriminator without a network that guesses tokens was trained with uniform replacements.
        let mut names = shapes.keys();
        let discriminates = names.any(|name| name.starts_with("discriminator_predictions."));
        let guesses = shapes.contains_key("cloze_predictions.output_bias");
        (discriminates && !guesses).then_some(Self::Uniform)
    }

    /// The hyper-parameters of a run whose discriminator has this width and this number of layers.
    fn hparams(self, width: usize, layers: usize) -> Map<String, Value> {
        let given = match self {
            Self::Own {
                towers,
                untied_embeddings,
                width: own,
                layers: own_layers,
            } => json!({
                "two_tower_generator": towers,
                "untied_generator_embeddings": untied_embeddings,
                "generator_hidden_size": own as f64 / width.max(1) as f64,
                "generator_layers": own_layers as f64 / layers.max(1) as f64,
            }),
            Self::Shared => json!({"untied_generator": false}),
            Self::Uniform => json!({"uniform_generator": true}),
        };
        given.as_object().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes_of(names: &[(&str, &[usize])]) -> BTreeMap<String, Vec<usize>> {
        let names = names.iter();
        names
            .map(|(name, shape)| ((*name).to_owned(), shape.to_vec()))
            .collect()
    }

    #[test]
    fn the_kind_of_a_generator_is_told_by_its_parameters() {
        let own = shapes_of(&[
            ("generator.layers.0.attention.query.weight", &[64, 64]),
            ("generator.layers.1.attention.query.weight", &[64, 64]),
            ("generator.project.weight", &[128, 64]),
            ("generator_predictions.output_bias", &[30522]),
        ]);
        let generator = Generator::of(&own).unwrap();
        let hparams = Value::from(generator.hparams(256, 4));
        assert_eq!(
            hparams,
            json!({
                "two_tower_generator": false, "untied_generator_embeddings": false,
                "generator_hidden_size": 0.25, "generator_layers": 0.5,
            })
        );
        let towers = shapes_of(&[
            ("generator_ltr.embeddings.word.weight", &[100, 32]),
            ("generator_ltr.layers.0.attention.query.weight", &[32, 32]),
            ("cloze_predictions.output_bias", &[100]),
        ]);
        let expected = Generator::Own {
            towers: true,
            untied_embeddings: true,
            width: 32,
            layers: 1,
        };
        assert_eq!(Generator::of(&towers), Some(expected));
        let shared = shapes_of(&[("generator_predictions.output_bias", &[100])]);
        assert_eq!(Generator::of(&shared), Some(Generator::Shared));
        let uniform = shapes_of(&[("discriminator_predictions.dense.bias", &[256])]);
        let uniform = Generator::of(&uniform).unwrap();
        assert_eq!(
            Value::from(uniform.hparams(256, 4)),
            json!({"uniform_generator": true})
        );
        assert_eq!(Generator::of(&BTreeMap::new()), None);
        let encoder = shapes_of(&[("electra.layers.0.attention.query.weight", &[256, 256])]);
        assert_eq!(Generator::of(&encoder), None);
    }

    #[test]
    fn a_width_that_is_no_round_part_is_met_all_the_same() {
        // A third of 768, and 37 of 111.
        for (own, width) in [(256, 768), (37, 111), (100, 130)] {
            let generator = Generator::Own {
                towers: false,
                untied_embeddings: false,
                width: own,
                layers: 7,
            };
            let mut given = generator.hparams(width, 9);
            let overrides = json!({
                "hidden_size": width, "num_hidden_layers": 9, "num_attention_heads": 1,
            });
            given.insert("model_hparam_overrides".to_owned(), overrides);
            let config = PretrainConfig::resolve(Path::new("d"), "m", &given)
                .unwrap()
                .0;
            let found = config.generator();
            assert_eq!((found.hidden_size, found.num_hidden_layers), (own, 7));
        }
    }

    #[test]
    fn a_released_zip_tells_all_sizes() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models");
        let read = Continued::read(&models.join("electra_tiny.zip")).unwrap();
        let config = PretrainConfig::resolve(Path::new("d"), "m", &read.hparams);
        let (config, _) = config.unwrap();
        let (network, generator) = (config.discriminator(), config.generator());
        assert_eq!((network.hidden_size, network.num_hidden_layers), (128, 4));
        assert_eq!((network.vocab_size, network.embedding_size), (2048, 128));
        assert_eq!(
            (generator.hidden_size, generator.num_hidden_layers),
            (64, 4)
        );
        assert!(read.vocabulary.is_some());
        let message = Continued::read(Path::new("none")).unwrap_err().to_string();
        assert!(message.contains("none: there is no such file"), "{message}");
    }
}

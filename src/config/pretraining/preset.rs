//! Named sets of pre-training hyper-parameters.

use serde_json::{Map, Value, json};

use crate::config::choice::choice;

choice! {
    /// A named set of pre-training hyper-parameters; anything given explicitly takes precedence.
    pub enum PretrainPreset {
        /// ELECTRA-Small as the paper trains it.
        Small = "small",
        /// ELECTRA-Small++, the released small model.
        SmallPp = "small-pp",
        /// ELECTRA-Base as the paper trains it.
        Base = "base",
        /// Continues training an existing model on text of another kind.
        Continue = "continue",
    }
}

impl PretrainPreset {
    /// Its purpose.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Small => "ELECTRA-Small on 128 tokens, as in the paper: one card, days",
            Self::SmallPp => {
                "ELECTRA-Small++ as released: 512 tokens, 4 times the steps, a generator as wide as the model"
            }
            Self::Base => "ELECTRA-Base on 512 tokens, as in the paper",
            Self::Continue => {
                "continues from init_checkpoint on text of a domain; the sizes are the checkpoint's"
            }
        }
    }

    /// Its hyper-parameters.
    pub fn hparams(self) -> Map<String, Value> {
        let given = match self {
            Self::Small => json!({
                "model_size": "small", "generator_hidden_size": 0.25, "max_seq_length": 128,
                "train_batch_size": 128, "learning_rate": 5e-4, "num_warmup_steps": 10_000,
                "num_train_steps": 1_000_000, "mask_prob": 0.15,
            }),
            Self::SmallPp => json!({
                "model_size": "small", "generator_hidden_size": 1.0, "max_seq_length": 512,
                "train_batch_size": 128, "learning_rate": 5e-4, "num_warmup_steps": 10_000,
                "num_train_steps": 4_000_000, "mask_prob": 0.15,
            }),
            Self::Base => json!({
                "model_size": "base", "generator_hidden_size": 1.0 / 3.0, "max_seq_length": 512,
                "train_batch_size": 256, "learning_rate": 2e-4, "num_warmup_steps": 10_000,
                "num_train_steps": 766_000, "mask_prob": 0.15,
            }),
            // The released models ended at rate 0, and Adam's moments are not released: a tenth of the rate
            // at which the small model started, a quarter of base's, reached slowly, so that what was learnt
            // is not overwritten before the moments are estimated.
            Self::Continue => json!({
                "max_seq_length": 512, "train_batch_size": 128, "learning_rate": 5e-5,
                "num_warmup_steps": 1_000, "num_train_steps": 20_000, "mask_prob": 0.15,
            }),
        };
        given.as_object().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::PretrainConfig;

    fn config(preset: PretrainPreset) -> PretrainConfig {
        let resolved = PretrainConfig::resolve(Path::new("d"), "m", &preset.hparams());
        resolved.unwrap().0
    }

    #[test]
    fn every_preset_is_a_whole_configuration() {
        for (preset, word) in PretrainPreset::ALL.iter().zip(PretrainPreset::WORDS) {
            assert_eq!(preset.word(), *word);
            config(*preset);
        }
        // The small preset is the reference's default.
        let usual = PretrainConfig::resolve(Path::new("d"), "m", &Map::new()).unwrap();
        assert_eq!(config(PretrainPreset::Small), usual.0);
        assert_eq!(usual.0.non_defaults(), Map::new());
    }

    #[test]
    fn the_generators_are_those_of_the_paper_and_of_the_release() {
        for (preset, hidden, generator) in [
            (PretrainPreset::Small, 256, 64),
            (PretrainPreset::SmallPp, 256, 256),
            (PretrainPreset::Base, 768, 256),
        ] {
            let config = config(preset);
            let found = (
                config.discriminator().hidden_size,
                config.generator().hidden_size,
                config.generator().num_hidden_layers,
            );
            assert_eq!(found, (hidden, generator, 12), "{preset}");
        }
    }
}

//! Hyper-parameters for people who would rather name their card than think of memory.

use serde_json::{Map, Value, json};

use super::choice::choice;

choice! {
    /// A named set of hyper-parameters; whatever else is given wins over it.
    pub enum Preset {
        /// Large whole, on a card of 8 GB.
        Large8Gb = "large-8gb",
        /// Large whole, on a card of 16 GB.
        Large16Gb = "large-16gb",
        /// Large whole, on a card of 24 GB.
        Large24Gb = "large-24gb",
        /// What the fork for cards of 8 GB trained: the top 8 layers, 4 features at a time.
        Fork = "fork",
        /// The reference's debug mode: a small model on the `<split>-debug` files.
        Debug = "debug",
    }
}

const GIB: u64 = 1 << 30;

impl Preset {
    /// What it is for.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Large8Gb => "ELECTRA-Large, all layers, the published settings, in 8 GB",
            Self::Large16Gb => "the same in 16 GB",
            Self::Large24Gb => "the same in 24 GB",
            Self::Fork => "the top 8 layers of ELECTRA-Large, batch 4, three trials",
            Self::Debug => "a quick run on the <split>-debug files with a small model",
        }
    }

    /// The hyper-parameters that it gives.
    pub fn hparams(self) -> Map<String, Value> {
        let given = match self {
            Self::Large8Gb | Self::Large16Gb | Self::Large24Gb => {
                json!({"model_size": "large", "task_names": ["squad"]})
            }
            Self::Fork => json!({
                "model_size": "large", "task_names": ["squad"], "trainable_layers": 8,
                "train_batch_size": 4, "predict_batch_size": 8,
                "num_trials": 3, "keep_all_models": false, "max_save": 10,
            }),
            Self::Debug => json!({"debug": true, "task_names": ["squad"]}),
        };
        given.as_object().cloned().unwrap_or_default()
    }

    /// Bytes that training may hold: what such a card has, less what a desktop and its driver
    /// take. `None` leaves it to the device.
    pub fn memory_budget(self) -> Option<u64> {
        match self {
            Self::Large8Gb => Some(7 * GIB),
            Self::Large16Gb => Some(14 * GIB),
            Self::Large24Gb => Some(22 * GIB),
            Self::Fork | Self::Debug => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    #[test]
    fn every_preset_is_a_whole_configuration() {
        for (preset, word) in Preset::ALL.iter().zip(Preset::WORDS) {
            assert_eq!(preset.word(), *word);
            Config::resolve(Path::new("d"), "m", &preset.hparams()).unwrap();
        }
    }

    #[test]
    fn the_large_presets_have_the_published_settings() {
        let hparams = Preset::Large8Gb.hparams();
        let config = Config::resolve(Path::new("d"), "m", &hparams).unwrap().0;
        assert_eq!((config.learning_rate, config.num_train_epochs), (5e-5, 2.0));
        assert_eq!((config.train_batch_size, config.max_seq_length), (32, 512));
        assert_eq!(config.layerwise_lr_decay, 0.9);
        assert_eq!(config.trainable_layers, None);
    }

    #[test]
    fn a_preset_takes_any_tasks_and_their_defaults() {
        for preset in Preset::ALL {
            for (tasks, epochs, length) in [
                (json!(["rte"]), 10.0, 128),
                (json!(["mnli"]), 3.0, 128),
                (json!(["chunk"]), 3.0, 256),
                (json!(["cola", "squad"]), 3.0, 128),
            ] {
                let mut hparams = preset.hparams();
                hparams.insert("task_names".to_owned(), tasks);
                let config = Config::resolve(Path::new("d"), "m", &hparams).unwrap().0;
                let epochs = if config.debug { 3.0 } else { epochs };
                let found = (config.num_train_epochs, config.max_seq_length);
                assert_eq!(found, (epochs, length), "{preset} {:?}", config.task_names);
            }
        }
    }
}

//! How many positions a pre-trained model has learned. Fine-tuned on longer text, it would read the others,
//! whose embeddings are as they were initialised.

use crate::{config::PretrainConfig, model::description};

/// The positions that a run trains on examples of up to `longest` tokens, or that its initial weights have
/// learned before; `None` if those do not say.
pub fn trained_positions(config: &PretrainConfig, longest: usize) -> Option<usize> {
    let own = longest.min(config.max_seq_length);
    match &config.init_checkpoint {
        None => Some(own),
        Some(weights) => Some(description::trained_positions(weights)?.max(own)),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use serde_json::json;

    use super::*;

    #[test]
    fn shorter_examples_unlearn_nothing() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for (name, told) in [("m", r#"{"trained_positions": 64}"#), ("silent", "{}")] {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("config.json"), told).unwrap();
        }
        let trained = |longest: usize, weights: Option<&str>| {
            let mut given = json!({"max_seq_length": 128});
            if let Some(name) = weights {
                given["init_checkpoint"] = json!(at(name));
            }
            let given = given.as_object().unwrap();
            let (config, _) = PretrainConfig::resolve(Path::new("d"), "m", given).unwrap();
            trained_positions(&config, longest)
        };
        assert_eq!(trained(32, None), Some(32));
        assert_eq!(trained(512, None), Some(128));
        assert_eq!(trained(32, Some("m")), Some(64));
        assert_eq!(trained(128, Some("m")), Some(128));
        assert_eq!(trained(128, Some("silent")), None);
        assert_eq!(trained(128, Some("gone")), None);
    }
}

//! Finds the hyper-parameters of a run that differ from their defaults.

use serde_json::{Map, Value};

use super::table::Config;

/// Shown elsewhere: a run's folders and the name of its model.
const ELSEWHERE: [&str; 2] = ["data_dir", "model_name"];

/// The keys on which the defaults of others depend.
const DECISIVE: [&str; 4] = ["task_names", "model_size", "debug", "model_dir"];

impl Config {
    /// Returns the hyper-parameters that differ from the defaults of the run's tasks, model size
    /// and folders, in the order of the table.
    pub fn non_defaults(&self) -> Map<String, Value> {
        let mut own = self.hparams();
        let mut decisive = own.clone();
        decisive.retain(|key, _| DECISIVE.contains(&key.as_str()));
        let table = Config::defaults().to_map();
        let usual = match Config::resolve(&self.data_dir, &self.model_name, &decisive) {
            Ok((usual, _)) => usual.to_map(),
            Err(_) => table.clone(),
        };
        own.retain(|key, value| {
            let default = match key.as_str() {
                "model_size" | "debug" => table.get(key),
                _ => usual.get(key),
            };
            !ELSEWHERE.contains(&key.as_str()) && default != Some(value)
        });
        own
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_was_changed_differs() {
        let given = json!({
            "task_names": ["squad"], "model_size": "large", "train_batch_size": 16,
            "max_seq_length": 512, "model_hparam_overrides": {"num_hidden_layers": 4},
        });
        let config = Config::resolve(Path::new("d"), "m", given.as_object().unwrap());
        // 512 tokens and 5e-5 are the defaults of SQuAD and of the large model.
        assert_eq!(
            Value::Object(config.unwrap().0.non_defaults()),
            json!({
                "model_size": "large",
                "model_hparam_overrides": {"num_hidden_layers": 4},
                "train_batch_size": 16,
            })
        );
    }
}

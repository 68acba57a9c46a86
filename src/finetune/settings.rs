//! The settings in which runs differ.

use serde_json::{Map, Value};

use crate::config::{
    Config,
    hparam::{Decides, OVERRIDES, Source, decides},
};

/// Visible without them: the trials themselves, and the files of each.
const SEEN: [&str; 2] = ["num_trials", "keep_all_models"];

/// The hyper-parameters of a run by key, dotted in `model_hparam_overrides`, except paths and those without
/// effect. The initial weights count if they are not those of the named model.
pub fn settings(config: &Config) -> Map<String, Value> {
    let mut settings = config.hparams();
    let of_place = |key: &str| decides(key) == Some(Decides::Place) && key != "model_name";
    settings.retain(|key, _| {
        !of_place(key)
            && !SEEN.contains(&key.as_str())
            && Config::source(key) != Some(Source::NoEffect)
    });
    if config.init_checkpoint != Some(config.paths().pretrained_model()) {
        let begins = config.init_checkpoint.as_ref();
        let begins = begins.map(|path| path.to_string_lossy().into_owned());
        settings.insert("init_checkpoint".to_owned(), begins.into());
    }
    if let Some(Value::Object(overrides)) = settings.shift_remove(OVERRIDES) {
        let dotted = overrides.into_iter();
        settings.extend(dotted.map(|(key, value)| (format!("{OVERRIDES}.{key}"), value)));
    }
    settings
}

/// The keys whose values differ between runs, in table order, with each run's value.
pub fn differing(all: &[Map<String, Value>]) -> Vec<(String, Vec<Option<Value>>)> {
    let mut keys: Vec<&String> = Vec::new();
    for key in all.iter().flat_map(Map::keys) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    let values = keys.into_iter().map(|key| {
        let values: Vec<Option<Value>> = all.iter().map(|one| one.get(key).cloned()).collect();
        (key.clone(), values)
    });
    values
        .filter(|(_, values)| values.windows(2).any(|pair| pair[0] != pair[1]))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    fn of(model: &str, given: Value) -> Map<String, Value> {
        let given = given.as_object().unwrap();
        settings(&Config::resolve(Path::new("d"), model, given).unwrap().0)
    }

    #[test]
    fn what_one_was_told_differently_is_named_with_the_value_of_each() {
        let all = [
            of("m", json!({"task_names": ["rte"], "num_trials": 3})),
            of(
                "m",
                json!({
                    "task_names": ["rte"], "learning_rate": 3e-5, "model_dir": "elsewhere",
                    "iterations_per_loop": 7, "model_hparam_overrides": {"hidden_size": 64},
                }),
            ),
            of(
                "m",
                json!({"task_names": ["rte"], "init_checkpoint": "other"}),
            ),
        ];
        assert_eq!(
            differing(&all),
            [
                (
                    "learning_rate".to_owned(),
                    [1e-4, 3e-5, 1e-4].map(|rate| Some(json!(rate))).into()
                ),
                (
                    "model_hparam_overrides.hidden_size".to_owned(),
                    vec![None, Some(json!(64)), None]
                ),
                (
                    "init_checkpoint".to_owned(),
                    vec![None, None, Some(json!("other"))]
                ),
            ]
        );
        assert_eq!(differing(&all[..1]), []);
    }

    #[test]
    fn another_model_is_told_once() {
        let all = ["a", "b"].map(|model| of(model, json!({"task_names": ["rte"]})));
        let names = vec![Some(json!("a")), Some(json!("b"))];
        assert_eq!(differing(&all), [("model_name".to_owned(), names)]);
    }
}

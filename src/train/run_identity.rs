//! Checks whether earlier output belongs to this run, by comparing key by key what decides its
//! results.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

use crate::config::{Config, hparam};

/// What decides a run's results besides its hyper-parameters; if an older version did not record
/// one of these, its value is unknown.
const UNKNOWN_TO_OLDER: [&str; 3] = [
    "initial_weights",
    "trial_seed",
    "pretraining.examples_checksum",
];

/// The key of the checksum of a pre-training run's examples.
pub const EXAMPLES_CHECKSUM: &str = "examples_checksum";

/// Returns `key: theirs, now ours` for every key that decides training and whose values differ. A
/// key missing from theirs had its default, since an older version did not know it. Older versions
/// also stored keys that decide nothing, and keys from which the model's shape follows instead of
/// the shape.
pub fn differing_keys(theirs: &Value, ours: &Value) -> Vec<String> {
    let defaults: BTreeMap<String, Value> = hparam::list()
        .into_iter()
        .map(|row| (row.key, row.default))
        .collect();
    let mut theirs = theirs.as_object().cloned().unwrap_or_default();
    if !theirs.contains_key("model")
        && let Some(model) = model_of(&theirs)
    {
        theirs.insert("model".to_owned(), model);
    }
    theirs.retain(|key, _| {
        hparam::decides(key).is_none_or(|decides| decides == hparam::Decides::Training)
    });
    let theirs = flat(&theirs);
    let ours = ours.as_object().map(flat).unwrap_or_default();
    compare(&theirs, &ours, |key| {
        let ours = ours.get(key);
        match UNKNOWN_TO_OLDER.contains(&key) {
            true => ours,
            false => defaults.get(key),
        }
    })
}

/// Returns `key: theirs, now ours` for every key whose values differ.
pub fn differing_values(theirs: &Value, ours: &Value) -> Vec<String> {
    let [theirs, ours] = [theirs, ours].map(|map| map.as_object().map(flat).unwrap_or_default());
    compare(&theirs, &ours, |_| None)
}

/// Compares two maps; `unsaid` gives the value of a key that theirs lacks.
fn compare<'a>(
    theirs: &'a BTreeMap<String, Value>,
    ours: &'a BTreeMap<String, Value>,
    unsaid: impl Fn(&str) -> Option<&'a Value>,
) -> Vec<String> {
    let mut keys: Vec<&String> = theirs.keys().chain(ours.keys()).collect();
    keys.sort();
    keys.dedup();
    keys.into_iter()
        .filter(|key| theirs.get(*key).or_else(|| unsaid(key)) != ours.get(*key))
        .map(|key| {
            let show = |map: &BTreeMap<String, Value>| {
                map.get(key).map_or("absent".into(), Value::to_string)
            };
            format!("{}: {} there, {} now", named(key), show(theirs), show(ours))
        })
        .collect()
}

/// The key to change, of pre-training without the folder of its values.
fn named(key: &str) -> String {
    match key.strip_prefix("pretraining.") {
        Some("initial_weights") => "init_checkpoint, its weights' checksum".to_owned(),
        Some("examples") => "pretrain_tfrecords, its examples".to_owned(),
        Some(EXAMPLES_CHECKSUM) => "pretrain_tfrecords, its examples' checksum".to_owned(),
        // Ranks compare the values without the folder's name.
        None if key == EXAMPLES_CHECKSUM => "pretrain_tfrecords, its examples' checksum".to_owned(),
        Some(key) => key.to_owned(),
        None => key.to_owned(),
    }
}

/// Returns the model's shape according to an older version's hyper-parameters.
fn model_of(hparams: &Map<String, Value>) -> Option<Value> {
    // Every version recorded the tasks: without them, these are not a run's hyper-parameters.
    hparams.get("task_names")?;
    let mut known = hparams.clone();
    known.retain(|key, _| hparam::decides(key).is_some());
    let (config, _) = Config::resolve(Path::new(""), "older", &known).ok()?;
    Some(serde_json::json!(config.encoder()))
}

/// Flattens the values to dotted keys.
fn flat(hparams: &Map<String, Value>) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for (key, value) in hparams {
        match value {
            Value::Object(inner) => {
                let inner = inner.iter().map(|(k, v)| (format!("{key}.{k}"), v.clone()));
                values.extend(inner);
            }
            _ => {
                values.insert(key.clone(), value.clone());
            }
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differing_hyper_parameters_are_named_with_both_values() {
        let keys = differing_keys(
            &json!({"learning_rate": 1e-4, "seed": 1}),
            &json!({
                "learning_rate": 2e-4, "seed": 1, "max_seq_length": 64, "optimizer_moments": "f32",
            }),
        );
        assert_eq!(
            keys,
            [
                "learning_rate: 0.0001 there, 0.0002 now",
                "max_seq_length: absent there, 64 now"
            ]
        );
    }

    #[test]
    fn what_an_older_version_did_not_write_down_is_not_held_against_it() {
        let ours = json!({"seed": 1, "trial_seed": 1, "initial_weights": "a"});
        assert_eq!(differing_keys(&json!({"seed": 1}), &ours), [""; 0]);
        assert_eq!(
            differing_keys(&json!({"seed": 1, "initial_weights": "b"}), &ours),
            ["initial_weights: \"b\" there, \"a\" now"]
        );
        let of = |weights| json!({"pretraining": {"initial_weights": weights, "seed": weights}});
        assert_eq!(
            differing_keys(&of(1), &of(2)),
            [
                "init_checkpoint, its weights' checksum: 1 there, 2 now",
                "seed: 1 there, 2 now"
            ]
        );
    }

    #[test]
    fn what_decides_no_weight_may_differ_and_the_model_s_shape_may_be_given_otherwise() {
        let resolve = |given: Value| {
            let given = given.as_object().unwrap().clone();
            Config::resolve(Path::new("d"), "m", &given).unwrap().0
        };
        let ours = resolve(json!({
            "task_names": ["squad"], "model_size": "base", "learning_rate": 1e-4, "data_dir": "e",
            "max_save": 2, "max_eval_examples": 9, "lr_schedule": "linear", "qa_na_threshold": 1, "init_checkpoint": "moved", "num_trials": 3,
            "model_hparam_overrides": {"num_hidden_layers": 24, "hidden_size": 1024},
        }));
        let given = json!({
            "task_names": ["squad"], "model_size": "large", "learning_rate": 1e-4,
            "layerwise_lr_decay": 0.8, "double_unordered": false,
        });
        let theirs = resolve(given.clone()).decides_training();
        let ours = Value::Object(ours.decides_training());
        assert_eq!(differing_keys(&theirs.into(), &ours), Vec::<String>::new());
        // As older versions stored it.
        let mut older = resolve(given).to_json();
        assert_eq!(differing_keys(&older, &ours), Vec::<String>::new());
        let mut fallen = ours.clone();
        fallen["lr_schedule"] = "cosine".into();
        older.as_object_mut().unwrap().remove("lr_schedule");
        assert_eq!(
            differing_keys(&older, &fallen),
            ["lr_schedule: absent there, \"cosine\" now"]
        );
        assert_eq!(differing_keys(&older, &ours), Vec::<String>::new());
        older["model_hparam_overrides"] = json!({"num_attention_heads": 8});
        assert_eq!(
            differing_keys(&older, &ours),
            ["model.num_attention_heads: 8 there, 16 now"]
        );
    }
}

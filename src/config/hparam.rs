//! Looks up the properties of a hyper-parameter by its key.

use super::{
    pretraining::PretrainConfig,
    table::{Config, ModelOverrides, is_tpu},
};
pub use super::{
    row::{Decides, Hparam, Source},
    table::OVERRIDES,
};

/// Returns every hyper-parameter in the order of the table, then those of `model_hparam_overrides`.
pub fn list() -> Vec<Hparam> {
    let mut rows = Config::rows();
    rows.extend(ModelOverrides::rows());
    rows
}

/// Returns the prefixes that `--set` takes, and whole assignments for keys with few values.
pub fn assignments() -> impl Iterator<Item = &'static str> {
    const WHOLE: [&str; 9] = [
        "task_names=squad",
        "task_names=squadv1",
        "task_names=newsqa",
        "task_names=naturalqs",
        "task_names=triviaqa",
        "task_names=searchqa",
        "model_size=small",
        "model_size=base",
        "model_size=large",
    ];
    let (keys, overrides) = (Config::ASSIGNMENTS, ModelOverrides::ASSIGNMENTS);
    let keys = keys.iter().chain(overrides).copied();
    keys.filter(|key| !is_tpu(key.trim_end_matches('=')))
        .chain(WHOLE)
}

/// Returns what `key` decides; `None` if the table does not have it.
pub fn decides(key: &str) -> Option<Decides> {
    match key
        .strip_prefix(OVERRIDES)
        .and_then(|rest| rest.strip_prefix('.'))
    {
        Some(key) => ModelOverrides::decides(key),
        None => Config::decides(key),
    }
}

/// Returns whether a bare word given with `--set` for `key` is text even if it parses as JSON.
pub(super) fn takes_text(key: &str) -> bool {
    match key
        .strip_prefix(OVERRIDES)
        .and_then(|rest| rest.strip_prefix('.'))
    {
        Some(key) => ModelOverrides::is_text(key),
        None => Config::is_text(key) || PretrainConfig::is_text(key),
    }
}

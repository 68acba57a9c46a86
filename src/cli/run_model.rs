//! The model that a run starts from; what it says about itself completes the configuration.

use std::path::{Path, PathBuf};

use super::model::find_model;
use crate::{
    config::{CheckpointFacts, Config, Draft, Resolved},
    model::{
        absent::{explain, models_inside, newest_step},
        description::{describe, describe_record},
        folder::{Error, ModelFolder},
    },
    progress::Progress,
    shell::quoted_path,
    text::{tokenizer::Tokenizer, vocab::Vocab},
};

/// The complete configuration, and what its checkpoint said; converts and writes nothing.
///
/// # Errors
/// If the checkpoint contradicts what was given, or cannot be converted.
pub(super) fn described(draft: &Draft) -> anyhow::Result<(Resolved, Option<CheckpointFacts>)> {
    let facts = match draft.init_checkpoint() {
        Some(checkpoint) => describe(&checkpoint)?,
        None => None,
    };
    described_as(draft, facts)
}

/// The complete configuration with these facts.
///
/// # Errors
/// If they contradict what was given.
pub(super) fn described_as(
    draft: &Draft,
    facts: Option<CheckpointFacts>,
) -> anyhow::Result<(Resolved, Option<CheckpointFacts>)> {
    let resolved = draft.finish(facts.as_ref())?;
    for warning in &resolved.warnings {
        log::warn!("{warning}");
    }
    Ok((resolved, facts))
}

/// The same for a run that requires its checkpoint.
///
/// # Errors
/// As [`described`], and if there is no model at the checkpoint's path.
pub(super) fn found(draft: &Draft) -> anyhow::Result<(Resolved, Option<CheckpointFacts>)> {
    let (resolved, facts) = described(draft)?;
    match draft.init_checkpoint() {
        // A record without a description is still a model.
        Some(checkpoint) if facts.is_none() && !checkpoint.join("model.bpk").is_file() => {
            Err(named_instead(draft, &checkpoint)
                .unwrap_or_else(|| explain(&checkpoint))
                .into())
        }
        _ => Ok((resolved, facts)),
    }
}

/// Names to suggest if the model's name is that of a folder of models, such as `.`.
fn named_instead(draft: &Draft, checkpoint: &Path) -> Option<Error> {
    let named = draft.pretrained_model();
    if draft.is_given("init_checkpoint") || checkpoint != named {
        return None;
    }
    if let Some(step) = newest_step(&named) {
        return Some(Error::Unfinished {
            path: named,
            instead: format!("--set init_checkpoint={}", quoted_path(&step)),
        });
    }
    // As the models inside are named.
    let plain = |path: &Path| path.strip_prefix(".").unwrap_or(path).to_owned();
    let (folder, models) = (plain(&named), plain(&draft.models_folder()));
    let inside = models_inside(&named);
    let names = inside
        .iter()
        .filter(|model| model.parent() == Some(folder.as_path()))
        .filter_map(|model| model.strip_prefix(&models).ok());
    let names: Vec<String> = names
        .map(|name| format!("--model-name {}", quoted_path(name)))
        .collect();
    (!names.is_empty()).then(|| Error::OtherFolder {
        path: named,
        instead: names.join(" or "),
    })
}

/// The record that the run starts from, converted from its checkpoint if necessary; `None` if it starts from
/// random weights.
///
/// # Errors
/// If there is no model, or it cannot be converted.
pub(super) fn record(draft: &Draft, progress: &Progress) -> Result<Option<ModelFolder>, Error> {
    let home = draft.pretrained_model();
    let find = |checkpoint: PathBuf| find_model(&checkpoint, Some(&home), progress);
    draft.init_checkpoint().map(find).transpose()
}

/// The same once there is a [`record`]; `facts` are those from [`found`]. The vocabulary is then a file.
///
/// # Errors
/// As [`found`].
pub(super) fn opened(
    draft: &Draft,
    facts: Option<CheckpointFacts>,
    found: Option<&ModelFolder>,
) -> anyhow::Result<Config> {
    let Some(found) = found else {
        return Ok(draft.finish(None)?.config);
    };
    let record = describe_record(&found.path)?;
    // The record may have been edited by hand; its source knows the original facts.
    let facts = match (facts, record) {
        (Some(source), Some(record)) => {
            Some(record.stated_by(&source.record, source.states_case, source.case_files))
        }
        (source, record) => record.or(source),
    };
    Ok(draft.finish(facts.as_ref())?.config)
}

/// The tokenizer of a run whose checkpoint may not be converted yet.
///
/// # Errors
/// If the vocabulary does not fit the model, or there is neither a vocabulary nor a model.
pub(super) fn tokenizer(
    draft: &Draft,
    config: &Config,
    facts: Option<&CheckpointFacts>,
) -> anyhow::Result<Tokenizer> {
    let inside = facts
        .and_then(|facts| facts.vocabulary.as_ref())
        .filter(|vocabulary| !vocabulary.is_file && !draft.is_given("vocab_file"));
    Ok(match inside {
        Some(inside) => {
            let vocab = Vocab::from_bytes(&inside.bytes, &inside.file)?;
            config.tokenizer_of(vocab, &inside.file)?
        }
        None => {
            let paths = config.paths();
            let file = paths.vocab_file();
            if let Some(checkpoint) = draft.init_checkpoint()
                && facts.is_none()
                && !file.exists()
                && !draft.is_given("vocab_file")
            {
                return Err(explain(&checkpoint).into());
            }
            config.tokenizer(file)?
        }
    })
}

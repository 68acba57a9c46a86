//! The model that a run begins with: what it says about itself completes the configuration.

use std::path::{Path, PathBuf};

use super::model::find_model;
use crate::{
    config::{CheckpointFacts, Config, Draft, Resolved},
    model::{
        absent::{explain, models_inside},
        description::{describe, describe_record},
        folder::{Error, ModelFolder},
    },
    progress::Progress,
    shell::quoted_path,
    text::{tokenizer::Tokenizer, vocab::Vocab},
};

/// A whole configuration and what its checkpoint said; nothing is converted and nothing written.
///
/// # Errors
/// A checkpoint that contradicts what was given, or that cannot be converted.
pub(super) fn described(draft: &Draft) -> anyhow::Result<(Resolved, Option<CheckpointFacts>)> {
    let facts = match draft.init_checkpoint() {
        Some(checkpoint) => describe(&checkpoint)?,
        None => None,
    };
    let resolved = draft.finish(facts.as_ref())?;
    for warning in &resolved.warnings {
        log::warn!("{warning}");
    }
    Ok((resolved, facts))
}

/// The same of a run, which needs the checkpoint that it begins with.
///
/// # Errors
/// As [`described`], and no model where the checkpoint should be.
pub(super) fn found(draft: &Draft) -> anyhow::Result<(Resolved, Option<CheckpointFacts>)> {
    let (resolved, facts) = described(draft)?;
    match draft.init_checkpoint() {
        // A record without a description is a model all the same.
        Some(checkpoint) if facts.is_none() && !checkpoint.join("model.bpk").is_file() => {
            Err(named_instead(draft, &checkpoint)
                .unwrap_or_else(|| explain(&checkpoint))
                .into())
        }
        _ => Ok((resolved, facts)),
    }
}

/// Which names to give where the model's name is that of a folder of models, `.` above all.
fn named_instead(draft: &Draft, checkpoint: &Path) -> Option<Error> {
    let named = draft.pretrained_model();
    if draft.is_given("init_checkpoint") || checkpoint != named {
        return None;
    }
    let inside = models_inside(&named);
    let names = inside
        .iter()
        .filter(|model| model.parent() == Some(named.as_path()))
        .filter_map(|model| model.strip_prefix(draft.models_folder()).ok());
    let names: Vec<String> = names
        .map(|name| format!("--model-name {}", quoted_path(name)))
        .collect();
    (!names.is_empty()).then(|| Error::OtherFolder {
        path: named,
        instead: names.join(" or "),
    })
}

/// The record that the run begins with, which its checkpoint is converted to if need be; `None` if it
/// begins with random weights.
///
/// # Errors
/// No model there, or one that cannot be converted.
pub(super) fn record(draft: &Draft, progress: &Progress) -> Result<Option<ModelFolder>, Error> {
    let home = draft.pretrained_model();
    let find = |checkpoint: PathBuf| find_model(&checkpoint, Some(&home), progress);
    draft.init_checkpoint().map(find).transpose()
}

/// The same once there is a [`record`]; `facts` are those that [`found`] has. The vocabulary is then a
/// file.
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
    // The record may have been corrected by hand; its source knows what it states.
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
/// A vocabulary that does not fit the model, or neither a vocabulary nor a model.
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

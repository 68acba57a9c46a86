//! Rejects values that have the right type but cannot work.

mod encoder;
mod most;

use super::{error::Error, question_answering, table::Config};
use encoder::check_encoder;
use most::check_most;

/// Only typos exceed this.
const MOST_EPOCHS: f64 = 1e6;

/// Checks the resolved values and adds what the user should know to `warnings`.
///
/// # Errors
/// The first value that is out of range, with what it must be.
pub(super) fn check(config: &Config, warnings: &mut Vec<String>) -> Result<(), Error> {
    check_numbers(config)?;
    check_encoder(config)?;
    warnings.extend(question_answering::no_room(config));
    Ok(())
}

fn check_numbers(config: &Config) -> Result<(), Error> {
    let at_least_1 = [
        ("num_trials", config.num_trials as u64),
        ("vocab_size", config.vocab_size as u64),
        ("train_batch_size", config.train_batch_size as u64),
        ("eval_batch_size", config.eval_batch_size as u64),
        ("predict_batch_size", config.predict_batch_size as u64),
    ];
    let others = [
        ("save_checkpoints_steps", config.save_checkpoints_steps),
        ("log_every", config.log_every),
        ("max_save", config.max_save as u64),
        ("embedding_size", config.embedding_size.unwrap_or(1) as u64),
        (
            "micro_batch_size",
            config.micro_batch_size.unwrap_or(1) as u64,
        ),
        (
            "max_train_examples",
            config.max_train_examples.unwrap_or(1) as u64,
        ),
        (
            "max_eval_examples",
            config.max_eval_examples.unwrap_or(1) as u64,
        ),
        (
            "eval_max_examples",
            config.eval_max_examples.unwrap_or(1) as u64,
        ),
    ];
    let at_least_1 = at_least_1
        .into_iter()
        .chain(question_answering::at_least_1(config))
        .chain(others);
    for (key, value) in at_least_1 {
        if value == 0 {
            return Err(Error::out_of_range(key, value, "must be at least 1"));
        }
    }
    for (key, value) in [
        ("train_batch_size", config.train_batch_size),
        ("eval_batch_size", config.eval_batch_size),
        ("predict_batch_size", config.predict_batch_size),
        ("embedding_size", config.embedding_size.unwrap_or(1)),
        ("vocab_size", config.vocab_size),
    ] {
        check_most(key, value)?;
    }
    for (key, value) in [
        ("learning_rate", config.learning_rate),
        ("weight_decay_rate", config.weight_decay_rate),
        ("answerable_weight", config.answerable_weight),
    ] {
        if value < 0.0 {
            return Err(Error::out_of_range(key, value, "must not be negative"));
        }
    }
    if config.do_train && config.num_train_epochs <= 0.0 {
        return Err(Error::out_of_range(
            "num_train_epochs",
            config.num_train_epochs,
            "must be above 0; give do_train=false to evaluate only",
        ));
    }
    if config.num_train_epochs > MOST_EPOCHS {
        return Err(Error::out_of_range(
            "num_train_epochs",
            config.num_train_epochs,
            format!("must be at most {MOST_EPOCHS}"),
        ));
    }
    if !(0.0..=1.0).contains(&config.warmup_proportion) {
        return Err(Error::out_of_range(
            "warmup_proportion",
            config.warmup_proportion,
            "must be from 0 to 1",
        ));
    }
    if !(0.0..1.0).contains(&config.label_smoothing) {
        return Err(Error::out_of_range(
            "label_smoothing",
            config.label_smoothing,
            "must be from 0 to below 1",
        ));
    }
    check_evaluations(config)
}

/// Checks the settings of evaluations during training and of what depends on them.
fn check_evaluations(config: &Config) -> Result<(), Error> {
    let needs = |key: &'static str, value: &dyn ToString, what: &str| {
        Err(Error::out_of_range(
            key,
            value.to_string(),
            format!("needs {what}"),
        ))
    };
    if let Some(key) = &config.keep_best
        && config.eval_every.is_none()
    {
        return needs(
            "keep_best",
            key,
            "eval_every, the steps from one evaluation to the next",
        );
    }
    if let Some(most) = config.eval_max_examples
        && config.eval_every.is_none()
    {
        return needs(
            "eval_max_examples",
            &most,
            "eval_every, the steps from one evaluation to the next; give max_eval_examples for the one at the end",
        );
    }
    match config.patience {
        Some(0) => return Err(Error::out_of_range("patience", 0, "must be at least 1")),
        Some(patience) if config.keep_best.is_none() => {
            return needs(
                "patience",
                &patience,
                "keep_best, the metric that must improve",
            );
        }
        _ => {}
    }
    if config.eval_every.is_some() && !config.do_eval {
        return needs(
            "do_eval",
            &false,
            "eval_every=null: without it nothing is evaluated",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;

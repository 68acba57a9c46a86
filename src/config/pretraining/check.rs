//! Rejects values of the right type with which nothing can be pre-trained.

use serde_json::{Map, Value};

use super::{PretrainConfig, networks::Generator};
use crate::config::{EncoderConfig, error::Error};

/// More than any machine's memory holds for a single row.
const MOST: usize = 1 << 31;

/// The first value that is out of range, with the requirement.
pub(super) fn check(config: &PretrainConfig) -> Result<(), Error> {
    if config.model_name.is_empty() {
        return Err(Error::NoModelName {
            models: config.data_dir.join("models"),
        });
    }
    if config.model_dir.as_os_str().is_empty() {
        let must = "expected the folder of the model, found none";
        return Err(Error::out_of_range("model_dir", "\"\"", must));
    }
    if config.do_train == config.do_eval {
        return Err(Error::out_of_range(
            "do_eval",
            config.do_eval,
            "exactly one of do_train and do_eval must be true; evaluate with do_train=false and \
             do_eval=true",
        ));
    }
    for (key, value) in [
        ("train_batch_size", config.train_batch_size as u64),
        ("eval_batch_size", config.eval_batch_size as u64),
        ("num_train_steps", config.num_train_steps),
        ("num_eval_steps", config.num_eval_steps),
        ("save_checkpoints_steps", config.save_checkpoints_steps),
        (
            "micro_batch_size",
            config.micro_batch_size.unwrap_or(1) as u64,
        ),
        ("embedding_size", config.embedding_size.unwrap_or(1) as u64),
        ("vocab_size", config.vocab_size as u64),
    ] {
        if value == 0 {
            return Err(Error::out_of_range(key, value, "must be at least 1"));
        }
    }
    // Masks are addressed by the position in the batch and in the example, two bytes each.
    for (key, value) in [
        ("train_batch_size", config.train_batch_size),
        ("eval_batch_size", config.eval_batch_size),
        ("max_seq_length", config.max_seq_length),
    ] {
        if value > 1 << 16 {
            return Err(Error::out_of_range(key, value, "must be at most 65,536"));
        }
    }
    for (key, value) in [
        ("learning_rate", config.learning_rate),
        ("weight_decay_rate", config.weight_decay_rate),
        ("gen_weight", config.gen_weight),
        ("disc_weight", config.disc_weight),
        ("lr_decay_power", config.lr_decay_power),
    ] {
        if value < 0.0 {
            return Err(Error::out_of_range(key, value, "must not be negative"));
        }
    }
    if config.temperature <= 0.0 {
        let key = "temperature";
        return Err(Error::out_of_range(
            key,
            config.temperature,
            "must be above 0",
        ));
    }
    if !(config.mask_prob > 0.0 && config.mask_prob < 1.0) {
        let must = "must be above 0 and below 1";
        return Err(Error::out_of_range("mask_prob", config.mask_prob, must));
    }
    if config.max_predictions_per_seq() == 0 {
        return Err(Error::out_of_range(
            "max_seq_length",
            config.max_seq_length,
            format!(
                "no token would be masked at mask_prob {}; raise either",
                config.mask_prob
            ),
        ));
    }
    for (key, value, most) in [
        ("hours", config.hours, 100_000.0),
        ("peak_tflops", config.peak_tflops, 1e9),
    ] {
        if let Some(value) = value
            && !(value > 0.0 && value <= most)
        {
            let must = format!("must be above 0 and at most {most}");
            return Err(Error::out_of_range(key, value, must));
        }
    }
    check_kind(config)?;
    let discriminator = config.discriminator();
    check_network(config, &discriminator, "model_hparam_overrides.")?;
    match config.generator_kind() {
        Generator::Own | Generator::TwoTowers => {
            check_shares(config)?;
            check_network(config, &config.generator(), "generator's ")
        }
        Generator::Shared | Generator::Uniform => Ok(()),
    }
}

/// Rejects contradictory keys.
pub(super) fn check_given(
    config: &PretrainConfig,
    given: &Map<String, Value>,
) -> Result<(), Error> {
    match config.hours {
        Some(hours) if given.contains_key("num_train_steps") => Err(Error::out_of_range(
            "hours",
            hours,
            "determines num_train_steps, which is given too; give only one of them",
        )),
        _ => Ok(()),
    }
}

/// Rejects combinations on which the reference fails too.
fn check_kind(config: &PretrainConfig) -> Result<(), Error> {
    let needs =
        |key: &str, what: &str| Err(Error::out_of_range(key, true, format!("needs {what}")));
    let (towers, uniform) = (config.two_tower_generator, config.uniform_generator);
    if config.electric_objective && !towers {
        return needs(
            "electric_objective",
            "two_tower_generator: its scores are used",
        );
    }
    if towers && !config.untied_generator {
        return needs("two_tower_generator", "untied_generator");
    }
    if towers && uniform {
        return needs("two_tower_generator", "uniform_generator=false");
    }
    if (towers || uniform) && !config.has_discriminator() {
        let key = if towers {
            "two_tower_generator"
        } else {
            "uniform_generator"
        };
        return needs(key, "electra_objective or electric_objective");
    }
    Ok(())
}

/// Checks the keys that give the generator's size as a fraction of the discriminator's.
fn check_shares(config: &PretrainConfig) -> Result<(), Error> {
    let (whole, part) = (config.discriminator(), config.generator());
    for (key, share, of, size) in [
        (
            "generator_hidden_size",
            config.generator_hidden_size,
            whole.hidden_size,
            part.hidden_size,
        ),
        (
            "generator_layers",
            config.generator_layers,
            whole.num_hidden_layers,
            part.num_hidden_layers,
        ),
    ] {
        if size == 0 {
            let must = format!("a share of {of} that rounds to at least 1 is expected");
            return Err(Error::out_of_range(key, share, must));
        }
    }
    Ok(())
}

fn check_network(config: &PretrainConfig, network: &EncoderConfig, of: &str) -> Result<(), Error> {
    for (key, value) in [
        ("vocab_size", network.vocab_size),
        ("hidden_size", network.hidden_size),
        ("num_hidden_layers", network.num_hidden_layers),
        ("num_attention_heads", network.num_attention_heads),
        ("intermediate_size", network.intermediate_size),
    ] {
        let key = format!("{of}{key}");
        if value == 0 {
            return Err(Error::out_of_range(&key, value, "must be at least 1"));
        }
        if value >= MOST {
            return Err(Error::out_of_range(&key, value, "is beyond any memory"));
        }
    }
    if let Some(activation) = &config.model_hparam_overrides.hidden_act
        && activation != "gelu"
    {
        let key = "model_hparam_overrides.hidden_act";
        return Err(Error::out_of_range(
            key,
            activation,
            "this engine has only \"gelu\"",
        ));
    }
    if !network
        .hidden_size
        .is_multiple_of(network.num_attention_heads)
    {
        return Err(Error::out_of_range(
            &format!("{of}num_attention_heads"),
            network.num_attention_heads,
            format!(
                "must divide the width of the layers, {}",
                network.hidden_size
            ),
        ));
    }
    if network.type_vocab_size < 2 {
        return Err(Error::out_of_range(
            &format!("{of}type_vocab_size"),
            network.type_vocab_size,
            "must be at least 2: an example has two segments",
        ));
    }
    for (key, value) in [
        ("hidden_dropout_prob", network.hidden_dropout_prob),
        (
            "attention_probs_dropout_prob",
            network.attention_probs_dropout_prob,
        ),
    ] {
        if !(0.0..1.0).contains(&value) {
            let key = format!("{of}{key}");
            return Err(Error::out_of_range(
                &key,
                value,
                "must be from 0 to below 1",
            ));
        }
    }
    if config.max_seq_length > network.max_position_embeddings {
        return Err(Error::out_of_range(
            "max_seq_length",
            config.max_seq_length,
            format!(
                "must be at most max_position_embeddings, {}",
                network.max_position_embeddings
            ),
        ));
    }
    Ok(())
}

//! Checks that the encoder's shape is possible and meets the run's requirements.

use super::most::check_most;
use crate::config::{error::Error, table::Config};

pub(super) fn check_encoder(config: &Config) -> Result<(), Error> {
    let overrides = &config.model_hparam_overrides;
    if let Some(activation) = &overrides.hidden_act
        && activation != "gelu"
    {
        return Err(Error::out_of_range(
            "model_hparam_overrides.hidden_act",
            activation,
            "this engine has only \"gelu\", which all released models use",
        ));
    }
    let encoder = config.encoder();
    for (key, value) in [
        ("vocab_size", encoder.vocab_size),
        ("hidden_size", encoder.hidden_size),
        ("num_hidden_layers", encoder.num_hidden_layers),
        ("num_attention_heads", encoder.num_attention_heads),
        ("intermediate_size", encoder.intermediate_size),
        ("max_position_embeddings", encoder.max_position_embeddings),
    ] {
        let key = format!("model_hparam_overrides.{key}");
        if value == 0 {
            return Err(Error::out_of_range(&key, value, "must be at least 1"));
        }
        check_most(&key, value)?;
    }
    check_most(
        "model_hparam_overrides.type_vocab_size",
        encoder.type_vocab_size,
    )?;
    if encoder.type_vocab_size < 2 {
        return Err(Error::out_of_range(
            "model_hparam_overrides.type_vocab_size",
            encoder.type_vocab_size,
            "must be at least 2: question and passage are two segments",
        ));
    }
    for (key, value) in [
        ("hidden_dropout_prob", encoder.hidden_dropout_prob),
        (
            "attention_probs_dropout_prob",
            encoder.attention_probs_dropout_prob,
        ),
    ] {
        if !(0.0..1.0).contains(&value) {
            let key = format!("model_hparam_overrides.{key}");
            return Err(Error::out_of_range(
                &key,
                value,
                "must be from 0 to below 1",
            ));
        }
    }
    if !(encoder.layer_norm_eps > 0.0 && encoder.layer_norm_eps < 1.0) {
        return Err(Error::out_of_range(
            "model_hparam_overrides.layer_norm_eps",
            encoder.layer_norm_eps,
            "must be above 0 and below 1",
        ));
    }
    if encoder.initializer_range < 0.0 {
        return Err(Error::out_of_range(
            "model_hparam_overrides.initializer_range",
            encoder.initializer_range,
            "must not be negative",
        ));
    }
    let (hidden, heads) = (encoder.hidden_size, encoder.num_attention_heads);
    if hidden % heads != 0 {
        return Err(Error::out_of_range(
            "model_hparam_overrides.hidden_size",
            hidden,
            format!("must be a multiple of the number of attention heads, {heads}"),
        ));
    }
    let positions = encoder.max_position_embeddings;
    // [CLS], [SEP], [SEP], a token of the question and one of the passage.
    if !(5..=positions).contains(&config.max_seq_length) {
        return Err(Error::out_of_range(
            "max_seq_length",
            config.max_seq_length,
            format!(
                "must be from 5 to {positions}, the positions that the model has \
                 (max_position_embeddings)"
            ),
        ));
    }
    if let Some(layers) = config.trainable_layers
        && layers > encoder.num_hidden_layers
    {
        return Err(Error::out_of_range(
            "trainable_layers",
            layers,
            format!(
                "the model has {} layers; null trains all of them and the embeddings",
                encoder.num_hidden_layers
            ),
        ));
    }
    Ok(())
}

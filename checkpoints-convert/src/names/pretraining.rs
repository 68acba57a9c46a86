//! Names of what pre-training alone has, by one rule for all sizes: a TensorFlow variable enters, the
//! path of its parameter leaves (`run_pretraining.py`).

use super::{
    EMBEDDINGS, LAYER, PROJECTION,
    Row::{self, Dense, Norm, Table},
};

/// Scopes of networks; but for the first they may share its embeddings.
const NETWORKS: [&str; 4] = ["electra", "generator", "generator_ltr", "generator_rtl"];

/// Heads that guess tokens.
const TOKEN_HEADS: [&str; 2] = ["generator_predictions", "cloze_predictions"];

const DISCRIMINATOR_HEAD: &str = "discriminator_predictions";

/// The path of the parameter that a variable fills in a model that is pre-trained; `None` for one that
/// fills none.
pub fn pretraining_path(variable: &str) -> Option<String> {
    let (scope, rest) = variable.split_once('/')?;
    if NETWORKS.contains(&scope) {
        return Some(format!("{scope}.{}", in_network(scope, rest)?));
    }
    let own = match rest.rsplit_once('/') {
        None if rest == "output_bias" && TOKEN_HEADS.contains(&scope) => rest.to_owned(),
        Some(("LayerNorm", part @ ("gamma" | "beta"))) if TOKEN_HEADS.contains(&scope) => {
            format!("layer_norm.{part}")
        }
        Some((layer, part)) => {
            let is_own = match layer {
                "dense" => TOKEN_HEADS.contains(&scope) || scope == DISCRIMINATOR_HEAD,
                "dense_1" => scope == DISCRIMINATOR_HEAD,
                _ => false,
            };
            format!("{}.{}", Some(layer).filter(|_| is_own)?, of_dense(part)?)
        }
        None => return None,
    };
    Some(format!("{scope}.{own}"))
}

fn in_network(scope: &str, rest: &str) -> Option<String> {
    if let Some(layers) = rest.strip_prefix("encoder/layer_") {
        let (number, rest) = layers.split_once('/')?;
        let is_number = !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit());
        let path = in_rows(&LAYER, rest).filter(|_| is_number)?;
        return Some(format!("layers.{number}.{path}"));
    }
    let path = in_rows(&EMBEDDINGS, rest).or_else(|| in_rows(&PROJECTION, rest))?;
    // A generator projects embeddings that are not its own.
    match path.strip_prefix("embeddings.project.") {
        Some(part) if scope != "electra" => Some(format!("project.{part}")),
        _ => Some(path),
    }
}

fn in_rows(rows: &[Row], variable: &str) -> Option<String> {
    rows.iter().find_map(|row| match *row {
        Table(name, path, _) => (variable == name).then(|| path.to_owned()),
        Norm(name, path, _) => {
            let part = variable.strip_prefix(name)?.strip_prefix('/')?;
            matches!(part, "gamma" | "beta").then(|| format!("{path}.{part}"))
        }
        Dense(name, path, _) => {
            let part = variable.strip_prefix(name)?.strip_prefix('/')?;
            Some(format!("{path}.{}", of_dense(part)?))
        }
    })
}

fn of_dense(part: &str) -> Option<&'static str> {
    match part {
        "kernel" => Some("weight"),
        "bias" => Some("bias"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_pre_training_has_a_path() {
        for (variable, path) in [
            (
                "generator/encoder/layer_11/attention/self/query/kernel",
                "generator.layers.11.attention.query.weight",
            ),
            (
                "generator/embeddings_project/bias",
                "generator.project.bias",
            ),
            (
                "electra/embeddings_project/kernel",
                "electra.embeddings.project.weight",
            ),
            (
                "generator_rtl/embeddings/LayerNorm/gamma",
                "generator_rtl.embeddings.layer_norm.gamma",
            ),
            (
                "generator_predictions/output_bias",
                "generator_predictions.output_bias",
            ),
            (
                "cloze_predictions/LayerNorm/beta",
                "cloze_predictions.layer_norm.beta",
            ),
            (
                "discriminator_predictions/dense_1/kernel",
                "discriminator_predictions.dense_1.weight",
            ),
        ] {
            assert_eq!(pretraining_path(variable).as_deref(), Some(path));
        }
        for other in [
            "global_step",
            "generator/encoder/layer_x/output/dense/bias",
            "generator/encoder/layer_0/output/dense/bias/adam_m",
            "generator_predictions/dense_1/bias",
            "discriminator_predictions/output_bias",
            "task_specific/rte/dense/kernel",
        ] {
            assert_eq!(pretraining_path(other), None, "{other}");
        }
    }

    #[test]
    fn the_encoder_s_paths_are_those_of_its_table() {
        let config = super::super::tests::config(4, crate::HeadShape::dense(2));
        for parameter in super::super::encoder_parameters(&config) {
            assert_eq!(
                pretraining_path(&parameter.variable),
                Some(parameter.path.clone())
            );
        }
    }
}

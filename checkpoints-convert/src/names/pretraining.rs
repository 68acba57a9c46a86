//! Names of what pre-training alone has, by one rule for all sizes: a TensorFlow variable enters, the
//! path of its parameter leaves (`run_pretraining.py`).

use super::{
    EMBEDDINGS, LAYER, List, PROJECTION, Parameter,
    Row::{self, Dense, Norm, Table, Vector},
    Size::{Embedding, Hidden, One, TwoHidden, Vocabulary},
};
use crate::config::ModelShape;

/// A generator of its own, and the two towers. They may share the embeddings of `electra`.
pub(crate) const GENERATOR: &str = "generator";
pub(crate) const TOWERS: [&str; 2] = ["generator_ltr", "generator_rtl"];

/// The head that guesses masked tokens, and that of two towers.
pub(crate) const TOKEN_HEAD: &str = "generator_predictions";
pub(crate) const CLOZE_HEAD: &str = "cloze_predictions";

pub(crate) const DISCRIMINATOR_HEAD: &str = "discriminator_predictions";

/// Scopes of networks.
const NETWORKS: [&str; 4] = ["electra", GENERATOR, TOWERS[0], TOWERS[1]];

/// Heads that guess tokens.
const TOKEN_HEADS: [&str; 2] = [TOKEN_HEAD, CLOZE_HEAD];

/// Where embeddings are shared and have another width than the layers.
const OWN_PROJECTION: Row = Dense("embeddings_project", "project", [Embedding, Hidden]);

/// The parameters of the generator of this name and shape, without the embeddings that it shares.
pub(crate) fn generator_parameters(
    name: &str,
    model: &ModelShape,
    has_embeddings: bool,
) -> Vec<Parameter> {
    let mut list = List::new(model);
    let (variable, path) = (format!("{name}/"), format!("{name}."));
    if has_embeddings {
        list.rows(&EMBEDDINGS, &variable, &path);
    } else if model.is_projected() {
        list.rows(&[OWN_PROJECTION], &variable, &path);
    }
    list.layers(name);
    list.parameters
}

/// The parameters of the head of this name that guesses tokens, on layers and a word table of this shape.
pub(crate) fn token_head_parameters(name: &str, model: &ModelShape) -> Vec<Parameter> {
    let states = if name == CLOZE_HEAD {
        TwoHidden
    } else {
        Hidden
    };
    let rows = [
        Dense("dense", "dense", [states, Embedding]),
        Norm("LayerNorm", "layer_norm", Embedding),
        Vector("output_bias", "output_bias", Vocabulary),
    ];
    let mut list = List::new(model);
    list.rows(&rows, &format!("{name}/"), &format!("{name}."));
    list.parameters
}

/// The parameters of the discriminator's head.
pub(crate) fn discriminator_head_parameters(model: &ModelShape) -> Vec<Parameter> {
    let rows = [
        Dense("dense", "dense", [Hidden, Hidden]),
        Dense("dense_1", "dense_1", [Hidden, One]),
    ];
    let mut list = List::new(model);
    let (variable, path) = (
        format!("{DISCRIMINATOR_HEAD}/"),
        format!("{DISCRIMINATOR_HEAD}."),
    );
    list.rows(&rows, &variable, &path);
    list.parameters
}

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
        Vector(name, path, _) => (variable == name).then(|| path.to_owned()),
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
    fn the_lists_of_parameters_have_the_variables_paths() {
        let config = super::super::tests::config(4, crate::HeadShape::dense(2));
        let model = &config.model;
        // Embeddings of 4, layers of 8: two of them with 16 tensors each.
        let mut all = generator_parameters(GENERATOR, model, false);
        assert_eq!(all.len(), 2 + 2 * 16);
        let untied = ModelShape {
            embedding_size: 8,
            ..model.clone()
        };
        let tower = generator_parameters(TOWERS[1], &untied, true);
        assert_eq!(tower.len(), 5 + 2 * 16);
        all.extend(tower);
        for head in TOKEN_HEADS {
            all.extend(token_head_parameters(head, model));
        }
        all.extend(discriminator_head_parameters(model));
        assert_eq!(all.len(), 34 + 37 + 2 * 5 + 4);
        for parameter in &all {
            let path = pretraining_path(&parameter.variable);
            assert_eq!(path.as_deref(), Some(parameter.path.as_str()));
        }
        let shape = |variable: &str| {
            let found = all.iter().find(|p| p.variable == variable);
            found.map(|p| p.shape.clone()).unwrap()
        };
        assert_eq!(shape("generator/embeddings_project/kernel"), [4, 8]);
        assert_eq!(shape("generator_predictions/dense/kernel"), [8, 4]);
        assert_eq!(shape("generator_predictions/output_bias"), [100]);
        assert_eq!(shape("cloze_predictions/dense/kernel"), [16, 4]);
        assert_eq!(shape("discriminator_predictions/dense_1/kernel"), [8, 1]);
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

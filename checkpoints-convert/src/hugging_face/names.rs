//! Maps the names of Hugging Face's ELECTRA classes to the reference's variables:
//! `electra.encoder.layer.0.output.dense.weight` is `electra/encoder/layer_0/output/dense/kernel`.
//! Follows `transformers/models/electra/modeling_electra.py`. `ElectraModel` saves its tensors
//! without the prefix `electra.`, and old files call a norm's parameters `gamma` and `beta`.

use super::class::{Class, is_of_two_layers};

const PREFIX: &str = "electra.";

/// Returns the reference's name of a tensor; `None` if the reference's encoder has no such
/// variable.
pub(crate) fn reference(name: &str) -> Option<String> {
    let inside = name.strip_prefix(PREFIX).unwrap_or(name);
    let (module, part) = inside.rsplit_once('.')?;
    let scope = match module.strip_prefix("encoder.layer.") {
        Some(rest) => {
            let (layer, module) = rest.split_once('.')?;
            let number: u16 = layer.parse().ok()?;
            // Rejects forms such as `07`.
            if number.to_string() != layer {
                return None;
            }
            format!("encoder/layer_{layer}/{}", module.replace('.', "/"))
        }
        None if module == "embeddings_project" || module.starts_with("embeddings.") => {
            module.replace('.', "/")
        }
        None => return None,
    };
    if module.contains('/') {
        return None;
    }
    let variable = match (Kind::of(&scope), part) {
        (Kind::Norm, "weight" | "gamma") => format!("{scope}/gamma"),
        (Kind::Norm, "bias" | "beta") => format!("{scope}/beta"),
        (Kind::Embeddings, "weight") => scope,
        (Kind::Dense, "weight") => format!("{scope}/kernel"),
        (Kind::Dense, "bias") => format!("{scope}/bias"),
        _ => return None,
    };
    Some(format!("electra/{variable}"))
}

/// Weight of the last layer of a text head.
pub(super) const LAST_OF_TEXTS: &str = "classifier.out_proj.weight";
/// Weight of the only layer of a word head.
const LAST_OF_WORDS: &str = "classifier.weight";

/// Returns the name of the weight of the head's last layer, which has a row for each label.
pub(super) fn last(class: Class) -> &'static str {
    match class {
        Class::Questions => "qa_outputs.weight",
        Class::Texts => LAST_OF_TEXTS,
        Class::Words => LAST_OF_WORDS,
    }
}

/// Returns the reference's name of a tensor of the head of `task` in a model of texts or of words.
/// The reference has no text head like this, so its variables have names of our own.
pub(super) fn head_reference(name: &str, task: &str, class: Class) -> Option<String> {
    let (layer, part) = name.rsplit_once('.')?;
    let variable = match (class, layer) {
        (Class::Texts, "classifier.dense" | "classifier.out_proj") => layer.replace('.', "/"),
        (Class::Words, "classifier") => "dense".into(),
        _ => return None,
    };
    let part = match part {
        "weight" => "kernel",
        "bias" => "bias",
        _ => return None,
    };
    Some(format!("task_specific/{task}/{variable}/{part}"))
}

/// Returns the name that `ElectraForPreTraining` and similar classes give the reference's variable.
pub(crate) fn name(reference: &str) -> String {
    if let Some(name) = head_name(reference).or_else(|| pretraining_name(reference)) {
        return name;
    }
    let path = match reference.strip_prefix("electra/encoder/layer_") {
        Some(rest) => format!("electra/encoder/layer/{rest}"),
        None => reference.to_owned(),
    };
    let renamed = match path.rsplit_once('/') {
        Some((scope, "kernel" | "gamma")) => format!("{scope}/weight"),
        Some((scope, "beta")) => format!("{scope}/bias"),
        _ if Kind::of(&path) == Kind::Embeddings => format!("{path}/weight"),
        _ => path,
    };
    renamed.replace('/', ".")
}

/// Returns the name of a head's variable; a model has only one head.
fn head_name(reference: &str) -> Option<String> {
    let (_task, variable) = reference.strip_prefix("task_specific/")?.split_once('/')?;
    let (layer, part) = variable.rsplit_once('/')?;
    let part = match part {
        "kernel" => "weight",
        "bias" => "bias",
        _ => return None,
    };
    Some(match layer {
        "dense_1" => format!("qa_outputs.{part}[1]"),
        "classifier/dense" | "classifier/out_proj" => format!("{}.{part}", layer.replace('/', ".")),
        _ => format!("classifier.{part}"),
    })
}

/// The name of a variable of a head of pre-training where the two do not name the layer alike.
fn pretraining_name(reference: &str) -> Option<String> {
    Some(match reference {
        "generator_predictions/output_bias" => "generator_lm_head.bias".into(),
        "discriminator_predictions/dense_1/kernel" => {
            "discriminator_predictions.dense_prediction.weight".into()
        }
        "discriminator_predictions/dense_1/bias" => {
            "discriminator_predictions.dense_prediction.bias".into()
        }
        _ => return None,
    })
}

/// Why a tensor that no parameter takes is left out, by its name; `None` for an unknown one.
pub(crate) fn reason(name: &str) -> Option<&'static str> {
    let first = name.split('.').next().unwrap_or_default();
    match first {
        _ if name.ends_with("embeddings.position_ids") => {
            Some("the numbers 0, 1, 2, …: not a weight")
        }
        "discriminator_predictions" => {
            Some("pre-training head: fine-tuning puts a task's head in its place")
        }
        "generator_predictions" | "generator_lm_head" => {
            Some("the generator's head: only pre-training uses it")
        }
        "qa_outputs" => Some(
            "a plain head of another make than the start and the end of an ElectraForQuestionAnswering",
        ),
        "classifier" if is_of_two_layers(name) => Some(
            "a classifier of another make than that of an ElectraForSequenceClassification with one label",
        ),
        "classifier" | "sequence_summary" => Some("the head of another task"),
        _ => None,
    }
}

#[derive(PartialEq, Eq)]
enum Kind {
    Embeddings,
    Norm,
    Dense,
}

impl Kind {
    /// Returns the kind of the module with this scope.
    fn of(scope: &str) -> Self {
        match scope.rsplit('/').next() {
            Some("LayerNorm") => Self::Norm,
            Some(last) if last.ends_with("_embeddings") => Self::Embeddings,
            _ => Self::Dense,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::encoder_parameters;
    use crate::names::tests::{config, head};

    #[test]
    fn every_variable_of_the_encoder_goes_there_and_back() {
        let parameters = encoder_parameters(&config(4, head(true, true, true)));
        assert_eq!(parameters.len(), 5 + 2 + 2 * 16);
        for parameter in parameters {
            let name = name(&parameter.variable);
            assert!(name.starts_with(PREFIX), "{name}");
            for name in [name.as_str(), &name[PREFIX.len()..]] {
                let back = reference(name);
                assert_eq!(back.as_ref(), Some(&parameter.variable), "{name}");
            }
        }
    }

    #[test]
    fn names_are_those_of_the_released_models() {
        let cases = [
            (
                "electra/embeddings/word_embeddings",
                "electra.embeddings.word_embeddings.weight",
            ),
            (
                "electra/embeddings/LayerNorm/gamma",
                "electra.embeddings.LayerNorm.weight",
            ),
            (
                "electra/embeddings_project/kernel",
                "electra.embeddings_project.weight",
            ),
            (
                "electra/encoder/layer_11/attention/self/query/bias",
                "electra.encoder.layer.11.attention.self.query.bias",
            ),
            (
                "electra/encoder/layer_0/attention/output/LayerNorm/beta",
                "electra.encoder.layer.0.attention.output.LayerNorm.bias",
            ),
        ];
        for (variable, expected) in cases {
            assert_eq!(name(variable), expected);
            assert_eq!(reference(expected).as_deref(), Some(variable));
        }
        assert_eq!(
            reference("electra.embeddings.LayerNorm.gamma").as_deref(),
            Some("electra/embeddings/LayerNorm/gamma")
        );
    }

    #[test]
    fn heads_of_pre_training_have_the_names_of_their_classes() {
        for (variable, expected) in [
            (
                "discriminator_predictions/dense/kernel",
                "discriminator_predictions.dense.weight",
            ),
            (
                "discriminator_predictions/dense_1/kernel",
                "discriminator_predictions.dense_prediction.weight",
            ),
            (
                "discriminator_predictions/dense_1/bias",
                "discriminator_predictions.dense_prediction.bias",
            ),
            (
                "generator_predictions/dense/bias",
                "generator_predictions.dense.bias",
            ),
            (
                "generator_predictions/LayerNorm/gamma",
                "generator_predictions.LayerNorm.weight",
            ),
            (
                "generator_predictions/LayerNorm/beta",
                "generator_predictions.LayerNorm.bias",
            ),
            (
                "generator_predictions/output_bias",
                "generator_lm_head.bias",
            ),
        ] {
            assert_eq!(name(variable), expected);
            assert!(reason(expected).is_some(), "{expected}");
        }
    }

    #[test]
    fn a_tagging_head_is_the_classifier() {
        for (name, variable) in [
            ("classifier.weight", "task_specific/ner/dense/kernel"),
            ("classifier.bias", "task_specific/ner/dense/bias"),
        ] {
            let found = head_reference(name, "ner", Class::Words);
            assert_eq!(found.as_deref(), Some(variable));
            assert_eq!(super::name(variable), name);
            assert_eq!(reference(name), None);
        }
        let other = "classifier.dense.weight";
        assert_eq!(head_reference(other, "ner", Class::Words), None);
        assert!(reason(other).unwrap().contains("of another make"));
        assert_eq!(reason("classifier.bias"), Some("the head of another task"));
    }

    #[test]
    fn a_head_of_texts_has_two_layers() {
        for (name, variable) in [
            (
                "classifier.dense.weight",
                "task_specific/t/classifier/dense/kernel",
            ),
            (
                "classifier.out_proj.bias",
                "task_specific/t/classifier/out_proj/bias",
            ),
        ] {
            let found = head_reference(name, "t", Class::Texts);
            assert_eq!(found.as_deref(), Some(variable));
            assert_eq!(super::name(variable), name);
        }
        for other in ["classifier.weight", "classifier.dense.kernel", "classifier"] {
            assert_eq!(head_reference(other, "t", Class::Texts), None);
        }
    }

    #[test]
    fn other_names_stand_for_nothing() {
        for name in [
            "",
            "weight",
            "qa_outputs.weight",
            "electra.pooler.dense.weight",
            "electra.encoder.layer.07.output.dense.weight",
            "electra.encoder.layer.0.output.LayerNorm.kernel",
            "electra.embeddings.word_embeddings.bias",
            "electra.embeddings.position_ids",
            "embeddings.a/b.weight",
        ] {
            assert_eq!(reference(name), None, "{name}");
        }
        for name in [
            "electra.embeddings.position_ids",
            "discriminator_predictions.dense.weight",
            "generator_lm_head.weight",
            "qa_outputs.bias",
            "classifier.out_proj.weight",
        ] {
            assert!(reason(name).is_some(), "{name}");
        }
        assert_eq!(reason("electra.pooler.dense.weight"), None);
    }
}

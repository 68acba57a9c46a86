//! States why a variable that no parameter takes is left out, for `conversion.json`.

use super::{CLOZE_HEAD, DISCRIMINATOR_HEAD, GENERATOR, TOKEN_HEAD, TOWERS};

/// Of a task's variable that no head of the record takes.
pub(crate) const NO_QA_HEAD: &str = "not part of a question-answering head";

/// Returns why a variable with this name is left out if no parameter takes it; `None` for a name
/// that this crate does not know.
pub(crate) fn reason(variable: &str) -> Option<&'static str> {
    let last = variable.rsplit('/').next().unwrap_or_default();
    // The slots of ELECTRA's own Adam, those of TensorFlow's, and the loss scale's state.
    if matches!(last, "adam_m" | "adam_v" | "Adam" | "Adam_1")
        || matches!(
            variable,
            "beta1_power" | "beta2_power" | "current_loss_scale" | "good_steps" | "loss_scale"
        )
    {
        Some("optimiser state: a new run starts with its own")
    } else if variable == "global_step" {
        Some("step counter of the run that wrote the checkpoint")
    } else if [GENERATOR, TOWERS[0], TOWERS[1], TOKEN_HEAD, CLOZE_HEAD]
        .iter()
        .any(|scope| is_inside(variable, scope))
    {
        Some("generator: kept apart, only pre-training uses it")
    } else if is_inside(variable, DISCRIMINATOR_HEAD) {
        Some("pre-training head: fine-tuning puts a task's head in its place")
    } else if variable.starts_with("task_specific/") {
        Some(NO_QA_HEAD)
    } else {
        None
    }
}

fn is_inside(variable: &str, scope: &str) -> bool {
    variable
        .strip_prefix(scope)
        .is_some_and(|rest| rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_known_by_name() {
        let cases = [
            (
                "electra/encoder/layer_0/output/dense/kernel/adam_m",
                "optimiser",
            ),
            (
                "generator/encoder/layer_0/output/dense/kernel/adam_v",
                "optimiser",
            ),
            ("generator/embeddings_project/bias", "generator"),
            ("generator_predictions/output_bias", "generator"),
            (
                "generator_rtl/encoder/layer_0/output/dense/bias",
                "generator",
            ),
            ("cloze_predictions/output_bias", "generator"),
            ("discriminator_predictions/dense/bias", "pre-training head"),
            ("global_step", "step counter"),
            ("task_specific/mnli/dense/bias", "not part of"),
        ];
        for (variable, start) in cases {
            assert!(
                reason(variable).is_some_and(|r| r.starts_with(start)),
                "{variable}"
            );
        }
        assert_eq!(reason("electra/pooler/dense/kernel"), None);
        assert_eq!(reason("generators/x"), None);
    }
}

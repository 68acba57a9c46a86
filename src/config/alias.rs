//! Maps names of Hugging Face's `run_qa.py` and `TrainingArguments` to the hyper-parameters or
//! flags that replace them here, for users who know those.

/// Their name, and the equivalent here.
const ALIASES: &[(&str, &str)] = &[
    ("per_device_train_batch_size", "train_batch_size"),
    ("per_gpu_train_batch_size", "train_batch_size"),
    ("per_device_eval_batch_size", "predict_batch_size"),
    ("per_gpu_eval_batch_size", "predict_batch_size"),
    ("batch_size", "train_batch_size"),
    (
        "gradient_accumulation_steps",
        "micro_batch_size here: train_batch_size stays the whole batch, of which micro_batch_size \
         features are computed at once (train_batch_size / steps of accumulation)",
    ),
    ("max_length", "max_seq_length"),
    ("max_seq_len", "max_seq_length"),
    ("model_max_length", "max_seq_length"),
    ("num_epochs", "num_train_epochs"),
    ("warmup_ratio", "warmup_proportion"),
    (
        "warmup_steps",
        "warmup_proportion here, a share of all steps",
    ),
    ("weight_decay", "weight_decay_rate"),
    ("lr", "learning_rate"),
    ("output_dir", "model_dir (and results_txt for the figures)"),
    ("overwrite_output_dir", "the flag --restart here"),
    (
        "resume_from_checkpoint",
        "not needed here: repeat the command to resume the run",
    ),
    (
        "model_name_or_path",
        "init_checkpoint, or the flag --model-name",
    ),
    (
        "train_file",
        "finetuning_data/TASK/train.json below --data-dir here (raw_data_dir)",
    ),
    (
        "validation_file",
        "finetuning_data/TASK/dev.json below --data-dir here (raw_data_dir)",
    ),
    ("dataset_name", "task_names"),
    ("fp16", "the flag --precision f16 here"),
    (
        "bf16",
        "the flag --precision here: f16 on a GPU, bf16 on a CPU",
    ),
    ("save_steps", "save_checkpoints_steps"),
    ("save_total_limit", "max_save"),
    ("logging_steps", "log_every"),
    ("eval_steps", "eval_every"),
    ("eval_strategy", "eval_every (steps, or \"epoch\")"),
    ("evaluation_strategy", "eval_every (steps, or \"epoch\")"),
    ("metric_for_best_model", "keep_best"),
    (
        "load_best_model_at_end",
        "keep_best, the metric that decides",
    ),
    ("early_stopping_patience", "patience"),
    ("do_predict", "write_test_outputs"),
    (
        "version_2_with_negative",
        "the task squad here; squadv1 has an answer to every question",
    ),
    (
        "null_score_diff_threshold",
        "qa_na_threshold, with the same sign but on another scale: let electra calibrate choose it",
    ),
    ("group_by_length", "length_bucketing"),
    ("max_train_samples", "max_train_examples"),
    ("max_eval_samples", "max_eval_examples"),
    ("max_val_samples", "max_eval_examples"),
    ("task_name", "task_names, where sst2 is sst and stsb is sts"),
    (
        "test_file",
        "finetuning_data/TASK/test.json below --data-dir here, with write_test_outputs",
    ),
    ("tokenizer_name", "vocab_file"),
    (
        "lr_scheduler_type",
        "lr_schedule: linear, cosine or constant, each with warmup_proportion",
    ),
    ("label_smoothing_factor", "label_smoothing"),
    (
        "max_steps",
        "num_train_epochs here, which determines the number of steps",
    ),
    (
        "max_grad_norm",
        "not needed here: gradients are clipped at a norm of 1, as in Google's code",
    ),
    (
        "greater_is_better",
        "not needed here: lower is better for loss and mse, higher for other metrics",
    ),
    ("save_strategy", "save_checkpoints_steps"),
    (
        "pad_to_max_length",
        "not needed here: padding is never computed",
    ),
    (
        "report_to",
        "not needed here: TensorBoard files are always written",
    ),
    ("num_layers", "model_hparam_overrides.num_hidden_layers"),
    (
        "attention_dropout",
        "model_hparam_overrides.attention_probs_dropout_prob",
    ),
    ("dropout", "model_hparam_overrides.hidden_dropout_prob"),
];

/// Returns the equivalent of a Hugging Face key; dashes and underscores are interchangeable.
pub fn of(key: &str) -> Option<&'static str> {
    let key = key.replace('-', "_");
    let found = ALIASES.iter().find(|(theirs, _)| *theirs == key);
    found.map(|(_, ours)| *ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::hparam;

    #[test]
    fn every_alias_leads_to_a_key_or_a_flag() {
        for (theirs, ours) in ALIASES {
            assert_eq!(hparam::decides(theirs), None, "{theirs} is a key itself");
            let first = ours.split([' ', ',', '(', ':']).next().unwrap();
            let is_key = hparam::list().iter().any(|row| row.key == first);
            assert!(is_key || ours.contains("here"), "{theirs}: {ours}");
        }
        assert_eq!(of("per-device-train-batch-size"), Some("train_batch_size"));
        assert_eq!(of("learning_rate"), None);
    }
}

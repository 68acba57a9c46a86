//! The table of hyper-parameters: key, type, default, meaning, source and what it decides, each
//! once.
//!
//! The table is the source of [`Config`] and of [`ModelOverrides`]. Defaults and meanings are those of
//! the reference's `configure_finetuning.py` and `BertConfig`. Path defaults are written with
//! `{data_dir}`, `{model}` and `{tasks}`, which [`Config::resolve`] fills in; `{:}` stays for the
//! task, split or trial.

use std::path::PathBuf;

use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{
    choice::{
        GradientCheckpointing, GradientExchange, LrDecayVariant, LrSchedule, ModelSize,
        OptimizerMoments, Precision,
    },
    error::Error,
    eval_every::EvalEvery,
    row::{Decides, Hparam, Source, run_table, table},
    value::HparamValue,
};
use crate::data::split::Split;

/// The key that holds [`ModelOverrides`].
pub const OVERRIDES: &str = "model_hparam_overrides";

run_table! {
    /// Every hyper-parameter of a run, resolved.
    pub struct Config, keys begin with "";

    Reference {
        /// Data folder, with models and task data; given as --data-dir.
        data_dir: PathBuf = PathBuf::new() => Place,
        /// Name of the pre-trained model; given as --model-name.
        model_name: String = String::new() => Place,
        /// Quick run with a small model on small files (`<split>-debug.json`).
        debug: bool = false => Conduct,
        /// Whether to print the first training examples as the model reads them.
        log_examples: bool = false => Conduct,
        /// Number of trials: how many times to train and evaluate.
        num_trials: usize = 1 => Conduct,
        /// Whether to train.
        do_train: bool = true => Conduct,
        /// Whether to evaluate.
        do_eval: bool = true => Conduct,
        /// Whether to keep the models of all trials, not only the last one's.
        keep_all_models: bool = true => Conduct,
        /// Size of the pre-trained model, which sets the defaults of learning_rate and
        /// layerwise_lr_decay; if not given, the checkpoint's width decides.
        model_size: ModelSize = ModelSize::Small => Model,
        /// Tasks to train on together: squad, squadv1, newsqa, naturalqs, triviaqa, searchqa; cola, mrpc,
        /// mnli, sst, rte, qnli, qqp, sts; chunk; or your own, described by the task.json in its folder.
        task_names: Vec<String> = vec!["chunk".to_owned()] => Training,
        /// Changes to the encoder's shape that model_size sets.
        model_hparam_overrides: ModelOverrides = ModelOverrides::defaults() => Model,
        /// Width of the embeddings; if not given, the checkpoint's; null: the width of the layers.
        embedding_size: Option<usize> = None => Model,
        /// Number of entries in the vocabulary; if not given, the checkpoint's.
        vocab_size: usize = 30522 => Model,
        /// Whether to lower-case text and strip its accents; if not given, as the checkpoint says.
        do_lower_case: bool = true => Training,
        /// Peak learning rate.
        learning_rate: f64 = 1e-4 => Training,
        /// Weight decay in Adam; layer norms and biases have none.
        weight_decay_rate: f64 = 0.01 => Training,
        /// Factor of the learning rate from each layer to the one below; 0 or less: one rate for all.
        layerwise_lr_decay: f64 = 0.8 => Training,
        /// Number of passes over the training features.
        num_train_epochs: f64 = 3.0 => Training,
        /// Fraction of the steps over which the learning rate rises from 0.
        warmup_proportion: f64 = 0.1 => Training,
        /// Number of steps between checkpoints.
        save_checkpoints_steps: u64 = 1_000_000 => Conduct,
        /// Whether to write predictions for the test files.
        write_test_outputs: bool = false => Conduct,
        /// Number of trials whose test predictions are written.
        n_writes_test: usize = 5 => Conduct,
        /// Maximum tokens per feature, question and special tokens included.
        max_seq_length: usize = 128 => Training,
        /// Features per training step.
        train_batch_size: usize = 32 => Training,
        /// Features per prediction batch.
        predict_batch_size: usize = 32 => Conduct,
        /// Maximum tokens per question; the rest is cut off.
        max_query_length: usize = 64 => Training,
        /// Tokens from the start of one window to the start of the next.
        doc_stride: usize = 128 => Training,
        /// Number of candidate answers to keep per question.
        n_best_size: usize = 20 => Evaluation,
        /// Maximum tokens per answer.
        max_answer_length: usize = 30 => Evaluation,
        /// Whether question-answering tasks also train a classifier for answerability.
        answerable_classifier: bool = true => Training,
        /// Whether the answerable classifier sees the start logits.
        answerable_uses_start_logits: bool = true => Training,
        /// Weight of the answerable classifier's loss.
        answerable_weight: f64 = 0.5 => Training,
        /// Whether the end of an answer is predicted from its start.
        joint_prediction: bool = true => Training,
        /// With joint_prediction: number of starts to consider, and of ends for each.
        beam_size: usize = 20 => Evaluation,
        /// No-answer score (null odds) above which a question has no answer.
        qa_na_threshold: f64 = -2.75 => Evaluation,
        /// Whether mrpc and sts are trained on both orders of each pair of texts.
        double_unordered: bool = true => Conduct,
        /// Folder of the pre-trained model; null (the default with debug): start from random weights.
        init_checkpoint: Option<PathBuf> = Some("{data_dir}/models/{model}".into()) => Place,
        /// Vocabulary file, one token per line; if not given, the checkpoint's own, else this, else
        /// {data_dir}/vocab.txt.
        vocab_file: PathBuf = "{data_dir}/models/{model}/vocab.txt".into() => Place,
        /// Folder of a task's data files.
        raw_data_dir: PathBuf = "{data_dir}/finetuning_data/{:}".into() => Place,
        /// Folder of the fine-tuned model, to which "_" and the trial's number are added.
        model_dir: PathBuf =
            "{data_dir}/models/{model}/finetuning_models/{tasks}_model".into() => Place,
        /// File for the results as text; the results as JSON go next to it.
        results_txt: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_results.txt".into() => Place,
        /// File for a task's metrics.
        qa_eval_file: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_qa/{:}_eval.json".into() => Place,
        /// File for a task's answers; the n-best lists go next to it.
        qa_preds_file: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_qa/{:}_preds.json".into() => Place,
        /// File for a task's no-answer scores (null odds).
        qa_na_file: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_qa/{:}_null_odds.json".into() => Place,
        /// File for test predictions, by task, split and trial.
        test_predictions: PathBuf =
            "{data_dir}/models/{model}/test_predictions/{:}_{:}_{:}_predictions.json".into()
                => Place,
    }

    Engine {
        /// Whether to strip accents; null: as the checkpoint says, else only if text is lower-cased.
        strip_accents: Option<bool> = None => Training,
        /// Whether each CJK ideograph is a separate word; if not given, as the checkpoint says.
        tokenize_chinese_chars: bool = true => Training,
        /// Random seed of shuffling, dropout and new weights; trial t uses seed + t - 1.
        seed: u64 = 1 => Training,
        /// Whether to shuffle the training features; false: keep the order of the files.
        shuffle: bool = true => Training,
        /// Features computed at once, with gradients accumulated; null: chosen to fit the device's memory.
        micro_batch_size: Option<usize> = None => Conduct,
        /// Whether to recompute activations in the backward pass to save memory.
        gradient_checkpointing: GradientCheckpointing = GradientCheckpointing::Auto => Conduct,
        /// Number format of matrix products.
        precision: Precision = Precision::Auto => Training,
        /// Number of layers to train, from the top, besides the head; null: all, and the embeddings.
        trainable_layers: Option<usize> = None => Training,
        /// Whether to group features of similar length, which changes which features share a batch.
        length_bucketing: bool = false => Training,
        /// Number of checkpoints to keep.
        max_save: usize = 5 => Conduct,
        /// Seconds between checkpoints.
        save_checkpoints_secs: u64 = 600 => Conduct,
        /// Number of steps between lines of the training log.
        log_every: u64 = 1 => Conduct,
        /// Power of layerwise_lr_decay at the top layer: 2 if released, as in Google's code; 1 if paper.
        lr_decay_variant: LrDecayVariant = LrDecayVariant::Released => Training,
        /// How the learning rate decays over all steps, warm-up included.
        lr_schedule: LrSchedule = LrSchedule::Linear => Training,
        /// Fraction of a label to spread over all classes or tags in the loss, from 0 to below 1.
        label_smoothing: f64 = 0.0 => Training,
        /// Number format that Adam's moments are stored in; bf16 takes half the memory, 8bit a third.
        optimizer_moments: OptimizerMoments = OptimizerMoments::F32 => Training,
        /// Number format in which several ranks (mpirun) exchange gradients; bf16 takes half the bytes.
        gradient_exchange: GradientExchange = GradientExchange::F32 => Training,
        /// Whether to store the no-answer threshold with the best F1 on the dev file with the model, as
        /// qa_na_threshold.
        calibrate: bool = false => Evaluation,
        /// Maximum number of training examples (questions, rows or sentences), the first of the file;
        /// null: all.
        max_train_examples: Option<usize> = None => Conduct,
        /// Maximum number of examples to evaluate, the first of the dev file; null: all.
        max_eval_examples: Option<usize> = None => Conduct,
        /// How often to evaluate during training: a number of steps, or "epoch"; null: only at the end.
        eval_every: Option<EvalEvery> = None => BestWeights,
        /// Maximum number of examples in the evaluations of eval_every, the first of the dev file; null: all.
        eval_max_examples: Option<usize> = None => Conduct,
        /// Metric of the evaluations of eval_every, such as "f1" or "rte.accuracy", whose best weights become
        /// the model; null: the last weights do.
        keep_best: Option<String> = None => BestWeights,
        /// Number of evaluations without a better keep_best metric after which training stops; null: never.
        patience: Option<usize> = None => BestWeights,
    }

    NoEffect {
        /// Features per evaluation batch; not used, since predictions use predict_batch_size, as in Google's
        /// code.
        eval_batch_size: usize = 32 => Conduct,
        /// Number of steps that a TPU runs on its own.
        iterations_per_loop: u64 = 1000 => Conduct,
        /// Whether to reuse the feature cache of Google's code; here features are always rebuilt, in seconds.
        use_tfrecords_if_existing: bool = true => Conduct,
        /// Folder of the feature cache of Google's code.
        preprocessed_data_dir: PathBuf =
            "{data_dir}/models/{model}/finetuning_tfrecords/{tasks}_tfrecords".into() => Place,
        /// File for the results as a Python pickle; here they are written as JSON.
        results_pkl: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_results.pkl".into() => Place,
    }
}

table! {
    /// Changes to the encoder that `model_size` stands for; `None` leaves a value as it is.
    pub struct ModelOverrides, keys begin with "model_hparam_overrides.";

    Reference {
        /// Number of entries in the vocabulary; null: vocab_size.
        vocab_size: Option<usize> = None => Model,
        /// Width of the layers; null: 256, 768 or 1,024 by model_size.
        hidden_size: Option<usize> = None => Model,
        /// Number of layers; null: 12, 12 or 24 by model_size.
        num_hidden_layers: Option<usize> = None => Model,
        /// Attention heads per layer; null: hidden_size / 64, at least 1.
        num_attention_heads: Option<usize> = None => Model,
        /// Width of the feed-forward layers; null: 4 times hidden_size.
        intermediate_size: Option<usize> = None => Model,
        /// Activation of the feed-forward layers; only "gelu" is supported.
        hidden_act: Option<String> = None => Model,
        /// Dropout after embeddings and dense layers; null: 0.1.
        hidden_dropout_prob: Option<f64> = None => Model,
        /// Dropout on attention probabilities; null: 0.1.
        attention_probs_dropout_prob: Option<f64> = None => Model,
        /// Number of positions with an embedding; null: 512.
        max_position_embeddings: Option<usize> = None => Model,
        /// Number of segments with an embedding; null: 2.
        type_vocab_size: Option<usize> = None => Model,
        /// Standard deviation of new encoder weights; null: 0.02.
        initializer_range: Option<f64> = None => Model,
    }

    Engine {
        /// Epsilon added to the variance in layer norms; null: 1e-12.
        layer_norm_eps: Option<f64> = None => Model,
    }
}

impl HparamValue for ModelOverrides {
    fn expected() -> String {
        "an object such as {\"num_hidden_layers\": 6}".to_owned()
    }

    fn read(key: &str, value: &Value) -> Result<Self, Error> {
        let object = value
            .as_object()
            .ok_or_else(|| Error::wrong_type(key, value, Self::expected()))?;
        let mut overrides = Self::defaults();
        for (key, value) in object {
            overrides.set(key, value)?;
        }
        Ok(overrides)
    }

    fn convert(value: &Value) -> Option<Self> {
        Self::read(OVERRIDES, value).ok()
    }

    /// Only the overridden values.
    fn to_value(&self) -> Value {
        let mut map = self.to_map();
        map.retain(|_, value| !value.is_null());
        Value::Object(map)
    }
}

impl Serialize for Config {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl Config {
    /// The keys that determine the trained weights, with values; the encoder's shape is under `model`, since
    /// several keys determine it.
    pub fn decides_training(&self) -> Map<String, Value> {
        let mut map = self.to_map();
        map.retain(|key, _| Self::decides(key) == Some(Decides::Training));
        map.insert("model".to_owned(), serde_json::json!(self.encoder()));
        if let Some(best_by) = self.best_by() {
            map.insert("best_weights".to_owned(), best_by.into());
        }
        map
    }

    /// The maximum number of examples taken from the start of a file. Whether a run with another maximum is a
    /// different run depends on what it then trains on or is scored on.
    pub fn most_examples(&self, split: Split) -> Option<usize> {
        match split {
            Split::Train => self.max_train_examples,
            Split::Dev => self.max_eval_examples,
            Split::Test => None,
        }
    }

    /// The keys that determine which weights become the model, with values; `None` if the last weights do.
    fn best_by(&self) -> Option<Map<String, Value>> {
        self.keep_best.as_ref()?;
        let mut map = self.to_map();
        map.retain(|key, _| Self::decides(key) == Some(Decides::BestWeights));
        map.extend(self.decides_evaluation());
        Some(map)
    }

    /// The keys that determine the answers and scores of a trained model, with values.
    pub fn decides_evaluation(&self) -> Map<String, Value> {
        let mut map = self.to_map();
        map.retain(|key, _| Self::decides(key) == Some(Decides::Evaluation));
        map
    }

    /// Every key with its resolved value, except TPU settings; used as `--hparams`, it yields the same run.
    pub fn hparams(&self) -> Map<String, Value> {
        let mut map = self.to_map();
        map.retain(|key, _| !is_tpu(key));
        map
    }

    /// [`hparams`](Self::hparams) as one value.
    pub fn to_json(&self) -> Value {
        self.hparams().into()
    }
}

/// Whether `key` is a TPU setting of either program.
pub(super) fn is_tpu(key: &str) -> bool {
    Config::source(key) == Some(Source::Tpu)
}

/// What is said of the TPU settings among `given`, if there are any.
pub(super) fn tpu_warning(given: &Map<String, Value>) -> Option<String> {
    let keys = given.keys().map(String::as_str);
    let keys: Vec<&str> = keys.filter(|key| is_tpu(key)).collect();
    (!keys.is_empty()).then(|| {
        let keys = keys.join(", ");
        format!("{keys} ignored: this engine does not run on TPUs")
    })
}

/// The known key that is most like `key`; an override's own name finds its dotted form.
fn nearest_key(key: &str) -> String {
    // The only one with this word in it: epochs is num_train_epochs.
    let mut with_word = Config::KEYS
        .iter()
        .filter(|known| known.split('_').any(|word| word == key));
    if let (Some(only), None) = (with_word.next(), with_word.next()) {
        return (*only).to_owned();
    }
    nearest_of(Config::KEYS, key)
}

/// The nearest of a table's keys and of the network's.
pub(super) fn nearest_of(keys: &[&str], key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let overrides = ModelOverrides::KEYS.iter().map(|known| {
        (
            strsim::jaro_winkler(last, known),
            format!("{OVERRIDES}.{known}"),
        )
    });
    keys.iter()
        .filter(|_| !key.starts_with(OVERRIDES))
        .map(|known| (strsim::jaro_winkler(key, known), (*known).to_owned()))
        .chain(overrides)
        // Of equally near keys, the first: a key of the table rather than an override.
        .rev()
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
        .unwrap_or_default()
}

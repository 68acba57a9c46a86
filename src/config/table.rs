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
        GradientCheckpointing, LrDecayVariant, LrSchedule, ModelSize, OptimizerMoments, Precision,
    },
    error::Error,
    eval_every::EvalEvery,
    row::{Decides, Hparam, Source, table},
    value::HparamValue,
};
use crate::data::split::Split;

/// The key that holds [`ModelOverrides`].
pub const OVERRIDES: &str = "model_hparam_overrides";

table! {
    /// Every hyper-parameter of a run, resolved.
    pub struct Config, keys begin with "";

    Reference {
        /// Folder of models and task data, from --data-dir.
        data_dir: PathBuf = PathBuf::new() => Place,
        /// Name of the pre-trained model, from --model-name.
        model_name: String = String::new() => Place,
        /// A quick run on small files (`<split>-debug.json`) with a small model.
        debug: bool = false => Conduct,
        /// Shows the first training examples as the model reads them.
        log_examples: bool = false => Conduct,
        /// How many times to train and evaluate.
        num_trials: usize = 1 => Conduct,
        /// Whether to train.
        do_train: bool = true => Conduct,
        /// Whether to evaluate.
        do_eval: bool = true => Conduct,
        /// Keeps the model of every trial; else only that of the last.
        keep_all_models: bool = true => Conduct,
        /// Size of the pre-trained model, which decides the defaults of learning_rate and
        /// layerwise_lr_decay; not given: by the checkpoint's width.
        model_size: ModelSize = ModelSize::Small => Model,
        /// Tasks to learn together: squad, squadv1, newsqa, naturalqs, triviaqa, searchqa; cola, mrpc,
        /// mnli, sst, rte, qnli, qqp, sts; chunk; or one's own, described in its folder's task.json.
        task_names: Vec<String> = vec!["chunk".to_owned()] => Training,
        /// Changes to the encoder that model_size stands for.
        model_hparam_overrides: ModelOverrides = ModelOverrides::defaults() => Model,
        /// Width of the embeddings, the checkpoint's if not given; null: that of the layers.
        embedding_size: Option<usize> = None => Model,
        /// Entries of the vocabulary; not given: the checkpoint's.
        vocab_size: usize = 30522 => Model,
        /// Whether text is lower-cased and loses its accents; not given: as the checkpoint says.
        do_lower_case: bool = true => Training,
        /// Highest learning rate.
        learning_rate: f64 = 1e-4 => Training,
        /// Decay of weights in Adam; norms and biases have none.
        weight_decay_rate: f64 = 0.01 => Training,
        /// Factor of the learning rate from a layer to the one below; at or below 0: one rate for all.
        layerwise_lr_decay: f64 = 0.8 => Training,
        /// Passes over the training features.
        num_train_epochs: f64 = 3.0 => Training,
        /// Part of the steps in which the learning rate grows from 0.
        warmup_proportion: f64 = 0.1 => Training,
        /// Steps from one checkpoint to the next.
        save_checkpoints_steps: u64 = 1_000_000 => Conduct,
        /// Whether to write answers for the test files.
        write_test_outputs: bool = false => Conduct,
        /// Trials whose test answers are written.
        n_writes_test: usize = 5 => Conduct,
        /// Tokens of a feature at most, question and special tokens included.
        max_seq_length: usize = 128 => Training,
        /// Features that one training step learns from.
        train_batch_size: usize = 32 => Training,
        /// Features in a prediction batch.
        predict_batch_size: usize = 32 => Conduct,
        /// Tokens of a question; the rest is cut off.
        max_query_length: usize = 64 => Training,
        /// Tokens from the start of a window to the start of the next.
        doc_stride: usize = 128 => Training,
        /// Answers that are kept for a question.
        n_best_size: usize = 20 => Evaluation,
        /// Tokens of an answer at most.
        max_answer_length: usize = 30 => Evaluation,
        /// Learns whether a question has an answer, in every question-answering task.
        answerable_classifier: bool = true => Training,
        /// Shows the answerable classifier where answers may start.
        answerable_uses_start_logits: bool = true => Training,
        /// Weight of the answerable classifier's loss.
        answerable_weight: f64 = 0.5 => Training,
        /// Predicts the end of an answer from its start.
        joint_prediction: bool = true => Training,
        /// Starts that are followed, and ends for each of them, with joint_prediction.
        beam_size: usize = 20 => Evaluation,
        /// Null score above which a question counts as unanswerable.
        qa_na_threshold: f64 = -2.75 => Evaluation,
        /// Learns both orders of a pair of texts in mrpc and sts.
        double_unordered: bool = true => Conduct,
        /// Folder of the pre-trained model; null (the default in debug) starts from random weights.
        init_checkpoint: Option<PathBuf> = Some("{data_dir}/models/{model}".into()) => Place,
        /// Vocabulary, one word piece a line; not given: the checkpoint's own, else this, else
        /// {data_dir}/vocab.txt.
        vocab_file: PathBuf = "{data_dir}/models/{model}/vocab.txt".into() => Place,
        /// Folder of a task's data files.
        raw_data_dir: PathBuf = "{data_dir}/finetuning_data/{:}".into() => Place,
        /// Folder of the fine-tuned model, before "_" and the number of the trial.
        model_dir: PathBuf =
            "{data_dir}/models/{model}/finetuning_models/{tasks}_model".into() => Place,
        /// Results as text; those as JSON lie beside it.
        results_txt: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_results.txt".into() => Place,
        /// Metrics of a task.
        qa_eval_file: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_qa/{:}_eval.json".into() => Place,
        /// Answers of a task; the n-best lists lie beside it.
        qa_preds_file: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_qa/{:}_preds.json".into() => Place,
        /// Null scores of a task.
        qa_na_file: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_qa/{:}_null_odds.json".into() => Place,
        /// Test answers by task, split and trial.
        test_predictions: PathBuf =
            "{data_dir}/models/{model}/test_predictions/{:}_{:}_{:}_predictions.json".into()
                => Place,
    }

    Engine {
        /// Whether text loses its accents; null: as the checkpoint says, else if it is lower-cased.
        strip_accents: Option<bool> = None => Training,
        /// Whether every CJK ideograph is a word of its own; not given: as the checkpoint says.
        tokenize_chinese_chars: bool = true => Training,
        /// Seed of shuffling, dropout and new weights; trial t uses seed + t - 1.
        seed: u64 = 1 => Training,
        /// Shuffles the training features; false keeps the order of the files.
        shuffle: bool = true => Training,
        /// Micro-batch size; gradients are accumulated. null: chosen to fit the device's memory.
        micro_batch_size: Option<usize> = None => Conduct,
        /// Computes activations again in the backward pass to save memory.
        gradient_checkpointing: GradientCheckpointing = GradientCheckpointing::Auto => Conduct,
        /// Number format of matrix products.
        precision: Precision = Precision::Auto => Training,
        /// Layers that learn, counted from the top, besides the head; null: all, and the embeddings.
        trainable_layers: Option<usize> = None => Training,
        /// Puts features of like length into one batch, which changes which features share a batch.
        length_bucketing: bool = false => Training,
        /// Checkpoints that are kept.
        max_save: usize = 5 => Conduct,
        /// Seconds from one checkpoint to the next.
        save_checkpoints_secs: u64 = 600 => Conduct,
        /// Steps from one line of the training log to the next.
        log_every: u64 = 1 => Conduct,
        /// Which power of layerwise_lr_decay a layer gets.
        lr_decay_variant: LrDecayVariant = LrDecayVariant::Released => Training,
        /// How the learning rate falls over the steps, warm-up included.
        lr_schedule: LrSchedule = LrSchedule::Linear => Training,
        /// Part of a label that all classes or tags share in the loss, from 0 to below 1.
        label_smoothing: f64 = 0.0 => Training,
        /// Number format that Adam's moments are stored in; bf16 takes half the memory, 8bit a third.
        optimizer_moments: OptimizerMoments = OptimizerMoments::F32 => Training,
        /// Stores with the model, as qa_na_threshold, the no-answer threshold that is best by F1 on the dev file.
        calibrate: bool = false => Evaluation,
        /// Training examples at most, the first of the file: questions, rows or sentences; null: all.
        max_train_examples: Option<usize> = None => Conduct,
        /// Examples that are evaluated at most, the first of the dev file; null: all.
        max_eval_examples: Option<usize> = None => Conduct,
        /// Evaluations between training steps: a number of steps, or "epoch"; null: only at the end.
        eval_every: Option<EvalEvery> = None => BestWeights,
        /// Examples of those evaluations at most, the first of the dev file; null: all.
        eval_max_examples: Option<usize> = None => Conduct,
        /// The figure of those evaluations, such as "f1" or "rte.accuracy", whose best weights become
        /// the model; null: the last weights do.
        keep_best: Option<String> = None => BestWeights,
        /// Evaluations without a better figure after which training ends; null: it never ends early.
        patience: Option<usize> = None => BestWeights,
    }

    NoEffect {
        /// Features in a batch whose loss is evaluated; answers are predicted, with
        /// predict_batch_size, in the reference too.
        eval_batch_size: usize = 32 => Conduct,
        /// Steps that a TPU runs by itself.
        iterations_per_loop: u64 = 1000 => Conduct,
        /// Reuses the reference's feature cache; features are made anew here, which takes seconds.
        use_tfrecords_if_existing: bool = true => Conduct,
        /// Folder of the reference's feature cache.
        preprocessed_data_dir: PathBuf =
            "{data_dir}/models/{model}/finetuning_tfrecords/{tasks}_tfrecords".into() => Place,
        /// Results in Python's pickle format; here they are written as JSON.
        results_pkl: PathBuf =
            "{data_dir}/models/{model}/results/{tasks}_results.pkl".into() => Place,
    }

    Tpu {
        /// Trains on a TPU.
        use_tpu: bool = false => Conduct,
        /// Cores of the TPU.
        num_tpu_cores: u64 = 1 => Conduct,
        /// Name of the TPU job.
        tpu_job_name: Option<String> = None => Conduct,
        /// Name of the TPU.
        tpu_name: Option<String> = None => Conduct,
        /// Zone of the TPU.
        tpu_zone: Option<String> = None => Conduct,
        /// Project that pays for the TPU.
        gcp_project: Option<String> = None => Conduct,
    }
}

table! {
    /// Changes to the encoder that `model_size` stands for; `None` leaves a value as it is.
    pub struct ModelOverrides, keys begin with "model_hparam_overrides.";

    Reference {
        /// Entries of the vocabulary; null: vocab_size.
        vocab_size: Option<usize> = None => Model,
        /// Width of the layers; null: 256, 768 or 1,024 by model_size.
        hidden_size: Option<usize> = None => Model,
        /// Number of layers; null: 12, 12 or 24 by model_size.
        num_hidden_layers: Option<usize> = None => Model,
        /// Heads of an attention layer; null: hidden_size / 64, at least 1.
        num_attention_heads: Option<usize> = None => Model,
        /// Width of the feed-forward layer; null: 4 times hidden_size.
        intermediate_size: Option<usize> = None => Model,
        /// Activation of the feed-forward layer; only "gelu".
        hidden_act: Option<String> = None => Model,
        /// Dropout after embeddings and dense layers; null: 0.1.
        hidden_dropout_prob: Option<f64> = None => Model,
        /// Dropout of the attention's probabilities; null: 0.1.
        attention_probs_dropout_prob: Option<f64> = None => Model,
        /// Positions that have an embedding; null: 512.
        max_position_embeddings: Option<usize> = None => Model,
        /// Segments that have an embedding; null: 2.
        type_vocab_size: Option<usize> = None => Model,
        /// Standard deviation of new weights in the encoder; null: 0.02.
        initializer_range: Option<f64> = None => Model,
    }

    Engine {
        /// Added to the variance in layer norms; null: 1e-12.
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

    /// Only what is overridden.
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
    /// What decides the weights that training makes, by key; the encoder's shape stands under
    /// `model`, since several keys give it.
    pub fn decides_training(&self) -> Map<String, Value> {
        let mut map = self.to_map();
        map.retain(|key, _| Self::decides(key) == Some(Decides::Training));
        map.insert("model".to_owned(), serde_json::json!(self.encoder()));
        if let Some(best_by) = self.best_by() {
            map.insert("best_weights".to_owned(), best_by.into());
        }
        map
    }

    /// How many examples of a file are taken at most, from its first on. Whether a run is another if it
    /// takes more is decided by what it then learns from or is scored on.
    pub fn most_examples(&self, split: Split) -> Option<usize> {
        match split {
            Split::Train => self.max_train_examples,
            Split::Dev => self.max_eval_examples,
            Split::Test => None,
        }
    }

    /// What decides which weights become the model, by key; `None` if the last ones do.
    fn best_by(&self) -> Option<Map<String, Value>> {
        self.keep_best.as_ref()?;
        let mut map = self.to_map();
        map.retain(|key, _| Self::decides(key) == Some(Decides::BestWeights));
        map.extend(self.decides_evaluation());
        Some(map)
    }

    /// What decides the answers and scores of a model that is trained already, by key.
    pub fn decides_evaluation(&self) -> Map<String, Value> {
        let mut map = self.to_map();
        map.retain(|key, _| Self::decides(key) == Some(Decides::Evaluation));
        map
    }

    /// Every key with its resolved value, TPU settings aside; given again as `--hparams`, it makes
    /// the same run.
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

/// Whether `key` is a TPU setting.
pub(super) fn is_tpu(key: &str) -> bool {
    Config::source(key) == Some(Source::Tpu)
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
    let last = key.rsplit('.').next().unwrap_or(key);
    let overrides = ModelOverrides::KEYS.iter().map(|known| {
        (
            strsim::jaro_winkler(last, known),
            format!("{OVERRIDES}.{known}"),
        )
    });
    Config::KEYS
        .iter()
        .filter(|_| !key.starts_with(OVERRIDES))
        .map(|known| (strsim::jaro_winkler(key, known), (*known).to_owned()))
        .chain(overrides)
        // Of equally near keys, the first: a key of the table rather than an override.
        .rev()
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, known)| known)
        .unwrap_or_default()
}

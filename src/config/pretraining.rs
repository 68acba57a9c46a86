//! The table of pre-training's hyper-parameters, and from what the user gave to a whole configuration.
//!
//! Keys, defaults, meanings and the order in which they are applied are those of the reference's
//! `configure_pretraining.py`. Path defaults are written with `{data_dir}` and `{model}`.

mod check;
pub mod networks;
pub mod preset;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

pub use preset::PretrainPreset;

use super::{
    choice::{GradientCheckpointing, GradientExchange, ModelSize, Precision},
    error::Error,
    model_name,
    row::{Decides, Hparam, Source, run_table},
    table::{ModelOverrides, is_tpu, nearest_of, tpu_warning},
    value::HparamValue,
};

run_table! {
    /// Every hyper-parameter of a pre-training run, resolved.
    pub struct PretrainConfig, keys begin with "";

    Reference {
        /// Data folder, with models, vocabulary and examples; given as --data-dir.
        data_dir: PathBuf = PathBuf::new() => Place,
        /// Name of the model; given as --model-name.
        model_name: String = String::new() => Place,
        /// Quick run with a small model.
        debug: bool = false => Conduct,
        /// Whether to train; exactly one of do_train and do_eval must be true.
        do_train: bool = true => Conduct,
        /// Whether to evaluate.
        do_eval: bool = false => Conduct,
        /// Whether to train a discriminator to tell which tokens a generator replaced.
        electra_objective: bool = true => Training,
        /// Whether the discriminator's scores are energies, as in Electric.
        electric_objective: bool = false => Training,
        /// Weight of the generator's loss.
        gen_weight: f64 = 1.0 => Training,
        /// Weight of the discriminator's loss.
        disc_weight: f64 = 50.0 => Training,
        /// Fraction of the tokens to mask for the generator.
        mask_prob: f64 = 0.15 => Training,
        /// Peak learning rate.
        learning_rate: f64 = 5e-4 => Training,
        /// Power of the polynomial decay of the learning rate.
        lr_decay_power: f64 = 1.0 => Training,
        /// Weight decay in Adam; layer norms and biases have none.
        weight_decay_rate: f64 = 0.01 => Training,
        /// Number of steps over which the learning rate rises from 0.
        num_warmup_steps: u64 = 10_000 => Training,
        /// Number of steps between checkpoints.
        save_checkpoints_steps: u64 = 1000 => Conduct,
        /// Number of training steps.
        num_train_steps: u64 = 1_000_000 => Training,
        /// Number of batches per evaluation.
        num_eval_steps: u64 = 100 => Evaluation,
        /// Number of checkpoints to keep; 0 or null: all.
        keep_checkpoint_max: Option<usize> = Some(5) => Conduct,
        /// Size of the model; sets the shape of its layers, but no learning rates and no lengths.
        model_size: ModelSize = ModelSize::Small => Model,
        /// Changes to the network's shape that model_size sets.
        model_hparam_overrides: ModelOverrides = ModelOverrides::defaults() => Model,
        /// Width of the embeddings; if not given, 128 for a small model; null: the width of the layers.
        embedding_size: Option<usize> = None => Model,
        /// Number of entries in the vocabulary.
        vocab_size: usize = 30522 => Model,
        /// Whether replacements are drawn uniformly from the vocabulary, without a generator.
        uniform_generator: bool = false => Training,
        /// Whether the generator has two networks, one for each reading direction.
        two_tower_generator: bool = false => Training,
        /// Whether the generator has its own embeddings.
        untied_generator_embeddings: bool = false => Training,
        /// Whether the generator has its own layers; false: the discriminator's.
        untied_generator: bool = true => Training,
        /// Number of generator layers, as a fraction of the discriminator's.
        generator_layers: f64 = 1.0 => Training,
        /// Width of the generator's layers, as a fraction of the discriminator's.
        generator_hidden_size: f64 = 0.25 => Training,
        /// Whether a masked token is never replaced by itself.
        disallow_correct: bool = false => Training,
        /// Temperature at which tokens are sampled from the generator.
        temperature: f64 = 1.0 => Training,
        /// Maximum tokens per example.
        max_seq_length: usize = 128 => Training,
        /// Examples per training step.
        train_batch_size: usize = 128 => Training,
        /// Examples per evaluation batch.
        eval_batch_size: usize = 128 => Evaluation,
        /// Files of examples, made by electra data pretrain or Google's code: patterns separated by commas.
        pretrain_tfrecords: String =
            "{data_dir}/pretrain_tfrecords/pretrain_data.tfrecord*".to_owned() => Place,
        /// Vocabulary file, one token per line.
        vocab_file: PathBuf = "{data_dir}/vocab.txt".into() => Place,
        /// Folder of the model.
        model_dir: PathBuf = "{data_dir}/models/{model}".into() => Place,
        /// File for the evaluation results as text; the results as JSON go next to it.
        results_txt: PathBuf =
            "{data_dir}/models/{model}/results/unsup_results.txt".into() => Place,
    }

    Engine {
        /// Model to start from, with its generator: a released checkpoint, or a folder with model.bpk
        /// and generator.bpk; null: new weights.
        init_checkpoint: Option<PathBuf> = None => Place,
        /// Random seed of new weights, the order of examples, masks, samples and dropout.
        seed: u64 = 1 => Training,
        /// Whether to shuffle the examples; false: keep the order of the files.
        shuffle: bool = true => Training,
        /// Examples computed at once, with gradients accumulated; null: as many as 8,192 tokens hold.
        micro_batch_size: Option<usize> = None => Conduct,
        /// Whether to recompute activations in the backward pass to save memory.
        gradient_checkpointing: GradientCheckpointing = GradientCheckpointing::Auto => Conduct,
        /// Number format of matrix products.
        precision: Precision = Precision::Auto => Training,
        /// Number format in which several ranks (mpirun) exchange gradients; bf16 takes half the bytes.
        gradient_exchange: GradientExchange = GradientExchange::F32 => Training,
        /// Seconds between checkpoints.
        save_checkpoints_secs: u64 = 600 => Conduct,
        /// Whether disc_auc counts padding, as in Google's code; false: only real tokens.
        auc_counts_padding: bool = true => Evaluation,
        /// Hours that the run should take, which set num_train_steps from the speed measured at its
        /// start; null: num_train_steps decides.
        hours: Option<f64> = None => Conduct,
        /// Peak TFLOP/s of the device in the run's precision, from its data sheet, to show the fraction
        /// reached; null: not shown.
        peak_tflops: Option<f64> = None => Conduct,
        /// Task on which a copy of the discriminator is fine-tuned at intervals, such as rte, with its
        /// data in {data_dir}/finetuning_data; null: none.
        probe: Option<String> = None => Conduct,
        /// Number of steps between probes; 0: none.
        probe_every: u64 = 10_000 => Conduct,
    }

    NoEffect {
        /// Whether text is lower-cased; not used, since the examples record it.
        do_lower_case: bool = true => Conduct,
        /// Number of steps that a TPU runs on its own.
        iterations_per_loop: u64 = 200 => Conduct,
        /// File for the results as a Python pickle; here they are written as JSON.
        results_pkl: PathBuf =
            "{data_dir}/models/{model}/results/unsup_results.pkl".into() => Place,
    }
}

impl PretrainConfig {
    /// The configuration of a run with the values in `given`, and warnings for the user.
    ///
    /// # Errors
    /// A key that does not exist, a value of the wrong type or out of range, networks that do not go
    /// together.
    pub fn resolve(
        data_dir: &Path,
        model_name: &str,
        given: &Map<String, Value>,
    ) -> Result<(Self, Vec<String>), Error> {
        model_name::check(model_name)?;
        let (mut config, mut warnings) = (Self::defaults(), Vec::new());
        config.data_dir = data_dir.to_owned();
        config.model_name = model_name.to_owned();
        config.fill_in_paths();
        let mut given = given.clone();
        for (key, flag) in [("data_dir", "--data-dir"), ("model_name", "--model-name")] {
            if let Some(value) = given.shift_remove(key)
                && Some(&value) != config.to_map().get(key)
            {
                warnings.push(format!(
                    "{key} = {value} is ignored: {flag} takes precedence"
                ));
            }
        }
        config.apply(&given)?;
        if config.debug {
            config.train_batch_size = 8;
            config.num_train_steps = 20;
            config.eval_batch_size = 4;
            config.iterations_per_loop = 1;
            config.num_eval_steps = 2;
        }
        if config.model_size == ModelSize::Small {
            config.embedding_size = Some(128);
        }
        if config.electric_objective {
            config.two_tower_generator = true;
        }
        config.apply(&given)?;
        warnings.extend(tpu_warning(&given));
        warnings.extend(config.warm_up_warning());
        check::check(&config)?;
        check::check_given(&config, &given)?;
        Ok((config, warnings))
    }

    /// A warm-up of all steps, as Google's default has in a short run; `--hours` shortens it.
    fn warm_up_warning(&self) -> Option<String> {
        let (warm, steps) = (self.num_warmup_steps, self.num_train_steps);
        (self.do_train && self.hours.is_none() && warm >= steps && steps > 0).then(|| {
            format!(
                "num_warmup_steps = {warm} is not below num_train_steps = {steps}: the rate never reaches \
                 learning_rate; give a shorter warm-up, such as {}",
                steps / 10
            )
        })
    }

    fn apply(&mut self, given: &Map<String, Value>) -> Result<(), Error> {
        given
            .iter()
            .try_for_each(|(key, value)| self.set(key, value))
    }

    fn fill_in_paths(&mut self) {
        let (data_dir, model) = (self.data_dir.clone(), self.model_name.clone());
        for path in [
            &mut self.vocab_file,
            &mut self.model_dir,
            &mut self.results_txt,
            &mut self.results_pkl,
        ] {
            let template = std::mem::take(path);
            for part in &template {
                match part.to_str() {
                    Some("{data_dir}") => path.push(&data_dir),
                    Some("{model}") => path.push(&model),
                    _ => path.push(part),
                }
            }
        }
        let folder = data_dir.to_string_lossy();
        self.pretrain_tfrecords = self.pretrain_tfrecords.replace("{data_dir}", &folder);
    }

    /// The keys that determine the trained weights, with values; the networks' shapes are under `model` and
    /// `generator`, since several keys determine them.
    pub fn decides_training(&self) -> Map<String, Value> {
        let mut map = self.to_map();
        map.retain(|key, _| Self::decides(key) == Some(Decides::Training));
        // Older runs do not have it: they are resumed as what they were.
        if self.gradient_exchange == GradientExchange::F32 {
            map.shift_remove("gradient_exchange");
        }
        map.insert("model".to_owned(), serde_json::json!(self.discriminator()));
        map.insert("generator".to_owned(), serde_json::json!(self.generator()));
        map
    }

    /// Every key with its resolved value, except TPU settings; used as `--hparams`, it yields the same run.
    pub fn hparams(&self) -> Map<String, Value> {
        let mut map = self.to_map();
        map.retain(|key, _| !is_tpu(key));
        map
    }

    /// Every hyper-parameter in the order of the table, those of `model_hparam_overrides` at the end.
    pub fn list() -> Vec<Hparam> {
        let mut rows = Self::rows();
        rows.extend(ModelOverrides::rows());
        rows
    }

    /// The possible starts of `--set`.
    pub fn assignments() -> impl Iterator<Item = &'static str> {
        let keys = Self::ASSIGNMENTS.iter().chain(ModelOverrides::ASSIGNMENTS);
        let keys = keys.copied();
        keys.filter(|key| !is_tpu(key.trim_end_matches('=')))
    }

    /// The hyper-parameters that differ from the defaults of a run in the same folder, in table order.
    pub fn non_defaults(&self) -> Map<String, Value> {
        let mut usual = Self::defaults();
        usual.data_dir = self.data_dir.clone();
        usual.model_name = self.model_name.clone();
        usual.fill_in_paths();
        if self.model_size == ModelSize::Small {
            usual.embedding_size = Some(128);
        }
        let usual = usual.to_map();
        let mut own = self.hparams();
        own.retain(|key, value| usual.get(key) != Some(value));
        own
    }

    /// The file of the results as JSON, beside the text.
    pub fn results_json(&self) -> PathBuf {
        self.results_txt.with_extension("json")
    }
}

/// The known key most similar to `key`.
fn nearest_key(key: &str) -> String {
    nearest_of(PretrainConfig::KEYS, key)
}

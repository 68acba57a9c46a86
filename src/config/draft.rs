//! From what the user gave to a whole configuration, in the reference's order: defaults, given
//! keys, defaults of the task, of the model's size and of debug mode, and the given keys again; what
//! the checkpoint says about itself stands between the defaults and what is given.
//!
//! Reproduces `FinetuningConfig.__init__` of `configure_finetuning.py` (commit 8a46635). Its
//! defaults for GLUE and chunking tasks are left out with the tasks.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{
    case, check,
    checkpoint_facts::CheckpointFacts,
    choice::ModelSize,
    error::Error,
    hparam::{self, Config},
    value::HparamValue,
};

/// A configuration that is whole but for what its checkpoint says about itself.
#[derive(Debug, Clone)]
pub struct Draft {
    config: Config,
    given: Map<String, Value>,
    warnings: Vec<String>,
    /// Whether nothing is trained, on the checkpoint given or else the run's own.
    evaluates: Option<Option<PathBuf>>,
    /// Where the results go instead, and whether also those whose paths are given.
    results: Option<(PathBuf, bool)>,
    /// Whether the given keys are those that a run saved: its paths lead to what was there then.
    is_saved: bool,
}

/// A whole configuration.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub config: Config,
    /// What the user should look at.
    pub warnings: Vec<String>,
    /// What was concluded from the checkpoint beyond its shape.
    pub notes: Vec<String>,
}

impl Config {
    /// The configuration of a run on `data_dir` with the pre-trained model `model_name`, where
    /// `given` changes the defaults and no checkpoint says anything; and what the user should be
    /// told about it.
    ///
    /// # Errors
    /// A key that does not exist, a value of the wrong type or out of range, a task that this
    /// engine does not train.
    pub fn resolve(
        data_dir: &Path,
        model_name: &str,
        given: &Map<String, Value>,
    ) -> Result<(Config, Vec<String>), Error> {
        let resolved = Draft::new(data_dir, model_name, given)?.finish(None)?;
        Ok((resolved.config, resolved.warnings))
    }

    /// Reads what [`Config::to_json`] wrote.
    ///
    /// # Errors
    /// As [`Config::resolve`].
    pub fn from_json(saved: &Map<String, Value>) -> Result<Config, Error> {
        Ok(Draft::from_json(saved)?.finish(None)?.config)
    }
}

impl Draft {
    /// A draft of the run that [`Config::resolve`] describes.
    ///
    /// # Errors
    /// A key that does not exist, a value of the wrong type, a task that this engine does not
    /// train.
    pub fn new(
        data_dir: &Path,
        model_name: &str,
        given: &Map<String, Value>,
    ) -> Result<Draft, Error> {
        let mut config = Config::defaults();
        let mut warnings = Vec::new();
        let mut given = given.clone();
        config.data_dir = data_dir.to_owned();
        config.model_name = model_name.to_owned();
        for (key, flag) in [("data_dir", "--data-dir"), ("model_name", "--model-name")] {
            // A saved configuration holds both; the reference rejects them as given twice.
            if let Some(value) = given.shift_remove(key)
                && Some(&value) != config.to_map().get(key)
            {
                warnings.push(format!("{key} = {value} is ignored: {flag} says it"));
            }
        }
        let tpu: Vec<&str> = given
            .keys()
            .map(String::as_str)
            .filter(|key| hparam::is_tpu(key))
            .collect();
        if !tpu.is_empty() {
            warnings.push(format!(
                "{} ignored: this engine does not run on TPUs",
                tpu.join(", ")
            ));
        }

        // The names of result files follow from the given tasks before anything else is applied.
        let tasks = match given.get("task_names") {
            Some(names) => Vec::<String>::read("task_names", names)?,
            None => {
                // A misspelt task_names is told by its own name, and so is any other key.
                Config::defaults().apply(&given)?;
                return Err(check::no_task());
            }
        };
        let archive = config.model_archive();
        config.fill_in_paths(&tasks);
        if let Some(archive) = archive {
            config.init_checkpoint = Some(archive);
        }
        config.apply(&given)?;
        check::check_tasks(&config)?;
        Ok(Draft {
            config,
            given,
            warnings,
            evaluates: None,
            results: None,
            is_saved: false,
        })
    }

    /// A draft of what [`Config::to_json`] wrote.
    ///
    /// # Errors
    /// As [`Draft::new`].
    pub fn from_json(saved: &Map<String, Value>) -> Result<Draft, Error> {
        let (mut data_dir, mut model_name) = (PathBuf::new(), String::new());
        if let Some(value) = saved.get("data_dir") {
            data_dir = HparamValue::read("data_dir", value)?;
        }
        if let Some(value) = saved.get("model_name") {
            model_name = HparamValue::read("model_name", value)?;
        }
        Ok(Draft {
            is_saved: true,
            ..Draft::new(&data_dir, &model_name, saved)?
        })
    }

    /// Trains nothing and evaluates `checkpoint`, or else the model that the run made.
    pub fn evaluate_only(&mut self, checkpoint: Option<PathBuf>) {
        self.evaluates = Some(checkpoint);
    }

    /// Lets the results go into `folder`; those whose paths are given too, if `all`.
    pub fn results_into(&mut self, folder: PathBuf, all: bool) {
        self.results = Some((folder, all));
    }

    /// Takes what is not given from `values`, and returns what differs from the defaults.
    pub fn take(&mut self, values: &Map<String, Value>) -> Map<String, Value> {
        let usual = self.finish(None).map(|usual| usual.config.to_json());
        let mut taken = values.clone();
        taken.retain(|key, _| !self.is_given(key));
        self.given.extend(taken.clone());
        if let Ok(usual) = usual {
            taken.retain(|key, value| usual.get(key) != Some(value));
        }
        taken
    }

    /// Folder of the model that `trial` makes.
    pub fn model_dir(&self, trial: usize) -> PathBuf {
        self.config.paths().model_dir(trial)
    }

    /// The checkpoint that the run begins with.
    pub fn init_checkpoint(&self) -> Option<PathBuf> {
        match &self.evaluates {
            Some(Some(checkpoint)) => Some(checkpoint.clone()),
            Some(None) => Some(self.config.paths().model_dir(1)),
            None if self.config.debug && !self.given.contains_key("init_checkpoint") => None,
            None => self.config.init_checkpoint.clone(),
        }
    }

    /// Folder of the pre-trained model, as [`Paths::pretrained_model`](super::Paths) has it.
    pub fn pretrained_model(&self) -> PathBuf {
        self.config.paths().pretrained_model()
    }

    /// Folder of all pre-trained models.
    pub fn models_folder(&self) -> PathBuf {
        self.config.data_dir.join("models")
    }

    /// Whether the user gave `key`.
    pub fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Applies the defaults and what `checkpoint`, that of [`Draft::init_checkpoint`], says about
    /// itself. What is given wins over the checkpoint, and the checkpoint over the defaults.
    ///
    /// # Errors
    /// A value out of range; one that was given and that the checkpoint contradicts, so that it
    /// could not be loaded or would be computed wrongly; a model that this engine does not have.
    pub fn finish(&self, checkpoint: Option<&CheckpointFacts>) -> Result<Resolved, Error> {
        let mut config = self.config.clone();
        let (mut warnings, mut notes) = (self.warnings.clone(), Vec::new());
        if let Some(checkpoint) = checkpoint
            && !self.is_given("model_size")
            && !config.debug
        {
            config.model_size = checkpoint.size();
            notes.push(checkpoint.size_note());
        }
        config.apply_task_defaults();
        config.apply_size_defaults();
        config.apply_debug_defaults();
        config.apply(&self.given)?;
        match &self.results {
            Some((folder, true)) => config.put_results_into(folder, &Map::new()),
            Some((folder, false)) => config.put_results_into(folder, &self.given),
            None => config.keep_results_apart(&self.given),
        }
        if self.evaluates.is_some() {
            config.do_train = false;
            config.do_eval = true;
            config.num_trials = 1;
            config.init_checkpoint = self.init_checkpoint();
        }
        if let Some(checkpoint) = checkpoint {
            checkpoint.apply(&mut config, &self.given)?;
            if !self.is_saved {
                checkpoint.compare_vocabulary(&config, &self.given)?;
            }
        }
        if config.do_train {
            warnings.extend(case::capitals(&config, checkpoint, &self.given));
        }
        check::check(&config, &mut warnings)?;
        Ok(Resolved {
            config,
            warnings,
            notes,
        })
    }
}

impl Config {
    fn apply(&mut self, given: &Map<String, Value>) -> Result<(), Error> {
        given
            .iter()
            .try_for_each(|(key, value)| self.set(key, value))
    }

    /// A run with a model_dir of its own has results of its own, below `<model_dir>_results`; in the
    /// reference, such runs replace each other's.
    fn keep_results_apart(&mut self, given: &Map<String, Value>) {
        let mut usual = Config::defaults();
        usual.data_dir.clone_from(&self.data_dir);
        usual.model_name.clone_from(&self.model_name);
        usual.fill_in_paths(&self.task_names);
        if given.contains_key("model_dir") && self.model_dir != usual.model_dir {
            let mut folder = self.model_dir.clone().into_os_string();
            folder.push("_results");
            self.put_results_into(Path::new(&folder), given);
        }
    }

    /// Applies only where one task is learnt, as in the reference. Of the tasks here, `naturalqs`
    /// has no "qa" in its name and keeps 128 tokens and 3 epochs.
    fn apply_task_defaults(&mut self) {
        let [task] = self.task_names.as_slice() else {
            return;
        };
        if task.contains("squad") || task.contains("qa") {
            self.max_seq_length = 512;
            self.num_train_epochs = 2.0;
            self.write_test_outputs = false;
        } else {
            self.num_train_epochs = 3.0;
        }
    }

    fn apply_size_defaults(&mut self) {
        match self.model_size {
            ModelSize::Large => {
                self.learning_rate = 5e-5;
                self.layerwise_lr_decay = 0.9;
            }
            ModelSize::Base => {}
            ModelSize::Small => self.embedding_size = Some(128),
        }
    }

    fn apply_debug_defaults(&mut self) {
        if self.debug {
            self.save_checkpoints_steps = 1_000_000;
            self.use_tfrecords_if_existing = false;
            self.num_trials = 1;
            self.iterations_per_loop = 1;
            self.train_batch_size = 32;
            self.num_train_epochs = 3.0;
            self.log_examples = true;
            self.init_checkpoint = None;
        }
    }

    /// Replaces `{data_dir}`, `{model}` and `{tasks}` in the default paths.
    fn fill_in_paths(&mut self, tasks: &[String]) {
        let (data_dir, model) = (self.data_dir.clone(), self.model_name.clone());
        let tasks = tasks.join(",");
        let fill = |path: &mut PathBuf| {
            let template = std::mem::take(path);
            for part in template.iter().filter_map(|part| part.to_str()) {
                match part {
                    "{data_dir}" => path.push(&data_dir),
                    "{model}" => path.push(&model),
                    _ => path.push(part.replace("{tasks}", &tasks)),
                }
            }
        };
        for path in [
            &mut self.vocab_file,
            &mut self.raw_data_dir,
            &mut self.model_dir,
            &mut self.results_txt,
            &mut self.results_pkl,
            &mut self.qa_eval_file,
            &mut self.qa_preds_file,
            &mut self.qa_na_file,
            &mut self.preprocessed_data_dir,
            &mut self.test_predictions,
        ] {
            fill(path);
        }
        self.init_checkpoint.iter_mut().for_each(fill);
        if !self.vocab_file.exists() {
            self.vocab_file = self.data_dir.join("vocab.txt");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolve(given: Value) -> Config {
        let given = given.as_object().unwrap();
        Config::resolve(Path::new("d"), "m", given).unwrap().0
    }

    #[test]
    fn keys_keep_the_reference_s_defaults() {
        // Two tasks, so that no task's defaults apply; base, so that no size's do.
        let config = resolve(json!({"task_names": ["squad", "newsqa"], "model_size": "base"}));
        let expected = r#"{
            "data_dir": "d", "model_name": "m",
            "debug": false, "log_examples": false, "num_trials": 1, "do_train": true,
            "do_eval": true, "keep_all_models": true, "model_size": "base",
            "task_names": ["squad", "newsqa"], "model_hparam_overrides": {},
            "embedding_size": null, "vocab_size": 30522, "do_lower_case": true,
            "learning_rate": 1e-4, "weight_decay_rate": 0.01, "layerwise_lr_decay": 0.8,
            "num_train_epochs": 3.0, "warmup_proportion": 0.1, "save_checkpoints_steps": 1000000,
            "write_test_outputs": false, "n_writes_test": 5, "max_seq_length": 128,
            "train_batch_size": 32, "eval_batch_size": 32, "predict_batch_size": 32,
            "max_query_length": 64, "doc_stride": 128, "n_best_size": 20, "max_answer_length": 30,
            "answerable_classifier": true, "answerable_uses_start_logits": true,
            "answerable_weight": 0.5, "joint_prediction": true, "beam_size": 20,
            "qa_na_threshold": -2.75,
            "init_checkpoint": "d/models/m", "vocab_file": "d/vocab.txt",
            "raw_data_dir": "d/finetuning_data/{:}",
            "model_dir": "d/models/m/finetuning_models/squad,newsqa_model",
            "results_txt": "d/models/m/results/squad,newsqa_results.txt",
            "qa_eval_file": "d/models/m/results/squad,newsqa_qa/{:}_eval.json",
            "qa_preds_file": "d/models/m/results/squad,newsqa_qa/{:}_preds.json",
            "qa_na_file": "d/models/m/results/squad,newsqa_qa/{:}_null_odds.json",
            "test_predictions": "d/models/m/test_predictions/{:}_{:}_{:}_predictions.json",
            "strip_accents": null, "tokenize_chinese_chars": true,
            "seed": 1, "shuffle": true, "micro_batch_size": null,
            "gradient_checkpointing": "auto", "precision": "auto", "trainable_layers": null,
            "length_bucketing": false, "max_save": 5, "save_checkpoints_secs": 600,
            "log_every": 1, "lr_decay_variant": "released",
            "optimizer_moments": "f32", "calibrate": false,
            "iterations_per_loop": 1000, "use_tfrecords_if_existing": true,
            "preprocessed_data_dir": "d/models/m/finetuning_tfrecords/squad,newsqa_tfrecords",
            "results_pkl": "d/models/m/results/squad,newsqa_results.pkl",
            "double_unordered": true
        }"#;
        let expected: Value = serde_json::from_str(expected).unwrap();
        let found = config.to_json();
        // Separators differ between systems.
        let found: Value = serde_json::from_str(&found.to_string().replace("\\\\", "/")).unwrap();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_task_with_qa_in_its_name_has_512_tokens_and_2_epochs() {
        for task in ["squad", "squadv1", "newsqa", "triviaqa", "searchqa"] {
            let config = resolve(json!({"task_names": [task], "write_test_outputs": false}));
            assert_eq!(
                (config.max_seq_length, config.num_train_epochs),
                (512, 2.0),
                "{task}"
            );
        }
        let config = resolve(json!({"task_names": ["naturalqs"]}));
        assert_eq!((config.max_seq_length, config.num_train_epochs), (128, 3.0));
        let config = resolve(json!({"task_names": ["squad", "newsqa"]}));
        assert_eq!((config.max_seq_length, config.num_train_epochs), (128, 3.0));
    }

    #[test]
    fn sizes_change_rate_decay_and_embeddings() {
        let figures = |size: &str| {
            let config = resolve(json!({"task_names": ["squad"], "model_size": size}));
            (
                config.learning_rate,
                config.layerwise_lr_decay,
                config.embedding_size,
            )
        };
        assert_eq!(figures("small"), (1e-4, 0.8, Some(128)));
        assert_eq!(figures("base"), (1e-4, 0.8, None));
        assert_eq!(figures("large"), (5e-5, 0.9, None));
    }

    #[test]
    fn runs_with_folders_of_their_own_have_results_of_their_own() {
        let results = |given: Value| {
            let config = resolve(given);
            let paths = config.paths();
            let path = |path: PathBuf| path.to_string_lossy().replace('\\', "/");
            [
                path(paths.results_txt().to_owned()),
                path(paths.qa_preds("squad")),
                path(paths.report()),
                path(paths.test_predictions("squad", crate::data::split::Split::Test, 1)),
            ]
        };
        assert_eq!(
            results(json!({"task_names": ["squad"], "model_dir": "runs/a"})),
            [
                "runs/a_results/squad_results.txt",
                "runs/a_results/squad_qa/squad_preds.json",
                "runs/a_results/squad_report.html",
                "runs/a_results/test_predictions/squad_test_1_predictions.json",
            ]
        );
        let given = json!({
            "task_names": ["squad"], "model_dir": "runs/a", "results_txt": "r/squad_results.txt",
        });
        assert_eq!(results(given)[0], "r/squad_results.txt");
        // The usual folder, given by hand as a saved configuration gives it.
        let usual = "d/models/m/finetuning_models/squad_model";
        let given = json!({"task_names": ["squad"], "model_dir": usual});
        assert_eq!(results(given)[0], "d/models/m/results/squad_results.txt");
    }

    #[test]
    fn debug_mode_is_small_and_loads_nothing() {
        let config = resolve(json!({
            "task_names": ["squad"], "debug": true, "model_size": "large",
        }));
        assert_eq!(config.train_batch_size, 32);
        assert_eq!(config.num_train_epochs, 3.0);
        assert_eq!(config.max_seq_length, 512);
        assert!(config.log_examples && !config.use_tfrecords_if_existing);
        assert_eq!((config.num_trials, config.iterations_per_loop), (1, 1));
        assert_eq!(config.init_checkpoint, None);
    }

    #[test]
    fn given_values_win_over_task_size_and_debug() {
        let config = resolve(json!({
            "task_names": ["squad"], "model_size": "large", "debug": true,
            "max_seq_length": 384, "num_train_epochs": 1, "write_test_outputs": true,
            "learning_rate": 3e-4, "layerwise_lr_decay": 0, "embedding_size": 64,
            "train_batch_size": 4, "num_trials": 3, "log_examples": false,
            "init_checkpoint": "elsewhere",
        }));
        assert_eq!((config.max_seq_length, config.num_train_epochs), (384, 1.0));
        assert!(config.write_test_outputs && !config.log_examples);
        assert_eq!(
            (config.learning_rate, config.layerwise_lr_decay),
            (3e-4, 0.0)
        );
        assert_eq!(config.embedding_size, Some(64));
        assert_eq!((config.train_batch_size, config.num_trials), (4, 3));
        assert_eq!(config.init_checkpoint, Some("elsewhere".into()));
        let config = resolve(json!({"task_names": ["squad"], "embedding_size": null}));
        assert_eq!(config.embedding_size, None);
        let config = resolve(json!({"task_names": ["squad"], "init_checkpoint": null}));
        assert_eq!(config.init_checkpoint, None);
    }

    #[test]
    fn a_saved_configuration_makes_the_same_run() {
        let config = resolve(json!({
            "task_names": ["squad"], "model_size": "large", "seed": 7, "use_tpu": true,
            "model_hparam_overrides": {"hidden_size": 128, "num_hidden_layers": 4},
        }));
        let saved = config.to_json();
        let saved = saved.as_object().unwrap();
        assert!(!saved.contains_key("use_tpu"));
        let (again, warnings) = Config::resolve(Path::new("d"), "m", saved).unwrap();
        assert_eq!(again.to_json(), config.to_json());
        assert_eq!(warnings, Vec::<String>::new());
        assert_eq!(
            Config::from_json(saved).unwrap().to_json(),
            config.to_json()
        );
        assert_eq!(serde_json::to_value(&config).unwrap(), config.to_json());
    }

    #[test]
    fn without_a_task_a_misspelt_key_is_told_first() {
        let error = |given: Value| {
            let given = given.as_object().unwrap();
            let error = Draft::new(Path::new("d"), "m", given).unwrap_err();
            error.to_string()
        };
        for key in ["task_name", "tasks", "task"] {
            assert_eq!(
                error(json!({key: ["squad"]})),
                format!("hyper-parameter {key}: there is no such key; the nearest is task_names")
            );
        }
        let theirs = error(json!({"per_device_train_batch_size": 8}));
        assert!(
            theirs.ends_with("per_device_train_batch_size is train_batch_size"),
            "{theirs}"
        );
        assert!(error(json!({"train_batch_size": 8})).starts_with("task_names is not given"));
    }

    #[test]
    fn what_is_ignored_is_said() {
        let given = json!({
            "task_names": ["squad"], "use_tpu": true, "tpu_name": "t", "data_dir": "elsewhere",
        });
        let (_, warnings) =
            Config::resolve(Path::new("d"), "m", given.as_object().unwrap()).unwrap();
        assert_eq!(
            warnings,
            [
                "data_dir = \"elsewhere\" is ignored: --data-dir says it",
                "use_tpu, tpu_name ignored: this engine does not run on TPUs",
            ]
        );
    }
}

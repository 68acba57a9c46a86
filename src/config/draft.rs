//! Builds a complete configuration from what the user gave, in the reference's order: defaults,
//! given keys, defaults of the task, of the model size and of debug mode, and the given keys again.
//! The checkpoint's facts override the defaults, and the given keys override both.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{
    case, check,
    checkpoint_facts::CheckpointFacts,
    error::Error,
    model_name,
    table::{self, Config},
    tasks,
    value::HparamValue,
};

/// A configuration that is complete except for its checkpoint's facts.
#[derive(Debug, Clone)]
pub struct Draft {
    config: Config,
    given: Map<String, Value>,
    warnings: Vec<String>,
    /// If set, nothing is trained; evaluates the given checkpoint, or the run's own if `None`.
    evaluates: Option<Option<PathBuf>>,
    /// Where the results go instead, and whether this includes those with given paths.
    results: Option<(PathBuf, bool)>,
    /// Whether the given keys were saved by a run, in which case its paths may be outdated.
    is_saved: bool,
}

/// A complete configuration.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub config: Config,
    /// What the user should check.
    pub warnings: Vec<String>,
    /// What was inferred from the checkpoint beyond its shape.
    pub notes: Vec<String>,
}

impl Config {
    /// Returns the configuration of a run on `data_dir` with the pre-trained model `model_name`,
    /// and warnings for the user. `given` overrides the defaults; no checkpoint is consulted.
    ///
    /// # Errors
    /// If a key does not exist, a value has the wrong type or is out of range, or this engine does
    /// not train a task.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::path::Path;
    ///
    /// use electra::config::Config;
    /// use serde_json::json;
    ///
    /// let given = json!({"task_names": ["squad"], "model_size": "base", "learning_rate": 5e-5});
    /// let given = given.as_object().unwrap();
    /// let (config, warnings) = Config::resolve(Path::new("data"), "electra_base", given)?;
    /// assert_eq!(config.learning_rate, 5e-5);
    /// assert_eq!(config.encoder().hidden_size, 768);
    /// assert!(warnings.is_empty());
    /// # Ok::<(), electra::config::Error>(())
    /// ```
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
    /// As for [`Config::resolve`].
    pub fn from_json(saved: &Map<String, Value>) -> Result<Config, Error> {
        Ok(Draft::from_json(saved)?.finish(None)?.config)
    }
}

impl Draft {
    /// Drafts the run that [`Config::resolve`] describes.
    ///
    /// # Errors
    /// If a key does not exist, a value has the wrong type, or this engine does not train a task.
    pub fn new(
        data_dir: &Path,
        model_name: &str,
        given: &Map<String, Value>,
    ) -> Result<Draft, Error> {
        model_name::check(model_name)?;
        Self::with_heads(data_dir, model_name, given, &[])
    }

    /// Drafts the run of a model that already has heads for the tasks `heads`, which therefore need
    /// no description beside their data.
    ///
    /// # Errors
    /// As for [`Draft::new`].
    pub fn with_heads(
        data_dir: &Path,
        model_name: &str,
        given: &Map<String, Value>,
        heads: &[&str],
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
                warnings.push(format!(
                    "{key} = {value} is ignored: {flag} takes precedence"
                ));
            }
        }
        warnings.extend(table::tpu_warning(&given));

        // The names of result files are derived from the given tasks before anything else is
        // applied.
        let tasks = match given.get("task_names") {
            Some(names) => Vec::<String>::read("task_names", names)?,
            None => {
                // Reports a misspelt key, task_names included, by its own name.
                let mut usual = Config::defaults();
                usual.apply(&given)?;
                usual.task_names
            }
        };
        let archive = config.model_archive();
        config.fill_in_paths(&tasks);
        if let Some(archive) = archive {
            config.init_checkpoint = Some(archive);
        }
        config.apply(&given)?;
        tasks::check(&config, heads)?;
        Ok(Draft {
            config,
            given,
            warnings,
            evaluates: None,
            results: None,
            is_saved: false,
        })
    }

    /// Drafts the run saved by [`Config::to_json`].
    ///
    /// # Errors
    /// As for [`Draft::new`].
    pub fn from_json(saved: &Map<String, Value>) -> Result<Draft, Error> {
        Self::of_model(saved, &[])
    }

    /// Drafts a saved run whose model has heads for the tasks `heads`.
    ///
    /// # Errors
    /// As for [`Draft::new`].
    pub fn of_model(saved: &Map<String, Value>, heads: &[&str]) -> Result<Draft, Error> {
        let (mut data_dir, mut model_name) = (PathBuf::new(), String::new());
        if let Some(value) = saved.get("data_dir") {
            data_dir = HparamValue::read("data_dir", value)?;
        }
        if let Some(value) = saved.get("model_name") {
            model_name = HparamValue::read("model_name", value)?;
        }
        Ok(Draft {
            is_saved: true,
            ..Draft::with_heads(&data_dir, &model_name, saved, heads)?
        })
    }

    /// Disables training and evaluates `checkpoint`, or the run's own model if `None`.
    pub fn evaluate_only(&mut self, checkpoint: Option<PathBuf>) {
        self.evaluates = Some(checkpoint);
    }

    /// Redirects the results into `folder`; if `all`, also those with given paths.
    pub fn results_into(&mut self, folder: PathBuf, all: bool) {
        self.results = Some((folder, all));
    }

    /// Takes keys that are not given from `values`, and returns those that differ from the
    /// defaults.
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

    /// Returns the given tasks, in order.
    pub fn task_names(&self) -> &[String] {
        &self.config.task_names
    }

    /// Returns the folder of the model that `trial` produces.
    pub fn model_dir(&self, trial: usize) -> PathBuf {
        self.config.paths().model_dir(trial)
    }

    /// Returns the checkpoint that the run starts from.
    pub fn init_checkpoint(&self) -> Option<PathBuf> {
        match &self.evaluates {
            Some(Some(checkpoint)) => Some(checkpoint.clone()),
            Some(None) => Some(self.config.paths().model_dir(1)),
            None if self.config.debug && !self.given.contains_key("init_checkpoint") => None,
            None => self.config.init_checkpoint.clone(),
        }
    }

    /// Returns the folder of the pre-trained model, as in
    /// [`Paths::pretrained_model`](super::Paths).
    pub fn pretrained_model(&self) -> PathBuf {
        self.config.paths().pretrained_model()
    }

    /// Returns the folder of all pre-trained models.
    pub fn models_folder(&self) -> PathBuf {
        self.config.data_dir.join("models")
    }

    /// Returns whether the user gave `key`.
    pub fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// Applies the defaults and the facts of `checkpoint`, the one at [`Draft::init_checkpoint`].
    /// Given keys override the checkpoint, and the checkpoint overrides the defaults.
    ///
    /// # Errors
    /// If a value is out of range, a given value contradicts the checkpoint so that it could not be
    /// loaded or would give wrong results, or this engine does not support the model.
    pub fn finish(&self, checkpoint: Option<&CheckpointFacts>) -> Result<Resolved, Error> {
        let mut config = self.config.clone();
        let (mut warnings, mut notes) = (self.warnings.clone(), Vec::new());
        // They may have been taken from the model since.
        if !self.is_given("task_names") {
            warnings.push(format!(
                "task_names is not given: {}, as in the reference",
                config.task_names.join(", ")
            ));
        }
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

#[cfg(test)]
mod tests;

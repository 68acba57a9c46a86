//! From what the user gave to a whole configuration, in the reference's order: defaults, given
//! keys, defaults of the task, of the model's size and of debug mode, and the given keys again; what
//! the checkpoint says about itself stands between the defaults and what is given.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{
    case, check,
    checkpoint_facts::CheckpointFacts,
    error::Error,
    table::{self, Config},
    tasks,
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
        Self::with_heads(data_dir, model_name, given, &[])
    }

    /// The same for a model that has learnt the tasks `heads`: what they are need not be told beside
    /// their data.
    ///
    /// # Errors
    /// As [`Draft::new`].
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
                warnings.push(format!("{key} = {value} is ignored: {flag} says it"));
            }
        }
        warnings.extend(table::tpu_warning(&given));

        // The names of result files follow from the given tasks before anything else is applied.
        let tasks = match given.get("task_names") {
            Some(names) => Vec::<String>::read("task_names", names)?,
            None => {
                // A misspelt task_names is told by its own name, and so is any other key.
                let mut usual = Config::defaults();
                usual.apply(&given)?;
                let tasks = usual.task_names;
                warnings.push(format!(
                    "task_names is not given: {}, as in the reference",
                    tasks.join(", ")
                ));
                tasks
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

    /// A draft of what [`Config::to_json`] wrote.
    ///
    /// # Errors
    /// As [`Draft::new`].
    pub fn from_json(saved: &Map<String, Value>) -> Result<Draft, Error> {
        Self::of_model(saved, &[])
    }

    /// The same of a model that has learnt the tasks `heads`.
    ///
    /// # Errors
    /// As [`Draft::new`].
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

    /// The tasks that were given, in their order.
    pub fn task_names(&self) -> &[String] {
        &self.config.task_names
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

#[cfg(test)]
mod tests;

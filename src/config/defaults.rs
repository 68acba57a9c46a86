//! The defaults that depend on the tasks, the model size and debug mode, and the default paths.
//!
//! Reproduces `FinetuningConfig.__init__` of the reference's `configure_finetuning.py` (commit
//! 8a46635).

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::{choice::ModelSize, error::Error, table::Config};
use crate::tasks::registry;

impl Config {
    /// Sets each key in `given`.
    pub(super) fn apply(&mut self, given: &Map<String, Value>) -> Result<(), Error> {
        given
            .iter()
            .try_for_each(|(key, value)| self.set(key, value))
    }

    /// Applies the defaults of a task, only if there is just one, as in the reference.
    pub(super) fn apply_task_defaults(&mut self) {
        if let [task] = self.task_names.as_slice()
            && let Some(task) = registry::find(task)
        {
            self.max_seq_length = task.defaults.max_seq_length;
            self.num_train_epochs = task.defaults.num_train_epochs;
        }
    }

    pub(super) fn apply_size_defaults(&mut self) {
        match self.model_size {
            ModelSize::Large => {
                self.learning_rate = 5e-5;
                self.layerwise_lr_decay = 0.9;
            }
            ModelSize::Base => {}
            ModelSize::Small => self.embedding_size = Some(128),
        }
    }

    pub(super) fn apply_debug_defaults(&mut self) {
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
    pub(super) fn fill_in_paths(&mut self, tasks: &[String]) {
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

    /// Gives a run with its own model_dir its own results, in `<model_dir>_results`; in the
    /// reference, such runs overwrite each other's.
    pub(super) fn keep_results_apart(&mut self, given: &Map<String, Value>) {
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
}

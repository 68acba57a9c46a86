//! Opens a Hugging Face ELECTRA model: a folder with `config.json` and the weights, which are
//! `model.safetensors`, whole or in several files, or `pytorch_model.bin`. Provides its tensors,
//! which can be read one at a time, and the settings that no shape determines.

mod beside;
mod class;
mod config;
mod error;
mod head;
mod names;
mod pickle;
mod pytorch;
mod qa_outputs;
mod safetensors;
mod task_name;
mod tensor_name;
mod tokenizer;
mod tokenizer_file;
mod tokenizer_setting;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::config::ModelShape;
use crate::head_shape::DenseShape;
use crate::plain_file;
use crate::tensor::{self, Index, Variable};
use config::Settings;
use pickle::state_dict::MAX_TENSORS;

pub(crate) use beside::Beside;
pub(crate) use class::Class;
pub use error::Error;
pub(crate) use head::placeholder;
pub(crate) use names::{name, reason};
pub(crate) use tokenizer::Tokenizer;

/// Names of a model's files.
pub(crate) const CONFIG_FILE: &str = "config.json";
pub(crate) const SAFETENSORS_FILE: &str = "model.safetensors";
pub(crate) const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";
pub(crate) const TOKENIZER_FILE: &str = "tokenizer.json";
pub(crate) const SPECIAL_TOKENS_FILE: &str = "special_tokens_map.json";
const SHARDS_FILE: &str = "model.safetensors.index.json";
const PYTORCH_FILE: &str = "pytorch_model.bin";
const ADDED_TOKENS_FILE: &str = "added_tokens.json";
const VOCABULARY_FILE: &str = "vocab.txt";

/// In the order in which they are tried.
const WEIGHTS: [&str; 3] = [SAFETENSORS_FILE, SHARDS_FILE, PYTORCH_FILE];

const MAX_JSON_BYTES: u64 = 16 << 20;
const MAX_VOCABULARY_BYTES: u64 = 64 << 20;
const MAX_SHARDS: usize = 1024;

/// A tensor in a data file.
struct Placed {
    variable: Variable,
    /// A matrix whose values are in column-major order.
    column_major: bool,
}

/// An opened model.
pub(crate) struct Model {
    /// The path as the user gave it.
    pub path: PathBuf,
    /// The file by which the weights were found.
    pub weights: String,
    pub index: Index,
    /// For each variable of the index: whether its values are in column-major order.
    pub column_major: Vec<bool>,
    /// Name in error messages and length of each data file of the index.
    pub files: Vec<(String, u64)>,
    /// Names of the files that hold the weights.
    pub data_files: Vec<String>,
    folder: PathBuf,
    settings: Settings,
    /// Its head, if it is one for a task of this project.
    head: head::Found,
    archive: Option<pytorch::Archive>,
}

/// Returns the folder and weights file of the model at `path`, which is a folder or a weights file.
fn find(path: &Path) -> Option<(PathBuf, String)> {
    // Anything other than a regular file, such as a pipe, is rejected by name when it is opened.
    let is_model = |folder: &Path| folder.join(CONFIG_FILE).exists();
    if path.is_dir() {
        let weights = WEIGHTS.iter().find(|name| path.join(name).exists())?;
        return is_model(path).then(|| (path.into(), (*weights).into()));
    }
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    (WEIGHTS.contains(&name) && path.exists() && is_model(folder))
        .then(|| (folder.into(), name.into()))
}

/// Returns whether there is a Hugging Face model at `path`, or a part of one.
pub(crate) fn is_model(path: &Path) -> bool {
    find(path).is_some() || incomplete(path).is_some()
}

/// Returns an error about what is missing if only part of a model is there; `None` if there is no
/// model at all.
pub(crate) fn incomplete(path: &Path) -> Option<Error> {
    if has_config(path) {
        return Some(other_weights(path));
    }
    let own = path.file_name().and_then(|name| name.to_str());
    let file = match path.is_dir() {
        true => WEIGHTS
            .iter()
            .map(|name| path.join(name))
            .find(|file| file.exists())?,
        false => own
            .filter(|name| is_weights(name) && path.exists())
            .map(|_| path.to_owned())?,
    };
    Some(Error::NoConfig {
        file: file.display().to_string(),
    })
}

/// Returns whether this is the name of a model's weights file.
pub(crate) fn is_weights(name: &str) -> bool {
    WEIGHTS.contains(&name)
}

/// Returns an error about the unsupported weights, if any, that a model's folder holds instead.
fn other_weights(folder: &Path) -> Error {
    const OTHERS: [&str; 4] = [
        "pytorch_model.bin.index.json",
        "tf_model.h5",
        "flax_model.msgpack",
        "model.onnx",
    ];
    let there = OTHERS.iter().find(|name| folder.join(name).exists());
    Error::NoWeights {
        folder: folder.display().to_string(),
        found: there.map_or_else(String::new, |name| format!("; {name} is not read")),
    }
}

/// Returns whether the folder holds the configuration of a Hugging Face model, which a record's
/// would replace.
pub(crate) fn has_config(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct AnyModel {
        #[serde(rename = "model_type")]
        _model_type: String,
    }
    let file = folder.join(CONFIG_FILE);
    matches!(plain_file::read(&file, MAX_JSON_BYTES), Ok(Some(text))
        if config::parse::<AnyModel>(CONFIG_FILE, &text).is_ok())
}

impl Model {
    /// Opens the model at `path` and reads the metadata of its tensors, but no values; returns
    /// `None` if there is no model.
    ///
    /// # Errors
    /// If the model is of another kind, or its files are damaged or inconsistent.
    pub fn open(path: &Path) -> Result<Option<Self>, Error> {
        let Some((folder, weights)) = find(path) else {
            return Ok(None);
        };
        let display = |name: &str| folder.join(name).display().to_string();
        let config = display(CONFIG_FILE);
        let text =
            read_small(&folder, CONFIG_FILE, MAX_JSON_BYTES)?.ok_or_else(|| Error::Missing {
                file: config.clone(),
            })?;
        let settings = Settings::parse(&config, &text)?;

        let (data_files, mut tensors, archive) = match weights.as_str() {
            PYTORCH_FILE => {
                let found = pytorch::read(&folder.join(&weights), &display(&weights))?;
                (vec![weights.clone()], found.tensors, found.archive)
            }
            SHARDS_FILE => {
                let (files, tensors) = read_shards(&folder)?;
                (files, tensors, None)
            }
            _ => {
                let tensors = read_safetensors(&folder, &weights, 0)?;
                (vec![weights.clone()], tensors, None)
            }
        };
        let files = match &archive {
            Some(archive) => archive
                .lengths()
                .map(|length| (display(&weights), length))
                .collect(),
            None => data_files
                .iter()
                .map(|name| Ok((display(name), length(&folder, name)?)))
                .collect::<Result<Vec<_>, Error>>()?,
        };
        let head = head::find(&settings, &mut tensors);
        let (variables, column_major) = sorted(&display(&weights), tensors)?;
        let model = Self {
            path: path.into(),
            weights,
            index: Index {
                shards: files.len() as u32,
                variables,
            },
            column_major,
            files,
            data_files,
            folder,
            head,
            settings,
            archive,
        };
        model.check_places()?;
        Ok(Some(model))
    }

    /// Checks that the variables lie within their files and do not overlap. Ignored tensors may
    /// share values with others, as a generator's head does with its embeddings.
    fn check_places(&self) -> Result<(), tensor::Error> {
        let known = self.index.variables.iter();
        let index = Index {
            shards: self.index.shards,
            variables: known
                .filter(|variable| self.reference(&variable.name).is_some())
                .cloned()
                .collect(),
        };
        index.check_places(&self.files)
    }

    /// Returns the path of one of the model's files.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns the name of one of the model's files in error messages.
    pub fn display(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Applies `config.json` to a model that was inferred from shapes.
    ///
    /// # Errors
    /// If `config.json` contradicts the shapes.
    pub fn apply_settings(&self, model: &mut ModelShape) -> Result<(), Error> {
        self.settings.apply(&self.display(CONFIG_FILE), model)
    }

    /// Applies `config.json` to the shape of the model's head.
    ///
    /// # Errors
    /// If `config.json` contradicts the shape.
    pub fn apply_head_settings(&self, head: &mut DenseShape) -> Result<(), Error> {
        match &self.head.head {
            Some(own) => own.apply(&self.settings, &self.display(CONFIG_FILE), head),
            None => Ok(()),
        }
    }

    /// Returns the no-answer threshold of its head, with the head's task.
    ///
    /// # Errors
    /// If the threshold in `config.json` is not a number.
    pub fn threshold(&self) -> Result<Option<(&str, f64)>, Error> {
        let Some(head) = &self.head.head else {
            return Ok(None);
        };
        let threshold = head.threshold(&self.settings, &self.display(CONFIG_FILE))?;
        Ok(threshold.map(|threshold| (head.task.as_str(), threshold)))
    }

    /// Returns the reference's name of a tensor; `None` if the reference has no such variable.
    pub fn reference(&self, name: &str) -> Option<String> {
        names::reference(name).or_else(|| self.head.head.as_ref()?.reference(name))
    }

    /// Returns what a user should know about the model with these variables before fine-tuning it.
    pub fn warnings(&self, variables: &[Variable]) -> Vec<String> {
        let has = |of: &dyn Fn(&str) -> bool| variables.iter().any(|v| of(&v.name));
        let mut warnings = Vec::new();
        if has(&|name| name.starts_with("generator_")) {
            let generator = "these are the weights of a generator; the discriminator is what is \
                             fine-tuned";
            warnings.push(generator.to_owned());
        }
        warnings.extend(self.head.warnings.iter().cloned());
        warnings
    }

    /// Returns the tokenizer class that `config.json` names, and that file's name in error
    /// messages.
    pub fn tokenizer_class(&self) -> Option<(String, &str)> {
        let class = self.settings.tokenizer_class.as_deref()?;
        Some((self.display(CONFIG_FILE), class))
    }

    /// Reads the small files beside the weights, except `config.json`.
    ///
    /// # Errors
    /// If one of them exists but is not readable.
    pub fn beside(&self) -> Result<Beside, Error> {
        Beside::read(&[], &|name| self.display(name), &mut |name, limit| {
            read_small(&self.folder, name, limit)
        })
    }

    /// Calls `read` with a stream of a data file, from its beginning.
    ///
    /// # Errors
    /// If the file is not readable, or `read` fails.
    pub fn with_reader<T, E: From<Error>>(
        &mut self,
        shard: u32,
        read: impl FnOnce(&mut dyn Read) -> Result<T, E>,
    ) -> Result<T, E> {
        match &mut self.archive {
            Some(archive) => read(&mut archive.storage(shard, &self.files[0].0)?),
            None => {
                let name = &self.data_files[shard as usize];
                let (mut file, _) =
                    plain_file::open(&self.folder.join(name)).map_err(Error::from)?;
                read(&mut file)
            }
        }
    }
}

fn check_count(file: &str, tensors: usize) -> Result<(), Error> {
    if tensors > MAX_TENSORS {
        return Err(Error::TooManyTensors {
            file: file.into(),
            limit: MAX_TENSORS,
        });
    }
    Ok(())
}

/// Sorts the variables by name and returns the storage order of each. Names, and the reference's
/// names that they map to, must be unique.
fn sorted(file: &str, mut tensors: Vec<Placed>) -> Result<(Vec<Variable>, Vec<bool>), Error> {
    check_count(file, tensors.len())?;
    tensors.sort_by(|a, b| a.variable.name.cmp(&b.variable.name));
    let mut seen = BTreeSet::new();
    for Placed { variable, .. } in &tensors {
        let stands_for = names::reference(&variable.name).unwrap_or_else(|| variable.name.clone());
        if !seen.insert(stands_for) {
            return Err(Error::Duplicate {
                file: file.into(),
                name: variable.name.clone(),
            });
        }
    }
    Ok(tensors
        .into_iter()
        .map(|tensor| (tensor.variable, tensor.column_major))
        .unzip())
}

fn read_safetensors(folder: &Path, name: &str, shard: u32) -> Result<Vec<Placed>, Error> {
    let file = folder.join(name).display().to_string();
    let (mut reader, length) = plain_file::open(&folder.join(name))?;
    let variables = safetensors::read_header(&file, shard, &mut reader, length)?;
    Ok(variables
        .into_iter()
        .map(|variable| Placed {
            variable,
            column_major: false,
        })
        .collect())
}

/// Reads the tensors of sharded weights, which `model.safetensors.index.json` lists.
fn read_shards(folder: &Path) -> Result<(Vec<String>, Vec<Placed>), Error> {
    #[derive(Deserialize)]
    struct Shards {
        weight_map: BTreeMap<String, String>,
    }
    let file = folder.join(SHARDS_FILE).display().to_string();
    let text = read_small(folder, SHARDS_FILE, MAX_JSON_BYTES)?
        .ok_or_else(|| Error::Missing { file: file.clone() })?;
    let shards: Shards = config::parse(&file, &text)?;
    let mut names: BTreeMap<&String, Vec<&String>> = BTreeMap::new();
    for (tensor, name) in &shards.weight_map {
        names.entry(name).or_default().push(tensor);
    }
    if names.len() > MAX_SHARDS {
        return Err(Error::TooManyShards {
            file,
            limit: MAX_SHARDS,
        });
    }
    let mut tensors = Vec::new();
    for (shard, (&name, expected)) in (0..).zip(&names) {
        if name.contains(['/', '\\', ':', '\0']) || name.starts_with('.') || name.is_empty() {
            return Err(Error::ShardName {
                file,
                name: name.clone(),
            });
        }
        let found = read_safetensors(folder, name, shard)?;
        let present: BTreeSet<&str> = found.iter().map(|t| t.variable.name.as_str()).collect();
        for &tensor in expected {
            if !present.contains(tensor.as_str()) {
                return Err(Error::TensorMissing {
                    file: folder.join(name).display().to_string(),
                    name: tensor.clone(),
                });
            }
        }
        tensors.extend(found);
        // Many names may refer to one file, whose tensors would be stored once per name.
        check_count(&file, tensors.len())?;
    }
    Ok((names.into_keys().cloned().collect(), tensors))
}

fn length(folder: &Path, name: &str) -> Result<u64, Error> {
    Ok(plain_file::open(&folder.join(name))?.1)
}

/// Returns the bytes of a small file; `None` if it does not exist.
fn read_small(folder: &Path, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    Ok(plain_file::read(&folder.join(name), limit)?)
}

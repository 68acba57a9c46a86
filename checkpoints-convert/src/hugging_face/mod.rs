//! A Hugging Face ELECTRA model: a folder with `config.json` and the weights enters, tensors that
//! can be read one after the other leave, with the settings that no shape tells. The weights are
//! `model.safetensors`, whole or in several files, or `pytorch_model.bin`.

mod config;
mod error;
#[cfg(test)]
mod hostile;
mod names;
mod pickle;
mod pickle_machine;
mod pytorch;
mod safetensors;
mod state_dict;
mod storage;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::bundle::{self, Index, Variable};
use crate::config::ModelShape;
use config::{Settings, TokenizerFile, TokenizerSettings};

pub use error::Error;
pub(crate) use names::{name, reason, reference};

/// Names of a model's files.
pub(crate) const CONFIG_FILE: &str = "config.json";
pub(crate) const SAFETENSORS_FILE: &str = "model.safetensors";
pub(crate) const TOKENIZER_CONFIG_FILE: &str = "tokenizer_config.json";
const SHARDS_FILE: &str = "model.safetensors.index.json";
const PYTORCH_FILE: &str = "pytorch_model.bin";
const TOKENIZER_FILE: &str = "tokenizer.json";
const VOCABULARY_FILE: &str = "vocab.txt";

/// In the order in which they are looked for.
const WEIGHTS: [&str; 3] = [SAFETENSORS_FILE, SHARDS_FILE, PYTORCH_FILE];

const MAX_JSON_BYTES: u64 = 16 << 20;
const MAX_VOCABULARY_BYTES: u64 = 64 << 20;
const MAX_SHARDS: usize = 1024;

/// A tensor in a data file.
struct Placed {
    variable: Variable,
    /// A matrix whose values lie column after column.
    column_major: bool,
}

/// An opened model.
pub(crate) struct Model {
    /// As the user gave it.
    pub path: PathBuf,
    /// The file that the weights were found by.
    pub weights: String,
    pub index: Index,
    /// Of each variable of the index: whether its values lie column after column.
    pub column_major: Vec<bool>,
    /// Name for errors and length of each data file of the index.
    pub files: Vec<(String, u64)>,
    /// Names of the files that hold the weights.
    pub data_files: Vec<String>,
    folder: PathBuf,
    settings: Settings,
    archive: Option<pytorch::Archive>,
}

/// Folder and weights file of the model at `path`: a folder, or the file of its weights.
fn find(path: &Path) -> Option<(PathBuf, String)> {
    let is_model = |folder: &Path| folder.join(CONFIG_FILE).is_file();
    if path.is_dir() {
        let weights = WEIGHTS.iter().find(|name| path.join(name).is_file())?;
        return is_model(path).then(|| (path.into(), (*weights).into()));
    }
    let (folder, name) = (path.parent()?, path.file_name()?.to_str()?);
    (WEIGHTS.contains(&name) && path.is_file() && is_model(folder))
        .then(|| (folder.into(), name.into()))
}

/// Whether there is a Hugging Face model at `path`; nothing is read but names.
pub(crate) fn is_model(path: &Path) -> bool {
    find(path).is_some()
}

/// Whether the folder holds the configuration of a Hugging Face model, which a record's would
/// replace.
pub(crate) fn has_config(folder: &Path) -> bool {
    #[derive(Deserialize)]
    struct AnyModel {
        #[serde(rename = "model_type")]
        _model_type: String,
    }
    let file = folder.join(CONFIG_FILE);
    let text = File::open(&file).and_then(|reader| {
        let mut text = Vec::new();
        reader.take(MAX_JSON_BYTES).read_to_end(&mut text)?;
        Ok(text)
    });
    text.is_ok_and(|text| serde_json::from_slice::<AnyModel>(&text).is_ok())
}

impl Model {
    /// Opens the model at `path` and reads what its tensors are, but no values; `None` where
    /// there is none.
    ///
    /// # Errors
    /// A model of another kind, or files that are damaged or do not belong together.
    pub fn open(path: &Path) -> Result<Option<Self>, crate::Error> {
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

        let (data_files, tensors, archive) = match weights.as_str() {
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
            settings,
            archive,
        };
        model.check_places()?;
        Ok(Some(model))
    }

    /// Variables of the model lie inside their files, apart from each other. What is left out may
    /// share its values, as a generator's head does with its embeddings.
    fn check_places(&self) -> Result<(), bundle::Error> {
        let known = self.index.variables.iter();
        let index = Index {
            shards: self.index.shards,
            variables: known
                .filter(|variable| reference(&variable.name).is_some())
                .cloned()
                .collect(),
        };
        index.check_places(&self.files)
    }

    /// How errors call one of the model's files.
    pub fn display(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Puts what `config.json` says into a model that was inferred from shapes.
    ///
    /// # Errors
    /// `config.json` contradicts the shapes.
    pub fn apply_settings(&self, model: &mut ModelShape) -> Result<(), Error> {
        self.settings.apply(&self.display(CONFIG_FILE), model)
    }

    /// Whether the vocabulary is of lower-cased words.
    ///
    /// # Errors
    /// A file of the tokenizer cannot be read.
    pub fn lower_case(&self) -> Result<bool, Error> {
        let settings: Option<TokenizerSettings> = self.json(TOKENIZER_CONFIG_FILE)?;
        if let Some(lower_case) = settings.and_then(|settings| settings.do_lower_case) {
            return Ok(lower_case);
        }
        let tokenizer: Option<TokenizerFile> = self.json(TOKENIZER_FILE)?;
        Ok(tokenizer.and_then(|file| file.lower_case()).unwrap_or(true))
    }

    /// The bytes of `vocab.txt`, or what `tokenizer.json` gives in its place.
    ///
    /// # Errors
    /// There, but not readable.
    pub fn vocabulary(&self) -> Result<Option<Vec<u8>>, Error> {
        let vocabulary = read_small(&self.folder, VOCABULARY_FILE, MAX_VOCABULARY_BYTES)?;
        if vocabulary.is_some() {
            return Ok(vocabulary);
        }
        let tokenizer: Option<TokenizerFile> = self.json(TOKENIZER_FILE)?;
        Ok(tokenizer.and_then(TokenizerFile::vocabulary))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        read_small(&self.folder, name, MAX_JSON_BYTES)?
            .map(|bytes| config::parse(&self.display(name), &bytes))
            .transpose()
    }

    /// Calls `read` with a stream of a data file, from its beginning.
    ///
    /// # Errors
    /// Not readable, and what `read` returns.
    pub fn with_reader<T>(
        &mut self,
        shard: u32,
        read: impl FnOnce(&mut dyn Read) -> Result<T, crate::Error>,
    ) -> Result<T, crate::Error> {
        match &mut self.archive {
            Some(archive) => read(&mut archive.storage(shard, &self.files[0].0)?),
            None => {
                let name = &self.data_files[shard as usize];
                read(&mut open(&self.folder, name)?)
            }
        }
    }
}

/// What a user is to know of a model with these variables before fine-tuning it.
pub(crate) fn warnings(model: &ModelShape, variables: &[Variable]) -> Vec<String> {
    let mut warnings = Vec::new();
    let usual = (model.hidden_size / 64).max(1);
    if model.num_attention_heads != usual {
        warnings.push(format!(
            "{} attention heads where the reference's rule gives {usual}: fine-tune with \
             --set 'model_hparam_overrides={{\"num_attention_heads\": {}}}'",
            model.num_attention_heads, model.num_attention_heads
        ));
    }
    if variables.iter().any(|v| v.name.starts_with("generator_")) {
        warnings.push(
            "these are the weights of a generator; the discriminator is what is fine-tuned".into(),
        );
    }
    warnings
}

/// The variables by name, and their order of values. A name, and what it stands for, is unique.
fn sorted(file: &str, mut tensors: Vec<Placed>) -> Result<(Vec<Variable>, Vec<bool>), Error> {
    if tensors.len() > state_dict::MAX_TENSORS {
        return Err(Error::TooManyTensors {
            file: file.into(),
            limit: state_dict::MAX_TENSORS,
        });
    }
    tensors.sort_by(|a, b| a.variable.name.cmp(&b.variable.name));
    let mut seen = BTreeSet::new();
    for Placed { variable, .. } in &tensors {
        let stands_for = reference(&variable.name).unwrap_or_else(|| variable.name.clone());
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
    let length = length(folder, name)?;
    let variables = safetensors::read_header(&file, shard, &mut open(folder, name)?, length)?;
    Ok(variables
        .into_iter()
        .map(|variable| Placed {
            variable,
            column_major: false,
        })
        .collect())
}

/// The tensors of weights in several files, which `model.safetensors.index.json` names.
fn read_shards(folder: &Path) -> Result<(Vec<String>, Vec<Placed>), Error> {
    #[derive(Deserialize)]
    struct Shards {
        weight_map: BTreeMap<String, String>,
    }
    let file = folder.join(SHARDS_FILE).display().to_string();
    let text = read_small(folder, SHARDS_FILE, MAX_JSON_BYTES)?
        .ok_or_else(|| Error::Missing { file: file.clone() })?;
    let shards: Shards = config::parse(&file, &text)?;
    let names: BTreeSet<&String> = shards.weight_map.values().collect();
    if names.len() > MAX_SHARDS {
        return Err(Error::TooManyShards {
            file,
            limit: MAX_SHARDS,
        });
    }
    let mut tensors = Vec::new();
    for (shard, &name) in (0..).zip(&names) {
        if name.contains(['/', '\\', ':', '\0']) || name.starts_with('.') || name.is_empty() {
            return Err(Error::ShardName {
                file,
                name: name.clone(),
            });
        }
        let found = read_safetensors(folder, name, shard)?;
        let present: BTreeSet<&str> = found.iter().map(|t| t.variable.name.as_str()).collect();
        let expected = shards.weight_map.iter().filter(|(_, file)| *file == name);
        for (tensor, _) in expected {
            if !present.contains(tensor.as_str()) {
                return Err(Error::TensorMissing {
                    file: folder.join(name).display().to_string(),
                    name: tensor.clone(),
                });
            }
        }
        tensors.extend(found);
    }
    Ok((names.into_iter().cloned().collect(), tensors))
}

fn open(folder: &Path, name: &str) -> Result<File, Error> {
    let path = folder.join(name);
    let file = || path.display().to_string();
    File::open(&path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => Error::Missing { file: file() },
        _ => Error::Read {
            file: file(),
            source,
        },
    })
}

fn length(folder: &Path, name: &str) -> Result<u64, Error> {
    let file = open(folder, name)?;
    let data = file.metadata().map_err(|source| Error::Read {
        file: folder.join(name).display().to_string(),
        source,
    })?;
    Ok(data.len())
}

/// The bytes of a small file, `None` where it is not there.
fn read_small(folder: &Path, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    let reader = match open(folder, name) {
        Err(Error::Missing { .. }) => return Ok(None),
        result => result?,
    };
    let file = || folder.join(name).display().to_string();
    let mut bytes = Vec::new();
    reader
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| Error::Read {
            file: file(),
            source,
        })?;
    let size = bytes.len() as u64;
    if size > limit {
        return Err(Error::TooLarge {
            file: file(),
            size,
            limit,
        });
    }
    Ok(Some(bytes))
}

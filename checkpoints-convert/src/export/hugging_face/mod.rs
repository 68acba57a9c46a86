//! A folder for Hugging Face's `transformers`. Takes the parameters of an encoder and a head; yields
//! `config.json`, `model.safetensors`, the tokenizer's files and a model card. The encoder's tensors are
//! named as in `ElectraForPreTraining` and similar classes, so that every ELECTRA class of that library loads
//! them.

pub(super) mod card;
mod config;
mod figures;
mod network_card;
mod tensor;
mod tokenizer;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::head::{Head, Heads};
use super::network::{Chosen, Network};
use super::source::Source;
use super::{Asked, ExportedTensor};
use crate::Error;
use crate::head_shape::DenseKind;
use crate::hugging_face::{
    CONFIG_FILE, SAFETENSORS_FILE, SPECIAL_TOKENS_FILE, TOKENIZER_CONFIG_FILE, TOKENIZER_FILE,
};
use crate::names::Parameter;
use crate::pretrained::Pretrained;
use crate::record_files::VOCABULARY_FILE;
use crate::staging::Staging;
use crate::stored_record::{StoredRecord, is_of_pretraining};
use card::Card;
use network_card::NetworkCard;
use tensor::Planned;
use tokenizer::Tokens;

/// The files and tensors that were written.
type Written = (Vec<String>, Vec<ExportedTensor>);

/// What to write of a record.
pub(super) struct Plan<'a> {
    pub subject: Subject<'a>,
    tensors: Vec<Planned>,
}

/// The model to write.
pub(super) enum Subject<'a> {
    /// The encoder, with the head of a task if one can be exported.
    Task(Heads<'a>),
    /// A pre-training network with its head.
    Network(Chosen),
}

impl Subject<'_> {
    pub fn network(&self) -> Option<Network> {
        match self {
            Self::Task(_) => None,
            Self::Network(chosen) => Some(chosen.network),
        }
    }

    /// Why the parameter at `path` of the record is left out.
    pub fn reason_of(&self, path: &str) -> &'static str {
        match self {
            Self::Task(_) if is_of_pretraining(path) => {
                "part of pre-training: --network exports its networks"
            }
            Self::Task(heads) => heads.reason_of(path),
            Self::Network(chosen) => chosen.reason_of(path),
        }
    }

    /// Warns of what a user must know before using it in `transformers`; `file` names the record's
    /// configuration in messages.
    pub fn warn(&self, file: &str) {
        match self {
            Self::Task(heads) => warn(heads, file),
            Self::Network(chosen) => {
                if let Some(note) = chosen.note {
                    log::warn!("{file}: {note}");
                }
            }
        }
    }
}

impl<'a> Plan<'a> {
    pub fn new(
        source: &'a Source,
        pretrained: Option<&Pretrained>,
        asked: Asked,
    ) -> Result<Self, Error> {
        let network = match asked.task {
            Some(_) => None,
            None => Chosen::of(source, pretrained, asked.network)?,
        };
        if let Some(chosen) = network {
            let parameters = chosen.parameters.iter().cloned();
            return Ok(Self {
                tensors: parameters.map(tensor::single).collect(),
                subject: Subject::Network(chosen),
            });
        }
        let heads = Heads::choose(&source.config, asked.task, &source.display())?;
        Ok(Self {
            tensors: tensor::plan(&source.config, heads.chosen.as_ref()),
            subject: Subject::Task(heads),
        })
    }

    /// The parameters that it needs.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        self.tensors.iter().flat_map(|tensor| &tensor.parts)
    }

    /// Total bytes of all tensors.
    pub fn size(&self) -> u64 {
        self.tensors.iter().map(Planned::size).sum()
    }

    /// Writes everything except the vocabulary; calls `on_bytes` with the size of each tensor. Writes the
    /// model card to OUT as `name`, if a name is given.
    pub fn write(
        self,
        record: &mut StoredRecord,
        source: &Source,
        card_of: Option<&Path>,
        staging: &Staging,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Written, Error> {
        let config = &source.config;
        let mut files = Vec::new();
        let mut put = |name: &str, bytes: &[u8]| {
            files.push(name.to_owned());
            staging.write(name, bytes)
        };
        if let Some(out) = card_of {
            let card = match &self.subject {
                Subject::Task(heads) => Card::new(source, heads, out).text(),
                Subject::Network(chosen) => NetworkCard::new(source, chosen, out).text(),
            };
            put(card::FILE, card.as_bytes())?;
        }
        let tokens = Tokens::of(&source.vocabulary);
        let padding = tokens.as_ref().map_or(0, Tokens::padding);
        match tokens {
            Ok(tokens) => put(TOKENIZER_FILE, &tokens.file(config))?,
            Err(why) => log::warn!(
                "{}: {why}, so that {TOKENIZER_FILE} is not written; transformers builds one from \
                {VOCABULARY_FILE}",
                source.folder.join(VOCABULARY_FILE).display()
            ),
        }
        put(SPECIAL_TOKENS_FILE, &tokenizer::special_tokens())?;
        put(TOKENIZER_CONFIG_FILE, &tokenizer::tokenizer_config(config))?;
        let described = match &self.subject {
            Subject::Task(heads) => {
                config::of_head(config, heads.chosen.as_ref(), padding, source.threshold())
            }
            Subject::Network(chosen) => config::of_network(chosen, padding),
        };
        put(CONFIG_FILE, &described)?;
        // The weights come last: if they exist, so do the other files.
        files.push(SAFETENSORS_FILE.to_owned());
        let tensors = write_tensors(self.tensors, record, staging, on_bytes)?;
        Ok((files, tensors))
    }
}

/// Warns of what a user must know of a head before using it in `transformers`, and of heads that are left
/// out.
fn warn(heads: &Heads, file: &str) {
    for (task, why) in heads.left_out() {
        let why = why.strip_prefix("head of a task: ").unwrap_or(why);
        log::warn!("{file}: head {task:?} is left out: {why}");
    }
    let Some(head) = &heads.chosen else {
        return;
    };
    for warning in head_warnings(head) {
        log::warn!("{warning}");
    }
}

fn head_warnings(head: &Head) -> Vec<String> {
    let task = &head.task;
    let mut warnings = Vec::new();
    if !head.is_whole() {
        warnings.push(format!(
            "head {task:?} is exported without its classifier for unanswerable questions: transformers \
             takes the no-answer score from the first token's start and end"
        ));
    }
    if let Some(dense) = head.dense() {
        if dense.kind == Some(DenseKind::Tagging) && config::segment(dense) == 1 {
            warnings.push(format!(
                "head {task:?} was trained with segment 1 on every token: give the model token_type_ids of 1, \
                 since with the 0 that transformers' tokenizer gives it predicts other labels"
            ));
        }
        if dense.kind == Some(DenseKind::Regression) && dense.range.is_none() {
            warnings.push(format!(
                "the range of head {task:?} is unknown: transformers shows its numbers as 0 to 1"
            ));
        }
    }
    warnings
}

fn write_tensors(
    planned: Vec<Planned>,
    record: &mut StoredRecord,
    staging: &Staging,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Vec<ExportedTensor>, Error> {
    let path = staging.path(SAFETENSORS_FILE);
    let failed = |source| Error::Write {
        file: path.display().to_string(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    file.write_all(&header(&path, &planned)?).map_err(failed)?;
    for tensor in &planned {
        tensor.write(record, &mut file, &failed)?;
        on_bytes(tensor.size());
    }
    let file = file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    Ok(planned.into_iter().map(|tensor| tensor.exported).collect())
}

/// Length and JSON of the header, padded with spaces so that the values start at a multiple of 8.
fn header(path: &Path, planned: &[Planned]) -> Result<Vec<u8>, Error> {
    let mut offset = 0;
    let tensors = planned.iter().map(|tensor| {
        let start = offset;
        offset += tensor.size() as usize;
        let shape = tensor.exported.shape.iter();
        let info = TensorInfo {
            dtype: Dtype::F32,
            shape: shape.map(|&size| size as usize).collect(),
            data_offsets: (start, offset),
        };
        (tensor.exported.name.clone(), info)
    });
    // Without this key, older versions of transformers cannot tell which framework the tensors are from.
    let format = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    let failed = |what: String| Error::Write {
        file: path.display().to_string(),
        source: io::Error::other(what),
    };
    let metadata = Metadata::new(Some(format), tensors.collect())
        .map_err(|error| failed(error.to_string()))?;
    let mut text = serde_json::to_vec(&metadata).map_err(|error| failed(error.to_string()))?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut header = (text.len() as u64).to_le_bytes().to_vec();
    header.append(&mut text);
    Ok(header)
}

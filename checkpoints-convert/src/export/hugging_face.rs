//! A folder for Hugging Face's `transformers`: parameters of the encoder, and those of a tagging head,
//! enter; `config.json`, `model.safetensors` and `tokenizer_config.json` leave. Names are those of
//! `ElectraForPreTraining` and its like, so that every ELECTRA class of that library loads them.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde_json::{Map, Value, json};

use super::tagging::TaggingHead;
use super::{ExportedTensor, byte_length};
use crate::Error;
use crate::config::RecordConfig;
use crate::framework::Framework;
use crate::head_shape::{DenseShape, HeadShape};
use crate::hugging_face::{
    CONFIG_FILE, SAFETENSORS_FILE, TAGGING_CLASS, TOKENIZER_CONFIG_FILE, placeholder,
};
use crate::names::{self, Parameter};
use crate::staging::{self, Staging};
use crate::stored_record::StoredRecord;
use crate::transpose::transpose;

/// Files and tensors that were written.
type Written = (Vec<String>, Vec<ExportedTensor>);

/// What is written of a record: the encoder and the head.
pub(super) fn parameters(config: &RecordConfig, head: Option<&TaggingHead>) -> Vec<Parameter> {
    let mut parameters = names::encoder_parameters(config);
    if let Some(TaggingHead { task, shape }) = head {
        let shape = HeadShape::Dense(shape.clone());
        parameters.extend(names::head_parameters(config, task, &shape));
    }
    parameters
}

/// Writes everything but the vocabulary; `on_bytes` hears of the bytes of each tensor.
pub(super) fn write(
    record: &mut StoredRecord,
    head: Option<&TaggingHead>,
    parameters: &[Parameter],
    staging: &Staging,
    on_bytes: &mut dyn FnMut(u64),
) -> Result<Written, Error> {
    let path = staging.path(SAFETENSORS_FILE);
    let failed = |source| Error::Write {
        file: path.display().to_string(),
        source,
    };
    let tensors: Vec<ExportedTensor> = parameters.iter().map(exported).collect();
    let file = File::create(&path).map_err(failed)?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    file.write_all(&header(&path, &tensors, parameters)?)
        .map_err(failed)?;
    for parameter in parameters {
        let values = record.take(parameter)?;
        match parameter.shape[..] {
            [rows, columns] if Framework::HuggingFace.is_transposed(&parameter.variable) => {
                file.write_all(&transpose(&values, rows as usize, columns as usize))
            }
            _ => file.write_all(&values),
        }
        .map_err(failed)?;
        on_bytes(byte_length(parameter));
    }
    let file = file
        .into_inner()
        .map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;

    if let Some(head) = head
        && segment(&head.shape) == 1
    {
        log::warn!(
            "head {:?} was trained with segment 1 on every token: give the model token_type_ids of 1, \
             since with the 0 that transformers' tokenizer gives it predicts other labels",
            head.task
        );
    }
    staging.write(TOKENIZER_CONFIG_FILE, &tokenizer_config(&record.config))?;
    staging.write(CONFIG_FILE, &model_config(&record.config, head))?;
    // The weights come last: where they are, the other files are there too.
    let files = [TOKENIZER_CONFIG_FILE, CONFIG_FILE, SAFETENSORS_FILE];
    Ok((files.map(str::to_owned).to_vec(), tensors))
}

fn exported(parameter: &Parameter) -> ExportedTensor {
    ExportedTensor {
        name: Framework::HuggingFace.name(&parameter.variable),
        shape: Framework::HuggingFace.shape(&parameter.variable, &parameter.shape),
        parameter: parameter.path.clone(),
    }
}

/// Length and JSON of the header, padded with spaces so that the values start at a multiple of 8.
fn header(
    path: &Path,
    tensors: &[ExportedTensor],
    parameters: &[Parameter],
) -> Result<Vec<u8>, Error> {
    let mut offset = 0;
    let tensors = tensors.iter().zip(parameters).map(|(tensor, parameter)| {
        let start = offset;
        offset += byte_length(parameter) as usize;
        let info = TensorInfo {
            dtype: Dtype::F32,
            shape: tensor.shape.iter().map(|&size| size as usize).collect(),
            data_offsets: (start, offset),
        };
        (tensor.name.clone(), info)
    });
    // Without this key, older versions of transformers do not know whose tensors these are.
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

fn model_config(config: &RecordConfig, head: Option<&TaggingHead>) -> Vec<u8> {
    let class = head.map_or("ElectraModel", |_| TAGGING_CLASS);
    let mut value = json!({
        "architectures": [class],
        "model_type": "electra",
        "dtype": "float32",
        "pad_token_id": 0,
        "position_embedding_type": "absolute",
    });
    if let (Some(value), Ok(Value::Object(model))) =
        (value.as_object_mut(), serde_json::to_value(&config.model))
    {
        // The record's keys are those of `ElectraConfig`.
        value.extend(model);
        if let Some(head) = head {
            value.extend(head_config(head));
        }
    }
    staging::json(&value)
}

/// The segment id of every token that a tagging head was trained on.
fn segment(shape: &DenseShape) -> u8 {
    shape.segment.unwrap_or(1)
}

/// The keys of a tagging head; the reference's has no dropout before it.
fn head_config(TaggingHead { task, shape }: &TaggingHead) -> Map<String, Value> {
    let labels = match &shape.labels {
        Some(labels) => labels.clone(),
        None => (0..shape.outputs).map(placeholder).collect(),
    };
    let numbered = labels.iter().enumerate();
    let by_number: Map<_, _> = numbered
        .clone()
        .map(|(number, label)| (number.to_string(), json!(label)))
        .collect();
    let by_label: Map<_, _> = numbered
        .map(|(number, label)| (label.clone(), json!(number)))
        .collect();
    Map::from_iter([
        ("finetuning_task".to_owned(), json!(task)),
        ("id2label".to_owned(), by_number.into()),
        ("label2id".to_owned(), by_label.into()),
        ("classifier_dropout".to_owned(), json!(0.0)),
        ("tagging_segment".to_owned(), json!(segment(shape))),
    ])
}

fn tokenizer_config(config: &RecordConfig) -> Vec<u8> {
    staging::json(&json!({
        "tokenizer_class": "ElectraTokenizer",
        "do_lower_case": config.do_lower_case,
        "tokenize_chinese_chars": config.tokenize_chinese_chars,
        "strip_accents": config.strip_accents,
        "model_max_length": config.model.max_position_embeddings,
        "unk_token": "[UNK]",
        "sep_token": "[SEP]",
        "pad_token": "[PAD]",
        "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    }))
}

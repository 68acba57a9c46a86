//! Converts TensorFlow 1.15 and Hugging Face ELECTRA checkpoints to Burn records and back, without
//! Python.
//!
//! Import: zip, folder or prefix (`source`) → variables (`bundle`), or a model's folder → variables
//! (`hugging_face`); both become `tensor`s of one `checkpoint` → positions in the model (`names`,
//! `plan`) → `model.bpk` (`record`) and a report of every variable (`report`); `verify` reads both
//! sides again. `pack` is the file format of a record, with its checksums. Export: `model.bpk` →
//! files of either framework (`export`).
//!
//! # Heads
//!
//! The heads of all tasks are converted, several per checkpoint: [`HeadShape`] describes them. In a
//! TensorFlow checkpoint a head is identified by the full set of its variables:
//! `task_specific/<task>/dense` alone, `[hidden, outputs]`, is one dense layer (classification,
//! regression, tagging); with the layers `qa_hidden`, `dense_1`, … it is question answering. A head
//! that is neither is left out, with a warning that says why.
//!
//! | Hugging Face's class | its head |
//! |---|---|
//! | `ElectraForTokenClassification` | is a tagging head, with the labels of `id2label` |
//! | `ElectraForSequenceClassification` | is one of classification, or of regression if it has one output, with [`hidden_layer`](DenseShape::hidden_layer) |
//! | `ElectraForQuestionAnswering` | is one of question answering without joint prediction and without a classifier |
//!
//! The task is `finetuning_task` of `config.json` if a task of that name has such a head, otherwise
//! `tagging`, `classification`, `regression` or `squad`. An exported Hugging Face model has one
//! head: the only one that can be exported, or the one passed to [`export_head`]. The joint head
//! cannot be exported, and `export.json` names every parameter that was left out. A head of one
//! layer is written as two, since `gelu(z) − gelu(−z) = z`.
//!
//! # Pre-training
//!
//! A model with its generator (`generator.bpk` beside `model.bpk`, as `--with-generator` and a run of
//! pre-training leave it) is two models of `transformers`: [`export_network`] writes the discriminator as
//! `ElectraForPreTraining` or the generator as `ElectraForMaskedLM`. A checkpoint of TensorFlow gets all
//! networks, and Adam's moments and the step where a run's checkpoint has them.
//!
//! # Segments and labels
//!
//! The reference gives every token of a tagging task segment 1, `transformers` gives it 0, and a head
//! needs the one that it was trained with: `segment` of a record's head says 0, and `tagging_segment` of
//! an exported `config.json` says either. TensorFlow has no place for labels: its checkpoints are read
//! without them, and the kind of a dense head is known there if the task has one of the reference's
//! names.
#![forbid(unsafe_code)]

pub mod bundle;
mod calibration;
mod checkpoint;
pub mod command;
mod config;
mod config_file;
mod content;
mod convert;
mod counted;
mod description;
mod digest;
mod error;
mod export;
mod framework;
mod head_shape;
mod hugging_face;
mod inspect;
mod kept;
mod names;
pub mod pack;
mod plain_file;
mod plan;
mod pretrained;
mod pretraining;
mod printable;
mod record;
mod record_files;
mod report;
mod source;
mod staging;
mod stored_record;
pub mod tensor;
mod transpose;
mod verify;
mod vocabulary;
mod zip_error;

pub use checkpoint::{is_checkpoint, is_hugging_face};
pub use config::{Error as ConfigError, ModelShape, RecordConfig};
pub use config_file::{CALIBRATION, ConfigFile, THRESHOLD, TRAINED_POSITIONS};
pub use content::Content;
pub use convert::{Conversion, convert};
pub use counted::{counted, plural};
pub use description::{Description, describe};
pub use error::Error;
pub use export::{Export, Format, Network, export, export_head, export_network};
pub use head_shape::{DenseKind, DenseShape, HeadShape, SpanShape};
pub use hugging_face::Error as HuggingFaceError;
pub use inspect::{Inspection, RecordInspection, inspect, inspect_record, is_record};
pub use kept::{KeptRecord, KeptState, is_fine_tuned, is_made_of, takes_record};
pub use names::{Parameter, parameters, pretraining_path};
pub use plain_file::without_mark;
pub use plan::Error as PlanError;
pub use pretraining::{Kept, write_pretraining};
pub use printable::{printable, printable_json};
pub use record_files::{CONFIG_FILE, GENERATOR_FILE, RECORD_FILE, REPORT_FILE, VOCABULARY_FILE};
pub use report::{Report, SourceReport, Totals, VariableReport};
pub use source::Error as SourceError;
pub use stored_record::StoredTensor;
pub use verify::{Verification, verify};

//! Tests every stage against the results of Google's code: data, model, training, evaluation,
//! scores.

#[path = "../support/mod.rs"]
mod support;

mod analysis;
mod answers;
mod chunk_data;
mod data;
mod datasets;
mod evaluation;
mod exactness;
mod glue_data;
mod model;
mod precision;
mod pretrain_data;
mod pretraining;
mod resume;
mod scorers;
mod tasks;
mod training;

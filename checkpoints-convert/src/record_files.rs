//! The files of a record's folder.

pub const RECORD_FILE: &str = "model.bpk";
pub const CONFIG_FILE: &str = "config.json";
pub const VOCABULARY_FILE: &str = "vocab.txt";
pub const REPORT_FILE: &str = "conversion.json";

/// The generator and the heads of pre-training, beside a model that has them.
pub const GENERATOR_FILE: &str = "generator.bpk";

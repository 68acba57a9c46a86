//! From logits to figures: window outputs → candidates → n-best answers → metrics → result files.
//!
//! [`predict::predict`] runs the model, [`nbest::predict`] turns what it says of each window into
//! answers, [`score::score`] marks answer files as the official scorers do, [`squad2`],
//! [`squad1`] and [`mrqa`] mark answers still in memory, and [`results`] writes the files of a
//! run; [`evaluate`] does all of it for one task's file.

pub mod answer;
pub mod answer_files;
pub mod basis;
pub mod calibration;
pub mod candidate;
pub mod error;
pub mod evaluate;
pub mod figures;
pub mod gold;
pub mod json_file;
pub mod mark;
pub mod mrqa;
pub mod nbest;
pub mod normalize;
pub mod output_place;
pub mod overlap;
pub mod precision_recall;
pub mod predict;
pub mod prediction_file;
pub mod provenance;
pub mod question_map;
pub mod result_file;
pub mod results;
pub mod results_table;
pub mod score;
pub mod squad1;
pub mod squad2;
pub mod summary;
pub mod threshold;
pub mod threshold_advice;
pub mod threshold_curve;
pub mod threshold_effect;

pub use error::Error;

//! The metrics of a run: as a task's scorer computes them, in the run's files, over several trials,
//! compared with another run, and on a terminal.

pub mod bootstrap;
pub mod comparison;
pub mod dev_record;
pub mod error;
pub mod figures;
pub mod file_digest;
pub mod json_file;
pub mod judged;
pub mod origin;
pub mod output_place;
pub mod record_file;
pub mod result_file;
pub mod results;
pub mod results_table;
pub mod summary;
pub mod taken;
pub mod trial_name;

pub use error::Error;

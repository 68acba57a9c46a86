//! Training: loss, gradients, clipping, optimiser, checkpoints and the loop.

pub mod adam;
pub mod best_by;
pub mod best_weights;
pub mod checkpoint;
pub mod checksum;
pub mod dev_curve;
pub mod disk_space;
pub mod encoder_pass;
pub mod gradients;
pub mod lock_holder;
pub mod log;
pub mod loss_scale;
pub mod memory;
pub mod memory_plan;
pub mod moments_format;
pub mod objective;
pub mod prediction_memory;
pub mod resume;
pub mod run;
pub mod run_folder;
pub mod run_identity;
pub mod run_lock;
pub mod saver;
pub mod schedule;
pub mod step;
pub mod watch;

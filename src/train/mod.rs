//! From logits to a better record: loss, gradients, clipping, optimiser, checkpoints, the loop.

pub mod adam;
pub mod checkpoint;
pub mod checksum;
pub mod clip;
pub mod disk_room;
pub mod gradients;
pub mod log;
pub mod loss_scale;
pub mod memory;
pub mod memory_plan;
pub mod run;
pub mod run_folder;
pub mod run_identity;
pub mod run_lock;
pub mod schedule;
pub mod step;

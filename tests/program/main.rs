//! The real program as a user meets it, the server included: its commands, its files, its messages,
//! its end.
#![cfg(feature = "server")]

#[path = "../support/mod.rs"]
mod support;

mod architecture;
mod ask;
mod asked_tasks;
mod bad_inputs;
mod checkpoint_facts;
mod cli;
mod compared_runs;
mod config;
mod continued_pretraining;
mod cores;
mod data_files;
mod dev_curve;
mod docs;
mod faults;
mod first_step;
mod foreign_heads;
mod foreign_model;
mod interruption;
mod kernel_trial;
mod model_folder;
mod one_score;
mod own_tasks;
mod pretrain_data;
mod pretrained_model;
mod pretraining;
mod report;
mod runtime_folder;
mod sweep;
mod task_data;
mod tasks;
mod trials;

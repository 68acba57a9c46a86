//! Tests the server and the pages: requests, load, and both in a real browser.

#![cfg(feature = "server")]

#[path = "../support/mod.rs"]
mod support;

mod learned;
mod page;
mod report_of_tasks;
mod report_page;
mod serve;
mod serve_figures;
mod serve_lists;
mod serve_load;
mod serve_openapi;
mod serve_origin;
mod serve_refused;
mod serve_tasks;
mod task_page;

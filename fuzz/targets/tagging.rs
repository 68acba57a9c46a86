#![no_main]

use electra_fuzz::{budget::FUZZING, run, tagging};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, tagging, bytes));

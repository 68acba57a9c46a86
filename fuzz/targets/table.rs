#![no_main]

use electra_fuzz::{budget::FUZZING, run, table};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, table, bytes));

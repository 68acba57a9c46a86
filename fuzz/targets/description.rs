#![no_main]

use electra_fuzz::{budget::FUZZING, description, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, description, bytes));

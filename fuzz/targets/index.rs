#![no_main]

use electra_fuzz::{budget::FUZZING, index, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, index, bytes));

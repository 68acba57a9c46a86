#![no_main]

use electra_fuzz::{budget::FUZZING, predictions, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, predictions, bytes));

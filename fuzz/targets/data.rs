#![no_main]

use electra_fuzz::{budget::FUZZING, data, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, data, bytes));

#![no_main]

use electra_fuzz::{budget::FUZZING, quac, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, quac, bytes));

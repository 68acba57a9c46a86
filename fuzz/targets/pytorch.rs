#![no_main]

use electra_fuzz::{budget::FUZZING, pytorch, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, pytorch, bytes));

#![no_main]

use electra_fuzz::{budget::FUZZING, examples, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, examples, bytes));

#![no_main]

use electra_fuzz::{budget::FUZZING, newsqa, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, newsqa, bytes));

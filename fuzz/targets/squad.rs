#![no_main]

use electra_fuzz::{budget::FUZZING, run, squad};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, squad, bytes));

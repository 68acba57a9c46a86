#![no_main]

use electra_fuzz::{archive, budget::FUZZING, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, archive, bytes));

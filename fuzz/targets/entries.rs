#![no_main]

use electra_fuzz::{budget::FUZZING, entries, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, entries, bytes));

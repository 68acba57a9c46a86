#![no_main]

use electra_fuzz::{budget::FUZZING, record_file, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, record_file, bytes));

#![no_main]

use electra_fuzz::{budget::FUZZING, mrqa, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, mrqa, bytes));

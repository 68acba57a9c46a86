#![no_main]

use electra_fuzz::{budget::FUZZING, run, vocab};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, vocab, bytes));

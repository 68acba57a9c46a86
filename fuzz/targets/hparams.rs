#![no_main]

use electra_fuzz::{budget::FUZZING, hparams, run};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, hparams, bytes));

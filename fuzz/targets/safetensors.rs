#![no_main]

use electra_fuzz::{budget::FUZZING, run, safetensors};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| run(FUZZING, safetensors, bytes));

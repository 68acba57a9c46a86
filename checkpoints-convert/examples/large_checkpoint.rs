//! Writes a checkpoint with the size and structure of ELECTRA-Large (785 variables, 1.4 GB) and
//! made-up values, to time a conversion without a download:
//! `cargo run --release -p checkpoints-convert --example large_checkpoint -- FOLDER`.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use checkpoints_convert::bundle::{BundleWriter, write_checkpoint_state};
use checkpoints_convert::tensor::DType;

const PREFIX: &str = "electra_large";
const LAYERS: u64 = 24;
const VOCABULARY: u64 = 30_522;
const EMBEDDING: u64 = 1024;
/// Hidden sizes of the discriminator and of its generator.
const HIDDEN: u64 = 1024;
const GENERATOR: u64 = 256;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os()
        .nth(1)
        .context("usage: large_checkpoint FOLDER")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let mut bundle = BundleWriter::create(folder, PREFIX, 1)?;
    let variables = variables();
    for (number, (name, shape)) in variables.iter().enumerate() {
        let count = shape.iter().product();
        bundle.add_streaming(0, name, DType::F32, shape, &mut |out| {
            write_values(out, number as u64, count)
        })?;
    }
    bundle.add(0, "global_step", DType::I64, &[], &400_000i64.to_le_bytes())?;
    bundle.finish()?;
    write_checkpoint_state(folder, PREFIX)?;
    let vocabulary: String = (0..VOCABULARY)
        .map(|word| format!("word{word}\n"))
        .collect();
    std::fs::write(folder.join("vocab.txt"), vocabulary)?;
    println!("{} variables in {}", variables.len() + 1, folder.display());
    Ok(())
}

/// Returns the names and shapes in file order, which is the order of the names.
fn variables() -> Vec<(String, Vec<u64>)> {
    let mut variables = Vec::new();
    let mut add = |name: &str, shape: &[u64]| variables.push((name.to_owned(), shape.to_vec()));
    add(
        "electra/embeddings/word_embeddings",
        &[VOCABULARY, EMBEDDING],
    );
    add("electra/embeddings/position_embeddings", &[512, EMBEDDING]);
    add("electra/embeddings/token_type_embeddings", &[2, EMBEDDING]);
    add("electra/embeddings/LayerNorm/gamma", &[EMBEDDING]);
    add("electra/embeddings/LayerNorm/beta", &[EMBEDDING]);
    add(
        "generator/embeddings_project/kernel",
        &[EMBEDDING, GENERATOR],
    );
    add("generator/embeddings_project/bias", &[GENERATOR]);
    add("discriminator_predictions/dense/kernel", &[HIDDEN, HIDDEN]);
    add("discriminator_predictions/dense/bias", &[HIDDEN]);
    add("discriminator_predictions/dense_1/kernel", &[HIDDEN, 1]);
    add("discriminator_predictions/dense_1/bias", &[1]);
    add(
        "generator_predictions/dense/kernel",
        &[GENERATOR, EMBEDDING],
    );
    add("generator_predictions/dense/bias", &[EMBEDDING]);
    add("generator_predictions/LayerNorm/gamma", &[EMBEDDING]);
    add("generator_predictions/LayerNorm/beta", &[EMBEDDING]);
    add("generator_predictions/output_bias", &[VOCABULARY]);
    for (model, hidden) in [("electra", HIDDEN), ("generator", GENERATOR)] {
        let dense = [
            ("attention/self/query", hidden, hidden),
            ("attention/self/key", hidden, hidden),
            ("attention/self/value", hidden, hidden),
            ("attention/output/dense", hidden, hidden),
            ("intermediate/dense", hidden, 4 * hidden),
            ("output/dense", 4 * hidden, hidden),
        ];
        for layer in 0..LAYERS {
            let scope = format!("{model}/encoder/layer_{layer}");
            for (name, input, output) in dense {
                add(&format!("{scope}/{name}/kernel"), &[input, output]);
                add(&format!("{scope}/{name}/bias"), &[output]);
            }
            for norm in ["attention/output/LayerNorm", "output/LayerNorm"] {
                add(&format!("{scope}/{norm}/gamma"), &[hidden]);
                add(&format!("{scope}/{norm}/beta"), &[hidden]);
            }
        }
    }
    variables.sort();
    variables
}

/// Writes `count` values between -0.04 and 0.04 that depend only on `seed`.
fn write_values(out: &mut dyn Write, seed: u64, count: u64) -> io::Result<()> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut piece = Vec::with_capacity(1 << 16);
    for _ in 0..count {
        // Knuth's linear congruential generator; its upper bits are the random ones.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let unit = (state >> 40) as f32 / (1u64 << 24) as f32;
        piece.extend_from_slice(&(0.08 * (unit - 0.5)).to_le_bytes());
        if piece.len() == 1 << 16 {
            out.write_all(&piece)?;
            piece.clear();
        }
    }
    out.write_all(&piece)
}

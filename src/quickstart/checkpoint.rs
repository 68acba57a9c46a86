//! The TensorFlow checkpoint that the quickstart converts, in a zip file as Google publishes them.
//!
//! Its weights are f32 whose lower half is zero. They are embedded as two byte planes, the
//! exponents of all weights and then their signs and mantissas: deflate compresses exponents to two
//! fifths, but hardly at all if they are interleaved with the other bytes.

use std::io::{Cursor, Read, Write};

use flate2::read::ZlibDecoder;
use zip::{CompressionMethod, ZipWriter, result::ZipError, write::SimpleFileOptions};

/// Exponents, then signs and mantissas, a byte each.
const PLANES: &[u8] = include_bytes!("../../assets/quickstart/electra_tiny.planes");
const INDEX: &[u8] = include_bytes!("../../assets/quickstart/electra_tiny.index");
/// The checkpoint's vocabulary.
pub(super) const VOCABULARY: &str = include_str!("../../assets/quickstart/vocab.txt");

/// The file that names the newest checkpoint of a folder (`tf.train.latest_checkpoint`).
const NEWEST: &str = "model_checkpoint_path: \"electra_tiny\"\n\
    all_model_checkpoint_paths: \"electra_tiny\"\n";

/// Returns the bytes of `electra_tiny.zip`.
///
/// # Errors
/// If the embedded files are damaged.
pub fn archive() -> Result<Vec<u8>, ZipError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let deflated = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in files()? {
        zip.start_file(format!("electra_tiny/{name}"), deflated)?;
        zip.write_all(&content)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn files() -> Result<[(&'static str, Vec<u8>); 4], ZipError> {
    Ok([
        ("vocab.txt", VOCABULARY.into()),
        ("electra_tiny.data-00000-of-00001", weights()?),
        ("electra_tiny.index", INDEX.into()),
        ("checkpoint", NEWEST.into()),
    ])
}

/// Returns the weights as little-endian f32.
fn weights() -> Result<Vec<u8>, ZipError> {
    let mut planes = Vec::new();
    ZlibDecoder::new(PLANES).read_to_end(&mut planes)?;
    let (exponents, rest) = planes.split_at(planes.len() / 2);
    let values = exponents.iter().zip(rest);
    let bytes = values.flat_map(|(&exponent, &rest)| {
        let [exponent, rest] = [exponent, rest].map(u32::from);
        let bits = (rest & 0x80) << 24 | exponent << 23 | (rest & 0x7f) << 16;
        bits.to_le_bytes()
    });
    Ok(bytes.collect())
}

#[cfg(test)]
mod tests {
    use zip::ZipArchive;

    use super::*;

    #[test]
    fn the_files_are_those_that_were_packed() {
        let mut zip = ZipArchive::new(Cursor::new(archive().unwrap())).unwrap();
        // As written by TensorFlow's export of the model.
        let written = [
            ("vocab.txt", 13_398, 0x07ae_cef1),
            ("electra_tiny.data-00000-of-00001", 4_485_120, 0x0c13_935f),
            ("electra_tiny.index", 2_930, 0xe4bf_dee1),
            ("checkpoint", 81, 0x91b6_cd4b),
        ];
        assert_eq!(zip.len(), written.len());
        for (name, size, sum) in written {
            let file = zip.by_name(&format!("electra_tiny/{name}")).unwrap();
            assert_eq!((file.size(), file.crc32()), (size, sum), "{name}");
        }
    }
}

//! The features file of tagging: one JSON object per line, in the order of the features.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::feature::Feature;
use crate::{data::Error, durable_file::write_whole};

/// The keys in the order of a line.
#[derive(Serialize)]
struct Line<'a> {
    eid: usize,
    length: usize,
    input_ids: &'a [u32],
    segment_ids: Vec<u8>,
    n_labelled: usize,
    labeled_positions: &'a [u32],
    n_words: usize,
    labels: &'a [u32],
}

impl<'a> From<&'a Feature> for Line<'a> {
    fn from(feature: &'a Feature) -> Self {
        let length = feature.input_ids.len();
        Self {
            eid: feature.eid,
            length,
            input_ids: &feature.input_ids,
            // As in the reference, all tokens are in segment 1.
            segment_ids: vec![1; length],
            n_labelled: feature.kept(),
            labeled_positions: &feature.labeled_positions,
            n_words: feature.words,
            labels: &feature.labels,
        }
    }
}

/// Writes a features file. An existing file of that name is replaced once the new one is complete.
///
/// # Errors
/// If the folder cannot be created or written, or the disk is full.
pub fn write_features(path: &Path, features: &[Feature]) -> Result<(), Error> {
    let written = write_whole(path, |out| write_lines(out, features));
    written.map_err(|source| Error::Write {
        path: path.to_owned(),
        source,
    })
}

/// Writes the lines of a features file to `out`.
///
/// # Errors
/// If writing to `out` fails.
pub fn write_lines(out: &mut (impl Write + ?Sized), features: &[Feature]) -> io::Result<()> {
    for feature in features {
        serde_json::to_writer(&mut *out, &Line::from(feature))?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_stand_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features.jsonl");
        let feature = Feature {
            eid: 7,
            input_ids: vec![2, 9, 3],
            labeled_positions: vec![1],
            labels: vec![5, 0],
            words: 2,
        };
        write_features(&path, &[feature.clone(), feature]).unwrap();
        let line = "{\"eid\":7,\"length\":3,\"input_ids\":[2,9,3],\"segment_ids\":[1,1,1],\
                    \"n_labelled\":1,\"labeled_positions\":[1],\"n_words\":2,\"labels\":[5,0]}\n";
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line.repeat(2));
    }
}

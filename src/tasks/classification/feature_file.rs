//! The features file: one JSON object per line, in the order of the features.
//!
//! Keys: `eid`, `length`, `input_ids`, `segment_ids`, and `label_id` or, for a regression,
//! `target`.

use std::{
    io::{self, Write},
    path::Path,
};

use super::{feature::Feature, labels::Gold};
use crate::{data::error::Error, durable_file::write_whole};

/// Writes a features file. An existing file of that name is replaced once the new one is complete.
///
/// # Errors
/// If the folder cannot be created or written, or the disk is full.
pub fn write_features(path: &Path, features: &[Feature]) -> Result<(), Error> {
    let failed = |source| Error::Write {
        path: path.to_owned(),
        source,
    };
    write_whole(path, |out| write_lines(out, features)).map_err(failed)
}

/// Writes the lines of a features file to `out`.
///
/// # Errors
/// If writing to `out` fails.
pub fn write_lines(out: &mut (impl Write + ?Sized), features: &[Feature]) -> io::Result<()> {
    let mut line = Vec::new();
    let mut digits = itoa::Buffer::new();
    for feature in features {
        line.clear();
        let length = feature.input_ids.len();
        let zeros = feature.first_segment.min(length);
        write!(
            line,
            "{{\"eid\":{},\"length\":{length},\"input_ids\":[",
            feature.eid
        )?;
        for (place, &id) in feature.input_ids.iter().enumerate() {
            if place > 0 {
                line.push(b',');
            }
            line.extend_from_slice(digits.format(id).as_bytes());
        }
        line.extend_from_slice(b"],\"segment_ids\":[");
        for place in 0..length {
            if place > 0 {
                line.push(b',');
            }
            line.push(if place < zeros { b'0' } else { b'1' });
        }
        match feature.gold {
            Gold::Class(class) => writeln!(line, "],\"label_id\":{class}}}")?,
            // As Python prints a float32: with all digits of the float64.
            Gold::Value(value) => writeln!(
                line,
                "],\"target\":{}}}",
                serde_json::Value::from(f64::from(value))
            )?,
        }
        out.write_all(&line)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_the_reference_has_them() {
        let feature = |gold| Feature {
            eid: 3,
            input_ids: vec![2, 40, 3, 5, 3],
            first_segment: 3,
            gold,
            cut: false,
        };
        let features = [feature(Gold::Class(1)), feature(Gold::Value(0.266_6))];
        let mut text = Vec::new();
        write_lines(&mut text, &features).unwrap();
        assert_eq!(
            String::from_utf8(text).unwrap(),
            "{\"eid\":3,\"length\":5,\"input_ids\":[2,40,3,5,3],\"segment_ids\":[0,0,0,1,1],\"label_id\":1}\n\
             {\"eid\":3,\"length\":5,\"input_ids\":[2,40,3,5,3],\"segment_ids\":[0,0,0,1,1],\"target\":0.26660001277923584}\n"
        );
    }
}

//! Event files → scalars, as TensorBoard shows them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, ErrorKind},
    path::Path,
};

use prost::Message;

use super::{
    event::{Event, SessionStatus, What},
    event_log::event_files,
    frame::read_record,
};

/// Reads all event files of a folder in order: tag → steps and values. A session start discards
/// what was read for its step and later ones.
///
/// # Errors
/// If a file cannot be read or is damaged.
pub fn read_scalars(folder: &Path) -> io::Result<BTreeMap<String, Vec<(i64, f32)>>> {
    let mut scalars: BTreeMap<String, Vec<(i64, f32)>> = BTreeMap::new();
    for path in event_files(folder)? {
        let mut file = BufReader::new(File::open(&path)?);
        while let Some(record) = read_record(&mut file)? {
            let event = Event::decode(&record[..])
                .map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
            match event.what {
                Some(What::Summary(summary)) => {
                    for value in summary.values {
                        let Some(scalar) = value.simple_value else {
                            continue;
                        };
                        let values = scalars.entry(value.tag).or_default();
                        values.push((event.step, scalar));
                    }
                }
                Some(What::SessionLog(log)) if log.status() == SessionStatus::Start => {
                    for values in scalars.values_mut() {
                        values.retain(|(step, _)| *step < event.step);
                    }
                }
                _ => {}
            }
        }
    }
    scalars.retain(|_, values| !values.is_empty());
    Ok(scalars)
}

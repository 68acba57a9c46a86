//! Ensures free disk space before each checkpoint.

use std::path::{Path, PathBuf};

use burn::module::Module;

use super::{adam::Adam, checkpoint, run_folder};
use crate::{device::ByteSize, model::record::for_each_parameter};

/// Space for the names and shapes in the records and the state; ELECTRA-Large's take less than
/// half.
const DESCRIPTION: u64 = 512 << 10;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{folder}: a checkpoint needs {needed} and {free} are free; free space or choose another \
         model_dir, and the same command goes on from the last checkpoint"
    )]
    Full {
        folder: PathBuf,
        needed: ByteSize,
        free: ByteSize,
    },
    #[error(transparent)]
    Folder(#[from] run_folder::Error),
}

/// Returns the bytes of a checkpoint of this model: its parameters and two moments of each trained
/// one.
pub fn checkpoint_bytes(model: &impl Module, tasks: &[String], adam: &Adam) -> u64 {
    let mut elements = 0;
    for_each_parameter(model, tasks, |parameter| {
        elements += parameter.shape.iter().product::<usize>();
    });
    (elements * size_of::<f32>()) as u64 + adam.bytes() + DESCRIPTION
}

/// Ensures that `needed` bytes are free in `model_dir`. If they are not, removes damaged
/// checkpoints and then the oldest ones, reporting each to `note`, but never the newest. Does
/// nothing if the system does not report free space.
///
/// # Errors
/// [`Error::Full`], if removing every checkpoint but the newest was not enough.
pub fn ensure(model_dir: &Path, needed: u64, note: &mut dyn FnMut(String)) -> Result<(), Error> {
    let mut checkpoints = checkpoint::list(model_dir);
    checkpoints.pop();
    let oldest = checkpoints.into_iter().map(|(_, path)| path);
    let mut oldest = run_folder::damaged(model_dir).into_iter().chain(oldest);
    while let Ok(free) = fs4::available_space(model_dir) {
        if free >= needed {
            break;
        }
        let Some(path) = oldest.next() else {
            return Err(Error::Full {
                folder: model_dir.into(),
                needed: ByteSize(needed),
                free: ByteSize(free),
            });
        };
        note(format!(
            "{} are free where a checkpoint needs {}: removing {}",
            ByteSize(free),
            ByteSize(needed),
            path.display()
        ));
        run_folder::discard(&path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn old_checkpoints_make_room_but_the_newest_stays() {
        let folder = tempfile::tempdir().unwrap();
        for step in [5, 10, 20] {
            let path = folder.path().join(format!("checkpoint-{step}"));
            fs::create_dir(&path).unwrap();
            fs::write(path.join("state.json"), "{}").unwrap();
        }
        let damaged = folder.path().join("checkpoint-15.damaged");
        fs::create_dir(&damaged).unwrap();
        let mut notes = Vec::new();
        ensure(folder.path(), 1, &mut |note| notes.push(note)).unwrap();
        assert_eq!(notes, [""; 0]);
        assert_eq!(checkpoint::list(folder.path()).len(), 3);

        let full = ensure(folder.path(), u64::MAX, &mut |note| notes.push(note)).unwrap_err();
        assert!(matches!(full, Error::Full { needed, .. } if needed == ByteSize(u64::MAX)));
        assert_eq!(notes.len(), 3);
        assert!(notes[0].ends_with("checkpoint-15.damaged"), "{}", notes[0]);
        assert!(notes[1].ends_with("checkpoint-5"), "{}", notes[1]);
        assert_eq!(checkpoint::list(folder.path())[0].0, 20);
    }
}

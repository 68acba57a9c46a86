//! Writes the parameters as a Burn record, `model.bpk`. One thread reads and checks tensors while
//! another writes the previous ones: only a few tensors are in memory, whatever the number of
//! layers. Burn's loader matches parameters by path.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;

use burn_pack::{Bytes, DType, Tensor};

use crate::Error;
use crate::checkpoint::Checkpoint;
use crate::names::Parameter;
use crate::pack;
use crate::plan::{Plan, Use};
use crate::tensor::Facts;

/// Version of the record's layout: the names of its parameters and of `config.json`'s keys.
pub const FORMAT: &str = "1";

/// This program and its version, as written into records and reports.
pub const PRODUCER: &str = concat!("checkpoints-convert ", env!("CARGO_PKG_VERSION"));

/// Tensors that may wait for the writer: enough that the threads do not wait for each other at each
/// of the many small ones, few enough that the large ones do not fill the memory.
const READ_AHEAD: usize = 4;

/// Bytes after which a flush to disk is started.
const FLUSH_BYTES: usize = 64 << 20;

/// Streams the checkpoint into the record at `path`; returns the facts found while reading each
/// variable, in the index's order.
///
/// # Errors
/// If the checkpoint is damaged, or the record cannot be written. The file is then incomplete.
pub(crate) fn write(
    checkpoint: &mut Checkpoint,
    plan: &Plan,
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vec<Option<Facts>>, Error> {
    let (sender, receiver) = sync_channel::<Vec<u8>>(READ_AHEAD);
    let receiver = Arc::new(Mutex::new(receiver));
    let wanted = |number: usize| matches!(plan.uses[number], Use::Parameter(_));
    let tensors = checkpoint
        .reading_order(&wanted)
        .into_iter()
        .filter_map(|number| match plan.uses[number] {
            Use::Parameter(parameter) => Some(&plan.parameters[parameter]),
            Use::Ignored(_) => None,
        })
        .map(|parameter| tensor(parameter, Arc::clone(&receiver)))
        .collect();
    // Only the writer holds the receiver, so that sending fails once the writer has given up.
    drop(receiver);
    let metadata = [("format", FORMAT), ("producer", PRODUCER)];

    let file = || path.display().to_string();
    let mut facts = vec![None; plan.uses.len()];
    let (flush, flushes) = sync_channel(1);
    let mut unflushed = 0;
    let (read, written, flushed) = thread::scope(|scope| {
        // The caller already stages unfinished files, so no second temporary file is needed.
        let writing = scope.spawn(|| pack::write_in_place(tensors, &metadata, path));
        let flushing = scope.spawn(|| flush_on_request(path, flushes));
        let read = checkpoint.stream(
            &wanted,
            &mut |number, found, values| {
                facts[number] = Some(found);
                let Some(values) = values else {
                    return Ok(());
                };
                unflushed += values.len();
                if unflushed >= FLUSH_BYTES && flush.try_send(()).is_ok() {
                    unflushed = 0;
                }
                sender
                    .send(values)
                    .map_err(|_| Error::WriterStopped { file: file() })
            },
            progress,
        );
        drop(sender);
        let written = writing.join();
        drop(flush);
        (read, written, flushing.join())
    });
    match (read, written, flushed) {
        // If the writer failed first, the reader's error is only a consequence.
        (Ok(()) | Err(Error::WriterStopped { .. }), Ok(Err(source)), _) => Err(Error::Record {
            file: file(),
            source,
        }),
        (Err(error), _, _) => Err(error),
        (_, _, Ok(Err(source))) => Err(Error::Write {
            file: file(),
            source,
        }),
        (Ok(()), Ok(Ok(_)), Ok(Ok(()))) => Ok(facts),
        (Ok(()), _, _) => Err(Error::WriterStopped { file: file() }),
    }
}

/// Flushes the file at `path` to disk at each request and once more after the last: the disk starts
/// working early instead of when everything has been written.
fn flush_on_request(path: &Path, requests: Receiver<()>) -> io::Result<()> {
    let mut file = None;
    while requests.recv().is_ok() {
        // The writer may not have created the file yet.
        if file.is_none() {
            file = File::options().write(true).open(path).ok();
        }
        if let Some(file) = &file {
            file.sync_data()?;
        }
    }
    match file {
        Some(file) => file.sync_all(),
        None => File::options().write(true).open(path)?.sync_all(),
    }
}

/// Returns the record's entry for a parameter, whose values arrive through `values` when it is
/// written.
fn tensor(parameter: &Parameter, values: Arc<Mutex<Receiver<Vec<u8>>>>) -> Tensor {
    let shape: Vec<usize> = parameter.shape.iter().map(|&size| size as usize).collect();
    let bytes = shape.iter().product::<usize>() * size_of::<f32>();
    let id = Some(stable_id(&parameter.path));
    Tensor::deferred(
        parameter.path.clone(),
        DType::F32,
        shape,
        id,
        bytes,
        move || {
            values
                .lock()
                .ok()
                .and_then(|values| values.recv().ok())
                // Unlike `from_bytes_vec`, this takes the vector without a copy.
                .map(Bytes::from_elems)
                .ok_or_else(|| burn_pack::Error::IoError("the checkpoint could not be read".into()))
        },
    )
}

/// Returns a parameter's identity, the 64-bit FNV-1a of its path. It is the same at every
/// conversion, so that two records of one checkpoint have the same bytes.
fn stable_id(path: &str) -> u64 {
    path.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_fnv_1a() {
        // Published test vectors of the hash.
        assert_eq!(stable_id(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(stable_id("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(stable_id("foobar"), 0x8594_4171_f739_67e8);
    }
}

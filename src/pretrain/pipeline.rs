//! Three stages at once: blocks are read, all cores process those read before, and the results of those before
//! are consumed in order.

use rayon::prelude::*;

use super::{
    corpus::Corpus,
    error::Error,
    text_blocks::{Block, Blocks},
};

/// Blocks per core in each stage.
const BLOCKS: usize = 4;

/// Reads a corpus from a given line on. Calls `between` with the number of bytes consumed, at points where
/// nothing else is in progress; an error that it returns ends the work.
pub(super) fn run<T: Send + Sync, C: Send>(
    corpus: &Corpus,
    (file, lines): (usize, u64),
    work: impl Fn(&Block) -> T + Sync,
    consumer: &mut C,
    take: impl Fn(&mut C, T) -> Result<(), Error> + Send + Sync,
    between: &mut dyn FnMut(&mut C, u64) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut blocks = Blocks::from(corpus, file, lines);
    let size = rayon::current_num_threads() * BLOCKS;
    let mut behind: u64 = corpus.files[..file].iter().map(|file| file.bytes).sum();
    let mut bytes = behind;
    let mut batch = Batch::read(&mut blocks, size);
    let mut done: Vec<T> = Vec::new();
    loop {
        let at_end = batch.blocks.is_empty();
        let (worked, (taken, mut next)) = rayon::join(
            || batch.blocks.par_iter().map(&work).collect(),
            || {
                let mut done = done.into_iter();
                let taken = done.try_for_each(|result| take(consumer, result));
                let next = match batch.error {
                    Some(_) => Batch::default(),
                    None => Batch::read(&mut blocks, size),
                };
                (taken, next)
            },
        );
        taken?;
        between(consumer, bytes)?;
        if at_end {
            return batch.error.map_or(Ok(()), Err);
        }
        for block in &batch.blocks {
            bytes = behind + block.read;
            if block.is_last {
                behind += corpus.files[block.file].bytes;
                bytes = behind;
            }
        }
        done = worked;
        // Returned once everything read so far has been consumed.
        next.error = next.error.or(batch.error);
        batch = next;
    }
}

/// Blocks to process at once, and what ended the reading.
#[derive(Default)]
struct Batch {
    blocks: Vec<Block>,
    error: Option<Error>,
}

impl Batch {
    fn read(blocks: &mut Blocks<'_>, size: usize) -> Self {
        let mut batch = Self::default();
        while batch.blocks.len() < size {
            match blocks.next_block() {
                Ok(Some(block)) => batch.blocks.push(block),
                Ok(None) => break,
                Err(error) => {
                    batch.error = Some(error);
                    break;
                }
            }
        }
        batch
    }
}

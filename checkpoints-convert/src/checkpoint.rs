//! An opened checkpoint: its index read and checked against the real lengths of its data files.
//! A source enters; variables leave, streamed in the order of their bytes, so that an archive
//! is read in one pass and no more than one tensor is in memory here.

use std::path::Path;

use crate::Error;
use crate::bundle::{Facts, Index, ShardReader};
use crate::source::Source;

/// A checkpoint whose variables are known and can be read.
pub struct Checkpoint {
    pub source: Source,
    pub index: Index,
    /// Name and stated length of each data file.
    files: Vec<(String, u64)>,
}

impl Checkpoint {
    /// Finds the checkpoint at `path` and reads its index.
    ///
    /// # Errors
    /// No checkpoint there, a damaged index, a data file missing or too short.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let mut source = Source::open(path)?;
        for warning in &source.warnings {
            log::warn!("{}: {warning}", path.display());
        }
        let bytes = source.index()?;
        let index = Index::parse(&source.display(&source.index_name()), &bytes)?;
        let mut files = Vec::new();
        for shard in 0..index.shards {
            let name = source.shard_name(shard, index.shards);
            let length = source.length(&name)?;
            files.push((source.display(&name), length));
        }
        index.check_places(&files)?;
        log::info!(
            "{}: {} variables in {} data file(s)",
            source.display(&source.index_name()),
            index.variables.len(),
            files.len()
        );
        Ok(Self {
            source,
            index,
            files,
        })
    }

    /// How errors call the checkpoint as a whole.
    pub fn display(&self) -> String {
        self.source.display(&self.source.index_name())
    }

    /// Bytes of all data files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, length)| length).sum()
    }

    /// Reads every variable, checks its checksum, and hands its number and facts to `each`, with
    /// its values as little-endian float32 where `wanted` says so. `progress` hears bytes done
    /// and bytes in all.
    ///
    /// # Errors
    /// A damaged or missing data file, and what `each` returns.
    pub fn stream(
        &mut self,
        wanted: &dyn Fn(usize) -> bool,
        each: &mut dyn FnMut(usize, Facts, Option<Vec<u8>>) -> Result<(), Error>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), Error> {
        let total = self.bytes();
        let mut done = 0;
        let mut on_bytes = |count| {
            done += count;
            progress(done, total);
        };
        let order: Vec<usize> = self.index.reading_order().collect();
        let variables = &self.index.variables;
        for (shard, (file, length)) in (0..).zip(&self.files) {
            let name = self.source.shard_name(shard, self.index.shards);
            self.source.with_reader(&name, |reader| {
                let mut reader = ShardReader::new(file, reader, *length, &mut on_bytes);
                for &number in order
                    .iter()
                    .filter(|&&number| variables[number].shard == shard)
                {
                    if wanted(number) {
                        let (facts, values) = reader.values(&variables[number])?;
                        each(number, facts, Some(values))?;
                    } else {
                        each(number, reader.check(&variables[number])?, None)?;
                    }
                }
                reader.finish().map_err(Error::from)
            })?;
        }
        Ok(())
    }
}

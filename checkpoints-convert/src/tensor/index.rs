//! The list of a checkpoint's variables, and the checks of their positions against the actual
//! lengths of the data files, before which no number in a file is trusted.

use super::{Error, Variable};

/// Every variable of a checkpoint, sorted by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    /// Number of data files.
    pub shards: u32,
    pub variables: Vec<Variable>,
}

impl Index {
    /// Checks that the variables lie within their data files and do not overlap; `files` holds the
    /// name and the actual length of each data file.
    ///
    /// # Errors
    /// [`Error::RangeOutside`] or [`Error::Overlap`].
    pub fn check_places(&self, files: &[(String, u64)]) -> Result<(), Error> {
        let mut previous: Option<&Variable> = None;
        for variable in self.reading_order().map(|number| &self.variables[number]) {
            let (file, length) = files
                .get(variable.shard as usize)
                .map_or(("", 0), |(file, length)| (file.as_str(), *length));
            // Whoever builds an index ensures that offset + size fits an i64.
            if variable.offset + variable.size > length {
                return Err(Error::RangeOutside {
                    file: file.into(),
                    name: variable.name.clone(),
                    offset: variable.offset as i64,
                    size: variable.size as i64,
                    length,
                });
            }
            if let Some(previous) = previous
                && previous.shard == variable.shard
                && previous.offset + previous.size > variable.offset
            {
                return Err(Error::Overlap {
                    file: file.into(),
                    first: previous.name.clone(),
                    second: variable.name.clone(),
                    offset: variable.offset,
                });
            }
            previous = Some(variable);
        }
        Ok(())
    }

    /// Returns the variables' indices in the order of their bytes: data file, then offset. Reading
    /// in this order needs no seeking, so that a compressed archive is read in one pass.
    pub fn reading_order(&self) -> impl Iterator<Item = usize> + use<> {
        let mut order: Vec<(u32, u64, u64, usize)> = self
            .variables
            .iter()
            .enumerate()
            .map(|(number, v)| (v.shard, v.offset, v.size, number))
            .collect();
        order.sort_unstable();
        order.into_iter().map(|(_, _, _, number)| number)
    }
}

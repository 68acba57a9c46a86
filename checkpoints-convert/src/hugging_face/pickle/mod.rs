//! The contents of a pickle: a list of objects that refer to each other by index. The callables
//! that a state dict needs are known by name; a call is recorded, not executed.

#[cfg(test)]
mod hostile;
mod machine;
mod object;
pub(super) mod state_dict;
mod storage;

use std::io::Read;

use super::Error;
use machine::Machine;
use object::Id;
pub(super) use object::Object;
pub(super) use storage::Storage;

/// The objects of one pickle.
#[derive(Debug)]
pub(super) struct Pickle {
    objects: Vec<Object>,
    root: Id,
    /// Number of bytes read.
    pub length: u64,
}

impl Pickle {
    /// Reads one pickle to its end; `file` names it in errors.
    ///
    /// # Errors
    /// If the pickle uses opcodes or globals that a state dict does not need, ends early, refers to
    /// something that does not exist, or is larger than any state dict's.
    pub fn read(file: &str, reader: &mut dyn Read) -> Result<Self, Error> {
        let (objects, root, length) = Machine::new(file, reader).run()?;
        Ok(Self {
            objects,
            root,
            length,
        })
    }

    pub fn root(&self) -> &Object {
        self.object(self.root)
    }

    pub fn object(&self, id: Id) -> &Object {
        // In bounds: an id is created only by pushing its object.
        &self.objects[id as usize]
    }
}

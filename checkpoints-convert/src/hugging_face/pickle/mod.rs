//! The content of a pickle: a list of objects that name each other by number. The callables that
//! a state dict needs are known by name; a call is noted down, not made.

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
    /// Bytes that it took.
    pub length: u64,
}

impl Pickle {
    /// Reads one pickle to its end; `file` names it in errors.
    ///
    /// # Errors
    /// Opcodes or globals that a state dict has no use for, a pickle that ends early or asks for
    /// what is not there, or one that is larger than any state dict's.
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
        // Ids are made by pushing the object.
        &self.objects[id as usize]
    }
}

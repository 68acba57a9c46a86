//! The content of a pickle: a list of objects that name each other by number. The callables that
//! a state dict needs are known by name; a call is noted down, not made.

use std::io::Read;

use super::Error;
use super::pickle_machine::Machine;
use super::storage::StorageType;

/// Number of an object in its [`Pickle`].
pub(super) type Id = u32;

/// A value of a pickle.
#[derive(Debug, PartialEq)]
pub(super) enum Object {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// In the order of its making; an `OrderedDict` is no different.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// A global with the tuple of its arguments.
    Call(Global, Id),
    /// What lies outside of the pickle, by the description that it gives.
    Persistent(Id),
}

/// What a state dict refers to by name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(StorageType),
}

impl Global {
    /// The callable or class of this name; `None` for any that a state dict does not need.
    pub fn find(module: &str, name: &str) -> Option<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch", name) => StorageType::find(name).map(Self::Storage),
            _ => None,
        }
    }
}

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

//! The elements of a pickle: values that refer to each other by index.

use super::storage::StorageType;

/// Index of an object in its [`Pickle`](super::Pickle).
pub(in crate::hugging_face) type Id = u32;

/// A value of a pickle.
#[derive(Debug, PartialEq)]
pub(in crate::hugging_face) enum Object {
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// In insertion order; an `OrderedDict` is represented in the same way.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// A global with the tuple of its arguments.
    Call(Global, Id),
    /// Data outside the pickle, identified by this description.
    Persistent(Id),
}

/// The names that a state dict refers to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::hugging_face) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(StorageType),
}

impl Global {
    /// Returns the callable or class of this name; `None` for any that a state dict does not need.
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

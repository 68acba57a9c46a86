//! What a pickle is made of: values that name each other by number.

use super::storage::StorageType;

/// Number of an object in its [`Pickle`](super::Pickle).
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
pub(in crate::hugging_face) enum Global {
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

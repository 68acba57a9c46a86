//! Extracts a state dict from its pickle: tensors as views of storages, with every number checked
//! against the storage. Follows `torch/_utils.py` (`_rebuild_tensor_v2`) and `persistent_load` of
//! `torch/serialization.py`.

use std::collections::HashSet;

use super::Pickle;
use super::object::{Global, Id, Object};
use super::storage::Storage;
use crate::hugging_face::{error::Error, tensor_name::check_name};

/// A whole model has under a thousand.
pub(in crate::hugging_face) const MAX_TENSORS: usize = 100_000;
const MAX_RANK: usize = 8;

/// A named tensor: a view of a storage.
#[derive(Debug, PartialEq)]
pub(in crate::hugging_face) struct Tensor {
    pub name: String,
    pub storage: Storage,
    /// Its first byte in the storage.
    pub offset: u64,
    /// Number of bytes of its values.
    pub size: u64,
    pub shape: Vec<u64>,
    /// Whether a matrix is stored in column-major order, as a transposed view is; models that were
    /// themselves converted from TensorFlow are saved this way.
    pub column_major: bool,
}

/// Returns the tensors of the state dict `pickle`; `file` names it in errors.
///
/// # Errors
/// If the pickle is not a dictionary of names and tensors, or a view does not fit its storage.
pub(in crate::hugging_face) fn tensors(file: &str, pickle: &Pickle) -> Result<Vec<Tensor>, Error> {
    let refused = |what: String| Error::StateDict {
        file: file.into(),
        what,
    };
    let Object::Dict(items) = pickle.root() else {
        return Err(refused(format!("holds {}", kind(pickle.root()))));
    };
    if items.len() > MAX_TENSORS {
        return Err(Error::TooManyTensors {
            file: file.into(),
            limit: MAX_TENSORS,
        });
    }
    let mut seen = HashSet::new();
    items
        .iter()
        .map(|&(key, value)| {
            let Object::Text(name) = pickle.object(key) else {
                return Err(refused(format!(
                    "has {} for a key",
                    kind(pickle.object(key))
                )));
            };
            // A pickle may refer to one object any number of times; each tensor has its own copy of
            // the name.
            check_name(file, name)?;
            if !seen.insert(name) {
                return Err(Error::Duplicate {
                    file: file.into(),
                    name: name.clone(),
                });
            }
            let view = View { file, name, pickle };
            view.tensor(value)
        })
        .collect()
}

/// One entry being read.
struct View<'a> {
    file: &'a str,
    name: &'a str,
    pickle: &'a Pickle,
}

impl View<'_> {
    fn refused(&self, what: impl Into<String>) -> Error {
        Error::Tensor {
            file: self.file.into(),
            name: self.name.into(),
            what: what.into(),
        }
    }

    fn tensor(&self, value: Id) -> Result<Tensor, Error> {
        let call = match self.pickle.object(value) {
            // A parameter is a tensor and whether it requires gradients.
            Object::Call(Global::RebuildParameter, arguments) => {
                match self.tuple(*arguments).and_then(|items| items.first()) {
                    Some(&inner) => self.pickle.object(inner),
                    None => return Err(self.refused("is a parameter of nothing")),
                }
            }
            object => object,
        };
        let Object::Call(Global::RebuildTensor, arguments) = call else {
            return Err(self.refused(format!("is {}, no tensor", kind(call))));
        };
        let Some(&[storage, offset, sizes, strides, ..]) = self.tuple(*arguments) else {
            return Err(self.refused("is described by fewer than four values"));
        };
        let storage = self.storage(storage)?;
        let offset = self.size(offset, "offset")?;
        let shape = self.sizes(sizes, "shape")?;
        let strides = self.sizes(strides, "strides")?;
        let column_major = match order(&shape, &strides) {
            Some(order) => order == Order::Columns,
            None => {
                return Err(self.refused(format!(
                    "of shape {shape:?} is a view with the strides {strides:?}; save a contiguous copy of it"
                )));
            }
        };
        let width = storage.kind.width;
        let count = shape
            .iter()
            .try_fold(1u64, |product, &size| product.checked_mul(size));
        let end = count.and_then(|count| count.checked_add(offset));
        let (Some(count), Some(_)) = (count, end.filter(|&end| end <= storage.values)) else {
            return Err(self.refused(format!(
                "of shape {shape:?} at {offset} reaches past its storage of {} values",
                storage.values
            )));
        };
        if storage.bytes().is_none() {
            return Err(self.refused(format!("claims a storage of {} values", storage.values)));
        }
        Ok(Tensor {
            name: self.name.into(),
            // Both products are at most the storage's size in bytes.
            offset: offset * width,
            size: count * width,
            storage,
            shape,
            column_major,
        })
    }

    fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.pickle.object(id) {
            Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// Parses `("storage", class, key, device, number of values)`; the older format has a sixth
    /// item, which is `None` unless the storage is itself a view.
    fn storage(&self, id: Id) -> Result<Storage, Error> {
        let object = |id: Id| self.pickle.object(id);
        let described = match object(id) {
            Object::Persistent(description) => self.tuple(*description),
            _ => None,
        };
        let (parts, view) = match described {
            Some([parts @ .., view]) if parts.len() == 5 => (parts, object(*view)),
            Some(parts) => (parts, &Object::None),
            None => return Err(self.refused("has no storage")),
        };
        if let &[tag, class, key, _, values] = parts
            && object(tag) == &Object::Text("storage".into())
            && let Object::Global(Global::Storage(kind)) = *object(class)
            && let Object::Text(key) = object(key)
            && view == &Object::None
        {
            check_name(self.file, key)?;
            return Ok(Storage {
                key: key.clone(),
                kind,
                values: self.size(values, "number of values")?,
            });
        }
        Err(self.refused("has a storage that is described in another way than torch.save does"))
    }

    fn size(&self, id: Id, what: &str) -> Result<u64, Error> {
        match self.pickle.object(id) {
            Object::Int(value) => u64::try_from(*value).ok(),
            _ => None,
        }
        .ok_or_else(|| self.refused(format!("has a {what} that is no size")))
    }

    fn sizes(&self, id: Id, what: &str) -> Result<Vec<u64>, Error> {
        match self.tuple(id) {
            Some(items) if items.len() <= MAX_RANK => {
                items.iter().map(|&id| self.size(id, what)).collect()
            }
            _ => Err(self.refused(format!("has a {what} that is no list of sizes"))),
        }
    }
}

#[derive(Debug, PartialEq)]
enum Order {
    Rows,
    Columns,
}

/// Returns the order of a view's values if they are contiguous; `None` for any other view.
fn order(shape: &[u64], strides: &[u64]) -> Option<Order> {
    if shape.len() != strides.len() {
        return None;
    }
    // The stride along an axis of size 1 is irrelevant.
    let fits = |axes: &mut dyn Iterator<Item = usize>| {
        let mut expected = 1u64;
        for axis in axes {
            if shape[axis] != 1 && strides[axis] != expected {
                return false;
            }
            expected = expected.saturating_mul(shape[axis].max(1));
        }
        true
    };
    let rank = shape.len();
    if fits(&mut (0..rank).rev()) || shape.contains(&0) {
        Some(Order::Rows)
    } else if rank == 2 && fits(&mut (0..rank)) {
        Some(Order::Columns)
    } else {
        None
    }
}

/// Describes an object's type.
fn kind(object: &Object) -> &'static str {
    match object {
        Object::None => "None",
        Object::Bool(_) => "a truth value",
        Object::Int(_) | Object::Float(_) => "a number",
        Object::Text(_) => "a text",
        Object::Tuple(_) | Object::List(_) => "a list",
        Object::Dict(_) => "a dictionary",
        Object::Global(_) => "a class or function",
        Object::Call(..) => "a tensor or parameter",
        Object::Persistent(_) => "a storage",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_views_without_gaps_are_read() {
        let cases: [(&[u64], &[u64], Option<Order>); 9] = [
            (&[], &[], Some(Order::Rows)),
            (&[5], &[1], Some(Order::Rows)),
            (&[2, 3], &[3, 1], Some(Order::Rows)),
            (&[2, 3], &[1, 2], Some(Order::Columns)),
            (&[1, 3], &[7, 1], Some(Order::Rows)),
            (&[3, 1], &[1, 3], Some(Order::Rows)),
            (&[2, 3], &[6, 2], None),
            (&[2, 3], &[0, 1], None),
            (&[2, 3, 4], &[1, 2, 6], None),
        ];
        for (shape, strides, expected) in cases {
            assert_eq!(order(shape, strides), expected, "{shape:?} {strides:?}");
        }
        assert_eq!(order(&[2, 3], &[1]), None);
        assert_eq!(order(&[u64::MAX, u64::MAX, 2], &[1, 1, 1]), None);
    }
}

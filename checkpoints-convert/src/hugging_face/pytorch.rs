//! Reads `pytorch_model.bin` in both of its formats: the zip archive that PyTorch has written since
//! 1.6 (`data.pkl`, and a member for each storage) and the older stream of pickles followed by the
//! storages. Provides the file's tensors and the positions of their bytes. Follows
//! `torch/serialization.py`.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::pickle::state_dict::{self, Tensor};
use super::pickle::{Object, Pickle, Storage};
use super::{Error, Placed};
use crate::tensor::Variable;
use crate::{plain_file, zip_error};

/// First number of the older format.
const MAGIC: i128 = 0x1950_a86a_20f9_469c_fc6c;
const PROTOCOL: i128 = 1001;

/// An open zip archive, and the members that hold storages.
pub(super) struct Archive {
    zip: ZipArchive<BufReader<File>>,
    /// Index of each storage's member in the archive, with its length.
    members: Vec<(usize, u64)>,
}

/// The contents of a file.
pub(super) struct Contents {
    pub tensors: Vec<Placed>,
    /// `None` for the older format, where all bytes are in the file itself.
    pub archive: Option<Archive>,
}

/// Reads the metadata of `path`, but no values; `display` names it in errors.
///
/// # Errors
/// If the file is not PyTorch's or not complete, or its pickle is not a state dict.
pub(super) fn read(path: &Path, display: &str) -> Result<Contents, Error> {
    let unreadable = |source| Error::Read {
        file: display.into(),
        source,
    };
    let mut file = BufReader::new(plain_file::open(path)?.0);
    let mut magic = [0; 4];
    let is_zip = match file.read_exact(&mut magic) {
        Ok(()) => magic == *b"PK\x03\x04",
        Err(_) => false,
    };
    file.rewind().map_err(unreadable)?;
    if is_zip {
        read_archive(file, display)
    } else {
        read_stream(file, display)
    }
}

impl Archive {
    /// Returns the length of each storage.
    pub fn lengths(&self) -> impl Iterator<Item = u64> {
        self.members.iter().map(|&(_, length)| length)
    }

    /// Opens a storage for reading from its beginning. At its end the archive's own checksum is
    /// verified.
    pub fn storage(&mut self, number: u32, display: &str) -> Result<impl Read + '_, Error> {
        let member = self.members.get(number as usize).map(|&(member, _)| member);
        self.zip
            .by_index(member.unwrap_or(usize::MAX))
            .map(zip_error::Reader)
            .map_err(|cause| Error::Zip {
                file: display.into(),
                cause,
            })
    }
}

fn read_archive(file: BufReader<File>, display: &str) -> Result<Contents, Error> {
    let broken = |cause| Error::Zip {
        file: display.into(),
        cause,
    };
    let refused = |what: String| Error::Archive {
        file: display.into(),
        what,
    };
    let length = file.get_ref().metadata().map(|data| data.len());
    let length = length.map_err(|source| broken(ZipError::Io(source)))?;
    let mut zip = ZipArchive::new(file).map_err(broken)?;
    let folders: Vec<String> = zip
        .file_names()
        .filter_map(|name| name.strip_suffix("data.pkl"))
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .map(str::to_owned)
        .take(2)
        .collect();
    let [folder] = &folders[..] else {
        return Err(refused(format!(
            "an archive with {} members data.pkl; expected exactly one, as torch.save writes it",
            folders.len()
        )));
    };
    if let Some(number) = zip.index_for_name(&format!("{folder}byteorder")) {
        let mut order = String::new();
        let member = zip.by_index(number).map_err(broken)?;
        let read = member.take(64).read_to_string(&mut order);
        if read.is_err() || order != "little" {
            return Err(refused(format!(
                "its byte order is {order:?}; only \"little\" is read"
            )));
        }
    }
    let pickle = {
        let member = zip.by_name(&format!("{folder}data.pkl")).map_err(broken)?;
        Pickle::read(display, &mut BufReader::new(member))?
    };

    let mut members = Vec::new();
    let mut stored = 0u64;
    let mut numbers = HashMap::new();
    let mut tensors = Vec::new();
    for tensor in state_dict::tensors(display, &pickle)? {
        let storage = &tensor.storage;
        let shard = match numbers.get(&storage.key) {
            Some(&shard) => shard,
            None => {
                let name = format!("{folder}data/{}", storage.key);
                let number = zip.index_for_name(&name).ok_or_else(|| {
                    refused(format!(
                        "member {name:?}, which tensor {:?} lies in, is missing",
                        tensor.name
                    ))
                })?;
                let member = zip.by_index_raw(number).map_err(broken)?;
                if member.compression() != CompressionMethod::Stored
                    || member.size() != member.compressed_size()
                {
                    return Err(refused(format!(
                        "member {name:?} is compressed; torch.save compresses nothing"
                    )));
                }
                let shard = members.len() as u32;
                stored = stored.saturating_add(member.size());
                if stored > length {
                    return Err(refused(format!(
                        "its members claim more than the {length} bytes of the archive: they share bytes, \
                        which valid archives never do"
                    )));
                }
                members.push((number, member.size()));
                numbers.insert(storage.key.clone(), shard);
                shard
            }
        };
        check_length(display, &tensor, members[shard as usize].1)?;
        tensors.push(placed(tensor, shard, 0));
    }
    Ok(Contents {
        tensors,
        archive: Some(Archive { zip, members }),
    })
}

fn read_stream(mut file: BufReader<File>, display: &str) -> Result<Contents, Error> {
    let unreadable = |source| Error::Read {
        file: display.into(),
        source,
    };
    let length = file.get_ref().metadata().map_err(unreadable)?.len();
    let mut position = 0;
    let mut next = |file: &mut BufReader<File>| {
        Pickle::read(display, file).inspect(|pickle| position += pickle.length)
    };
    // If the first pickle is anything else, the file is not a state dict, whatever it is.
    let magic = next(&mut file).map_err(|error| match error {
        Error::Global { .. } => error,
        _ => Error::NotTorch {
            file: display.into(),
        },
    })?;
    if magic.root() != &Object::Int(MAGIC) {
        return Err(Error::NotTorch {
            file: display.into(),
        });
    }
    let refused = |what: String| Error::Archive {
        file: display.into(),
        what,
    };
    let protocol = next(&mut file)?;
    if protocol.root() != &Object::Int(PROTOCOL) {
        return Err(refused(format!(
            "a stream of pickles of another protocol than {PROTOCOL}"
        )));
    }
    let system = next(&mut file)?;
    if !is_little_endian(&system) {
        return Err(refused(
            "saved on a machine whose byte order is not little-endian".into(),
        ));
    }
    let pickle = next(&mut file)?;
    let tensors = state_dict::tensors(display, &pickle)?;
    let keys = next(&mut file)?;

    let storages: HashMap<&str, &Storage> = tensors
        .iter()
        .map(|tensor| (tensor.storage.key.as_str(), &tensor.storage))
        .collect();
    let mut places = HashMap::new();
    let Object::List(keys_in_order) = keys.root() else {
        return Err(refused(
            "a stream of pickles without a list of storages".into(),
        ));
    };
    for &key in keys_in_order {
        let storage = match keys.object(key) {
            Object::Text(key) => storages.get(key.as_str()).copied(),
            _ => None,
        };
        let Some(storage) = storage else {
            return Err(refused("lists a storage that no tensor lies in".into()));
        };
        file.seek(SeekFrom::Start(position)).map_err(unreadable)?;
        let mut stated = [0; 8];
        file.read_exact(&mut stated).map_err(|_| Error::Length {
            file: display.into(),
            length,
            expected: position + 8,
        })?;
        let bytes = u64::from_le_bytes(stated).checked_mul(storage.kind.width);
        let start = position + 8;
        position = start.saturating_add(bytes.unwrap_or(u64::MAX));
        if position > length {
            return Err(Error::Length {
                file: display.into(),
                length,
                expected: position,
            });
        }
        let place = (start, position - start);
        if places.insert(storage.key.clone(), place).is_some() {
            return Err(refused(format!("holds storage {:?} twice", storage.key)));
        }
    }
    if position != length {
        return Err(Error::Length {
            file: display.into(),
            length,
            expected: position,
        });
    }
    let mut found = Vec::new();
    for tensor in tensors {
        let Some(&(start, bytes)) = places.get(&tensor.storage.key) else {
            return Err(Error::Tensor {
                file: display.into(),
                name: tensor.name,
                what: "lies in a storage that the file does not hold".into(),
            });
        };
        check_length(display, &tensor, bytes)?;
        found.push(placed(tensor, 0, start));
    }
    Ok(Contents {
        tensors: found,
        archive: None,
    })
}

fn is_little_endian(system: &Pickle) -> bool {
    let Object::Dict(items) = system.root() else {
        return false;
    };
    items.iter().any(|&(key, value)| {
        system.object(key) == &Object::Text("little_endian".into())
            && system.object(value) == &Object::Bool(true)
    })
}

/// Checks that a storage has the length that the pickle states, so that a tensor within it is also
/// within the file.
fn check_length(display: &str, tensor: &Tensor, found: u64) -> Result<(), Error> {
    if tensor.storage.bytes() == Some(found) {
        return Ok(());
    }
    Err(Error::Tensor {
        file: display.into(),
        name: tensor.name.clone(),
        what: format!(
            "lies in a storage of {} values of {} bytes, but the file holds {found} bytes of it; \
             the file is damaged: copy or download it again",
            tensor.storage.values, tensor.storage.kind.width
        ),
    })
}

/// Builds a tensor of data file `shard`, in which its storage starts at `start`.
fn placed(tensor: Tensor, shard: u32, start: u64) -> Placed {
    Placed {
        variable: Variable {
            name: tensor.name,
            dtype: tensor.storage.kind.dtype,
            shape: tensor.shape,
            shard,
            offset: start + tensor.offset,
            size: tensor.size,
            crc32c: None,
        },
        column_major: tensor.column_major,
    }
}

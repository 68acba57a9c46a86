//! Reads the sorted table inside an `.index` file: footer, index block, and data blocks of
//! prefix-compressed keys. Visits its keys and values in order and verifies each block's checksum.
//! Follows TensorFlow's `core/lib/io/table_format.txt` (LevelDB's table without filters).

use super::Error;
use crate::tensor::mask_crc;

pub(super) const FOOTER_BYTES: usize = 48;
pub(super) const MAGIC: u64 = 0xdb47_7524_8b80_fb57;
/// Compression type and checksum after each block.
pub(super) const TRAILER_BYTES: usize = 5;
/// Variable names are far shorter; prefix compression must not let a small file expand without
/// bound.
const MAX_KEY_BYTES: usize = 4096;
/// A variable's entry has under a hundred bytes; its decoded parts take more memory than in the
/// file.
const MAX_VALUE_BYTES: usize = 4096;

/// A callback that receives each key and its value.
pub(super) type Visit<'a> = dyn FnMut(&[u8], &[u8]) -> Result<(), Error> + 'a;

/// Calls `visit` with every key and value of the table, in order.
///
/// # Errors
/// If the bytes are not a complete, uncompressed, strictly sorted table, or `visit` fails.
pub(super) fn read(file: &str, bytes: &[u8], visit: &mut Visit) -> Result<(), Error> {
    let Some((_, footer)) = bytes.split_last_chunk::<FOOTER_BYTES>() else {
        return Err(Error::IndexTooShort {
            file: file.into(),
            size: bytes.len(),
        });
    };
    let (handles, magic) = footer.split_at(FOOTER_BYTES - 8);
    let found = magic.try_into().map(u64::from_le_bytes).unwrap_or_default();
    if found != MAGIC {
        return Err(Error::BadMagic {
            file: file.into(),
            found,
        });
    }
    let malformed_footer = |what| Error::BlockMalformed {
        file: file.into(),
        offset: (bytes.len() - FOOTER_BYTES) as u64,
        what,
    };
    let mut handles = Cursor(handles);
    let meta =
        Handle::take(&mut handles).ok_or_else(|| malformed_footer("no meta-index handle"))?;
    let index = Handle::take(&mut handles).ok_or_else(|| malformed_footer("no index handle"))?;

    let mut previous: Option<Vec<u8>> = None;
    let body = bytes.len() - FOOTER_BYTES;
    // TensorFlow leaves the meta-index empty; it is read only to verify its checksum.
    read_block(file, bytes, body, meta, &mut |_, _| Ok(()))?;
    let mut end = 0;
    read_block(file, bytes, body, index, &mut |_, value| {
        let handle = Handle::take(&mut Cursor(value)).ok_or_else(|| Error::BlockMalformed {
            file: file.into(),
            offset: index.offset,
            what: "a block handle is cut off",
        })?;
        // Blocks must be in ascending order, so that none is read twice.
        if handle.offset < end {
            return Err(Error::BlockOrder {
                file: file.into(),
                offset: handle.offset,
                end,
            });
        }
        end = handle
            .offset
            .saturating_add(handle.size)
            .saturating_add(TRAILER_BYTES as u64);
        read_block(file, bytes, body, handle, &mut |key, value| {
            if let Some(previous) = &previous
                && key <= previous.as_slice()
            {
                return Err(Error::KeyOrder {
                    file: file.into(),
                    key: key.escape_ascii().to_string(),
                    previous: previous.escape_ascii().to_string(),
                });
            }
            visit(key, value)?;
            let kept = previous.get_or_insert_default();
            kept.clear();
            kept.extend_from_slice(key);
            Ok(())
        })
    })
}

/// Offset and size of a block, without its trailer.
#[derive(Clone, Copy)]
struct Handle {
    offset: u64,
    size: u64,
}

impl Handle {
    fn take(cursor: &mut Cursor) -> Option<Self> {
        Some(Self {
            offset: cursor.varint()?,
            size: cursor.varint()?,
        })
    }
}

/// Reads one block of `bytes[..body]` entry by entry.
fn read_block(
    file: &str,
    bytes: &[u8],
    body: usize,
    handle: Handle,
    visit: &mut Visit,
) -> Result<(), Error> {
    let Handle { offset, size } = handle;
    let outside = || Error::BlockOutside {
        file: file.into(),
        offset,
        size,
        length: bytes.len() as u64,
    };
    let start = usize::try_from(offset).map_err(|_| outside())?;
    let end = usize::try_from(size)
        .ok()
        .and_then(|size| start.checked_add(size))
        .filter(|end| {
            end.checked_add(TRAILER_BYTES)
                .is_some_and(|end| end <= body)
        })
        .ok_or_else(outside)?;
    let (block, trailer) = bytes
        .get(start..end + TRAILER_BYTES)
        .and_then(<[u8]>::split_last_chunk::<TRAILER_BYTES>)
        .ok_or_else(outside)?;

    let [kind, crc @ ..] = *trailer;
    let expected = u32::from_le_bytes(crc);
    let found = mask_crc(crc32c::crc32c_append(crc32c::crc32c(block), &[kind]));
    if found != expected {
        return Err(Error::BlockChecksum {
            file: file.into(),
            offset,
            expected,
            found,
        });
    }
    if kind != 0 {
        return Err(Error::BlockCompressed {
            file: file.into(),
            offset,
            kind,
        });
    }

    let malformed = |what| Error::BlockMalformed {
        file: file.into(),
        offset,
        what,
    };
    let (rest, restarts) = block
        .split_last_chunk::<4>()
        .ok_or_else(|| malformed("no restart count"))?;
    let entries = (u32::from_le_bytes(*restarts) as usize)
        .checked_mul(4)
        .and_then(|array| rest.len().checked_sub(array))
        .ok_or_else(|| malformed("the restart array is larger than the block"))?;

    let mut cursor = Cursor(&rest[..entries]);
    let mut key = Vec::new();
    while !cursor.0.is_empty() {
        let cut_off = || malformed("an entry is cut off");
        let shared = cursor.length().ok_or_else(cut_off)?;
        let unshared = cursor.length().ok_or_else(cut_off)?;
        let value = cursor.length().ok_or_else(cut_off)?;
        if shared > key.len() {
            return Err(malformed("a key shares more than the key before it has"));
        }
        let suffix = cursor.take(unshared).ok_or_else(cut_off)?;
        if shared + suffix.len() > MAX_KEY_BYTES {
            return Err(malformed("a key is longer than 4096 bytes"));
        }
        key.truncate(shared);
        key.extend_from_slice(suffix);
        let value = cursor.take(value).ok_or_else(cut_off)?;
        if value.len() > MAX_VALUE_BYTES {
            return Err(malformed("a value is longer than 4096 bytes"));
        }
        visit(&key, value)?;
    }
    Ok(())
}

/// Consumes numbers and slices from the front of a block.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    /// Reads a little-endian base-128 number of at most 64 bits.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_stop_at_sixty_four_bits() {
        let all_ones = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        assert_eq!(Cursor(&all_ones).varint(), Some(u64::MAX));
        let too_wide = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Cursor(&too_wide).varint(), None);
        assert_eq!(Cursor(&[0x80]).varint(), None);
        assert_eq!(Cursor(&[0xac, 0x02]).varint(), Some(300));
    }

    #[test]
    fn masking_gives_leveldb_s_values() {
        // CRC32C of "foo", and LevelDB's mask of it worked out by hand.
        let crc = crc32c::crc32c(b"foo");
        assert_eq!(crc, 0xcfc4_ae1d);
        assert_eq!(mask_crc(crc), 0xfebe_8a61);
    }
}

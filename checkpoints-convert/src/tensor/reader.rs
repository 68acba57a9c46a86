//! Reads one data file once from front to back, verifying each tensor's checksum and summing its
//! values. The bytes may come out of a compressed archive, so there is no seeking; checksum and sum
//! are computed while a piece is still in the cache.

use std::io::{self, Read};

use half::{bf16, f16};

use super::dtype::pairs;
use super::{DType, Error, Variable, mask_crc};

/// Bytes read at a time: a multiple of every value's width and of the sum's lanes, small enough for
/// the L2 cache.
const PIECE: usize = 256 << 10;

/// What was found while reading a variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Facts {
    /// Whether its checksum was verified; false for a type that is not read, and if none is stored.
    pub checked: bool,
    /// CRC32C of the bytes that were read, masked as TensorFlow stores it.
    pub crc32c: u32,
    /// Sum of the values in float64; `None` if it is not finite or the type is not read.
    pub sum: Option<f64>,
}

/// A data file being read.
pub struct ShardReader<'a> {
    file: &'a str,
    reader: &'a mut dyn Read,
    length: u64,
    position: u64,
    piece: Vec<u8>,
    on_bytes: &'a mut dyn FnMut(u64),
}

impl<'a> ShardReader<'a> {
    /// Creates a reader; `length` is the file's length according to the file system or the archive,
    /// and `on_bytes` receives the number of bytes of each piece.
    pub fn new(
        file: &'a str,
        reader: &'a mut dyn Read,
        length: u64,
        on_bytes: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self {
            file,
            reader,
            length,
            position: 0,
            piece: vec![0; PIECE],
            on_bytes,
        }
    }

    /// Reads a variable at or after the current position, verifies it and discards it.
    ///
    /// # Errors
    /// If the file ends too early, or the checksum differs.
    pub fn check(&mut self, variable: &Variable) -> Result<Facts, Error> {
        self.read(variable, &mut |_| {})
    }

    /// Reads a variable as [`check`](Self::check) does, and returns its values as little-endian
    /// float32.
    ///
    /// # Errors
    /// As for [`check`](Self::check), and if there is not enough memory for the values.
    pub fn values(&mut self, variable: &Variable) -> Result<(Facts, Vec<u8>), Error> {
        let bytes = variable.values().saturating_mul(4);
        let mut values = Vec::new();
        usize::try_from(bytes)
            .ok()
            .and_then(|bytes| values.try_reserve_exact(bytes).ok())
            .ok_or_else(|| Error::Memory {
                file: self.file.into(),
                name: variable.name.clone(),
                bytes,
            })?;
        let facts = self.read(variable, &mut |piece| {
            variable.dtype.widen(piece, &mut values)
        })?;
        Ok((facts, values))
    }

    /// Reads the rest of the file and checks that it has exactly its stated length (the length that
    /// an archive states may be false).
    ///
    /// # Errors
    /// [`Error::Length`], and if the archive's own checksum fails at the end.
    pub fn finish(mut self) -> Result<(), Error> {
        loop {
            let count = read_some(self.reader, &mut self.piece).map_err(|source| Error::Read {
                file: self.file.into(),
                source,
            })?;
            if count == 0 {
                break;
            }
            self.position += count as u64;
            if self.position > self.length {
                break;
            }
            (self.on_bytes)(count as u64);
        }
        let found = match self.position.cmp(&self.length) {
            std::cmp::Ordering::Equal => return Ok(()),
            std::cmp::Ordering::Less => "less than",
            std::cmp::Ordering::Greater => "more than",
        };
        Err(Error::Length {
            file: self.file.into(),
            length: self.length,
            found,
        })
    }

    fn read(&mut self, variable: &Variable, keep: &mut dyn FnMut(&[u8])) -> Result<Facts, Error> {
        let gap = variable.offset.saturating_sub(self.position);
        self.pieces(&variable.name, gap, &mut |_| {})?;
        let mut crc = 0;
        let mut sum = Sum::new(variable.dtype);
        self.pieces(&variable.name, variable.size, &mut |piece| {
            crc = crc32c::crc32c_append(crc, piece);
            sum.add(piece);
            keep(piece);
        })?;
        let is_read = variable.dtype.width().is_some();
        let found = mask_crc(crc);
        let stored = variable.crc32c.filter(|_| is_read);
        if let Some(expected) = stored
            && expected != found
        {
            return Err(Error::TensorChecksum {
                file: self.file.into(),
                name: variable.name.clone(),
                expected,
                found,
            });
        }
        Ok(Facts {
            checked: stored.is_some(),
            crc32c: found,
            sum: is_read.then(|| sum.total()).filter(|sum| sum.is_finite()),
        })
    }

    fn pieces(
        &mut self,
        name: &str,
        mut left: u64,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Error> {
        while left > 0 {
            let count = left.min(PIECE as u64) as usize;
            let piece = &mut self.piece[..count];
            self.reader
                .read_exact(piece)
                .map_err(|source| match source.kind() {
                    io::ErrorKind::UnexpectedEof => Error::TensorCutOff {
                        file: self.file.into(),
                        name: name.into(),
                    },
                    _ => Error::Read {
                        file: self.file.into(),
                        source,
                    },
                })?;
            each(piece);
            left -= count as u64;
            self.position += count as u64;
            (self.on_bytes)(count as u64);
        }
        Ok(())
    }
}

/// Calls `read`, and again if a signal interrupted it.
fn read_some(reader: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// A float64 sum in eight lanes: the additions do not wait for each other, and the result depends
/// only on the values, since all pieces but the last hold a multiple of eight values.
struct Sum {
    dtype: DType,
    lanes: [f64; 8],
}

impl Sum {
    fn new(dtype: DType) -> Self {
        Self {
            dtype,
            lanes: [0.0; 8],
        }
    }

    fn add(&mut self, piece: &[u8]) {
        match self.dtype {
            DType::F32 => self.lanes(piece.as_chunks().0, |v| f32::from_le_bytes(v).into()),
            DType::I32 => self.lanes(piece.as_chunks().0, |v| i32::from_le_bytes(v).into()),
            DType::I64 => self.lanes(piece.as_chunks().0, |v| i64::from_le_bytes(v) as f64),
            DType::F16 => pairs(piece)
                .enumerate()
                .for_each(|(n, v)| self.lanes[n % 8] += f64::from(f16::from_le_bytes(v))),
            DType::BF16 => pairs(piece)
                .enumerate()
                .for_each(|(n, v)| self.lanes[n % 8] += f64::from(bf16::from_le_bytes(v))),
            DType::Other(_) => {}
        }
    }

    fn lanes<const W: usize>(&mut self, values: &[[u8; W]], value: impl Fn([u8; W]) -> f64) {
        let (rounds, rest) = values.as_chunks::<8>();
        for round in rounds {
            for (lane, &v) in self.lanes.iter_mut().zip(round) {
                *lane += value(v);
            }
        }
        for (lane, &v) in self.lanes.iter_mut().zip(rest) {
            *lane += value(v);
        }
    }

    fn total(&self) -> f64 {
        self.lanes.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(values: &[f32]) -> (Variable, Vec<u8>) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let variable = Variable {
            name: "w".into(),
            dtype: DType::F32,
            shape: vec![values.len() as u64],
            shard: 0,
            offset: 0,
            size: bytes.len() as u64,
            crc32c: Some(mask_crc(crc32c::crc32c(&bytes))),
        };
        (variable, bytes)
    }

    #[test]
    fn the_sum_of_many_pieces_is_the_sum_of_the_values() {
        // Multiples of 1/4 whose float64 sum is exact in any order.
        let values: Vec<f32> = (0..150_001).map(|n| (n % 97) as f32 * 0.25).collect();
        let exact: f64 = values.iter().map(|&v| f64::from(v)).sum();
        let (variable, bytes) = variable(&values);
        let mut heard = 0;
        let mut on_bytes = |n| heard += n;
        let mut reader = bytes.as_slice();
        let mut shard = ShardReader::new("d", &mut reader, bytes.len() as u64, &mut on_bytes);
        let (facts, kept) = shard.values(&variable).unwrap();
        assert_eq!(
            facts,
            Facts {
                checked: true,
                crc32c: mask_crc(crc32c::crc32c(&bytes)),
                sum: Some(exact)
            }
        );
        assert_eq!(kept, bytes);
        shard.finish().unwrap();
        assert_eq!(heard, bytes.len() as u64);
    }

    #[test]
    fn a_sum_that_is_not_finite_is_no_sum() {
        let (variable, bytes) = variable(&[1.0, f32::NAN]);
        let mut reader = bytes.as_slice();
        let facts = ShardReader::new("d", &mut reader, 8, &mut |_| {})
            .check(&variable)
            .unwrap();
        assert!(facts.checked);
        assert_eq!(facts.sum, None);
    }

    #[test]
    fn a_stated_length_that_is_untrue_is_refused() {
        for (length, what) in [(9, "less than"), (7, "more than")] {
            let mut reader = [0u8; 8].as_slice();
            let error = ShardReader::new("d", &mut reader, length, &mut |_| {})
                .finish()
                .unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}

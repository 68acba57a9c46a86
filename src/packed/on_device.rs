//! What shaders read about a packed batch's rows, uploaded once however many launches read it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use burn::{
    backend::wgpu::CubeTensor,
    tensor::{DType, Shape},
};

/// Tile sizes, in rows, that shaders use.
pub const TILES: [usize; 2] = [32, 64];

/// The arrays of one batch on one device.
#[derive(Clone)]
pub struct RowArrays {
    /// Mask word of each row, `[tokens]`.
    pub words: CubeTensor,
    /// The tiles of each size in [`TILES`], four words each.
    tiles: [CubeTensor; 2],
}

impl RowArrays {
    fn new(beside: &CubeTensor, row_words: Vec<u32>, tiles: [Vec<u32>; 2]) -> Self {
        let upload = |mut words: Vec<u32>| {
            // A binding must hold at least one whole element, so an empty list is uploaded as
            // zeros.
            if words.is_empty() {
                words.resize(4, 0);
            }
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            CubeTensor::new_contiguous(
                beside.client.clone(),
                beside.device.clone(),
                Shape::new([words.len()]),
                beside.client.create_from_slice(&bytes),
                DType::U32,
            )
        };
        Self {
            words: upload(row_words),
            tiles: tiles.map(upload),
        }
    }

    /// Returns the tiles of `rows` rows, one of [`TILES`].
    ///
    /// # Panics
    /// If there are none of that size.
    pub fn tiles(&self, rows: usize) -> &CubeTensor {
        let number = TILES.iter().position(|&size| size == rows);
        &self.tiles[number.expect("a size of tiles")]
    }
}

/// The lazily uploaded arrays, shared by all clones of their sequences.
#[derive(Clone, Default)]
pub(super) struct OnDevice(Arc<OnceLock<RowArrays>>);

impl OnDevice {
    /// Returns the arrays on the device of `beside`, with the mask and tile words that `words`
    /// returns. Only the first device's arrays are kept; any other device gets new ones each time.
    pub fn arrays(
        &self,
        beside: &CubeTensor,
        words: impl Fn() -> (Vec<u32>, [Vec<u32>; 2]),
    ) -> RowArrays {
        let new = || {
            let (row_words, tiles) = words();
            RowArrays::new(beside, row_words, tiles)
        };
        let arrays = self.0.get_or_init(new);
        if arrays.words.device == beside.device {
            arrays.clone()
        } else {
            new()
        }
    }
}

impl fmt::Debug for OnDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0.get() {
            Some(_) => "uploaded",
            None => "not uploaded",
        })
    }
}

/// The arrays are derived from the sequences, which decide equality by themselves.
impl PartialEq for OnDevice {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for OnDevice {}

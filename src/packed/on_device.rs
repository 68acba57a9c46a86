//! What shaders read of a packed batch's rows: uploaded once, however many launches read it.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use burn::{
    backend::wgpu::CubeTensor,
    tensor::{DType, Shape},
};

/// Rows of the tiles that shaders take.
pub const TILES: [usize; 2] = [32, 64];

/// The arrays of one batch on one device.
#[derive(Clone)]
pub struct RowArrays {
    /// Each row's word in masks, `[tokens]`.
    pub words: CubeTensor,
    /// The tiles of each size of [`TILES`], four words each.
    tiles: [CubeTensor; 2],
}

impl RowArrays {
    fn new(beside: &CubeTensor, row_words: Vec<u32>, tiles: [Vec<u32>; 2]) -> Self {
        let upload = |mut words: Vec<u32>| {
            // A binding must hold a whole element: zeros stand for none.
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

    /// The tiles of `rows` rows, one of [`TILES`].
    ///
    /// # Panics
    /// When there are none of that size.
    pub fn tiles(&self, rows: usize) -> &CubeTensor {
        let number = TILES.iter().position(|&size| size == rows);
        &self.tiles[number.expect("a size of tiles")]
    }
}

/// The arrays where they were asked for, shared by the clones of their sequences.
#[derive(Clone, Default)]
pub(super) struct OnDevice(Arc<OnceLock<RowArrays>>);

impl OnDevice {
    /// The arrays on the device of `beside`, of these words of rows and tiles. Another device than the
    /// first one's gets arrays of its own each time.
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

/// They follow from the sequences, which say by themselves whether they are equal.
impl PartialEq for OnDevice {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for OnDevice {}

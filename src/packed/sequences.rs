//! Where the sequences of a packed batch are: real tokens side by side, without padding.
//!
//! Dense layers treat the packed rows `[tokens, hidden]` as one matrix; attention and masks treat
//! each sequence separately.

use std::sync::Arc;

use burn::backend::wgpu::CubeTensor;

use super::{
    on_device::{OnDevice, RowArrays, TILES},
    random::row_word,
};

/// Which tokens of its sequence a token attends to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sight {
    /// All of them.
    #[default]
    Whole,
    /// Itself and those before it (causal).
    Back,
    /// Itself and those after it.
    Ahead,
}

/// The sequences of a packed batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequences {
    /// Row of each sequence's first token, followed by the total number of rows (cu_seqlens).
    offsets: Arc<[u32]>,
    /// Place of each sequence in the step's whole batch, of which this may be a part.
    places: Arc<[u32]>,
    sight: Sight,
    /// Number of real tokens in each sequence, if there is padding.
    real: Option<Arc<[u32]>>,
    on_device: OnDevice,
}

/// Rows that one attention workgroup takes; they never cross a sequence boundary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tile {
    /// First row.
    pub first: u32,
    /// First row of its sequence.
    pub begin: u32,
    /// End of its sequence.
    pub end: u32,
    /// The sequence's place in the step's batch.
    pub place: u32,
}

impl Sequences {
    /// Creates sequences of `lengths` tokens, the first at place `first_place` of the step's batch.
    pub fn new(lengths: &[usize], first_place: usize) -> Self {
        let mut offsets = vec![0];
        let mut end = 0;
        for &length in lengths {
            end += length as u32;
            offsets.push(end);
        }
        let places = (first_place..first_place + lengths.len())
            .map(|place| place as u32)
            .collect();
        Self {
            offsets: offsets.into(),
            places,
            sight: Sight::Whole,
            real: None,
            on_device: OnDevice::default(),
        }
    }

    /// Returns the same sequences with attention limited to part of each.
    pub fn seeing(self, sight: Sight) -> Self {
        Self { sight, ..self }
    }

    /// Returns the same sequences, each ending with padding after its first `real` tokens; no token
    /// attends to padding.
    pub fn with_padding(self, real: &[usize]) -> Self {
        assert_eq!(real.len(), self.len());
        let real = real.iter().map(|&tokens| tokens as u32).collect();
        Self {
            real: Some(real),
            ..self
        }
    }

    /// Returns whether any token is hidden from another in its sequence.
    pub fn hide_tokens(&self) -> bool {
        self.sight != Sight::Whole || self.real.is_some()
    }

    /// Returns whether position `query` of sequence `number` attends to position `key`.
    pub fn sees(&self, number: usize, query: usize, key: usize) -> bool {
        let real = self.real.as_ref();
        real.is_none_or(|real| key < real[number] as usize)
            && match self.sight {
                Sight::Whole => true,
                Sight::Back => key <= query,
                Sight::Ahead => key >= query,
            }
    }

    /// Returns the sequences with these indices, packed by themselves; each keeps its place in the
    /// step's batch.
    pub fn part(&self, numbers: &[usize]) -> Self {
        let lengths: Vec<usize> = numbers
            .iter()
            .map(|&number| self.rows(number).len())
            .collect();
        let places = numbers.iter().map(|&number| self.places[number]);
        let real = self.real.as_ref();
        Self {
            places: places.collect(),
            sight: self.sight,
            real: real.map(|real| numbers.iter().map(|&number| real[number]).collect()),
            ..Self::new(&lengths, 0)
        }
    }

    /// Returns the first token of each sequence, packed by itself.
    pub fn firsts(&self) -> Self {
        Self {
            places: self.places.clone(),
            ..Self::new(&vec![1; self.len()], 0)
        }
    }

    /// Returns the number of sequences.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Returns the number of rows of the packed matrix.
    pub fn tokens(&self) -> usize {
        self.offsets.last().map_or(0, |&end| end as usize)
    }

    /// Returns the row of each sequence's first token, followed by the total number of rows.
    pub fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    /// Returns the place of each sequence in the step's whole batch.
    pub fn places(&self) -> &[u32] {
        &self.places
    }

    /// Returns the rows of sequence `number`.
    pub fn rows(&self, number: usize) -> std::ops::Range<usize> {
        self.offsets[number] as usize..self.offsets[number + 1] as usize
    }

    /// Iterates over the token counts of the sequences.
    pub fn lengths(&self) -> impl Iterator<Item = usize> {
        self.offsets
            .windows(2)
            .map(|ends| (ends[1] - ends[0]) as usize)
    }

    /// Returns the token count of the longest sequence.
    pub fn longest(&self) -> usize {
        self.lengths().max().unwrap_or(0)
    }

    /// Iterates over the mask words of the rows.
    pub fn row_words(&self) -> impl Iterator<Item = u32> {
        self.lengths()
            .zip(self.places.iter())
            .flat_map(|(length, &place)| {
                (0..length as u32).map(move |position| row_word(place, position))
            })
    }

    /// Iterates over the rows in tiles of `rows` rows.
    pub fn tiles(&self, rows: usize) -> impl Iterator<Item = Tile> {
        (0..self.len()).flat_map(move |number| {
            let [begin, end] = [self.offsets[number], self.offsets[number + 1]];
            let place = self.places[number];
            (begin..end).step_by(rows).map(move |first| Tile {
                first,
                begin,
                end,
                place,
            })
        })
    }

    /// Returns what shaders read about the rows, on the device of `beside`; uploads it on first
    /// use.
    pub fn on_device(&self, beside: &CubeTensor) -> RowArrays {
        let words = |tile: Tile| [tile.first, tile.begin, tile.end, tile.place];
        self.on_device.arrays(beside, || {
            let tiles = TILES.map(|rows| self.tiles(rows).flat_map(words).collect());
            (self.row_words().collect(), tiles)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_each_other_and_places_go_on_from_the_first() {
        let sequences = Sequences::new(&[3, 1, 2], 5);
        assert_eq!(sequences.offsets(), [0, 3, 4, 6]);
        assert_eq!(sequences.places(), [5, 6, 7]);
        assert_eq!(
            (sequences.len(), sequences.tokens(), sequences.longest()),
            (3, 6, 3)
        );
        assert_eq!(sequences.rows(1), 3..4);
        assert_eq!(sequences.lengths().collect::<Vec<_>>(), [3, 1, 2]);
        let words: Vec<u32> = sequences.row_words().collect();
        let place = |p: u32| p << 16;
        assert_eq!(
            words,
            [
                place(5),
                place(5) + 1,
                place(5) + 2,
                place(6),
                place(7),
                place(7) + 1
            ]
        );
        let part = sequences.part(&[2, 0]);
        assert_eq!(
            (part.offsets(), part.places()),
            (&[0, 2, 5][..], &[7, 5][..])
        );
        let tiles: Vec<Tile> = sequences.tiles(2).collect();
        let tile = |first, begin, end, place| Tile {
            first,
            begin,
            end,
            place,
        };
        let expected = [
            tile(0, 0, 3, 5),
            tile(2, 0, 3, 5),
            tile(3, 3, 4, 6),
            tile(4, 4, 6, 7),
        ];
        assert_eq!(tiles, expected);
        assert!(!sequences.hide_tokens() && sequences.sees(0, 0, 2));
        let back = sequences.clone().seeing(Sight::Back);
        assert!(back.sees(0, 1, 1) && !back.sees(0, 1, 2));
        let ahead = sequences.clone().seeing(Sight::Ahead);
        let ahead = ahead.with_padding(&[2, 1, 1]).part(&[2, 0]);
        assert!(ahead.hide_tokens() && ahead.sees(1, 1, 1) && !ahead.sees(1, 1, 0));
        assert!(!ahead.sees(1, 1, 2) && !ahead.sees(0, 1, 1));
        let firsts: Vec<u32> = sequences.firsts().row_words().collect();
        assert_eq!(firsts, [place(5), place(6), place(7)]);
    }
}

//! Writes the sorted table of an `.index` file, which `table` reads; keys must come in order. Block
//! size and restart interval are TensorFlow's.

use super::table::{FOOTER_BYTES, MAGIC};
use crate::tensor::mask_crc;

const BLOCK_BYTES: usize = 256 << 10;
const RESTART_INTERVAL: usize = 16;

/// A table being built.
#[derive(Default)]
pub struct TableWriter {
    bytes: Vec<u8>,
    block: Block,
    /// Last key and handle of each finished block.
    finished: Vec<(Vec<u8>, Vec<u8>)>,
}

impl TableWriter {
    /// Adds a key, which must sort after every key before it.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        self.block.add(key, value);
        if self.block.bytes.len() >= BLOCK_BYTES {
            self.finish_block();
        }
    }

    /// Returns the bytes of the complete table.
    pub fn finish(mut self) -> Vec<u8> {
        if self.block.entries > 0 {
            self.finish_block();
        }
        let meta = append(&mut self.bytes, Block::default());
        let mut index = Block::default();
        for (key, handle) in &self.finished {
            index.add(key, handle);
        }
        let index = append(&mut self.bytes, index);
        let mut footer = [meta, index].concat();
        footer.resize(FOOTER_BYTES - 8, 0);
        self.bytes.extend(footer);
        self.bytes.extend(MAGIC.to_le_bytes());
        self.bytes
    }

    /// Ends the block and lists it `times` times in the index.
    #[cfg(test)]
    pub(super) fn repeat_block(&mut self, times: usize) {
        self.finish_block();
        if let Some(last) = self.finished.last().cloned() {
            self.finished.extend(vec![last; times - 1]);
        }
    }

    fn finish_block(&mut self) {
        let block = std::mem::take(&mut self.block);
        let last = block.last.clone();
        let handle = append(&mut self.bytes, block);
        self.finished.push((last, handle));
    }
}

/// Appends a block with its trailer and returns its encoded handle.
fn append(bytes: &mut Vec<u8>, block: Block) -> Vec<u8> {
    let offset = bytes.len();
    let mut block = block.finish();
    let mut handle = Vec::new();
    put_varint(&mut handle, offset);
    put_varint(&mut handle, block.len());
    // Compression type 0: none.
    block.push(0);
    let crc = mask_crc(crc32c::crc32c(&block));
    bytes.append(&mut block);
    bytes.extend(crc.to_le_bytes());
    handle
}

/// A block being built.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    restarts: Vec<u32>,
    entries: usize,
    last: Vec<u8>,
}

impl Block {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        let shared = if self.entries.is_multiple_of(RESTART_INTERVAL) {
            self.restarts.push(self.bytes.len() as u32);
            0
        } else {
            key.iter()
                .zip(&self.last)
                .take_while(|(a, b)| a == b)
                .count()
        };
        put_varint(&mut self.bytes, shared);
        put_varint(&mut self.bytes, key.len() - shared);
        put_varint(&mut self.bytes, value.len());
        self.bytes.extend_from_slice(&key[shared..]);
        self.bytes.extend_from_slice(value);
        self.last = key.to_vec();
        self.entries += 1;
    }

    fn finish(mut self) -> Vec<u8> {
        // LevelDB gives even an empty block one restart point.
        if self.restarts.is_empty() {
            self.restarts.push(0);
        }
        for restart in &self.restarts {
            self.bytes.extend(restart.to_le_bytes());
        }
        self.bytes
            .extend((self.restarts.len() as u32).to_le_bytes());
        self.bytes
    }
}

fn put_varint(bytes: &mut Vec<u8>, value: usize) {
    let mut value = value as u64;
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

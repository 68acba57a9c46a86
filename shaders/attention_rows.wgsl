// Which rows a workgroup of the attention shaders takes: those of one tile, which never crosses
// sequences.

struct Tile {
    // First row, first row and end of its sequence, and the sequence's place in the batch.
    first: u32,
    begin: u32,
    end: u32,
    place: u32,
}

@group(0) @binding(0) var<storage, read_write> tiles: array<Tile>;

var<workgroup> tile_of_group: Tile;

// The tile of this workgroup, the same for all its threads.
fn read_tile(number: u32, thread: u32) -> Tile {
    if thread == 0u {
        tile_of_group = tiles[number];
    }
    return workgroupUniformLoad(&tile_of_group);
}

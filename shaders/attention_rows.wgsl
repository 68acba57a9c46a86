// Assigns rows to the workgroups of the attention shaders: each takes one tile, which never crosses
// a sequence boundary.

struct Tile {
    // First row of the tile, first row and end of its sequence, and the sequence's place in the
    // batch.
    first: u32,
    begin: u32,
    end: u32,
    place: u32,
}

@group(0) @binding(0) var<storage, read_write> tiles: array<Tile>;

var<workgroup> tile_of_group: Tile;

// Reads the tile of this workgroup, uniformly over its threads.
fn read_tile(number: u32, thread: u32) -> Tile {
    if thread == 0u {
        tile_of_group = tiles[number];
    }
    return workgroupUniformLoad(&tile_of_group);
}

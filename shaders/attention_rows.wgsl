// Which rows a workgroup of the attention shaders takes: those of one tile, which never crosses
// sequences.

var<workgroup> tile_of_group: Tile;

// The tile of this workgroup, the same for all its threads.
fn read_tile(number: u32, thread: u32) -> Tile {
    if thread == 0u {
        tile_of_group = params.tiles[number];
    }
    return workgroupUniformLoad(&tile_of_group);
}

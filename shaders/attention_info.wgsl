// Which rows a workgroup of the attention shaders takes: those of one tile, which never crosses
// sequences.

// tokens, quarters of a row, site, threshold, bits of the mask's scale, bits of 1/√size, 0, 0; then
// four words for each tile: its first row, first row and end of its sequence, place in the batch.
@group(0) @binding(0) var<storage, read_write> info: array<u32>;

struct Tile {
    first: u32,
    begin: u32,
    end: u32,
    place: u32,
}

var<workgroup> tile_of_group: Tile;

// The tile of this workgroup, the same for all its threads.
fn read_tile(number: u32, thread: u32) -> Tile {
    if thread == 0u {
        let at = 8u + 4u * number;
        tile_of_group = Tile(info[at], info[at + 1u], info[at + 2u], info[at + 3u]);
    }
    return workgroupUniformLoad(&tile_of_group);
}

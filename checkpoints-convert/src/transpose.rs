//! Transposes a dense kernel between PyTorch's `[out, in]` and the record's `[in, out]`.

/// Side of the square blocks that are moved at a time: source and destination rows both stay in the
/// L1 cache.
const BLOCK: usize = 32;

/// Transposes the float32 `values` of a `[rows, columns]` matrix to `[columns, rows]`.
pub(crate) fn transpose(values: &[u8], rows: usize, columns: usize) -> Vec<u8> {
    let (from, _) = values.as_chunks::<4>();
    let mut bytes = vec![0; values.len()];
    let (to, _) = bytes.as_chunks_mut::<4>();
    for first_row in (0..rows).step_by(BLOCK) {
        for first_column in (0..columns).step_by(BLOCK) {
            for row in first_row..rows.min(first_row + BLOCK) {
                for column in first_column..columns.min(first_column + BLOCK) {
                    to[column * rows + row] = from[row * columns + column];
                }
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_gets_its_place() {
        // Neither side is a multiple of the block's.
        let (rows, columns) = (33, 70);
        let values: Vec<u8> = (0..rows * columns)
            .flat_map(|n| (n as f32).to_le_bytes())
            .collect();
        let exchanged = transpose(&values, rows, columns);
        for (place, value) in exchanged.as_chunks::<4>().0.iter().enumerate() {
            let (column, row) = (place / rows, place % rows);
            assert_eq!(f32::from_le_bytes(*value), (row * columns + column) as f32);
        }
        assert_eq!(transpose(&exchanged, columns, rows), values);
    }
}

// Counter-based dropout: each factor is a function of its position alone, so the backward pass can
// redraw it.

// Returns the mask's scale, or 0 if the value is dropped.
fn mask_factor(mask: Mask, row: u32, column: u32) -> f32 {
    return select(0.0, mask.scale, pcg3d(column, row, mask.counter)[0] < mask.threshold);
}

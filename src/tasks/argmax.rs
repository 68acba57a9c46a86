//! Index of the largest score.

/// Returns the index of the largest value, the first of equals, as NumPy's argmax does; 0 if there
/// are none.
pub fn argmax(values: &[f32]) -> u32 {
    let mut best = (0, f32::NEG_INFINITY);
    for (place, &value) in (0..).zip(values) {
        if value > best.1 {
            best = (place, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_is_the_greatest() {
        assert_eq!(argmax(&[-1.0, 0.5, 0.5]), 1);
        assert_eq!(argmax(&[-3.0, -4.0, -2.5]), 2);
        assert_eq!((argmax(&[f32::MIN, f32::MIN]), argmax(&[])), (0, 0));
    }
}

//! Parts of the shaders' text, under `shaders/`, that several operations include, and the one rule of
//! templates that is ours: a line that holds a `#` is written once for each number it stands for.

/// Dropout factors by counter.
pub(super) const MASK: &str = include_str!("../../shaders/mask.wgsl");

/// The standard normal distribution and GELU.
pub(super) const NORMAL: &str = include_str!("../../shaders/normal.wgsl");

/// The softmax over a sequence's logits.
pub(super) const SOFTMAX: &str = include_str!("../../shaders/span_softmax.wgsl");

/// What shaders with cooperative matrices begin with.
pub(super) const COOPERATIVE_MATRIX: &str = "enable f16;\nenable wgpu_cooperative_matrix;\n";

/// Writes each line of code that holds a `#`, a `$` or both once for each number below `counts` that
/// they may stand for.
pub(super) fn unroll(text: &str, counts: [usize; 2]) -> String {
    let mut unrolled = String::new();
    for line in text.lines() {
        let code = !line.trim_start().starts_with("//");
        let numbers = |sign, count| {
            if code && line.contains(sign) {
                count
            } else {
                1
            }
        };
        for first in 0..numbers('#', counts[0]) {
            for second in 0..numbers('$', counts[1]) {
                let line = match code {
                    true => line
                        .replace('#', &first.to_string())
                        .replace('$', &second.to_string()),
                    false => line.to_owned(),
                };
                unrolled.push_str(&line);
                unrolled.push('\n');
            }
        }
    }
    unrolled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_a_number_sign_stands_once_for_each_number() {
        let text = "// a # stays\nlet q# = x[#u];\nend\n";
        assert_eq!(
            unroll(text, [2, 2]),
            "// a # stays\nlet q0 = x[0u];\nlet q1 = x[1u];\nend\n"
        );
        assert_eq!(unroll("a#$\n", [2, 3]), "a00\na01\na02\na10\na11\na12\n");
    }
}

//! Pieces of shader text, under `shaders/`, that several operations include, and our one addition
//! to the template syntax: code containing a `#` is repeated once for each number it stands for.

use burn::backend::wgpu::SourceTemplate;

/// The standard normal distribution and GELU.
pub(super) const NORMAL: &str = include_str!("../../shaders/normal.wgsl");

/// Directives of shaders that use cooperative matrices.
pub(super) const COOPERATIVE_MATRIX: &str = "enable f16;\nenable wgpu_cooperative_matrix;\n";

/// Declares an array `name` in workgroup memory of `quads` times four values of `element`, accessed
/// four values at a time: as vectors if cooperative matrices can be loaded from those, otherwise as
/// scalars.
pub(super) fn shared_array(name: &str, element: &str, quads: &str, vectors: bool) -> String {
    let text = match vectors {
        true => include_str!("../../shaders/shared_quads.wgsl"),
        false => include_str!("../../shaders/shared_scalars.wgsl"),
    };
    SourceTemplate::new(text)
        .register("name", name)
        .register("element", element)
        .register("quads", quads)
        .complete()
}

/// Random words of this WGSL type, one or several at once.
pub(super) fn pcg3d(words: &str) -> String {
    SourceTemplate::new(include_str!("../../shaders/pcg3d.wgsl"))
        .register("words", words)
        .complete()
}

/// Dropout factors, for shaders whose parameters have a [`Mask`](crate::packed::random::Mask).
pub(super) fn mask() -> String {
    let mask = include_str!("../../shaders/mask.wgsl");
    format!("{}{mask}", pcg3d("u32"))
}

/// Sums and maxima over a workgroup of `THREADS`, of values of this WGSL type.
pub(super) fn reduction(part: &str) -> String {
    SourceTemplate::new(include_str!("../../shaders/reduction.wgsl"))
        .register("part", part)
        .complete()
}

/// The softmax over a sequence's logits.
pub(super) fn softmax() -> String {
    let softmax = include_str!("../../shaders/span_softmax.wgsl");
    format!("{}{softmax}", reduction("f32"))
}

/// Characters that stand for a number in the text: the first for the first count, and so on.
const SIGNS: [char; 4] = ['#', '$', '~', '?'];

/// Repeats each line of code that contains `#`, `$`, `~` or `?` once for each number below that
/// sign's count, and a line with several signs once for each combination. Lines between `// repeat`
/// and `// end` are repeated as one block.
pub(super) fn unroll<const N: usize>(text: &str, counts: [usize; N]) -> String {
    let mut unrolled = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "// repeat" {
            let block = lines.by_ref().take_while(|line| line.trim() != "// end");
            let block: String = block.map(|line| format!("{line}\n")).collect();
            repeat(&block, &counts, &mut unrolled);
        } else if line.trim_start().starts_with("//") {
            unrolled += line;
            unrolled.push('\n');
        } else {
            repeat(&format!("{line}\n"), &counts, &mut unrolled);
        }
    }
    unrolled
}

fn repeat(block: &str, counts: &[usize], unrolled: &mut String) {
    let mut blocks = vec![block.to_owned()];
    for (&count, sign) in counts.iter().zip(SIGNS) {
        if block.contains(sign) {
            let numbered = |block: &String| {
                let block = block.clone();
                (0..count).map(move |number| block.replace(sign, &number.to_string()))
            };
            blocks = blocks.iter().flat_map(numbered).collect();
        }
    }
    unrolled.extend(blocks);
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
        assert_eq!(unroll("a~?\n", [9, 9, 1, 2]), "a00\na01\n");
    }

    #[test]
    fn a_block_stands_once_for_each_number() {
        let text = "a\n    // repeat\n    b#;\n    c;\n    // end\nd#\n";
        assert_eq!(
            unroll(text, [2, 2]),
            "a\n    b0;\n    c;\n    b1;\n    c;\nd0\nd1\n"
        );
    }
}

//! Counts with their nouns in the right number: `1 row`, `2 rows`.

pub use checkpoints_convert::{counted, plural};
use indicatif::HumanCount;

/// Formats the count with the noun, with digit grouping.
pub fn grouped(count: usize, noun: &str) -> String {
    format!("{} {}", HumanCount(count as u64), plural(count, noun))
}

/// Formats the count with the noun and what is said of it, first of one alone and then of several:
/// `1 row is`, `2 rows are`.
pub fn counted_with(count: usize, noun: &str, [of_one, of_several]: [&str; 2]) -> String {
    let said = match count {
        1 => of_one,
        _ => of_several,
    };
    format!("{} {said}", counted(count, noun))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_has_no_s() {
        let found = [0, 1, 2].map(|count| counted(count, "row"));
        assert_eq!(found, ["0 rows", "1 row", "2 rows"]);
        let found = [1, 20_000].map(|count| grouped(count, "row"));
        assert_eq!(found, ["1 row", "20,000 rows"]);
        let found = [0, 1, 2].map(|count| counted_with(count, "row", ["is", "are"]));
        assert_eq!(found, ["0 rows are", "1 row is", "2 rows are"]);
    }
}

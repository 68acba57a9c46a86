//! Numbers of things as English has them: `1 row`, `2 rows`.

use indicatif::HumanCount;

/// The number with the noun.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {}", plural(count, noun))
}

/// The same with the digits of a large number in groups.
pub fn grouped(count: usize, noun: &str) -> String {
    format!("{} {}", HumanCount(count as u64), plural(count, noun))
}

/// The noun for so many.
pub fn plural(count: usize, noun: &str) -> String {
    match count {
        1 => noun.to_owned(),
        _ => format!("{noun}s"),
    }
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
    }
}

//! Counts with their nouns in the right number: `1 row`, `2 rows`.

/// Formats the count with the noun.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {}", plural(count, noun))
}

/// Returns the noun in the singular or plural.
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
    }
}

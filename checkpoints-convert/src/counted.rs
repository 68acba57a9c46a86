//! Counts with their nouns in the right number: `1 row`, `2 rows`.

/// Formats the count with the noun.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
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

//! Formats a table that may be wider than the terminal: all rows wrap before the same cell.

use console::measure_text_width;

/// Spaces between cells, and before wrapped cells.
const GAP: usize = 2;

/// Formats the rows with aligned cells, wrapped where they would exceed `columns`, or not at all if
/// that is `None`. A longer cell stays whole, so that a path can be copied.
pub(super) fn wide_table(rows: &[Vec<String>], columns: Option<usize>) -> String {
    let cells = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..cells)
        .map(|cell| {
            let of_rows = rows.iter().filter_map(|row| row.get(cell));
            of_rows
                .map(|text| measure_text_width(text))
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut breaks = vec![false; cells];
    let mut column = 0;
    for (cell, width) in widths.iter().enumerate() {
        let next = column + if cell == 0 { 0 } else { GAP } + width;
        breaks[cell] = cell > 0 && columns.is_some_and(|columns| next > columns);
        column = if breaks[cell] { GAP + width } else { next };
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, shown) in row.iter().enumerate() {
            if breaks[cell] {
                text.push_str(line.trim_end());
                text.push('\n');
                line.clear();
            }
            if cell > 0 {
                line.push_str(&" ".repeat(GAP));
            }
            line.push_str(shown);
            let rest = widths[cell].saturating_sub(measure_text_width(shown));
            line.push_str(&" ".repeat(rest));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(rows: &[&[&str]]) -> Vec<Vec<String>> {
        let rows = rows.iter();
        rows.map(|row| row.iter().map(|&cell| cell.to_owned()).collect())
            .collect()
    }

    #[test]
    fn rows_break_before_the_same_cell() {
        let rows = rows(&[
            &["run", "f1", "rate"],
            &["a/long", "7", "3e-5"],
            &["b", "71.25"],
        ]);
        assert_eq!(
            wide_table(&rows, None),
            "run     f1     rate\na/long  7      3e-5\nb       71.25\n"
        );
        assert_eq!(wide_table(&rows, Some(19)), wide_table(&rows, None));
        assert_eq!(
            wide_table(&rows, Some(18)),
            "run     f1\n  rate\na/long  7\n  3e-5\nb       71.25\n"
        );
        // A path is longer than the terminal is wide.
        assert_eq!(
            wide_table(&rows, Some(4)),
            "run\n  f1\n  rate\na/long\n  7\n  3e-5\nb\n  71.25\n"
        );
        assert_eq!(wide_table(&[], Some(80)), "");
    }
}

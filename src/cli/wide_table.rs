//! Formats a table that may be wider than the terminal: the columns that do not fit follow as a
//! table of their own, under their heads and beside the names of the rows.

use std::ops::Range;

use console::measure_text_width;

/// Spaces between cells, and before a cell that stands under the name of its row.
const GAP: usize = 2;

/// Formats the rows with aligned cells, in tables of at most `columns`, or in one if that is
/// `None`. A longer cell stays whole, so that a path can be copied.
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
    let tables = tables(&widths, columns.unwrap_or(usize::MAX));
    let tables = tables.into_iter().map(|(shown, is_under)| {
        let rows = rows
            .iter()
            .map(|row| line(row, &widths, shown.clone(), is_under));
        rows.collect::<String>()
    });
    tables.collect::<Vec<_>>().join("\n")
}

/// Returns the cells of each table beside those of the first column, and whether they stand under
/// them, because one beside the other is too wide.
fn tables(widths: &[usize], columns: usize) -> Vec<(Range<usize>, bool)> {
    let name = widths.first().copied().unwrap_or(0);
    let mut tables: Vec<(Range<usize>, bool)> = Vec::new();
    let mut column = 0;
    for (cell, width) in widths.iter().enumerate().skip(1) {
        column += GAP + width;
        match tables.last_mut() {
            Some((shown, false)) if column <= columns => shown.end = cell + 1,
            _ => {
                column = name + GAP + width;
                tables.push((cell..cell + 1, column > columns));
            }
        }
    }
    if tables.is_empty() {
        tables.push((1..1, false));
    }
    tables
}

/// Formats the name of a row and some of its cells.
fn line(row: &[String], widths: &[usize], shown: Range<usize>, is_under: bool) -> String {
    let mut text = String::new();
    let mut push = |cell: usize| {
        if let (Some(shown), Some(width)) = (row.get(cell), widths.get(cell)) {
            text.push_str(shown);
            text.push_str(&" ".repeat(width.saturating_sub(measure_text_width(shown)) + GAP));
        }
    };
    push(0);
    if is_under {
        return under(&text, row.get(shown.start));
    }
    shown.for_each(push);
    format!("{}\n", text.trim_end())
}

/// Formats the name of a row with a cell under it; the first row may have no name.
fn under(name: &str, cell: Option<&String>) -> String {
    let cell = cell.map(|cell| format!("{}{cell}", " ".repeat(GAP)));
    let lines = [Some(name.trim_end().to_owned()), cell];
    let lines = lines
        .into_iter()
        .flatten()
        .filter(|line| !line.trim().is_empty());
    lines.map(|line| line + "\n").collect()
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
    fn columns_that_do_not_fit_follow_under_their_heads() {
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
            "run     f1\na/long  7\nb       71.25\n\nrun     rate\na/long  3e-5\nb\n"
        );
        // A path is longer than the terminal is wide.
        assert_eq!(
            wide_table(&rows, Some(4)),
            "run\n  f1\na/long\n  7\nb\n  71.25\n\nrun\n  rate\na/long\n  3e-5\nb\n"
        );
        assert_eq!(wide_table(&[], Some(80)), "");
    }

    #[test]
    fn a_head_without_a_name_has_no_line_of_its_own() {
        let runs = rows(&[&["", "run 1", "run 2"], &["rate", "3e-5", "1e-4"]]);
        assert_eq!(
            wide_table(&runs, Some(11)),
            "      run 1\nrate  3e-5\n\n      run 2\nrate  1e-4\n"
        );
        assert_eq!(
            wide_table(&runs, Some(10)),
            "  run 1\nrate\n  3e-5\n\n  run 2\nrate\n  1e-4\n"
        );
        assert_eq!(wide_table(&rows(&[&["a"], &["b"]]), Some(80)), "a\nb\n");
    }
}

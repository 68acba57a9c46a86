//! Lines that all checks print: lengths, shares, problems.

use std::{fmt::Display, io::Write};

use checkpoints_convert::printable;

use crate::data::spread::Spread;

/// Maximum number of problems of one kind shown; `--json` has all.
const SHOWN: usize = 5;

/// A problem, formatted.
pub(super) struct Told<'a> {
    pub place: String,
    pub found: &'a str,
}

/// Problems of one kind.
pub(super) fn print_problems<'a>(
    severity: impl Display,
    kind: impl Display,
    meaning: &str,
    problems: impl ExactSizeIterator<Item = Told<'a>>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let count = problems.len();
    writeln!(out, "{severity} {kind} ({count}): {meaning}")?;
    for Told { place, found } in problems.take(SHOWN) {
        let found = match found {
            "" => String::new(),
            found => format!(": {found}"),
        };
        writeln!(out, "  {}", printable(&format!("{place}{found}")))?;
    }
    if count > SHOWN {
        writeln!(out, "  and {} more; --json lists all", count - SHOWN)?;
    }
    Ok(())
}

/// Prints which vocabulary was used to count tokens, if one was given.
pub(super) fn print_vocabulary(given: Option<&str>, out: &mut dyn Write) -> anyhow::Result<()> {
    match given {
        Some(given) => Ok(writeln!(out, "vocabulary: {}", printable(given))?),
        None => Ok(()),
    }
}

/// Prints a count and its share of the total.
pub(super) fn print_share(
    what: &str,
    count: usize,
    all: usize,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let share = 100.0 * count as f64 / all.max(1) as f64;
    Ok(writeln!(
        out,
        "{what:32}{count:>8} of {all} ({share:.2} %)"
    )?)
}

/// Lengths in three columns under a line of their names.
pub(super) fn print_spreads<'a>(
    spreads: impl IntoIterator<Item = (&'a str, Spread)>,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    writeln!(out, "\n{:22}{:>8}{:>8}{:>8}", "", "median", "95 %", "most")?;
    for (what, Spread { median, p95, max }) in spreads {
        writeln!(out, "{what:22}{median:>8}{p95:>8}{max:>8}")?;
    }
    Ok(())
}

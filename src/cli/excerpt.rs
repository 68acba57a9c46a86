//! Formats a passage for a terminal: marks the answer, truncates a long passage around it, and
//! removes everything that a terminal would interpret.

use std::{io, ops::Range};

use anstream::{AutoStream, ColorChoice};

/// Longest passage, in code points, that is shown whole.
const WHOLE: usize = 1000;

/// Code points shown on either side of the answer in a longer one.
const AROUND: usize = 300;

/// The markers before and after an answer in its passage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    before: &'static str,
    after: &'static str,
}

impl Marks {
    /// Black on yellow; in bold, many terminals would show the black as grey.
    const COLOURED: Marks = Marks {
        before: "\x1b[30;43m",
        after: "\x1b[0m",
    };

    /// Returns the position in `text` of the first colour sequence of an answer, and which one it
    /// is.
    pub(super) fn first_in(text: &str) -> Option<(usize, &'static str)> {
        let Marks { before, after } = Self::COLOURED;
        [before, after]
            .into_iter()
            .filter_map(|mark| Some((text.find(mark)?, mark)))
            .min()
    }

    /// For files, pipes and users who disable colours.
    pub const PLAIN: Marks = Marks {
        before: "[",
        after: "]",
    };

    /// Returns colours if standard output is a terminal that supports them, subject to `NO_COLOR`
    /// and `CLICOLOR_FORCE`.
    pub fn of_stdout() -> Self {
        match AutoStream::choice(&io::stdout()) {
            ColorChoice::Never => Self::PLAIN,
            // A Windows console may not interpret them unless told to.
            _ if AutoStream::always(io::stdout()).current_choice() != ColorChoice::AlwaysAnsi => {
                Self::PLAIN
            }
            _ => Self::COLOURED,
        }
    }
}

/// Formats the passage on one line with the code points at `place` marked.
pub fn excerpt(passage: &str, place: &Range<usize>, marks: Marks) -> String {
    let characters: Vec<char> = passage.chars().collect();
    let end = place.end.min(characters.len());
    let start = place.start.min(end);
    let (mut first, mut past) = (0, characters.len());
    if past > WHOLE {
        // Cuts at word boundaries.
        let from = start.saturating_sub(AROUND);
        let blank = characters[from..start]
            .iter()
            .position(|c| c.is_whitespace());
        first = from + blank.filter(|_| from > 0).unwrap_or(0);
        let to = past.min(end + AROUND);
        let blank = characters[end..to].iter().rposition(|c| c.is_whitespace());
        past = blank.filter(|_| to < past).map_or(to, |blank| end + blank);
    }
    let text = |range: Range<usize>| printable(&characters[range].iter().collect::<String>());
    let (before, answer, after) = (text(first..start), text(start..end), text(end..past));
    let (cut_before, cut_after) = (first > 0, past < characters.len());
    format!(
        "{}{}{}{answer}{}{}{}",
        if cut_before { "… " } else { "" },
        before.trim_start(),
        marks.before,
        marks.after,
        after.trim_end(),
        if cut_after { " …" } else { "" },
    )
}

/// Formats the text on one line with the bytes at each of `places`, which are in order, marked;
/// returns `None` if it is too long to be shown whole.
pub fn marked(
    text: &str,
    places: impl Iterator<Item = Range<usize>>,
    marks: Marks,
) -> Option<String> {
    if text.chars().count() > WHOLE {
        return None;
    }
    let (mut shown, mut done) = (String::new(), 0);
    for place in places {
        shown.push_str(&printable(&text[done..place.start]));
        shown.push_str(marks.before);
        shown.push_str(&printable(&text[place.clone()]));
        shown.push_str(marks.after);
        done = place.end;
    }
    shown.push_str(&printable(&text[done..]));
    Some(shown.trim().to_owned())
}

/// Removes line ends, and replaces control characters with �.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            _ if c.is_whitespace() && shown.ends_with(' ') => {}
            _ if c.is_whitespace() => shown.push(' '),
            _ if c.is_control() => shown.push('\u{FFFD}'),
            _ => shown.push(c),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_marked_by_code_points() {
        let passage = "𝒜n öld\n\n oak.";
        assert_eq!(excerpt(passage, &(3..6), Marks::PLAIN), "𝒜n [öld] oak.");
        assert_eq!(
            excerpt(passage, &(9..12), Marks::COLOURED),
            "𝒜n öld \x1b[30;43moak\x1b[0m."
        );
        // A position outside the passage marks nothing and does no harm.
        assert_eq!(excerpt("oak", &(7..9), Marks::PLAIN), "oak[]");
    }

    #[test]
    fn a_long_passage_is_cut_at_words() {
        let passage = format!("{}oak {}", "elm ".repeat(400), "ash ".repeat(400));
        let cut = excerpt(&passage, &(1600..1603), Marks::PLAIN);
        assert!(cut.starts_with("… elm elm "), "{cut}");
        assert!(cut.contains(" elm [oak] ash "), "{cut}");
        assert!(cut.ends_with(" ash ash …"), "{cut}");
        // At most 300 on either side, plus the answer, its marks and the ellipses.
        assert!((590..=609).contains(&cut.chars().count()), "{cut}");
        let from_the_start = excerpt(&passage, &(0..3), Marks::PLAIN);
        assert!(from_the_start.starts_with("[elm] elm"), "{from_the_start}");
        assert!(from_the_start.ends_with(" elm …"), "{from_the_start}");
        // Without a space it is cut anywhere.
        let one_word = "x".repeat(2000);
        assert_eq!(
            excerpt(&one_word, &(900..901), Marks::PLAIN)
                .chars()
                .count(),
            607
        );
    }

    #[test]
    fn several_places_are_marked_by_their_bytes() {
        let text = " Zoé\n Ähn in Köln.";
        let places = [1..11, 15..20];
        let shown = marked(text, places.into_iter(), Marks::PLAIN).unwrap();
        assert_eq!(shown, "[Zoé Ähn] in [Köln].");
        assert_eq!(marked("oak", [].into_iter(), Marks::PLAIN).unwrap(), "oak");
        assert_eq!(
            marked(&"x".repeat(WHOLE + 1), [].into_iter(), Marks::PLAIN),
            None
        );
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("a\x1b[2Jb\u{9b}1m\tc\r\nd"), "a�[2Jb�1m c d");
    }
}

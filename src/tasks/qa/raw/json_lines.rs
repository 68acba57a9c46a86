//! Parses JSON Lines into paragraphs, on all cores.

use rayon::prelude::*;

use super::{
    facts::Facts,
    json_error::{advice, json_error},
    json_form::Walk,
    paragraph::{Family, Paragraph},
};
use crate::tasks::qa::error::Error;

/// What a line contains, and which of its paragraphs lack an id.
pub(super) type Part = (Facts, Vec<(Paragraph, bool)>);

/// Returns the paragraphs of the lines, in order; the first line that reveals its family determines
/// that of all.
pub(super) fn parse_lines(
    lines: &[(usize, &str)],
    lines_before: usize,
    file: &str,
    family: &mut Option<Family>,
) -> Vec<Result<Part, Error>> {
    let parse = |family: Option<Family>, &(number, line): &(usize, &str)| {
        let before = lines_before + number;
        let mut paragraphs = Vec::new();
        let mut take = |paragraph, nameless| {
            paragraphs.push((paragraph, nameless));
            true
        };
        let mut walk = Walk::new(family, Some(before + 1), &mut take);
        let read = walk.read(line);
        let facts = walk.facts;
        match read {
            Ok(()) => Ok((facts, paragraphs)),
            Err(error) => {
                let advice = advice(family, &facts);
                Err(json_error(file, line, before, &error, advice))
            }
        }
    };
    let mut parts = Vec::with_capacity(lines.len());
    let mut rest = lines;
    while family.is_none()
        && let Some((line, after)) = rest.split_first()
    {
        rest = after;
        let part = parse(None, line);
        if let Ok((facts, _)) = &part {
            *family = facts.family.or(facts.header.then_some(Family::Mrqa));
        }
        let failed = part.is_err();
        parts.push(part);
        if failed {
            return parts;
        }
    }
    let family = *family;
    let parsed: Vec<_> = rest.par_iter().map(|line| parse(family, line)).collect();
    parts.extend(parsed);
    parts
}

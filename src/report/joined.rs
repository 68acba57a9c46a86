//! Merges the parts of several tasks into one page: parts with the same heading are shown together,
//! one task after the other.

use maud::{Markup, html};

use super::{Heading, Part};

/// A part of the page.
pub(super) struct JoinedPart<'a> {
    pub heading: Option<Heading>,
    /// Each task's share, with the task's name.
    shares: Vec<(&'a str, Markup)>,
}

impl JoinedPart<'_> {
    /// Renders the part, with the tasks' names if `named`.
    pub fn section(&self, named: bool) -> Markup {
        let Some(Heading { id, title, .. }) = self.heading else {
            return html! { @for (_, share) in &self.shares { (share) } };
        };
        html! {
            section id=(id) {
                h2 { (title) }
                @for (task, share) in &self.shares {
                    div.task {
                        @if named { h3.name { (task) } }
                        (share)
                    }
                }
            }
        }
    }
}

/// Merges the parts of all tasks. A part that earlier tasks lack is placed after the part that it
/// follows in its own task.
pub(super) fn join(tasks: Vec<(&str, Vec<Part>)>) -> Vec<JoinedPart<'_>> {
    let mut joined: Vec<JoinedPart> = Vec::new();
    for (task, parts) in tasks {
        let mut next = 0;
        for Part { heading, body } in parts {
            let id = heading.map(|heading| heading.id);
            let same = |part: &JoinedPart| part.heading.map(|heading| heading.id) == id;
            let place = match joined.iter().position(same) {
                Some(place) => {
                    if id.is_some() {
                        joined[place].shares.push((task, body));
                    }
                    place
                }
                None => {
                    let shares = vec![(task, body)];
                    joined.insert(next, JoinedPart { heading, shares });
                    next
                }
            };
            next = place + 1;
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(ids: &[&'static str]) -> Vec<Part> {
        let part = |&id: &&'static str| match id {
            "" => Part {
                heading: None,
                body: html! { "switch" },
            },
            id => Heading::new(id, id, id).over(html! { (id) }),
        };
        ids.iter().map(part).collect()
    }

    #[test]
    fn parts_of_one_heading_stand_together_in_the_order_of_each_task() {
        let tasks = vec![
            ("rte", parts(&["errors", "confidence", "examples"])),
            (
                "squad",
                parts(&["no-answer", "", "errors", "lengths", "examples"]),
            ),
            ("chunk", parts(&["errors", "examples"])),
            ("newsqa", parts(&["", "errors", "lengths", "examples"])),
        ];
        let joined = join(tasks);
        let shown: Vec<(&str, Vec<&str>)> = joined
            .iter()
            .map(|part| {
                let tasks = part.shares.iter().map(|(task, _)| *task);
                (
                    part.heading.map_or("", |heading| heading.id),
                    tasks.collect(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("no-answer", vec!["squad"]),
                ("", vec!["squad"]),
                ("errors", vec!["rte", "squad", "chunk", "newsqa"]),
                ("lengths", vec!["squad", "newsqa"]),
                ("confidence", vec!["rte"]),
                ("examples", vec!["rte", "squad", "chunk", "newsqa"]),
            ]
        );
        assert_eq!(
            joined[0].section(true).into_string(),
            "<section id=\"no-answer\"><h2>no-answer</h2><div class=\"task\">\
             <h3 class=\"name\">squad</h3>no-answer</div></section>"
        );
        assert_eq!(joined[1].section(true).into_string(), "switch");
        assert!(join(Vec::new()).is_empty());
    }
}

//! A list of examples in groups, with filters and a search; selects which of many are shown.

use std::collections::{BTreeMap, VecDeque};

use maud::{Markup, html};

use super::Limits;

/// Most characters of a text that are shown.
const LONGEST: usize = 600;

/// A group of examples, only one of which is open at a time.
pub struct Group<'a> {
    pub name: &'a str,
    /// What its examples have in common.
    pub meaning: &'a str,
    /// The number of its examples, including those that are not shown.
    pub count: usize,
    pub shown: Vec<Markup>,
}

/// A drop-down filter; it shows an example if one of the words of the attribute `data-KEY` is the
/// number of the selected option.
pub struct Filter<'a> {
    pub key: &'static str,
    pub name: &'a str,
    pub choices: Vec<&'a str>,
}

/// Renders the groups, under buttons, filters and a search field.
pub fn list(groups: &[Group], filters: &[Filter]) -> Markup {
    let groups = || groups.iter().enumerate().filter(|(_, g)| g.count > 0);
    html! {
        div.examples {
            div.controls {
                div.choices data-choices="class" {
                    @for (number, group) in groups() {
                        button type="button" value=(number) title=(group.meaning) {
                            (group.name) " " span.count { (group.count) }
                        }
                    }
                }
                @for filter in filters {
                    label { (filter.name) " " select data-filter=(filter.key) {
                        option value="" { "all" }
                        @for (number, name) in filter.choices.iter().enumerate() {
                            option value=(number) { (name) }
                        }
                    } }
                    " "
                }
                label { "Search " input type="search" data-filter="text" placeholder="words in the examples below"; }
                span data-total="in all groups" role="status" {}
            }
            @for (number, group) in groups() {
                div data-class=(number) {
                    p.note {
                        (group.meaning) ": " (group.shown.len()) " of " (group.count) " are here"
                        @if group.shown.len() < group.count {
                            "; " (group.count - group.shown.len())
                            @if group.count - group.shown.len() == 1 { " is left out" } @else { " are left out" }
                        }
                        "." span data-found="" {}
                    }
                    @for example in &group.shown { (example) }
                }
            }
        }
    }
}

/// An example that may be shown.
pub struct Candidate<T> {
    /// The index of its group.
    pub group: usize,
    /// The class within which it competes with other examples of its group.
    pub class: usize,
    pub example: T,
}

/// Selects, in each group, the first example of each class, then the second of each, until there
/// are enough, `[groups]`; within a group they stay in order.
pub fn chosen<T>(
    candidates: &[Candidate<T>],
    groups: usize,
    limits: Limits,
    show: impl Fn(&T) -> Markup,
) -> Vec<Vec<Markup>> {
    let mut waiting: BTreeMap<(usize, usize), VecDeque<usize>> = BTreeMap::new();
    for (place, candidate) in candidates.iter().enumerate() {
        let class = (candidate.group, candidate.class);
        waiting.entry(class).or_default().push_back(place);
    }
    let (mut taken, mut bytes) = (Vec::new(), 0);
    'rounds: for _ in 0..limits.examples {
        for class in waiting.values_mut() {
            let Some(place) = class.pop_front() else {
                continue;
            };
            let example = show(&candidates[place].example);
            bytes += example.0.len();
            if bytes > limits.bytes {
                break 'rounds;
            }
            taken.push((place, example));
        }
        waiting.retain(|_, class| !class.is_empty());
    }
    taken.sort_by_key(|(place, _)| *place);
    let mut shown = vec![Vec::new(); groups];
    for (place, example) in taken {
        shown[candidates[place].group].push(example);
    }
    shown
}

/// Returns the text, truncated if it is too long to read.
pub fn short(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(candidates: &[(usize, usize, &str)], limits: Limits) -> Vec<String> {
        let candidates: Vec<Candidate<&str>> = candidates
            .iter()
            .map(|&(group, class, example)| Candidate {
                group,
                class,
                example,
            })
            .collect();
        let shown = chosen(&candidates, 2, limits, |text| html! { (text) });
        let joined = |group: Vec<Markup>| group.iter().map(|markup| markup.0.as_str()).collect();
        shown.into_iter().map(joined).collect()
    }

    #[test]
    fn every_class_has_its_turn_and_no_group_grows_beyond_the_limits() {
        let candidates = [
            (0, 0, "a"),
            (0, 0, "b"),
            (0, 1, "c"),
            (1, 0, "d"),
            (0, 0, "e"),
            (0, 1, "f"),
        ];
        let limits = |examples, bytes| Limits { examples, bytes };
        assert_eq!(texts(&candidates, limits(9, 99)), ["abcef", "d"]);
        assert_eq!(texts(&candidates, limits(1, 99)), ["ac", "d"]);
        assert_eq!(texts(&candidates, limits(9, 4)), ["abc", "d"]);
        assert_eq!(texts(&candidates, limits(0, 99)), ["", ""]);
    }

    #[test]
    fn groups_without_examples_have_no_button_and_names_are_escaped() {
        let groups = [
            Group {
                name: "wrong",
                meaning: "wrong",
                count: 0,
                shown: Vec::new(),
            },
            Group {
                name: "right",
                meaning: "right predictions",
                count: 3,
                shown: vec![html! { article {} }],
            },
        ];
        let filters = [Filter {
            key: "gold",
            name: "True class",
            choices: vec!["<script>"],
        }];
        let html = list(&groups, &filters).into_string();
        assert!(html.contains("1 of 3 are here; 2 are left out."), "{html}");
        assert_eq!(html.matches("<button").count(), 1, "{html}");
        let option = "<option value=\"0\">&lt;script&gt;</option>";
        assert!(html.contains(option), "{html}");
    }
}

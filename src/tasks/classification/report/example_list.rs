//! Examples of texts to browse: for classes, mistakes first, most confident first; for numbers,
//! largest errors first.

use maud::{Markup, html};

use super::{confidence, is_right};
use crate::{
    report::{
        Limits,
        example_list::{Candidate, Filter, Group, chosen, list, short},
    },
    tasks::classification::{
        example::Example,
        labels::{Gold, Labels},
        prediction::Prediction,
    },
};

type Shown<'a> = (&'a Example, &'a Prediction);

/// Lists wrong and correct predictions of classes.
pub(super) fn of_classes<'a>(
    examples: impl Iterator<Item = Shown<'a>>,
    names: &[String],
    limits: Limits,
) -> Markup {
    let mut examples: Vec<(Shown, f64)> = examples
        .map(|(example, prediction)| ((example, prediction), confidence(prediction)))
        .collect();
    examples.sort_by(|a, b| b.1.total_cmp(&a.1));
    let candidates: Vec<Candidate<(Shown, f64)>> = examples
        .into_iter()
        .map(|example| Candidate {
            group: usize::from(is_right(example.0.1)),
            class: class(example.0.0.gold),
            example,
        })
        .collect();
    let name = |gold: Gold| names.get(class(gold)).map_or("", String::as_str);
    let show = |((example, prediction), confidence): &(Shown, f64)| {
        html! {
            article data-gold=(class(example.gold)) data-predicted=(class(prediction.predicted)) {
                (texts(example))
                dl {
                    dt { "predicted" }
                    dd {
                        span.verdict.miss[!is_right(prediction)] { (short(name(prediction.predicted))) }
                        " " (percent(*confidence))
                    }
                    @if !is_right(prediction) {
                        dt { "true class" }
                        dd { (short(name(example.gold))) " " (of_gold(prediction)) }
                    }
                }
                (meta(example))
            }
        }
    };
    let groups = [
        ("wrong", "Wrong predictions, the surest first"),
        ("right", "Right predictions, the surest first"),
    ];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let filters = [("gold", "True class"), ("predicted", "Predicted")].map(|(key, name)| Filter {
        key,
        name,
        choices: names.clone(),
    });
    grouped(&candidates, groups, &filters, limits, show)
}

/// Lists predictions of numbers that are too high or too low.
pub(super) fn of_values<'a>(
    examples: impl Iterator<Item = Shown<'a>>,
    labels: &Labels,
    limits: Limits,
) -> Markup {
    let on_scale = |gold: Gold| match gold {
        Gold::Value(value) => labels.on_scale(value),
        Gold::Class(_) => 0.0,
    };
    let difference =
        |(example, prediction): Shown| on_scale(prediction.predicted) - on_scale(example.gold);
    let mut examples: Vec<(Shown, f64)> = examples
        .map(|example| (example, difference(example)))
        .filter(|(_, difference)| *difference != 0.0)
        .collect();
    examples.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let candidates: Vec<Candidate<(Shown, f64)>> = examples
        .into_iter()
        .map(|example| Candidate {
            group: usize::from(example.1 < 0.0),
            class: 0,
            example,
        })
        .collect();
    let show = |((example, prediction), difference): &(Shown, f64)| {
        html! {
            article {
                (texts(example))
                dl {
                    dt { "predicted" } dd { span.verdict { (labels.shown(prediction.predicted)) } }
                    dt { "right" } dd { (labels.shown(example.gold)) }
                    dt { "off by" } dd { (format!("{:.3}", difference.abs())) }
                }
                (meta(example))
            }
        }
    };
    let groups = [
        ("too high", "Predictions that are too high, the worst first"),
        ("too low", "Predictions that are too low, the worst first"),
    ];
    grouped(&candidates, groups, &[], limits, show)
}

fn grouped<T>(
    candidates: &[Candidate<T>],
    groups: [(&str, &str); 2],
    filters: &[Filter],
    limits: Limits,
    show: impl Fn(&T) -> Markup,
) -> Markup {
    let shown = chosen(candidates, groups.len(), limits, show);
    let count = |group| candidates.iter().filter(|c| c.group == group).count();
    let groups = groups.iter().zip(shown).enumerate();
    let groups: Vec<Group> = groups
        .map(|(number, ((name, meaning), shown))| Group {
            name,
            meaning,
            count: count(number),
            shown,
        })
        .collect();
    list(&groups, filters)
}

fn texts(example: &Example) -> Markup {
    html! {
        p.text { (short(&example.text_a)) }
        @if let Some(text) = &example.text_b { p.text { (short(text)) } }
    }
}

fn meta(example: &Example) -> Markup {
    html! {
        p.meta {
            "example " (example.eid)
            @if let Some(id) = &example.id { " · " code { (short(id)) } }
        }
    }
}

/// Formats the probability of the correct class.
fn of_gold(prediction: &Prediction) -> Markup {
    let Some(Gold::Class(gold)) = prediction.gold else {
        return html! {};
    };
    let probabilities = super::softmax(&prediction.logits);
    html! { @if let Some(&share) = probabilities.get(gold as usize) { (percent(share)) } }
}

fn class(gold: Gold) -> usize {
    match gold {
        Gold::Class(class) => class as usize,
        Gold::Value(_) => 0,
    }
}

fn percent(share: f64) -> Markup {
    html! { span.share { (format!("{:.1} %", 100.0 * share)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Limits = Limits {
        examples: 9,
        bytes: 1 << 20,
    };

    fn examples(labels: &Labels, made: &[(&str, Gold, &[f32])]) -> (Vec<Example>, Vec<Prediction>) {
        let of = |(eid, &(text, gold, logits)): (usize, &(&str, Gold, &[f32]))| {
            let example = Example {
                eid: eid as u64,
                id: None,
                text_a: text.to_owned(),
                text_b: Some("<script>alert(1)</script>".to_owned()),
                gold,
            };
            let prediction = Prediction::new("t", labels, &example, true, logits.to_vec());
            (example, prediction.unwrap())
        };
        made.iter().enumerate().map(of).unzip()
    }

    /// Returns the texts in the order in which they appear on the page.
    fn order<'a>(html: &str, mut texts: Vec<&'a str>) -> Vec<&'a str> {
        texts.sort_by_key(|text| html.find(*text).unwrap_or(usize::MAX));
        texts
    }

    #[test]
    fn the_surest_mistakes_come_first() {
        let names = ["no", "yes"].map(str::to_owned);
        let labels = Labels::Classes(names.to_vec());
        let (examples, predictions) = examples(
            &labels,
            &[
                ("hardly wrong", Gold::Class(0), &[0.0, 0.1]),
                ("surely right", Gold::Class(1), &[0.0, 9.0]),
                ("surely wrong", Gold::Class(1), &[3.0, 0.0]),
                ("hardly right", Gold::Class(0), &[0.2, 0.0]),
            ],
        );
        let both = || examples.iter().zip(&predictions);
        let html = of_classes(both(), &names, ALL).into_string();
        let texts = vec![
            "hardly right",
            "hardly wrong",
            "surely right",
            "surely wrong",
        ];
        let expected = [
            "surely wrong",
            "hardly wrong",
            "surely right",
            "hardly right",
        ];
        assert_eq!(order(&html, texts), expected);
        assert!(!html.contains("<script"), "{html}");
        assert!(
            html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"),
            "{html}"
        );
        // softmax of 3 and 0
        assert!(html.contains("95.3 %") && html.contains("4.7 %"), "{html}");
        assert!(
            html.contains("data-gold=\"1\" data-predicted=\"0\""),
            "{html}"
        );
        let none = Limits { examples: 0, ..ALL };
        let html = of_classes(both(), &names, none).into_string();
        assert!(html.contains("0 of 2 are here; 2 are left out."), "{html}");
    }

    #[test]
    fn the_worst_numbers_come_first() {
        let labels = Labels::Range { min: 0.0, max: 5.0 };
        let (examples, predictions) = examples(
            &labels,
            &[
                ("high", Gold::Value(0.5), &[0.6]),
                ("low", Gold::Value(1.0), &[0.0]),
                ("far too high", Gold::Value(0.0), &[0.9]),
            ],
        );
        let html = of_values(examples.iter().zip(&predictions), &labels, ALL).into_string();
        let article = |text: &str| html.find(&format!("<p class=\"text\">{text}</p>")).unwrap();
        assert!(article("far too high") < article("high") && article("high") < article("low"));
        for part in ["<dd>4.500</dd>", "<dd>5.000</dd>", "too low"] {
            assert!(html.contains(part), "{part} is not in {html}");
        }
    }
}

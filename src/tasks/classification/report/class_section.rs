//! Report section on classes: which are confused, and how well each is distinguished from the
//! others.

use maud::{Markup, html};

use crate::{
    counted::counted_with,
    tasks::classification::scorers::confusion::{ClassFigures, Confusion},
};

/// Most classes for which a confusion matrix is readable.
const CLASSES: usize = 20;

/// Most confusions listed instead.
const CONFUSIONS: usize = 40;

pub(super) fn section(confusion: &Confusion, names: &[String]) -> Markup {
    html! {
        h3 { "Confusion matrix" }
        @if names.len() <= CLASSES {
            p.note {
                "Each row holds the examples of a true class, each column those that were predicted to be of "
                "one; the deeper the colour, the larger the share of the row."
            }
            (matrix(confusion, names))
        } @else {
            p.note {
                "A matrix of " (names.len()) " classes is too large to read: these are the classes that are "
                "most often confused."
            }
            (most_frequent(confusion, names))
        }
        h3 { "By class" }
        p.note {
            "In percent; ours, beyond the reference. The macro average is the mean of the classes, the micro "
            "average that of the examples."
        }
        (by_class(confusion, names))
    }
}

fn matrix(confusion: &Confusion, names: &[String]) -> Markup {
    let supports: Vec<usize> = confusion
        .counts
        .iter()
        .map(|row| row.iter().sum())
        .collect();
    html! {
        div.scroll tabindex="0" { table.fit.matrix {
            caption { "True class (rows) by predicted class (columns)" }
            thead { tr {
                td {}
                @for name in names { th.n scope="col" { (name) } }
                th.n scope="col" { "all" }
            } }
            tbody {
                @for ((gold, row), support) in confusion.counts.iter().enumerate().zip(&supports) { tr {
                    th scope="row" { (names[gold]) }
                    @for (predicted, count) in row.iter().enumerate() {
                        td.n.cell.hit[gold == predicted] style=(shade(*count, *support))
                            title=(format!("{count} of {support} {}, predicted as {}", names[gold], names[predicted])) {
                            (count)
                        }
                    }
                    td.n { (support) }
                } }
                tr {
                    th scope="row" { "all" }
                    @for predicted in 0..names.len() { td.n { (times_predicted(confusion, predicted)) } }
                    td.n { (confusion.total()) }
                }
            }
        } }
    }
}

/// Returns how dark a cell is, but not so dark that its number becomes unreadable.
fn shade(count: usize, support: usize) -> String {
    let share = count as f64 / support.max(1) as f64;
    format!("--share:{:.0}%", 45.0 * share)
}

fn times_predicted(confusion: &Confusion, class: usize) -> usize {
    confusion.counts.iter().map(|row| row[class]).sum()
}

fn most_frequent(confusion: &Confusion, names: &[String]) -> Markup {
    let cells = confusion.counts.iter().enumerate().flat_map(|(gold, row)| {
        let row = row.iter().enumerate();
        row.map(move |(predicted, &count)| (count, gold, predicted))
    });
    let mut wrong: Vec<_> = cells
        .filter(|(count, gold, predicted)| gold != predicted && *count > 0)
        .collect();
    wrong.sort_by_key(|&(count, gold, predicted)| (std::cmp::Reverse(count), gold, predicted));
    let more = wrong.len().saturating_sub(CONFUSIONS);
    html! {
        div.scroll { table.fit {
            thead { tr { th { "true class" } th { "predicted class" } th.n { "count" } th.n { "of the class" } } }
            tbody {
                @for (count, gold, predicted) in wrong.iter().take(CONFUSIONS) { tr {
                    td { (names[*gold]) }
                    td { (names[*predicted]) }
                    td.n { (count) }
                    td.n { (percent(*count as f64 / confusion.class(*gold).support as f64)) " %" }
                } }
            }
        } }
        @if more > 0 {
            p.note { (counted_with(more, "rarer confusion", ["is", "are"])) " left out." }
        }
    }
}

fn by_class(confusion: &Confusion, names: &[String]) -> Markup {
    let figures: Vec<ClassFigures> = (0..names.len())
        .map(|class| confusion.class(class))
        .collect();
    let mean =
        |of: fn(&ClassFigures) -> f64| figures.iter().map(of).sum::<f64>() / figures.len() as f64;
    let all = ClassFigures {
        precision: mean(|class| class.precision),
        recall: mean(|class| class.recall),
        f1: confusion.macro_f1(),
        support: confusion.total(),
    };
    // Each example has one class and one prediction, so all three equal the accuracy.
    let accuracy = confusion.accuracy();
    let micro = ClassFigures {
        precision: accuracy,
        recall: accuracy,
        f1: accuracy,
        support: confusion.total(),
    };
    html! {
        div.scroll { table.fit {
            thead { tr {
                th { "class" } th.n { "precision" } th.n { "recall" } th.n { "F1" } th.n { "examples" }
                th.n { "predicted" }
            } }
            tbody {
                @for (class, figures) in figures.iter().enumerate() {
                    (row(&names[class], figures, times_predicted(confusion, class)))
                }
                (row("macro average", &all, confusion.total()))
                (row("micro average", &micro, confusion.total()))
            }
        } }
    }
}

fn row(name: &str, figures: &ClassFigures, predicted: usize) -> Markup {
    html! { tr {
        th scope="row" { (name) }
        td.n { (percent(figures.precision)) }
        td.n { (percent(figures.recall)) }
        td.n { (percent(figures.f1)) }
        td.n { (figures.support) }
        td.n { (predicted) }
    } }
}

fn percent(share: f64) -> String {
    format!("{:.1}", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn rows_are_true_classes_and_columns_predicted_ones() {
        let pairs = [(0, 0), (0, 0), (0, 1), (1, 1), (2, 0)];
        let html = section(&Confusion::of(3, pairs), &named(&["a", "<b>", "c"])).into_string();
        for part in [
            "<th class=\"n\" scope=\"col\">&lt;b&gt;</th>",
            // Two of three of the first class are correct; one is taken for the second.
            "<td class=\"n cell hit\" style=\"--share:30%\" title=\"2 of 3 a, predicted as a\">2</td>\
             <td class=\"n cell\" style=\"--share:15%\" title=\"1 of 3 a, predicted as &lt;b&gt;\">1</td>\
             <td class=\"n cell\" style=\"--share:0%\" title=\"0 of 3 a, predicted as c\">0</td>\
             <td class=\"n\">3</td>",
            "<th scope=\"row\">all</th><td class=\"n\">3</td><td class=\"n\">2</td><td class=\"n\">0</td>\
             <td class=\"n\">5</td>",
            // Precision 2/3, recall 2/3; precision 1/2, recall 1.
            "<th scope=\"row\">a</th><td class=\"n\">66.7</td><td class=\"n\">66.7</td><td class=\"n\">66.7</td>\
             <td class=\"n\">3</td><td class=\"n\">3</td>",
            "<th scope=\"row\">&lt;b&gt;</th><td class=\"n\">50.0</td><td class=\"n\">100.0</td>\
             <td class=\"n\">66.7</td><td class=\"n\">1</td><td class=\"n\">2</td>",
            "<th scope=\"row\">c</th><td class=\"n\">0.0</td><td class=\"n\">0.0</td><td class=\"n\">0.0</td>",
            "macro average</th><td class=\"n\">38.9</td><td class=\"n\">55.6</td><td class=\"n\">44.4</td>",
            "micro average</th><td class=\"n\">60.0</td><td class=\"n\">60.0</td><td class=\"n\">60.0</td>",
        ] {
            assert!(html.contains(part), "{part}\nis not in\n{html}");
        }
    }

    #[test]
    fn of_many_classes_the_confusions_are_listed() {
        let names: Vec<String> = (0..60).map(|class| format!("c{class}")).collect();
        let pairs = (0..60_u32)
            .map(|class| (class, (class + 1) % 60))
            .chain([(5, 9); 3]);
        let html = section(&Confusion::of(60, pairs), &names).into_string();
        assert!(!html.contains("matrix\""), "{html}");
        let first = "<td>c5</td><td>c9</td><td class=\"n\">3</td><td class=\"n\">75.0 %</td>";
        assert!(html.contains(first), "{html}");
        assert!(html.contains("21 rarer confusions are left out"), "{html}");
    }
}

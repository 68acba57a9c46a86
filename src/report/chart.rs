//! Curves and histograms as data for uPlot, which the page's script calls.
//!
//! uPlot (MIT), 50 kB of script, is embedded in the page: unlike static drawings, its charts show
//! the values under the pointer, zoom, keep their text legible on a narrow screen and adopt the
//! theme's colours.

use maud::{Markup, html};
use serde::{Serialize, Serializer, ser::SerializeSeq};

/// Colours of lines in the page's style sheet.
pub const COLOURS: usize = 10;

/// The style of a line; the number is the index of its colour in the page's style sheet. The
/// numbers after the last colour begin with the first again, with other dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    Bold(usize),
    Thin(usize),
    /// Behind a smoothed line of the same colour.
    Faint(usize),
    /// With a dot at each of its few points.
    Dotted(usize),
}

/// A line through points `(x, y)` with increasing x; a y that is not finite is a gap.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    pub name: String,
    pub style: Style,
    #[serde(serialize_with = "columns")]
    pub points: Vec<(f64, f64)>,
}

/// A point that is marked and labelled.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Point {
    pub x: f64,
    pub y: f64,
    pub label: String,
}

/// Lines over one axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lines {
    pub x: String,
    pub y: String,
    /// Whether the y axis is logarithmic; then only values above 0 are drawn.
    pub log: bool,
    pub lines: Vec<Line>,
    pub mark: Option<Point>,
    /// A position on the x axis that is marked by a line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<f64>,
}

/// Overlaid histograms over the same bins.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bars {
    pub x: String,
    pub y: String,
    /// Where the first bin begins.
    pub start: f64,
    pub width: f64,
    /// Name, colour index, counts.
    pub series: Vec<(String, usize, Vec<usize>)>,
    /// A value that is marked by a line.
    pub line: Option<f64>,
}

/// A histogram of right and wrong predictions that the page's selectors filter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stacks {
    pub x: String,
    pub width: usize,
    /// By part of the questions and question type, joined by a space: counts of right and wrong.
    pub choices: serde_json::Map<String, serde_json::Value>,
}

/// Dots, over the diagonal where x and y are equal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Scatter {
    pub x: String,
    pub y: String,
    /// In order of x; several may have the same x.
    #[serde(serialize_with = "columns")]
    pub points: Vec<(f64, f64)>,
}

/// Any chart of the page.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Chart {
    Lines(Lines),
    Bars(Bars),
    Stacks(Stacks),
    Scatter(Scatter),
}

impl From<Lines> for Chart {
    fn from(lines: Lines) -> Self {
        Chart::Lines(lines)
    }
}

impl From<Bars> for Chart {
    fn from(bars: Bars) -> Self {
        Chart::Bars(bars)
    }
}

impl From<Stacks> for Chart {
    fn from(stacks: Stacks) -> Self {
        Chart::Stacks(stacks)
    }
}

impl From<Scatter> for Chart {
    fn from(scatter: Scatter) -> Self {
        Chart::Scatter(scatter)
    }
}

/// The charts of a page, by the indices that their placeholders refer to.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Charts(Vec<Chart>);

impl Charts {
    /// Adds a chart and returns its placeholder.
    pub fn figure(&mut self, title: &str, caption: &str, chart: impl Into<Chart>) -> Markup {
        let number = self.0.len();
        self.0.push(chart.into());
        html! {
            figure.chart data-chart=(number) {
                figcaption { b { (title) } " " span { (caption) } }
                div.plot role="img" aria-label=(title) {}
            }
        }
    }

    /// Returns JSON that is safe inside a `script` element: `<` is escaped, so that no text can end
    /// it.
    pub fn json(&self) -> String {
        // Cannot fail: map keys are strings, and numbers are finite or null.
        let json = serde_json::to_string(self).unwrap_or_default();
        json.replace('<', "\\u003c")
    }
}

/// Serializes to two lists, of x and of y, with seven digits: more than a screen shows, fewer than
/// f64 has.
fn columns<S: Serializer>(points: &[(f64, f64)], serializer: S) -> Result<S::Ok, S::Error> {
    let short = |value: f64| {
        format!("{value:.6e}")
            .parse::<f64>()
            .ok()
            .filter(|v| v.is_finite())
    };
    let mut columns = serializer.serialize_seq(Some(2))?;
    columns.serialize_element(&points.iter().map(|&(x, _)| short(x)).collect::<Vec<_>>())?;
    columns.serialize_element(&points.iter().map(|&(_, y)| short(y)).collect::<Vec<_>>())?;
    columns.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_colour_in_light_and_dark() {
        let style = include_str!("../../assets/report/page.css");
        let defined = |colour: usize| style.matches(&format!("--c{colour}: #")).count();
        // Dark both as the system's choice and as the reader's.
        assert!((0..COLOURS).all(|colour| defined(colour) == 3));
        assert_eq!(defined(COLOURS), 0);
        let script = include_str!("../../assets/report/page.js");
        assert!(script.contains(&format!("const COLOURS = {COLOURS};")));
    }

    #[test]
    fn a_line_is_two_short_columns() {
        let mut charts = Charts::default();
        let line = Line {
            name: "</script><b>".into(),
            style: Style::Faint(2),
            points: vec![(0.0, 1.0 / 3.0), (1_234_567.0, f64::NAN)],
        };
        let lines = Lines {
            x: "step".into(),
            y: "loss".into(),
            log: false,
            lines: vec![line],
            mark: None,
            line: None,
        };
        let place = charts.figure("Loss", "", lines).into_string();
        assert!(place.contains("data-chart=\"0\""), "{place}");
        assert_eq!(
            charts.json(),
            r#"[{"kind":"lines","x":"step","y":"loss","log":false,"lines":[{"name":"\u003c/script>\u003cb>","style":{"faint":2},"points":[[0.0,1234567.0],[0.3333333,null]]}],"mark":null}]"#
        );
    }
}

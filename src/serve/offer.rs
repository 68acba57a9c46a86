//! What a server offers: each task of its model, the texts that it takes, its endpoint, and what it
//! may answer.

use axum::http::StatusCode;
use serde::Serialize;

use super::{limits::Limits, refusal::Refusal};
use crate::{
    config::Config,
    tasks::{
        asked::Form,
        asking::Asking,
        classification::{ask::TextAsking, labels::Labels, text_names::text_names},
        description::Description,
    },
};

/// What kind of input a task takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    QuestionAnswering,
    Classification,
    Regression,
    Tagging,
}

impl Kind {
    pub const ALL: [Self; 4] = [
        Self::QuestionAnswering,
        Self::Classification,
        Self::Regression,
        Self::Tagging,
    ];

    fn of(asking: &Asking) -> Self {
        match asking {
            Asking::Questions(_) => Self::QuestionAnswering,
            Asking::Texts(texts) => match texts.labels {
                Labels::Classes(_) => Self::Classification,
                Labels::Range { .. } => Self::Regression,
            },
            Asking::Words(_) => Self::Tagging,
        }
    }

    /// Returns the endpoint for single requests.
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::QuestionAnswering => "/api/answer",
            Self::Classification => "/api/classify",
            Self::Regression => "/api/regress",
            Self::Tagging => "/api/tag",
        }
    }

    /// Returns the endpoint for lists.
    pub fn list_endpoint(self) -> &'static str {
        match self {
            Self::QuestionAnswering => "/v1/answers",
            Self::Classification => "/v1/classifications",
            Self::Regression => "/v1/values",
            Self::Tagging => "/v1/tags",
        }
    }

    /// Describes what a task of this kind does, for messages.
    fn does(self) -> &'static str {
        match self {
            Self::QuestionAnswering => "answers questions on passages",
            Self::Classification => "classifies texts",
            Self::Regression => "gives texts a value",
            Self::Tagging => "finds spans in texts",
        }
    }
}

/// A task of the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Offer {
    pub name: String,
    pub kind: Kind,
    pub endpoint: &'static str,
    pub fields: Vec<Field>,
    /// The classes that it distinguishes, in the order of their logits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub classes: Option<Vec<String>>,
    /// The smallest and largest value that it learnt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// The types of spans that it finds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
}

/// A text of a request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Field {
    /// Its key in the request.
    pub name: &'static str,
    /// What users call it.
    pub title: String,
    /// Whether a request must have it.
    pub required: bool,
    /// Most code points that it may have.
    pub max_characters: usize,
}

impl Offer {
    /// Describes a task of the model.
    pub fn of(asking: &Asking, config: &Config, limits: &Limits) -> Self {
        let kind = Kind::of(asking);
        let mut offer = Offer {
            name: asking.task().to_owned(),
            kind,
            endpoint: kind.endpoint(),
            fields: Vec::new(),
            classes: None,
            range: None,
            types: None,
        };
        match asking {
            Asking::Questions(_) => {
                offer.fields = vec![
                    field("question", "Question", limits.question_characters),
                    field("passage", "Passage", limits.passage_characters),
                ];
            }
            Asking::Texts(texts) => {
                offer.fields = text_fields(texts, config, limits);
                offer.range = texts.range;
                offer.classes = match &texts.labels {
                    Labels::Classes(names) => Some(names.clone()),
                    Labels::Range { .. } => None,
                };
            }
            Asking::Words(words) => {
                let types = words.labels.kinds().into_iter();
                offer.fields = vec![field("text", "Text", limits.text_characters)];
                offer.types = Some(types.map(str::to_owned).collect());
            }
        }
        offer
    }
}

fn field(name: &'static str, title: impl Into<String>, max_characters: usize) -> Field {
    Field {
        name,
        title: title.into(),
        required: true,
        max_characters,
    }
}

/// Returns one text field or two; if the number is unknown, the second is optional.
fn text_fields(asking: &TextAsking, config: &Config, limits: &Limits) -> Vec<Field> {
    let description = match &asking.columns {
        Some(columns) => Description::of_columns(asking.kind(), columns, &asking.task).ok(),
        // Models of earlier versions do not store the columns, and their data need not be on this
        // machine.
        None => Description::read(&config.paths().task_folder(&asking.task)).ok(),
    };
    let form = asking.form();
    let names = text_names(&asking.task, form != Form::Text, description.as_ref());
    let fields = ["text", "text_b"].into_iter().zip(names);
    fields
        .map(|(name, title)| Field {
            required: name == "text" || form == Form::Pair,
            ..field(name, title, limits.text_characters)
        })
        .collect()
}

/// Returns the task that a request is for: the one it names, or the first of the endpoint's kind.
/// `endpoint` gives the endpoint of a kind that takes requests of this form, one alone or a list.
///
/// # Errors
/// If the model has no such task; the message says what it has instead.
pub fn asked_for<'a>(
    offers: &'a [Offer],
    kind: Kind,
    task: Option<&str>,
    endpoint: fn(Kind) -> &'static str,
) -> Result<(usize, &'a Offer), Refusal> {
    let mut numbered = offers.iter().enumerate();
    let Some(task) = task else {
        let found = numbered.find(|(_, offer)| offer.kind == kind);
        return found.ok_or_else(|| {
            Refusal::new(StatusCode::NOT_FOUND, not_offered(offers, kind, endpoint))
        });
    };
    match numbered.find(|(_, offer)| offer.name == task) {
        Some(found) if found.1.kind == kind => Ok(found),
        Some((_, offer)) => Err(Refusal::bad(format!(
            "task: {task} {}; ask at {}",
            offer.kind.does(),
            endpoint(offer.kind)
        ))),
        None => {
            let names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
            Err(Refusal::bad(format!(
                "task: expected {}, found {task:?}",
                names.join(" or ")
            )))
        }
    }
}

/// Returns the message at an endpoint for which the model has no task.
fn not_offered(offers: &[Offer], kind: Kind, endpoint: fn(Kind) -> &'static str) -> String {
    let instead = offers.iter().map(|offer| {
        let (name, instead) = (&offer.name, endpoint(offer.kind));
        format!("{name} {}: ask at {instead}", offer.kind.does())
    });
    format!(
        "{}: no task of this model {}; {}",
        endpoint(kind),
        kind.does(),
        instead.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offers(tasks: &[(&str, Kind)]) -> Vec<Offer> {
        let offer = |&(name, kind): &(&str, Kind)| Offer {
            name: name.to_owned(),
            kind,
            endpoint: kind.endpoint(),
            fields: Vec::new(),
            classes: None,
            range: None,
            types: None,
        };
        tasks.iter().map(offer).collect()
    }

    #[test]
    fn the_named_task_or_the_first_of_its_kind_is_asked() {
        let offers = offers(&[
            ("sts", Kind::Regression),
            ("rte", Kind::Classification),
            ("sst", Kind::Classification),
        ]);
        let asked = |kind, task| {
            let found = asked_for(&offers, kind, task, Kind::endpoint).map(|(place, _)| place);
            found.map_err(|refusal| (refusal.status.as_u16(), refusal.message))
        };
        assert_eq!(asked(Kind::Classification, None), Ok(1));
        assert_eq!(asked(Kind::Classification, Some("sst")), Ok(2));
        assert_eq!(asked(Kind::Regression, Some("sts")), Ok(0));
        for (kind, task, status, message) in [
            (
                Kind::Regression,
                Some("sst"),
                400,
                "task: sst classifies texts; ask at /api/classify",
            ),
            (
                Kind::Regression,
                Some("mnli"),
                400,
                "task: expected sts or rte or sst, found \"mnli\"",
            ),
            (
                Kind::Tagging,
                None,
                404,
                "/api/tag: no task of this model finds spans in texts; sts gives texts a value: ask at \
                 /api/regress, rte classifies texts: ask at /api/classify, sst classifies texts: ask at \
                 /api/classify",
            ),
        ] {
            assert_eq!(asked(kind, task), Err((status, message.to_owned())));
        }
        // A list is asked elsewhere.
        let list = |kind, task| {
            let refused = asked_for(&offers[..1], kind, task, Kind::list_endpoint).unwrap_err();
            refused.message
        };
        assert_eq!(
            list(Kind::Tagging, None),
            "/v1/tags: no task of this model finds spans in texts; sts gives texts a value: ask at /v1/values"
        );
        assert_eq!(
            list(Kind::Tagging, Some("sts")),
            "task: sts gives texts a value; ask at /v1/values"
        );
    }
}

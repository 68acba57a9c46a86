//! Answers in a data file's JSON, in the forms that SQuAD, MRQA and `datasets` write them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    json_key::Key,
    json_value::{Several, Start},
    paragraph::{Answer, DetectedAnswer},
};

/// Answers as written by SQuAD, MRQA and `datasets`: a list of objects or of texts, or an object of
/// lists, `{"text": […], "answer_start": […]}`; `None` if null.
pub(super) struct Answers(pub Option<Vec<Answer>>);

impl<'de> Deserialize<'de> for Answers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnswersVisitor;
        impl<'de> Visitor<'de> for AnswersVisitor {
            type Value = Answers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of answers, or {\"text\": […], \"answer_start\": […]}")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Answers, A::Error> {
                let mut all = Vec::new();
                while let Some(OneAnswer(answer)) = items.next_element()? {
                    all.push(answer);
                }
                Ok(Answers(Some(all)))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Answers, A::Error> {
                let (mut texts, mut starts) = (None, None);
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Text | Key::AnswerText => {
                            texts = Some(map.next_value::<Several<String>>()?.0);
                        }
                        Key::AnswerStart => {
                            starts = Some(map.next_value::<Several<Start>>()?.0);
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let texts = texts.ok_or_else(|| A::Error::missing_field("text"))?;
                paired(texts, starts).map(|answers| Answers(Some(answers)))
            }
            fn visit_unit<E: Error>(self) -> Result<Answers, E> {
                Ok(Answers(None))
            }
        }
        deserializer.deserialize_any(AnswersVisitor)
    }
}

/// Pairs texts with their positions, of which there must be equally many or none.
pub(super) fn paired<E: Error>(
    texts: Vec<String>,
    starts: Option<Vec<Start>>,
) -> Result<Vec<Answer>, E> {
    let starts = starts.unwrap_or_default();
    if !starts.is_empty() && starts.len() != texts.len() {
        return Err(E::custom(format!(
            "expected as many answer_start as text, found {} and {}",
            starts.len(),
            texts.len()
        )));
    }
    let starts = starts.into_iter().map(|start| start.0);
    let starts = starts.chain(std::iter::repeat(None));
    let answers = texts.into_iter().zip(starts);
    Ok(answers
        .map(|(text, start)| Answer { text, start })
        .collect())
}

/// One answer: an object with its text and position, or only the text.
pub(super) struct OneAnswer(pub Answer);

impl<'de> Deserialize<'de> for OneAnswer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnswerVisitor;
        impl<'de> Visitor<'de> for AnswerVisitor {
            type Value = OneAnswer;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an answer {\"text\": …, \"answer_start\": …} or its text")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<OneAnswer, E> {
                let text = text.to_owned();
                Ok(OneAnswer(Answer { text, start: None }))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<OneAnswer, A::Error> {
                let (mut text, mut start) = (None, None);
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::Text => text = Some(map.next_value()?),
                        Key::AnswerStart => start = map.next_value::<Start>()?.0,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                let text = text.ok_or_else(|| A::Error::missing_field("text"))?;
                Ok(OneAnswer(Answer { text, start }))
            }
        }
        deserializer.deserialize_any(AnswerVisitor)
    }
}

/// MRQA's detected answers: a list of objects, or the object of lists that `datasets` makes of it.
#[derive(Default)]
pub(super) struct DetectedAnswers(pub Vec<DetectedAnswer>);

impl<'de> Deserialize<'de> for DetectedAnswers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DetectedVisitor;
        impl<'de> Visitor<'de> for DetectedVisitor {
            type Value = DetectedAnswers;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of {\"text\": …, \"char_spans\": [[first, last]]}")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(fields) = items.next_element_seed(Detected::<String, Spans>::new())?
                {
                    let (text, Spans(char_spans)) = fields;
                    all.push(DetectedAnswer { text, char_spans });
                }
                Ok(DetectedAnswers(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let (texts, spans): (Vec<String>, Vec<Spans>) = Detected::new().visit_map(map)?;
                if texts.len() != spans.len() {
                    return Err(A::Error::custom(format!(
                        "expected as many char_spans as text, found {} and {}",
                        spans.len(),
                        texts.len()
                    )));
                }
                let answers = texts.into_iter().zip(spans);
                let answers =
                    answers.map(|(text, Spans(char_spans))| DetectedAnswer { text, char_spans });
                Ok(DetectedAnswers(answers.collect()))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(DetectedAnswers(Vec::new()))
            }
        }
        deserializer.deserialize_any(DetectedVisitor)
    }
}

/// The keys `text` and `char_spans` of an object, for one answer or several.
struct Detected<T, S>(std::marker::PhantomData<(T, S)>);

impl<T, S> Detected<T, S> {
    fn new() -> Self {
        Self(std::marker::PhantomData)
    }
}

impl<'de, T: Deserialize<'de>, S: Deserialize<'de>> DeserializeSeed<'de> for Detected<T, S> {
    type Value = (T, S);
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(T, S), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Deserialize<'de>, S: Deserialize<'de>> Visitor<'de> for Detected<T, S> {
    type Value = (T, S);
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a detected answer {\"text\": …, \"char_spans\": [[first, last]]}")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(T, S), A::Error> {
        let (mut text, mut spans) = (None, None);
        while let Some(key) = map.next_key()? {
            match key {
                Key::Text => text = Some(map.next_value()?),
                Key::CharSpans => spans = Some(map.next_value()?),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((
            text.ok_or_else(|| A::Error::missing_field("text"))?,
            spans.ok_or_else(|| A::Error::missing_field("char_spans"))?,
        ))
    }
}

/// `[[first, last], …]`, or `{"start": […], "end": […]}`.
struct Spans(Vec<[usize; 2]>);

impl<'de> Deserialize<'de> for Spans {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpansVisitor;
        impl<'de> Visitor<'de> for SpansVisitor {
            type Value = Spans;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of spans [first, last] of code points")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Spans, A::Error> {
                let mut all = Vec::new();
                while let Some(OneSpan(spans)) = items.next_element()? {
                    all.extend(spans);
                }
                Ok(Spans(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Spans, A::Error> {
                let ends = Ends::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(Spans(ends.spans::<A::Error>()?))
            }
        }
        deserializer.deserialize_any(SpansVisitor)
    }
}

/// `[first, last]`, or `{"start": …, "end": …}`.
struct OneSpan(Vec<[usize; 2]>);

impl<'de> Deserialize<'de> for OneSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;
        impl<'de> Visitor<'de> for SpanVisitor {
            type Value = OneSpan;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a span [first, last] of code points")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneSpan, A::Error> {
                let mut end = |place| {
                    let end = items.next_element::<Start>()?;
                    end.ok_or_else(|| A::Error::invalid_length(place, &self))
                };
                let (first, last) = (end(0)?, end(1)?);
                if items.next_element::<IgnoredAny>()?.is_some() {
                    return Err(A::Error::invalid_length(3, &self));
                }
                Ok(OneSpan(vec![span(first, last)?]))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<OneSpan, A::Error> {
                let ends = Ends::deserialize(serde::de::value::MapAccessDeserializer::new(map))?;
                Ok(OneSpan(ends.spans()?))
            }
        }
        deserializer.deserialize_any(SpanVisitor)
    }
}

#[derive(Deserialize)]
struct Ends {
    start: Several<Start>,
    end: Several<Start>,
}

impl Ends {
    fn spans<E: Error>(self) -> Result<Vec<[usize; 2]>, E> {
        if self.start.0.len() != self.end.0.len() {
            return Err(E::custom("expected as many start as end in char_spans"));
        }
        let ends = self.start.0.into_iter().zip(self.end.0);
        ends.map(|(first, last)| span(first, last)).collect()
    }
}

fn span<E: Error>(first: Start, last: Start) -> Result<[usize; 2], E> {
    match (first.0, last.0) {
        (Some(first), Some(last)) => Ok([first, last]),
        _ => Err(E::custom("expected char_spans of 0 or more")),
    }
}

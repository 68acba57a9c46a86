//! The JSON object of a question, or of a row, which is a question beside its passage.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    facts::Facts,
    json_answer::{Answers, DetectedAnswers, OneAnswer, paired},
    json_key::Key,
    json_value::{Flag, Id, Start, Word},
    paragraph::{Answer, Family, Question},
};

/// What the keys of a question contained.
#[derive(Default)]
pub(super) struct QuestionFields {
    pub question: Option<String>,
    id: Option<String>,
    qid: Option<String>,
    answers: Option<Vec<Answer>>,
    /// In a row, its answers in columns of their own.
    pub texts: Option<Vec<String>>,
    pub starts: Option<Vec<Start>>,
    impossible: Option<bool>,
    detected: DetectedAnswers,
    original: Option<Answer>,
    followup: Option<String>,
    yesno: Option<String>,
}

impl QuestionFields {
    /// Reads the value of a question key; returns `false` if the key is something else.
    pub fn read<'de, A: MapAccess<'de>>(
        &mut self,
        key: Key,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        match key {
            Key::Question => self.question = Some(map.next_value()?),
            Key::Id => self.id = map.next_value::<Id>()?.0,
            Key::Qid => self.qid = map.next_value::<Id>()?.0,
            Key::Answers => self.answers = map.next_value::<Answers>()?.0,
            Key::Impossible => self.impossible = Some(map.next_value::<Flag>()?.0),
            Key::DetectedAnswers => self.detected = map.next_value()?,
            Key::OriginalAnswer => {
                let answer = map.next_value::<Option<OneAnswer>>()?;
                self.original = answer.map(|answer| answer.0);
            }
            Key::Followup => self.followup = map.next_value::<Word>()?.0,
            Key::YesNo => self.yesno = map.next_value::<Word>()?.0,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Returns the question, and whether it has no id; `row` says whether it is beside its passage.
    pub fn finish<E: Error>(self, facts: &mut Facts, row: bool) -> Result<(Question, bool), E> {
        let family = match facts.family {
            Some(family) => family,
            None if self.qid.is_some() => Family::Mrqa,
            None => Family::Squad,
        };
        facts.family = Some(family);
        facts.flagged |= self.impossible.is_some();
        let other = match family {
            Family::Squad => self.qid.is_some(),
            Family::Mrqa => true,
        };
        let id = match family {
            Family::Squad => self.id,
            Family::Mrqa => self.qid,
        };
        let nameless = id.is_none();
        if nameless && (other || !row) {
            return Err(E::missing_field(family.id_key()));
        }
        let text = self.question;
        let text = text.ok_or_else(|| E::missing_field("question"))?;
        let answers = match (self.answers, self.texts) {
            (None, Some(texts)) => Some(paired(texts, self.starts)?),
            (answers, _) => answers,
        };
        let labelled = answers.is_some() || self.impossible.is_some();
        // Rows without the flag use an empty list instead.
        let empty = row && family == Family::Squad && answers.as_ref().is_some_and(Vec::is_empty);
        let question = Question {
            id: id.unwrap_or_default(),
            text,
            answers: answers.unwrap_or_default(),
            labelled,
            is_impossible: self.impossible.unwrap_or(empty),
            flagged: self.impossible.is_some(),
            detected: self.detected.0,
            original: self.original,
            followup: self.followup,
            yesno: self.yesno,
        };
        facts.quac |= question.is_quac();
        Ok((question, nameless))
    }
}

/// The questions of a passage.
pub(super) struct Questions<'f>(pub &'f mut Facts);

impl<'de> DeserializeSeed<'de> for Questions<'_> {
    type Value = Vec<Question>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Questions<'_> {
    type Value = Vec<Question>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of questions")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(question) = items.next_element_seed(OneQuestion(&mut *self.0))? {
            all.push(question);
        }
        Ok(all)
    }
}

struct OneQuestion<'f>(&'f mut Facts);

impl<'de> DeserializeSeed<'de> for OneQuestion<'_> {
    type Value = Question;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Question, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneQuestion<'_> {
    type Value = Question;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a question {\"id\": …, \"question\": …, \"answers\": […]}")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Question, A::Error> {
        let mut fields = QuestionFields::default();
        while let Some(key) = map.next_key()? {
            if !fields.read(key, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(fields.finish(self.0, false)?.0)
    }
}

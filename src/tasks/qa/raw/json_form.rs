//! One JSON text → paragraphs, handed on one by one: SQuAD's document, a list of articles, of
//! passages or of rows, or a line with one of these.
//!
//! What an object is shows in its keys: `data` is a document, `paragraphs` an article, `qas` a
//! passage with questions, `question` beside `context` a row. Unknown keys are passed over without
//! taking memory, and of a key that stands twice the last one counts, as in Python.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    json_key::Key,
    json_value::{Answers, DetectedAnswers, Flag, Id, OneAnswer, Several, Start, Word, paired},
    paragraph::{Answer, Family, Paragraph, Place, Question},
    question_set::Form,
};
use crate::data::json_text::mend;

/// What a JSON text says of itself as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub family: Option<Family>,
    pub form: Option<Form>,
    pub version: Option<String>,
    pub articles: usize,
    /// Whether a question has the key `is_impossible`.
    pub flagged: bool,
    /// Whether a question is of QuAC's own file.
    pub quac: bool,
    /// Whether a header stood in MRQA's place.
    pub header: bool,
}

/// The text is being read.
pub(super) struct Walk<'a> {
    pub facts: Facts,
    /// The number of the line, of JSON lines.
    pub line: Option<usize>,
    /// Passages of the article at hand, or rows of the list.
    count: usize,
    /// Whether paragraphs stand in an article.
    in_article: bool,
    /// Takes a paragraph, and whether its row has no id; tells whether to go on.
    emit: &'a mut dyn FnMut(Paragraph, bool) -> bool,
}

impl<'a> Walk<'a> {
    /// `family` tells which ids are wanted; without it the first question decides.
    pub fn new(
        family: Option<Family>,
        line: Option<usize>,
        emit: &'a mut dyn FnMut(Paragraph, bool) -> bool,
    ) -> Self {
        Walk {
            facts: Facts {
                family,
                ..Facts::default()
            },
            line,
            count: 0,
            in_article: false,
            emit,
        }
    }

    /// Reads a text.
    ///
    /// # Errors
    /// When it is not JSON, or of none of the forms; and when `emit` says to stop.
    pub fn read(&mut self, text: &str) -> Result<(), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let level = match self.line {
            Some(_) => Level::Item,
            None => Level::Document,
        };
        Object { level, walk: self }.deserialize(&mut deserializer)?;
        deserializer.end()
    }

    fn place(&self) -> Place {
        match self.line {
            Some(line) => Place::Line(line),
            None if self.in_article => Place::Article {
                article: self.facts.articles,
                paragraph: self.count,
            },
            None => Place::Row(self.count),
        }
    }

    fn hand_on<E: Error>(
        &mut self,
        context: String,
        questions: Vec<Question>,
        nameless: bool,
    ) -> Result<(), E> {
        self.count += 1;
        let paragraph = Paragraph {
            family: self.facts.family.unwrap_or(Family::Squad),
            context,
            questions,
            place: self.place(),
        };
        if (self.emit)(paragraph, nameless) {
            Ok(())
        } else {
            Err(E::custom("stopped"))
        }
    }

    /// Notes the form of a file, which its first part decides.
    fn note(&mut self, form: Form) {
        self.facts.form.get_or_insert(form);
    }

    /// A question from the keys of its object, and whether it has no id; `row` if it stands beside
    /// its passage.
    fn question<E: Error>(
        &mut self,
        fields: &mut Fields,
        row: bool,
    ) -> Result<(Question, bool), E> {
        let family = match self.facts.family {
            Some(family) => family,
            None if fields.qid.is_some() => Family::Mrqa,
            None => Family::Squad,
        };
        self.facts.family = Some(family);
        self.facts.flagged |= fields.impossible.is_some();
        let other = match family {
            Family::Squad => fields.qid.is_some(),
            Family::Mrqa => true,
        };
        let id = match family {
            Family::Squad => fields.id.take(),
            Family::Mrqa => fields.qid.take(),
        };
        let nameless = id.is_none();
        if nameless && (other || !row) {
            return Err(E::missing_field(family.id_key()));
        }
        let text = fields.question.take();
        let text = text.ok_or_else(|| E::missing_field("question"))?;
        let answers = match fields.answers.take() {
            None if fields.texts.is_some() => {
                let texts = fields.texts.take().unwrap_or_default();
                Some(paired(texts, fields.starts.take())?)
            }
            answers => answers,
        };
        let labelled = answers.is_some() || fields.impossible.is_some();
        // Rows without the flag say it by an empty list.
        let empty = row && family == Family::Squad && answers.as_ref().is_some_and(Vec::is_empty);
        let question = Question {
            id: id.unwrap_or_default(),
            text,
            answers: answers.unwrap_or_default(),
            labelled,
            is_impossible: fields.impossible.unwrap_or(empty),
            flagged: fields.impossible.is_some(),
            detected: std::mem::take(&mut fields.detected).0,
            original: fields.original.take(),
            followup: fields.followup.take(),
            yesno: fields.yesno.take(),
        };
        self.facts.quac |= question.is_quac();
        Ok((question, nameless))
    }
}

/// Where an object stands, which decides the keys that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The whole text.
    Document,
    /// An article, a passage or a row.
    Item,
    Passage,
}

/// What an object's keys said.
#[derive(Default)]
struct Fields {
    context: Option<String>,
    question: Option<String>,
    id: Option<String>,
    qid: Option<String>,
    answers: Option<Vec<Answer>>,
    texts: Option<Vec<String>>,
    starts: Option<Vec<Start>>,
    impossible: Option<bool>,
    detected: DetectedAnswers,
    original: Option<Answer>,
    followup: Option<String>,
    yesno: Option<String>,
    qas: Option<Vec<Question>>,
    /// `data` or `paragraphs`, which were handed on already.
    whole: bool,
    header: bool,
}

impl Fields {
    /// Reads the value of a key that a question has; `false` if it is none.
    fn of_question<'de, A: MapAccess<'de>>(
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
}

/// An object at a level above questions, which is handed on when it has ended.
struct Object<'w, 'a> {
    level: Level,
    walk: &'w mut Walk<'a>,
}

impl<'de> DeserializeSeed<'de> for Object<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.level {
            Level::Document => deserializer.deserialize_any(self),
            _ => deserializer.deserialize_map(self),
        }
    }
}

impl<'de> Visitor<'de> for Object<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Document => "an object or a list",
            Level::Item => "an article, a passage with questions or a row",
            Level::Passage => "a passage with questions",
        })
    }

    /// A document without its outer object.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let mut any = false;
        while items
            .next_element_seed(Object {
                level: Level::Item,
                walk: &mut *self.walk,
            })?
            .is_some()
        {
            any = true;
        }
        if any {
            Ok(())
        } else {
            Err(A::Error::custom("expected questions, found an empty list"))
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Object { level, walk } = self;
        let mut fields = Fields::default();
        while let Some(key) = map.next_key()? {
            match (key, level) {
                (Key::Context, _) => fields.context = Some(map.next_value()?),
                (Key::Qas, _) => {
                    let walk = &mut *walk;
                    fields.qas = Some(map.next_value_seed(Questions { walk })?);
                }
                (_, Level::Passage) => {
                    map.next_value::<IgnoredAny>()?;
                }
                (Key::Data | Key::Paragraphs, _) if fields.whole => {
                    return Err(A::Error::custom(
                        "the key \"data\" or \"paragraphs\" stands twice in one object",
                    ));
                }
                (Key::Data, Level::Document) => {
                    fields.whole = true;
                    let (level, walk) = (Level::Item, &mut *walk);
                    map.next_value_seed(List { level, walk })?;
                }
                (Key::Data, _) if walk.line.is_some() => {
                    return Err(A::Error::custom("a second JSON document in one file"));
                }
                (Key::Paragraphs, _) => {
                    fields.whole = true;
                    walk.note(Form::Document);
                    walk.facts.articles += 1;
                    walk.count = 0;
                    walk.in_article = true;
                    let (level, walk) = (Level::Passage, &mut *walk);
                    map.next_value_seed(List { level, walk })?;
                    walk.in_article = false;
                }
                (Key::Version, Level::Document) => {
                    walk.facts.version = map.next_value::<Word>()?.0;
                }
                (Key::Header, _) => {
                    map.next_value::<IgnoredAny>()?;
                    fields.header = true;
                }
                (Key::AnswerText, _) => {
                    fields.texts = Some(map.next_value::<Several<String>>()?.0);
                }
                (Key::AnswerStart, _) => {
                    fields.starts = Some(map.next_value::<Several<Start>>()?.0);
                }
                _ => {
                    if !fields.of_question(key, &mut map)? {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
        }
        walk.end_object(fields, level)
    }
}

impl Walk<'_> {
    fn end_object<E: Error>(&mut self, mut fields: Fields, level: Level) -> Result<(), E> {
        if fields.whole {
            return Ok(());
        }
        if fields.header && self.line.is_some() {
            if self.facts.family == Some(Family::Squad) {
                return Err(E::custom("the header of MRQA's JSON lines"));
            }
            self.facts.header = true;
            return Ok(());
        }
        if let Some(questions) = fields.qas {
            let context = fields.context;
            let context = context.ok_or_else(|| E::missing_field("context"))?;
            self.note(Form::Passages);
            return self.hand_on(context, questions, false);
        }
        if fields.question.is_some() {
            let (question, nameless) = self.question(&mut fields, true)?;
            let context = fields.context.take();
            let context = context.ok_or_else(|| E::missing_field("context"))?;
            self.note(Form::Rows);
            return self.hand_on(context, vec![question], nameless);
        }
        Err(E::missing_field(match (level, &fields.context) {
            (Level::Document, None) => "data",
            (Level::Item, None) => "context",
            _ if self.facts.family == Some(Family::Squad) && self.line.is_some() => "question",
            _ => "qas",
        }))
    }
}

/// A list of objects.
struct List<'w, 'a> {
    level: Level,
    walk: &'w mut Walk<'a>,
}

impl<'de> DeserializeSeed<'de> for List<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.level {
            Level::Passage => "a list of passages with questions",
            _ => "a list of articles, of passages or of rows",
        })
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let List { level, walk } = self;
        loop {
            let walk = &mut *walk;
            if items.next_element_seed(Object { level, walk })?.is_none() {
                return Ok(());
            }
        }
    }
}

/// The questions of a passage.
struct Questions<'w, 'a> {
    walk: &'w mut Walk<'a>,
}

impl<'de> DeserializeSeed<'de> for Questions<'_, '_> {
    type Value = Vec<Question>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Questions<'_, '_> {
    type Value = Vec<Question>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of questions")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        loop {
            let walk = &mut *self.walk;
            match items.next_element_seed(OneQuestion { walk })? {
                Some(question) => all.push(question),
                None => return Ok(all),
            }
        }
    }
}

struct OneQuestion<'w, 'a> {
    walk: &'w mut Walk<'a>,
}

impl<'de> DeserializeSeed<'de> for OneQuestion<'_, '_> {
    type Value = Question;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Question, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneQuestion<'_, '_> {
    type Value = Question;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a question {\"id\": …, \"question\": …, \"answers\": […]}")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Question, A::Error> {
        let mut fields = Fields::default();
        while let Some(key) = map.next_key()? {
            if !fields.of_question(key, &mut map)? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(self.walk.question(&mut fields, false)?.0)
    }
}

/// What the keys of a file's first object tell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FirstLine {
    /// It is a whole document, whatever stands behind the key that tells.
    pub document: bool,
    /// It is a passage, a row, an article or a header.
    pub item: bool,
    /// The object ends on the line, and nothing stands behind it.
    pub whole: bool,
}

impl FirstLine {
    /// Looks at a file's first line, or at the beginning of it.
    pub fn of(text: &str) -> Self {
        let mut text = text.to_owned();
        mend(&mut text);
        let mut line = FirstLine::default();
        let mut deserializer = serde_json::Deserializer::from_str(&text);
        let read = deserializer.deserialize_map(&mut line);
        line.whole = read.is_ok() && deserializer.end().is_ok();
        line
    }
}

impl<'de> Visitor<'de> for &mut FirstLine {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            match key {
                Key::Data => {
                    self.document = true;
                    return Err(A::Error::custom("known"));
                }
                Key::Header | Key::Context | Key::Qas | Key::Paragraphs | Key::Question => {
                    self.item = true;
                }
                _ => {}
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl Facts {
    /// Adds what another line tells.
    pub fn merge(&mut self, line: Facts) {
        self.family = self.family.or(line.family);
        self.form = self.form.or(line.form);
        self.articles += line.articles;
        self.flagged |= line.flagged;
        self.quac |= line.quac;
    }
}

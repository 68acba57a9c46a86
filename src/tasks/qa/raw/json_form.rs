//! Parses one JSON text into paragraphs, passed on one at a time: SQuAD's document, a list of
//! articles, of passages or of rows, or a line with one of these.
//!
//! An object's keys determine what it is: `data` means a document, `paragraphs` an article, `qas` a
//! passage with questions, and `question` beside `context` a row. Unknown keys are skipped without
//! taking up memory, and of a duplicate key the last one counts, as in Python.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::{
    facts::Facts,
    json_key::Key,
    json_question::{QuestionFields, Questions},
    json_value::{Several, Start, Word},
    paragraph::{Family, Paragraph, Place, Question},
    summary::Form,
};

/// The state of parsing a text.
pub(super) struct Walk<'a> {
    pub facts: Facts,
    /// The line number, in JSON Lines.
    pub line: Option<usize>,
    /// Number of passages in the current article, or of rows in the list.
    count: usize,
    /// Whether paragraphs are inside an article.
    in_article: bool,
    /// Receives a paragraph, and whether its row has no id; returns whether to continue.
    emit: &'a mut dyn FnMut(Paragraph, bool) -> bool,
}

impl<'a> Walk<'a> {
    /// Creates the state. `family` determines which ids are expected; without it the first question
    /// decides.
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

    /// Parses a text.
    ///
    /// # Errors
    /// If it is not JSON or has none of the forms, or if `emit` stops it.
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

    /// Records the form of a file, which its first part determines.
    fn note(&mut self, form: Form) {
        self.facts.form.get_or_insert(form);
    }
}

/// The nesting level of an object, which determines the keys that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// The whole text.
    Document,
    /// An article, a passage or a row.
    Item,
    Passage,
}

/// What an object's keys contained.
#[derive(Default)]
struct Fields {
    context: Option<String>,
    row: QuestionFields,
    qas: Option<Vec<Question>>,
    /// `data` or `paragraphs`, which were passed on already.
    whole: bool,
    header: bool,
}

/// An object at a level above questions, which is passed on once it has ended.
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
                    fields.qas = Some(map.next_value_seed(Questions(&mut walk.facts))?);
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
                    fields.row.texts = Some(map.next_value::<Several<String>>()?.0);
                }
                (Key::AnswerStart, _) => {
                    fields.row.starts = Some(map.next_value::<Several<Start>>()?.0);
                }
                _ => {
                    if !fields.row.read(key, &mut map)? {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
        }
        walk.end_object(fields, level)
    }
}

impl Walk<'_> {
    fn end_object<E: Error>(&mut self, fields: Fields, level: Level) -> Result<(), E> {
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
        if fields.row.question.is_some() {
            let (question, nameless) = fields.row.finish(&mut self.facts, true)?;
            let context = fields.context;
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

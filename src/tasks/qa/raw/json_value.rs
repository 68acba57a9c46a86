//! Single values of a data file's JSON, as loosely typed as users' files are.
//!
//! Each type accepts what Python's readers make use of (an integral float as a position, 0 for
//! false) and rejects what they would misread, such as the text "false", which is true in Python.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor},
};

/// Explains an id with several values.
const COLUMNS: &str = "expected a string or a whole number as id, found several; if the file has columns in \
     the place of rows, save rows: .to_json(\"train.json\", orient=\"records\", lines=True)";

/// A question's id, a text or an integer; `None` if null.
pub(super) struct Id(pub Option<String>);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl<'de> Visitor<'de> for IdVisitor {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or a whole number")
            }
            fn visit_str<E: Error>(self, id: &str) -> Result<Id, E> {
                Ok(Id(Some(id.to_owned())))
            }
            fn visit_u64<E: Error>(self, id: u64) -> Result<Id, E> {
                Ok(Id(Some(id.to_string())))
            }
            fn visit_i64<E: Error>(self, id: i64) -> Result<Id, E> {
                Ok(Id(Some(id.to_string())))
            }
            /// `5.0` as Python writes it; a number that lost digits is not an id.
            fn visit_f64<E: Error>(self, id: f64) -> Result<Id, E> {
                if id.fract() == 0.0 && id.abs() < 1e15 {
                    return Ok(Id(Some(format!("{id:.1}"))));
                }
                Err(E::invalid_value(Unexpected::Float(id), &self))
            }
            fn visit_unit<E: Error>(self) -> Result<Id, E> {
                Ok(Id(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Id, A::Error> {
                Err(A::Error::custom(COLUMNS))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Id, A::Error> {
                Err(A::Error::custom(COLUMNS))
            }
        }
        deserializer.deserialize_any(IdVisitor)
    }
}

/// Whether a question is impossible: true, false, 1, 0 or null.
pub(super) struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl<'de> Visitor<'de> for FlagVisitor {
            type Value = Flag;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("true, false, 1, 0 or null")
            }
            fn visit_bool<E: Error>(self, flag: bool) -> Result<Flag, E> {
                Ok(Flag(flag))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Flag, E> {
                match number {
                    0 | 1 => Ok(Flag(number == 1)),
                    _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
                }
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Flag, E> {
                if number == 0.0 || number == 1.0 {
                    return Ok(Flag(number == 1.0));
                }
                Err(E::invalid_value(Unexpected::Float(number), &self))
            }
            fn visit_unit<E: Error>(self) -> Result<Flag, E> {
                Ok(Flag(false))
            }
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}

/// Number of code points before an answer: an integer, also as a float or in digits; `None` if null
/// or negative.
pub(super) struct Start(pub Option<usize>);

impl Start {
    /// Parses a number in digits, as in NVIDIA's files and csv.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(start) = text.parse::<i64>() {
            return Some(Self(usize::try_from(start).ok()));
        }
        text.parse().ok().and_then(Self::whole)
    }

    pub fn whole(number: f64) -> Option<Self> {
        // Anything beyond a machine word is beyond any passage.
        (number.is_finite() && number.fract() == 0.0)
            .then(|| Self((number >= 0.0).then_some(number as usize)))
    }
}

impl<'de> Deserialize<'de> for Start {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StartVisitor;
        impl<'de> Visitor<'de> for StartVisitor {
            type Value = Start;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number of code points")
            }
            fn visit_u64<E: Error>(self, start: u64) -> Result<Start, E> {
                Ok(Start(Some(usize::try_from(start).unwrap_or(usize::MAX))))
            }
            fn visit_i64<E: Error>(self, start: i64) -> Result<Start, E> {
                Ok(Start(usize::try_from(start).ok()))
            }
            fn visit_f64<E: Error>(self, start: f64) -> Result<Start, E> {
                Start::whole(start).ok_or_else(|| E::invalid_value(Unexpected::Float(start), &self))
            }
            fn visit_str<E: Error>(self, start: &str) -> Result<Start, E> {
                Start::parse(start).ok_or_else(|| E::invalid_value(Unexpected::Str(start), &self))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, _list: A) -> Result<Start, A::Error> {
                // NaN and the infinities appear as a list here.
                let found = Unexpected::Other("a list, NaN or Infinity");
                Err(A::Error::invalid_type(found, &self))
            }
            fn visit_unit<E: Error>(self) -> Result<Start, E> {
                Ok(Start(None))
            }
        }
        deserializer.deserialize_any(StartVisitor)
    }
}

/// A word that does not affect training, such as QuAC's flags or a version: a text, a number as
/// text, or a boolean as `y` or `n`. Everything else counts as absent.
pub(super) struct Word(pub Option<String>);

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WordVisitor;
        impl<'de> Visitor<'de> for WordVisitor {
            type Value = Word;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_str<E: Error>(self, word: &str) -> Result<Word, E> {
                Ok(Word(Some(word.to_owned())))
            }
            fn visit_bool<E: Error>(self, yes: bool) -> Result<Word, E> {
                Ok(Word(Some(if yes { "y" } else { "n" }.to_owned())))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Word, E> {
                Ok(Word(Some(number.to_string())))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(Some(number.to_string())))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Word, E> {
                Ok(Word(Some(number.to_string())))
            }
            fn visit_unit<E: Error>(self) -> Result<Word, E> {
                Ok(Word(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Word, A::Error> {
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Word(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Word, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Word(None))
            }
        }
        deserializer.deserialize_any(WordVisitor)
    }
}

/// A list, or a single value in place of a list of one; null is an empty list.
pub(super) struct Several<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SeveralVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for SeveralVisitor<T> {
            type Value = Several<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value or a list of values")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Several(all))
            }
            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Several(Vec::new()))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                one(serde::de::value::StrDeserializer::new(text))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                one(serde::de::value::U64Deserializer::new(number))
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                one(serde::de::value::I64Deserializer::new(number))
            }
            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                one(serde::de::value::F64Deserializer::new(number))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                one(serde::de::value::MapAccessDeserializer::new(map))
            }
        }
        fn one<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
            value: D,
        ) -> Result<Several<T>, D::Error> {
            Ok(Several(vec![T::deserialize(value)?]))
        }
        deserializer.deserialize_any(SeveralVisitor(std::marker::PhantomData))
    }
}

//! The items of a JSON list with their index, so that an error can say which one is wrong.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// The part of a list that has been read; after an error, the items before the wrong one.
#[derive(Debug)]
pub struct Items<T> {
    most: usize,
    pub all: Vec<T>,
    /// Whether there are more items than allowed.
    pub over: bool,
}

impl<T> Items<T> {
    pub fn new(most: usize) -> Self {
        Items {
            most,
            all: Vec::new(),
            over: false,
        }
    }
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for &mut Items<T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for &mut Items<T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(Object(item)) = items.next_element()? {
            if self.all.len() == self.most {
                self.over = true;
                return Err(A::Error::custom("too many items"));
            }
            self.all.push(item);
        }
        Ok(())
    }
}

/// Accepts only an object: the items of a list would be taken for its values.
struct Object<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read: OfMap<T> = OfMap(PhantomData);
        deserializer.deserialize_map(read).map(Object)
    }
}

struct OfMap<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OfMap<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

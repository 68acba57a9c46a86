//! A map from question ids that keeps the order of its file, as the official scripts' dicts do.
//!
//! The order affects the metrics: questions whose no-answer scores tie keep it when they are
//! sorted, and floating-point sums follow it.

use std::collections::{HashMap, HashSet};

use serde::ser::{Serialize, SerializeMap, Serializer};

/// Question ids with a value for each. A repeated id keeps its first position and takes the later
/// value.
#[derive(Debug, Clone, PartialEq)]
pub struct QuestionMap<T> {
    entries: Vec<(String, T)>,
    places: HashMap<String, usize>,
}

impl<T> QuestionMap<T> {
    /// Creates an empty map.
    pub fn new() -> Self {
        QuestionMap {
            entries: Vec::new(),
            places: HashMap::new(),
        }
    }

    /// Adds a question, or replaces its value.
    pub fn insert(&mut self, id: String, value: T) {
        let place = self.places.get(&id).copied();
        match place.and_then(|place| self.entries.get_mut(place)) {
            Some(entry) => entry.1 = value,
            None => {
                self.places.insert(id.clone(), self.entries.len());
                self.entries.push((id, value));
            }
        }
    }

    /// Returns the value of a question.
    pub fn get(&self, id: &str) -> Option<&T> {
        let place = *self.places.get(id)?;
        self.entries.get(place).map(|(_, value)| value)
    }

    /// Returns the number of questions.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Iterates over ids and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &T)> {
        self.entries.iter().map(|(id, value)| (id.as_str(), value))
    }
}

/// How the ids of predictions match those of the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdMatch {
    /// Number of distinct questions with a prediction.
    pub matched: usize,
    /// Number of distinct questions without one.
    pub unpredicted: usize,
    /// Number of predictions for questions that are not in the data.
    pub foreign: usize,
    /// The first of these.
    pub first_foreign: Option<String>,
}

impl IdMatch {
    /// Compares the ids of a data file with those of predictions.
    pub fn new<'a, T>(
        ids: impl IntoIterator<Item = &'a str>,
        predictions: &QuestionMap<T>,
    ) -> Self {
        let ids: HashSet<&str> = ids.into_iter().collect();
        let foreign = || predictions.iter().filter(|(id, _)| !ids.contains(id));
        let matched = ids
            .iter()
            .filter(|id| predictions.get(id).is_some())
            .count();
        Self {
            matched,
            unpredicted: ids.len() - matched,
            foreign: foreign().count(),
            first_foreign: foreign().next().map(|(id, _)| id.to_owned()),
        }
    }
}

impl<T> Default for QuestionMap<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> FromIterator<(String, T)> for QuestionMap<T> {
    fn from_iter<I: IntoIterator<Item = (String, T)>>(entries: I) -> Self {
        let mut map = Self::new();
        for (id, value) in entries {
            map.insert(id, value);
        }
        map
    }
}

impl<T: Serialize> Serialize for QuestionMap<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len()))?;
        for (id, value) in self.iter() {
            map.serialize_entry(id, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_data_and_predictions_are_compared() {
        let predictions: QuestionMap<()> = ["b", "x", "y"]
            .map(|id| (id.to_owned(), ()))
            .into_iter()
            .collect();
        let found = IdMatch::new(["a", "b", "b", "c"], &predictions);
        let expected = IdMatch {
            matched: 1,
            unpredicted: 2,
            foreign: 2,
            first_foreign: Some("x".to_owned()),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn repeated_ids_keep_their_place_and_take_the_last_value() {
        let map: QuestionMap<u32> = [("b", 1), ("a", 2), ("b", 3)]
            .map(|(id, value)| (id.to_owned(), value))
            .into_iter()
            .collect();
        assert_eq!(map.iter().collect::<Vec<_>>(), [("b", &3), ("a", &2)]);
        assert_eq!(map.get("b"), Some(&3));
        assert_eq!(map.get("c"), None);
        assert_eq!(serde_json::to_string(&map).unwrap(), r#"{"b":3,"a":2}"#);
    }
}

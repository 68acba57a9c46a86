//! The tags that a model distinguishes, and their ids.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
    sync::Arc,
};

use super::{
    error::{Error, quoted},
    options::ReadOptions,
    reader::read,
    rules::Rules,
    sentence::{Sentence, Sentences},
    span::{Span, spans},
    tag::{Mark, Tag},
};
use crate::data::existing_file::existing;

/// Most types named in a message.
const SHOWN: usize = 12;

/// The tags of a task, in BIOES, sorted by name; the id of a tag is its index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    rules: Rules,
    tags: Vec<Tag>,
    ids: HashMap<Tag, u32>,
}

impl Labels {
    /// Collects the labels of a task from its existing files.
    ///
    /// Under the reference's rules they are the tags that occur (`_get_label_mapping` in
    /// `finetune/tagging/tagging_tasks.py`); under the usual rules, `O` and every mark of each type
    /// that occurs, so that a model can be scored on files that did not exist when it was trained.
    ///
    /// # Errors
    /// If the files contain no tagged sentence.
    pub fn of_files<'a>(
        files: impl IntoIterator<Item = &'a Sentences>,
        rules: Rules,
    ) -> Result<Self, Error> {
        let mut tags = BTreeMap::new();
        let mut names = Vec::new();
        for file in files.into_iter().filter(|file| file.labelled) {
            names.push(format!("{}{}", file.file, file.passed_over()));
            for sentence in &file.sentences {
                tags.extend(
                    sentence
                        .tags()
                        .into_iter()
                        .map(|tag| (tag.to_string(), tag)),
                );
            }
        }
        if tags.is_empty() {
            return Err(Error::NoSentence {
                file: match names.is_empty() {
                    true => "no file".to_owned(),
                    false => names.join(", "),
                },
                passed_over: String::new(),
                advice: "write one word with its tag per line, and a blank line after each sentence",
            });
        }
        if rules == Rules::Usual {
            let kinds: BTreeSet<Arc<str>> = tags.values().filter_map(Tag::kind).cloned().collect();
            let all = kinds
                .iter()
                .flat_map(|kind| Mark::ALL.map(|mark| Tag::In(mark, kind.clone())));
            let all: Vec<Tag> = all.chain([Tag::Outside]).collect();
            tags.extend(all.into_iter().map(|tag| (tag.to_string(), tag)));
        }
        Ok(Self::new(tags.into_values().collect(), rules))
    }

    /// Collects the labels of a task from those of these files that exist, plain or as archives.
    ///
    /// # Errors
    /// If a file cannot be read or does not have its form, or there is no tagged sentence.
    pub fn read<'a>(
        files: impl IntoIterator<Item = &'a Path>,
        options: &ReadOptions,
    ) -> Result<Self, Error> {
        let files = files.into_iter().filter(|file| existing(file).exists());
        let files: Vec<Sentences> = files
            .map(|file| read(file, options))
            .collect::<Result<_, _>>()?;
        Self::of_files(&files, options.rules)
    }

    /// Parses the labels listed in a model's settings, in the order of their ids.
    ///
    /// # Errors
    /// If one is invalid or occurs twice.
    pub fn of_names<'a>(
        names: impl IntoIterator<Item = &'a str>,
        rules: Rules,
    ) -> Result<Self, Error> {
        let mut tags = Vec::new();
        for name in names {
            let tag = Tag::parse(name, rules).map_err(|no_tag| {
                let place = tags.len();
                Error::Labels(format!(
                    "label {place}: expected {}, found {}",
                    no_tag.expected,
                    quoted(name)
                ))
            })?;
            if tags.contains(&tag) {
                return Err(Error::Labels(format!("the label {tag} occurs twice")));
            }
            tags.push(tag);
        }
        if tags.is_empty() {
            return Err(Error::Labels("expected labels, found none".to_owned()));
        }
        Ok(Self::new(tags, rules))
    }

    fn new(tags: Vec<Tag>, rules: Rules) -> Self {
        let ids = tags.iter().cloned().zip(0..).collect();
        Self { rules, tags, ids }
    }

    /// Returns the rules by which tags are read and scored.
    pub fn rules(&self) -> Rules {
        self.rules
    }

    /// Returns the number of labels, which is the width of the head.
    pub fn len(&self) -> usize {
        self.tags.len()
    }

    /// Always false: a task without labels is rejected.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Iterates over the names in the order of the ids, as a model's settings list them.
    pub fn names(&self) -> impl Iterator<Item = String> + '_ {
        self.tags.iter().map(Tag::to_string)
    }

    pub fn id(&self, tag: &Tag) -> Option<u32> {
        self.ids.get(tag).copied()
    }

    pub fn tag(&self, id: u32) -> Option<&Tag> {
        self.tags.get(usize::try_from(id).ok()?)
    }

    /// Returns the types of spans, sorted.
    pub fn kinds(&self) -> BTreeSet<&str> {
        self.tags
            .iter()
            .filter_map(|tag| Some(tag.kind()?.as_ref()))
            .collect()
    }

    /// Returns the label ids of a sentence's words, `[words]`. In a file without tags they are
    /// those of `O`.
    ///
    /// # Errors
    /// If the model has no label for a tag.
    pub fn ids_of(&self, sentence: &Sentence, file: &Sentences) -> Result<Vec<u32>, Error> {
        let tags = sentence.tags();
        let outside = Tag::Outside;
        let ids = tags.iter().zip(&sentence.words).map(|(tag, word)| {
            match self.id(tag) {
                Some(id) => Ok(id),
                // A model whose data had no O cannot predict it either.
                None if !file.labelled && *tag == outside => Ok(0),
                None => Err(Error::UnknownTag {
                    file: file.file.clone(),
                    line: sentence.line,
                    word: quoted(word),
                    tag: tag.to_string(),
                    known: self.known(),
                }),
            }
        });
        ids.collect()
    }

    /// Returns the spans of a sequence of label ids, `[words]`.
    ///
    /// # Errors
    /// If an id is not among these labels; the error names sentence `eid`.
    pub fn spans(&self, ids: &[u32], eid: usize) -> Result<Vec<Span>, Error> {
        let tags = ids.iter().map(|&id| {
            let count = self.len();
            self.tag(id).ok_or(Error::UnknownId { eid, id, count })
        });
        Ok(spans(tags.collect::<Result<Vec<_>, _>>()?, self.rules))
    }

    fn known(&self) -> String {
        let of_reference = self.rules == Rules::Reference;
        let names: Vec<String> = match of_reference {
            true => self.names().collect(),
            false => self.kinds().into_iter().map(str::to_owned).collect(),
        };
        if names.is_empty() {
            return "only O".to_owned();
        }
        let more = match names.len().saturating_sub(SHOWN) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let kept = names.len().min(SHOWN);
        format!("{}{more}", names[..kept].join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::tagging::reader::read_bytes;

    fn file(text: &str, rules: Rules) -> Sentences {
        let options = ReadOptions {
            rules,
            ..ReadOptions::default()
        };
        read_bytes(text.as_bytes().to_vec(), "a.txt", &options).unwrap()
    }

    fn names(labels: &Labels) -> Vec<String> {
        labels.names().collect()
    }

    #[test]
    fn labels_are_sorted_over_all_files() {
        let one = file("a B-VP\nb I-VP\nc B-PP\n\n", Rules::Reference);
        let other = file("a O\nb I-NP\n\n", Rules::Reference);
        let labels = Labels::of_files([&one, &other], Rules::Reference).unwrap();
        assert_eq!(names(&labels), ["B-VP", "E-VP", "O", "S-NP", "S-PP"]);
        let ids = labels.ids_of(&one.sentences[0], &one).unwrap();
        assert_eq!(ids, [0, 1, 4]);
        assert_eq!(labels.spans(&ids, 0).unwrap(), one.sentences[0].spans);
        assert!(labels.spans(&[5], 0).is_err());
    }

    #[test]
    fn splits_that_do_not_exist_are_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let [train, dev] = ["train.txt", "dev.txt"].map(|name| folder.path().join(name));
        std::fs::write(&train, "a B-NP\n\n").unwrap();
        let labels = Labels::read([train.as_path(), &dev], &ReadOptions::chunk(false)).unwrap();
        assert_eq!(names(&labels), ["S-NP"]);
        let none = Labels::read([dev.as_path()], &ReadOptions::chunk(false));
        assert!(none.unwrap_err().to_string().contains("no file"));
        // But not one that exists and is malformed.
        std::fs::write(&dev, "a\n").unwrap();
        assert!(Labels::read([train.as_path(), &dev], &ReadOptions::chunk(false)).is_err());
    }

    #[test]
    fn every_mark_of_a_type_is_a_label_by_the_usual_rules() {
        let file = file("a B-PER\n", Rules::Usual);
        let labels = Labels::of_files([&file], Rules::Usual).unwrap();
        let expected = ["B-PER", "E-PER", "I-PER", "O", "S-PER"];
        assert_eq!(names(&labels), expected);
        let read = Labels::of_names(expected, Rules::Usual).unwrap();
        assert_eq!(read, labels);
        assert_eq!(labels.kinds().into_iter().collect::<Vec<_>>(), ["PER"]);
    }

    #[test]
    fn what_no_label_stands_for_is_refused() {
        let known = file("a B-PER\n", Rules::Usual);
        let labels = Labels::of_files([&known], Rules::Usual).unwrap();
        let other = file("-DOCSTART- O\n\nb O\nc B-LOC\n", Rules::Usual);
        let message = labels
            .ids_of(&other.sentences[0], &other)
            .unwrap_err()
            .to_string();
        for part in ["a.txt: line 3", "S-LOC", "\"c\"", "PER"] {
            assert!(message.contains(part), "{message}");
        }
        let without_types = Labels::of_names(["O"], Rules::Usual).unwrap();
        let message = without_types.ids_of(&other.sentences[0], &other);
        let message = message.unwrap_err().to_string();
        assert!(message.contains("it knows only O: evaluate"), "{message}");
        let empty = file("-DOCSTART- O\n\n", Rules::Usual);
        let message = Labels::of_files([&empty], Rules::Usual)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("a.txt") && message.contains("blank line"),
            "{message}"
        );
        for (names, found) in [
            (["O", "NN"].as_slice(), "label 1"),
            (&["O", "B-A", "O"], "O occurs twice"),
            (&[], "none"),
        ] {
            let labels = Labels::of_names(names.iter().copied(), Rules::Usual);
            let message = labels.unwrap_err().to_string();
            assert!(message.contains(found), "{message}");
        }
    }
}

//! The lessons of the quickstart: question answering, or another kind of task on the same facts.
//!
//! The others are user-defined tasks, each in a different file format that such tasks may have.

use std::ops::RangeInclusive;

use clap::ValueEnum;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::facts::{Outline, Passage};
use crate::{eval::json_file::json_text, tasks::asked::Asked};

/// A question on a passage that is in no data file.
pub const QUESTION: &str = "When was Garden born?";
/// The passage.
pub const PASSAGE: &str =
    "Garden owns the river. It lives in school. It was born in 1784. It works with captain.";
/// A passage as short as those of [`Lesson::Pairs`].
const SHORT_PASSAGE: &str = "Garden lives in school. It was born in 1784.";

/// A kind of task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Lesson {
    /// Questions on passages, some without an answer
    Questions,
    /// What the first sentence of a passage is about
    Classification,
    /// Whether a passage answers a question
    Pairs,
    /// How many facts a passage states
    Regression,
    /// The names, years, prices and things of a passage
    Tagging,
}

/// One or two texts of a task, with the label to learn.
struct Row {
    texts: Vec<String>,
    label: String,
}

/// Number of examples that a model is evaluated on.
const EVALUATED: usize = 600;

/// The topics of the relations of [`super::facts`], in order.
const TOPICS: [&str; super::facts::relations()] = [
    "property", "home", "birth", "payment", "reason", "writing", "work", "travel",
];

impl Lesson {
    /// Returns the task's name, which is also that of its folder.
    pub fn task(self) -> &'static str {
        match self {
            Self::Questions => "squad",
            Self::Classification => "topics",
            Self::Pairs => "answered",
            Self::Regression => "fact-count",
            Self::Tagging => "entities",
        }
    }

    /// Returns the metrics that show what was learnt: their keys and titles.
    pub fn figures(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Questions => &[
                ("HasAns_exact", "answer found, exact"),
                ("HasAns_f1", "answer found, F1"),
                ("NoAns_exact", "no answer, seen as such"),
                ("best_exact", "all, best threshold"),
            ],
            Self::Classification | Self::Pairs => &[("accuracy", "accuracy"), ("loss", "loss")],
            Self::Regression => &[
                ("pearson", "Pearson's correlation"),
                ("spearman", "Spearman's correlation"),
                ("mse", "mean squared error"),
            ],
            Self::Tagging => &[
                ("precision", "precision of spans"),
                ("recall", "recall of spans"),
                ("f1", "F1 of spans"),
            ],
        }
    }

    /// Returns the input for the model at the end, which is in no data file.
    pub fn asked(self) -> Asked {
        match self {
            Self::Questions => Asked::question(QUESTION, PASSAGE),
            Self::Pairs => Asked::text(QUESTION, Some(SHORT_PASSAGE)),
            Self::Classification | Self::Regression | Self::Tagging => Asked::text(PASSAGE, None),
        }
    }

    /// Returns the number of training examples and of facts in their passages: as many as such a
    /// small model needs and can distinguish.
    fn size(self) -> (usize, RangeInclusive<usize>) {
        match self {
            Self::Questions => (0, 1..=6),
            Self::Classification => (4_000, 1..=4),
            Self::Pairs => (12_000, 1..=2),
            Self::Regression | Self::Tagging => (4_000, 1..=6),
        }
    }

    /// Returns the files of the task's folder: its description and the examples; none for question
    /// answering, which is not a user-defined task.
    pub fn files(self, words: &[&str]) -> Vec<(String, Vec<u8>)> {
        let (trained, stated) = self.size();
        let (description, extension) = match self {
            Self::Questions => return Vec::new(),
            Self::Classification => (
                json!({"kind": "classification", "text": "passage", "label": "topic", "labels": TOPICS}),
                "tsv",
            ),
            Self::Pairs => (
                json!({
                    "kind": "classification", "text": "question", "text_b": "passage",
                    "label": "answered", "labels": ["no", "yes"],
                }),
                "csv",
            ),
            Self::Regression => (
                json!({
                    "kind": "regression", "text": "passage", "label": "facts",
                    "range": [stated.start(), stated.end()],
                }),
                "jsonl",
            ),
            Self::Tagging => (json!({"kind": "tagging"}), "txt"),
        };
        let description = ("task.json".to_owned(), json_text(&description));
        let splits = [("train", trained, 1), ("dev", EVALUATED, 2)];
        let examples = splits.into_iter().map(|(split, count, seed)| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let rows = (0..count).map(|_| self.row(words, stated.clone(), &mut random));
            let text = self.text(&rows.collect::<Vec<_>>());
            (format!("{split}.{extension}"), text.into_bytes())
        });
        std::iter::once(description).chain(examples).collect()
    }

    /// Draws an example.
    fn row(self, words: &[&str], stated: RangeInclusive<usize>, random: &mut ChaCha8Rng) -> Row {
        let outline = Outline::draw(words, stated, random);
        let is_answered = random.random_bool(0.5);
        let asked = outline.place(is_answered, random);
        let passage = outline.passage(words, random);
        let first = passage.facts.first().map_or(0, |fact| fact.relation);
        let label = match self {
            Self::Questions | Self::Tagging => String::new(),
            Self::Classification => TOPICS[first].to_owned(),
            Self::Pairs => ["no", "yes"][usize::from(is_answered)].to_owned(),
            Self::Regression => passage.facts.len().to_string(),
        };
        let texts = match self {
            Self::Pairs => vec![outline.question(asked), passage.text],
            Self::Tagging => vec![tagged(&passage)],
            _ => vec![passage.text],
        };
        Row { texts, label }
    }

    /// Formats the rows for the task's files. The texts contain neither tabs nor quotation marks.
    fn text(self, rows: &[Row]) -> String {
        let lines = rows.iter().map(|Row { texts, label }| match self {
            Self::Pairs => format!("\"{}\",\"{}\",{label}\n", texts[0], texts[1]),
            Self::Regression => {
                let facts: u32 = label.parse().unwrap_or_default();
                format!("{}\n", json!({"passage": texts[0], "facts": facts}))
            }
            Self::Tagging => format!("{}\n", texts[0]),
            Self::Questions | Self::Classification => format!("{}\t{label}\n", texts[0]),
        });
        let header = match self {
            Self::Classification => "passage\ttopic\n",
            Self::Pairs => "question,passage,answered\n",
            _ => "",
        };
        std::iter::once(header.to_owned()).chain(lines).collect()
    }
}

/// Formats one word per line with its IOB2 tag: the subject, and the objects of the facts.
fn tagged(passage: &Passage) -> String {
    let mut lines = String::new();
    let mut facts = passage.facts.iter().peekable();
    let mut start = 0;
    for (number, word) in passage.text.split(' ').enumerate() {
        let (body, stop) = match word.strip_suffix('.') {
            Some(body) => (body, "."),
            None => (word, ""),
        };
        while facts
            .peek()
            .is_some_and(|fact| fact.start + fact.object.len() <= start)
        {
            facts.next();
        }
        let tag = match facts.peek() {
            Some(fact) if fact.start == start => format!("B-{}", kind(&fact.object)),
            Some(fact) if fact.start < start => format!("I-{}", kind(&fact.object)),
            _ if number == 0 => "B-NAME".to_owned(),
            _ => "O".to_owned(),
        };
        lines.push_str(&format!("{body} {tag}\n"));
        if !stop.is_empty() {
            lines.push_str(". O\n");
        }
        start += word.len() + 1;
    }
    lines
}

/// Returns the kind of a fact's object.
fn kind(object: &str) -> &'static str {
    match object.as_bytes().first() {
        Some(first) if !first.is_ascii_digit() => "THING",
        _ if object.ends_with("dollars") => "PRICE",
        _ => "YEAR",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORDS: [&str; 3] = ["river", "mountain", "school"];

    /// Returns a file of the lesson by name.
    fn file(lesson: Lesson, name: &str) -> String {
        let files = lesson.files(&WORDS);
        let file = files.into_iter().find(|(found, _)| found == name).unwrap();
        String::from_utf8(file.1).unwrap()
    }

    #[test]
    fn a_topic_is_that_of_the_first_sentence() {
        let file = file(Lesson::Classification, "dev.tsv");
        assert_eq!(file.lines().count(), 601);
        let topics = [
            ("owns", "property"),
            ("lives", "home"),
            ("was born", "birth"),
            ("paid", "payment"),
            ("left", "reason"),
            ("wrote", "writing"),
            ("works", "work"),
            ("came", "travel"),
        ];
        for line in file.lines().skip(1) {
            let (passage, topic) = line.split_once('\t').unwrap();
            let stated = passage.split_once(' ').unwrap().1;
            let (_, expected) = topics
                .iter()
                .find(|(verb, _)| stated.starts_with(verb))
                .unwrap();
            assert_eq!(topic, *expected, "{passage}");
        }
    }

    #[test]
    fn half_of_the_questions_are_answered() {
        let file = file(Lesson::Pairs, "train.csv");
        let answered = file.lines().filter(|line| line.ends_with(",yes")).count();
        // Within four standard deviations of 12,000 tosses of a fair coin.
        assert!((5_781..6_219).contains(&answered), "{answered}");
        for line in file.lines().skip(1) {
            let cells: Vec<&str> = line.split("\",\"").collect();
            let is_birth = cells[0].contains("When was");
            if is_birth {
                assert_eq!(
                    cells[1].contains("was born"),
                    line.ends_with(",yes"),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn facts_are_counted() {
        for line in file(Lesson::Regression, "dev.jsonl").lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            let sentences = row["passage"].as_str().unwrap().matches('.').count() as u64;
            assert_eq!(row["facts"].as_u64(), Some(sentences));
        }
    }

    #[test]
    fn what_facts_name_is_tagged() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let passages = (0..200)
            .map(|_| Outline::draw(&WORDS, 6..=6, &mut random).passage(&WORDS, &mut random));
        for passage in passages {
            let tagged = tagged(&passage);
            let words: Vec<(&str, &str)> = tagged
                .lines()
                .map(|line| line.split_once(' ').unwrap())
                .collect();
            assert_eq!(words[0].1, "B-NAME");
            let begun = words
                .iter()
                .filter(|(_, tag)| tag.starts_with("B-"))
                .count();
            assert_eq!(begun, 1 + passage.facts.len());
            for (word, tag) in &words[1..] {
                let expected: &[&str] = match *word {
                    "dollars" => &["I-PRICE"],
                    word if word.len() == 4 && word.parse::<u32>().is_ok() => &["B-YEAR"],
                    word if word.parse::<u32>().is_ok() => &["B-PRICE"],
                    word if WORDS.contains(&word) => &["B-THING"],
                    _ => &["O"],
                };
                assert!(expected.contains(tag), "{word} {tag}");
            }
        }
    }

    #[test]
    fn the_splits_differ_and_are_drawn_alike_each_time() {
        for lesson in [
            Lesson::Classification,
            Lesson::Pairs,
            Lesson::Regression,
            Lesson::Tagging,
        ] {
            let files = lesson.files(&WORDS);
            assert_eq!(files, lesson.files(&WORDS));
            assert_eq!(files.len(), 3);
            assert_ne!(files[1].1[..200], files[2].1[..200]);
        }
        assert!(Lesson::Questions.files(&WORDS).is_empty());
    }
}

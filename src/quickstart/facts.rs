//! Made-up facts: short passages about one subject, and a question on each.
//!
//! A model of 1.4 million parameters cannot learn SQuAD, but it can learn to find the fact that a
//! question asks for, and to notice if the passage does not state it. Every passage is drawn anew
//! from the words of the model's vocabulary, so that nothing can be memorised.

use std::ops::RangeInclusive;

use rand::{Rng, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

/// A relation: how a passage states it, how a question asks for it, what the answer looks like.
struct Relation {
    statement: [&'static str; 2],
    question: [&'static str; 2],
    answer: Answer,
}

#[derive(Clone, Copy)]
enum Answer {
    Word,
    Year,
    Dollars,
}

const RELATIONS: [Relation; 8] = [
    Relation {
        statement: ["owns the ", "."],
        question: ["What does ", " own?"],
        answer: Answer::Word,
    },
    Relation {
        statement: ["lives in ", "."],
        question: ["Where does ", " live?"],
        answer: Answer::Word,
    },
    Relation {
        statement: ["was born in ", "."],
        question: ["When was ", " born?"],
        answer: Answer::Year,
    },
    Relation {
        statement: ["paid ", "."],
        question: ["How much did ", " pay?"],
        answer: Answer::Dollars,
    },
    Relation {
        statement: ["left because of ", "."],
        question: ["Why did ", " leave?"],
        answer: Answer::Word,
    },
    Relation {
        statement: ["wrote about ", "."],
        question: ["Which subject did ", " write about?"],
        answer: Answer::Word,
    },
    Relation {
        statement: ["works with ", "."],
        question: ["Who does ", " work with?"],
        answer: Answer::Word,
    },
    Relation {
        statement: ["came by ", "."],
        question: ["How did ", " come?"],
        answer: Answer::Word,
    },
];

/// Fraction of questions whose fact the passage does not state.
const IMPOSSIBLE: f64 = 1.0 / 3.0;

/// Returns the words of a vocabulary that may occur in a fact: whole lower-case words of at least
/// four letters.
pub fn words(vocabulary: &str) -> Vec<&str> {
    vocabulary
        .lines()
        .filter(|word| word.len() >= 4 && word.bytes().all(|b| b.is_ascii_lowercase()))
        .collect()
}

/// The plan of a passage: a subject, and all relations in random order, of which it states the
/// first few.
pub struct Outline {
    pub subject: String,
    order: Vec<usize>,
    stated: usize,
}

/// A passage about one subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    pub text: String,
    pub facts: Vec<Fact>,
}

/// What one sentence of a passage states about its subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// The relation's index, below [`relations`].
    pub relation: usize,
    /// The object of the relation.
    pub object: String,
    /// Byte offset of the object in the passage.
    pub start: usize,
}

/// Returns the number of relations.
pub const fn relations() -> usize {
    RELATIONS.len()
}

impl Outline {
    /// Draws a subject and the number of relations that are stated.
    ///
    /// # Panics
    /// If there are no words or `stated` is empty.
    pub fn draw(words: &[&str], stated: RangeInclusive<usize>, random: &mut ChaCha8Rng) -> Self {
        let subject = capitalise(words[random.random_range(0..words.len())]);
        let mut order: Vec<usize> = (0..RELATIONS.len()).collect();
        order.shuffle(random);
        let stated = random.random_range(stated);
        Outline {
            subject,
            order,
            stated,
        }
    }

    /// Draws the position of a relation that the passage states, or of one that it does not.
    pub fn place(&self, is_stated: bool, random: &mut ChaCha8Rng) -> usize {
        match is_stated {
            true => random.random_range(0..self.stated),
            false => random.random_range(self.stated..self.order.len()),
        }
    }

    /// Returns the question that asks for the relation at this position.
    pub fn question(&self, place: usize) -> String {
        let [before, after] = RELATIONS[self.order[place]].question;
        format!("{before}{}{after}", self.subject)
    }

    /// Draws the objects of the stated relations and writes the passage.
    pub fn passage(&self, words: &[&str], random: &mut ChaCha8Rng) -> Passage {
        let mut text = String::new();
        let mut facts = Vec::new();
        for (place, &relation) in self.order[..self.stated].iter().enumerate() {
            let Relation {
                statement, answer, ..
            } = &RELATIONS[relation];
            if place > 0 {
                text.push(' ');
            }
            text.push_str(if place == 0 { &self.subject } else { "It" });
            text.push(' ');
            text.push_str(statement[0]);
            let object = match answer {
                Answer::Word => words[random.random_range(0..words.len())].to_string(),
                Answer::Year => random.random_range(1000..2000).to_string(),
                Answer::Dollars => format!("{} dollars", random.random_range(10..100)),
            };
            let start = text.len();
            text.push_str(&object);
            text.push_str(statement[1]);
            facts.push(Fact {
                relation,
                object,
                start,
            });
        }
        Passage { text, facts }
    }
}

/// Generates paragraphs of a SQuAD 2.0 file, with one question each. A stage has a number of
/// paragraphs and the range of facts that each states.
pub fn paragraphs(
    words: &[&str],
    stages: &[(usize, RangeInclusive<usize>)],
    seed: u64,
) -> Vec<Value> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    stages
        .iter()
        .flat_map(|(count, stated)| std::iter::repeat_n(stated, *count))
        .enumerate()
        .map(|(number, stated)| paragraph(words, number, stated.clone(), &mut random))
        .collect()
}

fn paragraph(
    words: &[&str],
    number: usize,
    stated: RangeInclusive<usize>,
    random: &mut ChaCha8Rng,
) -> Value {
    let outline = Outline::draw(words, stated, random);
    // The question asks for one of the stated facts, or for one of the others.
    let is_impossible = random.random_bool(IMPOSSIBLE);
    let asked = outline.place(!is_impossible, random);
    let passage = outline.passage(words, random);
    // Facts are ASCII, so byte offsets equal code-point offsets.
    let answer = passage.facts.get(asked);
    let answer = answer.map(|fact| json!({"text": fact.object, "answer_start": fact.start}));
    json!({
        "context": passage.text,
        "qas": [{
            "id": format!("fact-{number}"),
            "question": outline.question(asked),
            "answers": answer.into_iter().collect::<Vec<_>>(),
            "is_impossible": is_impossible,
        }],
    })
}

fn capitalise(word: &str) -> String {
    let mut letters = word.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_stand_where_they_say_and_a_third_of_the_questions_have_none() {
        let words = words("[PAD]\n##ing\nriver\nthe\nmountain\nschool\nParis\n");
        assert_eq!(words, ["river", "mountain", "school"]);
        let paragraphs = paragraphs(&words, &[(1000, 2..=2), (2000, 2..=5)], 7);
        let sentences = |place: usize| {
            let context = paragraphs[place]["context"].as_str().unwrap();
            context.matches('.').count()
        };
        assert!((0..1000).all(|place| sentences(place) == 2));
        assert!((1000..3000).all(|place| (2..=5).contains(&sentences(place))));
        let mut impossible = 0;
        for paragraph in &paragraphs {
            let question = &paragraph["qas"][0];
            let context = paragraph["context"].as_str().unwrap();
            let answers = question["answers"].as_array().unwrap();
            if question["is_impossible"].as_bool().unwrap() {
                impossible += 1;
                assert!(answers.is_empty());
            } else {
                let text = answers[0]["text"].as_str().unwrap();
                let start = answers[0]["answer_start"].as_u64().unwrap() as usize;
                assert_eq!(&context[start..start + text.len()], text);
            }
        }
        // Within four standard deviations of a binomial fraction of a third.
        assert!((900..1100).contains(&impossible), "{impossible}");
    }

    #[test]
    fn the_same_seed_draws_the_same_facts() {
        let words = ["river", "mountain"];
        let stages = [(5, 3..=5)];
        let draw = |seed| paragraphs(&words, &stages, seed);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}

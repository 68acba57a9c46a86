//! Made-up facts: short passages about one subject, and a question on each.
//!
//! A model of 1.4 million parameters cannot learn SQuAD, but it can learn to find the fact that
//! a question asks for, and to see when the passage does not hold it. Every passage is drawn
//! anew from the words of the model's vocabulary, so that nothing can be learned by heart.

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

/// Share of questions whose fact the passage does not state.
const IMPOSSIBLE: f64 = 1.0 / 3.0;

/// Words of a vocabulary that can stand in a fact: whole lower-case words of four letters and
/// more.
pub fn words(vocabulary: &str) -> Vec<&str> {
    vocabulary
        .lines()
        .filter(|word| word.len() >= 4 && word.bytes().all(|b| b.is_ascii_lowercase()))
        .collect()
}

/// Paragraphs of a SQuAD 2.0 file, one question on each: for each lesson so many paragraphs that
/// state so many facts.
pub fn paragraphs(
    words: &[&str],
    lessons: &[(usize, RangeInclusive<usize>)],
    seed: u64,
) -> Vec<Value> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    lessons
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
    let subject = capitalise(words[random.random_range(0..words.len())]);
    let mut order: Vec<usize> = (0..RELATIONS.len()).collect();
    order.shuffle(random);
    let stated = random.random_range(stated);
    let is_impossible = random.random_bool(IMPOSSIBLE);
    // The question asks for one of the stated facts, or for one of the others.
    let asked = if is_impossible {
        random.random_range(stated..order.len())
    } else {
        random.random_range(0..stated)
    };

    let mut context = String::new();
    let mut answers = Vec::new();
    for (place, &relation) in order[..stated].iter().enumerate() {
        let Relation {
            statement, answer, ..
        } = &RELATIONS[relation];
        if place > 0 {
            context.push(' ');
        }
        context.push_str(if place == 0 { &subject } else { "It" });
        context.push(' ');
        context.push_str(statement[0]);
        let text = match answer {
            Answer::Word => words[random.random_range(0..words.len())].to_string(),
            Answer::Year => random.random_range(1000..2000).to_string(),
            Answer::Dollars => format!("{} dollars", random.random_range(10..100)),
        };
        if place == asked {
            // Facts are ASCII, so that bytes are code points.
            answers.push(json!({"text": text, "answer_start": context.len()}));
        }
        context.push_str(&text);
        context.push_str(statement[1]);
    }
    let [before, after] = RELATIONS[order[asked]].question;
    json!({
        "context": context,
        "qas": [{
            "id": format!("fact-{number}"),
            "question": format!("{before}{subject}{after}"),
            "answers": answers,
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
        // Four standard deviations of a binomial share around a third.
        assert!((900..1100).contains(&impossible), "{impossible}");
    }

    #[test]
    fn the_same_seed_draws_the_same_facts() {
        let words = ["river", "mountain"];
        let lessons = [(5, 3..=5)];
        let draw = |seed| paragraphs(&words, &lessons, seed);
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1), draw(2));
    }
}

//! Lengths in tokens, and how they fit windows of a given size.
//!
//! Paragraphs arrive one at a time and are measured in batches by all cores, with the tokenizer and
//! the windows of training; only the lengths are kept.

use std::num::NonZeroUsize;

use rayon::prelude::*;
use serde::Serialize;

use super::{
    problem::{Kind, Problem},
    squad_writer::{Paragraph, Question},
};
use crate::{
    counted::counted,
    data::spread::Spread,
    tasks::qa::{
        example::Passage,
        feature::{MAX_WINDOWS, answer_tokens},
        reader::locate,
        token_counts::TokenCounts,
        window::{window_count, windows},
    },
    text::tokenizer::{Tokenizer, WordTokens},
};

/// Passages measured together.
const BATCH: usize = 256;

/// The windows into which passages are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct WindowOptions {
    pub max_seq_length: usize,
    pub doc_stride: NonZeroUsize,
    pub max_query_length: usize,
}

/// Lengths in tokens, windows per question, and what is cut off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TokenLengths {
    pub passage_tokens: Spread,
    pub question_tokens: Spread,
    pub answer_tokens: Spread,
    pub windows_per_question: Spread,
    /// Number of features that the file becomes.
    pub windows: usize,
    /// Passages that need several windows for some question.
    pub passages_over_one_window: usize,
    pub questions_over_one_window: usize,
    /// Questions whose first answer, the one used in training, does not fit in any single window.
    pub answers_in_no_window: usize,
    /// Questions truncated at `max_query_length`.
    pub questions_cut: usize,
    /// How much of the text the vocabulary knows.
    pub tokens: TokenCounts,
}

/// Measures paragraphs.
pub struct Ruler<'a> {
    tokenizer: &'a Tokenizer,
    options: WindowOptions,
    waiting: Vec<Measured>,
    all: Marks,
}

/// A passage with its questions.
struct Measured {
    context: String,
    questions: Vec<(Question, String)>,
}

#[derive(Default)]
struct Marks {
    passages: Vec<usize>,
    questions: Vec<usize>,
    answers: Vec<usize>,
    windows: Vec<usize>,
    passages_over: usize,
    problems: Vec<Problem>,
    questions_cut: usize,
    tokens: TokenCounts,
}

impl<'a> Ruler<'a> {
    pub fn new(tokenizer: &'a Tokenizer, options: WindowOptions) -> Self {
        Self {
            tokenizer,
            options,
            waiting: Vec::new(),
            all: Marks::default(),
        }
    }

    /// Adds the questions on a passage; an immediately repeated passage is measured once.
    pub fn take(&mut self, paragraph: Paragraph<'_>) {
        let place = paragraph.place;
        let questions = paragraph.qas.into_iter().map(|q| (q, place.to_owned()));
        match self.waiting.last_mut() {
            Some(last) if last.context == paragraph.context => last.questions.extend(questions),
            _ => {
                if self.waiting.len() == BATCH {
                    self.measure();
                }
                self.waiting.push(Measured {
                    context: paragraph.context.to_owned(),
                    questions: questions.collect(),
                });
            }
        }
    }

    fn measure(&mut self) {
        let (tokenizer, options) = (self.tokenizer, self.options);
        let marks: Vec<Marks> = std::mem::take(&mut self.waiting)
            .par_iter()
            .map(|passage| marks(passage, tokenizer, options))
            .collect();
        for mut marks in marks {
            self.all.passages.append(&mut marks.passages);
            self.all.questions.append(&mut marks.questions);
            self.all.answers.append(&mut marks.answers);
            self.all.windows.append(&mut marks.windows);
            self.all.problems.append(&mut marks.problems);
            self.all.passages_over += marks.passages_over;
            self.all.questions_cut += marks.questions_cut;
            self.all.tokens += marks.tokens;
        }
    }

    /// Returns the lengths of everything added, and the problems with answers and windows.
    pub fn finish(mut self) -> (TokenLengths, Vec<Problem>) {
        self.measure();
        let Marks {
            passages,
            questions,
            answers,
            windows,
            passages_over,
            problems,
            questions_cut,
            tokens,
        } = self.all;
        let lost = problems.iter().filter(|p| p.kind == Kind::InNoWindow);
        let lengths = TokenLengths {
            answers_in_no_window: lost.count(),
            windows: windows.iter().sum(),
            questions_over_one_window: windows.iter().filter(|&&count| count > 1).count(),
            passages_over_one_window: passages_over,
            questions_cut,
            tokens,
            passage_tokens: Spread::of(passages),
            question_tokens: Spread::of(questions),
            answer_tokens: Spread::of(answers),
            windows_per_question: Spread::of(windows),
        };
        (lengths, problems)
    }
}

fn marks(measured: &Measured, tokenizer: &Tokenizer, options: WindowOptions) -> Marks {
    let passage = Passage::new(measured.context.as_str());
    let tokens = tokenizer.tokenize_words(&passage.words);
    let begun = passage.words_begun();
    let unk_id = tokenizer.vocab().unk_id();
    let passage_tokens = TokenCounts::of_ids(&tokens.ids, unk_id);
    let mut marks = Marks {
        passages: vec![tokens.ids.len()],
        ..Marks::default()
    };
    for (question, place) in &measured.questions {
        let mut ids = tokenizer.tokenize(&question.question);
        let length = ids.len();
        marks.questions.push(length);
        marks.questions_cut += usize::from(length > options.max_query_length);
        let answers = question.answers.iter();
        marks
            .answers
            .extend(answers.map(|answer| tokenizer.tokenize(&answer.text).len()));

        let problem = |kind| Problem::new(kind, &question.id, place);
        // [CLS] and two [SEP].
        let taken = length.min(options.max_query_length) + 3;
        let room = options.max_seq_length.saturating_sub(taken);
        let Some(size) = NonZeroUsize::new(room) else {
            let found = format!("{taken} tokens without the passage");
            let problem = problem(Kind::NoRoom).with_found(found);
            marks.problems.push(problem);
            continue;
        };
        let count = window_count(tokens.ids.len(), size, options.doc_stride);
        marks.windows.push(count);
        if count > 1 {
            marks.passages_over = 1;
        }
        if count > MAX_WINDOWS {
            let found = format!("{} tokens, {count} windows", tokens.ids.len());
            let problem = problem(Kind::TooManyWindows).with_found(found);
            marks.problems.push(problem);
            continue;
        }
        if count > 0 {
            ids.truncate(options.max_query_length);
            marks.tokens += passage_tokens;
            marks.tokens += TokenCounts::of_ids(&ids, unk_id);
        }
        match span(question, &passage, &begun, &tokens, tokenizer) {
            None => {}
            Some(Err(reason)) => marks
                .problems
                .push(problem(Kind::LeftOut).with_found(reason)),
            Some(Ok((first, past))) => {
                let mut windows = windows(tokens.ids.len(), size, options.doc_stride).into_iter();
                if !windows.any(|window| window.start <= first && past <= window.end()) {
                    let found = counted(past - first, "token");
                    marks
                        .problems
                        .push(problem(Kind::InNoWindow).with_found(found));
                }
            }
        }
    }
    marks
}

/// Returns the token range of the first answer, or why training leaves the question out; `None` if
/// there is no answer.
fn span(
    question: &Question,
    passage: &Passage,
    begun: &[usize],
    tokens: &WordTokens,
    tokenizer: &Tokenizer,
) -> Option<Result<(usize, usize), String>> {
    let answer = question
        .answers
        .first()
        .filter(|_| !question.is_impossible)?;
    let located = locate(passage, begun, answer.text.clone(), answer.answer_start);
    Some(located.and_then(|answer| {
        answer_tokens(&question.id, &answer, tokens, tokenizer).map_err(|error| error.to_string())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{tasks::qa::dataset::squad_writer::Answer, text::vocab::Vocab};

    fn question(id: &str, text: &str, start: usize, answer: &str) -> Question {
        Question {
            answers: vec![Answer {
                answer_start: start,
                text: answer.to_owned(),
            }],
            followup: None,
            id: id.to_owned(),
            is_impossible: false,
            question: text.to_owned(),
            yesno: None,
        }
    }

    fn paragraph(context: &str, question: Question) -> Paragraph<'_> {
        Paragraph {
            context,
            place: "line 1",
            qas: vec![question],
        }
    }

    #[test]
    fn windows_and_what_they_cut_off_by_hand() {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\nc\n##c", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        let options = WindowOptions {
            max_seq_length: 9,
            doc_stride: NonZeroUsize::new(2).unwrap(),
            max_query_length: 2,
        };
        let mut ruler = Ruler::new(&tokenizer, options);
        // Six tokens. Of nine, three are special and one or two belong to the question, so windows
        // have five or four tokens.
        let passage = "a b c a b c";
        ruler.take(paragraph(passage, question("one", "a", 4, "c a b")));
        ruler.take(paragraph(passage, question("cut", "a b c", 0, "a b c a b")));
        ruler.take(paragraph("a", question("short", "cc", 0, "a")));
        let (lengths, problems) = ruler.finish();
        let spread = |median, p95, max| Spread { median, p95, max };
        assert_eq!(
            lengths,
            TokenLengths {
                passage_tokens: spread(1, 6, 6),
                question_tokens: spread(2, 3, 3),
                answer_tokens: spread(3, 5, 5),
                windows_per_question: spread(2, 2, 2),
                windows: 5,
                passages_over_one_window: 1,
                questions_over_one_window: 2,
                answers_in_no_window: 1,
                questions_cut: 1,
                tokens: TokenCounts {
                    tokens: 6 + 1 + 6 + 2 + 1 + 2,
                    unknown: 0,
                },
            }
        );
        let problem = Problem::new(Kind::InNoWindow, "cut", "line 1").with_found("5 tokens".into());
        assert_eq!(problems, [problem]);
    }

    #[test]
    fn what_windows_cannot_take_is_told() {
        let vocab = Vocab::parse("[PAD]\n[UNK]\n[CLS]\n[SEP]\na", "v").unwrap();
        let tokenizer = Tokenizer::new(vocab, true);
        let options = WindowOptions {
            max_seq_length: 6,
            doc_stride: NonZeroUsize::MIN,
            max_query_length: 3,
        };
        let mut ruler = Ruler::new(&tokenizer, options);
        ruler.take(paragraph(&"a ".repeat(1003), question("long", "a", 0, "a")));
        ruler.take(paragraph("a", question("full", "a a a", 0, "a")));
        ruler.take(paragraph(" a a", question("space", "a", 0, " a a")));
        let kinds: Vec<_> = ruler
            .finish()
            .1
            .into_iter()
            .map(|p| (p.kind, p.id))
            .collect();
        assert_eq!(
            kinds,
            [
                (Kind::TooManyWindows, "long".to_owned()),
                (Kind::NoRoom, "full".to_owned()),
                (Kind::LeftOut, "space".to_owned())
            ]
        );
    }
}

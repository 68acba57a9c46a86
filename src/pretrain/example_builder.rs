//! The reference's rules: sentences accumulate until they fill an example, which is then split into one or
//! two segments at random.
//!
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/build_pretraining_dataset.py>

use super::{
    error::Error,
    example::Example,
    random::{Purpose, Stream},
};

/// The shortest target length; also the minimum of `max_seq_length`.
pub const SHORTEST: usize = 5;

/// Share of examples whose first segment takes all sentences, and the goal length that has this effect.
const ONE_SEGMENT: f64 = 0.1;
const NO_GOAL: usize = 100_000;

/// Share of examples with a random target length.
const RANDOM_LENGTH: f64 = 0.05;

/// The random choices in these rules.
pub trait Draws {
    /// Whether the target drawn with a file's last example applies to the next file's first, as in the
    /// reference. Otherwise it is drawn again, and files do not depend on each other.
    const CARRIES_TARGET: bool;

    /// Moves to the numbers of an example in its file; `None` is the start of the file.
    fn turn_to(&mut self, file: usize, example: Option<u64>);

    /// Uniform in [0, 1).
    fn uniform(&mut self) -> f64;

    /// Uniform from `least` to `most`, both inclusive.
    fn integer(&mut self, least: usize, most: usize) -> usize;

    /// Checks that exactly the recorded choices were used.
    ///
    /// # Errors
    /// If they were not: the recording belongs to another corpus.
    fn finish(&self) -> Result<(), Error> {
        Ok(())
    }
}

/// Choices as a function of seed, file and example.
#[derive(Debug)]
pub struct SeededDraws {
    seed: u64,
    stream: Stream,
}

impl SeededDraws {
    pub fn new(seed: u64) -> Self {
        let stream = Stream::new(seed, Purpose::Cuts, 0, 0);
        Self { seed, stream }
    }
}

impl Draws for SeededDraws {
    const CARRIES_TARGET: bool = false;

    fn turn_to(&mut self, file: usize, example: Option<u64>) {
        let place = example.map_or(0, |number| number + 1);
        self.stream = Stream::new(self.seed, Purpose::Cuts, file as u64, place);
    }

    fn uniform(&mut self) -> f64 {
        self.stream.uniform()
    }

    fn integer(&mut self, least: usize, most: usize) -> usize {
        least + self.stream.below((most - least + 1) as u64) as usize
    }
}

/// The ids of the special tokens, and the maximum length of an example.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    pub max_seq_length: usize,
    pub cls: u32,
    pub sep: u32,
}

/// Sentences that accumulate into an example.
///
/// A sentence may be longer than the ids that are kept of it: an example uses at most `max_seq_length` ids of
/// one, so that lines of any length fit in memory.
#[derive(Debug)]
pub struct ExampleBuilder {
    frame: Frame,
    target: usize,
    sentences: Vec<Sentence>,
    ids: Vec<u32>,
    /// Total tokens of the sentences.
    length: usize,
    second: Vec<u32>,
    example: Example,
}

#[derive(Debug, Clone, Copy)]
struct Sentence {
    ids: usize,
    length: usize,
}

/// An example, and how many tokens of its sentences were dropped.
#[derive(Debug)]
pub struct Made<'a> {
    pub example: &'a Example,
    pub lost: usize,
}

impl ExampleBuilder {
    /// `max_seq_length` must be at least [`SHORTEST`].
    pub fn new(frame: Frame) -> Self {
        Self {
            frame,
            target: frame.max_seq_length,
            sentences: Vec::new(),
            ids: Vec::new(),
            length: 0,
            second: Vec::new(),
            example: Example::default(),
        }
    }

    /// The number of tokens at which the next example is complete, if its document has that many.
    pub fn target(&self) -> usize {
        self.target
    }

    /// Resumes from the state of a builder without pending sentences.
    pub fn set_target(&mut self, target: usize) {
        self.target = target.clamp(SHORTEST, self.frame.max_seq_length);
    }

    /// Draws the target length of the next example.
    pub fn draw_target(&mut self, draws: &mut impl Draws) {
        let most = self.frame.max_seq_length;
        self.target = match draws.uniform() < RANDOM_LENGTH {
            true => draws.integer(SHORTEST, most),
            false => most,
        };
    }

    /// Whether no sentence is pending.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a sentence of `length` tokens; `ids` are the first of them, at most `max_seq_length`. Returns an
    /// example if it is now complete.
    pub fn add(&mut self, ids: &[u32], length: usize, draws: &mut impl Draws) -> Option<Made<'_>> {
        // An empty sentence changes nothing and draws nothing.
        if length == 0 {
            return None;
        }
        let ids = &ids[..ids.len().min(self.frame.max_seq_length)];
        self.ids.extend_from_slice(ids);
        self.length = self.length.saturating_add(length);
        let ids = ids.len();
        self.sentences.push(Sentence { ids, length });
        match self.length >= self.target {
            true => Some(self.make(draws)),
            false => None,
        }
    }

    /// Ends a document; the pending sentences become an example.
    pub fn end_document(&mut self, draws: &mut impl Draws) -> Option<Made<'_>> {
        match self.is_empty() {
            true => None,
            false => Some(self.make(draws)),
        }
    }

    fn make(&mut self, draws: &mut impl Draws) -> Made<'_> {
        let Frame {
            max_seq_length,
            cls,
            sep,
        } = self.frame;
        let goal = match draws.uniform() < ONE_SEGMENT {
            true => NO_GOAL,
            false => (self.target - 3) / 2,
        };
        let first = &mut self.example.ids;
        first.clear();
        first.push(cls);
        self.second.clear();
        // Lengths before truncation.
        let (mut in_first, mut in_second) = (0_usize, 0_usize);
        let mut ids = self.ids.as_slice();
        for sentence in self.sentences.drain(..) {
            let (own, rest) = ids.split_at(sentence.ids);
            ids = rest;
            let with_it = in_first.saturating_add(sentence.length);
            if in_first == 0
                || with_it < goal
                || (in_second == 0 && in_first < goal && draws.uniform() < 0.5)
            {
                in_first = with_it;
                first.extend_from_slice(own);
            } else {
                in_second = in_second.saturating_add(sentence.length);
                self.second.extend_from_slice(own);
            }
        }
        // [CLS] is already among the ids.
        first.truncate(max_seq_length - 1);
        let taken = first.len() - 1;
        self.second
            .truncate(max_seq_length.saturating_sub(taken + 3));
        first.push(sep);
        self.example.first = first.len();
        if !self.second.is_empty() {
            first.extend_from_slice(&self.second);
            first.push(sep);
        }
        let lost = self.length - taken - self.second.len();
        self.ids.clear();
        self.length = 0;
        self.draw_target(draws);
        Made {
            example: &self.example,
            lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Choices from a list, used as uniform numbers or as integers.
    struct Given(Vec<f64>);

    impl Draws for Given {
        const CARRIES_TARGET: bool = true;

        fn turn_to(&mut self, _: usize, _: Option<u64>) {}

        fn uniform(&mut self) -> f64 {
            self.0.remove(0)
        }

        fn integer(&mut self, _: usize, _: usize) -> usize {
            self.0.remove(0) as usize
        }
    }

    fn builder(max_seq_length: usize) -> ExampleBuilder {
        ExampleBuilder::new(Frame {
            max_seq_length,
            cls: 101,
            sep: 102,
        })
    }

    /// The first and the second segment, and the tokens lost.
    fn taken(made: Option<Made<'_>>) -> (Vec<u32>, Vec<u32>, usize) {
        let made = made.unwrap();
        let (first, second) = made.example.ids.split_at(made.example.first);
        assert_eq!((first[0], first.last()), (101, Some(&102)));
        let second = match second.split_last() {
            Some((&last, inner)) => {
                assert_eq!(last, 102);
                inner.to_vec()
            }
            None => Vec::new(),
        };
        (first[1..first.len() - 1].to_vec(), second, made.lost)
    }

    #[test]
    fn sentences_go_to_the_first_segment_up_to_its_goal() {
        // The goal is (15 - 3) / 2 = 6.
        let mut builder = builder(15);
        let mut draws = Given(vec![0.9, 0.5, 0.5]);
        assert!(builder.add(&[1, 2, 3], 3, &mut draws).is_none());
        assert!(builder.add(&[4, 5], 2, &mut draws).is_none());
        // 3 + 2 is below 6, 5 + 1 is not: a draw of 0.5 sends the sentence to the second segment.
        assert!(builder.add(&[6], 1, &mut draws).is_none());
        // The second segment has begun: no draw.
        assert!(builder.add(&[7, 8, 9], 3, &mut draws).is_none());
        let made = builder.add(&[10, 11, 12, 13, 14, 15], 6, &mut draws);
        let (first, second, lost) = taken(made);
        assert_eq!(first, [1, 2, 3, 4, 5]);
        // Seven of 15 remain.
        assert_eq!(second, [6, 7, 8, 9, 10, 11, 12]);
        assert_eq!((lost, builder.target(), draws.0), (3, 15, vec![]));
    }

    #[test]
    fn a_draw_below_a_half_keeps_a_long_sentence_in_the_first() {
        let mut builder = builder(15);
        let mut draws = Given(vec![0.1, 0.4, 0.04, 9.0]);
        builder.add(&[1, 2], 2, &mut draws);
        builder.add(&[3, 4, 5, 6], 4, &mut draws);
        // The first segment has reached its goal: the next sentence goes to the second without a draw, and
        // later ones follow it.
        builder.add(&[7], 1, &mut draws);
        let (first, second, lost) = taken(builder.end_document(&mut draws));
        assert_eq!((first, second, lost), (vec![1, 2, 3, 4, 5, 6], vec![7], 0));
        assert_eq!((builder.target(), draws.0), (9, vec![]));
        assert!(builder.end_document(&mut Given(vec![])).is_none());
    }

    #[test]
    fn a_short_sentence_may_go_back_to_the_first() {
        let mut builder = builder(15);
        let mut draws = Given(vec![0.9, 0.5, 0.5]);
        builder.add(&[1, 2], 2, &mut draws);
        builder.add(&[3, 4, 5, 6], 4, &mut draws);
        builder.add(&[7, 8], 2, &mut draws);
        let (first, second, _) = taken(builder.end_document(&mut draws));
        assert_eq!((first, second), (vec![1, 2, 7, 8], vec![3, 4, 5, 6]));
    }

    #[test]
    fn a_sentence_of_any_length_is_its_beginning() {
        let ids: Vec<u32> = (0..64).collect();
        for (goal, length) in [(0.05, 99_999_usize), (0.05, 100_000), (0.9, usize::MAX)] {
            let mut builder = builder(8);
            let mut draws = Given(vec![goal, 0.5]);
            let (first, second, lost) = taken(builder.add(&ids, length, &mut draws));
            assert_eq!((first, second), ((0..6).collect(), vec![]));
            assert_eq!((lost, draws.0), (length - 6, vec![]));
        }
    }

    #[test]
    fn one_segment_ends_where_no_goal_does() {
        // 3 + 99,996 is below 100,000; one more token is not, and needs a draw.
        for (length, draws) in [(99_996, vec![0.05, 0.5]), (99_997, vec![0.05, 0.7, 0.5])] {
            let mut builder = builder(8);
            let mut draws = Given(draws);
            builder.add(&[1, 2, 3], 3, &mut draws);
            let (first, second, lost) = taken(builder.add(&[4; 8], length, &mut draws));
            let expected = match length {
                99_996 => (vec![1, 2, 3, 4, 4, 4], vec![]),
                _ => (vec![1, 2, 3], vec![4, 4]),
            };
            assert_eq!((first, second), expected);
            assert_eq!(
                (lost, draws.0),
                (length + 3 - expected.0.len() - expected.1.len(), vec![])
            );
        }
    }

    #[test]
    fn sentences_without_tokens_draw_nothing() {
        let mut builder = builder(8);
        let mut draws = Given(vec![]);
        assert!(builder.add(&[], 0, &mut draws).is_none());
        assert!(builder.end_document(&mut draws).is_none());
    }
}

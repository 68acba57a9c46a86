//! What answers are worth, example by example: what each adds to sums, and figures as functions of those
//! sums, so that the figures of any sample of the examples can be had.

/// A figure of the sums over a sample, `[width]`.
type OfSums = Box<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// A figure of how often each example is in a sample, `[examples]`.
type OfCounts = Box<dyn Fn(&[u32]) -> f64 + Send + Sync>;

enum Figure {
    OfSums(OfSums),
    OfCounts(OfCounts),
}

/// The answers to the examples of a file, in their order.
pub struct Judged {
    /// What people call an example.
    pub noun: &'static str,
    /// What an answer is that is worth more than another.
    pub better: &'static str,
    width: usize,
    /// `[examples, width]`
    addends: Vec<f64>,
    worth: Vec<f64>,
    figures: Vec<(&'static str, Figure)>,
}

impl Judged {
    /// Of answers that each add `width` numbers.
    pub fn new(noun: &'static str, better: &'static str, width: usize) -> Self {
        Self {
            noun,
            better,
            width,
            addends: Vec::new(),
            worth: Vec::new(),
            figures: Vec::new(),
        }
    }

    /// Adds the next answer: what it adds to the sums, and what it is worth by itself; more is better.
    ///
    /// # Panics
    /// If it does not add as many numbers as all.
    pub fn push(&mut self, addends: &[f64], worth: f64) {
        assert_eq!(addends.len(), self.width, "numbers that an answer adds");
        self.addends.extend_from_slice(addends);
        self.worth.push(worth);
    }

    /// A figure of the sums, under the scorer's key.
    pub fn figure(
        mut self,
        key: &'static str,
        of: impl Fn(&[f64]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.figures.push((key, Figure::OfSums(Box::new(of))));
        self
    }

    /// A figure that is no function of sums, such as one of ranks.
    pub fn figure_of_counts(
        mut self,
        key: &'static str,
        of: impl Fn(&[u32]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.figures.push((key, Figure::OfCounts(Box::new(of))));
        self
    }

    /// How many examples there are.
    pub fn len(&self) -> usize {
        self.worth.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.worth.is_empty()
    }

    /// What each answer is worth by itself.
    pub fn worth(&self) -> &[f64] {
        &self.worth
    }

    /// The keys of the figures.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.figures.iter().map(|(key, _)| *key)
    }

    /// All figures of the sample that has each example so often, `[examples]`.
    pub fn figures(&self, counts: &[u32]) -> Vec<f64> {
        let mut sums = vec![0.0; self.width];
        for (addends, &count) in self.addends.chunks_exact(self.width.max(1)).zip(counts) {
            let count = f64::from(count);
            for (sum, addend) in sums.iter_mut().zip(addends) {
                *sum += count * addend;
            }
        }
        let figures = self.figures.iter().map(|(_, figure)| match figure {
            Figure::OfSums(of) => of(&sums),
            Figure::OfCounts(of) => of(counts),
        });
        figures.collect()
    }

    /// Those of the file as it is.
    pub fn figures_of_all(&self) -> Vec<f64> {
        self.figures(&vec![1; self.len()])
    }
}

/// An example and an answer, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub id: String,
    pub text: String,
    pub gold: String,
    pub answer: String,
}

impl Told {
    /// Whether both answer the same.
    pub fn is_of_same(&self, other: &Self) -> bool {
        (&self.id, &self.text, &self.gold) == (&other.id, &other.text, &other.gold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_those_of_the_sample() {
        let mut judged = Judged::new("text", "right", 2);
        for (right, weight) in [(1.0, 2.0), (0.0, 3.0), (1.0, 5.0)] {
            judged.push(&[right * weight, weight], right);
        }
        let judged = judged
            .figure("share", |sums| sums[0] / sums[1])
            .figure_of_counts("most", |counts| {
                f64::from(counts.iter().copied().max().unwrap_or(0))
            });
        assert_eq!(judged.keys().collect::<Vec<_>>(), ["share", "most"]);
        assert_eq!(judged.figures_of_all(), [0.7, 1.0]);
        assert_eq!(judged.figures(&[0, 3, 0]), [0.0, 3.0]);
        assert_eq!((judged.len(), judged.worth()), (3, &[1.0, 0.0, 1.0][..]));
    }
}

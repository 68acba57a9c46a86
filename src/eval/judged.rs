//! Scores of answers, example by example: what each adds to sums, and metrics as functions of those
//! sums, so that the metrics of any resample of the examples can be computed.

/// A metric as a function of the sums over a sample, `[width]`.
type OfSums = Box<dyn Fn(&[f64]) -> f64 + Send + Sync>;

/// A metric as a function of how often each example is in a sample, `[examples]`.
type OfCounts = Box<dyn Fn(&[u32]) -> f64 + Send + Sync>;

enum Figure {
    OfSums(OfSums),
    OfCounts(OfCounts),
}

/// The answers to the examples of a file, in order.
pub struct Judged {
    /// What users call an example.
    pub noun: &'static str,
    /// What users call the better of two answers.
    pub better: &'static str,
    width: usize,
    /// `[examples, width]`
    addends: Vec<f64>,
    worth: Vec<f64>,
    figures: Vec<(&'static str, Figure)>,
}

impl Judged {
    /// Creates an empty list of answers that each add `width` numbers.
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

    /// Appends the next answer: what it adds to the sums, and its own worth (higher is better).
    ///
    /// # Panics
    /// If the number of addends is not `width`.
    pub fn push(&mut self, addends: &[f64], worth: f64) {
        assert_eq!(addends.len(), self.width, "numbers that an answer adds");
        self.addends.extend_from_slice(addends);
        self.worth.push(worth);
    }

    /// Adds a metric computed from the sums, under the scorer's key.
    pub fn figure(
        mut self,
        key: &'static str,
        of: impl Fn(&[f64]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.figures.push((key, Figure::OfSums(Box::new(of))));
        self
    }

    /// Adds a metric that is not a function of sums, such as one of ranks.
    pub fn figure_of_counts(
        mut self,
        key: &'static str,
        of: impl Fn(&[u32]) -> f64 + Send + Sync + 'static,
    ) -> Self {
        self.figures.push((key, Figure::OfCounts(Box::new(of))));
        self
    }

    /// Returns the number of examples.
    pub fn len(&self) -> usize {
        self.worth.len()
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        self.worth.is_empty()
    }

    /// Returns the worth of each answer.
    pub fn worth(&self) -> &[f64] {
        &self.worth
    }

    /// Iterates over the keys of the metrics.
    pub fn keys(&self) -> impl Iterator<Item = &'static str> {
        self.figures.iter().map(|(key, _)| *key)
    }

    /// Returns all metrics of the sample that contains each example `counts` times, `[examples]`.
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

    /// Returns the metrics of the file as it is.
    pub fn figures_of_all(&self) -> Vec<f64> {
        self.figures(&vec![1; self.len()])
    }
}

/// An example and an answer, as shown to users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub id: String,
    pub text: String,
    pub gold: String,
    pub answer: String,
}

impl Told {
    /// Returns whether both answer the same example.
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

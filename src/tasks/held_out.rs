//! Holds out rows of a file for another, such as a dev file from a train file.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    hash::Hash,
};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use crate::counted::counted;

/// The share amounts to no row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct NoneHeld {
    rows: usize,
    why: Why,
    /// Whether the rows are questions, which have no labels.
    are_questions: bool,
}

/// The reason, if it is not the share alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Share,
    /// The last rows of a label stay.
    Label,
    /// So many rows stay on one side.
    Group(usize),
}

impl NoneHeld {
    /// Says questions in place of rows.
    pub fn of_questions(self) -> Self {
        Self {
            are_questions: true,
            ..self
        }
    }
}

impl fmt::Display for NoneHeld {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.are_questions {
            "question"
        } else {
            "row"
        };
        let nouns = counted(self.rows, noun);
        write!(out, "0 of {nouns} would be held out")?;
        match (self.why, self.are_questions) {
            (Why::Share, _) => {}
            (Why::Label, false) => write!(out, ", for at least one row of each label must stay")?,
            (Why::Label, true) => write!(out, ", for at least one must stay")?,
            (Why::Group(rows), false) => write!(
                out,
                ", for up to {rows} rows have texts in common and stay on one side"
            )?,
            (Why::Group(rows), true) => write!(
                out,
                ", for up to {rows} questions belong together and stay on one side"
            )?,
        }
        match self.rows {
            1 => write!(out, "; give a file with more"),
            _ => write!(out, "; give another share"),
        }
    }
}

/// Removes a share of the rows, drawn by `seed`, and returns them. `by` returns a row's texts and
/// its label. The share is taken of each label, but never its last row, so that every label is
/// trained on. Rows that share a text, directly or through other rows, stay on the same side, so
/// that nothing is evaluated that was trained on.
///
/// # Errors
/// If that amounts to no row at all.
pub fn held_out<T, K: Hash + Eq, L: Ord>(
    rows: &mut Vec<T>,
    share: f64,
    seed: u64,
    by: impl Fn(&T) -> (Vec<K>, L),
) -> Result<Vec<T>, NoneHeld> {
    let mut groups = Groups::of(rows.len());
    let mut labels: Vec<L> = Vec::new();
    let mut first: HashMap<K, usize> = HashMap::new();
    for (place, row) in rows.iter().enumerate() {
        let (texts, label) = by(row);
        labels.push(label);
        for text in texts {
            let other = *first.entry(text).or_insert(place);
            groups.join(other, place);
        }
    }
    // Groups of rows by the label of their first row, in file order.
    let mut of_label: BTreeMap<&L, Vec<Vec<usize>>> = BTreeMap::new();
    let all = groups.all();
    let largest = all.iter().map(Vec::len).max().unwrap_or(0);
    // Number of groups with rows of each label that are not held out.
    let mut left: BTreeMap<&L, usize> = BTreeMap::new();
    for label in all.iter().flat_map(|group| labels_of(&labels, group)) {
        *left.entry(label).or_default() += 1;
    }
    for group in all {
        of_label.entry(&labels[group[0]]).or_default().push(group);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut held = vec![false; rows.len()];
    let mut spared = false;
    for groups in of_label.values_mut() {
        groups.shuffle(&mut random);
        let all: usize = groups.iter().map(Vec::len).sum();
        let quota = (share * all as f64).round() as usize;
        let mut taken = 0;
        for group in groups.iter() {
            if taken + group.len() > quota {
                continue;
            }
            let of_group = labels_of(&labels, group);
            if of_group.iter().any(|label| left.get(label) == Some(&1)) {
                spared = true;
                continue;
            }
            for label in of_group {
                *left.entry(label).or_default() -= 1;
            }
            taken += group.len();
            group.iter().for_each(|&place| held[place] = true);
        }
    }
    if !held.contains(&true) {
        return Err(NoneHeld {
            rows: rows.len(),
            why: match largest {
                _ if spared => Why::Label,
                0 | 1 => Why::Share,
                rows => Why::Group(rows),
            },
            are_questions: false,
        });
    }
    let (mut kept, mut out) = (Vec::new(), Vec::new());
    for (row, held) in rows.drain(..).zip(held) {
        match held {
            true => out.push(row),
            false => kept.push(row),
        }
    }
    *rows = kept;
    Ok(out)
}

/// Returns the labels of a group's rows.
fn labels_of<'a, L: Ord>(labels: &'a [L], group: &[usize]) -> BTreeSet<&'a L> {
    group.iter().map(|&place| &labels[place]).collect()
}

/// Disjoint sets of rows: each row points to an earlier one of its group, or to itself.
struct Groups(Vec<usize>);

impl Groups {
    /// Creates `rows` rows, each in a group of its own.
    fn of(rows: usize) -> Self {
        Self((0..rows).collect())
    }

    /// Returns the first row of a row's group.
    fn first(&mut self, mut row: usize) -> usize {
        while self.0[row] != row {
            // Path halving, to shorten later lookups.
            self.0[row] = self.0[self.0[row]];
            row = self.0[row];
        }
        row
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first(one), self.first(other));
        self.0[one.max(other)] = one.min(other);
    }

    /// Returns the rows of each group, ordered by first row.
    fn all(mut self) -> Vec<Vec<usize>> {
        let mut all: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for row in 0..self.0.len() {
            all.entry(self.first(row)).or_default().push(row);
        }
        all.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_its_share_and_no_text_is_on_both_sides() {
        let all: Vec<(usize, bool)> = (0..100).map(|n| (n / 2, n % 20 < 4)).collect();
        let draw = |seed| {
            let mut rows = all.clone();
            let out = held_out(&mut rows, 0.2, seed, |row| (vec![row.0], row.1)).unwrap();
            (rows, out)
        };
        let (rows, out) = draw(1);
        assert_eq!((rows.len(), out.len()), (80, 20));
        assert_eq!(out.iter().filter(|(_, label)| *label).count(), 4);
        assert!(out.iter().all(|row| !rows.contains(row)));
        assert!(out.is_sorted() && rows.is_sorted());
        assert_eq!(draw(1), (rows, out.clone()));
        assert_ne!(draw(2).1, out);
    }

    #[test]
    fn pairs_that_share_a_text_are_on_one_side() {
        // Chains of three: a-b, b-c, c-d.
        let pair = |n: usize| [n + n / 3, n + n / 3 + 1];
        let mut rows: Vec<[usize; 2]> = (0..60).map(pair).collect();
        let out = held_out(&mut rows, 0.25, 1, |row| (row.to_vec(), ())).unwrap();
        assert_eq!((rows.len(), out.len()), (45, 15));
        let learnt: Vec<usize> = rows.concat();
        assert!(out.concat().iter().all(|text| !learnt.contains(text)));
    }

    #[test]
    fn every_label_stays_in_train() {
        let draw = |all: &[(usize, char)], seed| {
            let mut rows = all.to_vec();
            let out = held_out(&mut rows, 0.5, seed, |row| (vec![row.0], row.1)).unwrap();
            (rows, out)
        };
        for seed in 0..8 {
            let all = [(0, 'x'), (1, 'x'), (2, 'x'), (3, 'x'), (4, 'y')];
            let (rows, out) = draw(&all, seed);
            assert_eq!((rows.len(), out.len()), (3, 2));
            assert!(rows.contains(&(4, 'y')), "{rows:?}");
            // The only row with y shares its text with one of x.
            let (rows, out) = draw(&[(0, 'x'), (0, 'y'), (1, 'x'), (2, 'x')], seed);
            assert_eq!(rows, [(0, 'x'), (0, 'y')]);
            assert_eq!(out, [(1, 'x'), (2, 'x')]);
        }
    }

    #[test]
    fn a_share_of_nothing_is_refused() {
        let message = held_out(&mut vec![1, 2, 3], 0.1, 1, |row| (vec![*row], ()));
        let message = message.unwrap_err().to_string();
        assert!(
            message.contains("0 of 3 rows would be held out; give"),
            "{message}"
        );
        let message = held_out(&mut vec![1, 2, 3], 0.5, 1, |_| (vec![0], ()));
        let message = message.unwrap_err().to_string();
        assert!(
            message.contains("held out, for up to 3 rows have texts in common"),
            "{message}"
        );
        let message = held_out(&mut vec![1, 2], 0.5, 1, |row| (vec![*row], *row));
        let message = message.unwrap_err().to_string();
        assert!(
            message.contains("0 of 2 rows would be held out, for at least one row of each label"),
            "{message}"
        );
    }

    #[test]
    fn questions_are_not_called_rows() {
        for (texts, share, expected) in [
            (
                &[0][..],
                0.5,
                "0 of 1 question would be held out, for at least one must stay; give a file with more",
            ),
            (
                &[0],
                0.1,
                "0 of 1 question would be held out; give a file with more",
            ),
            (
                &[0, 1, 2],
                0.1,
                "0 of 3 questions would be held out; give another share",
            ),
            (
                &[0, 0, 1],
                0.1,
                "0 of 3 questions would be held out, for up to 2 questions belong together and stay on \
                 one side; give another share",
            ),
        ] {
            let mut rows = texts.to_vec();
            let error = held_out(&mut rows, share, 1, |row| (vec![*row], ())).unwrap_err();
            assert_eq!(error.of_questions().to_string(), expected);
        }
    }
}

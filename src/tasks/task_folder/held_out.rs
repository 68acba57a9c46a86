//! Rows that are held out of a train file for its dev file.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

use super::error::Error;

/// Takes a share of the rows away, drawn by `seed`, and returns them. `by` tells a row's text and its
/// label: of each label the share is held out, and rows with one text stay on one side, so that what
/// is marked was not learnt.
pub(super) fn held_out<T, K: Hash + Eq, L: Ord>(
    rows: &mut Vec<T>,
    share: f64,
    seed: u64,
    by: impl Fn(&T) -> (K, L),
) -> Result<Vec<T>, Error> {
    let mut groups: HashMap<K, usize> = HashMap::new();
    // By label, in the order of the file: the rows of each text.
    let mut of_label: BTreeMap<L, Vec<Vec<usize>>> = BTreeMap::new();
    let mut places: Vec<Vec<usize>> = Vec::new();
    let mut labels: Vec<L> = Vec::new();
    for (place, row) in rows.iter().enumerate() {
        let (text, label) = by(row);
        match groups.get(&text) {
            Some(&group) => places[group].push(place),
            None => {
                groups.insert(text, places.len());
                places.push(vec![place]);
                labels.push(label);
            }
        }
    }
    for (label, places) in labels.into_iter().zip(places) {
        of_label.entry(label).or_default().push(places);
    }
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut held = vec![false; rows.len()];
    for groups in of_label.values_mut() {
        groups.shuffle(&mut random);
        let all: usize = groups.iter().map(Vec::len).sum();
        let quota = (share * all as f64).round() as usize;
        let mut taken = 0;
        for group in groups.iter() {
            if taken + group.len() > quota {
                continue;
            }
            taken += group.len();
            group.iter().for_each(|&place| held[place] = true);
        }
    }
    let count = held.iter().filter(|&&held| held).count();
    if count == 0 || count == rows.len() {
        return Err(Error::Share {
            share,
            rows: rows.len(),
            count,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_has_its_share_and_no_text_is_on_both_sides() {
        let all: Vec<(usize, bool)> = (0..100).map(|n| (n / 2, n % 20 < 4)).collect();
        let draw = |seed| {
            let mut rows = all.clone();
            let out = held_out(&mut rows, 0.2, seed, |row| *row).unwrap();
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
    fn a_share_of_nothing_is_refused() {
        let message = held_out(&mut vec![1, 2, 3], 0.1, 1, |row| (*row, ()));
        let message = message.unwrap_err().to_string();
        assert!(message.contains("0 of 3 rows"), "{message}");
    }
}

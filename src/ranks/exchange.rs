//! Sums over the ranks that are made while a rank still computes.
//!
//! MPI moves values only while one of its functions runs. So a thread of its own exchanges what the rank
//! gives it, piece by piece, until the rank has given everything and taken the sums.

use std::{
    sync::{
        Arc, OnceLock,
        mpsc::{Receiver, Sender, channel},
    },
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use super::Wire;

/// Values that are summed together.
pub struct Piece {
    pub values: Vec<f32>,
    pub wire: Wire,
}

/// When a rank began to wait for sums, having nothing else to do.
pub(super) type Awaited = Arc<OnceLock<Instant>>;

/// The exchange of a step. Every rank gives the same pieces in the same order.
pub struct Exchange {
    way: Way,
    given: usize,
}

enum Way {
    /// A thread exchanges while the rank computes.
    Beside {
        pieces: Sender<Piece>,
        sums: Receiver<Vec<f32>>,
        awaited: Awaited,
    },
    /// Everything is exchanged when the rank has computed.
    After(Vec<Piece>),
}

impl Exchange {
    pub(super) fn after() -> Self {
        Self {
            way: Way::After(Vec::new()),
            given: 0,
        }
    }

    /// An exchange, and its other side.
    pub(super) fn beside() -> (Self, Other) {
        let ((to_other, pieces), (to_rank, sums)) = (channel(), channel());
        let awaited = Awaited::default();
        let exchange = Self {
            way: Way::Beside {
                pieces: to_other,
                sums,
                awaited: awaited.clone(),
            },
            given: 0,
        };
        let other = Other {
            pieces,
            sums: to_rank,
            awaited,
        };
        (exchange, other)
    }

    /// Pieces that were given so far.
    pub fn given(&self) -> usize {
        self.given
    }

    /// Gives the next piece, whose sums replace its values.
    pub fn give(&mut self, piece: Piece) {
        self.given += 1;
        match &mut self.way {
            // If the other side is gone, its thread has panicked, and this one will when it ends.
            Way::Beside { pieces, .. } => _ = pieces.send(piece),
            Way::After(pieces) => pieces.push(piece),
        }
    }

    /// The sums of all pieces in their order, each as soon as it is there. `sum` makes them if no thread
    /// does.
    pub(super) fn sums(
        self,
        mut sum: impl FnMut(&mut Piece, &Awaited),
        each: impl FnMut(Vec<f32>),
    ) {
        match self.way {
            Way::Beside {
                pieces,
                sums,
                awaited,
            } => {
                awaited.get_or_init(Instant::now);
                drop(pieces);
                sums.into_iter().for_each(each);
            }
            Way::After(pieces) => {
                let awaited = Awaited::new(Instant::now().into());
                let sums = pieces.into_iter().map(|mut piece| {
                    sum(&mut piece, &awaited);
                    piece.values
                });
                sums.for_each(each);
            }
        }
    }
}

/// What the thread of an exchange has of it.
pub(super) struct Other {
    pieces: Receiver<Piece>,
    sums: Sender<Vec<f32>>,
    awaited: Awaited,
}

impl Other {
    /// Sums what is given, until the rank gives no more.
    pub fn run(self, mut sum: impl FnMut(&mut Piece, &Awaited)) {
        for mut piece in self.pieces {
            sum(&mut piece, &self.awaited);
            // A rank that has failed takes no sums. What it gave, it still owes the others.
            _ = self.sums.send(piece.values);
        }
    }
}

/// What exchanges have cost a rank.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Bytes of the exchanged values, in the format in which they are sent.
    pub bytes: usize,
    /// Time in which values were exchanged and added, all ranks having given them.
    pub seconds: f64,
    /// As much of it as passed while the rank still computed.
    pub hidden_seconds: f64,
    /// Time in which the rank did nothing but wait until the slowest had given its values.
    pub waited_seconds: f64,
}

impl Cost {
    /// Of a piece that was given at `began`, by all ranks at `met`, and was summed at `done`.
    pub(super) fn of(bytes: usize, [began, met, done]: [Instant; 3], awaited: &Awaited) -> Self {
        let awaited = awaited.get().copied().unwrap_or(done);
        let seconds = |from: Instant, to: Instant| {
            let time = to.checked_duration_since(from);
            time.unwrap_or(Duration::ZERO).as_secs_f64()
        };
        Self {
            bytes,
            seconds: seconds(met, done),
            hidden_seconds: seconds(met, awaited.min(done)),
            waited_seconds: seconds(awaited.max(began), met),
        }
    }

    pub(super) fn add(&mut self, more: &Self) {
        self.bytes += more.bytes;
        self.seconds += more.seconds;
        self.hidden_seconds += more.hidden_seconds;
        self.waited_seconds += more.waited_seconds;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(values: &[f32]) -> Piece {
        Piece {
            values: values.to_vec(),
            wire: Wire::F32,
        }
    }

    fn twice(piece: &mut Piece, _: &Awaited) {
        piece.values.iter_mut().for_each(|value| *value *= 2.0);
    }

    #[test]
    fn sums_come_in_the_order_of_the_pieces_either_way() {
        let all = |mut exchange: Exchange| {
            exchange.give(piece(&[1.0, 2.0]));
            exchange.give(piece(&[]));
            exchange.give(piece(&[3.0]));
            assert_eq!(exchange.given(), 3);
            let mut sums = Vec::new();
            exchange.sums(twice, |values| sums.push(values));
            sums
        };
        let expected = [vec![2.0, 4.0], vec![], vec![6.0]];
        assert_eq!(all(Exchange::after()), expected);
        let (exchange, other) = Exchange::beside();
        let beside = std::thread::scope(|scope| {
            scope.spawn(|| other.run(twice));
            all(exchange)
        });
        assert_eq!(beside, expected);
    }

    #[test]
    fn a_thread_sums_before_the_rank_has_given_everything() {
        let (mut exchange, other) = Exchange::beside();
        let (summed, seen) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                other.run(|piece, awaited| {
                    summed
                        .send((piece.values[0], awaited.get().is_some()))
                        .unwrap()
                });
            });
            exchange.give(piece(&[1.0]));
            assert_eq!(seen.recv(), Ok((1.0, false)));
            exchange.give(piece(&[2.0]));
            exchange.sums(|_, _| (), |_| ());
        });
        assert_eq!(seen.recv().unwrap().0, 2.0);
    }

    #[test]
    fn a_rank_that_fails_leaves_no_thread_waiting() {
        let (mut exchange, other) = Exchange::beside();
        std::thread::scope(|scope| {
            scope.spawn(|| other.run(twice));
            exchange.give(piece(&[1.0]));
            drop(exchange);
        });
    }

    #[test]
    fn what_passes_while_a_rank_computes_is_hidden() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let cost = |times: [u64; 3], awaited: Option<u64>| {
            let cell = Awaited::default();
            if let Some(awaited) = awaited {
                cell.set(at(awaited)).unwrap();
            }
            let mut cost = Cost::default();
            cost.add(&Cost::of(8, times.map(at), &cell));
            assert_eq!(cost.bytes, 8);
            [cost.seconds, cost.hidden_seconds, cost.waited_seconds]
        };
        assert_eq!(cost([1, 3, 7], None), [4.0, 4.0, 0.0]);
        assert_eq!(cost([1, 3, 7], Some(9)), [4.0, 4.0, 0.0]);
        assert_eq!(cost([1, 3, 7], Some(5)), [4.0, 2.0, 0.0]);
        assert_eq!(cost([1, 3, 7], Some(2)), [4.0, 0.0, 1.0]);
        assert_eq!(cost([1, 3, 7], Some(0)), [4.0, 0.0, 2.0]);
    }
}

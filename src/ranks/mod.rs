//! The processes that train one model together, as ranks of an MPI program.
//!
//! `mpirun -np 2 electra finetune …` starts two ranks, each on a device of its own. Rank 0 does what a
//! process alone would do, and the others compute their share of each step. Without the feature `mpi`,
//! and in a process that no launcher started, there is one rank and nothing is exchanged.
//!
//! If a rank is lost, MPI and its launcher end the others: what is exchanged here returns no errors.

#[cfg_attr(
    not(any(feature = "mpi", test)),
    expect(dead_code, reason = "without MPI nothing is exchanged")
)]
mod exchange;
#[cfg_attr(
    not(any(feature = "mpi", test)),
    expect(dead_code, reason = "without MPI nothing is exchanged")
)]
mod wire;
#[cfg(feature = "mpi")]
mod world;

use std::ops::Range;

#[cfg(feature = "mpi")]
use self::world::World;
pub use self::{
    exchange::{Cost, Exchange, Piece},
    wire::Wire,
};

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "rank {rank} has other values than rank 0: {differing}; start all ranks with the same program, \
         settings, data and weights"
    )]
    Differ { rank: usize, differing: String },
}

/// The ranks of a program, as one of them sees them.
#[derive(Default)]
pub struct Ranks {
    #[cfg(feature = "mpi")]
    world: Option<World>,
}

impl Ranks {
    /// A process alone.
    pub fn alone() -> Self {
        Self::default()
    }

    /// Those that the launcher of this process has started. To be called once in a process, by its first
    /// thread; dropping the value is what takes leave of the others, and waits for them.
    pub fn of_process() -> Self {
        Self {
            #[cfg(feature = "mpi")]
            world: World::of_launcher(),
        }
    }

    /// This one's number, from 0.
    pub fn number(&self) -> usize {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.number();
        }
        0
    }

    pub fn count(&self) -> usize {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.count();
        }
        1
    }

    pub fn is_alone(&self) -> bool {
        self.count() == 1
    }

    /// Whether this is rank 0, which leads the others.
    pub fn is_first(&self) -> bool {
        self.number() == 0
    }

    /// This one's number among the ranks on its machine, and how many these are.
    pub fn on_machine(&self) -> (usize, usize) {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.on_machine();
        }
        (0, 1)
    }

    /// The name of this one's machine; empty if it is alone.
    pub fn machine(&self) -> String {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.machine();
        }
        String::new()
    }

    /// Which of `rows` rows are this rank's: shares follow each other and differ by one row at most.
    pub fn share(&self, rows: usize) -> Range<usize> {
        share(rows, self.number(), self.count())
    }

    /// Does `work`, which gives values to sum over all ranks by and by; they are exchanged while it goes on,
    /// and in no other way during it. It takes the sums by [`sums`](Self::sums).
    pub fn exchange<T>(&self, work: impl FnOnce(Exchange) -> T) -> T {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.exchange(work);
        }
        work(Exchange::after())
    }

    /// The sums of all pieces of an exchange in their order, the same in each rank.
    pub fn sums(&self, exchange: Exchange, each: impl FnMut(Vec<f32>)) {
        exchange.sums(
            |piece, awaited| {
                #[cfg(feature = "mpi")]
                if let Some(world) = &self.world {
                    world.sum(piece, awaited);
                }
                // The sum of one is the same.
                let _ = (piece, awaited);
            },
            each,
        );
    }

    /// What the last exchange has cost this rank; `None` if it is alone.
    pub fn last_cost(&self) -> Option<Cost> {
        #[cfg(feature = "mpi")]
        return self.world.as_ref().and_then(World::last_cost);
        #[cfg(not(feature = "mpi"))]
        None
    }

    /// A line on what exchanges have cost this rank so far; `None` if there were none.
    pub fn cost(&self) -> Option<String> {
        #[cfg(feature = "mpi")]
        return self.world.as_ref().and_then(World::cost);
        #[cfg(not(feature = "mpi"))]
        None
    }

    /// Whether all ranks end with this error, which this one is about to tell. Only rank 0 learns it; if it
    /// does, it tells the error and ends the others, who wait for that a little here.
    pub fn all_failed(&self, error: &str) -> bool {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.all_failed(crc32c::crc32c(error.as_bytes()));
        }
        let _ = error;
        true
    }

    /// The largest of the values that the ranks give.
    pub fn most(&self, value: u32) -> u32 {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.most(value);
        }
        value
    }

    /// Whether one rank at least says yes.
    pub fn any(&self, yes: bool) -> bool {
        self.most(yes.into()) > 0
    }

    /// The text that rank 0 gives; what others give is not looked at.
    pub fn told(&self, text: String) -> String {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.told(text);
        }
        text
    }

    /// The texts of all ranks, in their order.
    pub fn all(&self, text: String) -> Vec<String> {
        (0..self.count())
            .map(|number| self.of(number, &text))
            .collect()
    }

    fn of(&self, number: usize, text: &str) -> String {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.of(number, text);
        }
        let _ = number;
        text.to_owned()
    }

    /// The words of all ranks, in their order.
    pub fn all_words(&self, words: &[u32]) -> Vec<u32> {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            return world.all_words(words);
        }
        words.to_vec()
    }

    /// What every rank says is wrong with it: `None` if nothing is.
    ///
    /// # Errors
    /// In every rank, the first of those that something is wrong with.
    pub fn agree(&self, wrong: Option<String>) -> Result<(), Error> {
        let all = self.all(wrong.unwrap_or_default()).into_iter().enumerate();
        match all.into_iter().find(|(_, differing)| !differing.is_empty()) {
            None => Ok(()),
            Some((rank, differing)) => Err(Error::Differ { rank, differing }),
        }
    }

    /// Ends all ranks at once with this exit code, which the launcher then has.
    pub fn end_all(&self, code: u8) -> ! {
        #[cfg(feature = "mpi")]
        if let Some(world) = &self.world {
            world.end_all(code);
        }
        std::process::exit(code.into())
    }
}

fn share(rows: usize, number: usize, count: usize) -> Range<usize> {
    rows * number / count..rows * (number + 1) / count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_follow_each_other_and_are_all_rows() {
        let shares = |rows, count| -> Vec<_> {
            (0..count)
                .map(|number| share(rows, number, count))
                .collect()
        };
        assert_eq!(shares(8, 2), [0..4, 4..8]);
        assert_eq!(shares(7, 3), [0..2, 2..4, 4..7]);
        assert_eq!(shares(1, 2), [0..0, 0..1]);
    }

    #[test]
    fn one_alone_has_all_rows_and_hears_itself() {
        let alone = Ranks::alone();
        assert_eq!((alone.number(), alone.count()), (0, 1));
        assert_eq!((alone.share(5), alone.on_machine()), (0..5, (0, 1)));
        let mut sums = Vec::new();
        alone.exchange(|mut exchange| {
            let wire = Wire::F32;
            let values = vec![1.0, 2.0];
            exchange.give(Piece { values, wire });
            alone.sums(exchange, |values| sums.push(values));
        });
        assert_eq!(sums, [[1.0, 2.0]]);
        assert_eq!((alone.last_cost(), alone.cost()), (None, None));
        assert!(alone.all_failed("no disk"));
        assert_eq!((alone.most(3), alone.any(false)), (3, false));
        assert_eq!(alone.told("a".into()), "a");
        assert_eq!(alone.all("b".into()), ["b"]);
        assert_eq!(alone.all_words(&[1, 2]), [1, 2]);
        assert!(alone.agree(None).is_ok());
        let message = alone.agree(Some("seed: 1 there, 2 now".into()));
        assert_eq!(
            message.unwrap_err().to_string(),
            "rank 0 has other values than rank 0: seed: 1 there, 2 now; start all ranks with the same \
             program, settings, data and weights"
        );
    }
}

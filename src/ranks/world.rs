//! What ranks exchange over MPI.
//!
//! Waiting asks MPI again and again instead of blocking in it, so that a rank that waits long, as all
//! others do while rank 0 evaluates, does not take a core from those that compute.

use std::{
    env,
    sync::{
        Mutex,
        mpsc::{self, RecvTimeoutError, Sender},
    },
    thread::{self, panicking, sleep, yield_now},
    time::{Duration, Instant},
};

use mpi::{
    Threading,
    collective::SystemOperation,
    environment::{Universe, processor_name},
    request::{Request, Scope, scope},
    traits::{Communicator, CommunicatorCollectives, Destination, Equivalence, Root, Source},
};

use super::{
    Wire,
    exchange::{Awaited, Cost, Exchange, Piece},
    wire::{rounded, sums_of, widened},
};

/// Set by launchers for the processes that they start: Open MPI, MPICH and its kin, Slurm.
const LAUNCHED: [&str; 4] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK"];

/// Which rank a process is, by the same launchers.
const NUMBERED: [&str; 4] = [
    "OMPI_COMM_WORLD_RANK",
    "PMIX_RANK",
    "PMI_RANK",
    "SLURM_PROCID",
];

/// Set to 0, sums are made only when a rank has computed, to see what it gains to make them before.
const OVERLAPS: &str = "ELECTRA_OVERLAP";

/// Values that are summed at once; bounds what is copied.
const AT_ONCE: usize = 1 << 22;

/// How long a rank keeps its core while it waits, how long it then sleeps, and after how long rank 0
/// tells that it waits.
const KEEPS: Duration = Duration::from_millis(50);
const SLEEPS: Duration = Duration::from_micros(300);
const TELLS: Duration = Duration::from_secs(60);

/// How long the thread of an exchange sleeps between two looks while the rank computes, which needs the core.
const BESIDE: Duration = Duration::from_micros(100);

/// After how long a rank tells that others have not started.
const STARTS: Duration = Duration::from_secs(20);

/// How long a rank that has failed gives the others to fail, too, and after how much longer each rank after
/// rank 0 tells what it has to tell.
const FAILS: Duration = Duration::from_millis(1000);
const LATER: Duration = Duration::from_millis(200);

/// Of messages with the checksum of an error.
const FAILED: i32 = 1;

/// Exit code of a process that panicked.
const PANICKED: u8 = 101;

/// All ranks that were started together.
pub(super) struct World {
    universe: Universe,
    /// Whether a thread beside the first may use MPI while that does not.
    overlaps: bool,
    spent: Mutex<Spent>,
}

/// What exchanges have cost this rank.
#[derive(Clone, Copy, Default)]
struct Spent {
    exchanges: u32,
    all: Cost,
    last: Cost,
}

impl World {
    /// The world of a process that a launcher started.
    pub fn of_launcher() -> Option<Self> {
        if LAUNCHED.iter().all(|name| env::var_os(name).is_none()) {
            return None;
        }
        let waits = tell_if_it_waits();
        // The first thread uses MPI, or that of an exchange, while the first waits for it or computes.
        let (universe, threads) = mpi::initialize_with_threading(Threading::Serialized)?;
        drop(waits);
        let is_asked = env::var_os(OVERLAPS).is_none_or(|value| value != "0");
        Some(Self {
            universe,
            overlaps: is_asked && threads >= Threading::Serialized,
            spent: Mutex::default(),
        })
    }

    pub fn number(&self) -> usize {
        self.universe.world().rank() as usize
    }

    pub fn count(&self) -> usize {
        self.universe.world().size() as usize
    }

    pub fn on_machine(&self) -> (usize, usize) {
        let world = self.universe.world();
        let machine = world.split_shared(world.rank());
        (machine.rank() as usize, machine.size() as usize)
    }

    pub fn machine(&self) -> String {
        processor_name().unwrap_or_else(|_| "a machine without a name".to_owned())
    }

    /// Does `work`, which uses no MPI but by its exchange.
    pub fn exchange<T>(&self, work: impl FnOnce(Exchange) -> T) -> T {
        if let Ok(mut spent) = self.spent.lock() {
            spent.exchanges += 1;
            spent.last = Cost::default();
        }
        if !self.overlaps {
            return work(Exchange::after());
        }
        let (exchange, other) = Exchange::beside();
        thread::scope(|scope| {
            scope.spawn(move || other.run(|piece, awaited| self.sum(piece, awaited)));
            work(exchange)
        })
    }

    /// Sums in an order that depends on the number of ranks alone.
    pub fn sum(&self, piece: &mut Piece, awaited: &Awaited) {
        let began = Instant::now();
        // A rank that is early waits here for the last, and keeps no core meanwhile.
        self.greatest(0, Wait::Beside(awaited, &Wait::Asleep));
        let met = Instant::now();
        let bytes = piece.wire.bytes(piece.values.len());
        let wait = Wait::Beside(awaited, &Wait::Awake);
        for values in piece.values.chunks_mut(AT_ONCE) {
            match piece.wire {
                Wire::F32 => self.sum_f32(values, wait),
                Wire::Bf16 => self.sum_bf16(values, wait),
            }
        }
        let cost = Cost::of(bytes, [began, met, Instant::now()], awaited);
        if let Ok(mut spent) = self.spent.lock() {
            spent.all.add(&cost);
            spent.last.add(&cost);
        }
    }

    fn sum_f32(&self, values: &mut [f32], wait: Wait) {
        let own = values.to_vec();
        let world = self.universe.world();
        scope(|scope| {
            let sum = SystemOperation::sum();
            let request = world.immediate_all_reduce_into(scope, own.as_slice(), values, sum);
            self.wait(request, wait);
        });
    }

    /// Each rank adds a part of the values, so that all have the same sums.
    fn sum_bf16(&self, values: &mut [f32], wait: Wait) {
        let (number, count) = (self.number(), self.count());
        let each = values.len().div_ceil(count);
        let own = values.chunks(each).nth(number).unwrap_or_default();
        let mut sent: Vec<u16> = values.iter().copied().map(rounded).collect();
        sent.resize(each * count, 0);
        let mut parts = vec![0; sent.len()];
        let world = self.universe.world();
        scope(|scope| {
            let request =
                world.immediate_all_to_all_into(scope, sent.as_slice(), parts.as_mut_slice());
            self.wait(request, wait);
        });
        let own = sums_of(&parts, each, number, own);
        scope(|scope| {
            let request =
                world.immediate_all_gather_into(scope, own.as_slice(), sent.as_mut_slice());
            self.wait(request, wait);
        });
        for (value, &sum) in values.iter_mut().zip(&sent) {
            *value = widened(sum);
        }
    }

    /// What the last exchange has cost this rank.
    pub fn last_cost(&self) -> Option<Cost> {
        self.spent.lock().ok().map(|spent| spent.last)
    }

    /// What exchanges have cost this rank, if there were any.
    pub fn cost(&self) -> Option<String> {
        let Spent { exchanges, all, .. } = *self.spent.lock().ok()?;
        let each = all.bytes.checked_div(exchanges as usize)?;
        Some(format!(
            "{} ranks: {exchanges} sums of {:.1} MB took {:.1} s, {:.1} s of it while this rank computed; \
             {:.1} s of waiting for the slowest rank",
            self.count(),
            each as f64 / 1e6,
            all.seconds,
            all.hidden_seconds,
            all.waited_seconds,
        ))
    }

    /// Whether all ranks have failed with an error of this checksum. Only rank 0 learns it; another returns
    /// when it may have something to tell that rank 0 does not.
    pub fn all_failed(&self, checksum: u32) -> bool {
        let world = self.universe.world();
        if self.number() > 0 {
            world.process_at_rank(0).send_with_tag(&checksum, FAILED);
            sleep(FAILS + self.number() as u32 * LATER);
            return false;
        }
        let began = Instant::now();
        let mut others = 1..self.count();
        others.all(|rank| {
            let other = world.process_at_rank(rank as i32);
            while other.immediate_probe_with_tag(FAILED).is_none() {
                if began.elapsed() > FAILS {
                    return false;
                }
                sleep(SLEEPS);
            }
            other.receive_with_tag::<u32>(FAILED).0 == checksum
        })
    }

    pub fn most(&self, value: u32) -> u32 {
        self.greatest(value, Wait::Asleep)
    }

    fn greatest(&self, value: u32, wait: Wait) -> u32 {
        let mut most = 0;
        let world = self.universe.world();
        scope(|scope| {
            let max = SystemOperation::max();
            let request = world.immediate_all_reduce_into(scope, &value, &mut most, max);
            self.wait(request, wait);
        });
        most
    }

    pub fn told(&self, text: String) -> String {
        self.of(0, &text)
    }

    /// The text of one of the ranks.
    pub fn of(&self, number: usize, text: &str) -> String {
        let bytes = self.values_of(number, text.as_bytes());
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn all_words(&self, words: &[u32]) -> Vec<u32> {
        let each = (0..self.count()).map(|number| self.values_of(number, words));
        each.collect::<Vec<_>>().concat()
    }

    /// The values of one of the ranks, whatever the others give.
    fn values_of<T: Equivalence + Clone + Default>(&self, number: usize, own: &[T]) -> Vec<T> {
        let world = self.universe.world();
        let root = world.process_at_rank(number as i32);
        let mut length = own.len() as u64;
        scope(|scope| {
            let request = root.immediate_broadcast_into(scope, &mut length);
            self.wait(request, Wait::Asleep);
        });
        let mut values = match number == self.number() {
            true => own.to_vec(),
            false => vec![T::default(); length as usize],
        };
        // Open MPI refuses to send nothing.
        if !values.is_empty() {
            scope(|scope| {
                let request = root.immediate_broadcast_into(scope, values.as_mut_slice());
                self.wait(request, Wait::Awake);
            });
        }
        values
    }

    pub fn end_all(&self, code: u8) -> ! {
        self.universe.world().abort(code.into())
    }

    fn wait<'a, D: ?Sized, S: Scope<'a>>(&self, mut request: Request<'a, D, S>, how: Wait) {
        let began = Instant::now();
        let mut is_told = self.number() > 0;
        loop {
            match request.test() {
                Ok(_) => return,
                Err(open) => request = open,
            }
            let waited = began.elapsed();
            match how {
                Wait::Beside(awaited, _) if awaited.get().is_none() => sleep(BESIDE),
                Wait::Asleep | Wait::Beside(_, Wait::Asleep) if waited > KEEPS => sleep(SLEEPS),
                _ => yield_now(),
            }
            if !is_told && waited > TELLS {
                is_told = true;
                log::warn!(
                    "rank 0 has waited {} s for the other ranks; if one of them is lost, end the run: \
                     it goes on from its last checkpoint",
                    TELLS.as_secs()
                );
            }
        }
    }
}

/// Tells after a while that the ranks have not met, which MPI waits for without a word; not if the value that
/// is returned is dropped before.
fn tell_if_it_waits() -> Sender<()> {
    let (waits, met) = mpsc::channel();
    // MPI has not told yet which rank this is.
    let rank = NUMBERED.iter().find_map(|name| env::var(name).ok());
    let rank = rank.map_or_else(String::new, |rank| format!("rank {rank}: "));
    let tell = move || {
        if met.recv_timeout(STARTS) == Err(RecvTimeoutError::Timeout) {
            log::warn!(
                "{rank}waited {} s for all ranks to start; if this goes on, end the run and check that the \
                 launcher reaches every machine and finds the program there",
                STARTS.as_secs()
            );
        }
    };
    // Without a thread it is not told.
    let _ = thread::Builder::new().spawn(tell);
    waits
}

/// How a rank waits.
#[derive(Clone, Copy)]
enum Wait<'a> {
    /// For others that still compute.
    Asleep,
    /// For values that are on their way.
    Awake,
    /// Beside its own computing, and when that is done in another way.
    Beside(&'a Awaited, &'a Wait<'a>),
}

impl Drop for World {
    /// Waits for the others, which a panic would leave waiting for this one.
    fn drop(&mut self) {
        if panicking() {
            self.end_all(PANICKED);
        }
        self.most(0);
    }
}

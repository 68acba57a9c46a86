//! What ranks exchange over MPI.
//!
//! Waiting asks MPI again and again instead of blocking in it, so that a rank that waits long, as all
//! others do while rank 0 evaluates, does not take a core from those that compute.

use std::{
    env,
    sync::Mutex,
    thread::{panicking, sleep, yield_now},
    time::{Duration, Instant},
};

use mpi::{
    Threading,
    collective::SystemOperation,
    environment::{Universe, processor_name},
    request::{Request, Scope, scope},
    traits::{Communicator, CommunicatorCollectives, Equivalence, Root},
};

/// Set by launchers for the processes that they start: Open MPI, MPICH and its kin, Slurm.
const LAUNCHED: [&str; 4] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMI_RANK", "PMIX_RANK"];

/// Values that are summed at once; bounds what is copied.
const AT_ONCE: usize = 1 << 22;

/// How long a rank keeps its core while it waits, how long it then sleeps, and after how long rank 0
/// tells that it waits.
const KEEPS: Duration = Duration::from_millis(50);
const SLEEPS: Duration = Duration::from_micros(300);
const TELLS: Duration = Duration::from_secs(60);

/// Exit code of a process that panicked.
const PANICKED: u8 = 101;

/// All ranks that were started together.
pub(super) struct World {
    universe: Universe,
    spent: Mutex<Spent>,
}

/// What sums have cost this rank so far.
#[derive(Clone, Copy, Default)]
struct Spent {
    sums: u32,
    values: usize,
    /// Waiting for the slowest rank, and adding up.
    waiting: Duration,
    adding: Duration,
}

impl World {
    /// The world of a process that a launcher started.
    pub fn of_launcher() -> Option<Self> {
        if LAUNCHED.iter().all(|name| env::var_os(name).is_none()) {
            return None;
        }
        // Only the first thread uses MPI.
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)?;
        Some(Self {
            universe,
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

    /// Sums in an order that depends on the number of ranks alone.
    pub fn sum(&self, values: &mut [f32]) {
        let began = Instant::now();
        // A rank that is early waits here for the last, and keeps no core meanwhile.
        self.most(0);
        let waited = began.elapsed();
        let count = values.len();
        let world = self.universe.world();
        let sum = SystemOperation::sum();
        let mut own = Vec::new();
        for values in values.chunks_mut(AT_ONCE) {
            own.clear();
            own.extend_from_slice(values);
            scope(|scope| {
                let request = world.immediate_all_reduce_into(scope, own.as_slice(), values, sum);
                self.wait(request, Wait::Awake);
            });
        }
        if let Ok(mut spent) = self.spent.lock() {
            spent.sums += 1;
            spent.values += count;
            spent.waiting += waited;
            spent.adding += began.elapsed() - waited;
        }
    }

    /// What sums have cost this rank, if there were any.
    pub fn cost(&self) -> Option<String> {
        let spent = *self.spent.lock().ok()?;
        let each = (spent.values * size_of::<f32>()).checked_div(spent.sums as usize)?;
        Some(format!(
            "{} ranks: {} sums of {:.1} MB took {:.1} s, after {:.1} s of waiting for the slowest rank",
            self.count(),
            spent.sums,
            each as f64 / 1e6,
            spent.adding.as_secs_f64(),
            spent.waiting.as_secs_f64(),
        ))
    }

    pub fn most(&self, value: u32) -> u32 {
        let mut most = 0;
        let world = self.universe.world();
        scope(|scope| {
            let max = SystemOperation::max();
            let request = world.immediate_all_reduce_into(scope, &value, &mut most, max);
            self.wait(request, Wait::Asleep);
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
                Wait::Asleep if waited > KEEPS => sleep(SLEEPS),
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

/// How a rank waits: for others that still compute, or for values that are on their way.
#[derive(Clone, Copy)]
enum Wait {
    Asleep,
    Awake,
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

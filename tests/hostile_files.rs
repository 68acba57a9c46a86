//! The fuzzing targets on their seeds, within their budget of time and memory: files that once broke
//! a reader, and ordinary ones.

#[path = "../fuzz/src/lib.rs"]
mod fuzz;

use std::{fs, path::Path, time::Duration};

use fuzz::budget::{Budget, FUZZING};

/// A fuzzer has the machine to itself; a test shares it.
const BUDGET: Budget = Budget {
    time: Duration::from_secs(60),
    ..FUZZING
};

#[test]
fn every_seed_is_read_or_refused() {
    // First, and not beside the seeds: memory is the process's.
    what_costs_more_than_its_budget_is_a_finding();
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    for (name, target) in fuzz::TARGETS {
        let files: Vec<_> = fs::read_dir(seeds.join(name))
            .unwrap_or_else(|error| panic!("{name}: {error}"))
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(files.len() >= 3, "{name} has {} seeds", files.len());
        for file in files {
            println!("{}", file.display());
            let bytes = fs::read(file).unwrap();
            fuzz::run(BUDGET, target, &bytes);
        }
    }
}

fn what_costs_more_than_its_budget_is_a_finding() {
    let spent = |budget: Budget, work: fn()| std::panic::catch_unwind(|| budget.hold(10, work));
    let slow = Budget {
        time: Duration::from_millis(1),
        ..BUDGET
    };
    let sleep = || std::thread::sleep(Duration::from_millis(20));
    assert!(spent(slow, sleep).is_err());
    assert!(spent(BUDGET, sleep).is_ok());
    #[cfg(target_os = "linux")]
    {
        let small = Budget {
            memory: 1 << 20,
            ..BUDGET
        };
        let fill = || {
            std::hint::black_box(vec![1u8; 128 << 20]);
        };
        assert!(spent(small, fill).is_err());
    }
}

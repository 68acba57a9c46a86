//! Tests that the output is the same on any number of cores.

use crate::support::small_run::SmallRun;

#[test]
fn a_run_ends_with_the_same_bytes_on_any_number_of_cores() {
    let record = |threads: &str| {
        let mut run = SmallRun::new();
        run.sets = vec!["num_train_epochs=0.25".into()];
        let output = run
            .command()
            .env("RAYON_NUM_THREADS", threads)
            .output()
            .unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{threads}: {stderr}");
        run.record()
    };
    let one = record("1");
    for threads in ["2", "3", "8", "12", "16", "24"] {
        assert!(record(threads) == one, "{threads} threads");
    }
}

//! Tests of what is removed from a run's folder, and what stays in it.

use super::*;

fn lay(folder: &Path, files: &[&str]) {
    for file in files {
        let path = folder.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
}

fn names(folder: &Path) -> Vec<String> {
    entries(folder).iter().map(|(_, path)| name(path)).collect()
}

#[test]
fn leftovers_go_and_all_else_stays() {
    let folder = tempfile::tempdir().unwrap();
    let leftovers = [
        "checkpoint-25.tmp/model.bpk",
        "checkpoint-25.tmp/optimizer.bpk.17-3.tmp",
        "checkpoint-30.old/state.json",
        "checkpoint-3/model.bpk",
        "model.bpk.42-0.tmp",
        ".electra-a1b2c3",
    ];
    let stays = [
        "checkpoint-7/state.json",
        "checkpoint-7.damaged/model.bpk",
        "checkpoint-9/notes.txt",
        "checkpoint-x.tmp/model.bpk",
        "model.bpk",
        "thesis.tmp",
        "train_log.jsonl",
    ];
    lay(folder.path(), &leftovers);
    lay(folder.path(), &stays);
    let mut notes = Vec::new();
    tidy(folder.path(), &mut |note| notes.push(note)).unwrap();
    let mut expected: Vec<&str> = stays.map(|path| path.split('/').next().unwrap()).into();
    expected.sort_unstable();
    assert_eq!(names(folder.path()), expected);
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(
        notes[0].contains("checkpoint-9 is no whole checkpoint"),
        "{notes:?}"
    );
    let said = "removed .electra-a1b2c3, checkpoint-25.tmp, checkpoint-3, checkpoint-30.old, \
                model.bpk.42-0.tmp";
    assert!(notes[1].contains(said), "{notes:?}");
}

#[test]
fn what_a_run_wrote_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let model_dir = folder.path().join("mine_1");
    let ours = [
        "checkpoint-7/state.json",
        "checkpoint-7/model.bpk",
        "model.bpk",
        "config.json",
        "vocab.txt",
        "train_log.jsonl",
        "events.out.tfevents.1700000000.electra",
    ];
    lay(&model_dir, &ours);
    remove(&model_dir, &mut |note| panic!("{note}")).unwrap();
    assert!(!model_dir.exists());

    lay(&model_dir, &ours);
    let theirs = [
        "thesis.tex",
        "checkpoint-8/mine.txt",
        "events.out.tfevents.1700000000.host",
    ];
    lay(&model_dir, &theirs);
    let mut notes = Vec::new();
    remove(&model_dir, &mut |note| notes.push(note)).unwrap();
    let left = names(&model_dir);
    assert_eq!(left, ["checkpoint-8", theirs[2], theirs[0]]);
    assert!(
        notes[1].contains("mine_1 stays: it holds checkpoint-8"),
        "{notes:?}"
    );
}

#[test]
fn a_name_that_is_taken_is_counted_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint-28");
    for expected in ["damaged", "damaged2", "damaged3"] {
        let free = aside(&path, "damaged");
        assert_eq!(name(&free), format!("checkpoint-28.{expected}"));
        fs::create_dir(free).unwrap();
    }
}

#[test]
fn what_stands_in_a_checkpoint_s_way_is_kept_under_another_name() {
    let folder = tempfile::tempdir().unwrap();
    lay(
        folder.path(),
        &[
            "checkpoint-15",
            "checkpoint-15.foreign",
            "checkpoint-15.old",
            "checkpoint-15.tmp/model.bpk",
            "checkpoint-16/notes.txt",
            "checkpoint-17/state.json",
            "checkpoint-17.tmp/thesis.tex",
        ],
    );
    let mut notes = Vec::new();
    for step in [14, 15, 16, 17, 15] {
        make_way(folder.path(), step, &mut |note| notes.push(note)).unwrap();
    }
    assert_eq!(
        names(folder.path()),
        [
            "checkpoint-15.foreign",
            "checkpoint-15.foreign2",
            "checkpoint-15.old.foreign",
            "checkpoint-16.foreign",
            "checkpoint-17",
            "checkpoint-17.tmp.foreign",
        ]
    );
    assert_eq!(notes.len(), 4, "{notes:?}");
    assert!(
        notes[0].contains("checkpoint-15: expected no file")
            && notes[0].ends_with("kept as checkpoint-15.foreign2"),
        "{notes:?}"
    );
    // The next start does not take them for leftovers either.
    tidy(folder.path(), &mut |note| panic!("{note}")).unwrap();
    assert_eq!(names(folder.path()).len(), 6);
    let thesis = folder.path().join("checkpoint-17.tmp.foreign/thesis.tex");
    assert_eq!(fs::read_to_string(thesis).unwrap(), "x");
}

#[test]
fn a_checkpoint_is_discarded_beside_a_file_of_its_passing_name() {
    let folder = tempfile::tempdir().unwrap();
    lay(
        folder.path(),
        &["checkpoint-3/state.json", "checkpoint-3.old"],
    );
    discard(&folder.path().join("checkpoint-3")).unwrap();
    assert_eq!(names(folder.path()), ["checkpoint-3.old.foreign"]);
}

#[test]
fn a_model_that_no_run_made_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(foreign_model(folder.path()), None);
    lay(folder.path(), &["config.json", "thesis.tex"]);
    let found = foreign_model(folder.path()).unwrap();
    assert!(found.ends_with("config.json"));
    lay(folder.path(), &["train_log.jsonl"]);
    assert_eq!(foreign_model(folder.path()), None);
}

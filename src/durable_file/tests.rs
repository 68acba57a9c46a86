use std::{fs, io, path::Path};

use super::new_file::PREFIX;
#[cfg(target_os = "linux")]
use super::new_file::nameless;
use super::{is_standard_output, spare_inputs, write_new, write_whole};

fn text(path: &Path, text: &'static str) -> io::Result<()> {
    write_whole(path, |out| out.write_all(text.as_bytes()))
}

#[test]
fn a_file_is_replaced_and_nothing_stays_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.txt");
    let write = |text: &'static str| write_whole(&path, |out| out.write_all(text.as_bytes()));
    write("old and longer\n").unwrap();
    write("new\n").unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "new\n");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_new_file_replaces_none_not_even_one_that_came_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.json");
    let left = || fs::read_dir(folder.path()).unwrap().count();
    let refused = write_new(&path, |out| {
        fs::write(&path, "theirs")?;
        out.write_all(b"mine")
    });
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&path).unwrap(), "theirs");
    assert_eq!(left(), 1);
    fs::remove_file(&path).unwrap();
    write_new(&path, |out| out.write_all(b"mine")).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    assert_eq!(left(), 1);
}

#[test]
fn a_write_that_fails_leaves_the_old_file_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.txt");
    std::fs::write(&path, "old").unwrap();
    let failed = write_whole(&path, |out| {
        out.write_all(b"half")?;
        Err(io::Error::other("full"))
    });
    assert_eq!(failed.unwrap_err().to_string(), "full");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn missing_folders_are_made_and_errors_name_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/deep/results.txt");
    text(&path, "x").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "x");
    let below_a_file = path.join("results.txt");
    let message = text(&below_a_file, "x").unwrap_err().to_string();
    assert!(!message.contains(PREFIX), "{message}");
    let message = text(folder.path(), "x").unwrap_err().to_string();
    assert!(message.contains("directory"), "{message}");
}

#[test]
#[cfg(target_os = "linux")]
fn while_it_is_written_a_file_has_no_name() {
    let folder = tempfile::tempdir().unwrap();
    if nameless::create(folder.path()).is_none() {
        return; // A file system without them.
    }
    let path = folder.path().join("results.txt");
    let names = || fs::read_dir(folder.path()).unwrap().count();
    write_whole(&path, |out| {
        out.write_all(b"x")?;
        assert_eq!(names(), 0);
        Ok(())
    })
    .unwrap();
    assert_eq!(names(), 1);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_file_keeps_its_mode_and_a_new_one_has_that_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.txt");
        let plain = folder.path().join("plain.txt");
        fs::write(&plain, "").unwrap();
        text(&path, "x").unwrap();
        assert_eq!(mode(&path), mode(&plain));
        for kept in [0o600, 0o664, 0o755] {
            fs::set_permissions(&path, fs::Permissions::from_mode(kept)).unwrap();
            text(&path, "y").unwrap();
            assert_eq!(mode(&path), kept);
        }
    }

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("elsewhere")).unwrap();
        fs::write(at("elsewhere/old.txt"), "old").unwrap();
        symlink("elsewhere/old.txt", at("first")).unwrap();
        symlink("first", at("second")).unwrap();
        symlink("elsewhere/new.txt", at("dangling")).unwrap();
        symlink("loop", at("loop")).unwrap();
        text(&at("second"), "new").unwrap();
        text(&at("dangling"), "made").unwrap();
        for link in ["first", "second", "dangling"] {
            assert!(at(link).is_symlink(), "{link}");
        }
        let read = |name: &str| fs::read_to_string(at(name)).unwrap();
        assert_eq!(read("elsewhere/old.txt"), "new");
        assert_eq!(read("elsewhere/new.txt"), "made");
        assert!(text(&at("loop"), "x").is_err());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_pipe_that_nobody_reads_is_told_of_in_a_moment() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let message = text(&fifo, "x").unwrap_err().to_string();
        assert_eq!(message, "no process reads from this pipe (FIFO)");
    }

    #[test]
    fn devices_and_pipes_are_written_into() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        let link = folder.path().join("null");
        symlink("/dev/null", &link).unwrap();
        let reader = std::thread::spawn({
            let fifo = fifo.clone();
            move || fs::read_to_string(fifo).unwrap()
        });
        text(&fifo, "through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        text(&link, "away").unwrap();
        let kind = |path: &Path| fs::symlink_metadata(path).unwrap().file_type();
        assert!(!kind(&fifo).is_file() && !kind(&fifo).is_symlink());
        assert!(kind(&link).is_symlink());
        assert!(!kind(Path::new("/dev/null")).is_file());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn the_program_s_own_outputs_are_known_behind_links() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("stdout");
        symlink("/proc/self/fd/1", &link).unwrap();
        assert!(is_standard_output(&link));
        assert!(is_standard_output(Path::new("/dev/stdout")));
        assert!(!is_standard_output(Path::new("/dev/stderr")));
        assert!(!is_standard_output(&folder.path().join("none")));
    }

    #[test]
    fn an_input_is_spared_by_whatever_name() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("data.json"), "{}").unwrap();
        symlink("data.json", at("link")).unwrap();
        fs::hard_link(at("data.json"), at("hard")).unwrap();
        let input = at("data.json");
        for output in ["data.json", "link", "hard", "./data.json"] {
            let refused = spare_inputs(&at(output), [input.as_path()]).unwrap_err();
            assert!(refused.to_string().contains("would be replaced"));
        }
        assert!(spare_inputs(&at("other"), [input.as_path()]).is_ok());
        let null = Path::new("/dev/null");
        assert!(spare_inputs(null, [null]).is_ok());
    }
}

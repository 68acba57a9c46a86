//! Keeps Mesa from looking for a display in a folder that others can write to.
//!
//! On Linux, Mesa's drivers look for a Wayland display when they start: a socket in the folder that
//! `XDG_RUNTIME_DIR` names. If it is unset (containers, cron, ssh), the Wayland library complains
//! on standard error each time; if others may write to the folder, any of them can put a socket
//! there that never answers, and the program hangs. An environment variable cannot be set safely
//! from inside a process, so the program re-executes itself with it set, in the same process.

/// A folder in which nobody can create anything: the kernel's own file system.
#[cfg(target_os = "linux")]
const NOWHERE: &str = "/proc";

/// Re-executes this program if `XDG_RUNTIME_DIR` is missing or names a folder that others may write
/// to. Returns if the folder is private, if the system is not Linux, or if re-executing fails.
pub fn ensure() {
    #[cfg(target_os = "linux")]
    if !is_private(
        std::env::var_os("XDG_RUNTIME_DIR")
            .unwrap_or_default()
            .as_ref(),
    ) {
        use std::os::unix::process::CommandExt;

        let Ok(program) = std::env::current_exe() else {
            return;
        };
        // If started through the dynamic loader, the loader would be what is re-executed.
        let name = program.file_name().unwrap_or_default();
        if name.to_string_lossy().starts_with("ld-") {
            return;
        }
        let mut arguments = std::env::args_os();
        let mut command = std::process::Command::new(program);
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        let failure = command
            .args(arguments)
            .env("XDG_RUNTIME_DIR", NOWHERE)
            .exec();
        log::debug!("XDG_RUNTIME_DIR stays as it is: {failure}");
    }
}

/// Returns whether only this user, or the administrator, may create files in a folder.
#[cfg(target_os = "linux")]
fn is_private(folder: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;

    /// Write permission of the group and of others.
    const OTHERS: u32 = 0o022;

    if folder == std::path::Path::new(NOWHERE) {
        return true;
    }
    // A process owns its own folder in /proc.
    let (Ok(found), Ok(process)) = (folder.metadata(), std::fs::metadata("/proc/self")) else {
        return false;
    };
    folder.is_absolute()
        && found.is_dir()
        && (found.uid() == process.uid() || found.uid() == 0)
        && found.mode() & OTHERS == 0
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::*;

    #[test]
    fn only_a_folder_of_ones_own_is_private() {
        let folder = tempfile::tempdir().unwrap();
        for (mode, private) in [
            (0o700, true),
            (0o755, true),
            (0o770, false),
            (0o702, false),
            (0o777, false),
            (0o1777, false),
        ] {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_private(folder.path()), private, "{mode:o}");
        }
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink("/tmp", &link).unwrap();
        for unfit in [
            Path::new(""),
            Path::new("."),
            &file,
            &folder.path().join("absent"),
            &link,
        ] {
            assert!(!is_private(unfit), "{unfit:?}");
        }
        assert!(is_private(Path::new(NOWHERE)));
    }
}

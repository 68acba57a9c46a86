//! Keeps Mesa quiet where there is no desktop session.
//!
//! On Linux, Mesa's drivers look for a Wayland display when they start, and without
//! `XDG_RUNTIME_DIR` (containers, cron, ssh) its library complains on standard error each time. An
//! environment variable cannot be set safely from inside a process, so the program starts itself
//! again with it set, in the same process.

/// Starts this program again with `XDG_RUNTIME_DIR` if that is missing. Returns where it is set,
/// where the system is not Linux, or where the start fails: then the complaint is all there is.
pub fn ensure() {
    #[cfg(target_os = "linux")]
    if std::env::var_os("XDG_RUNTIME_DIR").is_none() {
        use std::os::unix::process::CommandExt;

        let Ok(program) = std::env::current_exe() else {
            return;
        };
        // Started through the dynamic loader, that is what would start again.
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
            .env("XDG_RUNTIME_DIR", std::env::temp_dir())
            .exec();
        log::debug!("XDG_RUNTIME_DIR stays unset: {failure}");
    }
}

//! What goes to standard error besides errors: warnings by default, more with `-v`.

use std::io::Write;

use log::LevelFilter;

use super::GlobalArgs;

/// Starts logging. Later calls change nothing.
///
/// Libraries below this one are heard only with `-vv`: drivers are loud about things that nobody
/// can change.
pub fn start(global: &GlobalArgs) {
    let (own, others) = match (global.quiet, global.verbose) {
        (true, _) => (LevelFilter::Error, LevelFilter::Off),
        (false, 0) => (LevelFilter::Warn, LevelFilter::Off),
        (false, 1) => (LevelFilter::Info, LevelFilter::Off),
        (false, 2) => (LevelFilter::Debug, LevelFilter::Warn),
        (false, _) => (LevelFilter::Trace, LevelFilter::Debug),
    };
    let started = env_logger::Builder::new()
        .filter_level(others)
        .filter_module("electra", own)
        .filter_module("checkpoints_convert", own)
        .format(|out, record| {
            let level = record.level().as_str().to_ascii_lowercase();
            writeln!(out, "{level}: {}", record.args())
        })
        .try_init();
    if started.is_err() {
        log::debug!("logging was started before");
    }
}

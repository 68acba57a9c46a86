//! A progress bar for commands on a terminal; elsewhere nothing is drawn.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Manner;

/// Shows the progress of `work`, which reports the bytes done and the total.
pub(super) fn with_bar<T>(
    manner: Manner,
    work: impl FnOnce(&mut dyn FnMut(u64, u64)) -> Result<T, crate::Error>,
) -> Result<T, crate::Error> {
    let bar = match manner == Manner::Quiet || !io::stderr().is_terminal() {
        true => ProgressBar::hidden(),
        false => drawn(),
    };
    let made = work(&mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    Ok(made)
}

fn drawn() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
}

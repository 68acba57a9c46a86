//! Records on disk which form (kernel configuration) is being tried, before the driver sees it.
//!
//! A driver that crashes on a shader takes the process with it, and would do so at every start. So
//! the form's name goes into this process's journal before it is compiled, and is struck out once
//! its trial is over. A name in a journal that no process holds is a death, and the form is left
//! out.
//!
//! Not every death is a crash. Ctrl-C, SIGTERM and SIGHUP wait for the form being tried
//! ([`Stop::hold`]) and leave no name behind, but SIGKILL, a second Ctrl-C and a power cut do, and
//! nothing distinguishes them from a crash. Therefore a first death leaves a form out for a week;
//! it is then tried once more, and a second death leaves it out until the driver or the program
//! changes. So nothing crashes a third time, and no form is lost unless it was killed twice.

use std::{collections::BTreeSet, path::Path};

use super::{
    deaths::{Deaths, is_left_out, key, take_stock, turn},
    error::Error,
    journal::{DONE, Journal},
};
use crate::stop::{self, Held};

/// The forms tried on a device, each recorded while its trial runs.
pub(in crate::kernels) struct Attempts {
    device: String,
    deaths: Deaths,
    left_out: Vec<String>,
    /// Forms that have been tried before; nothing waits for the disk to record them again.
    begun: BTreeSet<String>,
    /// Whether the last one had not.
    is_new: bool,
    journal: Option<Journal>,
    /// Holds back a stop request until the current form's trial is over.
    _held: Held<'static>,
}

impl Attempts {
    /// Starts trials on a device of this description, given the deaths of earlier processes in
    /// `folder`. Nothing is recorded if there is no folder or its file system has no locks.
    pub fn on(device: String, folder: Option<&Path>) -> Self {
        // Also while its own journal is not locked yet.
        let _turn = folder.map(turn);
        Self {
            deaths: folder.map(take_stock).unwrap_or_default(),
            journal: folder.and_then(|folder| match Journal::create(folder) {
                Ok(journal) => Some(journal),
                Err(error) => {
                    log::info!(
                        "{}: crashes of kernels cannot be recorded: {error}",
                        folder.display()
                    );
                    None
                }
            }),
            device,
            left_out: Vec::new(),
            begun: BTreeSet::new(),
            is_new: true,
            _held: stop::of_process().hold(),
        }
    }

    /// Returns whether a form may be tried and, if so, records it.
    ///
    /// # Errors
    /// If the user has asked to stop.
    pub fn begin(&mut self, form: &str) -> Result<bool, Error> {
        if stop::of_process().is_asked() {
            return Err(Error::Stopped);
        }
        if is_left_out(&self.deaths, &self.device, form) {
            if !self.left_out.iter().any(|other| other == form) {
                self.left_out.push(form.to_owned());
            }
            return Ok(false);
        }
        self.is_new = self.begun.insert(form.to_owned());
        if let Some(journal) = &mut self.journal {
            journal.is_open = true;
            journal.write(&key(&self.device, form), self.is_new);
        }
        #[cfg(debug_assertions)]
        fault(form);
        Ok(true)
    }

    /// Marks the form's trial as over. If this is never called because the device was lost or a
    /// panic intervened, the form counts as the one at which the process died.
    pub fn end(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.is_open = false;
            journal.write(DONE, self.is_new);
        }
    }

    /// Returns the forms that were left out.
    ///
    /// # Errors
    /// If the user has asked to stop.
    pub fn finish(self) -> Result<Vec<String>, Error> {
        match stop::of_process().is_asked() {
            true => Err(Error::Stopped),
            false => Ok(self.left_out),
        }
    }
}

/// Injects a fault that a test asks for at a form: `crash:` or `wait:` and part of its name.
#[cfg(debug_assertions)]
fn fault(form: &str) {
    let asked = std::env::var("ELECTRA_FAULT").unwrap_or_default();
    match asked.split_once(':') {
        Some(("crash", at)) if form.contains(at) => std::process::abort(),
        Some(("wait", at)) if form.contains(at) => {
            eprintln!("waiting");
            std::thread::sleep(std::time::Duration::from_secs(2));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;
    use crate::kernels::autotune::deaths::{PAUSE, deaths_file, forget, now, still_left_out};

    /// Leaves the files of a process that died while trying `form`.
    fn die_at(folder: &Path, form: &str) {
        let mut attempts = Attempts::on("card".into(), Some(folder));
        assert!(attempts.begin("other").unwrap());
        attempts.end();
        assert!(attempts.begin(form).unwrap(), "{form} is left out already");
    }

    fn may_try(folder: &Path, device: &str, form: &str) -> bool {
        let mut attempts = Attempts::on(device.into(), Some(folder));
        let may = attempts.begin(form).unwrap();
        attempts.end();
        may
    }

    #[test]
    fn what_a_process_died_at_is_left_out_on_its_device_alone() {
        let folder = tempfile::tempdir().unwrap();
        die_at(folder.path(), "form");
        assert!(!may_try(folder.path(), "card", "form"));
        assert!(may_try(folder.path(), "card", "other"));
        assert!(may_try(folder.path(), "card, driver 2", "form"));
        let left_out = |forms: &[&str]| {
            let forms: Vec<String> = forms.iter().map(ToString::to_string).collect();
            still_left_out(folder.path(), "card", &forms)
        };
        assert!(left_out(&["form"]) && !left_out(&["form", "other"]));
        forget(folder.path()).unwrap();
        assert!(!left_out(&["form"]) && may_try(folder.path(), "card", "form"));
    }

    #[test]
    fn after_a_week_it_is_tried_once_more_and_then_never() {
        let folder = tempfile::tempdir().unwrap();
        let age = |weeks: &[u64]| {
            let times = weeks
                .iter()
                .map(|weeks| now() - weeks * PAUSE - 1)
                .collect();
            let deaths = Deaths::from([(key("card", "form"), times)]);
            let file = File::create(deaths_file(folder.path())).unwrap();
            serde_json::to_writer(file, &deaths).unwrap();
        };
        age(&[0]);
        assert!(!may_try(folder.path(), "card", "form"));
        age(&[1]);
        die_at(folder.path(), "form");
        assert!(!may_try(folder.path(), "card", "form"));
        age(&[9, 8]);
        assert!(!may_try(folder.path(), "card", "form"));
    }

    #[test]
    fn a_trial_that_ends_leaves_nothing_and_one_that_lives_is_not_counted() {
        let folder = tempfile::tempdir().unwrap();
        let files = || fs::read_dir(folder.path()).unwrap().count();
        assert!(may_try(folder.path(), "card", "form"));
        assert_eq!(files(), 0);
        let mut alive = Attempts::on("card".into(), Some(folder.path()));
        assert!(alive.begin("form").unwrap());
        // Another handle cannot get the lock, just as another process could not.
        assert!(may_try(folder.path(), "card", "form"));
        forget(folder.path()).unwrap();
        assert_eq!(files(), 1);
        // A line cut off in the middle: no driver had seen the form yet.
        drop(alive);
        fs::write(folder.path().join("trial-cut"), "a: -\ncard: half of a na").unwrap();
        let mut next = Attempts::on("card".into(), Some(folder.path()));
        assert!(!next.begin("form").unwrap());
        assert!(!next.begin("form").unwrap());
        assert_eq!(next.finish().unwrap(), ["form"]);
    }
}

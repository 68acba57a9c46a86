//! Which form is being tried, on the disk before the driver sees it.
//!
//! A driver that crashes on a shader takes the process with it, and would do so at every start. So
//! the form's name goes into a journal of this process before it is compiled, and is struck out when
//! its trial has ended. A name in a journal that no process holds is a death: the form is left out.
//!
//! Not every death is a crash. Ctrl-C, SIGTERM and SIGHUP wait for the form that is being tried
//! ([`Stop::hold`]) and leave no name, but SIGKILL, a second Ctrl-C and a power cut do, and nothing
//! tells them from a crash. Therefore a first death leaves a form out for a week; it is then tried
//! once more, and a second death leaves it out for as long as driver and program stay what they are.
//! Nothing crashes a third time, and no form is lost that was not killed twice.

use std::path::Path;

use super::{
    deaths::{Deaths, is_left_out, key, take_stock},
    error::Error,
    journal::{DONE, Journal},
};
use crate::stop::{self, Held};

/// The forms that are tried on a device, each written down while it is.
pub(in crate::kernels) struct Attempts {
    device: String,
    deaths: Deaths,
    left_out: Vec<String>,
    journal: Option<Journal>,
    /// A request to end waits until a form's trial has ended.
    _held: Held<'static>,
}

impl Attempts {
    /// On a device of this description, with the deaths of earlier processes in `folder`. Nothing is
    /// written down where there is none, or one without locks.
    pub fn on(device: String, folder: Option<&Path>) -> Self {
        Self {
            deaths: folder.map(take_stock).unwrap_or_default(),
            journal: folder.and_then(|folder| match Journal::create(folder) {
                Ok(journal) => Some(journal),
                Err(error) => {
                    log::info!("{}: crashes go unnoticed: {error}", folder.display());
                    None
                }
            }),
            device,
            left_out: Vec::new(),
            _held: stop::of_process().hold(),
        }
    }

    /// Whether a form may be tried, which is then written down.
    ///
    /// # Errors
    /// When the user has asked for the end.
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
        if let Some(journal) = &mut self.journal {
            journal.is_open = true;
            journal.write(&key(&self.device, form));
        }
        #[cfg(debug_assertions)]
        fault(form);
        Ok(true)
    }

    /// The form is done with. Where this is not called, because the device was lost or a panic ended
    /// it, the form counts as what the process died at.
    pub fn end(&mut self) {
        if let Some(journal) = &mut self.journal {
            journal.is_open = false;
            journal.write(DONE);
        }
    }

    /// The forms that were not tried.
    ///
    /// # Errors
    /// When the user has asked for the end.
    pub fn finish(self) -> Result<Vec<String>, Error> {
        match stop::of_process().is_asked() {
            true => Err(Error::Stopped),
            false => Ok(self.left_out),
        }
    }
}

/// What a test asks to happen at a form: `crash:` or `wait:` and a part of its name.
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

    /// Attempts of a process of its own, as far as files tell: it dies while it tries `form`.
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
        // Another handle does not get the lock, as another process would not.
        assert!(may_try(folder.path(), "card", "form"));
        forget(folder.path()).unwrap();
        assert_eq!(files(), 1);
        // Cut off in the middle of a line: by then no driver had seen the form.
        drop(alive);
        fs::write(folder.path().join("trial-cut"), "a: -\ncard: half of a na").unwrap();
        let mut next = Attempts::on("card".into(), Some(folder.path()));
        assert!(!next.begin("form").unwrap());
        assert!(!next.begin("form").unwrap());
        assert_eq!(next.finish().unwrap(), ["form"]);
    }
}

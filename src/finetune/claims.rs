//! Which trials of a run this process works on: each has a lock, which one process holds until it ends.

use std::collections::BTreeMap;

use super::{Error, Finetune, io, ledger::Ledger};
use crate::train::{
    lock_holder::Holder,
    run_folder,
    run_lock::{self, RunLock, Turn},
};

/// The trials of a run that this process may write.
pub(super) struct Claims {
    pub own: BTreeMap<usize, RunLock>,
    /// Trials that other processes are working on, and those processes if their locks name them.
    pub elsewhere: BTreeMap<usize, Option<Holder>>,
}

impl Finetune<'_> {
    /// Locks the requested trial, or all that no other process has locked. With `restart`, moves aside what
    /// earlier runs left of them.
    ///
    /// # Errors
    /// If there is none to lock, or a run that restarts finds another process working on one of its trials.
    pub(super) fn claim(&self) -> Result<Claims, Error> {
        let paths = self.config.paths();
        if let Some(parent) = paths.trials().parent() {
            std::fs::create_dir_all(parent).map_err(io(parent, "creating"))?;
        }
        let mut claims = Claims {
            own: BTreeMap::new(),
            elsewhere: BTreeMap::new(),
        };
        let mut held = None;
        for trial in self.trials() {
            match RunLock::take(&paths.model_dir(trial)) {
                Ok(lock) => drop(claims.own.insert(trial, lock)),
                Err(error) => {
                    let run_lock::Error::Held { holder, .. } = &error else {
                        return Err(error.into());
                    };
                    if self.restart {
                        return Err(error.into());
                    }
                    claims.elsewhere.insert(trial, holder.clone());
                    held.get_or_insert(error);
                }
            }
        }
        match held {
            Some(error) if claims.own.is_empty() => Err(error.into()),
            _ => Ok(claims),
        }
    }

    /// The trials requested of this process.
    pub(super) fn trials(&self) -> impl Iterator<Item = usize> + use<> {
        match self.trial {
            Some(trial) => trial..=trial,
            None => 1..=self.config.num_trials,
        }
    }

    /// Waits for this process's turn to write the files that the run's processes share: the list of finished
    /// trials, the results of all trials, and the files with the last trial's answers.
    pub(super) fn turn(&self) -> Result<Turn, Error> {
        let mut note = |line: String| self.progress.note(&line);
        let list = self.config.paths().trials();
        let turn = Turn::wait(&list, &mut note, &|| self.stop.is_asked())?;
        turn.ok_or_else(|| Error::Stopped {
            place: format!("while waiting for the turn to write {}", list.display()),
            next: "saved results are kept, and the next run resumes from there".to_owned(),
        })
    }

    /// The list of finished trials when this process starts.
    pub(super) fn open_ledger(&self, claims: &mut Claims) -> Result<Ledger, Error> {
        let paths = self.config.paths();
        let path = paths.trials();
        let _turn = self.turn()?;
        let mut note = |line: String| self.progress.note(&line);
        if self.restart {
            for (trial, lock) in &mut claims.own {
                lock.leave();
                run_folder::move_aside(&paths.model_dir(*trial), &mut note)?;
            }
            if self.trial.is_none() {
                run_folder::move_aside(&path, &mut note)?;
            }
        }
        let mut ledger = Ledger::open(path.clone(), &mut note).map_err(io(&path, "reading"))?;
        if let Some(trial) = self.trial.filter(|_| self.restart) {
            ledger.forget(trial).map_err(io(&path, "writing"))?;
        }
        Ok(ledger)
    }
}

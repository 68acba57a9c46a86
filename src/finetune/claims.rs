//! Which trials of a run this process is at: each has a lock, which one process holds to its end.

use std::{collections::BTreeMap, path::Path};

use super::{Error, Finetune, io, ledger::Ledger};
use crate::train::{
    lock_holder::Holder,
    run_folder,
    run_lock::{self, RunLock, Turn},
};

/// The trials of a run that this process may write.
pub(super) struct Claims {
    pub own: BTreeMap<usize, RunLock>,
    /// Trials that other processes are at, and which, if they have said so.
    pub elsewhere: BTreeMap<usize, Option<Holder>>,
}

impl Finetune<'_> {
    /// Takes the trial that was asked for, or all that no other process is at; with `restart`, moves what
    /// earlier runs have left of them aside.
    ///
    /// # Errors
    /// If there is none to take, or a run that begins anew finds another process at one of its trials.
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

    /// The trials that this process is asked for.
    pub(super) fn trials(&self) -> impl Iterator<Item = usize> + use<> {
        match self.trial {
            Some(trial) => trial..=trial,
            None => 1..=self.config.num_trials,
        }
    }

    /// Waits for the turn to write what the processes of the run write together: the list of finished
    /// trials, the results of all, and the files that the last one's answers stand in.
    pub(super) fn turn(&self) -> Result<Turn, Error> {
        let mut note = |line: String| self.progress.note(&line);
        let list = self.config.paths().trials();
        let turn = Turn::wait(&list, &mut note, &|| self.stop.is_asked())?;
        turn.ok_or_else(|| Error::Stopped {
            place: format!("while waiting for the turn to write {}", list.display()),
            next: "what was saved stays, and the next run goes on from there".to_owned(),
        })
    }

    /// The list of finished trials, as it is when this process begins.
    pub(super) fn open_ledger(&self, claims: &mut Claims) -> Result<Ledger, Error> {
        let paths = self.config.paths();
        let path = paths.trials();
        let _turn = self.turn()?;
        if self.restart {
            for (trial, lock) in &mut claims.own {
                lock.leave();
                move_aside(&paths.model_dir(*trial))?;
            }
            if self.trial.is_none() {
                move_aside(&path)?;
            }
        }
        let mut note = |line: String| self.progress.note(&line);
        let mut ledger = Ledger::open(path.clone(), &mut note).map_err(io(&path, "reading"))?;
        if let Some(trial) = self.trial.filter(|_| self.restart) {
            ledger.forget(trial).map_err(io(&path, "writing"))?;
        }
        Ok(ledger)
    }
}

/// Renames what stands at `path`, if anything, to `path.old`, or to the first of `path.old2`, … that
/// is free.
fn move_aside(path: &Path) -> Result<(), Error> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let aside = run_folder::aside(path, "old");
    std::fs::rename(path, &aside).map_err(io(path, "moving aside"))
}

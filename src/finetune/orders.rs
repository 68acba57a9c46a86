//! What rank 0 has the other ranks do, one order after the other, and how these do it.
//!
//! Rank 0 runs the trials as a process alone would. The others read the training data, and train along
//! whenever it trains.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Error, Finetune, GOES_ON, Outcome, identity::Identity, replay};
use crate::{
    batch::FeatureSet, data::split::Split, model::folder, ranks,
    train::run_identity::differing_values,
};

#[derive(Serialize, Deserialize)]
pub(super) enum Order {
    /// Compare what decides the training with rank 0's.
    Compare(Value),
    /// Train this trial along.
    Train(usize),
    End {
        was_stopped: bool,
    },
}

impl Finetune<'_> {
    /// Gives an order, if there are others.
    pub(super) fn order(&self, order: &Order) {
        if self.ranks.is_first() && !self.ranks.is_alone() {
            self.ranks.told(json!(order).to_string());
        }
    }

    /// Orders the others to end as this rank does. One that failed ends all, and orders nothing.
    pub(super) fn order_end(&self, outcome: &Result<Outcome, Error>) {
        let was_stopped = match outcome {
            Ok(_) => false,
            Err(error) if error.was_stopped() => true,
            Err(_) => return,
        };
        if self.has_followers() {
            self.order(&Order::End { was_stopped });
        }
    }

    /// Whether other ranks wait for orders.
    fn has_followers(&self) -> bool {
        self.config.do_train && !self.dry_run
    }

    /// Compares what decides the training with the other ranks'.
    ///
    /// # Errors
    /// The first rank in which it is something else.
    pub(super) fn compare(&self, identity: &Identity) -> Result<(), ranks::Error> {
        if self.ranks.is_alone() {
            return Ok(());
        }
        self.order(&Order::Compare(self.compared(identity)));
        self.ranks.agree(None)
    }

    /// What must be the same in all ranks.
    fn compared(&self, identity: &Identity) -> Value {
        let mut compared = identity.training(1);
        // Rank 0 alone reads what is evaluated.
        if let Some(training) = compared.as_object_mut() {
            training.remove("best_weights");
        }
        compared["program"] = env!("CARGO_PKG_VERSION").into();
        compared["arithmetic"] = self.arithmetic.word().into();
        compared
    }

    /// What the weights are that the run begins with.
    ///
    /// # Errors
    /// If they cannot be read.
    pub(super) fn initial_weights(&self) -> Result<String, Error> {
        Ok(match &self.config.init_checkpoint {
            Some(path) => self.open(path)?.identity().map_err(folder::Error::from)?,
            None => "none".to_owned(),
        })
    }

    /// Does what rank 0 orders, to the end.
    ///
    /// # Errors
    /// What goes wrong here, or that the run was stopped.
    pub(super) fn follow(&self) -> Result<Outcome, Error> {
        let config = self.config;
        if !self.has_followers() {
            return Ok(Outcome::default());
        }
        let tasks = config.task_names.iter().zip(self.heads);
        let train = tasks.map(|(task, head)| self.read(task, Split::Train, head));
        let train: Vec<_> = train.collect::<Result<_, _>>()?;
        let mut features = FeatureSet::of_rows(train.iter().map(|file| file.rows()));
        if let Some(file) = self.given.replay {
            features = features.in_order(&replay::order(file, &train)?);
        }
        let _held = self.stop.hold();
        let initial = self.initial_weights()?;
        let identity = Identity::of(config, &initial, &features, &[], &[], &[]);
        loop {
            let said = self.ranks.told(String::new());
            match serde_json::from_str(&said).map_err(|_| Error::UnknownOrder { said })? {
                Order::Compare(theirs) => {
                    let differing = differing_values(&theirs, &self.compared(&identity));
                    let differing = Some(differing.join(", ")).filter(|it| !it.is_empty());
                    self.ranks.agree(differing)?;
                }
                Order::Train(trial) => {
                    match self.train(trial, &features, &[], identity.training(trial)) {
                        Err(error) if !error.was_stopped() => return Err(error),
                        // Rank 0 tells how it goes on.
                        _ => {}
                    }
                }
                Order::End { was_stopped: true } => {
                    return Err(self.stopped(1, "with rank 0", GOES_ON));
                }
                Order::End { was_stopped: false } => return Ok(Outcome::default()),
            }
        }
    }
}

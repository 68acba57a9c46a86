//! Stores the no-answer threshold that is best on a file in a model's `config.json`.
//!
//! The reference's threshold is that of one published model. A model keeps its own under the same
//! key, `qa_na_threshold`, and beside it, under `calibration`, what it replaces and the data on
//! which it was chosen.

use std::path::{Path, PathBuf};

use checkpoints_convert::{CALIBRATION, CONFIG_FILE, ConfigFile, THRESHOLD};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{threshold::signed, threshold_effect::ThresholdEffect};
use crate::{
    counted::counted,
    eval::{file_digest::FileDigest, json_file::write_json},
    tasks::qa::{error::Error, scorers::gold::GoldQuestion},
    utc,
};

/// How a model's threshold was chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// The previous threshold.
    pub replaced: f64,
    pub threshold: f64,
    /// The file on which it was chosen, and its metrics there.
    pub data: FileDigest,
    pub questions: usize,
    pub exact: f64,
    pub f1: f64,
    /// In UTC.
    pub date: String,
}

/// Checks that a file has questions of both kinds, between which a threshold decides.
///
/// # Errors
/// If it does not.
pub fn check(gold: &[GoldQuestion], data: &Path) -> Result<(), Error> {
    let unanswerable = gold.iter().filter(|gold| gold.answers.is_empty()).count();
    both_kinds(gold.len() - unanswerable, unanswerable, data)
}

fn both_kinds(answerable: usize, unanswerable: usize, data: &Path) -> Result<(), Error> {
    if answerable == 0 || unanswerable == 0 {
        return Err(Error::OneKindOfQuestions {
            data: data.to_owned(),
            answerable,
            unanswerable,
        });
    }
    Ok(())
}

impl Calibration {
    /// Chooses the best threshold of a file to replace that of `effect`; `None` if answering
    /// nothing is best.
    ///
    /// # Errors
    /// If the file has no question of one of the two kinds, between which a threshold decides.
    pub fn new(effect: &ThresholdEffect, data: FileDigest) -> Result<Option<Self>, Error> {
        let unanswerable = effect.questions - effect.answerable;
        both_kinds(effect.answerable, unanswerable, &data.file)?;
        Ok(effect.best.threshold.map(|threshold| Calibration {
            replaced: effect.threshold,
            threshold,
            data,
            questions: effect.questions,
            exact: effect.best.exact,
            f1: effect.best.f1,
            date: utc::now(),
        }))
    }

    /// Returns whether the model's threshold differs from the best one.
    pub fn changes(&self) -> bool {
        self.threshold != self.replaced
    }

    /// Describes the change in a sentence.
    pub fn line(&self) -> String {
        format!(
            "qa_na_threshold {} → {} in the model's config.json; F1 {:.2}, chosen on {} ({})",
            signed(self.replaced),
            signed(self.threshold),
            self.f1,
            self.data.file.display(),
            counted(self.questions, "question")
        )
    }

    /// Stores the threshold with the model in `folder`, leaving its other settings unchanged.
    ///
    /// # Errors
    /// If `config.json` cannot be read or written, or is not valid.
    pub fn store(&self, folder: &Path) -> Result<PathBuf, Error> {
        let path = folder.join(CONFIG_FILE);
        let mut config = ConfigFile::open(&path)?;
        self.keep_in(&mut config);
        write_json(&path, &config)?;
        Ok(path)
    }

    /// Puts the threshold into a model's `config.json`.
    pub fn keep_in(&self, config: &mut ConfigFile) {
        config.calibrate(self.threshold, json!(self));
    }
}

/// Returns the calibration in a model's `config.json` if it replaced `threshold`, so that a run
/// that writes the description of its model again can keep it.
pub fn kept(path: &Path, threshold: f64) -> Option<Calibration> {
    let config = ConfigFile::read(path).ok()??.calibration();
    let stored: Calibration = serde_json::from_value(config.get(CALIBRATION)?.clone()).ok()?;
    let holds = config.get(THRESHOLD)?.as_f64() == Some(stored.threshold);
    (holds && stored.replaced == threshold).then_some(stored)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::qa::no_answer::threshold_effect::{BestThreshold, Figures};

    fn effect(threshold: Option<f64>, answerable: usize) -> ThresholdEffect {
        ThresholdEffect {
            threshold: -2.75,
            questions: 4,
            held_back: 4,
            answerable,
            answerable_held_back: answerable,
            wrongly_answered: 0,
            best: BestThreshold {
                threshold,
                exact: 50.0,
                f1: 62.5,
            },
            answers_alone: Some(Figures {
                exact: 50.0,
                f1: 75.0,
            }),
        }
    }

    fn data() -> FileDigest {
        FileDigest {
            file: "dev.json".into(),
            sha256: None,
        }
    }

    #[test]
    fn the_threshold_is_stored_and_all_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(
            &path,
            r#"{"seed": 7, "qa_na_threshold": -2.75, "model": {}}"#,
        )
        .unwrap();
        let calibration = Calibration::new(&effect(Some(-0.54), 2), data());
        let calibration = calibration.unwrap().unwrap();
        assert_eq!(calibration.store(folder.path()).unwrap(), path);
        let stored = json!(ConfigFile::open(&path).unwrap());
        assert_eq!(stored["qa_na_threshold"], -0.54);
        assert_eq!((&stored["seed"], &stored["model"]), (&json!(7), &json!({})));
        assert_eq!(stored[CALIBRATION]["replaced"], -2.75);
        assert_eq!(kept(&path, -2.75), Some(calibration));
        assert_eq!(kept(&path, -1.0), None);
    }

    #[test]
    fn what_cannot_be_chosen_is_not_stored() {
        assert_eq!(Calibration::new(&effect(None, 2), data()).unwrap(), None);
        for answerable in [0, 4] {
            let message = Calibration::new(&effect(Some(1.0), answerable), data())
                .unwrap_err()
                .to_string();
            assert!(message.contains("dev.json"), "{message}");
        }
        let folder = tempfile::tempdir().unwrap();
        let calibration = Calibration::new(&effect(Some(1.0), 2), data());
        let calibration = calibration.unwrap().unwrap();
        let message = calibration.store(folder.path()).unwrap_err().to_string();
        assert!(message.contains("config.json"), "{message}");
    }
}

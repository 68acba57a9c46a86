//! Preserves what `electra` adds to a record's `config.json` after the conversion: the no-answer
//! threshold that was chosen for its weights. It is read from an earlier record and carried over to
//! the next one if that has the same weights.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::config::RecordConfig;
use crate::config_file::{CALIBRATION, ConfigFile, THRESHOLD};
use crate::kept::KeptRecord;
use crate::record_files::CONFIG_FILE;

/// The calibration of an earlier record.
pub(crate) struct Calibration {
    file: PathBuf,
    values: Map<String, Value>,
    /// Digest of the weights that the threshold was chosen for; `None` if unknown.
    weights: Option<String>,
}

/// `config.json` as it is written.
#[derive(Serialize)]
pub(crate) struct Calibrated<'a> {
    #[serde(flatten)]
    config: &'a RecordConfig,
    #[serde(flatten)]
    values: Map<String, Value>,
}

impl Calibration {
    /// Returns the calibration of the record in `folder`, if it has one.
    pub fn of(folder: &Path) -> Option<Self> {
        let file = folder.join(CONFIG_FILE);
        let values = ConfigFile::read(&file).ok()??.calibration();
        (!values.is_empty()).then(|| Self {
            file,
            values,
            weights: KeptRecord::open(folder).map(|kept| kept.content().weights),
        })
    }
}

/// Returns `config` with the calibration of the record that it replaces. Warns if that calibration
/// is dropped because the weights are no longer those that it was chosen for. Without one, the
/// checkpoint's own `threshold` applies, if it has one.
pub(crate) fn calibrated<'a>(
    config: &'a RecordConfig,
    earlier: Option<Calibration>,
    threshold: Option<f64>,
    weights: &str,
) -> Calibrated<'a> {
    let mut values = Map::new();
    values.extend(threshold.map(|threshold| (THRESHOLD.to_owned(), threshold.into())));
    // A threshold that nobody chose is the one that the earlier checkpoint brought.
    let is_chosen = |earlier: &Calibration| earlier.values.contains_key(CALIBRATION);
    match earlier.filter(|earlier| threshold.is_none() || is_chosen(earlier)) {
        Some(earlier) if earlier.weights.as_deref() == Some(weights) => values = earlier.values,
        Some(earlier) => {
            let threshold = earlier.values.get(THRESHOLD).unwrap_or(&Value::Null);
            log::warn!(
                "{}: qa_na_threshold = {threshold} is dropped: it was chosen for other weights than \
                 the checkpoint has now; choose it again with electra calibrate",
                earlier.file.display()
            );
        }
        None => {}
    }
    Calibrated { config, values }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::staging::json as written;

    fn config() -> RecordConfig {
        let head = crate::names::tests::head(true, true, true);
        RecordConfig {
            model: crate::names::tests::config(8, head).model,
            do_lower_case: true,
            strip_accents: None,
            tokenize_chinese_chars: true,
            heads: BTreeMap::new(),
        }
    }

    #[test]
    fn a_calibration_stays_with_its_weights_and_goes_with_them() {
        let config = config();
        let earlier = |weights: Option<&str>| {
            let values = json!({"qa_na_threshold": -3.5, "calibration": {"f1": 50.0}});
            Some(Calibration {
                file: "config.json".into(),
                values: values.as_object().unwrap().clone(),
                weights: weights.map(str::to_owned),
            })
        };
        let kept = json!(calibrated(&config, earlier(Some("w")), None, "w"));
        assert_eq!(kept["qa_na_threshold"], -3.5);
        assert_eq!(kept["calibration"]["f1"], 50.0);
        assert_eq!(kept["model"], json!(config.model));
        let plain = written(&config);
        for other in [earlier(Some("other")), earlier(None), None] {
            assert_eq!(written(&calibrated(&config, other, None, "w")), plain);
        }
    }

    #[test]
    fn a_threshold_of_the_checkpoint_counts_until_one_is_chosen() {
        let config = config();
        let earlier = |values: Value| {
            Some(Calibration {
                file: "config.json".into(),
                values: values.as_object().unwrap().clone(),
                weights: Some("w".to_owned()),
            })
        };
        let threshold = |earlier, weights| {
            let calibrated = json!(calibrated(&config, earlier, Some(0.5), weights));
            calibrated[THRESHOLD].as_f64()
        };
        assert_eq!(threshold(None, "w"), Some(0.5));
        let unchosen = json!({"qa_na_threshold": 9.0});
        assert_eq!(threshold(earlier(unchosen), "w"), Some(0.5));
        let chosen = json!({"qa_na_threshold": -3.5, "calibration": {"f1": 50.0}});
        assert_eq!(threshold(earlier(chosen.clone()), "w"), Some(-3.5));
        assert_eq!(threshold(earlier(chosen), "other"), Some(0.5));
    }

    #[test]
    fn only_what_is_stored_after_the_conversion_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Calibration::of(folder.path()).is_none());
        let file = folder.path().join(CONFIG_FILE);
        std::fs::write(
            &file,
            "\u{feff}{\"do_lower_case\": false, \"qa_na_threshold\": 1.5}",
        )
        .unwrap();
        let found = Calibration::of(folder.path()).unwrap();
        assert_eq!(json!(found.values), json!({"qa_na_threshold": 1.5}));
        assert_eq!(found.weights, None);
        std::fs::write(&file, "{").unwrap();
        assert!(Calibration::of(folder.path()).is_none());
    }
}

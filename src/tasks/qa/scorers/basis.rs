//! Decides how a predictions file is scored: by what is given, otherwise by its record, otherwise
//! by the official script's default.

use std::path::{Path, PathBuf};

use super::{metric::Metric, squad2::DEFAULT_THRESHOLD};
use crate::{
    eval::file_digest::FileDigest,
    tasks::qa::{
        answers::provenance::Provenance,
        error::Error,
        no_answer::threshold::{ThresholdChoice, signed},
    },
};

/// Where a threshold comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Given,
    Record,
    Script,
}

/// How a predictions file is scored.
#[derive(Debug, Clone)]
pub struct Basis {
    /// Determined by the data if `None`.
    pub metric: Option<Metric>,
    pub null_odds: Option<PathBuf>,
    /// Used if there are null odds.
    pub threshold: ThresholdChoice,
    pub provenance: Option<Provenance>,
    source: Source,
}

impl Basis {
    /// Completes the given options from the record beside the predictions.
    ///
    /// # Errors
    /// If the predictions cannot be read.
    pub fn of(
        data: &Path,
        predictions: &Path,
        null_odds: Option<&Path>,
        threshold: Option<ThresholdChoice>,
        metric: Option<Metric>,
    ) -> Result<Self, Error> {
        let provenance = Provenance::beside(predictions)?;
        let metric = metric.or(provenance.as_ref().and_then(|record| record.metric));
        let squad2 = metric.is_none_or(|metric| metric == Metric::Squad2);
        let record = provenance.as_ref().filter(|_| squad2);
        if let Some(record) = &provenance {
            tell_other_data(record, data);
        }
        // Those of the record are not looked for if others are given.
        let null_odds = match null_odds {
            Some(given) => Some(given.to_owned()),
            None => record.and_then(|record| recorded_null_odds(record, predictions)),
        };
        let (threshold, source) = match (threshold, record.and_then(|record| record.threshold)) {
            (Some(choice), _) => (choice, Source::Given),
            (None, Some(threshold)) => (ThresholdChoice::At(threshold), Source::Record),
            (None, None) => (ThresholdChoice::At(DEFAULT_THRESHOLD), Source::Script),
        };
        Ok(Basis {
            metric,
            null_odds,
            threshold,
            provenance,
            source,
        })
    }

    /// Returns what the threshold is called where it comes from.
    pub fn threshold_name(&self) -> &'static str {
        match self.source {
            Source::Record => "qa_na_threshold",
            Source::Given | Source::Script => "threshold",
        }
    }

    /// Describes the metric and the threshold on one line; `threshold` is the one that was applied.
    pub fn line(&self, metric: Metric, threshold: Option<f64>) -> String {
        if metric != Metric::Squad2 {
            return format!("metric {metric}");
        }
        let Some(threshold) = threshold else {
            return format!(
                "metric {metric}, without null odds: only an empty prediction is no answer"
            );
        };
        let source = match (self.source, self.threshold) {
            (Source::Given, ThresholdChoice::Best) => "the best on this file",
            (Source::Given, ThresholdChoice::At(_)) => "as given",
            (Source::Record, _) => "the predictions' own",
            (Source::Script, _) => "the official script's default",
        };
        format!(
            "metric {metric}, threshold {} ({source})",
            signed(threshold)
        )
    }
}

/// Returns the null odds that a record names, if they are unchanged.
fn recorded_null_odds(record: &Provenance, predictions: &Path) -> Option<PathBuf> {
    let named = record.null_odds.as_ref()?;
    let path = match predictions.parent() {
        Some(folder) => folder.join(&named.file),
        None => named.file.clone(),
    };
    match named.is_of(&path) {
        Ok(true) => Some(path),
        Ok(false) => {
            log::warn!(
                "{}: these are not the null odds that were written with {}: scored without; give \
                 --null-odds to score with them",
                path.display(),
                predictions.display()
            );
            None
        }
        Err(_) => {
            log::warn!(
                "{}: the null odds of {} are missing: scored without; give --null-odds",
                path.display(),
                predictions.display()
            );
            None
        }
    }
}

/// Warns if predictions were made for a file of other content, often one without answers.
fn tell_other_data(record: &Provenance, data: &Path) {
    if let Ok(false) = record.data.is_of(data)
        && let Ok(found) = FileDigest::of(data)
    {
        log::warn!(
            "{} (sha256 {}…) is not the file that was predicted, {} (sha256 {}…)",
            data.display(),
            found.short(),
            record.data.file.display(),
            record.data.short()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::origin::Origin;

    struct Files {
        folder: tempfile::TempDir,
    }

    impl Files {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            for name in ["d.json", "p.json", "o.json"] {
                std::fs::write(folder.path().join(name), "{}").unwrap();
            }
            Files { folder }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn record(&self, metric: Metric) {
            let (data, predictions) = (self.path("d.json"), self.path("p.json"));
            let odds = self.path("o.json");
            Provenance::of(
                FileDigest::of(&data).unwrap(),
                &predictions,
                Some(&odds),
                Some(metric),
                -0.5,
                Origin::default(),
            )
            .unwrap()
            .write(&predictions)
            .unwrap();
        }

        fn basis(&self, threshold: Option<ThresholdChoice>, metric: Option<Metric>) -> Basis {
            let (data, predictions) = (self.path("d.json"), self.path("p.json"));
            Basis::of(&data, &predictions, None, threshold, metric).unwrap()
        }
    }

    #[test]
    fn a_record_gives_metric_null_odds_and_threshold() {
        let files = Files::new();
        files.record(Metric::Squad2);
        let basis = files.basis(None, None);
        assert_eq!(basis.metric, Some(Metric::Squad2));
        assert_eq!(basis.null_odds, Some(files.path("o.json")));
        assert_eq!(basis.threshold, ThresholdChoice::At(-0.5));
        assert_eq!(basis.threshold_name(), "qa_na_threshold");
        assert_eq!(
            basis.line(Metric::Squad2, Some(-0.5)),
            "metric squad2, threshold −0.50 (the predictions' own)"
        );
        let basis = files.basis(Some(ThresholdChoice::At(2.0)), None);
        assert_eq!(
            basis.line(Metric::Squad2, Some(2.0)),
            "metric squad2, threshold 2.00 (as given)"
        );
        assert_eq!(basis.threshold_name(), "threshold");
        // Another metric has no use for null odds.
        assert_eq!(files.basis(None, Some(Metric::Mrqa)).null_odds, None);
    }

    #[test]
    fn without_a_record_the_script_s_default_stays() {
        let basis = Files::new().basis(None, None);
        assert_eq!((basis.metric, basis.null_odds.as_ref()), (None, None));
        assert_eq!(
            basis.line(Metric::Squad2, Some(1.0)),
            "metric squad2, threshold 1.00 (the official script's default)"
        );
        assert!(
            basis
                .line(Metric::Squad2, None)
                .contains("without null odds")
        );
        assert_eq!(basis.line(Metric::Mrqa, None), "metric mrqa");
    }

    #[test]
    fn null_odds_that_changed_are_not_taken_unasked() {
        let files = Files::new();
        files.record(Metric::Squad2);
        std::fs::write(files.path("o.json"), "{\"a\": 1}").unwrap();
        assert_eq!(files.basis(None, None).null_odds, None);
        std::fs::remove_file(files.path("o.json")).unwrap();
        assert_eq!(files.basis(None, None).null_odds, None);
        // Given ones are used.
        let (data, predictions) = (files.path("d.json"), files.path("p.json"));
        let given = Basis::of(&data, &predictions, Some(&data), None, None).unwrap();
        assert_eq!(given.null_odds, Some(data));
        assert_eq!(given.threshold, ThresholdChoice::At(-0.5));
    }
}

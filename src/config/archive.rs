//! Resolves a model name that refers to a zip archive, the format of the released checkpoints.

use std::path::{Path, PathBuf};

use super::table::Config;

impl Config {
    /// Returns the zip archive in `models` that the model's name refers to: the name itself, which
    /// then loses its extension, since the archive becomes a folder of that name; or the name plus
    /// the extension, if no model has the plain name, or only the record that was made from the
    /// archive.
    pub(super) fn model_archive(&mut self) -> Option<PathBuf> {
        let named = self.paths().pretrained_model();
        let is_zip = |path: &Path| {
            let ending = path.extension();
            ending.is_some_and(|ending| ending.eq_ignore_ascii_case("zip")) && path.is_file()
        };
        if is_zip(&named) {
            self.model_name
                .truncate(self.model_name.len() - ".zip".len());
            return Some(named);
        }
        let mut archive = named.clone().into_os_string();
        archive.push(".zip");
        let archive = PathBuf::from(archive);
        if !is_zip(&archive) || checkpoints_convert::is_checkpoint(&named) {
            return None;
        }
        // The archive may have been replaced since, so its contents now decide, not its record.
        let has_model =
            named.join("model.bpk").is_file() && !checkpoints_convert::is_made_of(&named, &archive);
        (!has_model).then_some(archive)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Draft;

    #[test]
    fn a_record_follows_the_archive_beside_it_that_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let models = folder.path().join("models");
        let carried = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/models");
        let zip = models.join("e.zip");
        std::fs::create_dir(&models).unwrap();
        std::fs::copy(carried.join("electra_tiny.zip"), &zip).unwrap();
        let chosen = || {
            let given = json!({"task_names": ["squad"]});
            Draft::new(folder.path(), "e", given.as_object().unwrap())
                .unwrap()
                .init_checkpoint()
        };
        assert_eq!(chosen(), Some(zip.clone()));
        let record = models.join("e");
        checkpoints_convert::convert(&zip, &record, &mut |_, _| {}).unwrap();
        assert_eq!(chosen(), Some(zip.clone()));
        // A model that came from elsewhere, or was fine-tuned, is used as it is.
        let report = record.join("conversion.json");
        let made_of = std::fs::read_to_string(&report).unwrap();
        for (path, expected) in [
            (carried.join("electra_tiny.zip"), &record),
            // The path that is recorded there after the data, or the working directory, has moved.
            ("/gone/models/e.zip".into(), &zip),
            ("./models/e.zip".into(), &zip),
            ("/gone/models/other.zip".into(), &record),
        ] {
            let mut told: Value = serde_json::from_str(&made_of).unwrap();
            told["source"]["path"] = json!(path);
            std::fs::write(&report, told.to_string()).unwrap();
            assert_eq!(chosen().as_ref(), Some(expected), "{}", path.display());
        }
        std::fs::write(&report, made_of).unwrap();
        std::fs::write(record.join("config.json"), r#"{"task_names": ["squad"]}"#).unwrap();
        assert_eq!(chosen(), Some(record));
    }
}

//! The name of a model: that of a folder in DIR/models, or of one below such a folder.

use std::path::{Component, Path};

use super::error::{Error, shorten};

/// Refuses a name that leads out of the folder of the models, where a run would write its files. An empty
/// one is refused with the rest of a configuration.
pub(super) fn check(name: &str) -> Result<(), Error> {
    let leads_out = |part: Component<'_>| !matches!(part, Component::Normal(_) | Component::CurDir);
    if !Path::new(name).components().any(leads_out) {
        return Ok(());
    }
    let must = "the name is that of a folder in DIR/models, or of one below it (NAME/PART): without .., and \
                not starting with /; give a model in another place by --set init_checkpoint=PATH";
    Err(Error::out_of_range(
        "model_name (--model-name)",
        shorten(name),
        must,
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::config::{Draft, PretrainConfig};

    #[test]
    fn a_name_stays_in_the_folder_of_the_models() {
        for name in ["m", "m/best", "./m", ".", "m.v2", "..m", "a..b", "a b"] {
            assert!(check(name).is_ok(), "{name}");
        }
        let given = json!({"task_names": ["squad"]});
        for name in ["..", "../x", "m/../../x", "m/..", "/", "/tmp/m"] {
            let refused = check(name).unwrap_err().to_string();
            let start = format!("hyper-parameter model_name (--model-name) = {name}: the name is ");
            assert!(refused.starts_with(&start), "{refused}");
            let data = Path::new("d");
            let drafted = Draft::new(data, name, given.as_object().unwrap());
            assert_eq!(drafted.unwrap_err().to_string(), refused);
            let resolved = PretrainConfig::resolve(data, name, &Map::new());
            assert_eq!(resolved.unwrap_err().to_string(), refused);
        }
    }

    #[test]
    fn a_model_that_an_earlier_version_named_so_still_answers() {
        let saved = json!({"task_names": ["squad"], "data_dir": "d", "model_name": "../x"});
        assert!(Draft::from_json(saved.as_object().unwrap()).is_ok());
    }
}

//! Warns if vocabulary and settings disagree about letter case, and names the setting and file to
//! correct. A checkpoint that states its letter case takes precedence, so no flag would help.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{checkpoint_facts::CheckpointFacts, table::Config};
use crate::{data::source::read_text, text::vocab};

/// Warns about a vocabulary with many capitals, which a run's lower-cased text never matches.
pub(super) fn capitals(
    config: &Config,
    checkpoint: Option<&CheckpointFacts>,
    given: &Map<String, Value>,
) -> Option<String> {
    if !config.do_lower_case {
        return None;
    }
    let own = checkpoint
        .and_then(|facts| facts.vocabulary.as_ref())
        .filter(|_| !given.contains_key("vocab_file"));
    let (file, text) = match own {
        Some(own) => (&own.file, String::from_utf8_lossy(&own.bytes)),
        // An unreadable file is reported where it is needed, and a pipe can be read only once.
        None if !config.vocab_file.is_file() => return None,
        None => (
            &config.vocab_file,
            Cow::Owned(read_text(&config.vocab_file).ok()?),
        ),
    };
    let found = vocab::capitals(text.lines())?;
    let advice = match checkpoint.filter(|facts| facts.states_case) {
        Some(facts) => facts.correction("do_lower_case", false),
        None => "give --set do_lower_case=false".to_owned(),
    };
    Some(format!(
        "{}: {found}; {advice} if the model was pre-trained on cased text",
        file.display()
    ))
}

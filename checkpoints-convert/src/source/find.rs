//! Finds the checkpoint that a path means: turns a folder, a prefix or a list of names into the
//! prefix of one checkpoint, with the assumptions made to find it.

use std::io;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::state::{self, MAX_STATE_BYTES};
use crate::plain_file;
use crate::record_files::RECORD_FILE;

/// Returns whether `path` is a folder whose file `checkpoint` names an existing one, wherever it
/// is.
pub(super) fn names_checkpoint(path: &Path) -> bool {
    let state = plain_file::read(&path.join("checkpoint"), MAX_STATE_BYTES);
    let named = state.ok().flatten().and_then(|text| named_by(&text));
    named.is_some_and(|named| prefix_of(&path.join(named)).is_some())
}

/// Returns whether `path` is a folder that holds an `.index` file.
pub(crate) fn holds_index(path: &Path) -> bool {
    path.is_dir() && folder_names(path).is_ok_and(|names| !prefixes(&names).is_empty())
}

/// Returns folder and prefix if `path` is a checkpoint prefix, or one of its files.
pub(super) fn prefix_of(path: &Path) -> Option<(PathBuf, String)> {
    let name = path.file_name()?.to_str()?;
    let stem = name
        .strip_suffix(".index")
        .or_else(|| name.strip_suffix(".meta"))
        .or_else(|| name.rfind(".data-").map(|dot| &name[..dot]));
    let folder = path.parent()?;
    [Some(name), stem]
        .into_iter()
        .flatten()
        .find(|prefix| folder.join(format!("{prefix}.index")).is_file())
        .map(|prefix| (folder.into(), prefix.into()))
}

/// Returns folder, prefix and warnings for a folder that holds a checkpoint.
pub(super) fn find_in_folder(path: &Path) -> Result<(PathBuf, String, Vec<String>), Error> {
    let unreadable = |source| Error::Read {
        file: path.display().to_string(),
        source,
    };
    let names = folder_names(path).map_err(unreadable)?;
    let state = path.join("checkpoint");
    let named = match state.is_dir() {
        // A folder of that name has nothing to do with the checkpoint.
        true => None,
        false => plain_file::read(&state, MAX_STATE_BYTES)?.map(|text| named_by(&text)),
    };
    // Like TensorFlow, take an existing path as it was written; `join` keeps an absolute one. But
    // in a copied folder the path still points to the original files.
    let mut elsewhere = None;
    if let Some(Some(named)) = &named
        && let Some((folder, prefix)) = prefix_of(&path.join(named))
    {
        if is_inside(&folder, path) {
            return Ok((folder, prefix, Vec::new()));
        }
        if !prefixes(&names).contains(&prefix.as_str()) {
            let here = prefixes(&names).into_iter().take(8).map(str::to_owned);
            return Err(Error::Elsewhere {
                path: path.into(),
                named: named.clone(),
                here: here.collect(),
            });
        }
        elsewhere = Some(format!(
            "the file `checkpoint` names {named:?} in another folder; took {prefix:?} beside it"
        ));
    }
    let (prefix, mut warnings) = choose(path, &names, named)?;
    warnings.extend(elsewhere);
    Ok((path.into(), prefix, warnings))
}

/// Returns whether `folder` is `outer` or inside it, with symbolic links resolved.
fn is_inside(folder: &Path, outer: &Path) -> bool {
    match (folder.canonicalize(), outer.canonicalize()) {
        (Ok(folder), Ok(outer)) => folder.starts_with(outer),
        _ => false,
    }
}

/// Chooses the prefix that the file `checkpoint` names by its last component, otherwise the only
/// one in the folder. `named` is `None` if there is no such file, `Some(None)` if it names nothing.
pub(super) fn choose(
    path: &Path,
    names: &[String],
    named: Option<Option<String>>,
) -> Result<(String, Vec<String>), Error> {
    let prefixes = prefixes(names);
    let last = named
        .as_ref()
        .and_then(Option::as_deref)
        .map(state::last_component);
    if let Some(last) = last
        && prefixes.contains(&last)
    {
        return Ok((last.into(), Vec::new()));
    }
    match prefixes[..] {
        [] if path.join(RECORD_FILE).is_file() => Err(Error::IsRecord { path: path.into() }),
        [] => Err(Error::NoIndex { path: path.into() }),
        [only] => {
            let why = match (named.is_some(), last) {
                (_, Some(last)) => {
                    format!("the file `checkpoint` names {last:?}, which does not exist")
                }
                (true, None) => "the file `checkpoint` names no checkpoint".into(),
                (false, None) => "there is no file `checkpoint`".into(),
            };
            Ok((
                only.into(),
                vec![format!("{why}; took the only one, {only:?}")],
            ))
        }
        _ => Err(Error::ManyIndexes {
            path: path.into(),
            prefixes: prefixes.iter().take(8).map(|p| p.to_string()).collect(),
        }),
    }
}

pub(super) fn named_by(state: &[u8]) -> Option<String> {
    state::model_checkpoint_path(&String::from_utf8_lossy(state))
}

/// Returns the prefixes of the `.index` files among `names`; hidden files (macOS's `._x.index`) are
/// not checkpoints.
fn prefixes(names: &[String]) -> Vec<&str> {
    let mut prefixes: Vec<&str> = names
        .iter()
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| name.strip_suffix(".index"))
        .collect();
    prefixes.sort_unstable();
    prefixes
}

pub(super) fn folder_names(path: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in path.read_dir()? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

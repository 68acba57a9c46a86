//! Files that match patterns, as in `pretrain_tfrecords`: separated by commas, with `*` and `?` in the names.

use std::{
    fs, io,
    path::{Component, Path, PathBuf},
};

/// The files that match a list of patterns, sorted and without duplicates. A pattern without a match is an
/// error that names it.
pub(super) fn files(patterns: &str) -> Result<Vec<PathBuf>, (PathBuf, Option<io::Error>)> {
    let mut found = Vec::new();
    for pattern in patterns.split(',').map(str::trim) {
        let pattern = Path::new(pattern);
        let before = found.len();
        matching(pattern, &mut found).map_err(|error| (pattern.to_owned(), Some(error)))?;
        if found.len() == before {
            return Err((pattern.to_owned(), None));
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn matching(pattern: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut places = vec![PathBuf::new()];
    for component in pattern.components() {
        let name = match component {
            Component::Normal(name) => name.to_string_lossy(),
            other => {
                places.iter_mut().for_each(|place| place.push(other));
                continue;
            }
        };
        if !name.contains(['*', '?']) {
            places.iter_mut().for_each(|place| place.push(component));
            continue;
        }
        let mut next = Vec::new();
        for place in &places {
            let folder = match place.as_os_str().is_empty() {
                true => Path::new("."),
                false => place,
            };
            if !folder.is_dir() {
                continue;
            }
            for entry in fs::read_dir(folder)? {
                let file = entry?.file_name();
                let chars: Vec<char> = file.to_string_lossy().chars().collect();
                let pattern: Vec<char> = name.chars().collect();
                if matches(&pattern, &chars) {
                    next.push(place.join(file));
                }
            }
        }
        places = next;
    }
    found.extend(places.into_iter().filter(|place| place.is_file()));
    Ok(())
}

/// Whether a name matches a pattern.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut at, mut of) = (0, 0);
    // Positions after the last star, and in the name after the text that the star matches.
    let mut star = None;
    while of < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, of));
                at += 1;
            }
            Some(&c) if c == '?' || c == name[of] => {
                at += 1;
                of += 1;
            }
            _ => match &mut star {
                Some((behind, taken)) => {
                    *taken += 1;
                    (at, of) = (*behind, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&c| c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let is = |pattern: &str, name: &str| {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            matches(&chars(pattern), &chars(name))
        };
        for (pattern, name) in [
            ("*", ""),
            ("a*", "a"),
            ("pretrain_data.tfrecord*", "pretrain_data.tfrecord-0-of-4"),
            ("*-of-*", "a-of-of-b"),
            ("a?c*", "abcd"),
            ("*ab", "aab"),
        ] {
            assert!(is(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("", "a"),
            ("a", ""),
            ("a?", "a"),
            ("*ab", "aba"),
            ("A", "a"),
        ] {
            assert!(!is(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_are_joined_by_commas_and_files_come_once() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/x-1", "b/x-0", "b/y", "c/x-2"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let root = folder.path().display();
        let found = files(&format!("{root}/?/x-*, {root}/b/y,{root}/b/x-0")).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(folder.path()).unwrap().to_str().unwrap())
            .collect();
        assert_eq!(names, ["b/x-0", "b/x-1", "b/y", "c/x-2"]);
        let lost = files(&format!("{root}/b/y,{root}/b/z*")).unwrap_err();
        assert!(lost.0.ends_with("b/z*") && lost.1.is_none());
    }
}

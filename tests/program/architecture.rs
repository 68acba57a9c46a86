//! Compares the map in ARCHITECTURE.md with what the files of `src` import.
//!
//! An import is what a `use` names, or a path that begins with `crate` or `super`. Items that a
//! module re-exports from its submodules count as those submodules', and imports only by tests do
//! not count. Relies on rustfmt's layout: an item ends on a line with the item's own indentation.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// Allowed imports of rooms above, as (from, to, reason), each for everything inside. An entry that
/// no file needs any more makes the test fail, so that the list only shrinks.
const UPWARD: &[(&str, &str, &str)] = &[
    ("batch", "tasks/label", "the seam: a closed enum of labels"),
    ("config", "tasks/registry", "a leaf: the tasks' names"),
    ("kernels/adam", "config/choice", "the format of the moments"),
];

/// Imports without which there would be no import cycles, as (from, to, reason). An entry that is
/// in no cycle any more makes the test fail.
const CIRCLES: &[(&[&str], &[&str], &str)] = &[];

/// The files that use instructions for which Rust has no safe functions.
const UNSAFE: [&str; 2] = [
    "src/kernels/matmul/bf16/amx.rs",
    "src/kernels/matmul/bf16/avx512.rs",
];

#[test]
fn unsafe_code_stands_where_it_is_listed_and_nowhere_else() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = vec![root.join("src"), root.join("checkpoints-convert/src")];
    let mut found = BTreeSet::new();
    while let Some(place) = places.pop() {
        if place.is_dir() {
            places.extend(
                fs::read_dir(place)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        if place.extension().is_none_or(|kind| kind != "rs") {
            continue;
        }
        let text = fs::read_to_string(&place).unwrap();
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let mut words = code
            .flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-'));
        // The word alone, and the lint that permits it.
        if words.any(|word| word == "unsafe" || word == "unsafe_code") {
            let file = place.strip_prefix(root).unwrap().to_str().unwrap();
            found.insert(file.replace('\\', "/"));
        }
    }
    // The lints that forbid it, or deny it except in those files.
    for (file, lint) in [
        ("checkpoints-convert/src/lib.rs", "forbid"),
        ("checkpoints-convert/src/main.rs", "forbid"),
        ("src/lib.rs", "deny"),
        ("src/main.rs", "forbid"),
    ] {
        let text = fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(&format!("#![{lint}(unsafe_code)]")), "{file}");
        assert!(found.remove(file), "{file}");
    }
    assert_eq!(found, UNSAFE.map(str::to_owned).into());
}

#[test]
fn the_map_has_every_room() {
    let map = map();
    let drawn: BTreeSet<&str> = map.iter().flatten().map(String::as_str).collect();
    let modules = imports("src");
    let mut rooms: BTreeSet<&str> = modules.keys().map(|module| room(module)).collect();
    rooms.remove("");
    // A crate of its own.
    rooms.insert("checkpoints-convert");
    assert_eq!(drawn, rooms, "ARCHITECTURE.md and src/lib.rs");
}

#[test]
fn rooms_import_what_stands_below_them() {
    let map = map();
    let height = |room: &str| {
        let place = map.iter().position(|line| line.iter().any(|r| r == room));
        place.unwrap_or_else(|| panic!("{room} is not on the map"))
    };
    let mut needed = BTreeSet::new();
    let mut wrong = Vec::new();
    for (from, targets) in imports("src") {
        for to in targets {
            let (above, below) = (room(&from), room(&to));
            if above.is_empty() || above == below || height(above) < height(below) {
                continue;
            }
            let excepted = UPWARD
                .iter()
                .find(|(upper, lower, _)| is_inside(&from, upper) && is_inside(&to, lower));
            match excepted {
                Some(exception) => drop(needed.insert(exception)),
                None => wrong.push(format!("{from} imports {to}")),
            }
        }
    }
    assert!(wrong.is_empty(), "against the map: {wrong:#?}");
    let unneeded: Vec<_> = UPWARD.iter().filter(|e| !needed.contains(e)).collect();
    assert!(unneeded.is_empty(), "needed no more: {unneeded:#?}");
}

#[test]
fn files_import_each_other_in_no_circle() {
    let mut all = imports("src");
    let converter = imports("checkpoints-convert/src");
    all.extend(converter.into_iter().map(|(from, targets)| {
        let inside = |module: String| format!("checkpoints-convert/{module}");
        let targets = targets.into_iter().map(inside).collect();
        (inside(from), targets)
    }));
    let mut rest = all.clone();
    for (sources, targets, _) in CIRCLES {
        for (from, to) in sources
            .iter()
            .flat_map(|s| targets.iter().map(move |t| (*s, *t)))
        {
            let imported = rest.get_mut(from).is_some_and(|imports| imports.remove(to));
            assert!(
                imported && path(&all, to, from).is_some(),
                "{from} imports {to} in no circle any more: it goes off the list"
            );
        }
    }
    for (from, targets) in &rest {
        for to in targets {
            if let Some(back) = path(&rest, to, from) {
                panic!("a circle: {from} imports {}", back.join(", which imports "));
            }
        }
    }
}

/// Reads the rooms of the map from top to bottom; those on one line are side by side.
///
/// A line begins with names, two spaces apart; their description follows after three spaces or
/// more.
fn map() -> Vec<Vec<String>> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md");
    let text = fs::read_to_string(file).unwrap();
    let drawing = text.split("```").nth(1).unwrap();
    drawing
        .lines()
        .filter(|line| line.starts_with(|first: char| first.is_alphabetic()))
        .map(|line| {
            let names = line.split("   ").next().unwrap();
            names.split("  ").map(str::to_owned).collect()
        })
        .collect()
}

/// Returns the top-level module of a module, empty for the crate's root.
fn room(module: &str) -> &str {
    module.split('/').next().unwrap_or(module)
}

fn is_inside(module: &str, outer: &str) -> bool {
    let rest = module.strip_prefix(outer);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Returns the shortest path from one module to another along imports.
fn path(imports: &BTreeMap<String, BTreeSet<String>>, from: &str, to: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![from.to_owned()]];
    let mut seen = BTreeSet::from([from.to_owned()]);
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last()?;
            if last == to {
                return Some(way);
            }
            for next in imports.get(last).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    longer.push([way.clone(), vec![next.clone()]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

/// Returns the modules of a crate, such as `train/log`, each with the modules that it imports.
fn imports(sources: &str) -> BTreeMap<String, BTreeSet<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(sources);
    let mut texts = BTreeMap::new();
    read(&root.join("lib.rs"), String::new(), &root, &mut texts);
    let modules: BTreeSet<&String> = texts.keys().collect();
    let mut found = Vec::new();
    let mut passed_on = BTreeMap::new();
    for (module, text) in &texts {
        for (path, passed_as) in paths(text) {
            let Some((target, name)) = resolved(module, &path, &modules) else {
                continue;
            };
            match passed_as {
                Some(known_as) if target.starts_with(module.as_str()) => {
                    passed_on.insert((module, known_as), target);
                }
                _ => found.push((module, target, name)),
            }
        }
    }
    let mut imports: BTreeMap<_, _> = texts.keys().map(|m| (m.clone(), BTreeSet::new())).collect();
    for (module, target, name) in found {
        let origin = name.and_then(|name| passed_on.get(&(&target, name)));
        let target = origin.unwrap_or(&target);
        if target != module && !target.is_empty() {
            imports
                .entry(module.clone())
                .or_default()
                .insert(target.clone());
        }
    }
    imports
}

/// Reads a module and those that it declares.
fn read(file: &Path, module: String, folder: &Path, texts: &mut BTreeMap<String, String>) {
    let text = without_tests(&fs::read_to_string(file).unwrap());
    for line in text.lines() {
        let Some(name) = line.strip_suffix(';').and_then(|line| item(line, "mod ")) else {
            continue;
        };
        let child = match module.as_str() {
            "" => name.to_owned(),
            _ => format!("{module}/{name}"),
        };
        let (leaf, inner) = (folder.join(format!("{name}.rs")), folder.join(name));
        match leaf.exists() {
            true => read(&leaf, child, &inner, texts),
            false => read(&inner.join("mod.rs"), child, &inner, texts),
        }
    }
    texts.insert(module, text);
}

/// Returns what follows `mod` or `use` in a line that begins with it, whatever its visibility.
fn item<'a>(line: &'a str, keyword: &str) -> Option<&'a str> {
    let open = line.strip_prefix("pub").unwrap_or(line);
    let whole = match open
        .strip_prefix('(')
        .and_then(|within| within.split_once(')'))
    {
        Some((_, item)) => item,
        None => open,
    };
    whole.trim_start().strip_prefix(keyword)
}

/// Strips comments and code that is compiled only for tests.
fn without_tests(source: &str) -> String {
    let indentation = |line: &str| line.len() - line.trim_start().len();
    let mut kept = String::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if line.trim() == "#[cfg(test)]" {
            lines.find(|next| indentation(next) == indentation(line) && next.ends_with([';', '}']));
        } else if !line.trim_start().starts_with("//") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Returns the paths that a source imports, in `use` items or inline, and the names under which it
/// re-exports them.
fn paths(source: &str) -> Vec<(Vec<String>, Option<String>)> {
    let mut found = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        let mut statement = line.trim().to_owned();
        if item(&statement, "use ").is_some() {
            while !statement.ends_with(';') {
                statement.push_str(lines.next().unwrap().trim());
            }
            let (access, tree) = statement.split_once("use ").unwrap();
            let mut paths = Vec::new();
            branches(tree.trim_end_matches(';'), &[], &mut paths);
            found.extend(paths.into_iter().map(|(path, name)| {
                let passed_as = Some(name).filter(|_| !access.is_empty());
                (path, passed_as)
            }));
            continue;
        }
        for start in ["crate::", "super::"] {
            for (at, _) in line.match_indices(start) {
                let is_start = !line[..at].ends_with(['$', ':']) && !line[..at].ends_with("(in ");
                let is_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
                let path = line[at..].split(|c| !is_path(c)).next().unwrap();
                if is_start {
                    found.push((path.split("::").map(str::to_owned).collect(), None));
                }
            }
        }
    }
    found
}

/// Expands a `use` tree, `a::{b, c::{d, e as f}}`, into paths with their names.
fn branches(tree: &str, stem: &[String], found: &mut Vec<(Vec<String>, String)>) {
    let tree = tree.trim();
    let segments = |path: &str| -> Vec<String> {
        let names = path.split("::").filter(|name| !name.is_empty());
        names.map(|name| name.trim().to_owned()).collect()
    };
    let Some((head, rest)) = tree.split_once('{') else {
        let (path, alias) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path = [stem.to_vec(), segments(path)].concat();
        let name = match alias {
            "" => path.last().cloned().unwrap_or_default(),
            alias => alias.to_owned(),
        };
        found.push((path, name));
        return;
    };
    let stem = [stem.to_vec(), segments(head)].concat();
    let inner = rest.strip_suffix('}').unwrap();
    let (mut depth, mut begin) = (0, 0);
    for (at, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                branches(&inner[begin..at], &stem, found);
                begin = at + 1;
            }
            _ => {}
        }
    }
    if !inner[begin..].trim().is_empty() {
        branches(&inner[begin..], &stem, found);
    }
}

/// Resolves a path to a module and a name in it; `None` for other crates.
fn resolved(
    module: &str,
    path: &[String],
    modules: &BTreeSet<&String>,
) -> Option<(String, Option<String>)> {
    let mut place: Vec<&str> = module.split('/').filter(|name| !name.is_empty()).collect();
    match path.first()?.as_str() {
        "crate" => place.clear(),
        "self" | "super" => {}
        child => drop(modules.get(&[place.as_slice(), &[child]].concat().join("/"))?),
    }
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(place.pop()),
            name => {
                place.push(name);
                if !modules.contains(&place.join("/")) {
                    place.pop();
                    return Some((place.join("/"), Some(name.to_owned())));
                }
            }
        }
    }
    Some((place.join("/"), None))
}

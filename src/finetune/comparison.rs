//! Compares two runs, task by task, on the examples that both answer.

use std::path::PathBuf;

use crate::{
    counted::grouped,
    eval::{bootstrap::Bootstrap, comparison::TaskComparison},
    report::Sections,
};

/// Maximum length, in characters, of a text quoted in a message.
const SHOWN: usize = 60;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(
        "{first} and {other} have no task in common: the first has {of_first}, the other {of_other}; \
         compare runs of the same tasks"
    )]
    NoCommonTask {
        first: String,
        other: String,
        of_first: String,
        of_other: String,
    },
    #[error(transparent)]
    OtherExamples(#[from] Box<OtherExamples>),
    #[error(transparent)]
    OtherPart(#[from] Box<OtherPart>),
}

/// The answers are to other examples than the first run's.
#[derive(Debug, thiserror::Error)]
#[error(
    "{task}: {first} answers the examples of {} (sha256 {first_sum}…), {other} those of {} (sha256 \
     {other_sum}…): {difference}; compare runs that were evaluated on the same dev file",
    first_data.display(),
    other_data.display()
)]
pub struct OtherExamples {
    task: String,
    first: String,
    first_data: PathBuf,
    first_sum: String,
    other: String,
    other_data: PathBuf,
    other_sum: String,
    difference: String,
}

/// The answers are to another part of the file than the first run's, or to its examples as read with other
/// settings.
#[derive(Debug, thiserror::Error)]
#[error("{task}: both runs answer the examples of {} (sha256 {sum}…), but {difference}: {cause}", data.display())]
pub struct OtherPart {
    task: String,
    data: PathBuf,
    sum: String,
    difference: String,
    cause: String,
}

/// A run's answers, with its name for messages.
#[derive(Clone, Copy)]
pub struct Side<'a> {
    pub name: &'a str,
    /// The limit on examples per file that the run was given, if any.
    pub most: Option<usize>,
    pub sections: &'a [Box<dyn Sections + 'a>],
}

/// A task that both runs have.
pub struct ComparedTask<'a> {
    pub figures: TaskComparison,
    /// The answers of the first run and of the second.
    pub sections: [&'a dyn Sections; 2],
}

/// The tasks that two runs share.
pub struct Comparison<'a> {
    pub tasks: Vec<ComparedTask<'a>>,
    /// Tasks that only one of the runs has.
    pub left_out: Vec<String>,
}

/// Compares a run's answers with the first run's, for every task that both have.
///
/// # Errors
/// If they have no task in common, or answered different examples.
pub fn compare<'a>(
    first: Side<'a>,
    other: Side<'a>,
    bootstrap: &Bootstrap,
) -> Result<Comparison<'a>, Error> {
    let named = |side: Side<'a>, name: &str| {
        let mut sections = side.sections.iter();
        sections.find(|own| own.name() == name).map(AsRef::as_ref)
    };
    let mut tasks = Vec::new();
    for own in first.sections {
        let Some(theirs) = named(other, own.name()) else {
            continue;
        };
        let sections: [&'a dyn Sections; 2] = [own.as_ref(), theirs];
        check_same([first, other], sections)?;
        let judged = sections.map(Sections::judged);
        let figures = TaskComparison::of(
            own.name(),
            sections.map(Sections::scores),
            [&judged[0], &judged[1]],
            bootstrap,
        );
        tasks.push(ComparedTask { figures, sections });
    }
    let names = |side: Side| -> Vec<String> {
        let sections = side.sections.iter();
        sections.map(|own| own.name().to_owned()).collect()
    };
    if tasks.is_empty() {
        return Err(Error::NoCommonTask {
            first: first.name.to_owned(),
            other: other.name.to_owned(),
            of_first: names(first).join(", "),
            of_other: names(other).join(", "),
        });
    }
    let is_compared = |name: &String| tasks.iter().any(|task| task.figures.task == *name);
    let mut left_out = [names(first), names(other)].concat();
    left_out.retain(|name| !is_compared(name));
    Ok(Comparison { tasks, left_out })
}

/// Refuses answers to different examples.
fn check_same(sides: [Side; 2], sections: [&dyn Sections; 2]) -> Result<(), Error> {
    let Some(difference) = difference(sections) else {
        return Ok(());
    };
    let task = sections[0].name().to_owned();
    let [first_data, other_data] = sections.map(Sections::data);
    if first_data.sha256.is_some() && first_data.sha256 == other_data.sha256 {
        let (difference, cause) = of_one_file(sides, sections, difference);
        let other_part = OtherPart {
            task,
            data: first_data.file.clone(),
            sum: first_data.short().to_owned(),
            difference,
            cause,
        };
        return Err(Box::new(other_part).into());
    }
    let [first, other] = sides.map(|side| side.name.to_owned());
    let other_examples = OtherExamples {
        task,
        first,
        first_data: first_data.file.clone(),
        first_sum: first_data.short().to_owned(),
        other,
        other_data: other_data.file.clone(),
        other_sum: other_data.short().to_owned(),
        difference,
    };
    Err(Box::new(other_examples).into())
}

/// How the answers to one file differ, why, and what to do.
fn of_one_file(
    sides: [Side; 2],
    sections: [&dyn Sections; 2],
    difference: String,
) -> (String, String) {
    let judged = sections.map(Sections::judged);
    let counts = [&judged[0], &judged[1]].map(|judged| judged.len());
    let [first, other] = sides;
    if counts[0] == counts[1] {
        let cause = "they read it with different settings, or lack different predictions; evaluate both \
                     again with the same settings";
        return (difference, cause.to_owned());
    }
    let [own, theirs] = counts.map(|count| grouped(count, judged[0].noun));
    let difference = format!(
        "{} has answers to {own}, {} to {theirs}",
        first.name, other.name
    );
    let fewer = usize::from(counts[1] < counts[0]);
    let cause = if sides[fewer].most == Some(counts[fewer]) {
        let [own, theirs] = sides.map(|side| match side.most {
            Some(most) => most.to_string(),
            None => "null".to_owned(),
        });
        format!("max_eval_examples is {own} there and {theirs} here; evaluate both with the same")
    } else {
        let name = sides[fewer].name;
        format!("{name} lacks predictions; evaluate it again")
    };
    (difference, cause)
}

/// How the examples differ, in words.
fn difference(sections: [&dyn Sections; 2]) -> Option<String> {
    let judged = sections.map(Sections::judged);
    let [first, other] = [&judged[0], &judged[1]].map(|judged| judged.len());
    for place in 0..first.min(other) {
        let [own, theirs] = sections.map(|own| own.told(place));
        if !own.is_of_same(&theirs) {
            let [own, theirs] = [own, theirs].map(|told| {
                let (text, gold) = (short(&told.text), short(&told.gold));
                format!("{} {text:?}, right answer {gold:?}", short(&told.id))
            });
            return Some(format!(
                "{} {} is {own} there and {theirs} here",
                judged[0].noun,
                place + 1
            ));
        }
    }
    (first != other).then(|| format!("there are {first} there and {other} here"))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

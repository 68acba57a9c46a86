//! Chooses the head of a record that is exported to `transformers`, whose models have one head. Question
//! answering can be exported if its end does not depend on its start; tagging always; classification and
//! regression in the form of `transformers`' classifier. Takes the configuration; yields a head, or the
//! reason why none is exported.

use crate::Error;
use crate::config::RecordConfig;
use crate::head_shape::{DenseKind, DenseShape, HeadShape};
use crate::hugging_face::Class;

/// A head that can be exported.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub task: String,
    pub shape: HeadShape,
    pub class: Class,
}

impl Head {
    /// Its dense layers; `None` for question answering.
    pub fn dense(&self) -> Option<&DenseShape> {
        match &self.shape {
            HeadShape::Dense(dense) => Some(dense),
            HeadShape::Span(_) => None,
        }
    }

    /// Whether all of it is exported; the answerability classifier of question answering is not.
    pub fn is_whole(&self) -> bool {
        match &self.shape {
            HeadShape::Span(span) => !span.answerable_classifier,
            HeadShape::Dense(_) => true,
        }
    }
}

/// The heads of a record: the exported one, and the others with reasons.
pub(super) struct Heads<'a> {
    config: &'a RecordConfig,
    /// The exported head.
    pub chosen: Option<Head>,
}

/// Checks that the record has a head for the requested task, if one was requested; `file` names its
/// configuration in errors.
///
/// # Errors
/// If it has none.
pub(super) fn check(config: &RecordConfig, task: Option<&str>, file: &str) -> Result<(), Error> {
    match task.filter(|&task| !config.heads.contains_key(task)) {
        None => Ok(()),
        Some(task) => {
            let heads: Vec<&str> = config.heads.keys().map(String::as_str).collect();
            Err(Error::NoHead {
                file: file.into(),
                task: task.into(),
                heads: match heads[..] {
                    [] => "none".into(),
                    _ => heads.join(", "),
                },
            })
        }
    }
}

impl<'a> Heads<'a> {
    /// Chooses the head of `task`, or else the only one that can be exported; `file` names the configuration
    /// in errors.
    ///
    /// # Errors
    /// If the head of `task` does not exist or cannot be exported.
    pub fn choose(config: &'a RecordConfig, task: Option<&str>, file: &str) -> Result<Self, Error> {
        check(config, task, file)?;
        if let Some(task) = task
            && let Err(why) = class(config, &config.heads[task])
        {
            return Err(Error::Head {
                file: file.into(),
                task: task.into(),
                why,
            });
        }
        let asked = config
            .heads
            .iter()
            .filter(|(name, _)| task.is_none_or(|task| task == name.as_str()));
        let mut able = asked.filter_map(|(task, shape)| {
            Some(Head {
                class: class(config, shape).ok()?,
                task: task.clone(),
                shape: shape.clone(),
            })
        });
        let chosen = able.next().filter(|_| able.next().is_none());
        Ok(Self { config, chosen })
    }

    /// The heads that are left out, with reasons; if several could be exported, all of them.
    pub fn left_out(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let others = self.config.heads.iter().filter(|(task, _)| {
            let chosen = self.chosen.as_ref();
            chosen.is_none_or(|chosen| chosen.task != **task)
        });
        others.map(|(task, shape)| (task.as_str(), self.reason(shape)))
    }

    /// Why the parameter at `path` of the record is left out.
    pub fn reason_of(&self, path: &str) -> &'static str {
        match (owner(self.config, path), &self.chosen) {
            (None, _) => "not in config.json",
            (Some((task, _)), Some(chosen)) if *task == chosen.task => {
                "head of a task: transformers has no classifier for unanswerable questions beside the start \
                 and the end"
            }
            (Some((_, shape)), _) => self.reason(shape),
        }
    }

    fn reason(&self, shape: &HeadShape) -> &'static str {
        match (class(self.config, shape), &self.chosen) {
            (Err(why), _) => why,
            (Ok(_), Some(_)) => "head of a task: another task's head is exported",
            (Ok(_), None) => {
                "head of a task: one of several, and a transformers model has only one; --task chooses it"
            }
        }
    }
}

/// The head that the parameter at `path` belongs to, with its task.
pub(super) fn owner<'a>(
    config: &'a RecordConfig,
    path: &str,
) -> Option<(&'a String, &'a HeadShape)> {
    let rest = path.strip_prefix("heads.")?;
    config.heads.iter().find(|(task, _)| {
        rest.strip_prefix(task.as_str())
            .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// The class as which a head is exported, or why it cannot be.
fn class(config: &RecordConfig, shape: &HeadShape) -> Result<Class, &'static str> {
    let dense = match shape {
        HeadShape::Span(span) if span.joint_prediction => {
            return Err(
                "head of a task: transformers has no model with the joint head, whose end depends on the \
                 start; fine-tune with joint_prediction=false for one that can be exported",
            );
        }
        HeadShape::Span(_) => return Ok(Class::Questions),
        HeadShape::Dense(dense) => dense,
    };
    match dense.kind {
        Some(DenseKind::Tagging) => Ok(Class::Words),
        Some(DenseKind::Classification | DenseKind::Regression) => {
            let is_narrow = 2 * dense.outputs <= config.model.hidden_size;
            match dense.hidden_layer || is_narrow {
                true => Ok(Class::Texts),
                false => Err(
                    "head of a task: it has more labels than half the hidden size, so that the classifier \
                     of transformers, with its hidden layer and GELU, cannot represent it",
                ),
            }
        }
        None => Err(
            "head of a task: config.json does not say its kind; put \"kind\": \"classification\", \
             \"regression\" or \"tagging\" there",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::tests::{config, head};

    fn of(kind: DenseKind, outputs: usize) -> HeadShape {
        HeadShape::Dense(DenseShape {
            kind: Some(kind),
            ..DenseShape::new(outputs)
        })
    }

    #[test]
    fn a_head_goes_along_as_the_class_that_computes_the_same() {
        // Hidden states of size 8.
        let config = config(4, HeadShape::dense(1));
        for (shape, expected) in [
            (head(false, false, false), Ok(Class::Questions)),
            (head(false, true, true), Ok(Class::Questions)),
            (head(true, false, false), Err("the joint head")),
            (of(DenseKind::Tagging, 9), Ok(Class::Words)),
            (of(DenseKind::Classification, 4), Ok(Class::Texts)),
            (
                of(DenseKind::Classification, 5),
                Err("more labels than half"),
            ),
            (of(DenseKind::Regression, 1), Ok(Class::Texts)),
            (HeadShape::dense(2), Err("does not say its kind")),
        ] {
            match (class(&config, &shape), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => panic!("{shape:?}: {found:?} for {expected:?}"),
            }
        }
        let HeadShape::Dense(mut wide) = of(DenseKind::Classification, 5) else {
            panic!()
        };
        wide.hidden_layer = true;
        assert_eq!(class(&config, &HeadShape::Dense(wide)), Ok(Class::Texts));
    }

    #[test]
    fn of_several_heads_the_one_that_is_asked_for_goes_along() {
        let mut config = config(4, head(true, true, true));
        let chosen = |config: &RecordConfig, task| {
            let heads = Heads::choose(config, task, "config.json");
            let heads = heads.map_err(|error| error.to_string())?;
            Ok::<_, String>(heads.chosen.map(|head| head.task))
        };
        assert_eq!(chosen(&config, None), Ok(None));
        let error = chosen(&config, Some("squad")).unwrap_err();
        assert!(error.contains("\"squad\" cannot be exported"), "{error}");
        config.heads.insert("ner".into(), of(DenseKind::Tagging, 3));
        assert_eq!(chosen(&config, None), Ok(Some("ner".into())));
        let sst = of(DenseKind::Classification, 2);
        config.heads.insert("sst".into(), sst);
        assert_eq!(chosen(&config, None), Ok(None));
        let heads = Heads::choose(&config, None, "c").unwrap();
        assert!(heads.reason_of("heads.ner.dense.bias").contains("--task"));
        assert_eq!(chosen(&config, Some("sst")), Ok(Some("sst".into())));
        let heads = Heads::choose(&config, Some("sst"), "c").unwrap();
        let left: Vec<&str> = heads.left_out().map(|(task, _)| task).collect();
        assert_eq!(left, ["ner", "squad"]);
        assert!(
            heads
                .reason_of("heads.ner.dense.bias")
                .contains("another task's head")
        );
        let error = chosen(&config, Some("rte")).unwrap_err();
        assert!(
            error.contains("config.json: no head for task \"rte\"; it has ner, squad, sst"),
            "{error}"
        );
    }
}

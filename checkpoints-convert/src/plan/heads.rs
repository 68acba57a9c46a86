//! Finds the heads of a checkpoint from the variables of each task, and explains why the others
//! form none. A head is identified by the full set of its variables, since the layers of every kind
//! begin with `dense` (reference: `finetune/qa/qa_tasks.py`,
//! `finetune/classification/classification_tasks.py`, `finetune/tagging/tagging_tasks.py`).

use std::collections::{BTreeMap, BTreeSet};

use super::shapes::{Shapes, UNKNOWN};
use crate::config::RecordConfig;
use crate::framework::Framework;
use crate::head_shape::{DenseShape, HEAD_HIDDEN, HeadShape, SpanShape};
use crate::names;

/// Layers that only question answering has; they follow `dense`, which every head has.
const SPAN_LAYERS: [&str; 4] = ["qa_hidden", "dense_1", "dense_2", "dense_3"];

/// The variables of a head with a hidden layer, which only Hugging Face's models have.
const BEHIND_HIDDEN: [&str; 4] = [
    "classifier/dense/bias",
    "classifier/dense/kernel",
    "classifier/out_proj/bias",
    "classifier/out_proj/kernel",
];

/// The complete heads, and what the others lack.
#[derive(Default)]
pub(super) struct Heads {
    pub complete: BTreeMap<String, HeadShape>,
    incomplete: BTreeMap<String, String>,
    pub unfilled: Vec<String>,
    pub warnings: Vec<String>,
}

impl Heads {
    /// Finds the heads of every task in the checkpoint; `config` has the encoder's sizes.
    pub fn of(shapes: &Shapes, config: &RecordConfig) -> Self {
        let mut heads = Self::default();
        for (task, variables) in tasks(shapes) {
            let layers = Layers {
                shapes,
                task,
                variables,
            };
            match layers.head(config.model.hidden_size) {
                Ok(head) => heads.add(shapes, config, task, head),
                Err(why) => heads
                    .warnings
                    .push(format!("head {task:?} is left out: {why}")),
            }
        }
        heads
    }

    fn add(&mut self, shapes: &Shapes, config: &RecordConfig, task: &str, head: HeadShape) {
        let missing: Vec<String> = names::head_parameters(config, task, &head)
            .into_iter()
            .filter(|parameter| !shapes.variables.contains_key(parameter.variable.as_str()))
            .map(|parameter| parameter.path)
            .collect();
        if missing.is_empty() {
            self.complete.insert(task.into(), head);
            return;
        }
        let why = format!(
            "head {task:?} is incomplete: no variable for {}",
            missing.join(", ")
        );
        self.warnings.push(format!("{why}; the head is left out"));
        self.incomplete.insert(task.into(), why);
        self.unfilled.extend(missing);
    }

    /// Returns why a variable that no parameter takes is left out.
    pub fn reason(&self, framework: Framework, variable: &str) -> String {
        let reason = framework.reason(variable).unwrap_or(UNKNOWN);
        variable
            .strip_prefix("task_specific/")
            .filter(|_| reason == names::NO_QA_HEAD)
            .and_then(|rest| self.incomplete.get(rest.split_once('/')?.0))
            .cloned()
            .unwrap_or_else(|| reason.into())
    }
}

/// Returns the tasks that have variables and a name that may occur in a parameter's path, with what
/// follows the task in the names of the variables. Optimiser slots do not count.
fn tasks<'a>(shapes: &Shapes<'a>) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut tasks: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let names = shapes.variables.keys();
    for &name in names.filter(|name| names::reason(name) == Some(names::NO_QA_HEAD)) {
        let scoped = name
            .strip_prefix("task_specific/")
            .and_then(|rest| rest.split_once('/'));
        if let Some((task, variable)) = scoped
            && names::is_task_name(task)
        {
            tasks.entry(task).or_default().insert(variable);
        }
    }
    tasks
}

/// The layers of one task's head.
struct Layers<'a> {
    shapes: &'a Shapes<'a>,
    task: &'a str,
    /// `dense/kernel` etc.
    variables: BTreeSet<&'a str>,
}

impl Layers<'_> {
    /// Returns the head that the variables belong to, even if it lacks some of them; otherwise why
    /// they belong to no known head.
    fn head(&self, hidden: usize) -> Result<HeadShape, String> {
        let has_span_layer = SPAN_LAYERS.into_iter().any(|layer| self.has(layer));
        let is_dense = self
            .variables
            .iter()
            .eq(["dense/bias", "dense/kernel"].iter());
        let is_behind_hidden = self.shapes.framework == Framework::HuggingFace
            && self.variables.iter().eq(BEHIND_HIDDEN.iter());
        match (has_span_layer, is_dense) {
            (true, _) => self.span(),
            (false, true) => self.dense("dense", hidden).map(HeadShape::Dense),
            (false, false) if is_behind_hidden => {
                let dense = self.dense("classifier/out_proj", hidden)?;
                Ok(HeadShape::Dense(DenseShape {
                    hidden_layer: true,
                    ..dense
                }))
            }
            (false, false) => {
                let some = self.variables.iter().take(5);
                let some: Vec<String> = some.map(|variable| self.name(variable)).collect();
                let more = if self.variables.len() > 5 {
                    ", …"
                } else {
                    ""
                };
                Err(format!(
                    "its variables ({}{more}) are neither those of a question-answering head nor the \
                     kernel and the bias of one layer, dense",
                    some.join(", ")
                ))
            }
        }
    }

    fn span(&self) -> Result<HeadShape, String> {
        let kernel = self.shape("dense", "kernel");
        let start = kernel.as_deref().and_then(<[u64]>::last);
        if let Some(&width) = start.filter(|&&width| width != 1) {
            return Err(format!(
                "{} gives {width} values a token; the first layer of a question-answering head \
                 gives 1",
                self.name("dense/kernel")
            ));
        }
        let answerable_classifier = self.has("dense_2") || self.has("dense_3");
        let answerable_uses_start_logits =
            answerable_classifier && (self.has("dense_3") || self.width("dense_2") != Some(1));
        let answerable_hidden = || {
            self.width("dense_2")
                .filter(|_| answerable_uses_start_logits)
        };
        Ok(HeadShape::Span(SpanShape {
            joint_prediction: self.has("qa_hidden"),
            answerable_classifier,
            answerable_uses_start_logits,
            hidden: self
                .width("qa_hidden")
                .or_else(answerable_hidden)
                .unwrap_or(HEAD_HIDDEN),
        }))
    }

    /// Reads the shape of a dense head. The bias is checked later, with every parameter's shape.
    fn dense(&self, layer: &str, hidden: usize) -> Result<DenseShape, String> {
        let kernel = self.shape(layer, "kernel").unwrap_or_default();
        match kernel[..] {
            [rows, outputs] if rows == hidden as u64 && outputs > 0 => Ok(DenseShape::new(
                usize::try_from(outputs).unwrap_or(usize::MAX),
            )),
            _ => Err(format!(
                "{} has shape {:?}; expected a matrix for hidden states of {hidden} values",
                self.name(&format!("{layer}/kernel")),
                self.shapes.framework.shape("/kernel", &kernel)
            )),
        }
    }

    fn has(&self, layer: &str) -> bool {
        self.shape(layer, "kernel").is_some() || self.shape(layer, "bias").is_some()
    }

    /// Returns the number of outputs of a layer.
    fn width(&self, layer: &str) -> Option<usize> {
        let shape = self
            .shape(layer, "bias")
            .or_else(|| self.shape(layer, "kernel"))?;
        usize::try_from(*shape.last()?).ok()
    }

    /// Returns the framework's name for a variable of the head.
    fn name(&self, variable: &str) -> String {
        let reference = format!("task_specific/{}/{variable}", self.task);
        self.shapes.framework.name(&reference)
    }

    /// Returns the shape of a layer's variable, in the reference's layout.
    fn shape(&self, layer: &str, part: &str) -> Option<Vec<u64>> {
        let name = format!("task_specific/{}/{layer}/{part}", self.task);
        let variable = self.shapes.variables.get(name.as_str())?;
        Some(self.shapes.framework.shape(&name, &variable.shape))
    }
}

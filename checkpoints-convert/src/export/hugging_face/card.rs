//! The model card of an export, `README.md`. Takes what is known of a model, its head and its scores; yields
//! Markdown with the front matter of Hugging Face's hub. What only the author knows (the licence, the data's
//! names on the hub, the language) is left to be filled in. Local paths are not included.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value};

use super::super::head::{Head, Heads};
use super::super::source::Source;
use super::config;
use super::figures::{self, Figure};
use crate::head_shape::DenseKind;
use crate::hugging_face::Class;
use crate::printable::printable;

pub(in crate::export) const FILE: &str = "README.md";

/// The start of the front matter.
pub(super) const FRONT: &str = "---\n\
    # Fill these in before you publish the model; the keys are those of\n\
    # https://huggingface.co/docs/hub/model-cards\n\
    license:\n\
    language:\n\
    datasets:\n\
    library_name: transformers\n";

/// The settings that determine a run's model, in the order of the card.
const SETTINGS: [&str; 19] = [
    "model_name",
    "model_size",
    "num_train_epochs",
    "train_batch_size",
    "learning_rate",
    "layerwise_lr_decay",
    "lr_schedule",
    "warmup_proportion",
    "weight_decay_rate",
    "label_smoothing",
    "trainable_layers",
    "max_seq_length",
    "doc_stride",
    "max_query_length",
    "joint_prediction",
    "answerable_classifier",
    "keep_best",
    "precision",
    "seed",
];

/// The contents of a card.
pub(super) struct Card<'a> {
    name: String,
    heads: &'a Heads<'a>,
    figures: Vec<Figure>,
    settings: Map<String, Value>,
}

impl<'a> Card<'a> {
    /// The card of a model exported to the folder `out`, after which it is named.
    pub fn new(source: &Source, heads: &'a Heads<'a>, out: &Path) -> Self {
        let head = heads.chosen.as_ref();
        Self {
            name: name_of(out),
            // Without its classifier, a head answers differently from the one that was scored.
            figures: match head.filter(|head| head.is_whole()) {
                Some(head) => figures::of(source, &head.task),
                None => Vec::new(),
            },
            heads,
            settings: source.settings(),
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let head = self.heads.chosen.as_ref();
        self.write_front_matter(out, head)?;
        writeln!(out, "\n# {}\n", self.name)?;
        match head {
            Some(head) => writeln!(
                out,
                "ELECTRA with a head for {} (task `{}`), exported by `electra export`.",
                purpose(head),
                head.task
            )?,
            None => writeln!(
                out,
                "The encoder of an ELECTRA model, without a head, exported by `electra export`."
            )?,
        }
        writeln!(out, "\n## Use\n\n```python\n{}```", self.usage(head))?;
        if let Some(note) = head.and_then(note) {
            writeln!(out, "\n{note}")?;
        }
        self.write_figures(out, head)?;
        write_settings(out, &SETTINGS, &self.settings)?;
        self.write_left_out(out)
    }

    fn write_front_matter(&self, out: &mut String, head: Option<&Head>) -> std::fmt::Result {
        out.push_str(FRONT);
        let pipeline = head.map_or("feature-extraction", |head| head.class.pipeline());
        write!(out, "pipeline_tag: {pipeline}\ntags:\n- electra\n")?;
        if let Some(head) = head.filter(|_| !self.figures.is_empty()) {
            out.push_str("metrics:\n");
            for figure in &self.figures {
                writeln!(out, "- {}", figure.hub)?;
            }
            let (name, task) = (quoted(&self.name), quoted(&head.task));
            write!(
                out,
                "model-index:\n\
                 - name: {name}\n  \
                 results:\n  \
                 - task:\n      \
                 type: {pipeline}\n    \
                 dataset:\n      \
                 type: {task}\n      \
                 name: {task}\n      \
                 split: dev\n    \
                 metrics:\n"
            )?;
            for figure in &self.figures {
                write!(
                    out,
                    "    - type: {}\n      name: {}\n      value: {}\n",
                    figure.hub,
                    quoted(figure.name),
                    figure.value
                )?;
            }
        }
        out.push_str("---\n");
        Ok(())
    }

    fn usage(&self, head: Option<&Head>) -> String {
        let name = quoted(&self.name);
        let Some(head) = head else {
            return format!(
                "from transformers import AutoModel, AutoTokenizer\n\n\
                 tokenizer = AutoTokenizer.from_pretrained({name})\n\
                 model = AutoModel.from_pretrained({name})\n"
            );
        };
        let asked = match head.class {
            Class::Questions => "question=\"Who wrote it?\", context=\"Ada wrote it in 1843.\"",
            Class::Texts => "{\"text\": \"a text\"}",
            Class::Words => "\"a text\"",
        };
        format!(
            "from transformers import pipeline\n\n\
             ask = pipeline(\"{}\", model={name})\n\
             print(ask({asked}))\n",
            head.class.pipeline()
        )
    }

    fn write_figures(&self, out: &mut String, head: Option<&Head>) -> std::fmt::Result {
        let Some(head) = head else {
            return Ok(());
        };
        writeln!(out, "\n## Figures\n")?;
        if self.figures.is_empty() {
            let why = match head.is_whole() {
                true => "None are known: there are no results beside the model.",
                false => "None: the model that was scored had a different no-answer score.",
            };
            return writeln!(out, "{why}");
        }
        writeln!(
            out,
            "On the task's dev file, scored by `electra`.\n\n| metric | value |\n|---|---|"
        )?;
        for figure in &self.figures {
            writeln!(out, "| {} | {:.2} |", figure.name, figure.value)?;
        }
        Ok(())
    }

    fn write_left_out(&self, out: &mut String) -> std::fmt::Result {
        let left_out: Vec<(&str, &str)> = self.heads.left_out().collect();
        let is_whole = self.heads.chosen.as_ref().is_none_or(Head::is_whole);
        if left_out.is_empty() && is_whole {
            return Ok(());
        }
        writeln!(out, "\n## Left out\n")?;
        if !is_whole {
            writeln!(
                out,
                "- The classifier for unanswerable questions: the no-answer score is that of the first \
                 token's start and end instead."
            )?;
        }
        for (task, why) in left_out {
            let why = why.strip_prefix("head of a task: ").unwrap_or(why);
            writeln!(out, "- The head for `{task}`: {why}.")?;
        }
        Ok(())
    }
}

/// The name of a model exported to the folder `out`.
pub(super) fn name_of(out: &Path) -> String {
    let folder = out.canonicalize().ok();
    let folder = folder.as_deref().unwrap_or(out).file_name();
    let name = folder.unwrap_or_default().to_string_lossy();
    printable(&name).into_owned()
}

/// Writes a table of the given settings, as far as a run has them.
pub(super) fn write_settings(
    out: &mut String,
    keys: &[&str],
    settings: &Map<String, Value>,
) -> std::fmt::Result {
    let shown: Vec<(&str, &Value)> = keys
        .iter()
        .filter_map(|key| Some((*key, settings.get(*key)?)))
        .filter(|(_, value)| !value.is_null())
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Training\n\n| setting | value |\n|---|---|")?;
    for (key, value) in shown {
        let value = match value {
            Value::String(text) => printable(text).replace('|', "\\|"),
            other => other.to_string(),
        };
        writeln!(out, "| `{key}` | {value} |")?;
    }
    Ok(())
}

/// A string in YAML, whose double-quoted strings are JSON's.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

fn purpose(head: &Head) -> &'static str {
    match (head.class, head.dense().and_then(|dense| dense.kind)) {
        (Class::Questions, _) => "question answering",
        (Class::Words, _) => "token classification",
        (Class::Texts, Some(DenseKind::Regression)) => "regression on texts",
        (Class::Texts, _) => "text classification",
    }
}

/// What a user of the head in `transformers` must know.
fn note(head: &Head) -> Option<String> {
    let Some(dense) = head.dense() else {
        return Some(
            "`transformers` has this pipeline up to version 4; in later ones \
             `AutoModelForQuestionAnswering` gives the start and end logits. \
             `handle_impossible_answer=True` lets the pipeline say that there is no answer."
                .into(),
        );
    };
    match dense.kind? {
        DenseKind::Tagging if config::segment(dense) == 1 => Some(
            "The head was trained with segment 1 on every token: give the model `token_type_ids` of 1, \
             since with the 0 that the tokenizer gives it predicts other labels."
                .into(),
        ),
        DenseKind::Tagging => None,
        _ if !dense.hidden_layer => Some(format!(
            "The head was trained as one dense layer. Its hidden layer here computes each output and its \
             negative; since `gelu(z) − gelu(−z) = z`, the outputs are the same. Further fine-tuning starts \
             from {} active units.",
            2 * dense.outputs
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::head_shape::{DenseShape, HeadShape};
    use crate::names::tests::{config, head};

    fn card(task: &str, shape: HeadShape, figures: Vec<Figure>) -> String {
        let mut config = config(4, shape);
        let shape = config.heads.remove("squad").unwrap();
        config.heads.insert(task.into(), shape);
        let heads = Heads::choose(&config, None, "c").unwrap();
        let settings = json!({"learning_rate": 1e-4, "data_dir": "/home/me", "keep_best": null});
        let card = Card {
            name: "my \"model\"".into(),
            heads: &heads,
            figures,
            settings: settings.as_object().unwrap().clone(),
        };
        card.text()
    }

    #[test]
    fn the_front_matter_has_the_keys_of_the_hub() {
        let figures = vec![Figure {
            hub: "f1",
            name: "F1, %",
            value: 83.25,
        }];
        let text = card("squad", head(false, false, false), figures);
        let expected = "---\n\
            # Fill these in before you publish the model; the keys are those of\n\
            # https://huggingface.co/docs/hub/model-cards\n\
            license:\n\
            language:\n\
            datasets:\n\
            library_name: transformers\n\
            pipeline_tag: question-answering\n\
            tags:\n\
            - electra\n\
            metrics:\n\
            - f1\n\
            model-index:\n\
            - name: \"my \\\"model\\\"\"\n\
            \x20 results:\n\
            \x20 - task:\n\
            \x20     type: question-answering\n\
            \x20   dataset:\n\
            \x20     type: \"squad\"\n\
            \x20     name: \"squad\"\n\
            \x20     split: dev\n\
            \x20   metrics:\n\
            \x20   - type: f1\n\
            \x20     name: \"F1, %\"\n\
            \x20     value: 83.25\n\
            ---\n";
        assert!(text.starts_with(expected), "{text}");
        assert!(
            text.contains("| F1, % | 83.25 |") && text.contains("| `learning_rate` | 0.0001 |")
        );
        assert!(text.contains("pipeline(\"question-answering\", model=\"my \\\"model\\\"\")"));
        for absent in ["/home/me", "keep_best", "## Left out"] {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn what_an_export_leaves_out_is_said() {
        let joint = card("squad", head(true, true, true), Vec::new());
        assert!(joint.contains("pipeline_tag: feature-extraction") && !joint.contains("metrics"));
        let left = "- The head for `squad`: transformers has no model with the joint head";
        assert!(joint.contains(left), "{joint}");
        let answerable = card("squad", head(false, true, false), Vec::new());
        assert!(answerable.contains("- The classifier for unanswerable questions: "));
        assert!(answerable.contains("had a different no-answer score"));
        let texts = DenseShape {
            kind: Some(DenseKind::Classification),
            ..DenseShape::new(3)
        };
        let texts = card("sst", HeadShape::Dense(texts), Vec::new());
        assert!(texts.contains("starts from 6 active units"), "{texts}");
        assert!(texts.contains("there are no results beside the model"));
    }
}

//! The model card of a pre-training network, `README.md`. Takes the network and the settings of its run;
//! yields Markdown with the front matter of Hugging Face's hub.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value};

use super::super::network::{Chosen, Network};
use super::super::source::Source;
use super::card::{FRONT, name_of, quoted, write_settings};

/// The settings that determine a run's networks, in the order of the card.
const SETTINGS: [&str; 19] = [
    "model_size",
    "num_train_steps",
    "train_batch_size",
    "max_seq_length",
    "learning_rate",
    "lr_decay_power",
    "num_warmup_steps",
    "weight_decay_rate",
    "mask_prob",
    "gen_weight",
    "disc_weight",
    "generator_layers",
    "generator_hidden_size",
    "untied_generator",
    "untied_generator_embeddings",
    "temperature",
    "disallow_correct",
    "precision",
    "seed",
];

/// The contents of a card.
pub(super) struct NetworkCard<'a> {
    name: String,
    chosen: &'a Chosen,
    settings: Map<String, Value>,
}

impl<'a> NetworkCard<'a> {
    /// The card of a network exported to the folder `out`, after which it is named.
    pub fn new(source: &Source, chosen: &'a Chosen, out: &Path) -> Self {
        Self {
            name: name_of(out),
            chosen,
            settings: source.pretraining(),
        }
    }

    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> std::fmt::Result {
        let name = quoted(&self.name);
        let (pipeline, purpose, usage) = match self.chosen.network {
            Network::Discriminator => (
                "feature-extraction",
                "The discriminator of ELECTRA's pre-training: a token's logit above 0 says that it was \
                 replaced. Fine-tuning starts from it.",
                format!(
                    "from transformers import AutoTokenizer, ElectraForPreTraining\n\n\
                     tokenizer = AutoTokenizer.from_pretrained({name})\n\
                     model = ElectraForPreTraining.from_pretrained({name})\n\
                     print(model(**tokenizer(\"a text\", return_tensors=\"pt\")).logits)\n"
                ),
            ),
            Network::Generator => (
                "fill-mask",
                "The generator of ELECTRA's pre-training, a masked language model.",
                format!(
                    "from transformers import pipeline\n\n\
                     fill = pipeline(\"fill-mask\", model={name})\n\
                     print(fill(\"a [MASK] of words\"))\n"
                ),
            ),
        };
        write!(
            out,
            "{FRONT}pipeline_tag: {pipeline}\ntags:\n- electra\n---\n\n# {}\n\n{purpose} Exported by \
             `electra export`.\n\n## Use\n\n```python\n{usage}```\n",
            self.name
        )?;
        if let Some(note) = self.chosen.note {
            writeln!(out, "\n{note}")?;
        }
        write_settings(out, &SETTINGS, &self.settings)?;
        match (self.chosen.network, self.chosen.other) {
            (Network::Discriminator, Some(why)) => {
                writeln!(out, "\n## Left out\n\n- The generator: {why}.")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::head_shape::HeadShape;
    use crate::names::tests::config;

    fn card(network: Network, note: Option<&'static str>, other: Option<&'static str>) -> String {
        let chosen = Chosen {
            network,
            model: config(4, HeadShape::dense(1)).model,
            parameters: Vec::new(),
            note,
            other,
        };
        let settings = json!({"mask_prob": 0.25, "vocab_file": "/home/me/vocab.txt", "seed": null});
        NetworkCard {
            name: "mine".into(),
            chosen: &chosen,
            settings: settings.as_object().unwrap().clone(),
        }
        .text()
    }

    #[test]
    fn a_network_is_shown_as_what_it_does() {
        let generator = card(Network::Generator, None, None);
        assert!(
            generator.starts_with("---\n# Fill these in")
                && generator.contains("\n---\n\n# mine\n"),
            "{generator}"
        );
        for part in [
            "library_name: transformers\npipeline_tag: fill-mask\n",
            "pipeline(\"fill-mask\", model=\"mine\")",
            "| `mask_prob` | 0.25 |\n",
        ] {
            assert!(generator.contains(part), "{part}: {generator}");
        }
        for absent in ["/home/me", "`seed`", "## Left out"] {
            assert!(!generator.contains(absent), "{absent}: {generator}");
        }
        let discriminator = card(Network::Discriminator, Some("A note."), Some("two towers"));
        for part in [
            "ElectraForPreTraining.from_pretrained(\"mine\")",
            "\nA note.\n",
            "## Left out\n\n- The generator: two towers.\n",
        ] {
            assert!(discriminator.contains(part), "{part}: {discriminator}");
        }
    }
}

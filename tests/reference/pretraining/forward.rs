//! Forward passes, losses and gradients of a recorded batch of every set-up.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use checkpoints_convert::pretraining_path;
use electra::{
    config::PretrainConfig,
    model::arithmetic::Arithmetic,
    pretrain::{
        example::Example,
        figures::Losses,
        masking::{Masking, Slot},
        networks::Networks,
        part::{Masked, Part},
        seen::{Counts, Seen},
        step::step_gradients,
    },
    train::gradients::Gradients,
};
use serde_json::Value;

use super::{config, json_file, masking, networks, objective, without_dropout};
use crate::support::{
    Arrays, devices, distance_and_norm, fast, golden, max_difference, shared, tiny_vocabulary,
};

/// Every variant besides the default one.
const VARIANTS: [&str; 9] = [
    "electra_disallow",
    "electra_no_projection",
    "electra_tied_generator",
    "electra_two_tower",
    "electra_uniform",
    "electra_untied_embeddings",
    "electric",
    "electric_untied_embeddings",
    "mlm",
];

/// One recorded batch.
struct Forward {
    config: PretrainConfig,
    masking: Masking,
    info: Value,
    arrays: Arrays,
    gradients: Arrays,
    names: Vec<String>,
    init: PathBuf,
}

impl Forward {
    fn open(folder: &Path, init: PathBuf, vocab: &Path) -> Self {
        let info = json_file(&folder.join("info.json"));
        let config = config(&info["hparams"]);
        let names = info["trainable_variables"].as_array().unwrap().iter();
        Self {
            masking: masking(&config, vocab),
            arrays: Arrays::read(&folder.join("forward.safetensors")),
            gradients: Arrays::read(&folder.join("gradients.safetensors")),
            names: names
                .map(|name| name.as_str().unwrap().to_owned())
                .collect(),
            config,
            info,
            init,
        }
    }

    /// Returns the batch with its recorded masks and samples.
    fn part(&self) -> Part {
        let integers = |name: &str| self.arrays.integers(name);
        let width = self.config.max_seq_length;
        let slots = self.config.max_predictions_per_seq();
        let (ids, mask, segments) = (
            integers("input_ids"),
            integers("input_mask"),
            integers("segment_ids"),
        );
        let (positions, originals, sampled) = (
            integers("masked_lm_positions"),
            integers("masked_lm_ids"),
            integers("sampled_ids"),
        );
        let weights = self.arrays.floats("masked_lm_weights");
        let replace = self.arrays.floats("replace_uniform");
        let examples = (0..ids.len() / width).map(|number| {
            let row = number * width..(number + 1) * width;
            let length = mask[row.clone()].iter().filter(|&&mask| mask == 1).count();
            let own = &ids[row.clone()][..length];
            let own: Vec<u32> = own.iter().map(|&id| id as u32).collect();
            let segments = &segments[row][..length];
            let used: Vec<usize> = (number * slots..(number + 1) * slots)
                .filter(|&slot| weights[slot] > 0.0)
                .collect();
            let drawn = used.iter().map(|&slot| Slot {
                position: positions[slot] as usize,
                original: originals[slot] as u32,
                is_replaced: replace[slot] < 0.85,
            });
            Masked {
                slots: drawn.collect(),
                candidates: self.masking.is_candidate(&own),
                recorded: Some(used.iter().map(|&slot| sampled[slot] as u32).collect()),
                example: Example {
                    first: segments.iter().take_while(|&&kind| kind == 0).count(),
                    ids: own,
                },
            }
        });
        Part {
            examples: examples.collect(),
            first_place: 0,
        }
    }

    /// Returns the recorded values of the slots that count.
    fn of_slots<T: Copy>(&self, part: &Part, values: &[T]) -> Vec<T> {
        let slots = self.config.max_predictions_per_seq();
        let rows = values.chunks(slots).zip(&part.examples);
        rows.flat_map(|(row, masked)| row[..masked.slots.len()].to_vec())
            .collect()
    }

    /// Returns the recorded values of the real tokens.
    fn of_tokens<T: Copy>(&self, part: &Part, values: &[T]) -> Vec<T> {
        let rows = values
            .chunks(self.config.max_seq_length)
            .zip(&part.examples);
        rows.flat_map(|(row, masked)| row[..masked.tokens()].to_vec())
            .collect()
    }

    fn check_inputs(&self, part: &Part) {
        let ids = |masked: &Masked, wanted: Vec<u32>, name: &str, number: usize| {
            let width = self.config.max_seq_length;
            let theirs = &self.arrays.integers(name)[number * width..][..masked.tokens()];
            let theirs: Vec<u32> = theirs.iter().map(|&id| id as u32).collect();
            assert_eq!(wanted, theirs, "{name} of example {number}");
        };
        for (number, masked) in part.examples.iter().enumerate() {
            let mask = self.masking.mask_id();
            ids(
                masked,
                masked.generator_ids(mask),
                "masked_input_ids",
                number,
            );
            let drawn = masked.recorded.as_ref().unwrap();
            let corrupted = masked.corrupted(drawn);
            ids(masked, corrupted.ids, "fake_input_ids", number);
        }
    }

    fn check_forward(&self, part: &Part, seen: &[Seen], name: &str) {
        let losses: Vec<f32> = seen
            .iter()
            .flat_map(|it| it.slots.iter().map(|slot| slot.loss))
            .collect();
        let theirs = self.of_slots(part, &self.arrays.floats("mlm_per_example_loss"));
        let off = max_difference(&losses, &theirs);
        assert!(off < 2e-4, "{name}: losses of slots are off by {off}");
        let best: Vec<i32> = seen
            .iter()
            .flat_map(|it| it.slots.iter().map(|slot| slot.best as i32))
            .collect();
        assert_eq!(
            best,
            self.of_slots(part, &self.arrays.integers("mlm_preds")),
            "{name}"
        );
        if self.config.has_discriminator() {
            let tokens = || seen.iter().flat_map(|it| &it.tokens);
            let logits: Vec<f32> = tokens().map(|token| token.logit).collect();
            let theirs = self.of_tokens(part, &self.arrays.floats("disc_logits"));
            let off = max_difference(&logits, &theirs);
            assert!(off < 2e-4, "{name}: logits are off by {off}");
            let labels: Vec<i32> = tokens().map(|token| i32::from(token.label)).collect();
            let theirs = self.of_tokens(part, &self.arrays.integers("disc_labels"));
            assert_eq!(labels, theirs, "{name}");
        }
        let ours = Losses::of(seen, &self.config);
        for (key, ours) in [
            ("mlm_loss", Some(ours.masked_lm)),
            ("cloze_loss", ours.cloze),
            ("disc_loss", ours.discriminator),
            ("total_loss", Some(ours.total)),
        ] {
            let theirs = self.info["losses"][key].as_f64();
            assert_eq!(ours.is_some(), theirs.is_some(), "{name}: {key}");
            if let Some((ours, theirs)) = ours.zip(theirs) {
                // Sums of hundreds of values in single precision.
                let off = (ours / theirs - 1.0).abs();
                assert!(off < 2e-5, "{name}: {key} {ours}, theirs {theirs}");
            }
        }
    }

    fn check_gradients(&self, networks: &Networks, mut gradients: Gradients, name: &str) {
        let norm = gradients.global_norm(networks);
        let norm = f64::from(norm.try_into_vec_as::<f32>().unwrap()[0]);
        let theirs = self.info["grad_norm"].as_f64().unwrap();
        let off = (norm / theirs - 1.0).abs();
        assert!(off < 1e-4, "{name}: norm {norm}, theirs {theirs}");
        let values = gradients.into_values(networks, &[]);
        let mut found = 0;
        for variable in &self.names {
            let path = pretraining_path(variable).unwrap_or_else(|| panic!("{variable}"));
            let ours = values.iter().find(|(name, _)| *name == path);
            let (_, ours) = ours.unwrap_or_else(|| panic!("{name}: no gradient of {path}"));
            found += 1;
            // Softmax is invariant to a shift of all scores in a row, so this gradient is rounding
            // noise.
            if path.ends_with("attention.key.bias") {
                continue;
            }
            let ours = ours.clone().try_into_vec_as::<f32>().unwrap();
            let (off, size) = distance_and_norm(&ours, &self.gradients.floats(variable));
            let most = if path.ends_with("bias") { 1e-3 } else { 1e-4 };
            assert!(
                off <= most * size + 1e-7,
                "{name}: gradient of {path} is off by {off} of {size}"
            );
        }
        assert_eq!(found, values.len(), "{name}: gradients without a variable");
    }

    /// Checks forward pass, losses and gradients, with the batch in `parts` parts.
    fn check(&self, name: &str, device: &Device, arithmetic: Arithmetic, parts: usize) {
        let device = &device.clone().autodiff();
        let networks = networks(&self.init, &self.config, device, arithmetic);
        let objective = objective(&self.config, &self.masking, device);
        let whole = self.part();
        self.check_inputs(&whole);
        let mut first_place = 0;
        let split: Vec<Part> = whole
            .examples
            .chunks(whole.examples.len().div_ceil(parts))
            .map(|examples| {
                let part = Part {
                    examples: examples.to_vec(),
                    first_place,
                };
                first_place += examples.len();
                part
            })
            .collect();
        let step = step_gradients(&networks, &split, &objective, without_dropout(0)).unwrap();
        self.check_forward(&whole, &step.seen, name);
        self.check_gradients(&networks, step.update.gradients, name);
        // An evaluation computes the same.
        let counts = Counts::of(&split);
        let part = &split[0];
        let seen = objective.run(&networks, part, counts, without_dropout(0), None);
        for (ours, learnt) in seen.unwrap().iter().zip(&step.seen) {
            let logits =
                |seen: &Seen| -> Vec<f32> { seen.tokens.iter().map(|token| token.logit).collect() };
            let off = max_difference(&logits(ours), &logits(learnt));
            assert!(off < 1e-5, "{name}: {off}");
        }
    }
}

fn recorded(name: &str) -> Option<Forward> {
    let root = shared("reference")?.join("pretrain");
    Some(match name {
        "forward" => Forward::open(
            &root.join("forward"),
            golden("models/electra_tiny.zip"),
            &tiny_vocabulary(),
        ),
        variant => {
            let folder = root.join("variants").join(variant);
            let init = folder.join("init/model.ckpt");
            Forward::open(&folder, init, &root.join("variants/vocab.txt"))
        }
    })
}

#[test]
fn forward_losses_and_gradients_are_the_reference_s() {
    for (device_name, device) in devices() {
        let Some(forward) = recorded("forward") else {
            eprintln!("skipped: the whole reference is not at hand");
            return;
        };
        let name = format!("forward on {device_name}");
        forward.check(&name, &device, fast(device_name), 1);
    }
}

#[test]
fn every_set_up_is_the_reference_s() {
    for variant in VARIANTS {
        let Some(forward) = recorded(variant) else {
            eprintln!("skipped: the whole reference is not at hand");
            return;
        };
        for (device_name, device) in devices() {
            let name = format!("{variant} on {device_name}");
            forward.check(&name, &device, fast(device_name), 1);
        }
        let name = format!("{variant} in three parts");
        forward.check(&name, &Device::flex(), Arithmetic::default(), 3);
    }
}

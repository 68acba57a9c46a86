//! One step of pre-training: the gradients of all parts, clipped together, and the update.

use burn::Tensor;

use super::{
    figures::Losses,
    networks::Networks,
    objective::{Chance, Objective},
    part::Part,
    seen::{Counts, Seen},
};
use crate::{
    device::{Coming, DeviceError},
    model::dropout::StepSeed,
    ranks::Ranks,
    train::{
        self, adam::Adam, gradients::Gradients, outgoing::Outgoing, step::StepFigures,
        update::Update,
    },
};

/// A batch's gradients, times the loss scale, and the results of its passes.
pub struct StepGradients {
    pub update: Update,
    pub losses: Losses,
    /// The total loss, and the norm before clipping.
    pub figures: StepFigures,
    pub seen: Vec<Seen>,
}

/// The same with a norm that is on its way from the device.
pub struct BegunStep {
    update: Update,
    norm: ComingNorm,
    pub losses: Losses,
    pub seen: Vec<Seen>,
}

/// The norm before clipping on its way from the device, and the total loss.
pub struct ComingNorm {
    figures: Coming,
    loss: f64,
}

impl ComingNorm {
    /// Waits for the norm.
    ///
    /// # Errors
    /// If the device fails.
    pub fn wait(self) -> Result<StepFigures, DeviceError> {
        let figures = self.figures.wait()?;
        Ok(StepFigures {
            loss: self.loss,
            grad_norm: figures.get(1).copied().map_or(f64::NAN, f64::from),
        })
    }
}

/// Computes the gradients of a step; the parts make up its batch.
///
/// # Errors
/// If the device fails; the networks are unchanged.
pub fn step_gradients(
    networks: &Networks,
    parts: &[Part],
    objective: &Objective,
    chance: Chance,
) -> Result<StepGradients, DeviceError> {
    begin_step(networks, parts, objective, chance)?.read()
}

/// The same, without waiting for the norm.
///
/// # Errors
/// If the device is known to fail; the networks are unchanged.
pub fn begin_step(
    networks: &Networks,
    parts: &[Part],
    objective: &Objective,
    chance: Chance,
) -> Result<BegunStep, DeviceError> {
    let counts = Counts::of(parts);
    let mut gradients = none_of(networks);
    let seen = sums(
        networks,
        parts,
        counts,
        objective,
        chance,
        &mut gradients,
        &mut None,
    )?;
    clipped(networks, gradients, seen, objective, chance)
}

/// What a rank has computed of a step: its gradients, given to the sums, and what was seen.
pub struct Share {
    gradients: train::shared_step::Share,
    seen: Vec<Seen>,
}

/// Computes a rank's share of the gradients of a step, and gives it to the sums of all ranks. The parts make
/// the rank's examples together; `counts` are those of the whole batch.
///
/// # Errors
/// If the device fails; the rank may compute its share again. The networks are as they were.
pub fn step_share(
    networks: &Networks,
    parts: &[Part],
    counts: Counts,
    objective: &Objective,
    chance: Chance,
    mut outgoing: Outgoing,
) -> Result<Share, (Outgoing, DeviceError)> {
    outgoing.begin();
    let mut outgoing = Some(outgoing);
    let mut gradients = none_of(networks);
    let seen = sums(
        networks,
        parts,
        counts,
        objective,
        chance,
        &mut gradients,
        &mut outgoing,
    );
    let outgoing = gradients.outgoing.take().or(outgoing);
    let outgoing = outgoing.expect("the sums leave it in one of the two");
    let seen = match seen {
        Ok(seen) => seen,
        Err(error) => return Err((outgoing, error)),
    };
    for table in networks.word_tables() {
        gradients.ensure_word_table(table);
    }
    let gradients = train::shared_step::Share::give(outgoing, gradients, None)?;
    Ok(Share { gradients, seen })
}

/// Sums the shares of all ranks to the gradients of the step.
///
/// # Errors
/// If the device fails; the networks are as they were.
pub fn sum_shares(
    networks: &Networks,
    share: Share,
    ranks: &Ranks,
    objective: &Objective,
    chance: Chance,
) -> Result<StepGradients, DeviceError> {
    let device = objective.device.clone().without_autodiff();
    let (gradients, _) = share.gradients.sum(ranks, &device);
    let mut words = Vec::new();
    share.seen.iter().for_each(|seen| seen.write(&mut words));
    let mut words = ranks.all_words(&words).into_iter();
    let seen = std::iter::from_fn(|| Seen::read(&mut words)).collect();
    clipped(networks, gradients, seen, objective, chance)?.read()
}

fn none_of(networks: &Networks) -> Gradients {
    let whole = networks.output_table().map(|table| table.id);
    Gradients::with_whole_tables(whole.into_iter().collect())
}

/// Sums the gradients of the parts of a batch whose counts are given. Those of the last part go to
/// `outgoing`.
fn sums(
    networks: &Networks,
    parts: &[Part],
    counts: Counts,
    objective: &Objective,
    chance: Chance,
    gradients: &mut Gradients,
    outgoing: &mut Option<Outgoing>,
) -> Result<Vec<Seen>, DeviceError> {
    let mut seen = Vec::new();
    for (number, part) in parts.iter().enumerate() {
        if number + 1 == parts.len() {
            gradients.outgoing = outgoing.take();
        }
        seen.extend(objective.run(networks, part, counts, chance, Some(&mut *gradients))?);
    }
    Ok(seen)
}

/// Clips the gradients of a whole batch, and asks for their norm.
fn clipped(
    networks: &Networks,
    gradients: Gradients,
    seen: Vec<Seen>,
    objective: &Objective,
    chance: Chance,
) -> Result<BegunStep, DeviceError> {
    let losses = Losses::of(&seen, objective.config);
    // All that the device must know of the loss is whether it is finite.
    let loss = match losses.total.is_finite() {
        true => 0.0,
        false => f32::NAN,
    };
    let loss = Tensor::full([1], loss, &objective.device.clone().without_autodiff());
    let seed = StepSeed::new(chance.seed, chance.step);
    let (update, figures) = Update::clip(networks, gradients, loss, objective.loss_scale, seed)?;
    let norm = ComingNorm {
        figures,
        loss: losses.total,
    };
    Ok(BegunStep {
        update,
        norm,
        losses,
        seen,
    })
}

impl StepGradients {
    /// Clips by the global norm and updates, as [`Update::make`].
    pub fn update(self, networks: Networks, adam: &mut Adam, learning_rate: f64) -> Networks {
        if !self.figures.is_finite() {
            return networks;
        }
        self.update.make(networks, adam, &[], learning_rate)
    }
}

impl BegunStep {
    /// Waits for the norm.
    ///
    /// # Errors
    /// If the device fails.
    pub fn read(self) -> Result<StepGradients, DeviceError> {
        Ok(StepGradients {
            figures: self.norm.wait()?,
            update: self.update,
            losses: self.losses,
            seen: self.seen,
        })
    }

    /// As [`StepGradients::update`], without waiting for the norm: the device looks at it.
    pub fn update(
        self,
        networks: Networks,
        adam: &mut Adam,
        learning_rate: f64,
    ) -> (Networks, ComingNorm) {
        let networks = self.update.make(networks, adam, &[], learning_rate);
        (networks, self.norm)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::Path};

    use burn::tensor::Device;
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        config::PretrainConfig,
        model::{parameter_gradients::ParameterGradients, parameters::ParameterSource},
        pretrain::{example::Example, masking::Slot, part::Masked},
        ranks::Wire,
    };

    const MASK: u32 = 4;

    /// An example of `tokens` tokens, of which `slots` are masked, from the second on.
    fn masked(tokens: usize, slots: usize) -> Masked {
        let special = |place: usize| place == 0 || place + 1 == tokens;
        let ids: Vec<u32> = (0..tokens)
            .map(|place| match special(place) {
                true => 2 + u32::from(place > 0),
                false => 5 + (7 * tokens + 3 * place) as u32 % 40,
            })
            .collect();
        Masked {
            slots: (1..=slots)
                .map(|position| Slot {
                    position,
                    original: ids[position],
                    is_replaced: position % 5 > 0,
                })
                .collect(),
            candidates: (0..tokens).map(|place| !special(place)).collect(),
            recorded: None,
            example: Example { first: tokens, ids },
        }
    }

    fn parts(batch: &[Masked], sizes: &[usize]) -> Vec<Part> {
        let mut first_place = 0;
        let parts = sizes.iter().map(|&size| {
            let examples = batch[first_place..first_place + size].to_vec();
            first_place += size;
            Part {
                examples,
                first_place: first_place - size,
            }
        });
        parts.collect()
    }

    fn config(more: &Value) -> PretrainConfig {
        let mut given = json!({
            "vocab_size": 50, "embedding_size": 16, "generator_hidden_size": 0.5, "max_seq_length": 32,
            "model_hparam_overrides": {"hidden_size": 32, "num_hidden_layers": 2},
        });
        let given = given.as_object_mut().unwrap();
        given.extend(more.as_object().unwrap().clone());
        PretrainConfig::resolve(Path::new("d"), "m", given)
            .unwrap()
            .0
    }

    /// The gradients by name, and the step's norm and loss.
    type Computed = (BTreeMap<String, Vec<f32>>, [f64; 2]);

    fn gradients(config: &PretrainConfig, parts: &[Part]) -> Computed {
        computed(config, |networks, objective, chance| {
            step_gradients(networks, parts, objective, chance).unwrap()
        })
    }

    fn computed(
        config: &PretrainConfig,
        step: impl FnOnce(&Networks, &Objective, Chance) -> StepGradients,
    ) -> Computed {
        let device = Device::flex().autodiff();
        let mut source = ParameterSource::new(device.clone(), 3, None);
        let networks = Networks::new(&mut source, config).unwrap();
        let objective = Objective {
            config,
            mask: MASK,
            recompute_layers: false,
            loss_scale: 1.0,
            device: &device,
        };
        // With dropout, whose masks depend on the position in the batch.
        let chance = Chance {
            seed: 1,
            step: 9,
            drops: true,
        };
        let step = step(&networks, &objective, chance);
        let figures = [step.figures.grad_norm, step.figures.loss];
        let values = step
            .update
            .gradients
            .into_values(&networks, &[])
            .into_iter();
        let values = values.map(|(name, values)| {
            let values = values.try_into_vec_as::<f32>().unwrap();
            (name, values)
        });
        (values.collect(), figures)
    }

    /// The same by way of the sums over ranks, of which there is one. `before` begins in vain.
    fn summed(
        config: &PretrainConfig,
        parts: &[Part],
        before: impl FnOnce(&Networks, &mut Outgoing),
    ) -> Computed {
        computed(config, |networks, objective, chance| {
            let (ranks, device) = (Ranks::alone(), Device::flex());
            ranks.exchange(|exchange| {
                let layers = networks.layers_as_left();
                let wire = Wire::F32;
                let mut outgoing = Outgoing::new(exchange, wire, networks, &[], layers, device);
                before(networks, &mut outgoing);
                let counts = Counts::of(parts);
                let share = step_share(networks, parts, counts, objective, chance, outgoing);
                let share = share.map_err(|(_, error)| error).unwrap();
                sum_shares(networks, share, &ranks, objective, chance).unwrap()
            })
        })
    }

    #[test]
    fn gradients_are_the_same_when_layers_give_them_as_they_are_left() {
        let batch = [masked(3, 1), masked(30, 4), masked(9, 1), masked(2, 0)];
        let mut set_ups = set_ups().to_vec();
        set_ups.push(json!({"two_tower_generator": true, "untied_generator_embeddings": true}));
        for more in set_ups {
            let config = config(&more);
            // In the last, the generator has nothing to learn from the part that gives the gradients.
            for sizes in [&[4][..], &[1, 2, 1], &[3, 1]] {
                let parts = parts(&batch, sizes);
                let (whole, figures) = gradients(&config, &parts);
                let (given, of_given) = summed(&config, &parts, |_, _| ());
                for (name, values) in &whole {
                    assert!(given.get(name) == Some(values), "{more} {sizes:?}: {name}");
                }
                // What has no gradient here has zeros there.
                let mut rest = given.iter().filter(|(name, _)| !whole.contains_key(*name));
                assert!(rest.all(|(_, values)| values.iter().all(|&value| value == 0.0)));
                for (ours, theirs) in of_given.iter().zip(figures) {
                    assert!((ours / theirs - 1.0).abs() < 1e-6, "{more} {sizes:?}");
                }
            }
        }
    }

    #[test]
    fn a_share_that_is_computed_again_gives_only_what_is_missing() {
        let config = config(&json!({}));
        let parts = parts(&[masked(30, 4), masked(24, 3)], &[2]);
        let (whole, _) = gradients(&config, &parts);
        let (given, _) = summed(&config, &parts, |networks, outgoing| {
            outgoing.begin();
            let mut none = ParameterGradients::default();
            let mut layers = networks.layers_as_left();
            outgoing.left(layers.next().unwrap(), &mut none);
            // Not the next, which waits for the layer before it.
            outgoing.left(layers.nth(1).unwrap(), &mut none);
        });
        assert!(given.keys().eq(whole.keys()));
        for (name, values) in &given {
            match name.starts_with("generator.layers.1.") {
                // What was given at first, here without a gradient.
                true => assert!(values.iter().all(|&value| value == 0.0), "{name}"),
                false => assert!(values == &whole[name], "{name}"),
            }
        }
    }

    fn norm(values: impl Iterator<Item = f64>) -> f64 {
        values.map(|value| value * value).sum::<f64>().sqrt()
    }

    fn difference(ours: &BTreeMap<String, Vec<f32>>, theirs: &BTreeMap<String, Vec<f32>>) -> f64 {
        assert!(ours.keys().eq(theirs.keys()));
        let pairs = ours
            .iter()
            .flat_map(|(name, ours)| ours.iter().zip(&theirs[name]));
        norm(pairs.map(|(ours, theirs)| f64::from(ours - theirs)))
    }

    fn set_ups() -> [Value; 4] {
        [
            json!({}),
            json!({"untied_generator": false}),
            json!({"two_tower_generator": true}),
            json!({"electra_objective": false}),
        ]
    }

    #[test]
    fn parts_of_unequal_counts_make_the_batch_s_gradients() {
        // Tokens 3, 30, 9, 24; slots 1, 4, 1, 3.
        let batch = [masked(3, 1), masked(30, 4), masked(9, 1), masked(24, 3)];
        for more in set_ups() {
            let config = config(&more);
            let (whole, figures) = gradients(&config, &parts(&batch, &[4]));
            let size = norm(whole.values().flatten().map(|&value| f64::from(value)));
            assert!(size > 0.01, "{more}");
            for sizes in [&[1, 3][..], &[3, 1], &[1, 1, 1, 1], &[2, 2]] {
                let (split, of_split) = gradients(&config, &parts(&batch, sizes));
                // Sums in f32, in another order.
                let off = difference(&whole, &split) / size;
                assert!(off < 1e-4, "{more} {sizes:?}: {off}");
                for (ours, theirs) in figures.iter().zip(of_split) {
                    assert!((ours / theirs - 1.0).abs() < 1e-4, "{more} {sizes:?}");
                }
            }
            // The result if each part divided by its own counts.
            let mut mean: BTreeMap<String, Vec<f32>> = BTreeMap::new();
            for part in parts(&batch, &[1, 3]) {
                for (name, values) in gradients(&config, &[part]).0 {
                    let sums = mean.entry(name).or_insert_with(|| vec![0.0; values.len()]);
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum += value / 2.0;
                    }
                }
            }
            let off = difference(&whole, &mean) / size;
            assert!(off > 0.05, "{more}: {off}");
        }
    }

    #[test]
    fn a_part_of_special_tokens_alone_makes_numbers_and_teaches_the_discriminator() {
        for more in set_ups() {
            let config = config(&more);
            let text = masked(20, 3);
            let special = masked(2, 0);
            let (whole, _) = gradients(&config, &parts(&[text.clone(), special.clone()], &[2]));
            let (split, figures) = gradients(&config, &parts(&[text, special], &[1, 1]));
            assert!(figures.iter().all(|figure| figure.is_finite()), "{more}");
            let size = norm(whole.values().flatten().map(|&value| f64::from(value)));
            let off = difference(&whole, &split) / size;
            assert!(off < 1e-4, "{more}: {off}");
            // Even in a step with nothing else, every gradient is a number.
            let (alone, figures) = gradients(&config, &parts(&[masked(2, 0)], &[1]));
            assert!(figures.iter().all(|figure| figure.is_finite()), "{more}");
            let values = alone.values().flatten();
            assert!(values.clone().all(|value| value.is_finite()), "{more}");
            let learns = values.clone().any(|&value| value != 0.0);
            assert_eq!(learns, config.has_discriminator(), "{more}");
        }
    }
}

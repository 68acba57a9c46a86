//! The losses of a part of a step, what they are made of, and their gradients.
//!
//! A part's losses are divided by sums over the step's whole batch, which are known before: parts add
//! up exactly. Reproduces `PretrainingModel`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/run_pretraining.py#L36-L255>

use burn::{
    Tensor,
    tensor::{Device, Int, TensorData, activation::sigmoid},
};

use super::{
    networks::{
        Networks,
        two_towers::Joined,
        vocabulary_loss::{Draw, Vocabulary},
    },
    part::{Corrupted, Part},
    random::{Purpose, Stream},
    seen::{Counts, Seen, SeenSlot, SeenToken},
};
use crate::{
    config::{PretrainConfig, pretraining::networks::Generator as Kind},
    device::DeviceError,
    kernels::{
        lookup::{Ids, add_by_id},
        rows::rows,
    },
    model::{
        Electra, ModelInput,
        dropout::{Mode, StepSeed},
        parameters::value,
    },
    packed::sequences::Sight,
    train::{
        encoder_pass::EncoderPass,
        gradients::Gradients,
        objective::{Objective as Backward, Trainable},
    },
};

/// What the reference adds to a number of tokens before it divides by it.
const SOME: f64 = 1e-6;

/// Numbers of the networks that draw masks of their own: the discriminator has those of the encoder.
const GENERATOR: u32 = 1;
const FROM_LEFT: u32 = 2;
const FROM_RIGHT: u32 = 3;

/// What is learnt, and how a step computes it.
#[derive(Debug, Clone, Copy)]
pub struct Objective<'a> {
    pub config: &'a PretrainConfig,
    /// The id of `[MASK]`.
    pub mask: u32,
    /// Keeps only each layer's input and computes the rest again in the backward pass.
    pub recompute_layers: bool,
    /// What the loss is multiplied by, and with it every gradient.
    pub loss_scale: f64,
    pub device: &'a Device,
}

/// What is random in a part.
#[derive(Debug, Clone, Copy)]
pub struct Chance {
    pub seed: u64,
    pub step: u64,
    /// Whether values are dropped.
    pub drops: bool,
}

/// What the generator made of a part.
struct Guessed {
    /// Of each slot.
    losses: Vec<f32>,
    best: Vec<u32>,
    drawn: Vec<u32>,
    cloze: Vec<f32>,
    /// Rows of all tokens, the logs of their sums, and what they are products with.
    scores: Option<(Vocabulary, Tensor<2>, Tensor<1>)>,
}

impl Objective<'_> {
    /// Computes a part, and adds its gradients, times the loss scale, if there is a place for them.
    ///
    /// # Errors
    /// If the device fails.
    pub fn run(
        &self,
        networks: &Networks,
        part: &Part,
        counts: Counts,
        chance: Chance,
        mut gradients: Option<&mut Gradients>,
    ) -> Result<Vec<Seen>, DeviceError> {
        let kind = self.config.generator_kind();
        let mut guessed = match kind {
            Kind::Uniform => self.guess_uniformly(part, chance),
            Kind::Own | Kind::Shared => {
                self.guess_masked(networks, part, counts, chance, gradients.as_deref_mut())?
            }
            Kind::TwoTowers => {
                self.guess_all(networks, part, counts, chance, gradients.as_deref_mut())?
            }
        };
        let recorded = part.examples.iter().map(|it| it.recorded.clone());
        if let Some(recorded) = recorded.collect::<Option<Vec<_>>>() {
            guessed.drawn = recorded.concat();
        }
        let drawn = part.by_example(&guessed.drawn);
        let corrupted = part.examples.iter().zip(&drawn);
        let corrupted: Vec<Corrupted> = corrupted.map(|(it, drawn)| it.corrupted(drawn)).collect();
        let logits = match self.config.has_discriminator() {
            false => Vec::new(),
            true => self.discriminate(
                networks, part, &corrupted, &guessed, counts, chance, gradients,
            )?,
        };
        Ok(self.seen(part, &guessed, &corrupted, &logits))
    }

    fn seen(
        &self,
        part: &Part,
        guessed: &Guessed,
        corrupted: &[Corrupted],
        mut logits: &[f32],
    ) -> Vec<Seen> {
        let drawn = part.by_example(&guessed.drawn);
        let best = part.by_example(&guessed.best);
        let losses = part.by_example(&guessed.losses);
        let mut cloze = &guessed.cloze[..];
        let examples = part.examples.iter().zip(corrupted).enumerate();
        examples
            .map(|(number, (masked, corrupted))| {
                let slots = masked.slots.iter().enumerate().map(|(slot, it)| SeenSlot {
                    original: it.original,
                    best: best[number][slot],
                    drawn: drawn[number][slot],
                    loss: losses[number][slot],
                });
                let own: Vec<f32>;
                (own, logits) = cut(logits, masked.tokens());
                let tokens = own.iter().enumerate().map(|(place, &logit)| SeenToken {
                    label: self.label(corrupted, place),
                    is_replaced: corrupted.is_replaced[place],
                    logit,
                });
                let of_tokens: Vec<f32>;
                (of_tokens, cloze) = cut(cloze, masked.tokens());
                let candidates = of_tokens.iter().zip(&masked.candidates);
                Seen {
                    slots: slots.collect(),
                    cloze: candidates
                        .filter_map(|(&loss, &is_one)| is_one.then_some(loss))
                        .collect(),
                    tokens: tokens.collect(),
                }
            })
            .collect()
    }

    /// Electric looks for every masked token, the same or not.
    fn label(&self, corrupted: &Corrupted, place: usize) -> bool {
        match self.config.electric_objective {
            true => corrupted.is_masked[place],
            false => corrupted.is_replaced[place],
        }
    }

    fn backward(&self) -> Backward {
        Backward {
            trainable: Trainable::All,
            recompute_layers: self.recompute_layers,
            loss_scale: self.loss_scale,
        }
    }

    fn encode<'b>(
        &self,
        encoder: &'b Electra,
        input: &'b ModelInput,
        mode: Mode,
        learns: bool,
    ) -> (Option<EncoderPass<'b>>, Tensor<2>) {
        match learns {
            false => (None, encoder.forward(input, mode)),
            true => {
                let (pass, hidden) = EncoderPass::forward(encoder, input, self.backward(), mode);
                (Some(pass), hidden)
            }
        }
    }

    /// Every token is as likely as any other.
    fn guess_uniformly(&self, part: &Part, chance: Chance) -> Guessed {
        let vocab = self.config.discriminator().vocab_size;
        let uniform = chance.uniform(part);
        let drawn = part.slots().zip(uniform).map(|(slot, [number, _])| {
            let others = vocab - usize::from(self.config.disallow_correct);
            let token =
                ((f64::from(number) * others as f64) as usize).min(others.max(1) - 1) as u32;
            token + u32::from(self.config.disallow_correct && token >= slot.original)
        });
        let drawn: Vec<u32> = drawn.collect();
        Guessed {
            losses: vec![(vocab as f32).ln(); drawn.len()],
            best: vec![0; drawn.len()],
            drawn,
            cloze: Vec::new(),
            scores: None,
        }
    }

    /// A masked language model guesses the slots.
    fn guess_masked(
        &self,
        networks: &Networks,
        part: &Part,
        counts: Counts,
        chance: Chance,
        gradients: Option<&mut Gradients>,
    ) -> Result<Guessed, DeviceError> {
        let (Some(head), Some(table)) = (&networks.generator_predictions, networks.output_table())
        else {
            return Err(DeviceError::new("a masked language model without a head"));
        };
        let electra = &networks.electra;
        let own = networks.generator.as_ref();
        let own = own.map(|generator| generator.encoder(&electra.embeddings));
        let encoder = own.as_ref().unwrap_or(electra);
        let input = part.masked_input(self.mask, self.device);
        let mode = chance.mode(GENERATOR);
        let (pass, hidden) = self.encode(encoder, &input, mode, gradients.is_some());
        let [tokens, width] = hidden.dims();
        let numbers = part.slot_rows();
        let arithmetic = encoder.arithmetic;
        let (states, state) = head.forward(arithmetic.widen(rows(hidden, numbers.clone())));
        let vocabulary = Vocabulary {
            table: value(table),
            bias: value(&head.output_bias),
        };
        let targets: Vec<u32> = part.slots().map(|slot| slot.original).collect();
        let draw = self.draw(part, chance);
        let Some((pass, gradients)) = pass.zip(gradients) else {
            return guessed(vocabulary.guess(states, &targets, Some(&draw)));
        };
        let weight = self.config.gen_weight * self.loss_scale / (counts.slots as f64 + SOME);
        let weights = vec![weight as f32; targets.len()];
        let (guesses, slopes) = vocabulary.learn(states, &targets, &weights, Some(&draw));
        let parameters = &mut gradients.parameters;
        parameters.add(table, slopes.table);
        parameters.add(&head.output_bias, slopes.bias);
        let slopes = head.backward(state, slopes.rows, parameters);
        let zeros = Tensor::zeros([tokens, width], &slopes.device());
        let slopes = add_by_id(zeros, Ids::new(numbers, &slopes.device()), slopes);
        pass.backward(arithmetic.narrow(slopes), gradients);
        guessed(guesses)
    }

    /// Two towers guess every token from all others.
    fn guess_all(
        &self,
        networks: &Networks,
        part: &Part,
        counts: Counts,
        chance: Chance,
        gradients: Option<&mut Gradients>,
    ) -> Result<Guessed, DeviceError> {
        let (Some(left), Some(right), Some(head), Some(table)) = (
            &networks.generator_ltr,
            &networks.generator_rtl,
            &networks.cloze_predictions,
            networks.output_table(),
        ) else {
            return Err(DeviceError::new("two towers without one of their parts"));
        };
        let shared = &networks.electra.embeddings;
        let towers = [left, right].map(|tower| tower.encoder(shared));
        let arithmetic = networks.electra.arithmetic;
        // Padding reaches the scores of the first and the last token, which only Electric asks for.
        let padded_to = self
            .config
            .electric_objective
            .then_some(self.config.max_seq_length);
        let inputs = [Sight::Back, Sight::Ahead]
            .map(|sight| part.tower_input(sight, padded_to, self.device));
        let learns = gradients.is_some();
        let numbers = [FROM_LEFT, FROM_RIGHT];
        let [(left, before), (right, after)] = [0, 1].map(|side| {
            let mode = chance.mode(numbers[side]);
            self.encode(&towers[side], &inputs[side], mode, learns)
        });
        let joined = Joined::new(&inputs[0].sequences, &part.lengths());
        let (states, state) = head.forward(arithmetic.widen(joined.forward(before, after)));
        let vocabulary = Vocabulary {
            table: value(table),
            bias: value(&head.output_bias),
        };
        let examples = part.examples.iter();
        let targets: Vec<u32> = examples.flat_map(|it| it.example.ids.clone()).collect();
        let guesses = match left.zip(right).zip(gradients) {
            None => vocabulary.guess(states.clone(), &targets, None),
            Some(((left, right), gradients)) => {
                let weight =
                    self.config.gen_weight * self.loss_scale / (counts.candidates as f64 + SOME);
                let candidates = part.examples.iter().flat_map(|it| &it.candidates);
                let weights = candidates.map(|&is_one| if is_one { weight as f32 } else { 0.0 });
                let weights: Vec<f32> = weights.collect();
                let (guesses, slopes) = vocabulary.learn(states.clone(), &targets, &weights, None);
                let parameters = &mut gradients.parameters;
                parameters.add(table, slopes.table);
                parameters.add(&head.output_bias, slopes.bias);
                let slopes = head.backward(state, slopes.rows, parameters);
                let slopes = joined.backward(slopes);
                for (pass, slopes) in [left, right].into_iter().zip(slopes) {
                    pass.backward(arithmetic.narrow(slopes), gradients);
                }
                guesses
            }
        };
        let numbers = part.slot_rows();
        let of_slots = rows(states.clone(), numbers.clone());
        let originals: Vec<u32> = part.slots().map(|slot| slot.original).collect();
        let draw = self.draw(part, chance);
        let of_slots = guessed(vocabulary.guess(of_slots, &originals, Some(&draw)))?;
        let losses = guesses.losses;
        Ok(Guessed {
            cloze: losses.try_into_vec_as::<f32>().map_err(DeviceError::new)?,
            scores: Some((vocabulary, states, guesses.log_sums)),
            ..of_slots
        })
    }

    fn draw(&self, part: &Part, chance: Chance) -> Draw {
        Draw {
            uniform: chance.uniform(part),
            temperature: self.config.temperature,
            others_only: self.config.disallow_correct,
        }
    }

    /// The discriminator's scores of all tokens.
    #[expect(
        clippy::too_many_arguments,
        reason = "what a part is made of, in its order"
    )]
    fn discriminate(
        &self,
        networks: &Networks,
        part: &Part,
        corrupted: &[Corrupted],
        guessed: &Guessed,
        counts: Counts,
        chance: Chance,
        gradients: Option<&mut Gradients>,
    ) -> Result<Vec<f32>, DeviceError> {
        let Some(head) = &networks.discriminator_predictions else {
            return Err(DeviceError::new("a discriminator without a head"));
        };
        let electra = &networks.electra;
        let input = part.corrupted_input(corrupted, self.device);
        let (pass, hidden) = self.encode(electra, &input, chance.mode(0), gradients.is_some());
        let (mut logits, state) = head.forward(electra.arithmetic.widen(hidden));
        if let Some((vocabulary, states, log_sums)) = &guessed.scores
            && self.config.electric_objective
        {
            let ids: Vec<u32> = corrupted.iter().flat_map(|it| it.ids.clone()).collect();
            let shares = vocabulary.log_shares(states.clone(), &ids, log_sums.clone());
            let odds = self.config.mask_prob / (1.0 - self.config.mask_prob);
            logits = logits + shares.unsqueeze_dim(1) + odds.ln();
        }
        if let Some((pass, gradients)) = pass.zip(gradients) {
            let labels = corrupted
                .iter()
                .flat_map(|it| (0..it.ids.len()).map(|place| self.label(it, place)));
            let labels: Vec<f32> = labels.map(|label| f32::from(u8::from(label))).collect();
            let labels = TensorData::new(labels, [part.tokens(), 1]);
            let labels = Tensor::<2>::from_data(labels, &logits.device());
            let weight = self.config.disc_weight * self.loss_scale / (counts.tokens as f64 + SOME);
            let slopes = (sigmoid(logits.clone()) - labels) * weight;
            let slopes = head.backward(state, slopes, &mut gradients.parameters);
            pass.backward(electra.arithmetic.narrow(slopes), gradients);
        }
        let logits: Tensor<1> = logits.squeeze_dim(1);
        logits.try_into_vec_as::<f32>().map_err(DeviceError::new)
    }
}

impl Chance {
    fn mode(self, network: u32) -> Mode {
        match self.drops {
            false => Mode::Predict,
            true => Mode::Train(StepSeed::new(self.seed, self.step).of_network(network)),
        }
    }

    /// Two uniform numbers for each slot, in steps of 2⁻²³: below 1 by enough that a product with
    /// them is below its other factor.
    fn uniform(self, part: &Part) -> Vec<[f32; 2]> {
        const STEPS: f64 = (1 << 23) as f64;
        let mut uniform = Vec::new();
        for (place, masked) in (part.first_place..).zip(&part.examples) {
            let mut stream = Stream::new(self.seed, Purpose::Samples, self.step, place as u64);
            let mut number = || ((stream.uniform() * STEPS).floor() / STEPS) as f32;
            uniform.extend(masked.slots.iter().map(|_| [number(), number()]));
        }
        uniform
    }
}

/// Reads guesses back, all at once.
fn guessed(guesses: super::networks::vocabulary_loss::Guesses) -> Result<Guessed, DeviceError> {
    // Numbers of tokens are whole in f32 up to 2²⁴.
    let float = |ids: Tensor<1, Int>| ids.float();
    let count = guesses.losses.dims()[0];
    let mut all = vec![guesses.losses, float(guesses.best)];
    all.extend(guesses.drawn.map(float));
    let all = Tensor::cat(all, 0);
    let all = all.try_into_vec_as::<f32>().map_err(DeviceError::new)?;
    let (losses, ids) = all.split_at(count);
    let (best, drawn) = ids.split_at(count);
    let ids = |values: &[f32]| values.iter().map(|&value| value as u32).collect();
    Ok(Guessed {
        losses: losses.to_vec(),
        best: ids(best),
        drawn: ids(drawn),
        cloze: Vec::new(),
        scores: None,
    })
}

/// The first `count` values, or none if there are none at all, and the rest.
fn cut(values: &[f32], count: usize) -> (Vec<f32>, &[f32]) {
    let (own, rest) = values.split_at(count.min(values.len()));
    (own.to_vec(), rest)
}

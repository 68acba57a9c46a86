//! The losses of a part of a step, their inputs, and their gradients.
//!
//! A part's losses are divided by sums over the whole batch, which are known in advance: the parts add up
//! exactly. Reproduces `PretrainingModel`:
//! <https://github.com/google-research/electra/blob/8a46635f32083ada044d7e9ad09604742600ee7b/run_pretraining.py#L36-L255>

use burn::{
    Tensor,
    tensor::{Device, TensorData, activation::sigmoid},
};

pub use super::chance::Chance;
use super::{
    networks::{Networks, vocabulary_loss::Vocabulary},
    part::{Corrupted, Part},
    seen::{Counts, Seen, SeenSlot, SeenToken},
};
use crate::{
    config::{PretrainConfig, pretraining::networks::Generator as Kind},
    device::{Coming, DeviceError},
    model::{Electra, ModelInput, dropout::Mode},
    train::{
        encoder_pass::EncoderPass,
        gradients::Gradients,
        objective::{Objective as Backward, Trainable},
    },
};

/// The reference adds this to a count of tokens before it divides by it.
pub(super) const SOME: f64 = 1e-6;

/// What is trained, and how a step computes it.
#[derive(Debug, Clone, Copy)]
pub struct Objective<'a> {
    pub config: &'a PretrainConfig,
    /// The id of `[MASK]`.
    pub mask: u32,
    /// Keeps only each layer's input, and recomputes the rest in the backward pass.
    pub recompute_layers: bool,
    /// The loss, and with it every gradient, is multiplied by this.
    pub loss_scale: f64,
    pub device: &'a Device,
}

/// The generator's result for a part.
#[derive(Default)]
pub(super) struct Guessed {
    /// Of each slot.
    pub losses: Vec<f32>,
    pub best: Vec<u32>,
    pub drawn: Vec<u32>,
    pub cloze: Vec<f32>,
    /// The rows of all tokens, their log-sum-exp, and the vocabulary they are multiplied with.
    pub scores: Option<(Vocabulary, Tensor<2>, Tensor<1>)>,
}

impl Objective<'_> {
    /// Computes a part, and adds its gradients, times the loss scale, if `gradients` is given.
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
        // The discriminator's pass adds to the gradients of layers that it shares.
        let is_shared = kind == Kind::Shared && self.config.has_discriminator();
        if let Some(gradients) = &mut gradients {
            gradients.hold(is_shared);
        }
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
        if let Some(gradients) = &mut gradients {
            gradients.hold(false);
        }
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

    /// Electric's positives are all masked tokens, even if the sampled token equals the original.
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

    pub(super) fn encode<'b>(
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
        let mut read = None;
        if let Some((pass, gradients)) = pass.zip(gradients) {
            // Gradients wait to be given: the logits must not be read after them.
            if gradients.outgoing.is_some() {
                read = Some(Coming::ask(logits.clone().squeeze_dim(1))?);
            }
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
        if let Some(read) = read {
            return read.wait();
        }
        let logits: Tensor<1> = logits.squeeze_dim(1);
        logits.try_into_vec_as::<f32>().map_err(DeviceError::new)
    }
}

/// The first `count` values (none if there are no values at all), and the rest.
fn cut(values: &[f32], count: usize) -> (Vec<f32>, &[f32]) {
    let (own, rest) = values.split_at(count.min(values.len()));
    (own.to_vec(), rest)
}

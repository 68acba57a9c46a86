//! The generator's guesses for the masked tokens, whatever its kind, and its gradients.

use burn::{Tensor, module::Param, tensor::Int};

use super::{
    chance::Chance,
    networks::{
        Networks,
        token_head::{HeadState, TokenHead},
        two_towers::Joined,
        vocabulary_loss::{Draw, Guesses, Vocabulary},
    },
    objective::{Guessed, Objective, SOME},
    part::Part,
    seen::Counts,
};
use crate::{
    device::DeviceError,
    kernels::{
        lookup::{Ids, add_by_id},
        rows::rows,
    },
    model::{parameter_gradients::ParameterGradients, parameters::value},
    packed::sequences::Sight,
    train::gradients::Gradients,
};

/// Numbers of the networks with dropout masks of their own; the discriminator uses the encoder's.
const GENERATOR: u32 = 1;
const FROM_LEFT: u32 = 2;
const FROM_RIGHT: u32 = 3;

/// A head, and the word table that its rows are multiplied with.
struct Guesser<'a> {
    head: &'a TokenHead,
    table: &'a Param<Tensor<2>>,
}

impl Guesser<'_> {
    fn vocabulary(&self) -> Vocabulary {
        Vocabulary {
            table: value(self.table),
            bias: value(&self.head.output_bias),
        }
    }

    /// Computes guesses and the gradients of the losses, each times its weight. Adds the gradients of the
    /// parameters, and returns that of the head's input.
    fn learn(
        &self,
        rows: Tensor<2>,
        state: HeadState,
        targets: &[u32],
        weights: &[f32],
        draw: Option<&Draw>,
        parameters: &mut ParameterGradients,
    ) -> (Guesses, Tensor<2>) {
        let (guesses, slopes) = self.vocabulary().learn(rows, targets, weights, draw);
        parameters.add(self.table, slopes.table);
        parameters.add(&self.head.output_bias, slopes.bias);
        let slopes = self.head.backward(state, slopes.rows, parameters);
        (guesses, slopes)
    }
}

impl Objective<'_> {
    /// Every token is equally likely.
    pub(super) fn guess_uniformly(&self, part: &Part, chance: Chance) -> Guessed {
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
            ..Guessed::default()
        }
    }

    /// A masked language model guesses the slots.
    pub(super) fn guess_masked(
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
        // Only special tokens: there is nothing to guess or to learn.
        if part.slots().next().is_none() {
            return Ok(Guessed::default());
        }
        let guesser = Guesser { head, table };
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
        let targets: Vec<u32> = part.slots().map(|slot| slot.original).collect();
        let draw = self.draw(part, chance);
        let Some((pass, gradients)) = pass.zip(gradients) else {
            return guessed(guesser.vocabulary().guess(states, &targets, Some(&draw)));
        };
        let weight = self.config.gen_weight * self.loss_scale / (counts.slots as f64 + SOME);
        let weights = vec![weight as f32; targets.len()];
        let parameters = &mut gradients.parameters;
        let (guesses, slopes) =
            guesser.learn(states, state, &targets, &weights, Some(&draw), parameters);
        let zeros = Tensor::zeros([tokens, width], &slopes.device());
        let slopes = add_by_id(zeros, Ids::new(numbers, &slopes.device()), slopes);
        pass.backward(arithmetic.narrow(slopes), gradients);
        guessed(guesses)
    }

    /// Two towers guess every token from all others.
    pub(super) fn guess_all(
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
        let guesser = Guesser { head, table };
        let shared = &networks.electra.embeddings;
        let towers = [left, right].map(|tower| tower.encoder(shared));
        let arithmetic = networks.electra.arithmetic;
        // Padding affects the scores of the first and the last token only, which matters in Electric alone.
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
        let vocabulary = guesser.vocabulary();
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
                let parameters = &mut gradients.parameters;
                let (guesses, slopes) =
                    guesser.learn(states.clone(), state, &targets, &weights, None, parameters);
                let slopes = joined.backward(slopes);
                for (pass, slopes) in [left, right].into_iter().zip(slopes) {
                    pass.backward(arithmetic.narrow(slopes), gradients);
                }
                guesses
            }
        };
        let numbers = part.slot_rows();
        let of_slots = match numbers.is_empty() {
            true => Guessed::default(),
            false => {
                let of_slots = rows(states.clone(), numbers);
                let originals: Vec<u32> = part.slots().map(|slot| slot.original).collect();
                let draw = self.draw(part, chance);
                guessed(vocabulary.guess(of_slots, &originals, Some(&draw)))?
            }
        };
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
}

/// Reads all guesses back in one transfer.
fn guessed(guesses: Guesses) -> Result<Guessed, DeviceError> {
    // Token ids are exact in f32 up to 2²⁴.
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
        ..Guessed::default()
    })
}

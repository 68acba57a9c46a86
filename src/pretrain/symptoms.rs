//! The usual failures of pre-training, detected from the figures of a stretch of steps.
//!
//! A run that goes wrong seldom stops: it keeps training for days and learns little. Each symptom has a
//! threshold that a healthy run stays clear of, and is checked only at steps where a healthy run has passed
//! it. One is told once: a small model may be near chance for long, and learn later.

use std::{fmt, mem::replace};

use super::figures::Figures;
use crate::config::{PretrainConfig, pretraining::networks::Generator};

/// Number of steps that are judged together; each symptom is reported at most once per stretch.
pub const STRETCH: u64 = 500;

/// The minimum share of masked tokens that should be replaced. Below it, fewer than 3 tokens in a hundred
/// differ at a mask_prob of 0.15, and always answering "original" is nearly right. The generator is too large
/// for its text, or the text repeats itself.
const FEW_REPLACED: f64 = 0.2;

/// A generator that knows only the most frequent token ("the", or a comma) guesses some 6 in a hundred masked
/// tokens of English text. The reference's brief runs reach 16 after 1,000 steps.
const CHANCE_ACCURACY: f64 = 0.1;

/// Steps after warm-up from which a generator is judged by that.
const GENERATOR_LEARNS: u64 = 2_000;

/// A discriminator that calls everything original finds no replaced token. Every run starts like this: when a
/// tenth of the tokens are replaced, no probability exceeds one half until the scores are informative. So low
/// recall is a symptom only late, and only if the area under the curve is also near chance. A small model that
/// has only learnt which tokens are drawn most often finds some, without looking at any context.
const NONE_FOUND: f64 = 0.01;
const CHANCE_AUC: f64 = 0.6;

/// Steps after warm-up from which a discriminator is judged by that.
const DISCRIMINATOR_LEARNS: u64 = 10_000;

/// The loss scale starts at 1,024 and doubles after a thousand steps without overflow. At 32 it has been
/// halved five times more often than doubled; below 1 the run ends.
const LOW_SCALE: f64 = 32.0;

/// A warning: the symptom before the colon; its extent and the remedy after it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Symptom {
    GeneratorTooStrong { replaced: f64 },
    GeneratorAtChance { accuracy: f64 },
    DiscriminatorCollapsed { recall: f64, auc: f64 },
    DiscriminatorAtChance { recall: f64, auc: f64 },
    LossScaleSinks { scale: f64 },
}

impl fmt::Display for Symptom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: f64| format!("{:.1} %", 100.0 * part);
        match *self {
            Self::GeneratorTooStrong { replaced } => write!(
                f,
                "the generator is too strong: {} of the masked tokens were replaced, which leaves the \
                 discriminator little to find; make the generator smaller (generator_hidden_size, \
                 generator_layers), or check whether the text repeats itself",
                percent(replaced)
            ),
            Self::GeneratorAtChance { accuracy } => write!(
                f,
                "the generator is at chance: it has {} of the masked tokens right, as if it always guessed \
                 the most frequent one; lower learning_rate, or check whether the examples were made with \
                 this vocabulary",
                percent(accuracy)
            ),
            Self::DiscriminatorCollapsed { recall, auc } => write!(
                f,
                "the discriminator calls all tokens original: it finds {} of the replaced ones, AUC \
                 {auc:.3}; lower learning_rate, lengthen num_warmup_steps, make the generator smaller, or \
                 begin with shorter examples (max_seq_length)",
                percent(recall)
            ),
            Self::DiscriminatorAtChance { recall, auc } => write!(
                f,
                "the discriminator is near chance so far: AUC {auc:.3}, it finds {} of the replaced tokens; if \
                 that stays, begin with shorter examples (max_seq_length 16, then 32 and so on by \
                 init_checkpoint) or a smaller generator",
                percent(recall)
            ),
            Self::LossScaleSinks { scale } => write!(
                f,
                "the loss scale keeps falling: it is {scale}, because gradients keep overflowing f16; lower \
                 learning_rate, or give --precision f32"
            ),
        }
    }
}

/// The figures of a stretch.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    /// Completed steps at its end.
    steps: u64,
    masked_lm_accuracy: f64,
    replaced: f64,
    recall: f64,
    auc: f64,
    /// If the loss is scaled.
    loss_scale: Option<f64>,
}

impl Stretch {
    fn symptoms(&self, config: &PretrainConfig) -> Vec<Symptom> {
        let warm = self.steps.saturating_sub(config.num_warmup_steps);
        let mut found = Vec::new();
        let guesses = config.generator_kind() != Generator::Uniform;
        // Electric's positives are all masked tokens, replaced or not.
        let looks_for_replaced = config.has_discriminator() && !config.electric_objective;
        if guesses && looks_for_replaced && self.replaced < FEW_REPLACED {
            found.push(Symptom::GeneratorTooStrong {
                replaced: self.replaced,
            });
        }
        if guesses && warm >= GENERATOR_LEARNS && self.masked_lm_accuracy < CHANCE_ACCURACY {
            found.push(Symptom::GeneratorAtChance {
                accuracy: self.masked_lm_accuracy,
            });
        }
        if config.has_discriminator()
            && config.disc_weight > 0.0
            && warm >= DISCRIMINATOR_LEARNS
            && self.auc < CHANCE_AUC
        {
            let Self { recall, auc, .. } = *self;
            found.push(match recall < NONE_FOUND {
                true => Symptom::DiscriminatorCollapsed { recall, auc },
                false => Symptom::DiscriminatorAtChance { recall, auc },
            });
        }
        let scale = self.loss_scale.filter(|&scale| scale <= LOW_SCALE);
        found.extend(scale.map(|scale| Symptom::LossScaleSinks { scale }));
        found
    }
}

/// Collects a run's figures, stretch by stretch.
#[derive(Debug)]
pub struct Symptoms<'a> {
    config: &'a PretrainConfig,
    figures: Figures,
    steps: u64,
    /// Whether the discriminator was said to be near chance.
    is_chance_told: bool,
}

impl<'a> Symptoms<'a> {
    pub fn new(config: &'a PretrainConfig) -> Self {
        Self {
            config,
            figures: Figures::default(),
            steps: 0,
            is_chance_told: false,
        }
    }

    /// Adds the figures of a step, after which `steps` are complete. At the end of a stretch, returns the
    /// warnings.
    pub fn after(
        &mut self,
        steps: u64,
        figures: &Figures,
        loss_scale: Option<f64>,
    ) -> Vec<Symptom> {
        self.figures.join(figures);
        self.steps += 1;
        if !steps.is_multiple_of(STRETCH) {
            return Vec::new();
        }
        let figures = std::mem::take(&mut self.figures);
        // A run that resumed within the stretch has seen too little of it.
        if std::mem::take(&mut self.steps) < STRETCH / 2 {
            return Vec::new();
        }
        let stretch = Stretch {
            steps,
            masked_lm_accuracy: figures.masked_lm_accuracy(),
            replaced: figures.replaced(),
            recall: figures.recall(),
            auc: figures.auc(),
            loss_scale,
        };
        let mut found = stretch.symptoms(self.config);
        found.retain(|symptom| match symptom {
            Symptom::DiscriminatorAtChance { .. } => !replace(&mut self.is_chance_told, true),
            _ => true,
        });
        found
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;
    use crate::pretrain::seen::{Seen, SeenSlot, SeenToken};

    fn config(given: Value) -> PretrainConfig {
        let given = given.as_object().unwrap();
        PretrainConfig::resolve(Path::new("d"), "m", given)
            .unwrap()
            .0
    }

    /// A small model in the middle of its run.
    fn healthy() -> Stretch {
        Stretch {
            steps: 100_000,
            masked_lm_accuracy: 0.45,
            replaced: 0.5,
            recall: 0.4,
            auc: 0.92,
            loss_scale: Some(2_048.0),
        }
    }

    #[test]
    fn a_healthy_run_has_no_symptom_from_its_first_step_on() {
        let usual = config(json!({}));
        assert_eq!(healthy().symptoms(&usual), []);
        // Before anything is learnt.
        let first = Stretch {
            steps: 500,
            masked_lm_accuracy: 0.001,
            replaced: 0.999,
            recall: 0.0,
            auc: 0.5,
            loss_scale: Some(1_024.0),
        };
        assert_eq!(first.symptoms(&usual), []);
        // The reference's two runs of 1,000 steps from scratch: recall is still 0.
        let brief = config(json!({"num_warmup_steps": 100, "num_train_steps": 1_000}));
        for (masked_lm_accuracy, sampled, auc) in [(0.170, 0.130, 0.545), (0.157, 0.117, 0.565)] {
            let theirs = Stretch {
                steps: 1_000,
                masked_lm_accuracy,
                replaced: 1.0 - sampled,
                recall: 0.0,
                auc,
                loss_scale: None,
            };
            assert_eq!(theirs.symptoms(&brief), []);
        }
    }

    #[test]
    fn each_failure_is_told_by_its_own_figures() {
        let usual = config(json!({}));
        let told = |change: &dyn Fn(&mut Stretch)| {
            let mut stretch = healthy();
            change(&mut stretch);
            stretch.symptoms(&usual)
        };
        let strong = told(&|it| it.replaced = 0.19);
        assert_eq!(strong, [Symptom::GeneratorTooStrong { replaced: 0.19 }]);
        assert!(strong[0].to_string().contains("19.0 % of the masked"));
        assert_eq!(told(&|it| it.replaced = 0.2), []);

        let chance = told(&|it| it.masked_lm_accuracy = 0.06);
        assert_eq!(chance, [Symptom::GeneratorAtChance { accuracy: 0.06 }]);
        // 10,000 steps of warm-up, and 2,000.
        let early = |steps: u64| {
            told(&|it| {
                it.masked_lm_accuracy = 0.06;
                it.steps = steps;
            })
        };
        assert_eq!((early(11_500).len(), early(12_000).len()), (0, 1));

        let collapsed = |steps: u64, recall: f64, auc: f64| {
            told(&|it| {
                (it.steps, it.recall, it.auc) = (steps, recall, auc);
            })
        };
        let expected = Symptom::DiscriminatorCollapsed {
            recall: 0.002,
            auc: 0.55,
        };
        assert_eq!(collapsed(20_000, 0.002, 0.55), [expected]);
        assert!(expected.to_string().contains("0.2 %"), "{expected}");
        assert_eq!(collapsed(19_500, 0.002, 0.55), []);
        // Its ranking is good, but no probability exceeds one half yet.
        assert_eq!(collapsed(20_000, 0.002, 0.75), []);

        // A small model of ours after 9 million tokens: it knows which tokens are drawn too often, no more.
        let expected = Symptom::DiscriminatorAtChance {
            recall: 0.02,
            auc: 0.564,
        };
        assert_eq!(collapsed(20_000, 0.02, 0.564), [expected]);
        assert!(expected.to_string().contains("AUC 0.564"), "{expected}");
        assert_eq!(collapsed(19_500, 0.02, 0.564), []);
        assert_eq!(collapsed(20_000, 0.02, 0.6), []);

        let sunk = told(&|it| it.loss_scale = Some(32.0));
        assert_eq!(sunk, [Symptom::LossScaleSinks { scale: 32.0 }]);
        assert_eq!(told(&|it| it.loss_scale = Some(64.0)), []);
        assert_eq!(told(&|it| it.loss_scale = None), []);
    }

    #[test]
    fn what_a_set_up_does_not_have_is_not_looked_for() {
        let worst = Stretch {
            steps: 500_000,
            masked_lm_accuracy: 0.01,
            replaced: 0.05,
            recall: 0.0,
            auc: 0.5,
            loss_scale: None,
        };
        for (given, count) in [
            (json!({}), 3),
            (json!({"uniform_generator": true}), 1),
            (json!({"electra_objective": false}), 1),
            (
                json!({"electra_objective": false, "electric_objective": true}),
                2,
            ),
            (json!({"disc_weight": 0.0}), 2),
        ] {
            let found = worst.symptoms(&config(given.clone()));
            assert_eq!(found.len(), count, "{given} {found:?}");
        }
    }

    #[test]
    fn a_stretch_is_judged_once_and_as_a_whole() {
        let usual = config(json!({}));
        let mut symptoms = Symptoms::new(&usual);
        // One masked token in ten is replaced.
        let mut figures = Figures::default();
        let slot = |drawn| SeenSlot {
            original: 7,
            best: 7,
            drawn,
            loss: 0.1,
        };
        let seen = Seen {
            slots: (0..10)
                .map(|it| slot(if it == 0 { 8 } else { 7 }))
                .collect(),
            ..Seen::default()
        };
        figures.add(&[seen], 0);
        let found: Vec<(u64, usize)> = (1..=1_200)
            .map(|steps| (steps, symptoms.after(steps, &figures, None).len()))
            .filter(|(_, found)| *found > 0)
            .collect();
        assert_eq!(found, [(500, 1), (1_000, 1)]);
        // Resumed 200 steps before the end of a stretch, and 300.
        for (from, found) in [(1_301, 0), (1_201, 1)] {
            let mut symptoms = Symptoms::new(&usual);
            let of = (from..=1_500).flat_map(|steps| symptoms.after(steps, &figures, None));
            assert_eq!(of.count(), found, "{from}");
        }
    }

    #[test]
    fn a_discriminator_near_chance_is_told_once() {
        let usual = config(json!({}));
        let mut symptoms = Symptoms::new(&usual);
        // One replaced token ranks first, three rank with all that are not: the area is 0.625.
        let token = |label, logit| SeenToken {
            label,
            is_replaced: label,
            logit,
        };
        let near = |found: f32| {
            let mut figures = Figures::default();
            let replaced = [found, -1.0, -1.0, -1.0].map(|logit| token(true, logit));
            let others = [-1.0; 8].map(|logit| token(false, logit));
            let slot = SeenSlot {
                original: 7,
                best: 7,
                drawn: 8,
                loss: 0.1,
            };
            let seen = Seen {
                slots: vec![slot; 4],
                tokens: replaced.into_iter().chain(others).collect(),
                ..Seen::default()
            };
            figures.add(&[seen], 0);
            figures
        };
        let mut told = |figures: &Figures| {
            let of = (30_001..=32_000).flat_map(|steps| symptoms.after(steps, figures, None));
            of.collect::<Vec<_>>()
        };
        assert_eq!(told(&near(1.0)), []);
        let mut at_chance = near(-1.0);
        at_chance.join(&near(1.0));
        at_chance.join(&near(-1.0));
        let [Symptom::DiscriminatorAtChance { recall, auc }] = told(&at_chance)[..] else {
            panic!("not told once");
        };
        // One of twelve replaced tokens ranks first, the others with all 24 that are not.
        assert!((recall - 1.0 / 12.0).abs() < 1e-12 && (auc - 0.5417).abs() < 1e-4);
        assert_eq!(told(&at_chance), []);
    }
}

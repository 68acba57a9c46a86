use serde_json::json;

use super::*;
use crate::{
    config::{Config, EncoderConfig, OptimizerMoments},
    kernels::{
        formats::Element,
        layer_norm::{config::NormPass, shares::AT_ONCE},
        matmul::{MatmulTilings, bf16::Instructions, config::MatmulTiling},
    },
    model::arithmetic::Arithmetic,
};

fn encoder(size: &str) -> EncoderConfig {
    let mut given = serde_json::Map::new();
    given.insert("task_names".into(), json!(["squad"]));
    given.insert("model_size".into(), json!(size));
    let resolved = Config::resolve("d".as_ref(), "m", &given);
    resolved.unwrap().0.encoder()
}

fn within(budget: Option<u64>) -> MemoryLimits {
    MemoryLimits {
        budget,
        ..MemoryLimits::default()
    }
}

#[test]
fn a_slow_device_gets_no_more_at_once_than_it_computes_in_time() {
    let encoder = encoder("large");
    let plan = |tokens, given| {
        let limits = MemoryLimits {
            tokens: Some(tokens),
            ..MemoryLimits::default()
        };
        let plan = large(&encoder).plan(32, limits, GradientCheckpointing::Auto, given);
        let plan = plan.unwrap();
        assert!(!plan.recompute_layers, "that saves no time");
        plan.micro_batch_size
    };
    assert_eq!(plan(1_600, None), 3);
    assert_eq!(plan(100, None), 1);
    assert_eq!(plan(1 << 30, None), 32);
    assert_eq!(plan(100, Some(8)), 8, "as it was asked for");
}

#[test]
fn no_tensor_is_larger_than_the_device_takes() {
    let encoder = encoder("large");
    let limits = MemoryLimits {
        tensor: Some(128 << 20),
        ..MemoryLimits::default()
    };
    let footprint = large(&encoder);
    let plan = footprint
        .plan(32, limits, GradientCheckpointing::Auto, None)
        .unwrap();
    // 16 × 512 tokens of 4096 values of four bytes.
    assert_eq!(plan.micro_batch_size, 16);
    assert_eq!(footprint.largest_activation(16), 128 << 20);
}

/// ELECTRA-Large at 512 tokens on one GPU.
fn large(encoder: &EncoderConfig) -> Footprint<'_> {
    Footprint {
        encoder,
        arithmetic: Arithmetic::default(),
        moments: OptimizerMoments::F32,
        parameters: 336_000_000,
        trained: 336_000_000,
        trained_layers: 24,
        longest: 512,
    }
}

#[test]
fn large_fits_eight_gibibytes_whole() {
    let encoder = encoder("large");
    let footprint = large(&encoder);
    let budget = 8 << 30;
    let plan = footprint
        .plan(32, within(Some(budget)), GradientCheckpointing::Auto, None)
        .unwrap();
    assert!(plan.recompute_layers && plan.bytes <= budget, "{plan:?}");
    assert!(plan.micro_batch_size >= 4, "{plan:?}");
}

#[test]
fn large_fits_six_gibibytes_with_moments_in_bfloat16() {
    let encoder = encoder("large");
    let whole = large(&encoder);
    let halved = Footprint {
        moments: OptimizerMoments::Bf16,
        ..whole.clone()
    };
    assert_eq!(whole.state() - halved.state(), 4 * 336_000_000);
    // What such a card has, less what a desktop and its driver take.
    let budget = within(Some(5 << 30));
    let plan =
        |footprint: &Footprint| footprint.plan(32, budget, GradientCheckpointing::Auto, None);
    assert!(plan(&whole).is_err());
    let plan = plan(&halved).unwrap();
    assert!(
        plan.recompute_layers && plan.micro_batch_size >= 2,
        "{plan:?}"
    );
}

#[test]
fn large_fits_four_gibibytes_with_moments_in_eight_bits() {
    let encoder = encoder("large");
    let [whole, halved, eight_bit] = [
        OptimizerMoments::F32,
        OptimizerMoments::Bf16,
        OptimizerMoments::EightBit,
    ]
    .map(|moments| Footprint {
        moments,
        ..large(&encoder)
    });
    // The tables and 24 × (9 × 1,024 + 4,096) values of vectors stay f32: 31,036 × 1,024 + 319,488 of
    // 336,000,000. The others are 296,777 blocks of 514 words instead of 1,024 values of 8 bytes.
    assert_eq!(whole.state() - eight_bit.state(), 296_777 * (8_192 - 2_056));
    let plan = |footprint: &Footprint, gibibytes: u64| {
        let budget = within(Some(gibibytes << 30));
        footprint.plan(32, budget, GradientCheckpointing::Auto, None)
    };
    assert!(plan(&halved, 4).is_err());
    assert!(plan(&eight_bit, 4).unwrap().micro_batch_size >= 2);
    // A larger micro-batch fits in five than with moments in bfloat16.
    let at_once = |footprint| plan(footprint, 5).unwrap().micro_batch_size;
    assert!(at_once(&eight_bit) >= at_once(&halved) + 3);
    // Frozen layers are not counted: the top layer has 12,582,912 values in matrices.
    let top = |moments| Footprint {
        moments,
        trained: 12_596_224,
        trained_layers: 1,
        ..large(&encoder)
    };
    let saved = top(OptimizerMoments::F32).state() - top(OptimizerMoments::EightBit).state();
    assert_eq!(saved, 12_288 * (8_192 - 2_056));
}

#[test]
fn a_large_card_recomputes_nothing_and_an_unknown_one_computes_all_at_once() {
    let encoder = encoder("large");
    let footprint = large(&encoder);
    let plan = |budget| {
        footprint
            .plan(32, within(budget), GradientCheckpointing::Auto, None)
            .unwrap()
    };
    for plan in [plan(Some(80 << 30)), plan(None)] {
        assert!(
            !plan.recompute_layers && plan.micro_batch_size == 32,
            "{plan:?}"
        );
    }
}

#[test]
fn f16_halves_activations_unless_burn_widens_them() {
    let encoder = encoder("large");
    let activations = |layers, half| {
        let arithmetic = Arithmetic {
            layers,
            half,
            ..Arithmetic::default()
        };
        let footprint = Footprint {
            arithmetic,
            ..large(&encoder)
        };
        footprint.activations(512, true)
    };
    let shaders = MatmulTilings::all(MatmulTiling::Tiled { quarters: 1 });
    let full = activations(Element::F32, shaders);
    // Except the layer norms' partial sums, which are f32 in both.
    let shares = 512 * AT_ONCE as u64 * 2 * size_of::<f32>() as u64 * 1024 / NormPass::SLICE as u64;
    let half = (full - shares) / 2 + shares;
    assert_eq!(activations(Element::F16, shaders), half);
    let widened = activations(Element::F16, MatmulTilings::BURNS);
    assert!(half < widened && widened < full, "{widened} of {full}");
}

#[test]
fn packed_operands_in_bf16_are_counted() {
    let encoder = encoder("large");
    let full = large(&encoder);
    let mut packed = full.clone();
    packed.arithmetic.bf16 = Some(Instructions::Plain);
    // Both directions of each weight; and of an activation of the inner width and its gradient.
    assert_eq!(packed.state() - full.state(), 2 * 2 * 336_000_000);
    let more = packed.activations(512, true) - full.activations(512, true);
    assert_eq!(more, 512 * 2 * 2 * 4096);
}

#[test]
fn what_was_asked_for_is_kept() {
    let encoder = encoder("large");
    let footprint = large(&encoder);
    let plan =
        |checkpointing, micro| footprint.plan(32, within(Some(24 << 30)), checkpointing, micro);
    let on = plan(GradientCheckpointing::On, Some(2)).unwrap();
    assert_eq!((on.recompute_layers, on.micro_batch_size), (true, 2));
    let off = plan(GradientCheckpointing::Off, None).unwrap();
    assert!(!off.recompute_layers && off.micro_batch_size < 32);
}

#[test]
fn a_size_that_was_asked_for_is_refused_with_what_it_needs() {
    let encoder = encoder("large");
    let footprint = large(&encoder);
    let refused = |limits, micro| {
        let plan = footprint.plan(32, limits, GradientCheckpointing::Auto, micro);
        plan.unwrap_err().to_string()
    };
    let budget = within(Some(8 << 30));
    assert!(footprint.needed(1, true) < 8 << 30);
    let needed = footprint.needed(32, true);
    assert!(needed > 8 << 30);
    assert_eq!(
        refused(budget, Some(100)),
        format!(
            "a step of 32 features of 512 tokens at once needs {} but the budget is 8 GiB; raise \
             --memory-budget, lower micro_batch_size, or leave it out for as many as fit",
            ByteSize(needed)
        )
    );
    // A row's inner layer has 512 × 4096 values of four bytes, 8 MiB.
    let tensor = MemoryLimits {
        tensor: Some(4 << 20),
        ..MemoryLimits::default()
    };
    assert_eq!(
        refused(tensor, None),
        "a step of one feature of 512 tokens needs 8 MiB in one tensor but the device's largest is \
         4 MiB; lower max_seq_length, or set trainable_layers to train fewer layers"
    );
}

#[test]
fn a_budget_below_the_parameters_is_refused_with_both_sizes() {
    let encoder = encoder("large");
    let refused =
        large(&encoder).plan(32, within(Some(4 << 30)), GradientCheckpointing::Auto, None);
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("512 tokens") && message.contains("4 GiB"),
        "{message}"
    );
}

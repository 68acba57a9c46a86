//! The shaders with cooperative matrices as naga writes them for Metal, run on the CPU with a thread for
//! each invocation (`threads.h`): at matrices of 16 × 16 and subgroups of 32 and 64 lanes, which no software
//! driver has. Results are held against sums in f64, and ThreadSanitizer looks for accesses that no barrier
//! orders.

mod attention;
mod case;
mod product;
mod program;

use std::collections::HashSet;

use electra::kernels::{
    attention::config::{CooperativeConfig, CooperativeShader},
    matmul::{
        config::{Epilogue, MatmulShader, MatmulTiling},
        cooperative::CooperativeTiling,
    },
};
use rayon::prelude::*;

use self::{
    attention::Attention,
    case::{Case, Outcome},
    product::product,
    program::can_build,
};
use crate::forms::{asked, cooperative_attention, cooperative_products};

/// The subgroups that a form may run in: as it was reckoned, and as another driver would have it.
fn lanes(size: usize, threads: u32, all: bool, reckoned: usize) -> Vec<u32> {
    let sizes: &[u32] = match (all, size) {
        (false, _) => &[],
        (true, 16) => &[16, 32, 64],
        (true, _) => &[8, 32],
    };
    let mut lanes = vec![reckoned as u32];
    for &size in sizes {
        if !lanes.contains(&size) && threads.is_multiple_of(size) {
            lanes.push(size);
        }
    }
    lanes
}

/// The form with workgroup memory of scalars, which is what Metal gets.
fn scalars(mut shader: MatmulShader) -> MatmulShader {
    if let MatmulTiling::Cooperative(tiling) = &mut shader.tiling {
        tiling.vectors = false;
    }
    shader
}

/// Every form that a device could get, or a few that go through all of the shaders' text.
fn cases(all: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut whole = None;
    let mut products: Vec<_> = cooperative_products().into_iter().map(scalars).collect();
    let mut seen = HashSet::new();
    products.retain(|&shader| seen.insert(shader));
    for shader in products {
        let MatmulTiling::Cooperative(CooperativeTiling { size, subgroup, .. }) = shader.tiling
        else {
            continue;
        };
        // What follows a product is the same for each tiling: all of it once, and then what differs by
        // orientation.
        let first = *whole.get_or_insert(shader.tiling) == shader.tiling;
        let other = matches!(
            shader.matmul.epilogue,
            Epilogue::Residual { masked: true } | Epilogue::Onto | Epilogue::ColumnSums
        );
        if (all && (first || other)) || (first && other) {
            let threads = shader.tiling.threads()[0];
            cases.push(product(shader, lanes(size, threads, all, subgroup)));
        }
    }
    let attention = [16, 32, 64, 128].map(|head| (head, Attention::new(head)));
    let mut seen = HashSet::new();
    for shader in cooperative_attention() {
        let config = CooperativeConfig {
            vectors: false,
            ..shader.config
        };
        let shader = CooperativeShader { config, ..shader };
        let masked = shader.masked;
        if !seen.insert(shader) {
            continue;
        }
        let few = config.size == 16 && config.head == 32 && config.subgroup == 64;
        // Without a mask less is computed.
        if (all && (masked || config.head == 64)) || (few && masked) {
            let (_, attention) = attention
                .iter()
                .find(|(head, _)| *head == config.head)
                .unwrap();
            let lanes = lanes(config.size, config.threads(), all, config.subgroup);
            cases.push(attention.case(shader, lanes));
        }
    }
    cases
}

/// Forms without the barrier between what threads stage and what they multiply: of a product and of
/// attention, or of each pass of theirs.
fn mutants(all: bool) -> Vec<Case> {
    let mut mutants = Vec::new();
    for (start, barrier) in [("Matmul", 1), ("Cooperative", 2)] {
        let mut cases = cases(false);
        cases.retain(|case| case.form.name.starts_with(start));
        cases.truncate(if all { cases.len() } else { 1 });
        mutants.extend(cases.into_iter().map(|case| Case {
            form: case.form.without_barrier(barrier),
            ..case
        }));
    }
    mutants
}

fn assert_noticed(mutants: Vec<Case>) {
    let unnoticed: Vec<String> = mutants
        .into_par_iter()
        .filter_map(|case| {
            let Outcome { races, wrong } = case.run();
            let name = case.form.name;
            println!("{name}: {races} races, {} wrong", wrong.len());
            (races == 0 && wrong.is_empty()).then_some(name)
        })
        .collect();
    assert!(unnoticed.is_empty(), "unnoticed: {}", unnoticed.join("\n"));
}

fn assert_right(cases: Vec<Case>) {
    let outcomes: Vec<(String, usize, Outcome)> = cases
        .into_par_iter()
        .map(|case| {
            let (outcome, name) = (case.run(), case.form.name);
            let (races, wrong) = (outcome.races, outcome.wrong.len());
            println!(
                "{name} in {:?} lanes: {races} races, {wrong} wrong",
                case.lanes
            );
            (name, case.lanes.len(), outcome)
        })
        .collect();
    let runs: usize = outcomes.iter().map(|(_, runs, _)| runs).sum();
    println!("{} forms, {runs} runs", outcomes.len());
    let mut failures = Vec::new();
    for (name, _, outcome) in outcomes {
        failures.extend(outcome.wrong);
        if outcome.races > 0 {
            failures.push(format!("{name}: {} races", outcome.races));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn shaders_for_metal_are_right_on_threads_and_a_missing_barrier_is_noticed() {
    if !can_build() {
        return;
    }
    assert_noticed(mutants(false));
    assert_right(cases(false));
}

#[test]
#[ignore = "minutes of a C++ compiler: tests/shader-checks/run threads"]
fn every_form_with_cooperative_matrices_is_right_on_threads() {
    assert!(can_build());
    assert_noticed(mutants(true));
    let mut cases = cases(true);
    cases.retain(|case| asked(&case.form.name));
    assert!(!cases.is_empty(), "no form is asked for");
    assert_right(cases);
}

//! The shaders as naga writes them for Metal, run on the CPU with a stack for each thread of a workgroup
//! (`threads.h`, `threads.cpp`): at matrices of 16 × 16 and subgroups of 32 and 64 lanes, which no software
//! driver has, and however much memory a workgroup shares. What no barrier orders is reported, also
//! when each barrier is taken out in turn; results with cooperative matrices are held against sums in f64.

mod attention;
mod case;
mod product;
mod program;

use std::collections::{BTreeMap, HashMap, HashSet};

use electra::kernels::{
    attention::config::CooperativeShader,
    matmul::config::{Epilogue, MatmulShader, MatmulTiling},
    shader::Shader,
};
use rayon::prelude::*;

use self::{
    attention::Attention,
    case::{Case, Outcome},
    product::product,
    program::{Runner, can_build},
};
use crate::forms::{Form, asked, cooperative_attention, cooperative_products, forms};

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

/// Every form that shares memory, or a few that go through all of the text of those with matrices. The others'
/// results are held against right ones elsewhere: of them, what no barrier orders is looked for.
fn cases(all: bool) -> Vec<Case> {
    let mut cases = products(all);
    cases.extend(attention(all));
    let others = forms().into_iter().filter(|form| {
        let asked = all || FEW.iter().any(|name| form.name.starts_with(name));
        asked && !form.text.contains("coop_mat")
    });
    cases.extend(others.map(|form| Case {
        form,
        bindings: Vec::new(),
        lanes: vec![32],
    }));
    cases
}

/// Of the forms without matrices, by how their names begin.
const FEW: [&str; 3] = [
    "SummaryForward",
    // Its threads read what one of them writes.
    "AdamConfig { parameters: 1, kind: AdamKind { width: Four, moments: EightBit, copied: false } }",
    "MatmulShader { matmul: Matmul { products: Beside, orientation: Plain, operand: F32",
];

/// Those with vectors and matrices of 16 × 16, and with scalars of 8 × 8: a tiling of each goes through the
/// text, with what differs by orientation.
fn products(all: bool) -> Vec<Case> {
    let mut shaders = MatmulShader::all();
    shaders.extend(cooperative_products());
    let mut seen = HashSet::new();
    shaders.retain(|&shader| seen.insert(shader));
    let mut few = HashMap::from([((16, true), None), ((8, false), None)]);
    let mut cases = Vec::new();
    for shader in shaders {
        let MatmulTiling::Cooperative(tiling) = shader.tiling else {
            continue;
        };
        let first = few.get_mut(&(tiling.size, tiling.vectors));
        let is_first = first.is_some_and(|first| *first.get_or_insert(tiling) == tiling);
        let differs = matches!(
            shader.matmul.epilogue,
            Epilogue::Residual { masked: true } | Epilogue::Onto | Epilogue::ColumnSums
        );
        if all || (is_first && differs) {
            let threads = shader.tiling.threads().iter().product();
            let lanes = lanes(tiling.size, threads, all, tiling.subgroup);
            cases.push(product(shader, lanes));
        }
    }
    cases
}

fn attention(all: bool) -> Vec<Case> {
    let problems = [16, 32, 64, 128].map(|head| (head, Attention::new(head)));
    let mut shaders = CooperativeShader::all();
    shaders.extend(cooperative_attention());
    let mut seen = HashSet::new();
    shaders.retain(|&shader| seen.insert(shader));
    let mut cases = Vec::new();
    for shader in shaders {
        let config = shader.config;
        let few = config.size == 16 && config.head == 32 && config.subgroup == 64;
        if all || (few && config.vectors && shader.masked) {
            let mut problems = problems.iter();
            let (_, problem) = problems.find(|(head, _)| *head == config.head).unwrap();
            let lanes = lanes(config.size, config.threads(), all, config.subgroup);
            cases.push(problem.case(shader, lanes));
        }
    }
    cases
}

fn assert_right(cases: Vec<Case>) {
    let runner = Runner::build();
    let outcomes: Vec<(Case, Outcome)> = cases
        .into_par_iter()
        .map(|case| {
            let outcome = case.run(&runner);
            let (name, lanes) = (&case.form.name, &case.lanes);
            let Outcome {
                defects,
                wrong,
                needed,
                unneeded,
            } = &outcome;
            println!(
                "{name} in {lanes:?} lanes: {} with defects, {} wrong; barriers: {} needed, {} not",
                defects.len(),
                wrong.len(),
                needed.len(),
                unneeded.len()
            );
            if let Some((barrier, report)) = needed.first() {
                println!("    without barrier {barrier}: {report}");
            }
            (case, outcome)
        })
        .collect();
    // By kind: forms, runs, barriers that are needed and that are not.
    let mut table: BTreeMap<(&str, bool), [usize; 4]> = BTreeMap::new();
    for (case, outcome) in &outcomes {
        let Form { name, text, .. } = &case.form;
        let kind = name.split(' ').next().unwrap();
        let sums = table.entry((kind, text.contains("coop_mat"))).or_default();
        let more = [
            1,
            case.lanes.len(),
            outcome.needed.len(),
            outcome.unneeded.len(),
        ];
        sums.iter_mut()
            .zip(more)
            .for_each(|(sum, more)| *sum += more);
    }
    for ((kind, cooperative), [forms, runs, needed, unneeded]) in table {
        let with = if cooperative { ", with matrices" } else { "" };
        println!(
            "{kind}{with}: {forms} forms, {runs} runs; barriers: {needed} needed, {unneeded} not"
        );
    }
    let mut failures = Vec::new();
    for (case, outcome) in outcomes {
        failures.extend(outcome.defects);
        failures.extend(outcome.wrong);
        // Threads that share memory wait for each other: else nothing was watched.
        if outcome.needed.is_empty() {
            failures.push(format!("{}: no barrier is needed", case.form.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn shaders_for_metal_are_right_on_threads_and_a_missing_barrier_is_noticed() {
    if !can_build() {
        return;
    }
    assert_right(cases(false));
}

#[test]
#[ignore = "minutes of a C++ compiler: tests/shader-checks/run threads"]
fn every_form_is_right_on_threads() {
    assert!(can_build());
    let mut cases = cases(true);
    cases.retain(|case| asked(&case.form.name));
    assert!(!cases.is_empty(), "no form is asked for");
    assert_right(cases);
}

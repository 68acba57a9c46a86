//! The shaders that share memory within a workgroup, in every form that a device could get, each with
//! the parameters of a small problem. A device chooses one form by what it offers and by timing; a check
//! that runs what was chosen says nothing of the others.

use std::{collections::BTreeSet, env};

use electra::{
    device::{AdapterInfo, AdapterKind, Api, CooperativeMatrix},
    kernels::{
        adam::gpu::{AdamConfig, AdamParameter, AdamParams},
        attention::{
            config::{
                AttentionParams, AttentionPass, AttentionShader, CooperativeConfig,
                CooperativePass, CooperativeShader,
            },
            cooperative,
        },
        clip::{ClipConfig, ClipParams},
        formats::Element,
        layer_norm::config::{NormConfig, NormParams, NormPass},
        matmul::{
            autotune,
            config::{MatmulParams, MatmulShader, MatmulTiling},
            cooperative::CooperativeTiling,
        },
        params::Params,
        question_loss::{QuestionLossConfig, QuestionLossParams, Window},
        shader::{Direction, Shader},
        span_loss::{SpanLossConfig, SpanLossParams, Target},
        square_sum::{SquareSumConfig, SquareSumParams},
        summary::{SummaryBackward, SummaryBackwardParams, SummaryForward, SummaryForwardParams},
        token_logits::config::{LogitParams, LogitShader, RowTile},
    },
    packed::{random::Mask, sequences::Sequences},
};

/// Tiles of one row, and tiles and blocks that end in the middle.
const LENGTHS: [usize; 3] = [5, 33, 70];

/// A block of 64 and a rest.
const COLUMNS: u32 = 72;

pub const HEADS: u32 = 2;

/// Bytes that are enough for any array of these problems.
pub const ARRAY_BYTES: usize = 256 << 10;

/// A shader, specialised, and a problem.
pub struct Form {
    pub name: String,
    pub text: String,
    pub workgroup: [u32; 2],
    pub groups: [u32; 2],
    /// Its parameters.
    pub params: Vec<u32>,
    /// Arrays of words that say which rows it takes, by name.
    pub rows: Vec<(&'static str, Vec<u32>)>,
}

impl Form {
    pub fn new<S: Shader>(shader: S, params: &S::Params, groups: [u32; 2]) -> Self {
        let mut words = Vec::new();
        params.push(&mut words);
        Self {
            name: format!("{shader:?}"),
            text: shader.text(),
            workgroup: shader.workgroup(),
            groups,
            params: words,
            rows: Vec::new(),
        }
    }

    /// With what an array of words holds.
    pub fn with_rows(mut self, name: &'static str, words: Vec<u32>) -> Self {
        self.rows.push((name, words));
        self
    }

    fn small<S: Problem>(shader: S) -> Self {
        let (params, groups) = shader.problem();
        Self {
            rows: shader.rows(),
            ..Self::new(shader, &params, groups)
        }
    }

    /// Without the barrier of this number, counted in the text.
    pub fn without_barrier(mut self, number: usize) -> Self {
        const BARRIER: &str = "workgroupBarrier();";
        let (place, _) = self.text.match_indices(BARRIER).nth(number).unwrap();
        self.text.replace_range(place..place + BARRIER.len(), "");
        self.name = format!("{} without barrier {number}", self.name);
        self
    }

    /// The names of what it binds, in order: its arrays, then its parameters.
    pub fn bound(&self) -> Vec<String> {
        let module = naga::front::wgsl::parse_str(&self.text).unwrap();
        let variables = module.global_variables.iter();
        let mut bound: Vec<(u32, String)> = variables
            .filter_map(|(_, variable)| {
                let name = variable.name.clone().unwrap();
                Some((variable.binding?.binding, name))
            })
            .collect();
        bound.sort();
        let names: Vec<String> = bound.into_iter().map(|(_, name)| name).collect();
        assert_eq!(names.last().unwrap(), "params", "{}", self.name);
        names
    }

    /// The words of an array that says which rows it takes, by its name and a number behind it.
    pub fn rows_of(&self, name: &str) -> Option<&[u32]> {
        let name = name.trim_end_matches(|sign: char| sign.is_ascii_digit());
        let mut rows = self.rows.iter();
        rows.find(|(of, _)| *of == name)
            .map(|(_, words)| words.as_slice())
    }
}

/// A small problem for a shader: its parameters, and workgroups.
trait Problem: Shader {
    fn problem(self) -> (Self::Params, [u32; 2]);

    /// As a form's.
    fn rows(self) -> Vec<(&'static str, Vec<u32>)> {
        Vec::new()
    }
}

/// The rows' words in masks, of the first so many.
pub fn row_words(rows: usize) -> Vec<u32> {
    sequences().row_words().take(rows).collect()
}

pub fn sequences() -> Sequences {
    Sequences::new(&LENGTHS, 3)
}

/// The sequences in tiles of `rows` rows: number, first row, end of the sequence.
fn tiles(rows: usize) -> Vec<(usize, u32, u32)> {
    let sequences = sequences();
    let tiles = (0..sequences.len()).flat_map(|number| {
        let range = sequences.rows(number);
        let end = range.end as u32;
        range
            .step_by(rows)
            .map(move |row| (number, row as u32, end))
    });
    tiles.collect()
}

impl Problem for AdamConfig {
    fn problem(self) -> (AdamParams, [u32; 2]) {
        // Two blocks each, the second of which ends in the middle.
        let parameter = |number| AdamParameter {
            first_group: 2 * number,
            places: 400,
            rate: 1e-3,
            decay: 0.01,
            rounding: [1, number],
        };
        let count = self.parameters as u32;
        let params = AdamParams {
            beta_1: 0.9,
            rest_1: 0.1,
            beta_2: 0.999,
            rest_2: 0.001,
            epsilon: 1e-6,
            parameters: (0..count).map(parameter).collect(),
        };
        (params, [2 * count, 1])
    }
}

impl Problem for SquareSumConfig {
    fn problem(self) -> (SquareSumParams, [u32; 2]) {
        let places = (0..self.arrays as u32).map(|array| 1_000 - array).collect();
        (SquareSumParams { places }, [4, 1])
    }
}

impl Problem for ClipConfig {
    fn problem(self) -> (ClipParams, [u32; 2]) {
        let params = ClipParams {
            losses: 2,
            parts: 256,
            norm: 1.0,
            loss_scale: 4.0,
        };
        (params, [1, 1])
    }
}

impl Problem for NormConfig {
    fn problem(self) -> (NormParams, [u32; 2]) {
        let (rows, groups) = match self.pass {
            NormPass::Forward => (5, [5, 1]),
            // The rows, and two parts of the columns in each of two slices.
            NormPass::Backward { .. } => (70, [74, 1]),
        };
        let params = NormParams {
            rows,
            columns: COLUMNS,
            epsilon: 1e-12,
            mask: Some(Mask::new(7, 0.1)),
        };
        (params, groups)
    }

    fn rows(self) -> Vec<(&'static str, Vec<u32>)> {
        vec![("row_words", row_words(usize::MAX))]
    }
}

impl Problem for SpanLossConfig {
    fn problem(self) -> (SpanLossParams, [u32; 2]) {
        let sequences = sequences();
        let targets = (0..sequences.len()).map(|number| {
            let rows = sequences.rows(number);
            Target {
                first: rows.start as u32,
                end: rows.end as u32,
                target_row: rows.start as u32 + 2,
            }
        });
        let params = SpanLossParams {
            sequences: targets.collect(),
        };
        (params, [LENGTHS.len() as u32, 1])
    }
}

impl Problem for QuestionLossConfig {
    fn problem(self) -> (QuestionLossParams, [u32; 2]) {
        let sequences = sequences();
        let windows = (0..sequences.len()).map(|number| {
            let rows = sequences.rows(number);
            Window {
                first: rows.start as u32,
                end: rows.end as u32,
                start_row: rows.start as u32 + 2,
                end_row: rows.start as u32 + 4,
                impossible: number as u32 % 2,
            }
        });
        let params = QuestionLossParams {
            weight: 0.5,
            windows: windows.collect(),
        };
        (params, [LENGTHS.len() as u32, 1])
    }
}

impl Problem for SummaryForward {
    fn problem(self) -> (SummaryForwardParams, [u32; 2]) {
        let params = SummaryForwardParams {
            columns: COLUMNS,
            offsets: sequences().offsets().to_vec(),
        };
        (params, [COLUMNS.div_ceil(64), LENGTHS.len() as u32])
    }
}

impl Problem for SummaryBackward {
    fn problem(self) -> (SummaryBackwardParams, [u32; 2]) {
        let numbers = LENGTHS.iter().zip(0..);
        let params = SummaryBackwardParams {
            rows: sequences().tokens() as u32,
            columns: COLUMNS,
            sequences: numbers
                .flat_map(|(&length, number)| vec![number; length])
                .collect(),
        };
        (params, [LENGTHS[0] as u32, 2])
    }
}

impl Problem for LogitShader {
    fn problem(self) -> (LogitParams, [u32; 2]) {
        let at_once = self.config.ranks.unwrap_or(1) as u32;
        // A rest where several starts are taken at once.
        let (ranks, rows) = match self.direction {
            Direction::Forward => (self.config.ranks.map_or(1, |_| 5), 64),
            Direction::Backward => (1, usize::MAX),
        };
        let tiles = tiles(rows).into_iter().map(|(number, first, end)| RowTile {
            first,
            end,
            number: number as u32,
        });
        let params = LogitParams {
            tokens: sequences().tokens() as u32,
            columns: COLUMNS,
            ranks,
            tiles: tiles.collect(),
        };
        let groups = match self.direction {
            Direction::Forward => [params.tiles.len() as u32, ranks.div_ceil(at_once)],
            Direction::Backward => [COLUMNS.div_ceil(64), params.tiles.len() as u32],
        };
        (params, groups)
    }
}

/// Attention of heads of `head` columns, whose workgroups take `rows` rows each.
pub fn attention(head: usize, rows: usize) -> (AttentionParams, [u32; 2]) {
    let sequences = sequences();
    let params = AttentionParams {
        tokens: sequences.tokens() as u32,
        quarters: HEADS * head as u32 / 4,
        mask: Some(Mask::new(77, 0.1)),
        scale: 1.0 / (head as f32).sqrt(),
    };
    let groups = [sequences.tiles(rows).count() as u32, HEADS];
    (params, groups)
}

/// The tiles of `rows` rows, four words each.
pub fn tile_words(rows: usize) -> Vec<u32> {
    let sequences = sequences();
    let tiles = sequences.tiles(rows);
    tiles
        .flat_map(|tile| [tile.first, tile.begin, tile.end, tile.place])
        .collect()
}

impl Problem for AttentionShader {
    fn problem(self) -> (AttentionParams, [u32; 2]) {
        let (params, [tiles, heads]) = attention(4 * self.config.quarters, 64);
        let gradients = match self.pass {
            AttentionPass::Forward | AttentionPass::QueryGradient => 1,
            AttentionPass::KeyValueGradient => 2,
        };
        (params, [tiles, gradients * heads])
    }

    fn rows(self) -> Vec<(&'static str, Vec<u32>)> {
        vec![("tiles", tile_words(64))]
    }
}

impl Problem for CooperativeShader {
    fn problem(self) -> (AttentionParams, [u32; 2]) {
        attention(self.config.head, self.config.tile())
    }

    fn rows(self) -> Vec<(&'static str, Vec<u32>)> {
        vec![("tiles", tile_words(self.config.tile()))]
    }
}

impl Problem for MatmulShader {
    fn problem(self) -> (MatmulParams, [u32; 2]) {
        // A slice of any depth and a rest, a block and a rest or less than one.
        let [m, n, k] = [70, 68, 52];
        let [rows, columns] = self.tiling.block();
        let params = MatmulParams {
            m,
            n,
            k,
            mask: Some(Mask::new(11, 0.2)),
        };
        let [_, _, results] = self.matmul.products.counts();
        let groups = [
            results as u32 * n.div_ceil(columns as u32),
            m.div_ceil(rows as u32),
        ];
        (params, groups)
    }

    fn rows(self) -> Vec<(&'static str, Vec<u32>)> {
        vec![("row_words", row_words(70))]
    }
}

/// Kinds of adapters with matrix units: the matrices' side, the least and the largest subgroup, and
/// bytes that a workgroup shares.
const ADAPTERS: [(&str, u32, (u32, u32), u32); 5] = [
    ("NVIDIA", 16, (32, 32), 48 << 10),
    ("AMD", 16, (32, 64), 64 << 10),
    ("Intel", 16, (16, 32), 64 << 10),
    ("Apple", 8, (32, 32), 32 << 10),
    ("lavapipe", 8, (8, 8), 32 << 10),
];

fn adapters() -> impl Iterator<Item = AdapterInfo> {
    ADAPTERS.into_iter().map(|(name, side, subgroup, memory)| {
        let matrix = CooperativeMatrix {
            m: side,
            n: side,
            k: side,
            operands: "f16".into(),
            result: "f32".into(),
        };
        AdapterInfo {
            index: 0,
            name: name.into(),
            kind: AdapterKind::Discrete,
            api: match name {
                "Apple" => Api::Metal,
                _ => Api::Vulkan,
            },
            driver: String::new(),
            memory: None,
            max_buffer: 1 << 30,
            max_storage_binding: 1 << 30,
            max_workgroup_storage: memory,
            max_workgroup_invocations: 1_024,
            precisions: vec!["f32", "f16"],
            subgroup: Some(subgroup),
            cooperative_matrices: vec![matrix],
            compute: true,
            storage_buffers: 16,
            nth_of_kind: 0,
        }
    })
}

/// The products with cooperative matrices that adapters offer, each with everything that may follow it.
pub fn cooperative_products() -> Vec<MatmulShader> {
    let mut tilings: Vec<MatmulTiling> = Vec::new();
    for adapter in adapters() {
        for tiling in autotune::candidates(&adapter, Element::F16) {
            if matches!(tiling, MatmulTiling::Cooperative { .. }) && !tilings.contains(&tiling) {
                tilings.push(tiling);
            }
        }
    }
    tilings.into_iter().flat_map(dense_layer).collect()
}

/// What a dense layer in f16 asks for, by a tiling.
fn dense_layer(tiling: MatmulTiling) -> impl Iterator<Item = MatmulShader> {
    // The same whatever the tiling.
    let tiled = MatmulTiling::Tiled { quarters: 1 };
    MatmulShader::all()
        .into_iter()
        .filter(move |shader| shader.tiling == tiled && shader.matmul.operand == Element::F16)
        .map(move |shader| MatmulShader { tiling, ..shader })
}

/// Products with matrices of 8 × 8 on small blocks, in everything else that changes their text: a detector that
/// needs workgroup memory of its own finds no room beside the blocks that devices get.
pub fn small_products() -> Vec<Form> {
    let tilings = (0..8).map(|bits| {
        let [ahead, turned, vectors] = [1, 2, 4].map(|bit| bits & bit != 0);
        MatmulTiling::Cooperative(CooperativeTiling {
            size: 8,
            grid: [2, 2],
            tiles: [2, 2],
            depth: 16,
            subgroup: 8,
            ahead,
            turned,
            vectors,
        })
    });
    tilings.flat_map(dense_layer).map(Form::small).collect()
}

/// Attention with cooperative matrices as adapters offer it.
pub fn cooperative_attention() -> Vec<CooperativeShader> {
    let mut configs: Vec<CooperativeConfig> = Vec::new();
    for (adapter, head) in adapters().flat_map(|a| [16, 32, 64, 128].map(|head| (a.clone(), head)))
    {
        for config in cooperative::candidates(&adapter, head) {
            if !configs.contains(&config) {
                configs.push(config);
            }
        }
    }
    let with = |config| {
        let passes = CooperativePass::ALL.into_iter();
        passes.flat_map(move |pass| {
            [false, true].map(|masked| CooperativeShader {
                pass,
                config,
                masked,
            })
        })
    };
    configs.into_iter().flat_map(with).collect()
}

/// All forms that share memory, each text once.
pub fn forms() -> Vec<Form> {
    fn of<S: Problem>(shaders: Vec<S>) -> Vec<Form> {
        shaders.into_iter().map(Form::small).collect()
    }
    let mut all = of(AdamConfig::all());
    all.extend(of(SquareSumConfig::all()));
    all.extend(of(ClipConfig::all()));
    all.extend(of(NormConfig::all()));
    all.extend(of(SpanLossConfig::all()));
    all.extend(of(QuestionLossConfig::all()));
    all.extend(of(SummaryForward::all()));
    all.extend(of(SummaryBackward::all()));
    all.extend(of(LogitShader::all()));
    all.extend(of(AttentionShader::all()));
    all.extend(of(MatmulShader::all()));
    all.extend(of(cooperative_products()));
    all.extend(of(CooperativeShader::all()));
    all.extend(of(cooperative_attention()));
    let mut texts = BTreeSet::new();
    all.retain(|form| {
        let shares = form.text.contains("var<workgroup>");
        shares && texts.insert((form.text.clone(), form.workgroup))
    });
    all
}

/// Whether a check is to look at the form of this name: `SHADER_FORMS`, where it is given, is a part of it.
pub fn asked(name: &str) -> bool {
    env::var("SHADER_FORMS").map_or(true, |part| name.contains(&part))
}

#[test]
fn every_shader_that_shares_memory_is_among_the_forms() {
    let texts: BTreeSet<String> = forms().into_iter().map(|form| form.text).collect();
    for source in super::shaders::shaders() {
        let shares = source.text.contains("var<workgroup>");
        assert!(
            !shares || texts.contains(&source.text),
            "{}: give it a problem in forms.rs",
            source.name
        );
    }
}

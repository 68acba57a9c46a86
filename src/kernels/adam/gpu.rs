//! Adam on the GPU (`shaders/adam.wgsl`, and how moments are kept in `adam_f32.wgsl`,
//! `adam_bf16.wgsl` or `adam_8bit.wgsl`).
//!
//! A launch takes as many parameters as the device binds, and its workgroups find theirs in a table.

use std::iter;

use burn::backend::{
    TensorMetadata,
    wgpu::{CubeBackend, CubeTensor, SourceTemplate, into_contiguous},
};

use super::{
    block_moments,
    step::{BETA_1, BETA_2, EPSILON, F16Copy, Member, Step},
};
use crate::{
    config::OptimizerMoments,
    kernels::{
        formats::{Element, Width},
        group::{SIZES, size_for},
        launch::{Arrays, THREADS, in_two_dimensions, launch, members, owned},
        params::{params, with_params},
        shader::Shader,
        wgsl::{pcg3d, reduction, unroll},
    },
};

/// What the shader is specialised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdamConfig {
    pub parameters: usize,
    pub kind: AdamKind,
}

/// What the parameters of a launch have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdamKind {
    pub width: Width,
    /// In eight bits only fours of values: their codes are a word.
    pub moments: OptimizerMoments,
    /// Whether an f16 copy of the weight is written.
    pub copied: bool,
}

impl AdamKind {
    fn all() -> impl Iterator<Item = Self> {
        let formats = OptimizerMoments::ALL.iter();
        let all = formats.flat_map(|&moments| {
            [false, true].into_iter().flat_map(move |copied| {
                Width::ALL.map(|width| Self {
                    width,
                    moments,
                    copied,
                })
            })
        });
        all.filter(|kind| kind.moments != OptimizerMoments::EightBit || kind.width == Width::Four)
    }

    /// Arrays of a parameter that are written: weight, moments and copy.
    fn updated(self) -> usize {
        let moments = match self.moments {
            OptimizerMoments::F32 => 2,
            OptimizerMoments::Bf16 | OptimizerMoments::EightBit => 1,
        };
        1 + moments + usize::from(self.copied)
    }
}

// A workgroup takes a block: each of its threads four values.
const _: () = assert!(block_moments::BLOCK == 4 * THREADS as usize);

/// Arrays that every launch binds besides: information and the clip factor.
const SHARED: usize = 2;

params! {
    /// The constants of a step, and the parameters of a launch.
    pub struct AdamParams {
        pub beta_1: f32,
        /// 1 − β₁
        pub rest_1: f32,
        pub beta_2: f32,
        /// 1 − β₂
        pub rest_2: f32,
        pub epsilon: f32,
        pub parameters: Vec<AdamParameter>,
    }
}

params! {
    /// What a launch does to a parameter.
    pub struct AdamParameter {
        /// Its first workgroup.
        pub first_group: u32,
        /// Places: values, or fours of them.
        pub places: u32,
        pub rate: f32,
        pub decay: f32,
        /// By what roundings are drawn.
        pub rounding: [u32; 2],
    }
}

impl Shader for AdamConfig {
    type Params = AdamParams;

    fn text(self) -> String {
        let step = include_str!("../../../shaders/adam.wgsl");
        let width = self.kind.width;
        let moments = match self.kind.moments {
            OptimizerMoments::F32 => include_str!("../../../shaders/adam_f32.wgsl").to_owned(),
            OptimizerMoments::Bf16 => {
                let bf16 = include_str!("../../../shaders/adam_bf16.wgsl");
                format!("{}{bf16}", pcg3d(width.words()))
            }
            OptimizerMoments::EightBit => {
                let codes = include_str!("../../../shaders/adam_8bit.wgsl");
                let reduction = reduction("vec2<u32>");
                format!("{}{reduction}{codes}", pcg3d(width.words()))
            }
        };
        let elements = match width {
            Width::One => "place",
            Width::Four => "4u * place + vec4<u32>(0u, 1u, 2u, 3u)",
        };
        let (enable, arrays, copy) = match self.kind.copied {
            false => ("", "", String::new()),
            true => (
                Element::F16.enable(),
                include_str!("../../../shaders/adam_f16_copy.wgsl"),
                format!("copy#[place] = {}(w);", width.halves()),
            ),
        };
        let text = SourceTemplate::new(format!("{enable}{step}{moments}{arrays}"))
            .register("floats", width.floats())
            .register("halves", width.halves())
            .register("copy", copy)
            .register("updated", self.kind.updated().to_string())
            .register("elements", elements)
            .register("parameters", self.parameters.to_string())
            .complete();
        with_params::<AdamParams>(unroll(&text, [self.parameters; 2]))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        SIZES
            .into_iter()
            .flat_map(|parameters| AdamKind::all().map(move |kind| Self { parameters, kind }))
            .collect()
    }
}

/// The parameters, updated in place.
pub(in crate::kernels) fn update(
    parameters: impl IntoIterator<Item = Member<CubeBackend>>,
    clip_factor: &CubeTensor,
    steps: &[Step],
) -> Vec<Member<CubeBackend>> {
    let updated: Vec<_> = parameters.into_iter().map(Member::writable).collect();
    for kind in AdamKind::all() {
        let fitting: Vec<_> = updated
            .iter()
            .zip(steps)
            .filter_map(|(member, step)| member.launched(step))
            .filter(|launched| launched.kind() == kind)
            .collect();
        for part in fitting.chunks(members(&clip_factor.client, kind.updated() + 1, SHARED)) {
            launch_part(part, kind, clip_factor);
        }
    }
    updated
}

/// A parameter as a launch takes it.
struct Launched<'a> {
    /// Weight, moments and copy.
    updated: Vec<&'a CubeTensor>,
    gradient: &'a CubeTensor,
    step: &'a Step,
    moments: OptimizerMoments,
    copied: bool,
}

impl Launched<'_> {
    fn elements(&self) -> usize {
        self.gradient.shape().num_elements()
    }

    fn kind(&self) -> AdamKind {
        let width = Width::of(self.elements());
        // No shader would take them, and no one would notice.
        let is_in_fours = width == Width::Four || self.moments != OptimizerMoments::EightBit;
        assert!(
            is_in_fours,
            "moments in eight bits of {} values",
            self.elements()
        );
        AdamKind {
            width,
            moments: self.moments,
            copied: self.copied,
        }
    }
}

impl Member<CubeBackend> {
    /// Weight, moments and copy are written in place, so no one else may hold them.
    fn writable(self) -> Self {
        match self {
            Self::Empty => Self::Empty,
            Self::F32 {
                weight,
                first,
                second,
                gradient,
                copy,
            } => Self::F32 {
                weight: owned(weight),
                first: owned(first),
                second: owned(second),
                gradient: into_contiguous(gradient),
                copy: copy.map(owned),
            },
            Self::Bf16 {
                weight,
                moments,
                gradient,
                copy,
            } => Self::Bf16 {
                weight: owned(weight),
                moments: owned(moments),
                gradient: into_contiguous(gradient),
                copy: copy.map(owned),
            },
            Self::EightBit {
                weight,
                moments,
                gradient,
                copy,
            } => Self::EightBit {
                weight: owned(weight),
                moments: owned(moments),
                gradient: into_contiguous(gradient),
                copy: copy.map(owned),
            },
        }
    }

    fn launched<'a>(&'a self, step: &'a Step) -> Option<Launched<'a>> {
        let (mut updated, gradient, copy, format) = match self {
            Self::Empty => return None,
            Self::F32 {
                weight,
                first,
                second,
                gradient,
                copy,
            } => {
                let updated = vec![weight, first, second];
                (updated, gradient, copy, OptimizerMoments::F32)
            }
            Self::Bf16 {
                weight,
                moments,
                gradient,
                copy,
            } => {
                let updated = vec![weight, moments];
                (updated, gradient, copy, OptimizerMoments::Bf16)
            }
            Self::EightBit {
                weight,
                moments,
                gradient,
                copy,
            } => {
                let updated = vec![weight, moments];
                (updated, gradient, copy, OptimizerMoments::EightBit)
            }
        };
        let copied = match copy {
            F16Copy::None => false,
            F16Copy::Some(copy) => {
                updated.push(copy);
                true
            }
        };
        Some(Launched {
            updated,
            gradient,
            step,
            moments: format,
            copied,
        })
    }
}

/// One launch, of parameters of one kind.
fn launch_part(part: &[Launched], kind: AdamKind, clip_factor: &CubeTensor) {
    let mut parameters = Vec::with_capacity(part.len());
    let mut groups = 0;
    for launched in part {
        let step = launched.step;
        let places = (launched.elements() / kind.width.count()) as u32;
        parameters.push(AdamParameter {
            first_group: groups,
            places,
            rate: step.rate as f32,
            decay: step.decay as f32,
            rounding: step.rounding,
        });
        groups += places.div_ceil(THREADS);
    }
    let config = AdamConfig {
        parameters: size_for(part.len()),
        kind,
    };
    // The places that are left get no workgroup: any arrays will do for them.
    let left = config.parameters - part.len();
    parameters.resize_with(config.parameters, || AdamParameter {
        first_group: u32::MAX,
        ..AdamParameter::default()
    });
    let bound = || part.iter().chain(iter::repeat_n(&part[0], left));
    let updated: Vec<_> = bound()
        .flat_map(|launched| launched.updated.iter().copied())
        .collect();
    let gradients = bound().map(|launched| launched.gradient);
    let read: Vec<_> = iter::once(clip_factor).chain(gradients).collect();
    launch(
        &clip_factor.client,
        config,
        in_two_dimensions(groups),
        &AdamParams {
            beta_1: BETA_1 as f32,
            rest_1: (1.0 - BETA_1) as f32,
            beta_2: BETA_2 as f32,
            rest_2: (1.0 - BETA_2) as f32,
            epsilon: EPSILON as f32,
            parameters,
        },
        Arrays {
            updated: &updated,
            read: &read,
            ..Arrays::default()
        },
    );
}

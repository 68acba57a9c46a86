//! Adam on the GPU (`shaders/adam.wgsl`).
//!
//! A launch takes as many parameters as the device binds, and its workgroups find theirs in a table.

use burn::backend::{
    TensorMetadata,
    wgpu::{CubeBackend, CubeTensor, SourceTemplate, into_contiguous},
};

use super::{
    adam::{BETA_1, BETA_2, EPSILON, Member, Step},
    launch::{Arrays, THREADS, in_two_dimensions, launch, members},
    shader::{Shader, Width, unroll},
};

/// What the shader is specialised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AdamForm {
    pub parameters: usize,
    pub width: Width,
}

impl AdamForm {
    /// Arrays of a parameter: weight, two moments and gradient.
    const ARRAYS: usize = 4;

    /// Arrays that every launch binds besides: information and the clip factor.
    const SHARED: usize = 2;

    pub(super) fn text(self) -> String {
        let text = SourceTemplate::new(include_str!("../../shaders/adam.wgsl"))
            .register("floats", self.width.floats())
            .register("parameters", self.parameters.to_string())
            .complete();
        unroll(&text, self.parameters)
    }
}

/// The parameters, updated in place.
pub(super) fn update(
    parameters: impl IntoIterator<Item = Member<CubeBackend>>,
    clip_factor: &CubeTensor,
    steps: &[Step],
) -> Vec<Member<CubeBackend>> {
    let updated: Vec<_> = parameters.into_iter().map(Member::writable).collect();
    for width in Width::ALL {
        let fitting: Vec<_> = updated
            .iter()
            .zip(steps)
            .filter_map(|(member, step)| member.launched(step))
            .filter(|launched| Width::of(launched.elements()) == width)
            .collect();
        let most = members(&clip_factor.client, AdamForm::ARRAYS, AdamForm::SHARED);
        for part in fitting.chunks(most) {
            launch_part(part, width, clip_factor);
        }
    }
    updated
}

/// A parameter as a launch takes it.
struct Launched<'a> {
    /// Weight and moments.
    updated: [&'a CubeTensor; 3],
    gradient: &'a CubeTensor,
    step: &'a Step,
}

impl Launched<'_> {
    fn elements(&self) -> usize {
        self.gradient.shape().num_elements()
    }
}

impl Member<CubeBackend> {
    /// Weight and moments are written in place, so no one else may hold them.
    fn writable(self) -> Self {
        let own = |tensor| {
            let tensor = into_contiguous(tensor);
            if tensor.can_mut() {
                tensor
            } else {
                tensor.copy()
            }
        };
        match self {
            Self::Empty => Self::Empty,
            Self::Parameter {
                weight,
                first,
                second,
                gradient,
            } => Self::Parameter {
                weight: own(weight),
                first: own(first),
                second: own(second),
                gradient: into_contiguous(gradient),
            },
        }
    }

    fn launched<'a>(&'a self, step: &'a Step) -> Option<Launched<'a>> {
        match self {
            Self::Empty => None,
            Self::Parameter {
                weight,
                first,
                second,
                gradient,
            } => Some(Launched {
                updated: [weight, first, second],
                gradient,
                step,
            }),
        }
    }
}

/// One launch, of parameters of one width.
fn launch_part(part: &[Launched], width: Width, clip_factor: &CubeTensor) {
    let figures = [BETA_1, 1.0 - BETA_1, BETA_2, 1.0 - BETA_2, EPSILON];
    let mut info = figures.map(bits).to_vec();
    let mut groups = 0;
    for launched in part {
        let places = (launched.elements() / width.count()) as u32;
        let [rate, decay] = [launched.step.rate, launched.step.decay].map(bits);
        info.extend([groups, places, rate, decay]);
        groups += places.div_ceil(THREADS);
    }
    let form = AdamForm {
        parameters: part.len(),
        width,
    };
    let updated: Vec<_> = part.iter().flat_map(|launched| launched.updated).collect();
    let gradients = part.iter().map(|launched| launched.gradient);
    let read: Vec<_> = std::iter::once(clip_factor).chain(gradients).collect();
    launch(
        &clip_factor.client,
        Shader::Adam(form),
        [THREADS, 1],
        in_two_dimensions(groups),
        info,
        Arrays {
            updated: &updated,
            read: &read,
            ..Arrays::default()
        },
    );
}

/// A figure as the shader reads it.
fn bits(figure: f64) -> u32 {
    (figure as f32).to_bits()
}

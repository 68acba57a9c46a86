//! Sums of squares, for the global gradient norm: one pass over the gradients, with no temporary of
//! their size.
//!
//! A launch takes as many arrays as the device binds. Shader: `shaders/square_sum.wgsl`.

use super::{
    cpu_loops::{map, values},
    formats::Width,
    group::{GROUP, SIZES, group, size_for},
    launch::{Arrays, THREADS, launch, members},
    params::{params, with_params},
    shader::Shader,
    wgsl::{reduction, unroll},
};
use burn::{
    Tensor,
    backend::{
        Backend, Dispatch, ExtensionType, Flex, TensorMetadata, backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
        wgpu::{CubeBackend, SourceTemplate, into_contiguous},
    },
    tensor::{Device, Shape, TensorData},
};

/// Number of partial sums, which is the number of workgroups that add in parallel.
pub const PARTS: usize = 256;

/// Partial sums on the CPU, enough to fill a few vector registers.
const LANES: usize = 64;

/// Arrays that every launch binds besides those to be summed: parameters and sums.
const SHARED: usize = 2;

/// Specialisation of the shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SquareSumConfig {
    pub arrays: usize,
    pub width: Width,
}

params! {
    /// The arrays of a launch.
    pub struct SquareSumParams {
        /// Elements in each array, counted in scalars or vec4.
        pub places: Vec<u32>,
    }
}

impl Shader for SquareSumConfig {
    type Params = SquareSumParams;

    fn text(self) -> String {
        let total = match self.width {
            Width::One => "sum",
            Width::Four => "sum.x + sum.y + sum.z + sum.w",
        };
        let text = include_str!("../../shaders/square_sum.wgsl");
        let text = SourceTemplate::new(format!("{}{text}", reduction("f32")))
            .register("floats", self.width.floats())
            .register("groups", PARTS.to_string())
            .register("total", total)
            .complete();
        with_params::<SquareSumParams>(unroll(&text, [self.arrays; 2]))
    }

    fn workgroup(self) -> [u32; 2] {
        [THREADS, 1]
    }

    fn all() -> Vec<Self> {
        SIZES
            .into_iter()
            .flat_map(|arrays| Width::ALL.map(|width| Self { arrays, width }))
            .collect()
    }
}

/// An array whose squares are summed, `[elements]` in f32, or nothing.
#[derive(ExtensionType)]
pub enum Summand<B: Backend> {
    Empty,
    Array { x: FloatTensor<B> },
}

group! {
    /// Arrays that are summed together.
    pub struct Summands of Summand
}

impl<B: Backend> Summands<B> {
    /// Iterates over the arrays that are present.
    fn arrays(self) -> impl Iterator<Item = FloatTensor<B>> {
        self.members()
            .into_iter()
            .filter_map(|summand| match summand {
                Summand::Empty => None,
                Summand::Array { x } => Some(x),
            })
    }
}

/// The operation; `sums` is `[PARTS]`. Together the sums grow by Σ x² over all arrays.
#[backend_extension(Cube, Flex)]
pub trait SquareSumOps: Backend {
    fn add_square_sums(
        sums: FloatTensor<Self>,
        #[extension_type] summands: Summands<Self>,
    ) -> FloatTensor<Self> {
        summands.arrays().fold(sums, |sums, x| {
            let square = Self::float_mul(x.clone(), x);
            let share = Self::float_div_scalar(Self::float_sum(square), (PARTS as f64).into());
            Self::float_add(sums, Self::float_reshape(share, Shape::new([1])))
        })
    }
}

impl SquareSumOps for Flex {
    fn add_square_sums(sums: FloatTensor<Self>, summands: Summands<Self>) -> FloatTensor<Self> {
        let sums = sums.to_contiguous();
        let mut parts = sums.as_slice::<f32>().expect("f32").to_vec();
        for x in summands.arrays() {
            let x = x.to_contiguous();
            // Sums of sums, so that fewer small values are added to a large sum.
            let shares = map(
                values(&x).chunks(1_024 * LANES),
                #[inline(always)]
                |values| {
                    let mut sums = [0.0_f32; LANES];
                    for block in values.chunks(LANES) {
                        for (sum, x) in sums.iter_mut().zip(block) {
                            *sum += x * x;
                        }
                    }
                    sums
                },
            );
            for sums in shares {
                for (part, sum) in parts.iter_mut().zip(sums) {
                    *part += sum;
                }
            }
        }
        FlexTensor::from_data(TensorData::new(parts, [PARTS]))
    }
}

impl SquareSumOps for CubeBackend {
    fn add_square_sums(sums: FloatTensor<Self>, summands: Summands<Self>) -> FloatTensor<Self> {
        // Updated in place, so the tensor must not be shared.
        let sums = into_contiguous(sums);
        let sums = if sums.can_mut() { sums } else { sums.copy() };
        let arrays: Vec<_> = summands.arrays().map(into_contiguous).collect();
        for width in Width::ALL {
            let fitting: Vec<_> = arrays
                .iter()
                .filter(|x| Width::of(x.shape().num_elements()) == width)
                .collect();
            for part in fitting.chunks(members(&sums.client, 1, SHARED)) {
                let config = SquareSumConfig {
                    arrays: size_for(part.len()),
                    width,
                };
                let mut places: Vec<_> = part
                    .iter()
                    .map(|x| (x.shape().num_elements() / width.count()) as u32)
                    .collect();
                // Any array will do for an unused slot, since its length is zero.
                places.resize(config.arrays, 0);
                let mut read = part.to_vec();
                read.resize(config.arrays, part[0]);
                launch(
                    &sums.client,
                    config,
                    [PARTS as u32, 1],
                    &SquareSumParams { places },
                    Arrays {
                        updated: &[&sums],
                        read: &read,
                        ..Arrays::default()
                    },
                );
            }
        }
        sums
    }
}

/// A running sum of squares over arrays, without autodiff.
#[derive(Debug, Clone)]
pub struct SquareSum {
    /// `[PARTS]`
    sums: Tensor<1>,
    /// Arrays waiting for the group to fill up, `[elements]` each.
    waiting: Vec<Tensor<1>>,
}

impl SquareSum {
    /// Creates an empty sum.
    pub fn new(device: &Device) -> Self {
        Self {
            sums: Tensor::zeros([PARTS], device),
            waiting: Vec::with_capacity(GROUP),
        }
    }

    /// Continues a sum whose partial sums are `sums` `[PARTS]`.
    pub fn of_sums(sums: Tensor<1>) -> Self {
        Self {
            sums,
            waiting: Vec::with_capacity(GROUP),
        }
    }

    /// Adds Σ x² over all values of `x`, of any shape.
    pub fn add<const D: usize>(&mut self, x: Tensor<D>) {
        let elements = x.dims().iter().product::<usize>();
        self.waiting.push(x.reshape([elements]));
        if self.waiting.len() == GROUP {
            self.sum_waiting();
        }
    }

    /// Adds the waiting arrays now, so that they are no longer held.
    pub fn sum_waiting(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let nothing = Tensor::empty([0], &self.sums.device());
        let sums = std::mem::replace(&mut self.sums, nothing);
        let summands = self.waiting.drain(..).map(|x| Summand::Array {
            x: x.into_dispatch(),
        });
        self.sums = Tensor::from_dispatch(Dispatch::add_square_sums(
            sums.into_dispatch(),
            Summands::of(summands),
        ));
    }

    /// Returns the total, `[1]` in f32.
    pub fn total(self) -> Tensor<1> {
        self.into_sums().sum()
    }

    /// Returns the partial sums that make up the total, `[parts]` in f32.
    pub fn into_sums(mut self) -> Tensor<1> {
        self.sum_waiting();
        self.sums
    }
}

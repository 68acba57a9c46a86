//! Sums of squares, for the norm over all gradients: one pass over them and nothing of their size.
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

/// Partial sums that are kept apart, so that as many workgroups add side by side.
const PARTS: usize = 256;

/// Those that the CPU keeps apart, a few vector registers full.
const LANES: usize = 64;

/// Arrays that every launch binds besides those to be summed: information and sums.
const SHARED: usize = 2;

/// What the shader is specialised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SquareSumConfig {
    pub arrays: usize,
    pub width: Width,
}

params! {
    /// The arrays of a launch.
    pub struct SquareSumParams {
        /// Places of each array: values, or fours of them.
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

/// An array whose squares are summed, `[elements]` in f32, or none.
#[derive(ExtensionType)]
pub enum Summand<B: Backend> {
    Empty,
    Array { x: FloatTensor<B> },
}

group! {
    /// Arrays that are summed at once.
    pub struct Summands of Summand
}

impl<B: Backend> Summands<B> {
    /// Those that are there.
    fn arrays(self) -> impl Iterator<Item = FloatTensor<B>> {
        self.members()
            .into_iter()
            .filter_map(|summand| match summand {
                Summand::Empty => None,
                Summand::Array { x } => Some(x),
            })
    }
}

/// The operation; `sums` `[PARTS]`. Together the sums grow by Σ x² over all arrays.
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
            // Sums of sums, so that few values are added to a large one.
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
        // Added to in place, so no one else may hold them.
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
                // Any array will do where none of its places is read.
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

/// A sum of squares that grows array by array, without autodiff.
#[derive(Debug, Clone)]
pub struct SquareSum {
    /// `[PARTS]`
    sums: Tensor<1>,
    /// Arrays that wait for a group to be full, `[elements]` each.
    waiting: Vec<Tensor<1>>,
}

impl SquareSum {
    /// A sum of nothing yet.
    pub fn new(device: &Device) -> Self {
        Self {
            sums: Tensor::zeros([PARTS], device),
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

    /// Adds what waits, so that no array is held for it.
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

    /// The sum, `[1]` in f32.
    pub fn total(self) -> Tensor<1> {
        self.into_sums().sum()
    }

    /// Sums of which the whole is made, `[parts]` in f32.
    pub fn into_sums(mut self) -> Tensor<1> {
        self.sum_waiting();
        self.sums
    }
}

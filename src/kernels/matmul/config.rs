//! Specialisation of the matmul shaders (`shaders/matmul_*.wgsl`).

use burn::backend::wgpu::SourceTemplate;
use serde::{Deserialize, Serialize};

use super::cooperative::CooperativeTiling;
use crate::{
    kernels::{
        formats::Element,
        params::{params, with_params},
        shader::Shader,
        wgsl::{COOPERATIVE_MATRIX, NORMAL, mask, unroll},
    },
    packed::random::Mask,
};

/// Memory layout of a matmul's operands, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// `[m, k] · [k, n]`
    Plain,
    /// `[k, m]ᵀ · [k, n]`
    LeftTransposed,
    /// `[m, k] · [n, k]ᵀ`
    RightTransposed,
}

impl Orientation {
    /// Returns the formula of the dense layer matmul with this orientation.
    pub fn formula(self) -> &'static str {
        match self {
            Self::Plain => "x · W",
            Self::RightTransposed => "dy · Wᵀ",
            Self::LeftTransposed => "xᵀ · dy",
        }
    }
}

/// What is applied to a product before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Epilogue {
    /// Stored as is.
    Plain,
    /// `product + bias`
    Bias,
    /// `GELU(product + bias)`; also stores `product + bias` if it is kept.
    Gelu { kept: bool },
    /// `(product + bias) · mask + residual`
    Residual { masked: bool },
    /// `product · GELU'(kept value)`
    GeluGradient,
    /// Added to the existing contents of the result.
    Onto,
    /// Stored as is, along with the column sums of the right operand.
    ColumnSums,
}

/// The products of a launch, all of the same shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Products {
    One,
    /// Three with the same left operand, each with its own result.
    Beside,
    /// The sum of three.
    Summed,
}

impl Products {
    /// Returns the number of left operands, right operands and results.
    pub fn counts(self) -> [usize; 3] {
        match self {
            Self::One => [1, 1, 1],
            Self::Beside => [1, 3, 3],
            Self::Summed => [3, 3, 1],
        }
    }

    /// Returns the most arrays that a launch binds besides its parameters: operands and results,
    /// plus mask words, a bias and another matrix for a single product, or a bias or column sums
    /// for each of several side by side.
    pub fn arrays(self) -> usize {
        self.counts().iter().sum::<usize>()
            + match self {
                Self::One | Self::Beside => 3,
                Self::Summed => 0,
            }
    }
}

/// What a matmul shader computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Matmul {
    pub products: Products,
    pub orientation: Orientation,
    pub operand: Element,
    pub result: Element,
    pub epilogue: Epilogue,
}

impl Matmul {
    /// Iterates over the variants that a dense layer and its gradients need.
    fn of_a_dense_layer(operand: Element) -> impl Iterator<Item = Self> {
        use Products::{Beside, One, Summed};
        let forward = [
            (One, Epilogue::Bias),
            (Beside, Epilogue::Bias),
            (One, Epilogue::Gelu { kept: false }),
            (One, Epilogue::Gelu { kept: true }),
            (One, Epilogue::Residual { masked: false }),
            (One, Epilogue::Residual { masked: true }),
        ];
        let backward = [
            (One, Epilogue::Plain),
            (One, Epilogue::GeluGradient),
            (One, Epilogue::Onto),
            (Summed, Epilogue::Onto),
        ];
        let parameters = [(One, Epilogue::ColumnSums), (Beside, Epilogue::ColumnSums)];
        let of = move |orientation, result| {
            move |(products, epilogue)| Self {
                products,
                orientation,
                operand,
                result,
                epilogue,
            }
        };
        forward
            .into_iter()
            .map(of(Orientation::Plain, operand))
            .chain(backward.map(of(Orientation::RightTransposed, operand)))
            .chain(parameters.map(of(Orientation::LeftTransposed, Element::F32)))
    }

    /// Returns the WGSL declarations of its arrays, in launch order; `operands` is the element type
    /// of a and b.
    fn arrays(self, operands: &str) -> String {
        let [left, right, results] = self.products.counts();
        let if_so = |so: bool, count: usize| if so { count } else { 0 };
        let masked = self.epilogue == Epilogue::Residual { masked: true };
        let other = matches!(
            self.epilogue,
            Epilogue::Gelu { kept: true } | Epilogue::Residual { .. } | Epilogue::GeluGradient
        );
        let sums = self.epilogue == Epilogue::ColumnSums;
        let quads = format!("vec4<{}>", self.result.name());
        let (mut text, mut first) = (String::new(), 0);
        for (name, values, count) in [
            ("row_words", "u32", if_so(masked, 1)),
            ("a", operands, left),
            ("b", operands, right),
            ("c", quads.as_str(), results),
            ("bias", "vec4<f32>", if_so(self.is_biased(), right)),
            ("other", quads.as_str(), if_so(other, 1)),
            ("column_sums", "f32", if_so(sums, right)),
        ] {
            let array = include_str!("../../../shaders/matmul_array.wgsl");
            let array = SourceTemplate::new(array)
                .register("first", first.to_string())
                .register("name", name)
                .register("values", values)
                .complete();
            text += &unroll(&array, [count; 2]);
            first += count;
        }
        text
    }

    fn is_biased(self) -> bool {
        matches!(
            self.epilogue,
            Epilogue::Bias | Epilogue::Gelu { .. } | Epilogue::Residual { .. }
        )
    }
}

/// How a matmul shader divides its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MatmulTiling {
    /// Blocks of `64 · quarters` rows and columns, without cooperative matrices.
    Tiled {
        quarters: usize,
    },
    Cooperative(CooperativeTiling),
}

impl MatmulTiling {
    /// Returns the name of a tiling, or of its absence.
    pub fn name(tiling: Option<Self>) -> String {
        tiling.map_or("Burn's".to_owned(), |tiling| tiling.to_string())
    }

    /// Returns the rows and columns of a workgroup's block.
    pub fn block(self) -> [usize; 2] {
        match self {
            Self::Tiled { quarters } => [64 * quarters; 2],
            Self::Cooperative(tiling) => tiling.block(),
        }
    }

    /// Returns the threads in a workgroup.
    pub fn threads(self) -> [u32; 2] {
        match self {
            Self::Tiled { .. } => [16, 16],
            Self::Cooperative(tiling) => [tiling.threads() as u32, 1],
        }
    }

    /// Returns whether operands whose lines lie across the depth are transposed when staged.
    pub fn is_turned(self) -> bool {
        matches!(self, Self::Cooperative(tiling) if tiling.turned)
    }

    /// Returns the most workgroup memory that it uses, in bytes.
    pub fn workgroup_bytes(self) -> usize {
        match self {
            Self::Tiled { .. } => 2 * 256 * 16,
            Self::Cooperative(tiling) => tiling.workgroup_bytes(),
        }
    }

    /// Returns whether the work divides evenly among the threads of a workgroup.
    pub fn is_even(self) -> bool {
        match self {
            Self::Tiled { .. } => true,
            Self::Cooperative(tiling) => tiling.is_even(),
        }
    }
}

/// A specialised matmul shader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MatmulShader {
    pub matmul: Matmul,
    pub tiling: MatmulTiling,
}

params! {
    /// Shape of the product `[m, k] · [k, n]`, whatever the memory layout of its operands.
    pub struct MatmulParams {
        pub m: u32,
        pub n: u32,
        pub k: u32,
        pub mask: Option<Mask>,
    }
}

impl Shader for MatmulShader {
    type Params = MatmulParams;

    fn text(self) -> String {
        let Self { matmul, tiling } = self;
        let left = matmul.orientation == Orientation::LeftTransposed;
        let right = matmul.orientation == Orientation::RightTransposed;
        let epilogue = matmul.epilogue;
        let store = include_str!("../../../shaders/matmul_epilogue.wgsl");
        let (enable, operands, text) = match tiling {
            MatmulTiling::Tiled { .. } => {
                let either = [matmul.operand, matmul.result].contains(&Element::F16);
                let enable = if either { Element::F16.enable() } else { "" };
                let text = include_str!("../../../shaders/matmul_tiled.wgsl");
                (enable, matmul.operand.name(), text)
            }
            MatmulTiling::Cooperative { .. } => (
                COOPERATIVE_MATRIX,
                "vec4<f16>",
                include_str!("../../../shaders/matmul_cooperative.wgsl"),
            ),
        };
        let arrays = matmul.arrays(operands);
        let [summands, _, results] = matmul.products.counts();
        let template =
            SourceTemplate::new(format!("{enable}{}{NORMAL}{arrays}{store}{text}", mask()))
                .register("result", matmul.result.name())
                .register("beside", (results > 1).to_string())
                .register("summands", summands.to_string())
                .register("left_transposed", left.to_string())
                .register("right_transposed", right.to_string())
                .register("biased", matmul.is_biased().to_string())
                .register(
                    "masked",
                    (epilogue == Epilogue::Residual { masked: true }).to_string(),
                )
                .register(
                    "residual",
                    matches!(epilogue, Epilogue::Residual { .. }).to_string(),
                )
                .register(
                    "gelu",
                    matches!(epilogue, Epilogue::Gelu { .. }).to_string(),
                )
                .register(
                    "kept",
                    (epilogue == Epilogue::Gelu { kept: true }).to_string(),
                )
                .register(
                    "gelu_gradient",
                    (epilogue == Epilogue::GeluGradient).to_string(),
                )
                .register("onto", (epilogue == Epilogue::Onto).to_string())
                .register(
                    "column_sums",
                    (epilogue == Epilogue::ColumnSums).to_string(),
                );
        let text = match tiling {
            MatmulTiling::Tiled { quarters } => {
                let text = template.register("quarters", quarters.to_string());
                unroll(&text.complete(), [quarters; 2])
            }
            MatmulTiling::Cooperative(tiling) => {
                let [lefts, rights, _] = matmul.products.counts();
                tiling.text(template, [lefts, rights], [!left, right])
            }
        };
        with_params::<MatmulParams>(text)
    }

    fn workgroup(self) -> [u32; 2] {
        self.tiling.threads()
    }

    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for operand in Element::ALL {
            for quarters in [1, 2] {
                let tiling = MatmulTiling::Tiled { quarters };
                all.extend(Matmul::of_a_dense_layer(operand).map(|matmul| Self { matmul, tiling }));
            }
        }
        // Matrix and subgroup sizes of NVIDIA, AMD, Apple and lavapipe.
        for (size, grid, tiles, depth, subgroup, ahead, turned, vectors) in [
            (8, [2, 2], [4, 4], 32, 8, true, false, true),
            (8, [2, 2], [4, 4], 32, 32, true, true, false),
            (16, [2, 2], [4, 4], 16, 32, true, false, true),
            (16, [2, 2], [2, 2], 32, 32, false, false, false),
            (16, [2, 4], [4, 4], 32, 32, true, true, true),
            (16, [2, 2], [4, 4], 32, 64, false, true, true),
        ] {
            let tiling = MatmulTiling::Cooperative(CooperativeTiling {
                size,
                grid,
                tiles,
                depth,
                subgroup,
                ahead,
                turned,
                vectors,
            });
            let matmuls = Matmul::of_a_dense_layer(Element::F16);
            all.extend(matmuls.map(|matmul| Self { matmul, tiling }));
        }
        all
    }
}

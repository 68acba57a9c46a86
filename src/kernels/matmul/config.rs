//! What the shaders of matrix products are specialised by (`shaders/product_*.wgsl`).

use burn::backend::wgpu::SourceTemplate;
use serde::{Deserialize, Serialize};

use crate::{
    kernels::{
        formats::Element,
        params::{self, params},
        shader::Shader,
        wgsl::{COOPERATIVE_MATRIX, NORMAL, mask, unroll},
    },
    packed::random::Mask,
};

/// How the operands of a product lie in memory, line by line.
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
    /// The product of a dense layer that it is.
    pub fn product(self) -> &'static str {
        match self {
            Self::Plain => "x · W",
            Self::RightTransposed => "dy · Wᵀ",
            Self::LeftTransposed => "xᵀ · dy",
        }
    }
}

/// What becomes of a product before it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Finish {
    Plain,
    /// `product + bias`
    Bias,
    /// `GELU(product + bias)`; `product + bias` is stored too where it is kept.
    Gelu {
        kept: bool,
    },
    /// `(product + bias) · mask + residual`
    Residual {
        masked: bool,
    },
    /// `product · GELU'(what was kept)`
    GeluGradient,
    /// Added to what the result holds.
    Onto,
    /// Plain, and the sums of the right operand's columns.
    ColumnSums,
}

/// What a product's shader computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Product {
    pub orientation: Orientation,
    pub operand: Element,
    pub result: Element,
    pub finish: Finish,
}

impl Product {
    /// What a dense layer and its gradients ask for.
    fn of_a_dense_layer(operand: Element) -> impl Iterator<Item = Self> {
        let forward = [
            Finish::Bias,
            Finish::Gelu { kept: false },
            Finish::Gelu { kept: true },
            Finish::Residual { masked: false },
            Finish::Residual { masked: true },
        ];
        let backward = [Finish::Plain, Finish::GeluGradient, Finish::Onto];
        let parameters = [Finish::ColumnSums];
        let of = move |orientation, result, finish| Self {
            orientation,
            operand,
            result,
            finish,
        };
        forward
            .into_iter()
            .map(move |finish| of(Orientation::Plain, operand, finish))
            .chain(backward.map(|finish| of(Orientation::RightTransposed, operand, finish)))
            .chain(parameters.map(|finish| of(Orientation::LeftTransposed, Element::F32, finish)))
    }
}

/// How it computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ProductForm {
    /// Blocks of `64 · quarters` rows and columns, without matrix units.
    Tiled { quarters: usize },
    /// Blocks of `grid` subgroups, each of `tiles` matrices of `size × size`; rows, then columns.
    Cooperative {
        size: usize,
        grid: [usize; 2],
        tiles: [usize; 2],
        /// Depth of a slice.
        depth: usize,
        /// Threads of a subgroup, as it will most likely run.
        subgroup: usize,
        /// Whether the next slice is fetched while one is multiplied.
        ahead: bool,
    },
}

impl ProductForm {
    /// How a form, or its lack, is called.
    pub fn name(form: Option<Self>) -> String {
        form.map_or("Burn's".to_owned(), |form| form.to_string())
    }

    /// Rows and columns of a workgroup's block.
    pub fn block(self) -> [usize; 2] {
        match self {
            Self::Tiled { quarters } => [64 * quarters; 2],
            Self::Cooperative {
                size, grid, tiles, ..
            } => [0, 1].map(|axis| size * grid[axis] * tiles[axis]),
        }
    }

    /// Threads of a workgroup.
    pub fn threads(self) -> [u32; 2] {
        match self {
            Self::Tiled { .. } => [16, 16],
            Self::Cooperative { grid, subgroup, .. } => [(grid[0] * grid[1] * subgroup) as u32, 1],
        }
    }

    /// Bytes that a workgroup shares.
    pub fn workgroup_bytes(self) -> usize {
        match self {
            Self::Tiled { .. } => 2 * 256 * 16,
            Self::Cooperative {
                size, grid, depth, ..
            } => {
                const SPACE: usize = 8;
                let lines: usize = self.block().iter().sum();
                2 * lines * (depth + SPACE) + 4 * grid[0] * grid[1] * 2 * size * size
            }
        }
    }

    /// Whether the threads of a workgroup stage a slice evenly, in fours of four values.
    pub fn is_even(self) -> bool {
        match self {
            Self::Tiled { .. } => true,
            Self::Cooperative { depth, .. } => {
                let threads = self.threads()[0] as usize;
                let lines = self.block();
                lines
                    .iter()
                    .all(|lines| (lines * depth).is_multiple_of(16 * threads))
            }
        }
    }
}

/// A product's shader, specialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProductShader {
    pub product: Product,
    pub form: ProductForm,
}

/// The product `[m, k] · [k, n]`, however its operands lie.
#[derive(Debug)]
pub struct ProductParams {
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub mask: Option<Mask>,
    /// The word of each row of the result, with a mask.
    pub row_words: Vec<u32>,
}

params!(ProductParams {
    m,
    n,
    k,
    mask,
    row_words
});

impl Shader for ProductShader {
    type Params = ProductParams;

    fn text(self) -> String {
        let Self { product, form } = self;
        let left = product.orientation == Orientation::LeftTransposed;
        let right = product.orientation == Orientation::RightTransposed;
        let finish = product.finish;
        let store = include_str!("../../../shaders/product_store.wgsl");
        let (enable, text) = match form {
            ProductForm::Tiled { .. } => {
                let either = [product.operand, product.result].contains(&Element::F16);
                let enable = if either { Element::F16.enable() } else { "" };
                (enable, include_str!("../../../shaders/product_tiled.wgsl"))
            }
            ProductForm::Cooperative { .. } => (
                COOPERATIVE_MATRIX,
                include_str!("../../../shaders/product_cooperative.wgsl"),
            ),
        };
        let biased = matches!(
            finish,
            Finish::Bias | Finish::Gelu { .. } | Finish::Residual { .. }
        );
        let params = params::binding::<ProductParams>();
        let template =
            SourceTemplate::new(format!("{enable}{params}{}{NORMAL}{store}{text}", mask()))
                .register("operand", product.operand.name())
                .register("result", product.result.name())
                .register("left_transposed", left.to_string())
                .register("right_transposed", right.to_string())
                .register("biased", biased.to_string())
                .register(
                    "masked",
                    (finish == Finish::Residual { masked: true }).to_string(),
                )
                .register(
                    "residual",
                    matches!(finish, Finish::Residual { .. }).to_string(),
                )
                .register("gelu", matches!(finish, Finish::Gelu { .. }).to_string())
                .register("kept", (finish == Finish::Gelu { kept: true }).to_string())
                .register(
                    "gelu_gradient",
                    (finish == Finish::GeluGradient).to_string(),
                )
                .register("onto", (finish == Finish::Onto).to_string())
                .register("column_sums", (finish == Finish::ColumnSums).to_string());
        match form {
            ProductForm::Tiled { quarters } => {
                let text = template.register("quarters", quarters.to_string());
                unroll(&text.complete(), [quarters; 2])
            }
            ProductForm::Cooperative {
                size,
                grid,
                tiles,
                depth,
                ahead,
                ..
            } => {
                let text = template
                    .register("size", size.to_string())
                    .register("grid_rows", grid[0].to_string())
                    .register("grid_columns", grid[1].to_string())
                    .register("tile_rows", tiles[0].to_string())
                    .register("tile_columns", tiles[1].to_string())
                    .register("depth", depth.to_string())
                    .register("threads", form.threads()[0].to_string())
                    .register("ahead", ahead.to_string());
                unroll(&text.complete(), tiles)
            }
        }
    }

    fn workgroup(self) -> [u32; 2] {
        self.form.threads()
    }

    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for operand in Element::ALL {
            for quarters in [1, 2] {
                let form = ProductForm::Tiled { quarters };
                all.extend(
                    Product::of_a_dense_layer(operand).map(|product| Self { product, form }),
                );
            }
        }
        // For matrices and subgroups of NVIDIA, AMD, Apple and lavapipe.
        for (size, grid, tiles, depth, subgroup, ahead) in [
            (8, [2, 2], [4, 4], 32, 8, true),
            (16, [2, 2], [4, 4], 16, 32, true),
            (16, [2, 2], [2, 2], 32, 32, false),
            (16, [2, 4], [4, 4], 32, 32, true),
            (16, [2, 2], [4, 4], 32, 64, false),
        ] {
            let form = ProductForm::Cooperative {
                size,
                grid,
                tiles,
                depth,
                subgroup,
                ahead,
            };
            let products = Product::of_a_dense_layer(Element::F16);
            all.extend(products.map(|product| Self { product, form }));
        }
        all
    }
}

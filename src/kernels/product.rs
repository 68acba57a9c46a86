//! Matrix products on the GPU (`shaders/product_*.wgsl`) and which of them a device runs.

use std::fmt;

use burn::{
    backend::{
        TensorMetadata,
        wgpu::{CubeTensor, into_contiguous},
    },
    tensor::{DType, Shape},
};

use super::{
    launch::{Arrays, WIDEST_DISPATCH, launch, like},
    shader::{Element, Orientation, Product, ProductForm, Shader},
};

/// Fewer rows, columns or depth than this are left to Burn's product.
const SMALLEST: usize = 16;

/// The form that a device runs for each orientation; `None` is Burn's own product.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Products {
    /// `[m, k] · [k, n]`: a dense layer.
    pub plain: Option<ProductForm>,
    /// `[k, m]ᵀ · [k, n]`: the gradient of its kernel.
    pub left_transposed: Option<ProductForm>,
    /// `[m, k] · [n, k]ᵀ`: the gradient of its input.
    pub right_transposed: Option<ProductForm>,
}

impl Products {
    /// The same form for each orientation.
    pub fn all(form: ProductForm) -> Self {
        Self {
            plain: Some(form),
            left_transposed: Some(form),
            right_transposed: Some(form),
        }
    }

    fn form(self, orientation: Orientation) -> Option<ProductForm> {
        match orientation {
            Orientation::Plain => self.plain,
            Orientation::LeftTransposed => self.left_transposed,
            Orientation::RightTransposed => self.right_transposed,
        }
    }

    /// The form that computes the product of these operands; `None` leaves it to Burn's.
    pub(super) fn fitting(
        self,
        a: &CubeTensor,
        b: &CubeTensor,
        orientation: Orientation,
    ) -> Option<ProductForm> {
        self.form(orientation)
            .filter(|&form| fits(form, a, b, orientation))
    }
}

impl fmt::Display for Products {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let orientations = [
            Orientation::Plain,
            Orientation::RightTransposed,
            Orientation::LeftTransposed,
        ];
        for (number, orientation) in orientations.into_iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{} ", orientation.product())?;
            match self.form(orientation) {
                None => f.write_str("Burn's")?,
                Some(form) => form.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for ProductForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let block = self.block();
        match self {
            Self::Tiled { .. } => write!(f, "tiled {block}x{block}"),
            Self::Cooperative { size, depth, .. } => write!(
                f,
                "matrix units {size}x{size} in blocks of {block}x{block}x{depth}"
            ),
        }
    }
}

/// `m`, `n`, `k` of a product.
pub(super) fn extents(a: &Shape, b: &Shape, orientation: Orientation) -> [usize; 3] {
    match orientation {
        Orientation::Plain => [a[0], b[1], a[1]],
        Orientation::LeftTransposed => [a[1], b[1], a[0]],
        Orientation::RightTransposed => [a[0], b[0], a[1]],
    }
}

/// Whether the shader computes the product of these operands.
fn fits(form: ProductForm, a: &CubeTensor, b: &CubeTensor, orientation: Orientation) -> bool {
    let operand = Element::of(a.dtype).filter(|_| a.dtype == b.dtype);
    let [m, n, k] = extents(&a.shape(), &b.shape(), orientation);
    let groups = m.max(n).div_ceil(form.block());
    let formats = match form {
        ProductForm::Tiled { .. } => operand.is_some(),
        // Lines are read four values at a time.
        ProductForm::Cooperative { .. } => {
            operand == Some(Element::F16)
                && a.shape()[1].is_multiple_of(4)
                && b.shape()[1].is_multiple_of(4)
        }
    };
    formats && m.min(n).min(k) >= SMALLEST && groups <= WIDEST_DISPATCH as usize
}

/// The product with `bias` `[n]` added to each row, by a form that fits the operands.
pub(super) fn product(
    form: ProductForm,
    a: CubeTensor,
    b: CubeTensor,
    bias: Option<CubeTensor>,
    orientation: Orientation,
    result: Element,
) -> CubeTensor {
    let [a, b] = [a, b].map(into_contiguous);
    let bias = bias.map(into_contiguous);
    let [m, n, k] = extents(&a.shape(), &b.shape(), orientation);
    let c = like(&a, Shape::new([m, n]), result);
    let product = Product {
        orientation,
        operand: match a.dtype {
            DType::F16 => Element::F16,
            _ => Element::F32,
        },
        result,
        biased: bias.is_some(),
    };
    let groups = |extent: usize| extent.div_ceil(form.block()) as u32;
    // Without a bias its binding is not read: any array will do.
    let bias = bias.as_ref().unwrap_or(&a);
    launch(
        &a.client,
        Shader::Product(product, form),
        form.threads(),
        [groups(n), groups(m)],
        [m, n, k].map(|extent| extent as u32),
        Arrays {
            read: &[&a, &b, bias],
            written: &[&c],
            ..Arrays::default()
        },
    );
    c
}

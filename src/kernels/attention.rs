//! Attention of packed sequences.

use crate::model::{
    packing::Sequences,
    random::{Mask, attention_column, row_word},
};
use burn::{
    Tensor,
    tensor::{TensorData, activation::softmax},
};

pub fn attention(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    sequences: &Sequences,
    heads: usize,
    mask: Option<Mask>,
) -> Tensor<2> {
    let [_, hidden] = query.dims();
    let size = hidden / heads;
    let mut out = Vec::new();
    for number in 0..sequences.len() {
        let rows = sequences.rows(number);
        let len = rows.len();
        let place = sequences.places()[number];
        let part = |t: &Tensor<2>| {
            t.clone()
                .slice_dim(0, rows.clone())
                .reshape([len, heads, size])
                .swap_dims(0, 1)
        };
        let (q, k, v) = (part(&query), part(&key), part(&value));
        let scores = q.matmul(k.swap_dims(1, 2)) / (size as f64).sqrt();
        let mut p = softmax(scores, 2);
        if let Some(mask) = mask {
            let mut f = Vec::new();
            for h in 0..heads as u32 {
                for i in 0..len as u32 {
                    for j in 0..len as u32 {
                        f.push(mask.factor(row_word(place, i), attention_column(h, j)));
                    }
                }
            }
            p = p.clone()
                * Tensor::<3>::from_data(TensorData::new(f, [heads, len, len]), &p.device());
        }
        out.push(p.matmul(v).swap_dims(0, 1).reshape([len, hidden]));
    }
    Tensor::cat(out, 0)
}

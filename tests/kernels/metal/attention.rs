//! Attention in f64, of the small problem that forms are run with, and what each of its shaders with
//! cooperative matrices reads and leaves.

use electra::{
    kernels::{
        attention::config::{CooperativePass, CooperativeShader},
        formats::Element,
    },
    packed::random::{attention_column, row_word},
};
use half::f16;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::case::{Array, Binding, Case};
use crate::forms::{Form, HEADS, attention, sequences, tile_words};

/// Of heads of some number of columns; with a mask, then without. All but the rows' sums are
/// `[tokens, hidden]`.
pub struct Attention {
    inputs: Inputs,
    masked: Results,
    plain: Results,
}

struct Inputs {
    head: usize,
    q: Vec<f64>,
    k: Vec<f64>,
    v: Vec<f64>,
    grad: Vec<f64>,
}

struct Results {
    context: Vec<f64>,
    /// Log of Σ exp(score), `[heads, tokens]`.
    log_sums: Vec<f64>,
    /// The same and Σ p · dp, `[heads, tokens, 2]`.
    rows: Vec<f64>,
    dq: Vec<f64>,
    dk: Vec<f64>,
    dv: Vec<f64>,
}

impl Attention {
    pub fn new(head: usize) -> Self {
        let count = sequences().tokens() * HEADS as usize * head;
        // Scores of a few units.
        let [q, k, v, grad] = [1, 2, 3, 4].map(|seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let value = |_| f16::from_f32(random.random_range(-1.5..1.5)).to_f64();
            (0..count).map(value).collect()
        });
        let inputs = Inputs {
            head,
            q,
            k,
            v,
            grad,
        };
        Self {
            masked: inputs.results(true),
            plain: inputs.results(false),
            inputs,
        }
    }

    /// A shader with its inputs and results.
    pub fn case(&self, shader: CooperativeShader, lanes: Vec<u32>) -> Case {
        let Inputs { q, k, v, grad, .. } = &self.inputs;
        let results = match shader.masked {
            true => &self.masked,
            false => &self.plain,
        };
        let half = |values: &[f64]| Binding::Read(Array::Half(values.to_vec()));
        let full = |values: &[f64]| Binding::Read(Array::Full(values.to_vec()));
        let fresh = |element, values: &[f64]| Binding::fresh(element, values.to_vec());
        let (narrow, wide) = (Element::F16, Element::F32);
        let bindings = match shader.pass {
            CooperativePass::Forward => vec![
                ("context", fresh(narrow, &results.context)),
                ("log_sums", fresh(wide, &results.log_sums)),
            ],
            CooperativePass::QueryGradient => vec![
                ("context", half(&results.context)),
                ("log_sums", full(&results.log_sums)),
                ("grads", half(grad)),
                ("query_grads", fresh(narrow, &results.dq)),
                ("rows", fresh(wide, &results.rows)),
            ],
            CooperativePass::KeyValueGradient => vec![
                ("grads", half(grad)),
                ("rows", full(&results.rows)),
                ("key_grads", fresh(narrow, &results.dk)),
                ("value_grads", fresh(narrow, &results.dv)),
            ],
        };
        let inputs = [("queries", half(q)), ("keys", half(k)), ("values", half(v))];
        let bindings = inputs.into_iter().chain(bindings);
        let (params, groups) = attention(shader.config.head, shader.config.tile());
        Case {
            form: Form::new(shader, &params, groups)
                .with_rows("tiles", tile_words(shader.config.tile())),
            bindings: bindings
                .map(|(name, binding)| (name.to_owned(), binding))
                .collect(),
            lanes,
        }
    }
}

impl Inputs {
    fn results(&self, masked: bool) -> Results {
        let (sequences, size) = (sequences(), self.head);
        let (tokens, heads) = (sequences.tokens(), HEADS as usize);
        let hidden = heads * size;
        let [mut context, mut dq, mut dk, mut dv] = [(); 4].map(|()| vec![0.0; tokens * hidden]);
        let (mut log_sums, mut rows) = (Vec::new(), Vec::new());
        let (params, _) = attention(size, 64);
        let (scale, mask) = (f64::from(params.scale), params.mask.unwrap());
        for head in 0..heads {
            let place = |row: usize| row * hidden + head * size;
            let dot = |a: &[f64], row: usize, b: &[f64], other: usize| -> f64 {
                let (a, b) = (&a[place(row)..][..size], &b[place(other)..][..size]);
                a.iter().zip(b).map(|(a, b)| a * b).sum()
            };
            let add = |sums: &mut [f64], row: usize, weight: f64, values: &[f64], other: usize| {
                let values = &values[place(other)..][..size];
                let sums = sums[place(row)..][..size].iter_mut();
                sums.zip(values)
                    .for_each(|(sum, value)| *sum += weight * value);
            };
            for number in 0..sequences.len() {
                let range = sequences.rows(number);
                for i in range.clone() {
                    let scores = range.clone().map(|j| scale * dot(&self.q, i, &self.k, j));
                    let terms: Vec<f64> = scores.map(f64::exp).collect();
                    let sum: f64 = terms.iter().sum();
                    let word = row_word(sequences.places()[number], (i - range.start) as u32);
                    let factor = |j: usize| match masked {
                        true => {
                            let column = attention_column(head as u32, (j - range.start) as u32);
                            f64::from(mask.factor(word, column))
                        }
                        false => 1.0,
                    };
                    // Each key with its probability and the slope of it.
                    let keys: Vec<(usize, f64, f64)> = range
                        .clone()
                        .zip(&terms)
                        .map(|(j, term)| {
                            let slope = dot(&self.grad, i, &self.v, j) * factor(j);
                            (j, term / sum, slope)
                        })
                        .collect();
                    let mean: f64 = keys.iter().map(|(_, p, slope)| p * slope).sum();
                    for (j, p, slope) in keys {
                        let steep = p * (slope - mean) * scale;
                        add(&mut context, i, p * factor(j), &self.v, j);
                        add(&mut dv, j, p * factor(j), &self.grad, i);
                        add(&mut dq, i, steep, &self.k, j);
                        add(&mut dk, j, steep, &self.q, i);
                    }
                    log_sums.push(sum.ln());
                    rows.extend([sum.ln(), mean]);
                }
            }
        }
        Results {
            context,
            log_sums,
            rows,
            dq,
            dk,
            dv,
        }
    }
}

//! Attention with cooperative matrices, in every configuration that the device has, against the CPU's
//! in f32 and the scalar shaders' in f16, at odd lengths.

use burn::{
    Tensor,
    tensor::{Device, FloatDType, TensorData},
};
use electra::{
    device::{AdapterInfo, AdapterKind, Api, CooperativeMatrix, DeviceRequest, choose},
    kernels::attention::{
        Layout, attention, attention_backward,
        config::{AttentionConfigs, CooperativeConfig},
        cooperative::candidates,
    },
    packed::{random::Mask, sequences::Sequences},
};
use half::f16;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Place of the first sequence in the step's batch.
const FIRST_PLACE: usize = 3;

struct Case {
    lengths: Vec<usize>,
    heads: usize,
    /// Columns of a head.
    size: usize,
    mask: Option<Mask>,
}

/// What is compared; all but the sums are `[tokens, hidden]`.
struct Results {
    /// `[heads, tokens]`
    log_sums: Vec<f32>,
    context: Vec<f32>,
    dq: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

impl Case {
    fn layout(&self) -> Layout {
        Layout {
            sequences: Sequences::new(&self.lengths, FIRST_PLACE),
            heads: self.heads,
            mask: self.mask,
            configs: AttentionConfigs::default(),
        }
    }

    fn shape(&self) -> [usize; 2] {
        [self.lengths.iter().sum(), self.heads * self.size]
    }

    /// Queries, keys, values and the gradient of the result, so that scores are of a few units.
    fn inputs(&self) -> [Vec<f16>; 4] {
        let [tokens, hidden] = self.shape();
        [1, 2, 3, 4].map(|seed| {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            (0..tokens * hidden)
                .map(|_| f16::from_f32(random.random_range(-2.0..2.0)))
                .collect()
        })
    }

    /// By the operation in this format on this device, with cooperative matrices if configured so.
    fn computed(
        &self,
        device: &Device,
        format: FloatDType,
        config: Option<CooperativeConfig>,
    ) -> Results {
        let shape = self.shape();
        let [q, k, v, grad] = self.inputs().map(|values| {
            let values: Vec<f32> = values.iter().map(|v| v.to_f32()).collect();
            Tensor::<2>::from_data(TensorData::new(values, shape), device).cast(format)
        });
        let layout = Layout {
            configs: AttentionConfigs {
                forward: config,
                backward: config,
            },
            ..self.layout()
        };
        let values = |tensor: Tensor<2>| {
            let tensor = tensor.cast(FloatDType::F32);
            tensor.try_into_vec_as::<f32>().unwrap()
        };
        let attended = attention(q, k, v, layout.clone());
        let (context, log_sums) = (attended.context.clone(), attended.log_sums.clone());
        let [dq, dk, dv] = attention_backward(attended, grad, layout).map(values);
        Results {
            log_sums: values(log_sums),
            context: values(context),
            dq,
            dk,
            dv,
        }
    }

    /// By the CPU in f32, with logs of sums that were summed in f64.
    fn exact(&self) -> Results {
        Results {
            log_sums: self.log_sums(&self.layout()),
            ..self.computed(&Device::flex(), FloatDType::F32, None)
        }
    }

    /// Summed in f64.
    fn log_sums(&self, layout: &Layout) -> Vec<f32> {
        let [q, k, ..] = self.inputs();
        let [tokens, hidden] = self.shape();
        let mut sums = Vec::with_capacity(self.heads * tokens);
        for head in 0..self.heads {
            let columns = head * self.size..(head + 1) * self.size;
            for number in 0..layout.sequences.len() {
                for query in layout.sequences.rows(number) {
                    let sum: f64 = layout
                        .sequences
                        .rows(number)
                        .map(|key| {
                            let product = columns.clone().map(|column| {
                                q[query * hidden + column].to_f64()
                                    * k[key * hidden + column].to_f64()
                            });
                            (product.sum::<f64>() / (self.size as f64).sqrt()).exp()
                        })
                        .sum();
                    sums.push(sum.ln() as f32);
                }
            }
        }
        sums
    }
}

/// Greatest difference, relative to the greatest value.
#[track_caller]
fn assert_near(what: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
    let difference = crate::support::max_difference(ours, theirs);
    // Not a number is not near.
    let numbers = ours.iter().all(|value| value.is_finite());
    assert!(
        numbers && difference <= tolerance * scale,
        "{what}: {difference} of {scale}"
    );
}

/// The factors of the last products, probabilities and slopes of scores, are rounded to 11 bits, and
/// so are the results: half of 2⁻¹⁰ each, the first of values as large as what they are summed to.
const FACTORS: f32 = 1.0e-3;

/// The scalar shaders round their results, too.
const SCALAR: f32 = 1.5e-3;

impl Results {
    fn assert_near(&self, what: &str, theirs: &Self, tolerance: f32) {
        let parts = [
            ("context", &self.context, &theirs.context),
            ("dq", &self.dq, &theirs.dq),
            ("dk", &self.dk, &theirs.dk),
            ("dv", &self.dv, &theirs.dv),
        ];
        for (part, ours, theirs) in parts {
            assert_near(&format!("{what} {part}"), ours, theirs, tolerance);
        }
        // Sums in f32 of up to 130 exponentials, of products that are exact but for their sums.
        assert_near(
            &format!("{what} log sums"),
            &self.log_sums,
            &theirs.log_sums,
            1e-6,
        );
    }
}

fn cases() -> Vec<Case> {
    let shapes: [(&[usize], usize, usize); 4] = [
        // Tiles of one row, and a block and a row.
        (&[5, 1, 33], 2, 64),
        // Whole tiles, and tiles that end in the middle.
        (&[64, 65, 7, 130], 2, 64),
        (&[17, 40], 3, 32),
        (&[31, 2, 48], 2, 16),
    ];
    let masks = [None, Some(Mask::new(77, 0.1))];
    let mut cases = Vec::new();
    for (lengths, heads, size) in shapes {
        for mask in masks {
            cases.push(Case {
                lengths: lengths.to_vec(),
                heads,
                size,
                mask,
            });
        }
    }
    cases
}

/// The device and what it is, where it has cooperative matrices.
fn device() -> Option<(Device, AdapterInfo)> {
    let device = crate::support::gpu()?;
    let chosen = choose(DeviceRequest::Gpu).unwrap();
    let adapter = chosen.adapter.unwrap();
    if candidates(&adapter, 64).is_empty() {
        eprintln!("{}: no cooperative matrices", chosen.name);
        return None;
    }
    Some((device, adapter))
}

#[test]
fn attention_with_cooperative_matrices_is_that_of_the_cpu_and_of_the_scalar_shaders() {
    let Some((device, adapter)) = device() else {
        return;
    };
    for case in cases() {
        let exact = case.exact();
        let scalar = case.computed(&device, FloatDType::F16, None);
        for config in candidates(&adapter, case.size) {
            let ours = case.computed(&device, FloatDType::F16, Some(config));
            let what = format!("{:?} {config:?} {:?}", case.lengths, case.mask);
            ours.assert_near(&format!("{what}, exact"), &exact, FACTORS);
            ours.assert_near(&format!("{what}, scalar"), &scalar, SCALAR);
        }
    }
}

#[test]
fn any_number_of_subgroups_takes_the_parts_of_a_tile() {
    let Some((device, adapter)) = device() else {
        return;
    };
    let case = Case {
        lengths: vec![64, 65, 7, 130],
        heads: 2,
        size: 32,
        mask: Some(Mask::new(77, 0.1)),
    };
    let exact = case.exact();
    let config = candidates(&adapter, case.size)[0];
    let threads = config.subgroup;
    // One, two and eight instead of four, as if subgroups had other sizes than they do.
    for subgroup in [threads / 4, threads / 2, threads * 2] {
        let config = CooperativeConfig { subgroup, ..config };
        case.computed(&device, FloatDType::F16, Some(config))
            .assert_near(&format!("{config:?}"), &exact, FACTORS);
    }
}

#[test]
fn an_adapter_offers_what_fits_its_matrices_subgroups_and_workgroup_memory() {
    let matrix = |size| CooperativeMatrix {
        m: size,
        n: size,
        k: size,
        operands: "f16".into(),
        result: "f32".into(),
    };
    let adapter = |size, subgroup, memory| AdapterInfo {
        index: 0,
        name: "card".into(),
        kind: AdapterKind::Discrete,
        api: Api::Vulkan,
        driver: String::new(),
        memory: None,
        max_buffer: 1 << 30,
        max_storage_binding: 1 << 30,
        max_workgroup_storage: memory,
        max_workgroup_invocations: 1_024,
        precisions: vec!["f32", "f16"],
        subgroup: Some(subgroup),
        cooperative_matrices: vec![matrix(size)],
        compute: true,
        storage_buffers: 16,
        nth_of_kind: 0,
    };
    let configs = |adapter: &AdapterInfo, head| -> Vec<[usize; 3]> {
        candidates(adapter, head)
            .into_iter()
            .map(|config| [config.size, config.block, config.subgroup])
            .collect()
    };
    let nvidia = adapter(16, (32, 32), 49_152);
    assert_eq!(configs(&nvidia, 64), [[16, 32, 32]]);
    assert_eq!(configs(&nvidia, 128), [[16, 32, 32]]);
    // No multiple of a matrix, and more than registers hold.
    assert_eq!(configs(&nvidia, 40), [[0; 3]; 0]);
    assert_eq!(configs(&nvidia, 256), [[0; 3]; 0]);
    let amd = adapter(16, (32, 64), 65_536);
    assert_eq!(configs(&amd, 64), [[16, 32, 32], [16, 32, 64]]);
    let apple = adapter(8, (32, 32), 32_768);
    assert_eq!(configs(&apple, 64), [[8, 32, 32], [8, 16, 32]]);
    assert_eq!(configs(&apple, 40), [[8, 32, 32], [8, 16, 32]]);
    let small = adapter(8, (32, 32), 16_384);
    assert_eq!(configs(&small, 64), [[8, 16, 32]]);
    // A lane would have more than one row.
    assert_eq!(configs(&adapter(16, (8, 32), 65_536), 64), [[0; 3]; 0]);
    let mut without = nvidia;
    without.precisions = vec!["f32"];
    assert_eq!(configs(&without, 64), [[0; 3]; 0]);
}

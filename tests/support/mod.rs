//! The reference's runs for tests: checkpoints, hyper-parameters, arrays.
//!
//! One run is committed under `tests/golden`; if the whole reference is available
//! (`ELECTRA_SHARED`, or a folder `shared` beside the repository), the others are tested too.
#![allow(dead_code)]

pub mod browser;
pub mod evaluated_run;
pub mod place;
pub mod served;
pub mod small_run;
pub mod training_loop;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use burn::tensor::Device;
use checkpoints_convert::pack::Pack;
use electra::{
    batch::{Batch, FeatureSet, Row},
    config::{Config, EncoderConfig},
    data::split::Split,
    kernels::matmul::{MatmulTilings, config::MatmulTiling},
    model::{
        arithmetic::Arithmetic,
        parameters::{ParameterSource, StoredParameters},
        record,
    },
    tasks::{
        head::TaskHead,
        label::Label,
        model::Model,
        qa::{
            example::Examples,
            feature::{Feature, FeatureOptions, featurize},
            reader::read_task,
            span_head::SpanHeadConfig,
        },
    },
    text::tokenizer::Tokenizer,
};
pub use place::{golden, shared, tiny_vocabulary};
use safetensors::SafeTensors;

/// Returns the devices on which stages are compared: the CPU, and a GPU or a software driver.
pub fn devices() -> Vec<(&'static str, Device)> {
    let mut devices = vec![("cpu", Device::flex())];
    devices.extend(gpu().map(|device| ("wgpu", device)));
    devices
}

/// Returns a wgpu device of any kind except OpenGL, or `None` with a message.
pub fn gpu() -> Option<Device> {
    static GPU: OnceLock<Option<Device>> = OnceLock::new();
    GPU.get_or_init(
        || match electra::device::choose(electra::device::DeviceRequest::Gpu) {
            Ok(chosen) => Some(chosen.device),
            Err(error) => {
                eprintln!("skipped on wgpu: {error}");
                None
            }
        },
    )
    .clone()
}

/// Returns the arithmetic for slow tests: on a GPU the matrix products that a software driver
/// computes fastest, which the kernels' tests compare with Burn's.
pub fn fast(device: &str) -> Arithmetic {
    let tilings = match device {
        "cpu" => MatmulTilings::default(),
        _ => MatmulTilings::all(MatmulTiling::Tiled { quarters: 2 }),
    };
    Arithmetic {
        full: tilings,
        half: tilings,
        ..Arithmetic::default()
    }
}

/// One fine-tuning run of the reference.
pub struct ReferenceRun {
    pub name: &'static str,
    pub folder: PathBuf,
    pub config: Config,
    pub trajectory: serde_json::Value,
}

impl ReferenceRun {
    fn open(name: &'static str, folder: PathBuf) -> Self {
        let text = std::fs::read_to_string(folder.join("trajectory.json")).unwrap();
        let trajectory: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut given = trajectory["hparams"].as_object().unwrap().clone();
        given.insert("task_names".into(), serde_json::json!(["squad"]));
        given.insert("shuffle".into(), false.into());
        for key in ["train_batch_size", "num_train_epochs"] {
            given.insert(key.into(), trajectory[key].clone());
        }
        let overrides = given["model_hparam_overrides"].as_object_mut().unwrap();
        overrides.insert("hidden_dropout_prob".into(), 0.0.into());
        overrides.insert("attention_probs_dropout_prob".into(), 0.0.into());
        let (config, _) = Config::resolve(Path::new("data"), "model", &given).unwrap();
        Self {
            name,
            folder,
            config,
            trajectory,
        }
    }

    pub fn encoder(&self) -> EncoderConfig {
        self.config.encoder()
    }

    pub fn head(&self) -> SpanHeadConfig {
        SpanHeadConfig::of(&self.config)
    }

    pub fn heads(&self) -> Vec<TaskHead> {
        vec![TaskHead::span("squad", self.head())]
    }

    /// Reads `init` or `trained` through the converter.
    pub fn model(&self, weights: &str, device: &Device) -> Model {
        self.model_with(weights, device, 0.0, Arithmetic::default())
    }

    /// Reads a model with this dropout probability and arithmetic.
    pub fn model_with(
        &self,
        weights: &str,
        device: &Device,
        dropout: f64,
        arithmetic: Arithmetic,
    ) -> Model {
        let mut encoder = self.encoder();
        encoder.hidden_dropout_prob = dropout;
        encoder.attention_probs_dropout_prob = dropout;
        let mut stored = converted(&self.folder.join(weights).join("model.ckpt"));
        let mut source =
            ParameterSource::new(device.clone(), 1, Some(&mut stored)).with_arithmetic(arithmetic);
        let model = Model::new(&mut source, &encoder, &self.heads()).unwrap();
        let origin = source.finish();
        assert_eq!(
            origin.initialised, [""; 0],
            "parameters that nothing filled"
        );
        assert_eq!(origin.unused, [""; 0], "parameters without a place");
        model
    }

    pub fn tokenizer(&self) -> Tokenizer {
        let vocab = tiny_vocabulary();
        Tokenizer::read(&vocab, true).unwrap()
    }

    pub fn examples(&self, split: Split) -> Examples {
        let name = format!("data/squad2-tiny.{}.json", split.name());
        read_task(&golden(&name), "squad", split).unwrap()
    }

    pub fn features(&self, split: Split) -> Vec<Feature> {
        let options = FeatureOptions {
            max_seq_length: self.config.max_seq_length,
            doc_stride: self.config.doc_stride,
            max_query_length: self.config.max_query_length,
            split,
        };
        featurize(&self.examples(split), &self.tokenizer(), &options).unwrap()
    }

    /// Returns the features that the reference used in this step.
    pub fn training_batch(&self, features: &[Feature], step: usize) -> Batch {
        let used = &self.trajectory["steps"][step]["features"];
        let used: Vec<usize> =
            (used[0].as_u64().unwrap() as usize..used[1].as_u64().unwrap() as usize).collect();
        Batch::collate(&FeatureSet::from(features), &used).unwrap()
    }

    pub fn arrays(&self, file: &str) -> Arrays {
        Arrays::read(&self.folder.join(file))
    }
}

pub fn tasks() -> Vec<String> {
    vec!["squad".into()]
}

/// Returns the available runs: the committed one, and the others of the whole reference.
pub fn runs() -> Vec<ReferenceRun> {
    match shared("reference") {
        None => vec![ReferenceRun::open(
            "squad2-tiny-projected",
            golden("squad2-tiny-projected"),
        )],
        Some(reference) => vec![
            ReferenceRun::open(
                "squad2-tiny-projected",
                reference.join("qa-squad2-tiny-projected"),
            ),
            ReferenceRun::open("squad2-tiny", reference.join("qa-squad2-tiny")),
        ],
    }
}

/// Converts a TF checkpoint and opens the record, whose file may then be deleted.
pub fn converted(checkpoint: &Path) -> StoredParameters {
    let folder = tempfile::tempdir().unwrap();
    checkpoints_convert::convert(checkpoint, folder.path(), &mut |_, _| {}).unwrap();
    let bytes = std::fs::read(folder.path().join("model.bpk")).unwrap();
    let reader = burn_pack::Reader::from_bytes(burn::tensor::Bytes::from_bytes_vec(bytes)).unwrap();
    let pack = Pack {
        tensors: reader.into_tensors().unwrap(),
        checksums: None,
        producer: None,
    };
    StoredParameters::new(checkpoint.display().to_string(), pack)
}

/// Returns every parameter's values by record name.
pub fn parameters(model: &Model) -> BTreeMap<String, Vec<f32>> {
    let mut values = BTreeMap::new();
    record::for_each_parameter(model, &tasks(), |parameter| {
        let value = parameter.value.try_into_vec_as::<f32>().unwrap();
        values.insert(parameter.name.to_string(), value);
    });
    values
}

/// The arrays of a safetensors file.
pub struct Arrays(Vec<u8>);

impl Arrays {
    pub fn read(path: &Path) -> Self {
        Self(std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
    }

    fn view(&self) -> SafeTensors<'_> {
        SafeTensors::deserialize(&self.0).unwrap()
    }

    pub fn shape(&self, name: &str) -> Vec<usize> {
        self.view().tensor(name).unwrap().shape().to_vec()
    }

    pub fn floats(&self, name: &str) -> Vec<f32> {
        self.words(name).map(f32::from_le_bytes).collect()
    }

    pub fn integers(&self, name: &str) -> Vec<i32> {
        self.words(name).map(i32::from_le_bytes).collect()
    }

    /// Returns the batch of `input_ids` and `segment_ids`; `mask` distinguishes tokens from
    /// padding.
    pub fn batch(&self, mask: &[i32]) -> Batch {
        let width = self.shape("input_ids")[1];
        let (ids, segments) = (self.integers("input_ids"), self.integers("segment_ids"));
        let rows = ids.chunks(width).zip(segments.chunks(width));
        let mut batch = Batch::default();
        for (index, ((ids, segments), mask)) in rows.zip(mask.chunks(width)).enumerate() {
            let length = mask.iter().filter(|&&mask| mask == 1).count();
            let ids: Vec<u32> = ids[..length].iter().map(|&id| id as u32).collect();
            let first = segments.iter().take_while(|&&segment| segment == 0);
            let row = Row {
                input_ids: &ids,
                first_segment: first.count(),
                label: Label::Span {
                    start: 0,
                    end: 0,
                    impossible: false,
                },
            };
            batch.push(index, 0, row);
        }
        batch
    }

    fn words(&self, name: &str) -> impl Iterator<Item = [u8; 4]> + use<> {
        let bytes = self.view().tensor(name).unwrap().data().to_vec();
        (0..bytes.len() / 4).map(move |word| {
            let at = 4 * word;
            [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]
        })
    }
}

/// Returns the largest absolute difference of two arrays of the same length.
pub fn max_difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    ours.iter()
        .zip(theirs)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

/// Returns ‖ours − theirs‖ and ‖theirs‖.
pub fn distance_and_norm(ours: &[f32], theirs: &[f32]) -> (f64, f64) {
    assert_eq!(ours.len(), theirs.len());
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>().sqrt();
    (
        square(&mut ours.iter().zip(theirs).map(|(a, b)| f64::from(a - b))),
        square(&mut theirs.iter().map(|&v| f64::from(v))),
    )
}

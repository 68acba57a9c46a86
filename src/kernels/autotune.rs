//! Autotuning: which kernel configurations a device runs for a model, and the timings behind the
//! choice.
//!
//! Autotuning takes seconds on a small GPU, so the result is cached per user. An entry applies to
//! the same card, driver, program version and model shape.

pub(in crate::kernels) mod attempts;
mod deaths;
pub mod error;
mod journal;
pub mod timing;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use self::{attempts::Attempts, error::Error, timing::Timing};
use super::{
    attention::{self, config::AttentionConfigs},
    formats::Element,
    matmul::{self, MatmulTilings},
    work,
};
use crate::{
    device::{AdapterInfo, half::HalfConversion},
    durable_file::write_whole,
    user_cache,
};

/// What a device runs for operands of one format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AutotuneResult {
    #[serde(rename = "products")]
    pub tilings: MatmulTilings,
    pub attention: AttentionConfigs,
    /// Timings grouped by operation, fastest configuration first.
    #[serde(rename = "trials")]
    pub timings: Vec<Timing>,
    /// Configurations that were skipped because a process died while trying them.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// How the device converts operands to this format.
    #[serde(default)]
    pub conversion: Option<HalfConversion>,
}

impl AutotuneResult {
    /// Limits how much work is submitted to the device at once. A software adapter is exempt: it
    /// has no driver watchdog, and its results must not depend on a measured time.
    fn bound_work(&self, device: &Device, adapter: &AdapterInfo) {
        if let Some(rates) = self.rates().filter(|_| !adapter.is_software()) {
            work::set_rates(device, rates);
        }
    }

    /// Returns the throughput in FLOP/s of the slowest operation among the matmuls, and among all; `None`
    /// without timings.
    fn rates(&self) -> Option<[f64; 2]> {
        let operations = self
            .timings
            .chunk_by(|a, b| a.operation == b.operation)
            .filter_map(|timings| Some((&timings[0].operation, timings[0].flops?)));
        let slowest = |of: &dyn Fn(&str) -> bool| {
            let these = operations.clone().filter(|(operation, _)| of(operation));
            these.map(|(_, flops)| flops).min_by(f64::total_cmp)
        };
        Some([
            slowest(&|operation| !operation.starts_with(attention::autotune::OPERATION))?,
            slowest(&|_| true)?,
        ])
    }

    /// Returns the first operation that no kernel computes correctly, and why each was left out.
    pub fn not_computed(&self) -> Option<(&str, String)> {
        let mut operations = self.timings.chunk_by(|a, b| a.operation == b.operation);
        let timings = operations.find(|timings| timings.iter().all(|it| it.flops.is_none()))?;
        let reasons = timings
            .iter()
            .map(|it| format!("{}: {}", it.config, it.left_out));
        Some((
            &timings[0].operation,
            reasons.collect::<Vec<_>>().join("; "),
        ))
    }
}

/// Model shape at which kernels are autotuned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ModelShape {
    /// Most tokens computed at once.
    pub tokens: usize,
    pub hidden: usize,
    /// Width of the feed-forward layer.
    pub inner: usize,
    pub heads: usize,
}

/// Autotunes what the adapter offers for operands of this format.
///
/// # Errors
/// If the device fails or the user asks to stop.
pub fn try_out(
    device: &Device,
    adapter: &AdapterInfo,
    operand: Element,
    shape: ModelShape,
) -> Result<AutotuneResult, Error> {
    AutotuneCache(None).try_out(device, adapter, operand, shape)
}

/// Choices of earlier runs in a file of the user's cache, with the record of crashes beside it.
#[derive(Debug, Clone)]
pub struct AutotuneCache(Option<PathBuf>);

impl AutotuneCache {
    /// Opens the user's cache; nothing is kept if the system has no place for one.
    pub fn of_user() -> Self {
        Self(user_cache::folder().map(|folder| folder.join("kernels.json")))
    }

    /// Uses the file at `path` as the cache.
    pub fn at(path: PathBuf) -> Self {
        Self(Some(path))
    }

    /// Returns the cached choice for this device and shape, or autotunes and caches the result.
    ///
    /// # Errors
    /// If the device fails or the user asks to stop. A cache that cannot be read or written is not
    /// an error: the kernels are autotuned again.
    pub fn choose(
        &self,
        device: &Device,
        adapter: &AdapterInfo,
        operand: Element,
        shape: ModelShape,
    ) -> Result<AutotuneResult, Error> {
        let key = key(adapter, operand, shape);
        if let Some(choice) = self.read().remove(&key)
            && self.holds(adapter, &choice)
        {
            log::info!("kernels as chosen before for {key}");
            choice.bound_work(device, adapter);
            return Ok(choice);
        }
        self.choose_anew(device, adapter, operand, shape)
    }

    /// Autotunes even if a choice is cached, and caches the result.
    ///
    /// # Errors
    /// As for [`choose`](Self::choose).
    pub fn choose_anew(
        &self,
        device: &Device,
        adapter: &AdapterInfo,
        operand: Element,
        shape: ModelShape,
    ) -> Result<AutotuneResult, Error> {
        let choice = self.try_out(device, adapter, operand, shape)?;
        self.keep(adapter, operand, shape, &choice);
        Ok(choice)
    }

    fn try_out(
        &self,
        device: &Device,
        adapter: &AdapterInfo,
        operand: Element,
        shape: ModelShape,
    ) -> Result<AutotuneResult, Error> {
        let mut attempts = Attempts::on(described(adapter), self.tried_folder().as_deref());
        let dense = [shape.tokens, shape.hidden, shape.inner];
        let mut choice = AutotuneResult::default();
        (choice.tilings, choice.timings) =
            matmul::autotune::choose(device, adapter, &mut attempts, operand, dense)?;
        if operand == Element::F16 {
            choice.conversion = Some(HalfConversion::of(device).map_err(|e| e.to_string())?);
        }
        let (configs, tried) = attention::autotune::choose(
            device,
            adapter,
            &mut attempts,
            operand,
            shape.tokens,
            [shape.heads, shape.hidden],
        )?;
        choice.attention = configs;
        choice.timings.extend(tried);
        choice.left_out = attempts.finish()?;
        choice.bound_work(device, adapter);
        Ok(choice)
    }

    /// Stores a choice, unless an operation has no kernel.
    pub fn keep(
        &self,
        adapter: &AdapterInfo,
        operand: Element,
        shape: ModelShape,
        choice: &AutotuneResult,
    ) {
        // Another program may have had the device's memory.
        let Some(path) = self.0.as_ref().filter(|_| choice.not_computed().is_none()) else {
            return;
        };
        let mut choices = self.read();
        choices.insert(key(adapter, operand, shape), choice.clone());
        if let Err(error) = write(path, &choices) {
            log::info!("{}: kernels will be tried again: {error}", path.display());
        }
    }

    /// Deletes every choice and every recorded crash, and returns the path of the cache file.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn forget(&self) -> io::Result<Option<&Path>> {
        let (Some(path), Some(folder)) = (&self.0, self.tried_folder()) else {
            return Ok(None);
        };
        deaths::forget(&folder)?;
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(Some(path)),
        }
    }

    /// Returns whether a cached choice still stands, that is, nothing it left out is due for
    /// another try.
    fn holds(&self, adapter: &AdapterInfo, choice: &AutotuneResult) -> bool {
        choice.left_out.is_empty()
            || self.tried_folder().is_some_and(|folder| {
                deaths::still_left_out(&folder, &described(adapter), &choice.left_out)
            })
    }

    /// Folder of the journals that record what is being tried.
    fn tried_folder(&self) -> Option<PathBuf> {
        self.0.as_ref().map(|path| path.with_extension("tried"))
    }

    /// Reads the cache; empty if the file is missing, damaged or of another version.
    fn read(&self) -> BTreeMap<String, AutotuneResult> {
        let text = self.0.as_ref().and_then(|path| std::fs::read(path).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }
}

fn write(path: &Path, choices: &BTreeMap<String, AutotuneResult>) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_whole(path, |out| Ok(serde_json::to_writer_pretty(out, choices)?))
}

/// Describes the program and device to which a choice or a crash applies.
fn described(adapter: &AdapterInfo) -> String {
    let AdapterInfo {
        name, api, driver, ..
    } = adapter;
    let version = env!("CARGO_PKG_VERSION");
    format!("electra {version}, {name}, {api}, {driver}")
}

/// Returns the cache key of a choice.
fn key(adapter: &AdapterInfo, operand: Element, shape: ModelShape) -> String {
    let ModelShape {
        hidden,
        inner,
        heads,
        ..
    } = shape;
    // Autotuning never uses more rows than this.
    let tokens = shape.tokens.min(matmul::autotune::ROWS);
    let (device, operand) = (described(adapter), operand.name());
    format!("{device}, {operand}, {tokens} tokens, {hidden}, {inner}, {heads} heads")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        device::{AdapterKind, Api},
        kernels::matmul::config::MatmulTiling,
    };

    fn adapter(driver: &str) -> AdapterInfo {
        AdapterInfo {
            index: 0,
            name: "card".into(),
            kind: AdapterKind::Discrete,
            api: Api::Vulkan,
            driver: driver.into(),
            memory: None,
            max_buffer: 0,
            max_storage_binding: 0,
            max_workgroup_storage: 0,
            max_workgroup_invocations: 0,
            precisions: vec!["f32"],
            subgroup: None,
            cooperative_matrices: Vec::new(),
            compute: true,
            storage_buffers: 16,
            nth_of_kind: 0,
        }
    }

    const SHAPE: ModelShape = ModelShape {
        tokens: 100_000,
        hidden: 64,
        inner: 128,
        heads: 2,
    };

    #[test]
    fn a_choice_is_kept_for_its_driver_format_and_shape() {
        let folder = tempfile::tempdir().unwrap();
        let cache = AutotuneCache::at(folder.path().join("new folder").join("kernels.json"));
        let choice = AutotuneResult {
            tilings: MatmulTilings::all(MatmulTiling::Tiled { quarters: 2 }),
            attention: AttentionConfigs::default(),
            timings: vec![Timing {
                operation: "x · W".into(),
                config: "tiled".into(),
                flops: Some(1.25e12),
                left_out: String::new(),
            }],
            ..AutotuneResult::default()
        };
        cache.keep(&adapter("1"), Element::F32, SHAPE, &choice);
        // No kernel runs on the CPU, so what comes back is what was stored.
        let chosen = |driver: &str, operand, shape| {
            cache.read().remove(&key(&adapter(driver), operand, shape))
        };
        let found = chosen("1", Element::F32, SHAPE);
        assert_eq!(found.as_ref(), Some(&choice));
        let by_cache = cache.choose(
            &Device::flex(),
            &adapter("1"),
            Element::F32,
            ModelShape {
                tokens: 50_000,
                ..SHAPE
            },
        );
        assert_eq!(by_cache, Ok(choice), "more tokens than are tried");
        assert_eq!(chosen("2", Element::F32, SHAPE), None);
        assert_eq!(chosen("1", Element::F16, SHAPE), None);
        let smaller = ModelShape {
            tokens: 100,
            ..SHAPE
        };
        assert_eq!(chosen("1", Element::F32, smaller), None);
    }

    #[test]
    fn a_damaged_cache_is_written_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kernels.json");
        std::fs::write(&path, "{\"electra").unwrap();
        let cache = AutotuneCache::at(path);
        assert!(cache.read().is_empty());
        cache.keep(
            &adapter("1"),
            Element::F32,
            SHAPE,
            &AutotuneResult::default(),
        );
        assert_eq!(cache.read().len(), 1);
    }

    #[test]
    fn what_is_left_out_of_a_choice_is_tried_when_it_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let cache = AutotuneCache::at(folder.path().join("kernels.json"));
        let choice = AutotuneResult {
            left_out: vec!["form".into()],
            ..AutotuneResult::default()
        };
        assert!(cache.holds(&adapter("1"), &AutotuneResult::default()));
        assert!(!cache.holds(&adapter("1"), &choice));
        let tried = cache.tried_folder().unwrap();
        let mut dies = Attempts::on(described(&adapter("1")), Some(&tried));
        assert_eq!(dies.begin("form"), Ok(true));
        drop(dies);
        let mut next = Attempts::on(described(&adapter("1")), Some(&tried));
        assert_eq!(next.begin("form"), Ok(false));
        assert_eq!(next.finish().as_ref(), Ok(&choice.left_out));
        assert!(cache.holds(&adapter("1"), &choice) && !cache.holds(&adapter("2"), &choice));

        cache.keep(&adapter("1"), Element::F32, SHAPE, &choice);
        assert_eq!(cache.forget().unwrap(), cache.0.as_deref());
        assert!(cache.read().is_empty() && !cache.holds(&adapter("1"), &choice));
    }

    #[test]
    fn the_rate_is_that_of_the_slowest_operations_fastest_form() {
        let timing = |operation: &str, flops: Option<f64>| Timing {
            operation: operation.into(),
            config: "a form".into(),
            flops,
            left_out: match flops {
                Some(_) => String::new(),
                None => "wrong results".into(),
            },
        };
        let mut choice = AutotuneResult::default();
        assert_eq!((choice.rates(), choice.not_computed()), (None, None));
        choice.timings = [
            ("a", Some(9.0)),
            ("a", Some(2.0)),
            ("b", Some(4.0)),
            ("attention forward", Some(3.0)),
        ]
        .map(|(operation, flops)| timing(operation, flops))
        .into();
        assert_eq!(choice.rates(), Some([4.0, 3.0]));
        assert_eq!(choice.not_computed(), None);
        choice.timings.push(timing("c", None));
        assert_eq!(
            choice.not_computed(),
            Some(("c", "a form: wrong results".to_owned()))
        );

        // Nor is it kept.
        let folder = tempfile::tempdir().unwrap();
        let cache = AutotuneCache::at(folder.path().join("kernels.json"));
        cache.keep(&adapter("1"), Element::F32, SHAPE, &choice);
        assert!(cache.read().is_empty());
    }
}

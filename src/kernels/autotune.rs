//! The configurations of kernels that a device runs for a model, and the timings that say why.
//!
//! Trying them takes some seconds on a small GPU, so what was found is kept in the user's cache and
//! holds for the same card, driver, program and model shape.

pub mod timing;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use self::timing::Timing;
use super::{
    attention::{self, config::AttentionConfigs},
    formats::Element,
    matmul::{self, MatmulTilings},
};
use crate::{device::AdapterInfo, durable_file::write_whole, user_cache};

/// What a device runs for operands of one format.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AutotuneResult {
    #[serde(rename = "products")]
    pub tilings: MatmulTilings,
    pub attention: AttentionConfigs,
    /// Operation by operation, the fastest configuration first.
    #[serde(rename = "trials")]
    pub timings: Vec<Timing>,
}

/// Shape of the model that kernels are tried at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ModelShape {
    /// Tokens computed at once, at most.
    pub tokens: usize,
    pub hidden: usize,
    /// Width of the feed-forward part.
    pub inner: usize,
    pub heads: usize,
}

/// Tries what the adapter offers for operands of this format.
///
/// # Errors
/// When the device fails.
pub fn try_out(
    device: &Device,
    adapter: &AdapterInfo,
    operand: Element,
    shape: ModelShape,
) -> Result<AutotuneResult, String> {
    let dense = [shape.tokens, shape.hidden, shape.inner];
    let (tilings, mut timings) = matmul::autotune::choose(device, adapter, operand, dense)?;
    let mut attention = AttentionConfigs::default();
    if operand == Element::F16 {
        let (tokens, heads) = (shape.tokens, shape.heads);
        let (configs, tried) =
            attention::autotune::choose(device, adapter, tokens, heads, shape.hidden)?;
        attention = configs;
        timings.extend(tried);
    }
    Ok(AutotuneResult {
        tilings,
        attention,
        timings,
    })
}

/// Choices of earlier runs, in a file of the user's cache.
#[derive(Debug, Clone)]
pub struct AutotuneCache(Option<PathBuf>);

impl AutotuneCache {
    /// The user's; nothing is kept where the system names no place for it.
    pub fn of_user() -> Self {
        Self(user_cache::folder().map(|folder| folder.join("kernels.json")))
    }

    /// A file of one's own.
    pub fn at(path: PathBuf) -> Self {
        Self(Some(path))
    }

    /// The choice that is kept for this device and shape, or else a new one, which is kept.
    ///
    /// # Errors
    /// When the device fails. A cache that cannot be read or written is no error: configurations are
    /// tried again.
    pub fn choose(
        &self,
        device: &Device,
        adapter: &AdapterInfo,
        operand: Element,
        shape: ModelShape,
    ) -> Result<AutotuneResult, String> {
        let key = key(adapter, operand, shape);
        if let Some(choice) = self.read().remove(&key) {
            log::info!("kernels as chosen before for {key}");
            return Ok(choice);
        }
        let choice = try_out(device, adapter, operand, shape)?;
        self.keep(adapter, operand, shape, &choice);
        Ok(choice)
    }

    /// Keeps a choice.
    pub fn keep(
        &self,
        adapter: &AdapterInfo,
        operand: Element,
        shape: ModelShape,
        choice: &AutotuneResult,
    ) {
        let Some(path) = &self.0 else { return };
        let mut choices = self.read();
        choices.insert(key(adapter, operand, shape), choice.clone());
        if let Err(error) = write(path, &choices) {
            log::info!("{}: kernels will be tried again: {error}", path.display());
        }
    }

    /// What the file holds; nothing where it is not there, damaged or of another version.
    fn read(&self) -> BTreeMap<String, AutotuneResult> {
        let text = self.0.as_ref().and_then(|path| std::fs::read(path).ok());
        text.and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default()
    }
}

fn write(path: &Path, choices: &BTreeMap<String, AutotuneResult>) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_whole(path, |out| Ok(serde_json::to_writer_pretty(out, choices)?))
}

/// What a choice holds for.
fn key(adapter: &AdapterInfo, operand: Element, shape: ModelShape) -> String {
    let AdapterInfo {
        name, api, driver, ..
    } = adapter;
    let ModelShape {
        hidden,
        inner,
        heads,
        ..
    } = shape;
    // More are not tried.
    let tokens = shape.tokens.min(matmul::autotune::ROWS);
    let version = env!("CARGO_PKG_VERSION");
    let operand = operand.name();
    format!(
        "electra {version}, {name}, {api}, {driver}, {operand}, {tokens} tokens, {hidden}, {inner}, \
         {heads} heads"
    )
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
            }],
        };
        cache.keep(&adapter("1"), Element::F32, SHAPE, &choice);
        // No kernel runs on the CPU: what is chosen is what was kept.
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
                tokens: 5_000,
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
}

//! What Vulkan drivers compile the shaders to: registers, spills, workgroup memory and whatever else a driver
//! reports about a pipeline, without running it.
//!
//! ```text
//! cargo run --release --example compiled_shaders [PART OF A NAME]
//! ```
//!
//! Prints one line of JSON per shader and device. Mesa's driver for AMD works without the card if its null
//! device is enabled (`RADV_FORCE_FAMILY=navi31`, up to Mesa 25.0).

use std::{collections::BTreeSet, ffi::CStr};

use anyhow::{Context, Result};
use ash::{Entry, khr, vk};
use electra::kernels::{
    attention::config::{
        AttentionConfig, AttentionPass, AttentionShader, CooperativeConfig, CooperativePass,
        CooperativeShader,
    },
    formats::Element,
    matmul::{
        config::{Epilogue, Matmul, MatmulShader, MatmulTiling, Orientation, Products},
        cooperative::CooperativeTiling,
    },
    shader::Shader,
};
use naga::{
    back::spv,
    front::wgsl,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ValidationFlags, Validator},
};
use serde_json::{Map, json};

fn main() -> Result<()> {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    let entry = unsafe { Entry::load() }.context("no Vulkan loader")?;
    let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
    let instance = unsafe {
        entry.create_instance(
            &vk::InstanceCreateInfo::default().application_info(&application),
            None,
        )
    }
    .context("no Vulkan driver")?;
    for physical in unsafe { instance.enumerate_physical_devices() }? {
        let properties = unsafe { instance.get_physical_device_properties(physical) };
        let name = text(&properties.device_name);
        let device = match Device::open(&instance, physical) {
            Ok(device) => device,
            Err(error) => {
                eprintln!("{name}: {error:#}");
                continue;
            }
        };
        for Source {
            name: what,
            text,
            threads,
        } in shaders()
        {
            if !what.contains(&wanted) {
                continue;
            }
            let statistics = match device.statistics(&text) {
                Ok(statistics) => json!(statistics),
                Err(error) => json!(format!("{error:#}")),
            };
            let line = json!({
                "device": name, "shader": what, "threads": threads, "compiled": statistics,
            });
            println!("{line}");
        }
    }
    Ok(())
}

/// A shader, and the threads of its workgroups.
struct Source {
    name: String,
    text: String,
    threads: u32,
}

impl Source {
    fn of(shader: impl Shader) -> Self {
        Self {
            name: format!("{shader:?}"),
            text: shader.text(),
            threads: shader.workgroup().iter().product(),
        }
    }
}

/// The shaders in which registers matter, at ELECTRA-Large's head size.
fn shaders() -> Vec<Source> {
    let mut shaders = Vec::new();
    for element in [Element::F32, Element::F16] {
        let mut tilings = vec![1, 2]
            .into_iter()
            .map(|quarters| MatmulTiling::Tiled { quarters })
            .collect::<Vec<_>>();
        if element == Element::F16 {
            for (grid, tiles, depth) in [
                ([2, 2], [4, 4], 32),
                ([2, 2], [4, 4], 16),
                ([2, 4], [4, 2], 32),
                ([2, 4], [4, 4], 32),
                ([2, 2], [2, 2], 32),
            ] {
                for (subgroup, ahead, turned) in [
                    (32, false, false),
                    (32, true, false),
                    (64, false, false),
                    (64, true, false),
                    (64, false, true),
                    (64, true, true),
                ] {
                    tilings.push(MatmulTiling::Cooperative(CooperativeTiling {
                        size: 16,
                        grid,
                        tiles,
                        depth,
                        subgroup,
                        ahead,
                        turned,
                        vectors: true,
                    }));
                }
            }
            tilings.retain(|tiling| tiling.is_even());
        }
        for tiling in tilings {
            for (orientation, result, epilogue) in [
                (Orientation::Plain, element, Epilogue::Bias),
                (Orientation::Plain, element, Epilogue::Gelu { kept: true }),
                (
                    Orientation::Plain,
                    element,
                    Epilogue::Residual { masked: true },
                ),
                (Orientation::RightTransposed, element, Epilogue::Onto),
                (
                    Orientation::RightTransposed,
                    element,
                    Epilogue::GeluGradient,
                ),
                (
                    Orientation::LeftTransposed,
                    Element::F32,
                    Epilogue::ColumnSums,
                ),
            ] {
                let matmul = Matmul {
                    products: Products::One,
                    orientation,
                    operand: element,
                    result,
                    epilogue,
                };
                shaders.push(Source::of(MatmulShader { matmul, tiling }));
            }
        }
        for pass in AttentionPass::ALL {
            let config = AttentionConfig {
                quarters: 16,
                element,
                masked: true,
            };
            shaders.push(Source::of(AttentionShader { pass, config }));
        }
    }
    for (subgroup, masked) in [(32, false), (32, true), (64, false), (64, true)] {
        for pass in CooperativePass::ALL {
            let config = CooperativeConfig {
                size: 16,
                head: 64,
                block: 32,
                subgroup,
                vectors: true,
            };
            shaders.push(Source::of(CooperativeShader {
                pass,
                config,
                masked,
            }));
        }
    }
    shaders
}

/// Compiled as by wgpu, without checks.
fn spirv(wgsl: &str) -> Result<(Vec<u32>, u32)> {
    let module = wgsl::parse_str(wgsl)?;
    let capabilities =
        Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX;
    let info = Validator::new(ValidationFlags::all(), capabilities).validate(&module)?;
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = spv::Options {
        lang_version: (1, 6),
        flags: spv::WriterFlags::empty(),
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        force_loop_bounding: false,
        ..Default::default()
    };
    let words = spv::write_vec(&module, &info, &options, None)?;
    let bindings: BTreeSet<u32> = module
        .global_variables
        .iter()
        .filter_map(|(_, variable)| Some(variable.binding?.binding))
        .collect();
    Ok((words, bindings.last().map_or(0, |last| last + 1)))
}

struct Device {
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
}

impl Device {
    fn open(instance: &ash::Instance, physical: vk::PhysicalDevice) -> Result<Self> {
        let extensions = unsafe { instance.enumerate_device_extension_properties(physical) }?;
        let offered = |name: &CStr| {
            extensions
                .iter()
                .any(|e| text(&e.extension_name) == name.to_string_lossy())
        };
        anyhow::ensure!(
            offered(khr::pipeline_executable_properties::NAME),
            "the driver tells nothing of its pipelines"
        );
        let matrices = offered(khr::cooperative_matrix::NAME);
        let mut names = vec![khr::pipeline_executable_properties::NAME.as_ptr()];
        if matrices {
            names.push(khr::cooperative_matrix::NAME.as_ptr());
        }
        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let mut features_11 =
            vk::PhysicalDeviceVulkan11Features::default().storage_buffer16_bit_access(true);
        let mut features_12 = vk::PhysicalDeviceVulkan12Features::default()
            .shader_float16(true)
            .vulkan_memory_model(true);
        let mut features_13 =
            vk::PhysicalDeviceVulkan13Features::default().subgroup_size_control(true);
        let mut cooperative =
            vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
        let mut executables = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default()
            .pipeline_executable_info(true);
        let mut create = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queues)
            .enabled_extension_names(&names)
            .push_next(&mut features_11)
            .push_next(&mut features_12)
            .push_next(&mut features_13)
            .push_next(&mut executables);
        if matrices {
            create = create.push_next(&mut cooperative);
        }
        let device = unsafe { instance.create_device(physical, &create, None) }?;
        Ok(Self {
            executables: khr::pipeline_executable_properties::Device::new(instance, &device),
            device,
        })
    }

    /// The driver's statistics of the pipeline, under its own names.
    fn statistics(&self, wgsl: &str) -> Result<Map<String, serde_json::Value>> {
        let (words, bindings) = spirv(wgsl)?;
        let bindings: Vec<_> = (0..bindings)
            .map(|binding| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        let device = &self.device;
        unsafe {
            let set = device.create_descriptor_set_layout(
                &vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings),
                None,
            )?;
            let layout = device.create_pipeline_layout(
                &vk::PipelineLayoutCreateInfo::default().set_layouts(&[set]),
                None,
            )?;
            let module = device
                .create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&words), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .flags(vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE)
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let create = vk::ComputePipelineCreateInfo::default()
                .flags(vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR)
                .stage(stage)
                .layout(layout);
            let pipeline = device
                .create_compute_pipelines(vk::PipelineCache::null(), &[create], None)
                .map_err(|(_, error)| error)?[0];
            let mut statistics = Map::new();
            let executables = self.executables.get_pipeline_executable_properties(
                &vk::PipelineInfoKHR::default().pipeline(pipeline),
            )?;
            for (index, executable) in executables.iter().enumerate() {
                statistics.insert("subgroup".into(), executable.subgroup_size.into());
                let info = vk::PipelineExecutableInfoKHR::default()
                    .pipeline(pipeline)
                    .executable_index(index as u32);
                for statistic in self.executables.get_pipeline_executable_statistics(&info)? {
                    use vk::PipelineExecutableStatisticFormatKHR as Format;
                    let value = match statistic.format {
                        Format::BOOL32 => (statistic.value.b32 != 0).into(),
                        Format::INT64 => statistic.value.i64.into(),
                        Format::UINT64 => statistic.value.u64.into(),
                        _ => statistic.value.f64.into(),
                    };
                    statistics.insert(text(&statistic.name), value);
                }
            }
            device.destroy_pipeline(pipeline, None);
            device.destroy_shader_module(module, None);
            device.destroy_pipeline_layout(layout, None);
            device.destroy_descriptor_set_layout(set, None);
            Ok(statistics)
        }
    }
}

/// A C string from an array of its characters.
fn text(characters: &[std::ffi::c_char]) -> String {
    characters
        .iter()
        .take_while(|&&character| character != 0)
        .map(|&character| character as u8 as char)
        .collect()
}

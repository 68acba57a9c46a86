//! Every shader, as it is launched, compiles for Vulkan, Metal and DirectX 12.

use std::{collections::BTreeSet, path::Path};

use electra::kernels::shader::{AttentionForm, AttentionPass, Shader};
use naga::{
    back::{hlsl, msl, spv},
    front::wgsl,
    valid::{Capabilities, ValidationFlags, Validator},
};

fn shaders() -> Vec<Shader> {
    let mut shaders = vec![Shader::Adam, Shader::Dropout];
    for quarters in [1, 8, 16, 32] {
        for masked in [false, true] {
            for pass in [
                AttentionPass::Forward,
                AttentionPass::QueryGradient,
                AttentionPass::KeyGradient,
                AttentionPass::ValueGradient,
            ] {
                let form = AttentionForm { quarters, masked };
                shaders.push(Shader::Attention(pass, form));
            }
        }
    }
    shaders
}

#[test]
fn every_shader_compiles_for_every_api() {
    for shader in shaders() {
        let text = shader.text();
        let module = wgsl::parse_str(&text)
            .unwrap_or_else(|e| panic!("{shader:?}: {}", e.emit_to_string(&text)));
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty())
            .validate(&module)
            .unwrap_or_else(|e| panic!("{shader:?}: {}", e.emit_to_string(&text)));
        let words = spv::write_vec(&module, &info, &spv::Options::default(), None).unwrap();
        assert!(words.len() > 100, "{shader:?}");
        let (metal, _) = msl::write_string(
            &module,
            &info,
            &msl::Options {
                lang_version: (2, 0),
                ..Default::default()
            },
            &msl::PipelineOptions::default(),
        )
        .unwrap_or_else(|e| panic!("{shader:?}: {e}"));
        assert!(metal.contains("kernel void"), "{shader:?}");
        let mut direct = String::new();
        let options = hlsl::Options::default();
        hlsl::Writer::new(&mut direct, &options, &hlsl::PipelineOptions::default())
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{shader:?}: {e}"));
        assert!(direct.contains("numthreads"), "{shader:?}");
    }
}

#[test]
fn what_a_workgroup_shares_fits_every_device() {
    for shader in shaders() {
        let module = wgsl::parse_str(&shader.text()).unwrap();
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let bytes: u32 = module
            .global_variables
            .iter()
            .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
            .map(|(_, variable)| layouter[variable.ty].size)
            .sum();
        // WebGPU's least limit.
        assert!(bytes <= 16_384, "{shader:?}: {bytes}");
        let threads: u32 = module.entry_points[0].workgroup_size.iter().product();
        assert!(threads <= 256, "{shader:?}: {threads}");
    }
}

#[test]
fn every_file_is_part_of_a_shader() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let texts: Vec<String> = shaders().into_iter().map(Shader::text).collect();
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let opening = text.lines().next().unwrap().to_owned();
        assert!(
            texts.iter().any(|text| text.contains(&opening)),
            "{}: no shader holds it",
            path.display()
        );
        files.insert(path);
    }
    assert_eq!(files.len(), 8);
}

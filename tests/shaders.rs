//! Every shader, as it is launched, compiles for Vulkan, Metal and DirectX 12.

use std::{collections::BTreeSet, path::Path};

use electra::kernels::{
    head_shader::{Direction, HeadShader, LogitForm},
    shader::{
        AttentionForm, AttentionPass, Element, GeluPass, NormPass, Orientation, Product,
        ProductForm, Shader,
    },
};
use naga::{
    back::{hlsl, msl, spv},
    front::wgsl,
    valid::{Capabilities, ValidationFlags, Validator},
};

fn shaders() -> Vec<Shader> {
    let mut shaders = vec![Shader::Adam, Shader::SquareSum];
    for element in [Element::F32, Element::F16] {
        shaders.extend([
            Shader::Dropout(element),
            Shader::Gelu(GeluPass::Forward, element),
            Shader::Gelu(GeluPass::Backward, element),
            Shader::Norm(NormPass::Forward, element, false),
            Shader::Norm(NormPass::Forward, element, true),
            Shader::Norm(NormPass::Backward, element, false),
            Shader::Norm(NormPass::Parameters, element, false),
        ]);
        for (quarters, masked) in [1, 8, 16, 32]
            .into_iter()
            .flat_map(|q| [(q, false), (q, true)])
        {
            for pass in [
                AttentionPass::Forward,
                AttentionPass::QueryGradient,
                AttentionPass::KeyGradient,
                AttentionPass::ValueGradient,
            ] {
                let form = AttentionForm {
                    quarters,
                    element,
                    masked,
                };
                shaders.push(Shader::Attention(pass, form));
            }
        }
        for quarters in [1, 2] {
            shaders.extend(
                products(element).map(|p| Shader::Product(p, ProductForm::Tiled { quarters })),
            );
        }
    }
    shaders.extend(heads().into_iter().map(Shader::Head));
    shaders
}

/// Those of the question-answering head.
fn heads() -> Vec<HeadShader> {
    let mut shaders = Vec::new();
    for direction in [Direction::Forward, Direction::Backward] {
        shaders.push(HeadShader::SpanLoss(direction));
        for element in [Element::F32, Element::F16] {
            shaders.push(HeadShader::Summary(direction, element));
            let most = match direction {
                Direction::Forward => LogitForm::MOST_RANKS,
                Direction::Backward => 1,
            };
            let given = (1..=most).map(Some);
            shaders.extend(
                [None]
                    .into_iter()
                    .chain(given)
                    .map(|ranks| HeadShader::TokenLogits(direction, LogitForm { element, ranks })),
            );
        }
    }
    shaders
}

/// What a dense layer and its gradients ask for.
fn products(operand: Element) -> [Product; 3] {
    [
        (Orientation::Plain, operand, true),
        (Orientation::RightTransposed, operand, false),
        (Orientation::LeftTransposed, Element::F32, false),
    ]
    .map(|(orientation, result, biased)| Product {
        orientation,
        operand,
        result,
        biased,
    })
}

/// Those on matrix units, which DirectX 12 does not reach.
fn cooperative() -> Vec<Shader> {
    let mut shaders = Vec::new();
    for (size, tiles, depth, subgroup) in [(16, 4, 16, 32), (16, 2, 16, 64), (8, 4, 16, 8)] {
        let form = ProductForm::Cooperative {
            size,
            tiles,
            depth,
            subgroup,
        };
        shaders.extend(products(Element::F16).map(|product| Shader::Product(product, form)));
    }
    shaders
}

#[test]
fn every_shader_compiles_for_every_api() {
    let capabilities =
        Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX;
    for (shader, everywhere) in shaders()
        .into_iter()
        .map(|shader| (shader, true))
        .chain(cooperative().into_iter().map(|shader| (shader, false)))
    {
        let text = shader.text();
        let module = wgsl::parse_str(&text)
            .unwrap_or_else(|e| panic!("{shader:?}: {}", e.emit_to_string(&text)));
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{shader:?}: {}", e.emit_to_string(&text)));
        let words = spv::write_vec(
            &module,
            &info,
            &spv::Options {
                lang_version: (1, 3),
                ..Default::default()
            },
            None,
        )
        .unwrap_or_else(|e| panic!("{shader:?}: {e}"));
        assert!(words.len() > 100, "{shader:?}");
        let (metal, _) = msl::write_string(
            &module,
            &info,
            &msl::Options {
                lang_version: (2, 3),
                ..Default::default()
            },
            &msl::PipelineOptions::default(),
        )
        .unwrap_or_else(|e| panic!("{shader:?}: {e}"));
        assert!(metal.contains("kernel void"), "{shader:?}");
        if !everywhere {
            continue;
        }
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
    for shader in shaders().into_iter().chain(cooperative()) {
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
    let all = shaders().into_iter().chain(cooperative());
    let texts: Vec<String> = all.map(Shader::text).collect();
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
    assert_eq!(files.len(), 24);
}

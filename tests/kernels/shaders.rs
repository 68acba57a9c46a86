//! Every shader, as it is launched, compiles for Vulkan, Metal and DirectX 12.

use std::{collections::BTreeSet, path::Path};

use electra::kernels::{
    adam::gpu::{AdamForm, AdamKind},
    attention::config::{AttentionCooperativeForm, AttentionCooperativePass},
    group::GROUP,
    head_shader::{Direction, HeadShader, LogitForm},
    matmul::config::{Finish, Orientation, Product, ProductForm},
    shader::{AttentionForm, AttentionPass, Element, GeluPass, NormPass, Shader, Width},
    square_sum::SquareSumForm,
};
use naga::{
    back::{hlsl, msl, spv},
    front::wgsl,
    valid::{Capabilities, ValidationFlags, Validator},
};

fn shaders() -> Vec<Shader> {
    let mut shaders = Vec::new();
    for number in 1..=GROUP {
        shaders.extend(AdamKind::ALL.map(|kind| {
            Shader::Adam(AdamForm {
                parameters: number,
                kind,
            })
        }));
        shaders.extend(Width::ALL.map(|width| {
            Shader::SquareSum(SquareSumForm {
                arrays: number,
                width,
            })
        }));
    }
    for element in [Element::F32, Element::F16] {
        shaders.extend([
            Shader::Dropout(element),
            Shader::Gelu(GeluPass::Forward, element),
            Shader::Gelu(GeluPass::Backward, element),
            Shader::Norm(NormPass::Forward, element, false),
            Shader::Norm(NormPass::Backward, element, false),
            Shader::Norm(NormPass::Backward, element, true),
            Shader::Norm(NormPass::Shares, element, false),
            Shader::Norm(NormPass::Parameters, Element::F32, false),
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
fn products(operand: Element) -> impl Iterator<Item = Product> {
    let forward = [
        Finish::Bias,
        Finish::Gelu { kept: false },
        Finish::Gelu { kept: true },
        Finish::Residual { masked: false },
        Finish::Residual { masked: true },
    ];
    let backward = [Finish::Plain, Finish::GeluGradient, Finish::Onto];
    let parameters = [Finish::ColumnSums];
    let of = move |orientation, result, finish| Product {
        orientation,
        operand,
        result,
        finish,
    };
    forward
        .into_iter()
        .map(move |finish| of(Orientation::Plain, operand, finish))
        .chain(backward.map(|finish| of(Orientation::RightTransposed, operand, finish)))
        .chain(parameters.map(|finish| of(Orientation::LeftTransposed, Element::F32, finish)))
}

/// Those on matrix units of one size, which DirectX 12 does not reach.
fn cooperative(side: usize) -> Vec<Shader> {
    let mut shaders = Vec::new();
    for (size, grid, tiles, depth, subgroup, ahead) in [
        (16, [2, 2], [4, 4], 16, 32, true),
        (16, [2, 2], [2, 2], 32, 32, false),
        (16, [2, 4], [4, 4], 32, 32, true),
        (16, [2, 2], [4, 4], 32, 64, false),
        (8, [2, 2], [4, 4], 32, 8, true),
    ] {
        if size != side {
            continue;
        }
        let form = ProductForm::Cooperative {
            size,
            grid,
            tiles,
            depth,
            subgroup,
            ahead,
        };
        assert!(form.is_even(), "{form}");
        shaders.extend(products(Element::F16).map(|product| Shader::Product(product, form)));
    }
    for form in attention_forms().into_iter().filter(|f| f.size == side) {
        for (pass, masked) in AttentionCooperativePass::ALL
            .into_iter()
            .flat_map(|pass| [(pass, false), (pass, true)])
        {
            shaders.push(Shader::AttentionCooperative(pass, form, masked));
        }
    }
    shaders
}

fn on_matrix_units() -> impl Iterator<Item = Shader> {
    cooperative(8).into_iter().chain(cooperative(16))
}

/// For matrices and subgroups of NVIDIA, AMD, Apple and lavapipe.
fn attention_forms() -> Vec<AttentionCooperativeForm> {
    let mut forms = Vec::new();
    for (size, block, subgroup) in [
        (16, 32, 32),
        (16, 32, 64),
        (8, 16, 32),
        (8, 32, 32),
        (8, 16, 8),
        (8, 32, 8),
    ] {
        for head in [16, 32, 64, 128] {
            forms.push(AttentionCooperativeForm {
                size,
                head,
                block,
                subgroup,
            });
        }
    }
    forms
}

#[test]
fn every_shader_compiles_for_every_api() {
    let capabilities =
        Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX;
    for (shader, everywhere) in shaders()
        .into_iter()
        .map(|shader| (shader, true))
        .chain(on_matrix_units().map(|shader| (shader, false)))
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
    // WebGPU's least limits; and what devices with matrix units offer: Apple's 32 KiB with 8 × 8,
    // others' 48 KiB and more with 16 × 16.
    for (shaders, most_bytes, most_threads) in [
        (shaders(), 16 << 10, 256),
        (cooperative(8), 32 << 10, 256),
        (cooperative(16), 48 << 10, 256),
    ] {
        assert!(!shaders.is_empty());
        for shader in shaders {
            let module = wgsl::parse_str(&shader.text()).unwrap();
            let mut layouter = naga::proc::Layouter::default();
            layouter.update(module.to_ctx()).unwrap();
            let bytes: u32 = module
                .global_variables
                .iter()
                .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
                .map(|(_, variable)| layouter[variable.ty].size)
                .sum();
            assert!(bytes <= most_bytes, "{shader:?}: {bytes}");
            match shader {
                Shader::Product(_, form) => {
                    assert_eq!(bytes as usize, form.workgroup_bytes(), "{shader:?}");
                }
                Shader::AttentionCooperative(_, form, _) => {
                    assert!(bytes as usize <= form.workgroup_bytes(), "{shader:?}");
                    // Small blocks fit the least limit, too.
                    let small = form.head <= 64 && form.block == 16;
                    assert!(!small || bytes <= 16 << 10, "{shader:?}: {bytes}");
                }
                _ => {}
            }
            let threads: u32 = module.entry_points[0].workgroup_size.iter().product();
            assert!(threads <= most_threads, "{shader:?}: {threads}");
        }
    }
}

#[test]
fn every_file_is_part_of_a_shader() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let all = shaders().into_iter().chain(on_matrix_units());
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
    assert_eq!(files.len(), 33);
}

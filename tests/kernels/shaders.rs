//! Every shader, as it is launched, compiles for Vulkan, Metal and DirectX 12.

use std::{
    collections::{BTreeSet, HashMap},
    path::Path,
};

use electra::kernels::{
    adam::gpu::AdamConfig,
    attention::{
        self,
        config::{AttentionPass, AttentionShader, CooperativePass, CooperativeShader},
    },
    clip::ClipConfig,
    dropout::DropoutConfig,
    embedding::EmbeddingSumConfig,
    gelu::GeluConfig,
    layer_norm::{
        config::{NormConfig, NormPass},
        shares::NormSumConfig,
    },
    lookup::LookupConfig,
    matmul::config::{MatmulShader, MatmulTiling, Products},
    question_loss::QuestionLossConfig,
    rows::RowsConfig,
    shader::{Direction, Shader},
    span_loss::SpanLossConfig,
    square_sum::SquareSumConfig,
    summary::{SummaryBackward, SummaryForward},
    token_logits::config::LogitShader,
};
use naga::{
    Module,
    back::{hlsl, msl, spv},
    front::wgsl,
    valid::{Capabilities, ValidationFlags, Validator},
};

/// A shader as it is launched.
pub struct Source {
    /// What it is.
    pub name: String,
    pub text: String,
    workgroup: [u32; 2],
}

impl Source {
    fn all<S: Shader>() -> impl Iterator<Item = Self> {
        S::all().into_iter().map(|shader| Self {
            name: format!("{shader:?}"),
            text: shader.text(),
            workgroup: shader.workgroup(),
        })
    }

    fn module(&self) -> Module {
        let Self { name, text, .. } = self;
        wgsl::parse_str(text).unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(text)))
    }

    /// Rows and columns of its cooperative matrices, which DirectX 12 does not reach.
    fn cooperative(&self) -> Option<usize> {
        [8, 16]
            .into_iter()
            .find(|side| self.text.contains(&format!("coop_mat{side}x{side}<")))
    }
}

/// Those of every operation.
pub fn shaders() -> Vec<Source> {
    Source::all::<AdamConfig>()
        .chain(Source::all::<SquareSumConfig>())
        .chain(Source::all::<ClipConfig>())
        .chain(Source::all::<DropoutConfig>())
        .chain(Source::all::<EmbeddingSumConfig>())
        .chain(Source::all::<GeluConfig>())
        .chain(Source::all::<NormConfig>())
        .chain(Source::all::<NormSumConfig>())
        .chain(Source::all::<LookupConfig>())
        .chain(Source::all::<AttentionShader>())
        .chain(Source::all::<CooperativeShader>())
        .chain(Source::all::<MatmulShader>())
        .chain(Source::all::<QuestionLossConfig>())
        .chain(Source::all::<RowsConfig>())
        .chain(Source::all::<SpanLossConfig>())
        .chain(Source::all::<SummaryForward>())
        .chain(Source::all::<SummaryBackward>())
        .chain(Source::all::<LogitShader>())
        .collect()
}

/// Bytes that a workgroup shares.
fn workgroup_bytes(module: &Module) -> usize {
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let bytes: u32 = module
        .global_variables
        .iter()
        .filter(|(_, variable)| variable.space == naga::AddressSpace::WorkGroup)
        .map(|(_, variable)| layouter[variable.ty].size)
        .sum();
    bytes as usize
}

#[test]
fn every_shader_compiles_for_every_api() {
    let capabilities =
        Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX;
    let shaders = shaders();
    assert_eq!(shaders.len(), 481);
    for shader in shaders {
        let (name, module) = (&shader.name, shader.module());
        let info = Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&shader.text)));
        let words = spv::write_vec(
            &module,
            &info,
            &spv::Options {
                lang_version: (1, 3),
                ..Default::default()
            },
            None,
        )
        .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(words.len() > 100, "{name}");
        let (metal, _) = msl::write_string(
            &module,
            &info,
            &msl::Options {
                lang_version: (2, 3),
                ..Default::default()
            },
            &msl::PipelineOptions::default(),
        )
        .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(metal.contains("kernel void"), "{name}");
        if shader.cooperative().is_some() {
            continue;
        }
        let mut direct = String::new();
        let options = hlsl::Options::default();
        hlsl::Writer::new(&mut direct, &options, &hlsl::PipelineOptions::default())
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(direct.contains("numthreads"), "{name}");
    }
}

#[test]
fn what_a_workgroup_shares_fits_every_device() {
    let mut sides = BTreeSet::new();
    for shader in shaders() {
        // WebGPU's least limits; and what devices with cooperative matrices offer: Apple's 32 KiB
        // with 8 × 8, others' 48 KiB and more with 16 × 16.
        let (most_bytes, most_threads) = match shader.cooperative() {
            None => (16 << 10, 256),
            Some(8) => (32 << 10, 256),
            Some(_) => (48 << 10, 256),
        };
        sides.insert(shader.cooperative());
        let (name, module) = (&shader.name, shader.module());
        let bytes = workgroup_bytes(&module);
        assert!(bytes <= most_bytes, "{name}: {bytes}");
        let [wide, high, deep] = module.entry_points[0].workgroup_size;
        assert_eq!(([wide, high], deep), (shader.workgroup, 1), "{name}");
        let threads = wide * high;
        assert!(threads <= most_threads, "{name}: {threads}");
    }
    assert_eq!(sides, BTreeSet::from([None, Some(8), Some(16)]));
}

#[test]
fn configurations_know_what_a_workgroup_shares() {
    // An operand that lies across the depth may need more than one that lies along it.
    let mut most: HashMap<MatmulTiling, usize> = HashMap::new();
    for shader in MatmulShader::all() {
        let bytes = workgroup_bytes(&wgsl::parse_str(&shader.text()).unwrap());
        let most = most.entry(shader.tiling).or_default();
        *most = bytes.max(*most);
        if let MatmulTiling::Cooperative { .. } = shader.tiling {
            assert!(shader.tiling.is_even(), "{shader:?}");
        }
    }
    for (tiling, bytes) in most {
        assert_eq!(bytes, tiling.workgroup_bytes(), "{tiling:?}");
    }
    for shader in CooperativeShader::all() {
        let (config, module) = (shader.config, wgsl::parse_str(&shader.text()).unwrap());
        let bytes = workgroup_bytes(&module);
        assert!(bytes <= config.workgroup_bytes(), "{shader:?}");
        // Small blocks fit the least limit, too.
        let small = config.head <= 64 && config.block == 16;
        assert!(!small || bytes <= 16 << 10, "{shader:?}: {bytes}");
    }
}

#[test]
fn parameters_are_read_only_and_bound_last() {
    for shader in shaders() {
        let (name, module) = (&shader.name, shader.module());
        let mut bound: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| Some((variable.binding?.binding, variable)))
            .collect();
        bound.sort_unstable_by_key(|(place, _)| *place);
        let places: Vec<u32> = bound.iter().map(|(place, _)| *place).collect();
        let in_order: Vec<u32> = (0..places.len() as u32).collect();
        assert_eq!(places, in_order, "{name}");
        let (_, params) = bound.pop().unwrap();
        assert_eq!(params.name.as_deref(), Some("params"), "{name}");
        let storage = |access| naga::AddressSpace::Storage { access };
        let read_only = naga::StorageAccess::LOAD;
        assert_eq!(params.space, storage(read_only), "{name}");
        // Arrays share the runtime's buffers, which a launch binds in one way only.
        let read_write = read_only | naga::StorageAccess::STORE;
        for (_, array) in bound {
            assert_eq!(array.space, storage(read_write), "{name}: {array:?}");
        }
    }
}

#[test]
fn what_a_shader_binds_fits_every_device_or_is_reckoned_with() {
    // WebGPU's least limit, less the parameters.
    const LEAST: usize = 7;
    let arrays = |text: &str| text.matches("@binding(").count() - 1;
    let mut most = [0; 2];
    let of_attention = AttentionShader::all()
        .into_iter()
        .map(|shader| (shader.pass == AttentionPass::Forward, shader.text()))
        .chain(
            CooperativeShader::all()
                .into_iter()
                .map(|shader| (shader.pass == CooperativePass::Forward, shader.text())),
        );
    let mut texts = BTreeSet::new();
    for (forward, text) in of_attention {
        let direction = usize::from(!forward);
        most[direction] = most[direction].max(arrays(&text));
        texts.insert(text);
    }
    assert_eq!(most, Direction::ALL.map(attention::config::arrays));
    // Without what was dropped from it is least.
    let of_norms: Vec<String> = Source::all::<NormConfig>()
        .map(|shader| shader.text)
        .collect();
    let most_of_norms = of_norms.iter().map(|text| arrays(text)).max();
    assert_eq!(most_of_norms, Some(NormPass::ARRAYS));
    let masked = of_norms
        .into_iter()
        .filter(|text| arrays(text) == NormPass::ARRAYS);
    texts.extend(masked);
    // Those of several parameters take as many as the device binds.
    texts.extend(
        Source::all::<AdamConfig>()
            .chain(Source::all::<SquareSumConfig>())
            .chain(Source::all::<NormSumConfig>())
            .map(|shader| shader.text),
    );
    let mut most_of_products = [Products::One, Products::Beside, Products::Summed]
        .map(|products| (products, 0))
        .to_vec();
    for shader in MatmulShader::all() {
        let text = shader.text();
        for (products, most) in &mut most_of_products {
            if *products == shader.matmul.products {
                *most = arrays(&text).max(*most);
            }
        }
        if shader.matmul.products != Products::One {
            texts.insert(text);
        }
    }
    for (products, most) in most_of_products {
        assert_eq!(most, products.arrays(), "{products:?}");
    }
    for shader in shaders() {
        if !texts.contains(&shader.text) {
            let arrays = arrays(&shader.text);
            assert!(arrays <= LEAST, "{}: {arrays}", shader.name);
        }
    }
}

#[test]
fn parameters_are_words_side_by_side() {
    for shader in shaders() {
        let (name, module) = (&shader.name, shader.module());
        let mut layouter = naga::proc::Layouter::default();
        layouter.update(module.to_ctx()).unwrap();
        let (_, params) = module
            .global_variables
            .iter()
            .find(|(_, variable)| variable.name.as_deref() == Some("params"))
            .unwrap();
        let mut types = vec![params.ty];
        while let Some(ty) = types.pop() {
            assert_eq!(
                layouter[ty].alignment,
                naga::proc::Alignment::FOUR,
                "{name}"
            );
            match &module.types[ty].inner {
                naga::TypeInner::Struct { members, .. } => {
                    let mut end = 0;
                    for member in members {
                        assert_eq!(member.offset, end, "{name}: {member:?}");
                        end += layouter[member.ty].size;
                        types.push(member.ty);
                    }
                }
                naga::TypeInner::Array { base, stride, .. } => {
                    assert_eq!(*stride, layouter[*base].size, "{name}");
                    types.push(*base);
                }
                naga::TypeInner::Scalar(scalar) => assert_eq!(scalar.width, 4, "{name}"),
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn every_file_is_part_of_a_shader() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let texts: Vec<String> = shaders().into_iter().map(|shader| shader.text).collect();
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines();
        let opening = lines.find(|line| !line.is_empty()).unwrap().to_owned();
        assert!(
            texts.iter().any(|text| text.contains(&opening)),
            "{}: no shader holds it",
            path.display()
        );
        files.insert(path);
    }
    assert_eq!(files.len(), 49);
}

/// For compilers that are not written in Rust: `tests/shader-checks/run tint`.
#[test]
#[ignore = "writes files: tests/shader-checks/run"]
fn write_every_shader() {
    let folder = std::env::var_os("SHADER_FOLDER").expect("SHADER_FOLDER, where to write");
    let all = shaders()
        .into_iter()
        .map(|shader| (shader.name, shader.text));
    // Those that a device could get are more.
    let forms = super::forms::forms().into_iter();
    let mut texts = BTreeSet::new();
    for (name, text) in all.chain(forms.map(|form| (form.name, form.text))) {
        if texts.insert(text.clone()) {
            let file = Path::new(&folder).join(format!("{:03}.wgsl", texts.len()));
            std::fs::write(file, format!("// {name}\n{text}")).unwrap();
        }
    }
}

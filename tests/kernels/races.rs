//! Every form that shares memory, run under the race detector of Khronos' validation layers, which
//! instruments a shader and reports accesses to workgroup memory that no barrier orders.

use std::{collections::BTreeMap, env, fs, path::PathBuf, time::Instant};

use burn::{
    Tensor,
    backend::wgpu::{CubeBackend, CubeDim, KernelSource, SourceKernel, SourceTemplate},
    tensor::Device,
};
use cubecl::{
    client::Client,
    ir::attributes::BufferIOAttr,
    prelude::{CubeCount, KernelId},
    server::{Handle, KernelArguments, MetadataBindingInfo},
};
use electra::{
    device::{DeviceRequest, choose},
    kernels::group::GROUP,
};
use naga::{AddressSpace, TypeInner, front::wgsl};

use super::forms::{ARRAY_BYTES, Form, asked, forms, small_products};

/// Arrays that any form binds: Adam's weights, moments, f16 copies and gradients, and the clip factor.
const MOST_ARRAYS: usize = 4 * GROUP + 1;

/// Barriers whose lack must be reported, as (a form whose name begins so, the barrier's number): were
/// nothing instrumented, nothing would be found either.
const NEEDED: [(&str, usize); 7] = [
    ("NormConfig { pass: Forward, element: F32", 0),
    ("SummaryForward", 6),
    ("LogitShader { direction: Backward", 0),
    ("AttentionShader { pass: Forward", 0),
    (
        "MatmulShader { matmul: Matmul { products: One, orientation: Plain, operand: F32",
        0,
    ),
    (
        "MatmulShader { matmul: Matmul { products: One, orientation: Plain, operand: F16, \
         result: F16, epilogue: Bias }, tiling: Cooperative(CooperativeTiling { size: 8, \
         grid: [2, 2], tiles: [2, 2]",
        1,
    ),
    (
        "CooperativeShader { pass: Forward, config: CooperativeConfig { size: 8, head: 16",
        2,
    ),
];

/// The layers' messages, in the file that they write to.
struct Log {
    path: PathBuf,
    /// Bytes that were read.
    read: usize,
}

impl Log {
    fn open() -> Self {
        let path = env::var_os("VK_LAYER_LOG_FILENAME")
            .expect("VK_LAYER_LOG_FILENAME: run tests/shader-checks/run races");
        Self {
            path: path.into(),
            read: 0,
        }
    }

    /// Errors since the last call.
    fn errors(&mut self) -> Vec<String> {
        let text = fs::read(&self.path).unwrap_or_default();
        let new = String::from_utf8_lossy(&text[self.read..]).into_owned();
        self.read = text.len();
        let errors = new.lines().filter(|line| line.contains("Error"));
        errors.map(str::to_owned).collect()
    }
}

/// A device with arrays that every form can use.
struct Launcher {
    device: Device,
    client: Client,
    arrays: Vec<Handle>,
    /// Bytes that a workgroup may share.
    memory: usize,
    /// Sides of its matrices.
    sides: Vec<usize>,
}

/// A form's text as Burn launches it.
struct Source {
    text: String,
    number: usize,
}

impl KernelSource for Source {
    fn source(&self) -> SourceTemplate {
        SourceTemplate::new(self.text.clone())
    }

    fn id(&self) -> KernelId {
        KernelId::new::<Self>().info(self.number)
    }

    fn lang(&self) -> &'static str {
        "wgsl"
    }
}

impl Launcher {
    fn new() -> Self {
        let chosen = choose(DeviceRequest::Gpu).unwrap();
        let adapter = chosen.adapter.unwrap();
        let tensor = Tensor::<1>::zeros([1], &chosen.device);
        let client = tensor.try_into_primitive::<CubeBackend>().unwrap().client;
        let zeros = vec![0; ARRAY_BYTES];
        Self {
            device: chosen.device,
            arrays: (0..MOST_ARRAYS)
                .map(|_| client.create_from_slice(&zeros))
                .collect(),
            client,
            memory: adapter.max_workgroup_storage as usize,
            sides: [8, 16]
                .into_iter()
                .filter(|&side| adapter.multiplies_f16(side))
                .collect(),
        }
    }

    /// Runs a form to its end; `number` is its own.
    fn run(&self, form: &Form, number: usize) {
        // Bound after the arrays, two words by two.
        let pairs = form.params.chunks(2).map(|pair| {
            let [low, high] = [pair[0], pair.get(1).copied().unwrap_or(0)];
            u64::from(low) | u64::from(high) << 32
        });
        let info = MetadataBindingInfo::custom(pairs.collect());
        let mut arguments = KernelArguments::new().with_info(info);
        let bound = form.bound();
        for (array, name) in self.arrays.iter().zip(&bound[..bound.len() - 1]) {
            let array = match form.rows_of(name) {
                Some(words) => {
                    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
                    let bytes: Vec<u8> = bytes.collect();
                    self.client.create_from_slice(&bytes)
                }
                None => array.clone(),
            };
            arguments = arguments.with_buffer_io(array.binding(), BufferIOAttr::ReadWrite);
        }
        let [wide, high] = form.workgroup;
        let source = Source {
            text: form.text.clone(),
            number,
        };
        let kernel = SourceKernel::new(source, CubeDim::new_2d(wide, high));
        let [x, y] = form.groups;
        self.client
            .launch(Box::new(kernel), CubeCount::Static(x, y, 1), arguments);
        self.device.sync().unwrap();
    }

    /// Why the detector does not look at a form, if it does not.
    fn reason(&self, form: &Form) -> Option<&'static str> {
        let side = [8, 16]
            .into_iter()
            .find(|side| form.text.contains(&format!("coop_mat{side}x{side}<")));
        if side.is_some_and(|side| !self.sides.contains(&side)) {
            return Some("matrices that the driver does not have");
        }
        // It needs a word for each value and otherwise leaves the shader as it is, without a message.
        let (bytes, values) = shared(&form.text);
        (bytes + 4 * values > self.memory).then_some("too little memory left for the detector")
    }
}

/// Bytes that a workgroup shares, and values.
fn shared(text: &str) -> (usize, usize) {
    let module = wgsl::parse_str(text).unwrap();
    let mut layouter = naga::proc::Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let (mut bytes, mut values) = (0, 0);
    for (_, variable) in module.global_variables.iter() {
        if variable.space == AddressSpace::WorkGroup {
            let size = layouter[variable.ty].size as usize;
            let mut ty = variable.ty;
            while let TypeInner::Array { base, .. } = module.types[ty].inner {
                ty = base;
            }
            let width = match &module.types[ty].inner {
                TypeInner::Scalar(scalar) | TypeInner::Vector { scalar, .. } => scalar.width,
                _ => 4,
            };
            bytes += size;
            values += size / usize::from(width);
        }
    }
    (bytes, values)
}

#[test]
#[ignore = "needs the validation layers: tests/shader-checks/run races"]
fn no_form_races() {
    let mut log = Log::open();
    let launcher = Launcher::new();
    let all = || forms().into_iter().chain(small_products());
    let of_devices = forms().len();
    let forms: Vec<Form> = all().collect();
    log.errors();
    for (place, (name, barrier)) in NEEDED.into_iter().enumerate() {
        let form = all()
            .find(|form| form.name.starts_with(name) && launcher.reason(form).is_none())
            .unwrap_or_else(|| panic!("no form is called {name}"));
        let form = form.without_barrier(barrier);
        launcher.run(&form, forms.len() + place);
        let errors = log.errors();
        println!("{}: {} reports", form.name, errors.len());
        assert!(!errors.is_empty(), "{}: not reported", form.name);
        println!("    {}", errors[0]);
    }
    let mut table: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut failures = Vec::new();
    let asked = |(_, form): &(usize, &Form)| asked(&form.name);
    for (number, form) in forms.iter().enumerate().filter(asked) {
        let mut kind = form.name.split(' ').next().unwrap().to_owned();
        if form.text.contains("coop_mat") {
            kind += ", with matrices";
        }
        if number >= of_devices {
            kind += ", on small blocks";
        }
        let began = Instant::now();
        let result = match launcher.reason(form) {
            Some(reason) => {
                // Watched on threads, as all are: tests/shader-checks/run threads.
                let excused = form.text.contains("coop_mat") && number < of_devices;
                assert!(excused, "{}: {reason}", form.name);
                reason
            }
            None => {
                launcher.run(form, number);
                match log.errors() {
                    errors if errors.is_empty() => "no race",
                    errors => {
                        failures.push(format!("{}: {}", form.name, errors[0]));
                        "a race"
                    }
                }
            }
        };
        println!("{}: {result}, {:.1?}", form.name, began.elapsed());
        *table.entry((kind, result)).or_default() += 1;
    }
    assert!(!table.is_empty(), "no form is asked for");
    for ((kind, result), count) in &table {
        println!("{kind}: {count} forms, {result}");
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

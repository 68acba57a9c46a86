//! A shader as a program: as naga writes it for Metal, compiled as C++ against `threads.h`, which
//! `threads.cpp` runs and watches.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use naga::{
    back::msl,
    front::wgsl,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ValidationFlags, Validator},
};
use tempfile::TempDir;

use crate::forms::Form;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kernels/metal");

/// The compiler with its options.
fn compiler() -> Command {
    let mut command = Command::new(env::var("CXX").unwrap_or("g++".to_owned()));
    command.args(["-std=c++20", "-O1", "-w", "-I", FOLDER]);
    // Metal's numbers are f32; arrays of unknown length are declared with one value.
    command.args([
        "-fsingle-precision-constant",
        "-fno-aggressive-loop-optimizations",
    ]);
    command.args(["-fno-strict-aliasing", "-ffp-contract=off"]);
    command
}

/// Has every access told to the functions of ThreadSanitizer, which are ours: its library is not linked.
const WATCHED: &str = "-fsanitize=thread";

fn succeed(mut command: Command, what: &str) {
    let ran = command.output().unwrap();
    let messages = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{what}: {messages}");
}

/// Whether the compiler is there; a line says so if it is not.
pub fn can_build() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("try.cpp");
    fs::write(&source, "_Float16 x = 1;\n").unwrap();
    let built = compiler()
        .arg(WATCHED)
        .args(["-c", "-o"])
        .arg(folder.path().join("try.o"))
        .arg(&source)
        .output();
    let works = cfg!(target_os = "linux") && built.is_ok_and(|built| built.status.success());
    if !works {
        eprintln!("skipped: no g++ 12 or newer on Linux (CXX names another)");
    }
    works
}

/// What runs shaders, compiled once for all of them.
pub struct Runner {
    folder: TempDir,
}

impl Runner {
    pub fn build() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = compiler();
        command.args(["-O2", "-c", "-o"]).arg(object(&folder));
        command.arg(Path::new(FOLDER).join("threads.cpp"));
        succeed(command, "threads.cpp");
        Self { folder }
    }
}

fn object(folder: &TempDir) -> PathBuf {
    folder.path().join("threads.o")
}

/// A form's program, in a folder of its own, where the files of its arrays belong.
pub struct Program<'a> {
    form: &'a Form,
    folder: &'a Path,
}

/// What a run told.
#[derive(Debug)]
pub struct Report {
    /// Barriers that the invocations came to.
    pub reached: Vec<usize>,
    /// Races, accesses beyond an array, and barriers that not all came to.
    pub defects: usize,
    /// The first of them.
    pub first: String,
}

impl<'a> Program<'a> {
    pub fn build(form: &'a Form, runner: &Runner, folder: &'a Path) -> Self {
        fs::write(folder.join("shader.cpp"), translated(form)).unwrap();
        let mut command = compiler();
        command.current_dir(folder).arg(WATCHED);
        command.args(["-c", "shader.cpp", "-o", "shader.o"]);
        succeed(command, &form.name);
        // Without the option the library is left out.
        let mut command = compiler();
        command
            .current_dir(folder)
            .args(["-o", "shader", "shader.o"]);
        command.arg(object(&runner.folder));
        succeed(command, &form.name);
        Self { form, folder }
    }

    /// Runs it in subgroups of this size, with all its barriers or without one.
    pub fn run(&self, lanes: u32, without: Option<usize>) -> Report {
        let Self { form, folder } = self;
        let [wide, high] = form.groups;
        let mut command = Command::new("./shader");
        command
            .current_dir(folder)
            .args([lanes, wide, high].map(|number| number.to_string()))
            .args(without.map(|number| number.to_string()));
        let ran = command.output().unwrap();
        let told = String::from_utf8_lossy(&ran.stdout);
        let messages = String::from_utf8_lossy(&ran.stderr);
        let name = format!("{} in subgroups of {lanes}, without {without:?}", form.name);
        assert!(ran.status.success(), "{name}: {}, {messages}", ran.status);
        let line = |ending: &str| {
            let mut lines = told.lines();
            lines
                .find_map(|line| line.strip_suffix(ending))
                .map(str::trim)
        };
        let number = |word: &str| word.parse().unwrap();
        let reached = line("reached").unwrap_or_default();
        Report {
            reached: reached.split_whitespace().map(number).collect(),
            defects: number(line("reports").unwrap_or_else(|| panic!("{name}: {told}"))),
            first: messages.lines().next().unwrap_or_default().to_owned(),
        }
    }
}

/// The shader in C++: as naga writes it for Metal, and a call with an invocation's arguments.
fn translated(form: &Form) -> String {
    let module = wgsl::parse_str(&form.text).unwrap();
    let capabilities =
        Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX;
    let info = Validator::new(ValidationFlags::all(), capabilities)
        .validate(&module)
        .unwrap();
    let mut resources = msl::EntryPointResources {
        sizes_buffer: Some(0),
        ..Default::default()
    };
    for (_, variable) in module.global_variables.iter() {
        if let Some(binding) = variable.binding {
            let target = msl::BindTarget {
                buffer: Some(binding.binding as u8),
                mutable: true,
                ..Default::default()
            };
            resources.resources.insert(binding, target);
        }
    }
    let unchecked = BoundsCheckPolicy::Unchecked;
    // As wgpu asks for them.
    let options = msl::Options {
        lang_version: (3, 0),
        per_entry_point_map: [("main".to_owned(), resources)].into(),
        fake_missing_bindings: false,
        bounds_check_policies: BoundsCheckPolicies {
            index: unchecked,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: false,
        ..Default::default()
    };
    let (text, _) =
        msl::write_string(&module, &info, &options, &msl::PipelineOptions::default()).unwrap();
    let mut barriers = 0..;
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("#include <"))
        .map(|line| match line.trim() {
            // Each has a number, by which a run leaves it out.
            BARRIER => format!("metal::barrier({}u);\n", barriers.next().unwrap()),
            STORAGE_BARRIER => format!("metal::storage_barrier({}u);\n", barriers.next().unwrap()),
            barrier if barrier.contains("_barrier(") => panic!("{}: {barrier}", form.name),
            // Metal itself loads matrices from scalars only, and naga has them in the function's type.
            line if line.contains("NagaCooperativeLoad(const threadgroup half* ptr") => {
                format!(
                    "template <class At> {}\n",
                    line.replacen("half* ptr", "At* ptr", 1)
                )
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let (_, arguments) = text.split_once("kernel void main_(").unwrap();
    let (arguments, _) = arguments.split_once(") {").unwrap();
    let mut memories = 0;
    let arguments: Vec<String> = arguments
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| match line.split_once("[[") {
            Some((_, attribute)) => argument(attribute.trim_end().trim_end_matches("]]")),
            None => {
                memories += 1;
                format!("Shared{{{}}}", memories - 1)
            }
        })
        .collect();
    let [wide, high] = form.workgroup;
    format!(
        "#include \"threads.h\"\n{text}\n\
         const metal::uint metal::WIDE = {wide}, metal::THREADS = {}, metal::ARRAYS = {};\n\
         void metal::invoke(const Invocation& at, char* const* arrays) {{\n    main_({});\n}}\n",
        wide * high,
        form.bound().len(),
        arguments.join(", "),
    )
}

/// How naga writes the barriers of these shaders: those that order the workgroup's memory, and those that
/// order what a workgroup does to the arrays.
const BARRIER: &str = "metal::threadgroup_barrier(metal::mem_flags::mem_threadgroup);";
const STORAGE_BARRIER: &str = "metal::threadgroup_barrier(metal::mem_flags::mem_device);";

/// What an argument with this attribute is given.
fn argument(attribute: &str) -> String {
    let of_invocation = match attribute {
        "threadgroup_position_in_grid" => "group",
        "threadgroups_per_grid" => "groups",
        "thread_position_in_threadgroup" => "position",
        "thread_index_in_threadgroup" => "index",
        "simdgroups_per_threadgroup" => "subgroups",
        "simdgroup_index_in_threadgroup" => "subgroup",
        "threads_per_simdgroup" => "lanes",
        "thread_index_in_simdgroup" => "lane",
        _ => {
            let number = attribute
                .strip_prefix("buffer(")
                .and_then(|attribute| attribute.strip_suffix(')'))
                .unwrap_or_else(|| panic!("{attribute}: add it to threads.h"));
            return format!("Bound{{arrays[{number}]}}");
        }
    };
    format!("at.{of_invocation}")
}

//! A shader as a program: as naga writes it for Metal, compiled as C++ against `threads.h` and with
//! ThreadSanitizer.

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};

use naga::{
    back::msl,
    front::wgsl,
    proc::{BoundsCheckPolicies, BoundsCheckPolicy},
    valid::{Capabilities, ValidationFlags, Validator},
};

use crate::forms::Form;

/// The compiler with its options.
fn compiler() -> Command {
    let mut command = Command::new(env::var("CXX").unwrap_or("g++".to_owned()));
    command.args([
        "-std=c++20",
        "-O1",
        "-g1",
        "-w",
        "-pthread",
        "-fsanitize=thread",
    ]);
    // Metal's numbers are f32; arrays of unknown length are declared with one value.
    command.args([
        "-fsingle-precision-constant",
        "-fno-aggressive-loop-optimizations",
    ]);
    command.args(["-fno-strict-aliasing", "-ffp-contract=off"]);
    command
}

/// Whether the compiler is there; a line says so if it is not.
pub fn can_build() -> bool {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("try.cpp");
    fs::write(&source, "_Float16 x = 1; int main() { return 0; }\n").unwrap();
    let built = compiler()
        .arg(&source)
        .arg("-o")
        .arg(folder.path().join("try"))
        .output();
    let works = cfg!(target_os = "linux") && built.is_ok_and(|built| built.status.success());
    if !works {
        eprintln!("skipped: no g++ 12 or newer with ThreadSanitizer on Linux (CXX names another)");
    }
    works
}

/// Builds the form's program, `shader` in this folder.
pub fn build(form: &Form, folder: &Path) {
    let header = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kernels/metal");
    fs::write(folder.join("shader.cpp"), translated(form)).unwrap();
    let built = compiler()
        .current_dir(folder)
        .arg("-I")
        .arg(header)
        .args(["shader.cpp", "-o", "shader"])
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{}: {messages}", form.name);
}

/// Runs the program of this folder, without an error whatever it races.
pub fn run(folder: &Path, arguments: &[String]) -> Output {
    let run = |program: &str, first: &[&str]| {
        Command::new(program)
            .args(first)
            .args(arguments)
            .current_dir(folder)
            .env("TSAN_OPTIONS", "exitcode=0")
            .output()
            .unwrap()
    };
    let ran = run("./shader", &[]);
    match String::from_utf8_lossy(&ran.stderr).contains("unexpected memory mapping") {
        // Older sanitizers find no room among addresses as random as today's.
        true => run("setarch", &["-R", "./shader"]),
        false => ran,
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
    let text: String = text
        .lines()
        .filter(|line| !line.starts_with("#include <"))
        .map(|line| format!("{line}\n"))
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
                format!("Memory{{shared[{}]}}", memories - 1)
            }
        })
        .collect();
    format!(
        "#include \"threads.h\"\n{text}\nusing namespace metal;\n\
         static void invoke(const Invocation& at, char* const* buffers) {{\n    main_({});\n}}\n\
         int main(int, char** arguments) {{ return run(arguments, {}, {}, invoke); }}\n",
        arguments.join(", "),
        form.workgroup.iter().product::<u32>(),
        form.bound().len(),
    )
}

/// What an argument with this attribute is given.
fn argument(attribute: &str) -> String {
    let of_invocation = match attribute {
        "threadgroup_position_in_grid" => "group",
        "threadgroups_per_grid" => "groups",
        "thread_index_in_threadgroup" => "index",
        "simdgroups_per_threadgroup" => "subgroups",
        "simdgroup_index_in_threadgroup" => "subgroup",
        "threads_per_simdgroup" => "lanes",
        "thread_index_in_simdgroup" => "lane",
        _ => {
            let number = attribute
                .trim_start_matches("buffer(")
                .trim_end_matches(')');
            return format!("Memory{{buffers[{number}]}}");
        }
    };
    format!("at.{of_invocation}")
}

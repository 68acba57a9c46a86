//! A form with what it reads and what it should leave, in f64, run on threads.

use std::{fs, path::Path};

use electra::kernels::formats::Element;
use half::f16;

use super::program;
use crate::forms::Form;

/// Factors and results are rounded to 11 bits, half of 2⁻¹⁰ each.
const HALF: f64 = 1e-3;

/// What f32 sums of a hundred products lose.
const FULL: f64 = 2e-6;

/// Values of an array.
#[derive(Debug, Clone)]
pub enum Array {
    Half(Vec<f64>),
    Full(Vec<f64>),
}

impl Array {
    pub fn in_format(element: Element, values: Vec<f64>) -> Self {
        match element {
            Element::F16 => Self::Half(values),
            Element::F32 => Self::Full(values),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Half(values) => {
                let halves = values.iter().map(|&value| f16::from_f64(value));
                halves.flat_map(|value| value.to_le_bytes()).collect()
            }
            Self::Full(values) => {
                let floats = values.iter().map(|&value| value as f32);
                floats.flat_map(|value| value.to_le_bytes()).collect()
            }
        }
    }

    fn read(&self, bytes: &[u8]) -> Vec<f64> {
        match self {
            Self::Half(_) => bytes
                .chunks_exact(2)
                .map(|bytes| f16::from_le_bytes([bytes[0], bytes[1]]).to_f64())
                .collect(),
            Self::Full(_) => bytes
                .chunks_exact(4)
                .map(|bytes| f64::from(f32::from_le_bytes(bytes.try_into().unwrap())))
                .collect(),
        }
    }
}

/// An array of a problem.
pub enum Binding {
    Read(Array),
    /// Before and after.
    Written(Array, Vec<f64>),
}

impl Binding {
    /// An array that holds no numbers before it is written.
    pub fn fresh(element: Element, after: Vec<f64>) -> Self {
        Self::Written(
            Array::in_format(element, vec![f64::NAN; after.len()]),
            after,
        )
    }
}

/// A form with inputs and results.
pub struct Case {
    pub form: Form,
    /// By their names in the shader.
    pub bindings: Vec<(String, Binding)>,
    /// Subgroups that it runs in.
    pub lanes: Vec<u32>,
}

/// What came of a run.
#[derive(Debug, Default)]
pub struct Outcome {
    pub races: usize,
    /// Results that are not those of the sums in f64.
    pub wrong: Vec<String>,
}

impl Case {
    /// Compiles the form and runs it in subgroups of each size.
    pub fn run(&self) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        program::build(&self.form, folder.path());
        let mut outcome = Outcome::default();
        for &lanes in &self.lanes {
            self.run_in(folder.path(), lanes, &mut outcome);
        }
        outcome
    }

    fn run_in(&self, folder: &Path, lanes: u32, outcome: &mut Outcome) {
        let file = |number: usize| folder.join(number.to_string());
        let of_words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        let bound = self.form.bound();
        for (number, name) in bound.iter().enumerate() {
            let bytes = match (name.as_str(), self.form.rows_of(name)) {
                ("params", _) => of_words(&self.form.params),
                (_, Some(words)) => of_words(words),
                _ => match self.binding(name) {
                    Binding::Read(array) | Binding::Written(array, _) => array.bytes(),
                },
            };
            fs::write(file(number), bytes).unwrap();
        }
        let [wide, high] = self.form.groups;
        let arguments = [lanes, wide, high].map(|number| number.to_string());
        let ran = program::run(folder, &arguments);
        let messages = String::from_utf8_lossy(&ran.stderr);
        let name = format!("{} in subgroups of {lanes}", self.form.name);
        assert!(ran.status.success(), "{name}: {messages}");
        outcome.races += messages.matches("ThreadSanitizer: data race").count();
        for (name_of, binding) in &self.bindings {
            if let Binding::Written(array, exact) = binding {
                let number = bound.iter().position(|bound| bound == name_of).unwrap();
                let ours = array.read(&fs::read(file(number)).unwrap());
                let tolerance = match array {
                    Array::Half(_) => HALF,
                    Array::Full(_) => self.full_tolerance(),
                };
                if let Some(place) = wrong(&ours, exact, tolerance) {
                    let (ours, exact) = (ours[place], exact[place]);
                    outcome.wrong.push(format!(
                        "{name}: {name_of}, {place}: {ours} instead of {exact}"
                    ));
                }
            }
        }
    }

    /// What lies in an array of this name.
    fn binding(&self, name: &str) -> &Binding {
        let mut bindings = self.bindings.iter();
        let (_, binding) = bindings
            .find(|(of, _)| of == name)
            .unwrap_or_else(|| panic!("{}: nothing is in {name}", self.form.name));
        binding
    }

    /// Attention leaves Σ p · dp in f32 too, of a result that was rounded.
    fn full_tolerance(&self) -> f64 {
        match self.form.name.contains("pass: QueryGradient") {
            true => HALF,
            false => FULL,
        }
    }
}

/// The first value that is off by more than the tolerance, of the greatest.
fn wrong(ours: &[f64], exact: &[f64], tolerance: f64) -> Option<usize> {
    assert_eq!(ours.len(), exact.len());
    let scale = exact.iter().fold(0.0_f64, |a, b| a.max(b.abs()));
    let mut pairs = ours.iter().zip(exact);
    pairs.position(|(ours, exact)| {
        let off = (ours - exact).abs();
        off.is_nan() || off > tolerance * scale
    })
}

//! A form with what it reads and what it should leave, in f64, run on threads.

use std::{collections::BTreeSet, fs, path::Path};

use electra::kernels::formats::Element;
use half::f16;

use super::program::{Program, Runner};
use crate::forms::{ARRAY_BYTES, Form};

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
    /// By their names in the shader. Without any, every array holds zeros and no result is looked at.
    pub bindings: Vec<(String, Binding)>,
    /// Subgroups that it runs in.
    pub lanes: Vec<u32>,
}

/// What came of a form's runs.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Races, accesses beyond an array, and barriers that not all threads came to.
    pub defects: Vec<String>,
    /// Results that are not those of the sums in f64.
    pub wrong: Vec<String>,
    /// Barriers without which the first is reported, each with that report.
    pub needed: Vec<(usize, String)>,
    /// Barriers without which nothing is.
    pub unneeded: Vec<usize>,
}

impl Case {
    /// Compiles the form and runs it in subgroups of each size, with all its barriers and without each.
    pub fn run(&self, runner: &Runner) -> Outcome {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let program = Program::build(&self.form, runner, folder);
        let mut outcome = Outcome::default();
        let mut reached = BTreeSet::new();
        for &lanes in &self.lanes {
            self.write_arrays(folder);
            let report = program.run(lanes, None);
            let name = format!("{} in subgroups of {lanes}", self.form.name);
            if report.defects > 0 {
                let more = format!("{name}: {} reports: {}", report.defects, report.first);
                outcome.defects.push(more);
            }
            reached.extend(report.reached);
            self.compare(folder, &name, &mut outcome);
        }
        self.write_arrays(folder);
        for barrier in reached {
            let mut lanes = self.lanes.iter();
            let first = lanes.find_map(|&lanes| {
                let report = program.run(lanes, Some(barrier));
                (report.defects > 0).then_some(report.first)
            });
            match first {
                Some(first) => outcome.needed.push((barrier, first)),
                None => outcome.unneeded.push(barrier),
            }
        }
        outcome
    }

    fn write_arrays(&self, folder: &Path) {
        let of_words = |words: &[u32]| -> Vec<u8> {
            words.iter().flat_map(|word| word.to_le_bytes()).collect()
        };
        for (number, name) in self.form.bound().iter().enumerate() {
            let bytes = match (name.as_str(), self.form.rows_of(name)) {
                ("params", _) => of_words(&self.form.params),
                (_, Some(words)) => of_words(words),
                _ if self.bindings.is_empty() => vec![0; ARRAY_BYTES],
                _ => match self.binding(name) {
                    Binding::Read(array) | Binding::Written(array, _) => array.bytes(),
                },
            };
            fs::write(folder.join(number.to_string()), bytes).unwrap();
        }
    }

    /// Holds the results of a run against those that are right.
    fn compare(&self, folder: &Path, name: &str, outcome: &mut Outcome) {
        let bound = self.form.bound();
        for (name_of, binding) in &self.bindings {
            if let Binding::Written(array, exact) = binding {
                let number = bound.iter().position(|bound| bound == name_of).unwrap();
                let file = folder.join(number.to_string());
                let ours = array.read(&fs::read(file).unwrap());
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

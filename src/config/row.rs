//! A row of the table of hyper-parameters, and the macro that turns such rows into a type.

use serde_json::Value;

/// The origin of a hyper-parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// In the reference, with the same meaning.
    Reference,
    /// In the reference; accepted here without effect.
    NoEffect,
    /// A TPU setting of the reference: accepted with a warning, and omitted from
    /// [`Config::to_json`].
    Tpu,
    /// Only in this engine.
    Engine,
}

/// What a hyper-parameter decides, and so whether another value makes a different run, whose
/// checkpoints must not be resumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decides {
    /// The weights that training produces, on any machine: another value makes a different run.
    Training,
    /// The encoder's shape, together with others: a run is different if [`Config::encoder`]
    /// differs.
    Model,
    /// Answers and scores of a trained model.
    Evaluation,
    /// Which of the weights reached during training become the model, if not the last: another
    /// value makes a different run.
    BestWeights,
    /// The location of a file. Files may move during a run; their contents are compared separately.
    Place,
    /// What is done, saved and shown, and how fast: affects no weights or answers.
    Conduct,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Hparam {
    /// Dotted if it belongs to `model_hparam_overrides`.
    pub key: String,
    /// The type, as named in errors.
    pub expected: String,
    pub default: Value,
    pub meaning: String,
    pub source: Source,
    pub decides: Decides,
}

/// Defines a table of hyper-parameters, `key: type = default => what it decides`, each with its
/// meaning, in groups by source. Expands to a struct with a field per row, and functions that look
/// up the properties of a key.
macro_rules! table {
    (
        $(#[$attr:meta])*
        pub struct $name:ident, keys begin with $prefix:literal;
        $( $source:ident {
            $( $(#[doc =
            $meaning:literal])+ $key:ident: $type:ty = $default:expr => $decides:ident, )+
        } )+
    ) => {
        $(#[$attr])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            $($( $(#[doc = $meaning])+ pub $key: $type, )+)+
        }

        impl $name {
            /// The keys in the order of the table.
            pub const KEYS: &'static [&'static str] = &[$($(stringify!($key)),+),+];

            /// The prefixes `key=` that `--set` takes, for shell completion.
            pub(super) const ASSIGNMENTS: &'static [&'static str] =
                &[$($(concat!($prefix, stringify!($key), "=")),+),+];

            /// Returns every default, before placeholders in paths are filled in.
            pub(super) fn defaults() -> Self {
                Self { $($( $key: $default, )+)+ }
            }

            /// Sets the value of `key`.
            pub(super) fn set(&mut self, key: &str, value: &Value) -> Result<(), Error> {
                match key {
                    $($( stringify!($key) => {
                        self.$key = HparamValue::read(concat!($prefix, stringify!($key)), value)?;
                    } )+)+
                    _ => {
                        let key = format!("{}{key}", $prefix);
                        return Err(Error::unknown_key(&key, nearest_key));
                    }
                }
                Ok(())
            }

            /// Returns every key with its value.
            pub fn to_map(&self) -> Map<String, Value> {
                let mut map = Map::new();
                $($( map.insert(stringify!($key).to_owned(), self.$key.to_value()); )+)+
                map
            }

            pub(super) fn rows() -> Vec<Hparam> {
                let defaults = Self::defaults();
                vec![$($( Hparam {
                    key: concat!($prefix, stringify!($key)).to_owned(),
                    expected: <$type as HparamValue>::expected(),
                    default: defaults.$key.to_value(),
                    meaning: concat!($($meaning),+).trim().to_owned(),
                    source: Source::$source,
                    decides: Decides::$decides,
                } ),+),+]
            }

            /// Returns the origin of `key`.
            pub fn source(key: &str) -> Option<Source> {
                match key {
                    $($( stringify!($key) => Some(Source::$source), )+)+
                    _ => None,
                }
            }

            /// Returns what `key` decides.
            pub(super) fn decides(key: &str) -> Option<Decides> {
                match key {
                    $($( stringify!($key) => Some(Decides::$decides), )+)+
                    _ => None,
                }
            }

            /// Returns whether a bare word given for `key` is text even if it parses as JSON.
            pub(super) fn is_text(key: &str) -> bool {
                match key {
                    $($( stringify!($key) => <$type as HparamValue>::TEXT, )+)+
                    _ => false,
                }
            }
        }
    };
}

/// The table of a run, whichever of the reference's programs it is: its own rows, and the TPU settings
/// that all of them have.
macro_rules! run_table {
    ($($rows:tt)*) => {
        $crate::config::row::table! {
            $($rows)*

            Tpu {
                /// Whether to train on a TPU.
                use_tpu: bool = false => Conduct,
                /// Number of TPU cores.
                num_tpu_cores: u64 = 1 => Conduct,
                /// Name of the TPU job.
                tpu_job_name: Option<String> = None => Conduct,
                /// Name of the TPU.
                tpu_name: Option<String> = None => Conduct,
                /// Zone of the TPU.
                tpu_zone: Option<String> = None => Conduct,
                /// Google Cloud project of the TPU.
                gcp_project: Option<String> = None => Conduct,
            }
        }
    };
}

pub(super) use {run_table, table};

//! A row of the table of hyper-parameters, and the macro that makes a type of such rows.

use serde_json::Value;

/// Where a hyper-parameter comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The reference has it, with this meaning.
    Reference,
    /// The reference has it; here it is accepted and changes nothing.
    NoEffect,
    /// A TPU setting of the reference: accepted with a warning, and left out of [`Config::to_json`].
    Tpu,
    /// Only this engine has it.
    Engine,
}

/// What a hyper-parameter decides, and with it whether another value makes another run, whose
/// checkpoints must not be gone on from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decides {
    /// The weights that training makes, whatever machine it runs on: another value, another run.
    Training,
    /// The encoder's shape, together with others: a run is another if [`Config::encoder`] differs.
    Model,
    /// Answers and scores of a model that is trained already.
    Evaluation,
    /// Which of the weights that training makes become the model, if not the last: another value, another
    /// run.
    BestWeights,
    /// Where something lies. Files may move during a run; what they hold is compared by itself.
    Place,
    /// What is done, saved and shown, and how fast: no weight and no answer.
    Conduct,
}

/// One row of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Hparam {
    /// Dotted where it belongs to `model_hparam_overrides`.
    pub key: String,
    /// The type, as errors name it.
    pub expected: String,
    pub default: Value,
    pub meaning: String,
    pub source: Source,
    pub decides: Decides,
}

/// A table of hyper-parameters: `key: type = default => what it decides`, each with its meaning, in
/// groups by source. It becomes a struct with a field a row, and what can be known of its keys.
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

            /// The beginnings `key=` of what `--set` takes, for completions.
            pub(super) const ASSIGNMENTS: &'static [&'static str] =
                &[$($(concat!($prefix, stringify!($key), "=")),+),+];

            /// Every default, paths not yet filled in.
            pub(super) fn defaults() -> Self {
                Self { $($( $key: $default, )+)+ }
            }

            /// Gives `key` a value.
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

            /// Every key with its value.
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

            /// Where `key` comes from.
            pub fn source(key: &str) -> Option<Source> {
                match key {
                    $($( stringify!($key) => Some(Source::$source), )+)+
                    _ => None,
                }
            }

            /// What `key` decides.
            pub(super) fn decides(key: &str) -> Option<Decides> {
                match key {
                    $($( stringify!($key) => Some(Decides::$decides), )+)+
                    _ => None,
                }
            }

            /// Whether a bare word given for `key` is text even if it reads as JSON.
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
                /// Trains on a TPU.
                use_tpu: bool = false => Conduct,
                /// Cores of the TPU.
                num_tpu_cores: u64 = 1 => Conduct,
                /// Name of the TPU job.
                tpu_job_name: Option<String> = None => Conduct,
                /// Name of the TPU.
                tpu_name: Option<String> = None => Conduct,
                /// Zone of the TPU.
                tpu_zone: Option<String> = None => Conduct,
                /// Project that pays for the TPU.
                gcp_project: Option<String> = None => Conduct,
            }
        }
    };
}

pub(super) use {run_table, table};

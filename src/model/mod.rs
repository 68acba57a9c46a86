//! The encoder, from batches to hidden states; its parameters and their records.
//!
//! Hidden states travel packed, as `[tokens, hidden]` over all tokens of the batch; only attention
//! and the heads' softmaxes treat the sequences separately. The modules' field names are the
//! parameter names in the record.

pub mod absent;
pub mod arithmetic;
pub mod attention;
pub mod dense;
pub mod description;
pub mod dropout;
pub mod electra;
pub mod embeddings;
pub mod feed_forward;
pub mod folder;
pub mod half_weights;
pub mod head_input;
pub mod initialiser;
pub mod input;
pub mod layer;
pub mod layer_norm;
pub mod parameter_count;
pub mod parameter_gradients;
pub mod parameters;
pub mod pass;
pub mod record;
pub mod shape;
pub mod weights_memory;

pub use electra::Electra;
pub use half_weights::HalfWeights;
pub use head_input::HeadInput;
pub use input::ModelInput;
pub use parameter_count::ParameterCount;

//! No-answer scores: the threshold above which an answer is held back, the metrics at each
//! threshold, and which threshold a model keeps.

pub mod calibration;
pub mod null_odds;
pub mod precision_recall;
pub mod threshold;
pub mod threshold_curve;
pub mod threshold_effect;

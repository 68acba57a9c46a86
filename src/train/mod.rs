//! From logits to a better record: loss, gradient, clipping, optimiser, checkpoints.

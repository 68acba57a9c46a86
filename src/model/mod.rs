//! From batches to logits: the encoder and its question-answering heads.

//! Every hyper-parameter once: name, default, meaning.

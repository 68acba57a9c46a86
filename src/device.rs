//! Lists adapters, picks one, and says which and why.

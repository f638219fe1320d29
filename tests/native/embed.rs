//! The embedders: the built-in model against its reference, endpoints against a hostile double.

#[path = "embed/minilm.rs"]
mod minilm;

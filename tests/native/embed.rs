//! The embedders: the built-in model against its reference, endpoints against a hostile double, the
//! cache against kills and damage.

#[path = "embed/cache.rs"]
mod cache;
#[path = "embed/double.rs"]
mod double;
#[path = "embed/endpoint.rs"]
mod endpoint;
#[path = "embed/minilm.rs"]
mod minilm;
#[path = "embed/ready_made.rs"]
mod ready_made;

//! The commands: what each does, once its options are known.

pub mod ask;
pub mod batch;
pub mod build;
pub mod eval;
pub mod inspect;
pub mod map;
pub mod search;
pub mod serve;
pub mod verify;

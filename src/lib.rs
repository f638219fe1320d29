//! Hybrid search and cited answers from static files.
//!
//! This crate is the whole engine: it analyses text, encodes embeddings, builds and reads the
//! index files, and searches them. It holds no I/O, no clock, no threads and no JavaScript; the
//! faces on top of it (`coracle-cli`, `coracle-wasm`) move bytes in and results out.
//!
//! The modules stand in the order in which data passes through them, and each may use only those
//! above it (`tests/layers.rs` checks that):
//!
//! documents → chunks → embeddings → codes → cells / graph / postings + term rows → index files →
//! bytes on demand → candidates → fused, rescored hits → prompt → cited answer → response.
//!
//! Remote models embed, rank and write: [`provider`] says what is sent to them and what their answers
//! mean.

#![no_std]
#![cfg_attr(not(test), warn(clippy::unwrap_used))]
// Slicing a string by index can panic, and what the panic would say brings tables of Unicode.
#![cfg_attr(not(test), warn(clippy::string_slice))]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(target_endian = "big")]
compile_error!(
    "index files are little-endian and are read in place; big-endian hosts are not supported"
);

pub mod bytes;
pub mod executor;
pub mod json;
pub mod sort;

pub mod text;

pub mod document;
pub mod vector;

pub mod embed;

pub mod cells;
pub mod filter;
pub mod graph;
pub mod postings;

pub mod index;

pub mod store;

pub mod search;

pub mod provider;

pub mod answer;

pub mod service;

//! The dictionary: every term in byte order, with what a query needs to know before it reads the
//! term's posting list.
//!
//! ```text
//! directory   first term, base, stored length of every block     a few kB, read once
//! block       about 8 kB of front-coded terms                     deflated by the index, read on demand
//!               count     varint
//!               per term  shared varint · suffix (length varint, bytes)
//!                         df varint · largest impact u8 · idf u16 (1/4096) · entry length varint
//! ```
//!
//! Entries of terms follow each other in the postings file in the order of the terms, so the place
//! of an entry is the base of its block plus the lengths before it.
//!
//! | file | holds |
//! |---|---|
//! | `block.rs` | writing and reading of a block, exact look-up, prefixes |
//! | `directory.rs` | which block holds what |
//! | `similar.rs` | misspellings |
//!
//! Keys are terms of the [analyzer](crate::text), or whatever else begins with a byte below
//! [`FIRST_TERM_BYTE`](crate::text::FIRST_TERM_BYTE); look-ups never mix the two.

mod block;
mod directory;
mod similar;

pub use block::BLOCK_BYTES;
pub use block::BlockBuilder;
pub use block::DictionaryBlock;
pub use block::EncodedBlock;
pub use block::Entry;
pub use block::TermInfo;
pub use directory::Directory;
pub use directory::DirectoryBuilder;
pub use directory::DirectoryEntry;
pub use similar::Similar;
pub use similar::edits_allowed;

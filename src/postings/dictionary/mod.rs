//! The dictionary: every term by its hash, and every word as it is spelt.
//!
//! ```text
//! terms       blocks of ½ to 8 kB, as they are     read for every word of a query
//!             per term  fingerprint · df · idf · row · posting list, or the table of a long one
//!             directory: stored length of every block, in the root
//! reserved    blocks of 2 kB, as they are          read for words that no chunk has
//!             per key   key · row
//! spelling    blocks of 4 kB, deflated             read to complete and correct words
//!             per word  word, or the word backwards · df
//!             directory, of reserved keys too: separator and stored length of every block, in the root
//! ```
//!
//! A word that is spelt as the index has it costs one block of terms, which brings its meaning and
//! mostly its postings along. Other spellings are found among many words at once, so these stand
//! together without anything else; what is found is then looked up as a term. They are words and not
//! stems, since an error may hide an ending (`runnign`), and stand backwards too, since it may stand at
//! the beginning.
//!
//! | file | holds |
//! |---|---|
//! | `keys.rs` | front coding, separators |
//! | `block.rs` | writing blocks of sorted keys |
//! | `placement.rs` | which block holds which term, and the directory that says where it is |
//! | `terms.rs` | term blocks |
//! | `reserved.rs` | blocks of reserved keys |
//! | `spelling.rs` | spelling blocks: prefixes, similar words |
//! | `similar.rs` | misspellings |
//! | `directory.rs` | which block holds which of sorted keys |
//!
//! Keys are terms of the [analyzer](crate::text), or whatever else begins with a byte below
//! [`FIRST_TERM_BYTE`](crate::text::FIRST_TERM_BYTE); look-ups never mix the two.

mod block;
mod directory;
mod keys;
mod placement;
mod reserved;
mod similar;
mod spelling;
mod terms;

pub use block::EncodedBlock;
pub use directory::Directory;
pub use directory::DirectoryBuilder;
pub use directory::DirectoryEntry;
pub use keys::MAX_KEY_BYTES;
pub use placement::Placement;
pub use placement::Slot;
pub use placement::TermDirectory;
pub use reserved::ReservedBlock;
pub use reserved::ReservedBlockBuilder;
pub use similar::Similar;
pub use similar::edits_allowed;
pub use spelling::SPELLING_BLOCK_BYTES;
pub use spelling::Spelling;
pub use spelling::SpellingBlock;
pub use spelling::SpellingBuilder;
pub use spelling::backwards;
pub use terms::ListPlace;
pub use terms::RowShape;
pub use terms::Term;
pub use terms::TermBlock;
pub use terms::TermBlockBuilder;
pub use terms::block_count;

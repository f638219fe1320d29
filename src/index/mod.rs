//! Index files: the only place where bytes have meaning.
//!
//! ```text
//! root.cora                      read first, published last, never cached for long
//!   └─ names ─► body             immutable; cut into files named by the hash of their content
//!               ├ layout         document of each chunk, places of passages and documents or, behind it, pages of places
//!               ├ terms          blocks of terms with row and short list (postings::dictionary)
//!               ├ spelling       the words as they are spelt, also backwards, compressed
//!               ├ postings       blocks of long posting lists
//!               ├ quantizer      parameters of the codes                (vector::Quantizer)
//!               ├ codes, graph   1-bit codes of all chunks; HNSW links: runs of blocks
//!               ├ router, cells  or 1-bit codes in cells, a block each     (cells::Router)
//!               ├ rows           4-bit codes, one block per chunk
//!               ├ passages       texts of neighbouring chunks, compressed by the layout's phrases
//!               ├ documents      ids, urls, titles, metadata, likewise
//!               └ columns        metadata by field, for filters and facets
//! ```
//!
//! | file | responsibility |
//! |---|---|
//! | `SPEC.md` | the format, normative |
//! | `root.rs` | the root: what there is and where |
//! | `vectors.rs` | what the root says of vectors: sections, access, settings |
//! | `block.rs` | blocks: place, check and compression |
//! | `inflate.rs` | undoes the compression of blocks |
//! | `phrases.rs` | undoes that of texts, by phrases and codes of the whole index |
//! | `lz77.rs` | what both are: literals, repetitions and phrases in prefix codes |
//! | `signed.rs` | what a signed index has more: places and messages of its signatures |
//! | `passages.rs` | records shown with hits and the table that finds them |
//! | `write.rs` | an index out of its parts: the body front to back, then the root |
//!
//! A body is one logical string of bytes in all three physical layouts: *range* (few large files,
//! read by byte range), *split* (many small files, read whole) and *bundle* (root and body in one
//! file). What lies where in the body does not depend on the layout.

mod block;
mod inflate;
mod lz77;
mod passages;
mod phrases;
mod root;
mod signed;
mod vectors;
mod write;

pub use block::CHECK_LEN;
pub use block::Extent;
pub use block::Run;
pub use block::UNIT;
pub use block::deflate;
pub use block::extent_of_units;
pub use block::in_phrases;
pub use block::inflate;
pub use block::inflate_texts;
pub use block::payload;
pub use lz77::END_OR_PHRASE;
pub use passages::BlockSize;
pub use passages::DOCUMENT_BLOCKS;
pub use passages::DocumentRecord;
pub use passages::Layout;
pub use passages::PAGE_BYTES;
pub use passages::PASSAGE_BLOCKS;
pub use passages::Passage;
pub use passages::RecordBlocks;
pub use passages::RecordTable;
pub use phrases::CodeLengths;
pub use phrases::DISTANCES;
pub use phrases::LITERALS;
pub use phrases::Phrases;
pub use root::Counts;
pub use root::FORMAT_VERSION;
pub use root::Files;
pub use root::MAX_ROOT_BYTES;
pub use root::OLDEST_READABLE;
pub use root::ROOT_FILE;
pub use root::Root;
pub use root::RootError;
pub use signed::LEAF_HASH_BYTES;
pub use signed::Leaves;
pub use signed::SEAL_BYTES;
pub use signed::SIGNATURE_BYTES;
pub use signed::Seal;
pub use vectors::Access;
pub use vectors::CANDIDATES;
pub use vectors::CellBlocks;
pub use vectors::EF_SEARCH;
pub use vectors::PROBES;
pub use vectors::ProjectionSection;
pub use vectors::VectorSections;
pub use write::BodyWriter;
pub use write::Sink;

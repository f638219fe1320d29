//! Query → hits.
//!
//! ```text
//! query ─ analyse ─► terms ─ term blocks ─► words ──┬─ posting lists ──► keyword ranking ─┐
//!                                                   └─ term rows ─► query embedding       ├─ fuse
//!                                                          └─ codes ──► vector ranking  ──┘    │
//!            hits with excerpts ◄─ passages, documents ◄─ group by document ◄─ rescoring ◄┘
//! ```
//!
//! | file | responsibility |
//! |---|---|
//! | `engine.rs` | [`Engine`]: an opened index and the pipeline above, wave by wave |
//! | `dictionary.rs` | where terms, spellings and long posting lists lie |
//! | `lexical/mod.rs` | query words → terms, with corrections and prefixes |
//! | `lexical/lists.rs` | terms → posting lists: which are read, what they add |
//! | `lexical/suggest.rs` | words of the index that are spelt like those that found nothing |
//! | `dense.rs` | resident codes, in cells or a graph; candidates; rescoring |
//! | `ranking.rs` | candidates of both rankings, ranked, rescored, explained |
//! | `prefetch.rs` | what the last ranking will most likely show, read beside the rows |
//! | `titles.rs` | a query that is a title: its page first |
//! | `fuse.rs` | two scores → one |
//! | `diversity.rs` | ranked candidates, copies last, alike ones apart |
//! | `parts.rs` | what an engine keeps from its first search on: layout, codes, columns |
//! | `page.rs` | the page asked for, its facets, and what is read to show it |
//! | `hits.rs` | ranked candidates → hits: page, records, excerpts |
//! | `sections.rs` | the same → what else a hit's document has |
//! | `reading.rs` | passages, documents and embeddings, read without a search |
//! | `verify.rs` | every block and structure of an index, checked |
//!
//! A *wave* is a set of reads that do not depend on one another; everything between two waves is
//! computation on bytes at hand. All arithmetic has one order, so that every platform returns the
//! same hits with the same score bits.

mod dense;
mod dictionary;
mod diversity;
mod engine;
mod fuse;
mod hits;
mod lexical;
mod page;
mod parts;
mod prefetch;
mod ranking;
mod reading;
mod sections;
mod titles;
mod verify;

pub use dense::CELL_BYTES;
pub use dense::GROUPED_CELL_BYTES;
pub use dense::HYBRID_CELL_BYTES;
pub use dictionary::Dictionary;
pub use engine::Engine;
pub use fuse::DEFAULT_ALPHA;
pub use fuse::DEFAULT_RRF_K;
pub use fuse::Fusion;
pub use verify::Verified;

use crate::document::ChunkId;
use crate::document::Value;
use crate::filter::Filter;
use crate::filter::FilterError;
use crate::store::ReadStats;
use crate::store::SourceProblem;
use crate::store::StoreError;
use crate::vector::VectorError;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Display;
use core::ops::Range;

/// The longest query that is read; what follows is ignored.
pub const MAX_QUERY_BYTES: usize = 1024;

/// The most hits that one search returns.
pub const MAX_LIMIT: usize = 100;

/// The most sections that a hit carries, whatever is asked for: a list of results is no table of contents.
pub const MAX_SECTIONS: usize = 5;

/// Which rankings take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Words and meaning; words alone where the index or the query has no embedding.
    #[default]
    Hybrid,
    /// Words only.
    Keyword,
    /// Meaning only.
    Vector,
}

/// What one hit stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Group {
    /// A document, ranked by its best chunk and, but for indexes so small that a guess binds what is shown, shown by it
    /// too; there by the best of those that were prefetched.
    #[default]
    Document,
    /// A chunk.
    Chunk,
}

/// How to search.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchOptions {
    /// Which rankings take part.
    pub mode: Mode,
    /// Hits to return, 1 to [`MAX_LIMIT`].
    pub limit: usize,
    /// Hits to leave out at the top; with `limit` at most [`MAX_LIMIT`].
    pub offset: usize,
    /// Condition on the documents' metadata.
    pub filter: Option<Filter>,
    /// Fields whose values are counted over all matching documents.
    pub facets: Vec<String>,
    /// How two rankings become one.
    pub fusion: Fusion,
    /// Whether hits say how their score came about.
    pub explain: bool,
    /// The query's embedding from the index's own embedder; otherwise term rows give it.
    pub embedding: Option<Vec<f32>>,
    /// What one hit stands for.
    pub group: Group,
    /// Further sections of its document that each hit carries at most, up to [`MAX_SECTIONS`]; none
    /// where a hit stands for a chunk.
    pub sections: usize,
    /// Whether the last word may be the beginning of one (search while typing).
    pub prefix: bool,
    /// Whether all cells of a large index are read and kept, and all posting lists of the query, for
    /// searches that find what the build promises; otherwise each search reads the few cells that it
    /// needs, and by words and meaning finds chunks by the rarer words where all lists are more than
    /// 40 kB.
    pub exact: bool,
    /// Bytes of cells that such a search reads at most, beside three eighths as many of what leads to
    /// them: the more, the more of the near chunks it finds. Without a number, [`CELL_BYTES`] or, by words
    /// and meaning, [`HYBRID_CELL_BYTES`] where the router has one level and [`GROUPED_CELL_BYTES`] where it has groups.
    pub cell_bytes: Option<u64>,
    /// How much hits are to differ from those above them, 0 to 1: 0 ranks by score alone, 1 by
    /// difference alone. Needs vectors; whatever it is, copies of a chunk in other documents go last.
    pub diversity: f32,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            limit: 10,
            offset: 0,
            filter: None,
            facets: Vec::new(),
            fusion: Fusion::default(),
            explain: false,
            embedding: None,
            group: Group::default(),
            sections: 0,
            prefix: false,
            exact: false,
            cell_bytes: None,
            diversity: 0.0,
        }
    }
}

/// A document or chunk found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// Identifier of the document.
    pub id: String,
    /// The chunk that scored best.
    pub chunk: ChunkId,
    /// Fused score, larger is better; from 0 to 1 (times the document's weight) unless fused by RRF.
    pub score: f32,
    /// Title of the document.
    pub title: String,
    /// Address of the document.
    pub url: String,
    /// Headings above the chunk, outermost first.
    pub headings: Vec<String>,
    /// Fragment of the nearest heading, without `#`; empty at the top.
    pub anchor: String,
    /// Metadata of the document.
    pub meta: Vec<(String, Value)>,
    /// The part of the chunk that answers best.
    pub excerpt: Excerpt,
    /// How the score came about, where it was asked for.
    pub explain: Option<Explain>,
    /// What else of the document matched well, best first, where it was asked for: hits under other
    /// headings, without sections of their own.
    pub sections: Vec<Hit>,
}

/// A piece of a chunk's text with the matching words marked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Excerpt {
    /// The piece, with `…` where it is cut.
    pub text: String,
    /// Byte ranges of matching words in `text`, ascending and disjoint.
    pub marks: Vec<Range<usize>>,
}

/// How a hit's score came about.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Explain {
    /// Sum of impacts and its share of the query's best.
    pub keyword: Option<(u32, f32)>,
    /// Rank by words, best 1.
    pub keyword_rank: Option<u32>,
    /// What each dictionary term added to the sum of impacts.
    pub terms: Vec<(String, u32)>,
    /// Inner product with the query's embedding and its normalised form.
    pub vector: Option<(f32, f32)>,
    /// Rank by meaning, best 1.
    pub vector_rank: Option<u32>,
    /// Whether the inner product comes from the chunk's row (otherwise from the 1-bit code).
    pub rescored: bool,
    /// Whether it holds both words of a query of two where at most ten chunks do: 1 is added before the
    /// weight, so these come first.
    pub complete: bool,
    /// The document's weight.
    pub weight: f32,
    /// What other chunks of its document add to the score, where one hit stands for each document.
    pub support: f32,
}

/// A query word that the index does not have and what was searched instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// The word of the query.
    pub from: String,
    /// The word as the index has it.
    pub to: String,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchResult {
    /// The ranking that was made: [`Mode::Keyword`] where hybrid search found no embedding.
    pub mode: Mode,
    /// Hits, best first.
    pub hits: Vec<Hit>,
    /// Documents (or chunks, by [`Group`]) that match a word of the query, of those whose lists were
    /// read; in vector mode those that were candidates.
    pub total: u32,
    /// Values and counts by field, most frequent first.
    pub facets: Vec<(String, Vec<(Value, u32)>)>,
    /// Query words that were corrected.
    pub corrections: Vec<Correction>,
    /// Where nothing was found: words of the index that are spelt most like those it does not have.
    pub suggestions: Vec<String>,
    /// Whether nothing was found because the filter admits nothing of what there is.
    pub filtered_out: bool,
    /// What reading cost.
    pub stats: ReadStats,
}

/// Why a search failed.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchError {
    /// The index could not be read.
    Store(StoreError),
    /// The filter does not fit the index.
    Filter(Box<FilterError>),
    /// The embedding given does not fit the index.
    Embedding(VectorError),
    /// The index has no embeddings, or no way to embed a query without one being given.
    NoVectors,
    /// The index was built with an analyzer that this program does not have.
    Analyzer {
        /// Its id.
        got: u32,
    },
    /// `limit` is 0, or `limit` and `offset` together exceed [`MAX_LIMIT`].
    Limit {
        /// The sum asked for.
        got: usize,
    },
    /// A chunk id outside the index.
    NoChunk {
        /// The id.
        chunk: ChunkId,
        /// Number of chunks in the index.
        chunks: u32,
    },
}

impl fmt::Display for SearchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            _ => self.refusal(f),
        }
    }
}

impl SearchError {
    /// What is said where a search was refused.
    #[inline(never)]
    fn refusal(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Filter(error) => error.fmt(f),
            Self::Embedding(error) => error.fmt(f),
            Self::NoVectors => f.write_str(
                "the index has no embeddings that this query could use; search by keyword, give an \
                 embedding, or build with an embedder",
            ),
            Self::Analyzer { got } => write!(
                f,
                "the index was built with analyzer {got}, which this program does not have; update \
                 the program or rebuild the index"
            ),
            Self::Limit { got } => {
                write!(
                    f,
                    "limit and offset ask for {got} hits; 1 to {MAX_LIMIT} are possible"
                )
            }
            Self::NoChunk { chunk, chunks } => {
                write!(f, "there is no chunk {chunk}; the index has {chunks}")
            }
        }
    }
}

impl core::error::Error for SearchError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Store(error) => Some(error),
            Self::Filter(error) => Some(&**error),
            Self::Embedding(error) => Some(error),
            _ => None,
        }
    }
}

impl SearchError {
    /// A stable name of the kind of error, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(StoreError::Source(error)) => match error.problem {
                SourceProblem::Signature(_) => "signature",
                _ => "source",
            },
            Self::Store(StoreError::Root(_)) => "root",
            Self::Store(StoreError::Format { .. }) => "damaged",
            Self::Filter(_) => "filter",
            Self::Embedding(_) => "embedding",
            Self::NoVectors => "no-vectors",
            Self::Analyzer { .. } => "analyzer",
            Self::Limit { .. } => "limit",
            Self::NoChunk { .. } => "no-chunk",
        }
    }
}

impl From<StoreError> for SearchError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FilterError> for SearchError {
    fn from(error: FilterError) -> Self {
        Self::Filter(Box::new(error))
    }
}

impl From<VectorError> for SearchError {
    fn from(error: VectorError) -> Self {
        Self::Embedding(error)
    }
}

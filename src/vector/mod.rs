//! Embeddings into codes, and codes into scores.
//!
//! ```text
//! embedding (dim f32) ── normalise ── pad to code_dim ── rotate ── minus mean ──► residual r
//!                                                                                    │
//!                  1-bit code: sign(r), 2 factors (code_dim/8 + 4 bytes)  ◄──────────┤
//!                  int8 code:  round(r / step)     (code_dim bytes)       ◄──────────┘
//!                      │
//!                      └──► row: 4-bit code, a scale (code_dim/2 + 4 bytes)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `arithmetic.rs` | sums in one fixed order of additions, components four by four |
//! | `rotate.rs` | seeded fast Hadamard rotation; nothing is stored but the seed |
//! | `projection.rs` | embeddings in fewer dimensions |
//! | `quantizer.rs` | the trained parameters; encodes rows |
//! | `query.rs` | everything a search needs of its query, prepared once |
//! | `binary.rs` | 1-bit codes: blocks of 32 for scans, rows for graph walks |
//! | `int8.rs` | int8 codes, from which cells, graphs and rows are made |
//! | [`row`] | rows of 4 bits a dimension: what rescoring reads, and what stands for a term |
//! | `topk.rs` | bounded collectors with a total order |
//! | `patience.rs` | when a search that goes on in vain ends |
//! | `visited.rs` | set of ordinals that is emptied at once |
//! | `arch/` | the SIMD kernels, all equal to the scalar ones to the bit |
//!
//! # Conventions
//! Rows are row-major; numbers are little-endian; bits are least significant first. A score is an
//! inner product (cosine similarity for [`Metric::Cosine`]): larger is better, ties go to the
//! smaller id.
//!
//! # Same bits everywhere
//! Kernels add integers only. What remains in floating point (rotation, factors, the final
//! `a * b + c`) is `+ - * / sqrt` in an order fixed by the source, never fused. Hence a score has
//! the same bits on every machine and for every kernel.

pub mod arch;
pub(crate) mod arithmetic;
pub mod binary;
pub mod int8;
pub(crate) mod patience;
mod projection;
pub(crate) mod quantizer;
mod query;
pub mod rotate;
pub mod row;
pub mod topk;
pub(crate) mod visited;

use core::fmt;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;

pub use projection::Projection;
pub use quantizer::Factors;
pub use quantizer::Quantizer;
pub use quantizer::RowCode;
pub use quantizer::Trainer;
pub use query::Query;

/// The largest dimension of an embedding.
pub const MAX_DIM: usize = 8192;

/// The largest norm of an embedding: products of such norms stay far from the end of `f32`.
pub const MAX_NORM: f32 = 1e12;

/// Codes have whole 64-bit words.
const WORD_BITS: usize = 64;

/// How two embeddings are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Metric {
    /// Inner product of the vectors scaled to length 1; a zero vector scores 0 against everything.
    Cosine,
    /// Inner product as it is.
    Dot,
}

impl Metric {
    pub(crate) fn write(self, writer: &mut Writer) {
        writer.u8(match self {
            Self::Cosine => 0,
            Self::Dot => 1,
        });
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        match reader.u8("metric")? {
            0 => Ok(Self::Cosine),
            1 => Ok(Self::Dot),
            got => {
                let (got, max) = (got.into(), 1);
                Err(reader.error("metric", Problem::OutOfRange { got, max }))
            }
        }
    }
}

/// Number of dimensions of a code: `dim` rounded up to a multiple of 64.
#[must_use]
pub fn code_dim(dim: usize) -> usize {
    dim.next_multiple_of(WORD_BITS)
}

/// An embedding that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VectorError {
    /// Ordinal of the row in the input, where the embedding is one of many.
    pub row: Option<u64>,
    /// What is wrong with it.
    pub problem: VectorProblem,
}

/// What can be wrong with an embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VectorProblem {
    /// Dimensions from 1 to [`MAX_DIM`] are possible.
    BadDim {
        /// The dimension asked for.
        dim: usize,
    },
    /// The number of components differs from that of the index.
    WrongDim {
        /// Dimension of the index.
        expected: usize,
        /// Number of components given.
        got: usize,
    },
    /// A component is NaN or infinite.
    NotFinite {
        /// The first such component.
        component: usize,
    },
    /// The norm exceeds [`MAX_NORM`].
    TooLong,
    /// There is no row to train with.
    NoRows,
}

impl VectorError {
    /// The same error, saying in which row it was found.
    #[must_use]
    pub fn at_row(self, row: u64) -> Self {
        Self {
            row: Some(row),
            ..self
        }
    }
}

impl From<VectorProblem> for VectorError {
    fn from(problem: VectorProblem) -> Self {
        Self { row: None, problem }
    }
}

impl fmt::Display for VectorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("embedding")?;
        if let Some(row) = self.row {
            write!(f, " of row {row}")?;
        }
        match self.problem {
            VectorProblem::BadDim { dim } => {
                write!(f, ": dimension {dim} is not between 1 and {MAX_DIM}")
            }
            VectorProblem::WrongDim { expected, got } => write!(
                f,
                " has {got} components, the index has {expected}; use the embedder that built it"
            ),
            VectorProblem::NotFinite { component } => {
                write!(
                    f,
                    ": component {component} is not a finite number; embed this text again"
                )
            }
            VectorProblem::TooLong => {
                // MAX_NORM in words: printing a float takes 5 kB of code.
                f.write_str(": its norm exceeds 1e12; scale the embeddings down")
            }
            VectorProblem::NoRows => {
                f.write_str(": there is none to train with; give at least one row")
            }
        }
    }
}

impl core::error::Error for VectorError {}

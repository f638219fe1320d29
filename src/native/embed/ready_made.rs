//! Embeddings that the input brought along, checked.

use core::fmt;

use coracle::document::Document;

/// What is wrong with an embedding in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyMadeError {
    /// `id` of the document.
    pub document: String,
    /// Number of the chunk in the document, from 0.
    pub chunk: usize,
    /// What is wrong.
    pub problem: ReadyMadeProblem,
}

/// The ways in which an embedding can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadyMadeProblem {
    /// Other chunks have an embedding, this one has none.
    Missing,
    /// Another number of components than the chunks before it.
    Dim {
        /// Components wanted.
        expected: usize,
        /// Components found.
        got: usize,
    },
    /// A component is NaN or infinite.
    NotFinite {
        /// Which component.
        component: usize,
    },
    /// Nothing but zeros, which has no direction.
    Zero,
}

impl fmt::Display for ReadyMadeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            document,
            chunk,
            problem,
        } = self;
        write!(f, "document {document:?}, chunk {chunk}: ")?;
        match problem {
            ReadyMadeProblem::Missing => {
                f.write_str("field embedding is missing; give one to every chunk, or to none")
            }
            ReadyMadeProblem::Dim { expected, got } => write!(
                f,
                "field embedding has {got} components, expected {expected}; use one model for all"
            ),
            ReadyMadeProblem::NotFinite { component } => {
                write!(
                    f,
                    "embedding[{component}] is not a finite number; embed the chunk again"
                )
            }
            ReadyMadeProblem::Zero => {
                f.write_str("field embedding is all zeros; embed the chunk again")
            }
        }
    }
}

impl core::error::Error for ReadyMadeError {}

/// Embeddings of all chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadyMade {
    /// Components of an embedding.
    pub dim: usize,
    /// Chunks × `dim` finite numbers, in the order of the chunks.
    pub rows: Vec<f32>,
}

/// Collects the embeddings of all chunks; `None` if no chunk has one.
///
/// `dim`: the number of components wanted; without it the first embedding sets it.
///
/// # Errors
/// [`ReadyMadeError`] names the first chunk that breaks the rule: all or none, one dimension, finite
/// numbers, not all zero.
pub fn ready_made(
    documents: &[Document],
    dim: Option<usize>,
) -> Result<Option<ReadyMade>, ReadyMadeError> {
    let chunks = || documents.iter().flat_map(|document| &document.chunks);
    let Some(first) = chunks().find_map(|chunk| chunk.embedding.as_ref()) else {
        return Ok(None);
    };
    let dim = dim.unwrap_or(first.len());
    let mut rows = Vec::with_capacity(chunks().count().saturating_mul(dim));
    for document in documents {
        for (number, chunk) in document.chunks.iter().enumerate() {
            let row = check(chunk.embedding.as_deref(), dim).map_err(|problem| ReadyMadeError {
                document: document.id.clone(),
                chunk: number,
                problem,
            })?;
            rows.extend_from_slice(row);
        }
    }
    Ok(Some(ReadyMade { dim, rows }))
}

fn check(row: Option<&[f32]>, expected: usize) -> Result<&[f32], ReadyMadeProblem> {
    let row = row.ok_or(ReadyMadeProblem::Missing)?;
    if row.len() != expected {
        return Err(ReadyMadeProblem::Dim {
            expected,
            got: row.len(),
        });
    }
    if let Some(component) = row.iter().position(|x| !x.is_finite()) {
        return Err(ReadyMadeProblem::NotFinite { component });
    }
    if row.iter().all(|&x| x == 0.0) {
        return Err(ReadyMadeProblem::Zero);
    }
    Ok(row)
}

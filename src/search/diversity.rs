//! Hits that do not all say the same.

use super::dictionary::Damaged;
use super::ranking::Candidate;
use super::ranking::row_of;
use crate::index::Root;
use crate::store::Wave;
use crate::vector::arch::kernels;
use crate::vector::arch::sqrt;
use crate::vector::code_dim;
use crate::vector::row::Row;
use alloc::vec::Vec;

/// Cosine of two chunks' rows from which on they may be copies of one another. Few but the same text
/// under the same title reach it, since the title is part of what is embedded.
const COPY: f32 = 0.99;

/// How far apart keyword scores of copies are at most, as a share of the larger one.
const SAME_WORDS: f32 = 0.05;

/// A chunk's row in integers, and its length.
struct Direction {
    levels: Vec<i8>,
    length: f64,
}

impl Direction {
    fn new(row: Row<'_>) -> Self {
        let levels = row.levels();
        let squared = (kernels().dot_i8)(&levels, &levels);
        let length = sqrt(f64::from(squared));
        Self { levels, length }
    }

    /// Levels are odd, so no length is zero.
    fn cosine(&self, other: &Self) -> f32 {
        let dot = (kernels().dot_i8)(&self.levels, &other.levels);
        (f64::from(dot) / (self.length * other.length)) as f32
    }
}

/// Puts ranked candidates whose rows `wave` brought in an order in which each is weighed against those
/// before it: *maximal marginal relevance* (J. Carbonell, J. Goldstein: *The use of MMR, diversity-based
/// reranking for reordering documents and producing summaries*, SIGIR 1998), where `diversity` is
/// 1 − λ. Copies of what stands before them go behind all others in any case, so that 0 changes
/// nothing else.
///
/// Similarities are those of residuals: what all of a collection has in common tells no two apart.
///
/// # Errors
/// The row that is damaged.
pub fn diversify(
    candidates: &mut Vec<Candidate>,
    root: &Root,
    wave: &Wave,
    diversity: f32,
) -> Result<(), Damaged> {
    let Some(vectors) = &root.vectors else {
        return Ok(());
    };
    let dim = code_dim(vectors.dim as usize);
    let mut left: Vec<(Candidate, Direction, f32)> = Vec::new();
    let mut without_row = Vec::new();
    for candidate in candidates.drain(..) {
        match row_of(vectors, candidate.chunk, wave, dim)? {
            Some(row) => left.push((candidate, Direction::new(row), -1.0)),
            None => without_row.push(candidate),
        }
    }
    // Relevance spans 0 to 1, as likeness does.
    let scores = left.iter().map(|(candidate, ..)| candidate.score);
    let (worst, best) = scores.fold(
        (f32::INFINITY, f32::NEG_INFINITY),
        |(worst, best), score| (worst.min(score), best.max(score)),
    );
    let span = (best - worst).max(f32::MIN_POSITIVE);
    let mut copies = Vec::new();
    while !left.is_empty() {
        let mut next = (f32::NEG_INFINITY, 0);
        for (at, (candidate, _, nearest)) in left.iter().enumerate() {
            let relevance = (candidate.score - worst) / span;
            let marginal = (1.0 - diversity) * relevance - diversity * nearest.max(0.0);
            if marginal > next.0 {
                next = (marginal, at);
            }
        }
        let (picked, direction, _) = left.remove(next.1);
        let mut at = 0;
        while let Some((other, its_direction, nearest)) = left.get_mut(at) {
            let cosine = direction.cosine(its_direction);
            *nearest = nearest.max(cosine);
            if cosine >= COPY && picked.document != other.document && match_alike(&picked, other) {
                copies.push(left.remove(at).0);
            } else {
                at += 1;
            }
        }
        candidates.push(picked);
    }
    candidates.append(&mut copies);
    candidates.append(&mut without_row);
    Ok(())
}

/// Whether the query's words make no difference between two candidates.
fn match_alike(a: &Candidate, b: &Candidate) -> bool {
    let (a, b) = (a.parts.keyword as f32, b.parts.keyword as f32);
    (a - b).abs() <= SAME_WORDS * a.max(b)
}

//! Arithmetic on whole vectors: sums in one fixed order, and components four by four.
//!
//! Four lanes of `f64`, lane `i` taking the components `i mod 4`, folded as `(0 + 2) + (1 + 3)`:
//! fast enough for the encoder, and part of the format, since a different order would give
//! different codes.

use crate::vector::MAX_NORM;
use crate::vector::VectorProblem;
use crate::vector::arch::sqrt;

/// Replaces every component by `f` of it.
///
/// Four are spelled out at a time, here and in the other functions: that becomes vector instructions
/// even where loops are compiled for size.
#[inline(always)]
pub(crate) fn map(values: &mut [f32], f: impl Fn(f32) -> f32) {
    let (quads, tail) = values.as_chunks_mut::<4>();
    for quad in quads {
        *quad = [f(quad[0]), f(quad[1]), f(quad[2]), f(quad[3])];
    }
    tail.iter_mut().for_each(|x| *x = f(*x));
}

/// Replaces every component by `f` of it and of the component of `others` in the same place.
#[inline(always)]
pub(super) fn zip(values: &mut [f32], others: &[f32], f: impl Fn(f32, f32) -> f32) {
    let (quads, tail) = values.as_chunks_mut::<4>();
    let (other_quads, other_tail) = others.as_chunks::<4>();
    for (x, y) in quads.iter_mut().zip(other_quads) {
        *x = [f(x[0], y[0]), f(x[1], y[1]), f(x[2], y[2]), f(x[3], y[3])];
    }
    for (x, &y) in tail.iter_mut().zip(other_tail) {
        *x = f(*x, y);
    }
}

#[inline(always)]
fn fold<B: Copy>(a: &[f32], b: &[B], term: impl Fn(f32, B) -> f64) -> f64 {
    let (a_quads, a_tail) = a.as_chunks::<4>();
    let (b_quads, b_tail) = b.as_chunks::<4>();
    let mut lanes = [0.0f64; 4];
    for (x, y) in a_quads.iter().zip(b_quads) {
        lanes[0] += term(x[0], y[0]);
        lanes[1] += term(x[1], y[1]);
        lanes[2] += term(x[2], y[2]);
        lanes[3] += term(x[3], y[3]);
    }
    for ((lane, &x), &y) in lanes.iter_mut().zip(a_tail).zip(b_tail) {
        *lane += term(x, y);
    }
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// Inner product of two vectors of the same length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f64 {
    fold(a, b, |x, y| f64::from(x) * f64::from(y))
}

/// Inner product with integers.
pub(super) fn dot_codes(a: &[f32], b: &[i16]) -> f64 {
    fold(a, b, |x, y| f64::from(x) * f64::from(y))
}

/// Sum of absolute values.
pub(super) fn l1_norm(a: &[f32]) -> f64 {
    fold(a, a, |x, _| f64::from(x).abs())
}

/// Euclidean norm.
pub(crate) fn l2_norm(a: &[f32]) -> f64 {
    sqrt(dot(a, a))
}

/// The norm of a vector of `dim` finite components.
///
/// # Errors
/// [`VectorProblem::WrongDim`], [`VectorProblem::NotFinite`], [`VectorProblem::TooLong`].
pub(super) fn checked_norm(vector: &[f32], dim: usize) -> Result<f64, VectorProblem> {
    if vector.len() != dim {
        return Err(VectorProblem::WrongDim {
            expected: dim,
            got: vector.len(),
        });
    }
    let norm = l2_norm(vector);
    if norm <= f64::from(MAX_NORM) {
        return Ok(norm);
    }
    // The norm is NaN or infinite if a component is: look for it only then.
    Err(match vector.iter().position(|x| !x.is_finite()) {
        Some(component) => VectorProblem::NotFinite { component },
        None => VectorProblem::TooLong,
    })
}

/// Scales a vector to length 1; a zero vector stays as it is.
pub(crate) fn normalize(vector: &mut [f32], norm: f64) {
    if norm > 0.0 {
        map(vector, |x| (f64::from(x) / norm) as f32);
    }
}

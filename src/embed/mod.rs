//! Turns a query into a vector without a model: the sum of its terms' rows.
//!
//! A *row* is the vector of one dictionary term (or word piece). The build fits the rows to the
//! corpus, so that the weighted sum of the rows of a text's terms points where the embedder puts
//! the text; see `fit` in the native face. The row carries the term's weight in its length, so the
//! query side only adds:
//!
//! ```text
//! query text ─ analyzer ─► terms ─ dictionary ─► rows (4 bits a component) ─ sum, L2-normalise ─► query vector
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`piece`] | word pieces: how a word that the dictionary lacks still finds rows |
//! | this one | [`QueryVector`], the sum of [`Row`]s |
//!
//! Every addition happens in the order of the calls and every square root is correctly rounded:
//! native and WebAssembly agree to the bit.

pub mod piece;

use crate::bytes::FormatError;
use crate::vector::arch::sqrt;
use crate::vector::row::Row;
use alloc::vec;
use alloc::vec::Vec;

/// The running sum of rows.
///
/// ```
/// use coracle::embed::QueryVector;
/// use coracle::vector::row::encode_row;
///
/// let mut row = Vec::new();
/// encode_row(&[3.0, 0.0, -4.0, 0.0], &mut row).expect("finite");
/// let mut query = QueryVector::new(4);
/// query.add(&row, 1.0).expect("a row of 4 components");
/// assert_eq!(query.finish().map(|v| v.len()), Some(4));
/// assert_eq!(QueryVector::new(4).finish(), None);
/// ```
#[derive(Debug, Clone)]
pub struct QueryVector {
    sum: Vec<f32>,
}

impl QueryVector {
    /// An empty sum of `dim` components.
    pub fn new(dim: usize) -> Self {
        Self {
            sum: vec![0.0; dim],
        }
    }

    /// Number of components.
    pub fn dim(&self) -> usize {
        self.sum.len()
    }

    /// Adds `weight` times the row stored in `bytes`, which are exactly
    /// [`row_len`](crate::vector::row::row_len)`(dim)` long.
    ///
    /// `weight` is 1 for a term of the query, times its number of occurrences; less for a corrected
    /// or decomposed word. It must be finite.
    ///
    /// # Errors
    /// Those of [`Row::parse`]; the sum is then unchanged.
    /// # Cost
    /// O(dim) multiplications and additions, no allocation.
    pub fn add(&mut self, bytes: &[u8], weight: f32) -> Result<(), FormatError> {
        Row::parse(bytes, self.sum.len())?.add_to(&mut self.sum, weight);
        Ok(())
    }

    /// The sum scaled to length 1, or `None` when it has no direction: nothing was added, or the
    /// rows cancelled out.
    pub fn finish(self) -> Option<Vec<f32>> {
        let mut vector = self.sum;
        let mut squares = 0.0f64;
        for &x in &vector {
            squares += f64::from(x) * f64::from(x);
        }
        let norm = sqrt(squares);
        if !norm.is_finite() || norm <= f64::from(f32::MIN_POSITIVE) {
            return None;
        }
        for x in &mut vector {
            *x = (f64::from(*x) / norm) as f32;
        }
        Some(vector)
    }
}

#[cfg(test)]
mod tests {
    use super::QueryVector;
    use crate::vector::row::encode_row;
    use alloc::vec::Vec;
    use proptest::prelude::prop;
    use proptest::prop_assert;
    use proptest::proptest;

    fn encoded(row: &[f32]) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_row(row, &mut bytes).expect("finite row");
        bytes
    }

    #[test]
    fn empty_sum_has_no_direction() {
        assert_eq!(QueryVector::new(8).finish(), None);
    }

    #[test]
    fn rows_that_cancel_have_no_direction() {
        let row = encoded(&[1.0, -2.0, 3.0]);
        let mut query = QueryVector::new(3);
        query.add(&row, 1.0).expect("valid");
        query.add(&row, -1.0).expect("valid");
        assert_eq!(query.finish(), None);
    }

    #[test]
    fn overflowing_sum_has_no_direction_instead_of_nan() {
        let row = encoded(&[f32::MAX, f32::MAX]);
        let mut query = QueryVector::new(2);
        for _ in 0..4 {
            query.add(&row, f32::MAX).expect("valid");
        }
        assert_eq!(query.finish(), None);
    }

    #[test]
    fn wrong_length_is_an_error_and_changes_nothing() {
        let mut query = QueryVector::new(4);
        assert!(query.add(&encoded(&[1.0; 6]), 1.0).is_err());
        assert!(query.add(&[], 1.0).is_err());
        assert_eq!(query.finish(), None);
    }

    proptest! {
        #[test]
        fn finished_vector_has_length_one(row in prop::collection::vec(-1f32..1.0, 1..80)) {
            let mut query = QueryVector::new(row.len());
            query.add(&encoded(&row), 2.5).expect("valid");
            if let Some(vector) = query.finish() {
                let norm: f64 = vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
                prop_assert!((norm - 1.0).abs() < 1e-5);
            }
        }
    }
}

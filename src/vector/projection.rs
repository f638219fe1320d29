//! Embeddings in fewer dimensions.
//!
//! Embeddings of one collection fill few of their dimensions: of MiniLM's 384, the leading 192
//! principal directions of a collection of technical texts hold about nine tenths of the squared
//! lengths, 256 hold 0.97. An index may keep these only, which shrinks codes, term rows and the
//! rows of chunks alike. Everything that enters the index goes through the same projection, and so does an
//! embedding that a search is given; a query that is summed from term rows is projected already.
//!
//! Source: principal component analysis (Pearson, "On lines and planes of closest fit", 1901), here
//! of vectors that are not centred, since inner products are what is to be kept.

use alloc::vec::Vec;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::vector::MAX_DIM;
use crate::vector::VectorError;
use crate::vector::arithmetic;

/// Largest code of a component.
const CODE_MAX: f32 = 32767.0;

/// Orthonormal directions in the space of embeddings.
///
/// Components are integers times one step, so that the builder and every reader project alike.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    input_dim: usize,
    step: f32,
    codes: Vec<i16>,
}

impl Projection {
    /// The projection on `directions`, one after the other, of `input_dim` finite components each.
    #[must_use]
    pub fn new(input_dim: usize, directions: &[f32]) -> Self {
        let largest = directions.iter().fold(0.0f32, |max, x| max.max(x.abs()));
        let step = largest / CODE_MAX;
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let code = |x: &f32| {
            let code = super::quantizer::round(x * inverse);
            code.clamp(-(CODE_MAX as i32), CODE_MAX as i32) as i16
        };
        Self {
            input_dim,
            step,
            codes: directions.iter().map(code).collect(),
        }
    }

    /// Components of what is projected.
    #[must_use]
    pub fn input_dim(&self) -> usize {
        self.input_dim
    }

    /// Components of the result: the number of directions.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.codes.len() / self.input_dim.max(1)
    }

    /// The inner products of an embedding with all directions.
    ///
    /// # Errors
    /// [`VectorError`] for a wrong dimension, a component that is not finite, or a norm past
    /// [`crate::vector::MAX_NORM`].
    #[inline(never)]
    pub fn apply(&self, embedding: &[f32]) -> Result<Vec<f32>, VectorError> {
        arithmetic::checked_norm(embedding, self.input_dim)?;
        let directions = self.codes.chunks_exact(self.input_dim.max(1));
        let inner = |codes| (arithmetic::dot_codes(embedding, codes) * f64::from(self.step)) as f32;
        Ok(directions.map(inner).collect())
    }

    /// Appends the projection.
    pub fn write(&self, out: &mut Writer) {
        out.varint(self.input_dim as u64);
        out.varint(self.dim() as u64);
        out.f32(self.step);
        for code in &self.codes {
            out.u16(*code as u16);
        }
    }

    /// Reads what [`Projection::write`] wrote.
    ///
    /// # Errors
    /// [`FormatError`] for dimensions or a step out of range, and for missing bytes.
    #[inline(never)]
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let input_dim = reader.varint_max(MAX_DIM as u64, "input dimension")? as usize;
        let dim = reader.varint_max(input_dim as u64, "dimension")? as usize;
        if dim == 0 {
            return Err(reader.error("dimension", Problem::Inconsistent));
        }
        let step = super::quantizer::read_step(reader, "direction step")?;
        let bytes = reader.take(2 * dim * input_dim, "directions")?;
        let codes = bytes.as_chunks::<2>().0;
        Ok(Self {
            input_dim,
            step,
            codes: codes.iter().map(|&code| i16::from_le_bytes(code)).collect(),
        })
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::Projection;
    use crate::bytes::Reader;
    use crate::bytes::Writer;
    use std::vec::Vec;

    #[test]
    fn projecting_on_axes_picks_components() {
        let axes = [0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        let projection = Projection::new(4, &axes);
        assert_eq!((projection.input_dim(), projection.dim()), (4, 2));
        let projected = projection.apply(&[1.0, 2.0, 3.0, 4.0]).unwrap();
        let error = (projected[0] - 3.0).abs() + (projected[1] - 1.0).abs();
        assert!(error < 1e-5, "{projected:?}");
        assert!(projection.apply(&[1.0; 3]).is_err());
        assert!(projection.apply(&[f32::NAN; 4]).is_err());
    }

    #[test]
    fn a_projection_reads_as_written_and_no_prefix_of_it_does() {
        let projection = Projection::new(3, &[0.5, -0.25, 1.0]);
        let mut out = Writer::new();
        projection.write(&mut out);
        let bytes: Vec<u8> = out.into_bytes();
        let read = |bytes: &[u8]| Projection::read(&mut Reader::new(bytes, "projection"));
        assert_eq!(read(&bytes).unwrap(), projection);
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "{len}");
        }
    }
}

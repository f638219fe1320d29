//! The trained parameters of an index's codes, and the encoder.
//!
//! A row `x` becomes its residual `r = R(x) - mean`, with `R` the rotation and `mean` the rotated
//! mean of the rows. For a query `q` and `q' = R(q) - mean`,
//!
//! ```text
//! <q, x> = <q', r> + <mean, r> + <R(q), mean>
//! ```
//!
//! The 1-bit code keeps `s = sign(r)` and estimates `<q', r>` by `f <q', s>` with
//! `f = |r|² / |r|₁`, which is exact for `q' = r` and without bias over rotations (Gao and Long,
//! "RaBitQ", SIGMOD 2024). The second factor is `t = <mean, r>`, exact. Both are 16-bit fixed point:
//! WebAssembly has no conversion from half floats, and integers are the same everywhere.
//!
//! The int8 code is `r / step`, rounded, with one step for the whole index: after centring and
//! rotating all dimensions have about the same spread. Share of the true top 10 among the 10 best
//! int8 scores, MiniLM, 384 dimensions: 0.99; with one scale per row on plain rows 0.97.

use crate::vector::arch::sqrt;
use alloc::vec::Vec;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::vector::MAX_DIM;
use crate::vector::MAX_NORM;
use crate::vector::Metric;
use crate::vector::VectorError;
use crate::vector::VectorProblem;
use crate::vector::arithmetic;
use crate::vector::code_dim;
use crate::vector::rotate::Rotation;

/// At most this many components are kept to find the int8 step: 8 MB.
const SAMPLE_COMPONENTS: usize = 1 << 21;

/// The part of the residuals' components that int8 codes represent without clipping.
const UNCLIPPED: f64 = 0.9999;

/// Room above the expected `|r|² / |r|₁ = 1.25 |r| / sqrt(code_dim)`; rotated rows stay well below.
const FACTOR_MARGIN: f64 = 1.5;

/// The codes of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowCode {
    /// Signs of the residual, a set bit for `r >= 0`: `code_dim / 64` words.
    pub signs: Vec<u64>,
    /// The two factors of the 1-bit estimate.
    pub factors: Factors,
    /// The int8 code: `code_dim` numbers from -127 to 127.
    pub int8: Vec<i8>,
}

/// What a 1-bit code stores beside its signs, in units of the quantizer's steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Factors {
    /// `|r|² / |r|₁`.
    pub rescale: u16,
    /// `<mean, r>`.
    pub offset: i16,
}

/// Encodes rows and prepares queries; trained once per index and stored in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantizer {
    metric: Metric,
    dim: usize,
    rotation: Rotation,
    mean_codes: Vec<i16>,
    mean_step: f32,
    mean: Vec<f32>,
    int8_step: f32,
    rescale_step: f32,
    offset_step: f32,
}

impl Quantizer {
    /// Trains on all `rows`; see [`Trainer`] for rows that arrive one by one.
    ///
    /// # Errors
    /// [`VectorError`] with the number of the first row that cannot be used, or for no rows.
    pub fn train<R: AsRef<[f32]>>(
        metric: Metric,
        dim: usize,
        seed: u64,
        rows: impl IntoIterator<Item = R>,
    ) -> Result<Self, VectorError> {
        let mut trainer = Trainer::new(metric, dim, seed)?;
        for row in rows {
            trainer.push(row.as_ref())?;
        }
        trainer.finish()
    }

    /// How embeddings are compared.
    #[must_use]
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Components of an embedding.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Dimensions of a code: [`Quantizer::dim`] rounded up to a multiple of 64.
    #[must_use]
    pub fn code_dim(&self) -> usize {
        self.mean.len()
    }

    /// Rotated mean of the rows, `code_dim` numbers.
    pub(crate) fn mean(&self) -> &[f32] {
        &self.mean
    }

    pub(crate) fn int8_step(&self) -> f32 {
        self.int8_step
    }

    pub(super) fn rescale_step(&self) -> f32 {
        self.rescale_step
    }

    pub(super) fn offset_step(&self) -> f32 {
        self.offset_step
    }

    /// Checks, normalises (for cosine), pads and rotates an embedding.
    pub(super) fn rotated(&self, vector: &[f32]) -> Result<Vec<f32>, VectorProblem> {
        let mut rotated = padded(self.metric, self.dim, vector)?.0;
        self.rotation.apply(&mut rotated);
        Ok(rotated)
    }

    /// Encodes one row: a pure function of the quantizer and the row.
    ///
    /// # Errors
    /// [`VectorError`] without a row number (see [`VectorError::at_row`]) for a wrong dimension, a
    /// component that is not finite, or a norm past [`MAX_NORM`].
    pub fn encode_row(&self, row: &[f32]) -> Result<RowCode, VectorError> {
        let mut residual = self.rotated(row)?;
        for (r, mean) in residual.iter_mut().zip(&self.mean) {
            *r -= mean;
        }
        let l1_norm = arithmetic::l1_norm(&residual);
        let rescale = match l1_norm > 0.0 {
            true => arithmetic::dot(&residual, &residual) / l1_norm,
            false => 0.0,
        };
        let offset = arithmetic::dot(&self.mean, &residual);
        let factors = Factors {
            rescale: steps(rescale, self.rescale_step).clamp(0, u16::MAX.into()) as u16,
            offset: steps(offset, self.offset_step).clamp(i16::MIN.into(), i16::MAX.into()) as i16,
        };
        let signs = residual.chunks(64).map(sign_word).collect();
        let inverse = 1.0 / self.int8_step;
        let int8 = residual
            .iter()
            .map(|r| round(r * inverse).clamp(-127, 127) as i8)
            .collect();
        Ok(RowCode {
            signs,
            factors,
            int8,
        })
    }

    /// Appends the trained parameters: `2 code_dim + 30` bytes or so.
    pub fn write(&self, writer: &mut Writer) {
        self.metric.write(writer);
        writer.varint(self.dim as u64);
        writer.u64(self.rotation.seed());
        for step in [
            self.mean_step,
            self.int8_step,
            self.rescale_step,
            self.offset_step,
        ] {
            writer.f32(step);
        }
        for code in &self.mean_codes {
            writer.u16(*code as u16);
        }
    }

    /// Reads what [`Quantizer::write`] wrote.
    ///
    /// # Errors
    /// [`FormatError`] for truncation and for numbers that training cannot have produced.
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let metric = Metric::read(reader)?;
        let dim = reader.varint_max(MAX_DIM as u64, "dimension")? as usize;
        if dim == 0 {
            return Err(reader.error("dimension", Problem::Inconsistent));
        }
        let rotation = Rotation::new(reader.u64("rotation seed")?, code_dim(dim));
        let mut steps = [0.0f32; 4];
        for (step, field) in
            steps
                .iter_mut()
                .zip(["mean step", "int8 step", "rescale step", "offset step"])
        {
            *step = read_step(reader, field)?;
        }
        let [mean_step, int8_step, rescale_step, offset_step] = steps;
        // `1 / step` must be finite.
        if int8_step < f32::MIN_POSITIVE {
            return Err(reader.error("int8 step", Problem::Inconsistent));
        }
        let bytes = reader.take(2 * code_dim(dim), "mean")?;
        let mean_codes: Vec<i16> = bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|&code| i16::from_le_bytes(code))
            .collect();
        let mean = decode_mean(&mean_codes, mean_step);
        Ok(Self {
            metric,
            dim,
            rotation,
            mean_codes,
            mean_step,
            mean,
            int8_step,
            rescale_step,
            offset_step,
        })
    }
}

/// Trains a [`Quantizer`] on rows that arrive one by one, in bounded memory.
///
/// The mean and the longest norm are those of all rows; the int8 step comes from an even sample of
/// them. Everything depends on the rows and their order only.
#[derive(Debug, Clone)]
pub struct Trainer {
    metric: Metric,
    dim: usize,
    rotation: Rotation,
    rows: u64,
    sum: Vec<f64>,
    longest: f64,
    /// Every `stride`-th row, padded; the stride doubles whenever the sample is full.
    sample: Vec<Vec<f32>>,
    stride: u64,
}

impl Trainer {
    /// Starts training for embeddings of `dim` components, with the rotation of `seed`.
    ///
    /// # Errors
    /// [`VectorProblem::BadDim`].
    pub fn new(metric: Metric, dim: usize, seed: u64) -> Result<Self, VectorError> {
        if !(1..=MAX_DIM).contains(&dim) {
            return Err(VectorProblem::BadDim { dim }.into());
        }
        Ok(Self {
            metric,
            dim,
            rotation: Rotation::new(seed, code_dim(dim)),
            rows: 0,
            sum: alloc::vec![0.0; code_dim(dim)],
            longest: 0.0,
            sample: Vec::new(),
            stride: 1,
        })
    }

    /// Takes the next row.
    ///
    /// # Errors
    /// [`VectorError`] with the row's number, counted from 0; the row is then left out.
    pub fn push(&mut self, row: &[f32]) -> Result<(), VectorError> {
        let (row, norm) = padded(self.metric, self.dim, row)
            .map_err(|problem| VectorError::from(problem).at_row(self.rows))?;
        for (sum, x) in self.sum.iter_mut().zip(&row) {
            *sum += f64::from(*x);
        }
        self.longest = self.longest.max(norm);
        if self.rows.is_multiple_of(self.stride) {
            self.sample.push(row);
            if self.sample.len() * self.sum.len() > SAMPLE_COMPONENTS {
                let mut at = 0;
                self.sample.retain(|_| {
                    at += 1;
                    at % 2 == 1
                });
                self.stride *= 2;
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// Computes the parameters.
    ///
    /// # Errors
    /// [`VectorProblem::NoRows`].
    pub fn finish(self) -> Result<Quantizer, VectorError> {
        if self.rows == 0 {
            return Err(VectorProblem::NoRows.into());
        }
        let mut mean: Vec<f32> = self
            .sum
            .iter()
            .map(|sum| (sum / self.rows as f64) as f32)
            .collect();
        self.rotation.apply(&mut mean);
        let largest = mean.iter().fold(0.0f32, |max, x| max.max(x.abs()));
        let mean_step = largest / f32::from(i16::MAX);
        let mean_codes: Vec<i16> = mean
            .iter()
            .map(|&x| {
                steps(x.into(), mean_step).clamp(-i32::from(i16::MAX), i16::MAX.into()) as i16
            })
            .collect();
        // The encoder sees the mean that readers will see, so rounding it costs no accuracy.
        let mean = decode_mean(&mean_codes, mean_step);

        let mean_norm = arithmetic::l2_norm(&mean);
        let longest_residual = self.longest + mean_norm;
        let expected_rescale = 1.25 * longest_residual / sqrt(mean.len() as f64);
        let int8_step = int8_step(self.sample, &self.rotation, &mean);
        Ok(Quantizer {
            metric: self.metric,
            dim: self.dim,
            rotation: self.rotation,
            mean_codes,
            mean_step,
            int8_step,
            rescale_step: (FACTOR_MARGIN * expected_rescale / f64::from(u16::MAX)) as f32,
            offset_step: (mean_norm * longest_residual / f64::from(i16::MAX)) as f32,
            mean,
        })
    }
}

fn int8_step(sample: Vec<Vec<f32>>, rotation: &Rotation, mean: &[f32]) -> f32 {
    let mut sizes = Vec::with_capacity(sample.len() * mean.len());
    for mut row in sample {
        rotation.apply(&mut row);
        sizes.extend(row.iter().zip(mean).map(|(x, mean)| (x - mean).abs()));
    }
    let at = ((sizes.len() - 1) as f64 * UNCLIPPED) as usize;
    let (_, &mut size, _) = sizes.select_nth_unstable_by(at, f32::total_cmp);
    // Rows that are all equal leave nothing to encode; any step serves them.
    if size / 127.0 >= f32::MIN_POSITIVE {
        size / 127.0
    } else {
        1.0
    }
}

fn decode_mean(codes: &[i16], step: f32) -> Vec<f32> {
    codes.iter().map(|&code| f32::from(code) * step).collect()
}

/// The checked embedding, normalised for cosine and padded with zeros; and its norm then.
fn padded(metric: Metric, dim: usize, vector: &[f32]) -> Result<(Vec<f32>, f64), VectorProblem> {
    let mut norm = arithmetic::checked_norm(vector, dim)?;
    let mut padded = Vec::with_capacity(code_dim(dim));
    padded.extend_from_slice(vector);
    if metric == Metric::Cosine {
        arithmetic::normalize(&mut padded, norm);
        norm = if norm > 0.0 { 1.0 } else { 0.0 };
    }
    padded.resize(code_dim(dim), 0.0);
    Ok((padded, norm))
}

fn sign_word(residual: &[f32]) -> u64 {
    residual
        .iter()
        .enumerate()
        .fold(0, |word, (bit, &r)| word | u64::from(r >= 0.0) << bit)
}

/// `value` in units of `step`, rounded; 0 if the step is 0.
/// Reads a step: products of two norms are the largest that a builder has to cover.
pub(super) fn read_step(reader: &mut Reader<'_>, field: &'static str) -> Result<f32, FormatError> {
    let step = reader.f32(field)?;
    match (0.0..=MAX_NORM * MAX_NORM).contains(&step) {
        true => Ok(step),
        false => Err(reader.error(field, Problem::Inconsistent)),
    }
}

fn steps(value: f64, step: f32) -> i32 {
    if step > 0.0 {
        round_f64(value / f64::from(step))
    } else {
        0
    }
}

/// The nearest integer, halves away from zero, at the ends of `i32` the end.
pub(crate) fn round(value: f32) -> i32 {
    (value + 0.5f32.copysign(value)) as i32
}

fn round_f64(value: f64) -> i32 {
    (value + 0.5f64.copysign(value)) as i32
}

#[cfg(test)]
mod tests {
    use super::Quantizer;
    use super::Trainer;
    use crate::bytes::Reader;
    use crate::bytes::Writer;
    use crate::vector::Metric;
    use crate::vector::Query;
    use crate::vector::VectorError;
    use crate::vector::VectorProblem;
    use crate::vector::int8;
    use crate::vector::rotate::SplitMix64;
    use std::vec;
    use std::vec::Vec;

    fn rows(count: usize, dim: usize) -> Vec<Vec<f32>> {
        let mut random = SplitMix64::new(9);
        let mut row = || {
            (0..dim)
                .map(|_| random.below(2000) as f32 / 1000.0 - 0.8)
                .collect()
        };
        (0..count).map(|_| row()).collect()
    }

    fn problem<T: core::fmt::Debug>(
        result: Result<T, VectorError>,
    ) -> (Option<u64>, VectorProblem) {
        let error = result.expect_err("an error");
        (error.row, error.problem)
    }

    #[test]
    fn bad_rows_are_rejected_by_number() {
        let mut trainer = Trainer::new(Metric::Cosine, 3, 0).expect("dimension");
        trainer.push(&[1.0, 2.0, 3.0]).expect("row 0");
        let wrong = VectorProblem::WrongDim {
            expected: 3,
            got: 2,
        };
        assert_eq!(problem(trainer.push(&[1.0, 2.0])), (Some(1), wrong));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let not_finite = VectorProblem::NotFinite { component: 1 };
            assert_eq!(
                problem(trainer.push(&[1.0, bad, 2.0])),
                (Some(1), not_finite)
            );
        }
        assert_eq!(
            problem(trainer.push(&[f32::MAX; 3])),
            (Some(1), VectorProblem::TooLong)
        );
        trainer.push(&[3.0, 2.0, 1.0]).expect("row 1");
        let quantizer = trainer.finish().expect("two rows");
        assert_eq!(problem(quantizer.encode_row(&[0.0; 4])).0, None);
        assert_eq!(problem(Query::new(&quantizer, &[f32::NAN; 3])).0, None);
    }

    #[test]
    fn impossible_dimensions_and_no_rows_are_errors() {
        for dim in [0, 8193] {
            let result = Trainer::new(Metric::Dot, dim, 0);
            assert_eq!(problem(result), (None, VectorProblem::BadDim { dim }));
        }
        let none = Quantizer::train(Metric::Dot, 3, 0, Vec::<Vec<f32>>::new());
        assert_eq!(problem(none), (None, VectorProblem::NoRows));
    }

    #[test]
    fn rows_without_spread_encode_and_score_as_they_are() {
        for row in [
            vec![0.0; 5],
            vec![1.0, 0.0, 0.0, 0.0, 0.0],
            vec![1e-30; 5],
            vec![1e11; 5],
        ] {
            for metric in [Metric::Cosine, Metric::Dot] {
                let train = [row.clone(), row.clone(), row.clone()];
                let quantizer = Quantizer::train(metric, 5, 0, train).expect("training");
                let query = Query::new(&quantizer, &row).expect("query");
                let code = quantizer.encode_row(&row).expect("row");
                let square: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
                let expected = match metric {
                    Metric::Cosine => f64::from(square > 0.0),
                    Metric::Dot => square,
                };
                let score = f64::from(int8::score(&query, &code.int8));
                assert!(
                    (score - expected).abs() <= 1e-3 * expected + 1e-30,
                    "{row:?}: {score}"
                );
            }
        }
    }

    #[test]
    fn parameters_read_are_those_written() {
        for (metric, dim) in [
            (Metric::Cosine, 1),
            (Metric::Dot, 64),
            (Metric::Cosine, 100),
        ] {
            let quantizer = Quantizer::train(metric, dim, 7, rows(50, dim)).expect("training");
            let mut writer = Writer::new();
            quantizer.write(&mut writer);
            let bytes = writer.into_bytes();
            let mut reader = Reader::new(&bytes, "quantizer");
            assert_eq!(Quantizer::read(&mut reader).as_ref(), Ok(&quantizer));
            assert_eq!(reader.end(), Ok(()));
        }
    }

    #[test]
    fn damaged_parameters_never_panic() {
        let rows = rows(20, 70);
        let quantizer = Quantizer::train(Metric::Dot, 70, 7, &rows).expect("training");
        let mut writer = Writer::new();
        quantizer.write(&mut writer);
        let bytes = writer.into_bytes();
        for len in 0..bytes.len() {
            let mut reader = Reader::new(&bytes[..len], "quantizer");
            assert!(Quantizer::read(&mut reader).is_err(), "{len} bytes");
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1 << bit;
                let Ok(read) = Quantizer::read(&mut Reader::new(&bytes, "quantizer")) else {
                    continue;
                };
                let (Ok(query), Ok(code)) =
                    (Query::new(&read, &rows[0]), read.encode_row(&rows[1]))
                else {
                    continue;
                };
                assert!(
                    !int8::score(&query, &code.int8).is_nan(),
                    "byte {at} bit {bit}"
                );
            }
        }
    }

    #[test]
    fn training_on_many_rows_samples_them_evenly() {
        // 3,000 rows of 2,048 components exceed the sample three times over.
        let mut trainer = Trainer::new(Metric::Dot, 2048, 0).expect("dimension");
        for row in 0..3000 {
            trainer.push(&[row as f32; 2048]).expect("row");
        }
        let kept: Vec<f32> = trainer.sample.iter().map(|row| row[0]).collect();
        assert!((256..=1024).contains(&kept.len()), "{}", kept.len());
        assert!(
            kept.iter()
                .enumerate()
                .all(|(i, &x)| x == (i as u64 * trainer.stride) as f32)
        );
    }

    #[test]
    fn int8_scores_are_near_the_inner_product() {
        for (metric, dim) in [(Metric::Dot, 96), (Metric::Cosine, 384)] {
            let rows = rows(200, dim);
            let quantizer = Quantizer::train(metric, dim, 3, &rows).expect("training");
            let query = Query::new(&quantizer, &rows[0]).expect("query");
            let dot = |a: &[f32], b: &[f32]| -> f64 {
                a.iter()
                    .zip(b)
                    .map(|(&x, &y)| f64::from(x) * f64::from(y))
                    .sum()
            };
            for row in &rows {
                let length = (dot(&rows[0], &rows[0]) * dot(row, row)).sqrt();
                let score = int8::score(&query, &quantizer.encode_row(row).expect("row").int8);
                let exact = match metric {
                    Metric::Dot => dot(&rows[0], row),
                    Metric::Cosine => dot(&rows[0], row) / length,
                };
                let scale = if metric == Metric::Dot { length } else { 1.0 };
                assert!(
                    (f64::from(score) - exact).abs() < 0.005 * scale,
                    "{score} {exact}"
                );
            }
        }
    }
}

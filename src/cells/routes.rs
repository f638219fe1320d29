//! Cells that rows of terms lead to, so that queries of words need no router.
//!
//! A query's embedding is the sum of its words' rows, and the score of a cell's direction is linear in it. So
//! each row is followed by the cells it is nearest to and by how much nearer, its *routes*, and the sums of these
//! over a query's words rank the cells nearly as the router does. They come with the words, in the bytes of
//! blocks that are read anyway, where a router takes 28 bytes for each cell of the index.
//!
//! `DESIGN.md` has what is lost, and why searches by meaning alone keep to the router.

use alloc::vec;
use alloc::vec::Vec;

use super::stored::Levels;
use super::stored::Place;
use super::stored::Router;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::vector::Quantizer;
use crate::vector::Query;
use crate::vector::VectorError;
use crate::vector::arch::sqrt;

/// Cells that a row leads to. On the C++ documentation (885 cells) 8 hold .913 of the ten hits that all cells
/// give, 12 .919, 16 .926, the router .933; each takes 14 bits of 30,000 rows.
const ROUTES: usize = 12;

/// Bits of a cell's number.
const CELL_BITS: usize = 10;

/// Bits of how much nearer it is than the first one that is left out.
const GAIN_BITS: usize = 4;

/// The largest of these.
const MAX_GAIN: u32 = (1 << GAIN_BITS) - 1;

/// Cells that there are at most, so that their numbers fit.
const MAX_CELLS: usize = 1 << CELL_BITS;

/// Bytes of a row's routes: their scale, then cells with gains, the lowest bits first.
pub const ROUTES_LEN: usize = 1 + (ROUTES * (CELL_BITS + GAIN_BITS)).div_ceil(8);

/// What the largest gain of a row counts: 16 to 31 times a power of two, so that the error is below 4 %.
fn scale(code: u8) -> f32 {
    const UNIT: f32 = 1.0 / 16_384.0;
    ((16 + u32::from(code & 15)) << (code >> 4)) as f32 * UNIT
}

/// Finds the routes of rows.
#[derive(Debug)]
pub struct RouteFinder {
    quantizer: Quantizer,
    router: Router,
}

impl RouteFinder {
    /// For the cells that a router leads to; none if it does so by groups, or to too many.
    #[must_use]
    pub fn new(quantizer: Quantizer, router: Router) -> Option<Self> {
        let cells = router.cell_count();
        let fits = router.levels() == 2 && cells <= MAX_CELLS;
        fits.then_some(Self { quantizer, router })
    }

    /// The routes of a row, [`ROUTES_LEN`] bytes.
    ///
    /// # Errors
    /// [`VectorError`] for a row that is no vector of the quantizer's dimension.
    pub fn routes(&self, row: &[f32]) -> Result<Vec<u8>, VectorError> {
        let squares: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
        let norm = sqrt(squares) as f32;
        if norm == 0.0 {
            return Ok(vec![0; ROUTES_LEN]);
        }
        let direction: Vec<f32> = row.iter().map(|x| x / norm).collect();
        let query = Query::new(&self.quantizer, &direction)?;
        let mut scores = vec![0.0; self.router.cell_count()];
        // A router that was read has a topmost cell.
        if let Ok(top) = self.router.cell(1, self.router.top()) {
            top.score(&query, |at, member| scores[at] = norm * member.score);
        }
        Ok(encode(&scores))
    }
}

/// The routes of a row that gives cells these scores.
fn encode(scores: &[f32]) -> Vec<u8> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
    let floor = order.get(ROUTES).or(order.last());
    let floor = floor.map_or(0.0, |&cell| scores[cell]);
    let best = order.first().map_or(0.0, |&cell| scores[cell] - floor);
    let code = (0..=u8::MAX).find(|&code| scale(code) >= best);
    let code = code.unwrap_or(u8::MAX);
    let mut out = vec![0; ROUTES_LEN];
    out[0] = code;
    for (at, &cell) in order.iter().take(ROUTES).enumerate() {
        let gain = libm::roundf((scores[cell] - floor) / scale(code) * MAX_GAIN as f32);
        let route = cell as u32 | (gain as u32).min(MAX_GAIN) << CELL_BITS;
        let bit = at * (CELL_BITS + GAIN_BITS);
        let bytes = (route << (bit % 8)).to_le_bytes();
        for (out, byte) in out[1 + bit / 8..].iter_mut().zip(bytes) {
            *out |= byte;
        }
    }
    out
}

/// The route at a place: its cell, and what it gains.
fn route(routes: &[u8], at: usize) -> (usize, f32) {
    let bit = at * (CELL_BITS + GAIN_BITS);
    let bytes = routes.iter().skip(1 + bit / 8).take(3).rev();
    let window = bytes.fold(0u32, |window, &byte| window << 8 | u32::from(byte));
    // The last route ends with the last byte, so there may be two.
    let route = window >> (bit % 8);
    let cell = route as usize & (MAX_CELLS - 1);
    let gain = route >> CELL_BITS & MAX_GAIN;
    let largest = routes.first().map_or(0.0, |&code| scale(code));
    (cell, largest * gain as f32 / MAX_GAIN as f32)
}

/// Where the cells lie that routes lead to: what a reader keeps instead of a router.
#[derive(Debug, Clone)]
pub struct RoutedCells {
    pub(super) levels: Levels,
    pub(super) places: Vec<Place>,
}

impl RoutedCells {
    /// Reads the places of cells that hold `rows` rows.
    ///
    /// # Errors
    /// [`FormatError`] for truncation, bytes left over, and numbers that a build cannot have produced.
    pub fn parse(bytes: &[u8], rows: usize, quantizer: &Quantizer) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "cell places");
        let levels = Levels::read(&mut reader, rows, quantizer.code_dim())?;
        if levels.count() != 2 || levels.cell_count() > MAX_CELLS {
            return Err(reader.error("level count", Problem::Inconsistent));
        }
        let places = Place::read_all(&mut reader, levels.cell_count(), true)?;
        reader.end()?;
        Ok(Self { levels, places })
    }

    /// What [`RoutedCells::parse`] reads, of the cells at these places.
    #[must_use]
    pub fn write(finder: &RouteFinder, places: &[Place]) -> Vec<u8> {
        let mut out = Writer::new();
        finder.router.levels.write(&mut out);
        Place::write_all(places.iter().copied(), true, &mut out);
        out.into_bytes()
    }

    /// Scores of no cell yet.
    #[must_use]
    pub fn scores(&self) -> RouteScores {
        RouteScores(vec![0.0; self.places.len()])
    }
}

/// What the rows of a query's words give each cell: nothing to those that they do not lead to.
#[derive(Debug, Clone)]
pub struct RouteScores(pub(super) Vec<f32>);

impl RouteScores {
    /// Adds `weight` times the routes of a row.
    ///
    /// # Errors
    /// [`FormatError`] for a cell that is not there.
    pub fn add(&mut self, routes: &[u8], weight: f32) -> Result<(), FormatError> {
        for at in 0..ROUTES {
            let (cell, gain) = route(routes, at);
            match self.0.get_mut(cell) {
                Some(score) => *score += weight * gain,
                None => {
                    let reader = Reader::new(routes, "routes");
                    return Err(reader.error("cell", Problem::Inconsistent));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::MAX_CELLS;
    use super::MAX_GAIN;
    use super::ROUTES;
    use super::ROUTES_LEN;
    use super::RouteScores;
    use super::encode;
    use super::route;
    use super::scale;
    use alloc::vec;
    use alloc::vec::Vec;
    use proptest::prelude::prop;
    use proptest::prop_assert;
    use proptest::prop_assert_eq;
    use proptest::proptest;

    proptest! {
        #[test]
        fn best_cells_come_back_with_what_they_gain(scores in prop::collection::vec(-1.0f32..1.0, 1..MAX_CELLS)) {
            let routes = encode(&scores);
            prop_assert_eq!(routes.len(), ROUTES_LEN);
            let mut sorted = scores.clone();
            sorted.sort_by(|a, b| b.total_cmp(a));
            let floor = sorted[ROUTES.min(sorted.len() - 1)];
            let step = scale(routes[0]) / MAX_GAIN as f32;
            let mut sums = RouteScores(vec![0.0; scores.len()]);
            sums.add(&routes, 2.0).unwrap();
            for (score, sum) in scores.iter().zip(&sums.0) {
                let gain = (score - floor).max(0.0);
                prop_assert!((2.0 * gain - sum).abs() <= 1.001 * step, "{} {}", gain, sum);
            }
            let cells: Vec<usize> = (0..ROUTES.min(scores.len())).map(|at| route(&routes, at).0).collect();
            prop_assert!(cells.windows(2).all(|pair| scores[pair[0]] >= scores[pair[1]]));
        }
    }

    #[test]
    fn scales_ascend() {
        assert!((1..=u8::MAX).all(|code| scale(code) > scale(code - 1)));
    }

    #[test]
    fn routes_of_the_specification_are_read_as_it_says() {
        let mut scores = vec![0.0f32; 14];
        (scores[13], scores[2]) = (0.0625, 0.03125);
        let routes = encode(&scores);
        // 16 << 6 in units of 1/16384; cell 13 with 15, then cell 2 with 8 (7.5 rounded), then others with nothing.
        assert_eq!(routes[..5], [0x60, 0x0d, 0xbc, 0x00, 0x08]);
    }

    #[test]
    fn cell_that_is_not_there_is_an_error() {
        let routes = encode(&[0.0, 0.5, 1.0]);
        assert!(RouteScores(vec![0.0; 3]).add(&routes, 1.0).is_ok());
        assert!(RouteScores(vec![0.0; 2]).add(&routes, 1.0).is_err());
    }
}

//! BM25F and impacts.
//!
//! Sources: S. Robertson and H. Zaragoza, *The Probabilistic Relevance Framework: BM25 and Beyond*,
//! 2009, section 3.6 (fields); the never-negative idf is Lucene's; scores computed at build as in
//! X. H. Lù, *BM25S*, 2024; 8-bit impacts as in A. Trotman et al., *Improvements to BM25 and
//! language models examined*, 2014, and the impact-ordered indexes of V. N. Anh and A. Moffat, 2002.

use super::Field;

/// How a field counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FieldParams {
    /// Factor on its frequencies, at least 0.
    pub weight: f64,
    /// How much its length matters, 0 (not) to 1 (fully).
    pub b: f64,
}

/// How much a related term counts, of an occurrence in a text of mean length: less than one in a text
/// four times as long, so that a chunk with the word itself comes first.
const RELATED: f64 = 0.3;

/// The constants of BM25F.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bm25Params {
    /// How soon further occurrences stop to matter, above 0.
    pub k1: f64,
    /// Fields, by [`Field`].
    pub fields: [FieldParams; Field::COUNT],
}

impl Default for Bm25Params {
    /// `k1` 1.5 and `b` 0.75: the best of the usual pairs on four of six collections (0.9/0.4,
    /// 1.2/0.75, 1.5/0.75). Titles count four times and headings twice; their length matters
    /// less, since they are short for other reasons than text is.
    fn default() -> Self {
        Self {
            k1: 1.5,
            fields: [
                FieldParams {
                    weight: 4.0,
                    b: 0.5,
                },
                FieldParams {
                    weight: 2.0,
                    b: 0.5,
                },
                FieldParams {
                    weight: 1.0,
                    b: 0.75,
                },
                FieldParams {
                    weight: RELATED,
                    b: 0.0,
                },
            ],
        }
    }
}

/// Steps of the idf as it is stored: see [`idf`].
pub(super) const IDF_STEPS: f64 = 4096.0;

/// The inverse document frequency of a term found in `df` of `chunks` chunks, at least 0.
///
/// `ln(1 + (chunks - df + 0.5) / (df + 0.5))`, rounded to 1/4096 and at most 15.99, so that it is
/// stored in 16 bits and build and query see the same number.
pub fn idf(df: u32, chunks: u32) -> f64 {
    let (df, chunks) = (f64::from(df), f64::from(chunks));
    let exact = libm::log(1.0 + (chunks - df + 0.5) / (df + 0.5));
    libm::round(exact * IDF_STEPS).clamp(0.0, f64::from(u16::MAX)) / IDF_STEPS
}

/// BM25F without the idf, for a collection with these mean field lengths.
#[derive(Debug, Clone)]
pub(super) struct Saturation {
    params: Bm25Params,
    /// Mean tokens by [`Field`] over the chunks that have the field.
    means: [f64; Field::COUNT],
}

impl Saturation {
    /// For chunks of these field lengths.
    pub(super) fn new(params: Bm25Params, lengths: &[[u32; Field::COUNT]]) -> Self {
        let means = Field::ALL.map(|field| {
            let lengths = lengths.iter().map(|lengths| lengths[field as usize]);
            let (mut total, mut filled) = (0u64, 0u64);
            for length in lengths.filter(|&length| length > 0) {
                total += u64::from(length);
                filled += 1;
            }
            if filled == 0 {
                1.0
            } else {
                total as f64 / filled as f64
            }
        });
        Self { params, means }
    }

    /// From 0 (absent) towards `k1 + 1` (often).
    pub(super) fn of(&self, frequencies: [u16; Field::COUNT], lengths: [u32; Field::COUNT]) -> f64 {
        let mut frequency = 0.0;
        for field in Field::ALL {
            let at = field as usize;
            let FieldParams { weight, b } = self.params.fields[at];
            let length = f64::from(lengths[at]) / self.means[at];
            frequency += weight * f64::from(frequencies[at]) / (1.0 - b + b * length);
        }
        frequency * (self.params.k1 + 1.0) / (frequency + self.params.k1)
    }
}

//! Merging the ranking by words with the ranking by meaning.

use crate::index::VectorSections;

/// How two rankings become one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Fusion {
    /// Convex, with the weight of meaning that the build gave the index: up to [`DEFAULT_ALPHA`], less
    /// where its embedder tells the texts apart badly.
    #[default]
    Auto,
    /// Convex combination of normalised scores (Bruch, Gai, Ingber: *An Analysis of Fusion Functions
    /// for Hybrid Retrieval*, TOIS 2023, with theoretical minima): keyword scores are divided by the
    /// best one of the query, cosines are mapped from \[-1, best\] to \[0, 1\].
    Convex {
        /// Weight of meaning, 0 to 1; the rest is the weight of words.
        alpha: f32,
    },
    /// Reciprocal rank fusion (Cormack, Clarke, Büttcher, SIGIR 2009): the sum of 1 / (k + rank).
    Rrf {
        /// Rank constant; larger values flatten the top. 60 in the paper.
        k: f32,
    },
}

impl Fusion {
    /// With the weight of meaning of an index instead of [`Fusion::Auto`].
    pub(super) fn of(self, vectors: Option<&VectorSections>) -> Self {
        match self {
            Self::Auto => Self::Convex {
                alpha: vectors.map_or(DEFAULT_ALPHA, VectorSections::alpha),
            },
            chosen => chosen,
        }
    }
}

/// Weight of meaning in the convex combination where the embedder knows what the texts are about.
pub const DEFAULT_ALPHA: f32 = 0.8;

/// Rank constant of reciprocal rank fusion where nothing is said.
pub const DEFAULT_RRF_K: f32 = 60.0;

/// Scores of a chunk in the two rankings and its rank in each, best 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Parts {
    /// Sum of impacts; 0 where no word matches.
    pub keyword: u32,
    /// Rank by words, if any matches.
    pub keyword_rank: Option<u32>,
    /// Inner product with the query's embedding, where it was estimated.
    pub cosine: Option<f32>,
    /// The same with the query moved towards the first candidates, where feedback was taken from them.
    pub feedback: Option<f32>,
    /// Rank by meaning.
    pub vector_rank: Option<u32>,
}

/// Best scores of the query, by which others are normalised.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Best {
    /// Highest sum of impacts.
    pub keyword: u32,
    /// Highest score by meaning.
    pub meaning: f32,
}

impl Parts {
    /// Keyword score from 0 to 1.
    pub fn keyword_normalised(&self, best: &Best) -> f32 {
        if best.keyword == 0 {
            0.0
        } else {
            self.keyword as f32 / best.keyword as f32
        }
    }

    /// The score by meaning: the cosine, after feedback that with the moved query.
    pub fn meaning(&self) -> Option<f32> {
        self.feedback.or(self.cosine)
    }

    /// Score by meaning mapped to 0 to 1; 0 where it is not known.
    pub fn vector_normalised(&self, best: &Best) -> f32 {
        let span = best.meaning + 1.0;
        match self.meaning() {
            Some(meaning) if span > 0.0 => ((meaning + 1.0) / span).max(0.0),
            _ => 0.0,
        }
    }

    /// Whether it matches half as well as another passage at least, by words or by meaning. Fused scores do
    /// not tell: the normalised cosine of what has nothing to do with the query is above one half.
    pub fn is_half_of(&self, other: &Self) -> bool {
        let meaning = |parts: &Self| parts.cosine.unwrap_or(0.0);
        let by_words = self.keyword > 0 && self.keyword >= other.keyword.div_ceil(2);
        by_words || (meaning(self) > 0.0 && meaning(self) >= 0.5 * meaning(other))
    }

    /// The fused score, from 0 to 1 for the convex combination.
    pub fn fused(&self, fusion: Fusion, best: &Best) -> f32 {
        let alpha = match fusion {
            Fusion::Auto => DEFAULT_ALPHA,
            Fusion::Convex { alpha } => alpha,
            Fusion::Rrf { k } => {
                let part = |rank: Option<u32>| rank.map_or(0.0, |rank| 1.0 / (k + rank as f32));
                return part(self.keyword_rank) + part(self.vector_rank);
            }
        };
        alpha * self.vector_normalised(best) + (1.0 - alpha) * self.keyword_normalised(best)
    }
}

//! Candidates on their way to hits: two rankings, made one, then rescored.

use super::Explain;
use super::Fusion;
use super::Mode;
use super::dictionary::Damaged;
use super::fuse::Best;
use super::fuse::Parts;
use super::lexical::Lookup;
use crate::document::ChunkId;
use crate::document::DocumentId;
use crate::filter::Bitmap;
use crate::index::Layout;
use crate::index::Root;
use crate::index::VectorSections;
use crate::postings::KeywordHit;
use crate::postings::WEIGHT_ONE;
use crate::sort::sort_by;
use crate::store::Wants;
use crate::store::Wave;
use crate::vector::Metric;
use crate::vector::Quantizer;
use crate::vector::Query;
use crate::vector::row::Row;
use alloc::vec::Vec;
use core::cmp::Ordering;

/// A chunk on its way to become a hit.
#[derive(Debug, Clone, Default)]
pub struct Candidate {
    pub chunk: ChunkId,
    pub document: DocumentId,
    pub parts: Parts,
    /// What each clause adds to the keyword score.
    pub contributions: Vec<u32>,
    pub rescored: bool,
    /// Whether its first cosine was an estimate by its code.
    pub is_coded: bool,
    /// The first page of results, from 0, that its hit may come to.
    pub page: usize,
    /// Whether its records are not among those that are read beside its row.
    pub is_elsewhere: bool,
    /// Whether it holds both words of a query of two where only a few chunks do.
    pub complete: bool,
    pub weight: f32,
    /// What other candidates of its document add to its score.
    pub support: f32,
    pub score: f32,
}

/// Candidates of both rankings, best first.
#[derive(Debug)]
pub struct Ranking {
    /// The ranking that was possible.
    pub mode: Mode,
    /// The embedded query, where there is one.
    pub query: Option<Query>,
    /// Chunks that hold a word of the query.
    pub matches: Bitmap,
    /// Whether only a few chunks hold both words of a query of two.
    pub is_known_item: bool,
    /// Whether only that is shown which was prefetched.
    pub is_guess_binding: bool,
    pub candidates: Vec<Candidate>,
}

impl Ranking {
    /// The candidates' rows.
    pub fn want_rows(&self, vectors: &VectorSections) -> Wants {
        let mut wants = Wants::new();
        let candidates = self.candidates.iter();
        candidates
            .filter_map(|near| vectors.rows.extent(u64::from(near.chunk)))
            .for_each(|extent| wants.block(extent));
        wants
    }

    /// The candidates' chunks.
    pub fn chunks(&self) -> Vec<ChunkId> {
        let chunks = self.candidates.iter();
        chunks.map(|candidate| candidate.chunk).collect()
    }

    /// Adds what lists that were not read before give each candidate: by clause its number and a score for
    /// each, of which the best of the clause counts.
    pub fn count(&mut self, clauses: &[(usize, Vec<u32>)]) {
        for (clause, scores) in clauses {
            for (candidate, &score) in self.candidates.iter_mut().zip(scores) {
                if let Some(contribution) = candidate.contributions.get_mut(*clause) {
                    let more = score.saturating_sub(*contribution);
                    *contribution += more;
                    candidate.parts.keyword = candidate.parts.keyword.saturating_add(more);
                }
            }
        }
    }

    /// Ranks by the rows that [`Ranking::want_rows`] wanted.
    ///
    /// # Errors
    /// The row that is damaged.
    ///
    /// By words and meaning it does so twice: the first ranking's best answers tell more of what is
    /// meant than the query, and their rows are at hand.
    pub fn rescore(
        &mut self,
        root: &Root,
        quantizer: &Quantizer,
        wave: &Wave,
        fusion: Fusion,
    ) -> Result<(), Damaged> {
        let (Some(query), Some(vectors)) = (&self.query, &root.vectors) else {
            return Ok(());
        };
        let row = |chunk| row_of(vectors, chunk, wave, query.code_dim());
        let mut moved: Option<Query> = None;
        loop {
            for candidate in &mut self.candidates {
                let Some(row) = row(candidate.chunk)? else {
                    continue;
                };
                let parts = &mut candidate.parts;
                match &moved {
                    None => parts.cosine = Some(row.score(query)),
                    Some(moved) => parts.feedback = Some(row.score(moved)),
                }
                candidate.rescored = true;
            }
            rank(&mut self.candidates, self.mode, fusion, self.is_known_item);
            if moved.is_some() || self.mode != Mode::Hybrid || vectors.metric != Metric::Cosine {
                return Ok(());
            }
            let mut answers = Vec::with_capacity(FEEDBACK_WEIGHTS.len());
            let first = self.candidates.iter().filter(may_come_first);
            for (candidate, weight) in first.zip(FEEDBACK_WEIGHTS) {
                answers.extend(row(candidate.chunk)?.map(|row| (row, weight)));
            }
            moved = Some(query.towards(quantizer, &answers));
        }
    }
}

/// The row of a chunk, if the wave brought it.
#[inline(never)]
pub fn row_of<'w>(
    vectors: &VectorSections,
    chunk: ChunkId,
    wave: &'w Wave,
    dim: usize,
) -> Result<Option<Row<'w>>, Damaged> {
    let extent = vectors.rows.extent(u64::from(chunk));
    match extent.and_then(|extent| Some((extent, wave.get(extent)?))) {
        Some((extent, row)) => Row::parse(row, dim).map(Some).map_err(|bad| (extent, bad)),
        None => Ok(None),
    }
}

/// What the rows of the first candidates count as feedback, beside 1 for the query. Over five judged
/// collections 0.6 in all, in proportion to 1 / rank, gives nDCG@10 of .647 (.651 with the model's
/// queries) for .641 (.645) without; three to five answers and 0.3 to 1 in all lie within .002 of it.
const FEEDBACK_WEIGHTS: [f32; 3] = [0.33, 0.16, 0.11];

/// Candidates whose rows are read, for a page down to `depth`.
pub fn rescored(root: &Root, depth: usize) -> usize {
    let vectors = root.vectors.as_ref();
    let least = vectors.map_or(0, |vectors| vectors.candidates as usize);
    least.max(2 * depth)
}

/// Chunks that either ranking proposes, with what is known of them, ascending.
pub fn unite(
    layout: &Layout,
    by_words: Vec<KeywordHit>,
    by_meaning: &[crate::vector::topk::Candidate],
) -> Vec<Candidate> {
    let new = |chunk: ChunkId| {
        let document = layout.document_of(chunk).unwrap_or(0);
        Candidate {
            chunk,
            document,
            weight: layout.weight(document),
            ..Candidate::default()
        }
    };
    let mut candidates: Vec<Candidate> = Vec::with_capacity(by_words.len() + by_meaning.len());
    for (rank, hit) in by_words.into_iter().enumerate() {
        let mut candidate = new(hit.chunk);
        candidate.parts.keyword = hit.score;
        candidate.parts.keyword_rank = Some(rank as u32 + 1);
        candidate.contributions = hit.contributions;
        candidates.push(candidate);
    }
    sort_by(&mut candidates, by_chunk);
    let found = candidates.len();
    for near in by_meaning {
        let at = place_of(&candidates[..found], near.id).unwrap_or_else(|_| {
            candidates.push(new(near.id));
            candidates.len() - 1
        });
        candidates[at].parts.cosine = Some(near.score);
    }
    sort_by(&mut candidates, by_chunk);
    candidates
}

fn by_chunk(a: &Candidate, b: &Candidate) -> Ordering {
    a.chunk.cmp(&b.chunk)
}

/// Where a chunk stands among ascending candidates.
pub fn place_of(candidates: &[Candidate], chunk: ChunkId) -> Result<usize, usize> {
    candidates.binary_search_by_key(&chunk, |candidate| candidate.chunk)
}

/// Whether a candidate is there whatever page is asked for, which scores are not to depend on.
fn may_come_first(candidate: &&Candidate) -> bool {
    candidate.page == 0
}

/// The best scores, by which others are normalised.
pub fn best_of(candidates: &[Candidate]) -> Best {
    let mut best = Best {
        keyword: 0,
        meaning: f32::NEG_INFINITY,
    };
    for candidate in candidates.iter().filter(may_come_first) {
        best.keyword = best.keyword.max(candidate.parts.keyword);
        best.meaning = best
            .meaning
            .max(candidate.parts.meaning().unwrap_or(f32::NEG_INFINITY));
    }
    best
}

/// What a chunk gains that holds both words of a query where only a few do: more than scores differ by,
/// so these come first.
const COMPLETE: f32 = 1.0;

/// Scores the candidates and sorts them: best first, ties by chunk. Where `is_known_item`, those that hold
/// every word of the query go before the others.
pub fn rank(candidates: &mut [Candidate], mode: Mode, fusion: Fusion, is_known_item: bool) {
    let mut by_cosine: Vec<(u64, usize)> = candidates
        .iter()
        .enumerate()
        .filter_map(|(at, candidate)| {
            let score = candidate.parts.meaning()?;
            let id = candidate.chunk;
            Some((crate::vector::topk::Candidate { id, score }.key(), at))
        })
        .collect();
    sort_by(&mut by_cosine, |a, b| b.cmp(a));
    for (rank, &(_, at)) in by_cosine.iter().enumerate() {
        candidates[at].parts.vector_rank = Some(rank as u32 + 1);
    }
    let best = best_of(candidates);
    for candidate in candidates.iter_mut() {
        let parts = &candidate.parts;
        let score = match mode {
            Mode::Keyword => parts.keyword_normalised(&best),
            Mode::Vector => parts.cosine.unwrap_or(f32::NEG_INFINITY),
            Mode::Hybrid => parts.fused(fusion, &best),
        };
        candidate.complete = is_known_item
            && !candidate.contributions.is_empty()
            && candidate.contributions.iter().all(|&part| part > 0);
        let gain = if candidate.complete { COMPLETE } else { 0.0 };
        candidate.support = 0.0;
        candidate.score = (score + gain) * candidate.weight;
    }
    sort_by(candidates, by_score);
}

/// What a candidate scores that says nothing for the others of its document, as a share of the best score.
const ORDINARY: f32 = 0.75;

/// How much of what it scores above that a document's second candidate adds to the first; the third adds half as
/// much, and so on. With 0.05 to 0.3, nDCG@10 of the questions on the C++ documentation is .01 to .03 higher, by words
/// and by both; collections whose texts have one or two chunks each stay as they are.
const SUPPORT: f32 = 0.1;

/// Ranks documents by all of their candidates: the best one gains a share of what the others score. `candidates`
/// stand best first, and do so again.
///
/// Source: J. Callan, "Passage-level evidence in document retrieval", SIGIR 1994.
pub fn support(candidates: &mut [Candidate]) {
    let ordinary = ORDINARY * candidates.first().map_or(0.0, |best| best.score);
    let mut by_document: Vec<usize> = (0..candidates.len()).collect();
    let document = |at: &usize| candidates[*at].document;
    sort_by(&mut by_document, |a, b| {
        document(a).cmp(&document(b)).then(a.cmp(b))
    });
    let mut of_one = by_document.as_slice();
    while let Some((&best, others)) = of_one.split_first() {
        let document = candidates[best].document;
        let is_other = |&&at: &&usize| candidates[at].document == document;
        let (mut share, mut sum, mut count) = (SUPPORT, 0.0, 0);
        for &other in others.iter().take_while(is_other) {
            sum += share * (candidates[other].score - ordinary).max(0.0);
            share /= 2.0;
            count += 1;
        }
        candidates[best].support = sum;
        candidates[best].score += sum;
        of_one = &others[count..];
    }
    sort_by(candidates, by_score);
}

fn by_score(a: &Candidate, b: &Candidate) -> Ordering {
    b.score.total_cmp(&a.score).then(a.chunk.cmp(&b.chunk))
}

/// Says how a candidate's score came about.
pub fn explain(candidate: &Candidate, best: &Best, lookup: &Lookup<'_>) -> Explain {
    let parts = &candidate.parts;
    let keyword =
        (parts.keyword > 0).then(|| (parts.keyword / WEIGHT_ONE, parts.keyword_normalised(best)));
    Explain {
        keyword,
        keyword_rank: parts.keyword_rank,
        terms: lookup.explain(&candidate.contributions),
        vector: parts
            .cosine
            .map(|cosine| (cosine, parts.vector_normalised(best))),
        vector_rank: parts.vector_rank,
        rescored: candidate.rescored,
        complete: candidate.complete,
        weight: candidate.weight,
        support: candidate.support,
    }
}

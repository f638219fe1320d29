//! Prefetching: what the last ranking will show is guessed from the one before, so that rows and records come in
//! one wave. Where words lead to cells, the guess binds: what it leaves out goes behind what it has, so that no
//! page waits for more.

use super::Group;
use super::Mode;
use super::SearchOptions;
use super::hits::Place;
use super::hits::page;
use super::hits::places;
use super::hits::want_records;
use super::ranking::Candidate;
use super::ranking::Ranking;
use crate::index::Layout;
use crate::store::Wants;
use crate::store::Wave;
use alloc::vec::Vec;

/// Hits behind a page that may come to it at most: where passages have many variants, all of these are near.
const BEHIND: usize = 40;

/// How far behind a page's last score, by estimates, a candidate may stand to come to the page.
#[derive(Debug, Clone, Copy)]
struct Slack {
    /// A candidate whose cosine is an estimate by its code.
    coded: f32,
    /// One that words found, in a cell that was not read: it counts as the last one that a code found.
    uncoded: f32,
}

/// As a share of the best score, or of 1 if that is greater.
const SLACK: Slack = Slack {
    coded: 0.03,
    uncoded: 0.07,
};

/// By meaning alone: as a share of what candidates differ by.
const VECTOR_SLACK: f32 = 0.25;

impl Slack {
    /// In units of these candidates' scores.
    fn among(mode: Mode, candidates: &[Candidate]) -> Self {
        let [best, .., last] = candidates else {
            return SLACK;
        };
        let (scale, slack) = match mode {
            Mode::Vector => (
                best.score - last.score,
                Self {
                    coded: VECTOR_SLACK,
                    uncoded: VECTOR_SLACK,
                },
            ),
            _ => (best.score.min(1.0), SLACK),
        };
        Self {
            coded: scale * slack.coded,
            uncoded: scale * slack.uncoded,
        }
    }

    fn of(self, candidate: &Candidate) -> f32 {
        match candidate.is_coded {
            true => self.coded,
            false => self.uncoded,
        }
    }
}

/// Whether candidates stand for the same hit.
fn is_same(group: Group, a: &Candidate, b: &Candidate) -> bool {
    match group {
        Group::Document => a.document == b.document,
        Group::Chunk => a.chunk == b.chunk,
    }
}

impl Ranking {
    /// Guesses what will be shown of candidates that are ranked by estimates: the page, and the best passage of
    /// each hit that may come to it. Returns where these stand. If the guess binds, drops what cannot come to the
    /// page, and notes of all else whether its records lie elsewhere.
    pub fn prefetch(&mut self, options: &SearchOptions, layout: &Layout) -> Vec<Place> {
        let candidates = &mut self.candidates;
        let slack = Slack::among(self.mode, candidates);
        assign_pages(options, slack, candidates);
        let (mut likely, _) = page(options, candidates, options.limit);
        let pages = (options.offset + options.limit).div_ceil(options.limit);
        let first = likely
            .first()
            .map_or(f32::NEG_INFINITY, |first| first.score);
        for (at, other) in candidates.iter().enumerate() {
            let is_near = other.page < pages && other.score <= first + slack.of(other);
            let is_known = |known: &Candidate| is_same(options.group, known, other);
            if is_near && !candidates[..at].iter().any(is_known) {
                likely.push(other);
            }
        }
        let likely = places(likely);
        if !self.is_guess_binding {
            candidates
                .iter_mut()
                .for_each(|candidate| candidate.page = 0);
            return likely;
        }
        let mut read = Wants::new();
        want_records(layout, &likely, &Wave::default(), &mut read);
        candidates.retain(|candidate| candidate.page < pages);
        for candidate in candidates {
            let mut own = Wants::new();
            let place = (candidate.chunk, candidate.document);
            want_records(layout, &[place], &Wave::default(), &mut own);
            candidate.is_elsewhere = !read.covers(&own);
        }
        likely
    }

    /// Places hits page by page, the best of those that may come to it.
    pub fn settle(&mut self, options: &SearchOptions) {
        let candidates = &mut self.candidates;
        let mut hits = 0;
        for at in 0..candidates.len() {
            let may_come = |other: &Candidate| other.page <= hits / options.limit;
            let ahead = candidates[at..].iter().position(may_come);
            let next = candidates.remove(at + ahead.unwrap_or(0));
            let is_same = |known: &Candidate| is_same(options.group, known, &next);
            hits += usize::from(!candidates[..at].iter().any(is_same));
            candidates.insert(at, next);
        }
    }
}

/// Finds the first page that each candidate's hit may come to.
fn assign_pages(options: &SearchOptions, slack: Slack, candidates: &mut [Candidate]) {
    // Hits, best first: their scores and how high they may come; and the hit of each candidate.
    let mut hits: Vec<(f32, f32)> = Vec::new();
    let mut ranks: Vec<usize> = Vec::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let mut before = candidates[..at].iter();
        let known = before.position(|other| is_same(options.group, other, candidate));
        let rank = known.map_or(hits.len(), |known| ranks[known]);
        if known.is_none() {
            hits.push((candidate.score, f32::NEG_INFINITY));
        }
        hits[rank].1 = hits[rank].1.max(candidate.score + slack.of(candidate));
        ranks.push(rank);
    }
    for (candidate, rank) in candidates.iter_mut().zip(ranks) {
        let may_come = |number: &usize| {
            let end = options.limit * (number + 1);
            rank < end || (rank < end + BEHIND && hits[rank].1 >= hits[end - 1].0)
        };
        candidate.page = (0..).find(may_come).unwrap_or(0);
    }
}

/// Shows documents by the best of their passages that were prefetched, where the best one was not: documents
/// and their order are what all candidates say, and reading the other passage would take a wave.
pub fn show_prefetched(candidates: &[Candidate], hits: &mut [Candidate]) {
    for hit in hits.iter_mut().filter(|hit| hit.is_elsewhere) {
        let is_other = |other: &&Candidate| other.document == hit.document && !other.is_elsewhere;
        if let Some(other) = candidates.iter().find(is_other) {
            // What it scores, and how that came about, stays what the best passage says.
            hit.chunk = other.chunk;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BEHIND;
    use super::show_prefetched;
    use crate::document::ChunkId;
    use crate::document::DocumentId;
    use crate::filter::Bitmap;
    use crate::index::Layout;
    use crate::index::RecordTable;
    use crate::search::Group;
    use crate::search::Mode;
    use crate::search::SearchOptions;
    use crate::search::ranking::Candidate;
    use crate::search::ranking::Ranking;
    use alloc::collections::BTreeSet;
    use alloc::vec;
    use alloc::vec::Vec;

    /// A layout of so many documents with two chunks each, every record in a block of its own.
    fn layout(documents: u32) -> Layout {
        let mut layout = Layout::new();
        layout.first_chunks = (0..=documents).map(|document| 2 * document).collect();
        layout.passages = RecordTable::new(0, 2 * documents, 1);
        layout.documents = RecordTable::new(1 << 20, documents, 1);
        (0..2 * documents).for_each(|_| layout.passages.push(1));
        (0..documents).for_each(|_| layout.documents.push(1));
        layout
    }

    fn candidate((chunk, score, is_coded): (ChunkId, f32, bool)) -> Candidate {
        Candidate {
            chunk,
            document: chunk / 2 as DocumentId,
            score,
            is_coded,
            ..Candidate::default()
        }
    }

    /// Candidates by their chunks, scores and whether these are estimates by codes.
    fn ranking_of(candidates: &[(ChunkId, f32, bool)]) -> Ranking {
        Ranking {
            mode: Mode::Hybrid,
            query: None,
            matches: Bitmap::new(0),
            is_known_item: false,
            is_guess_binding: true,
            candidates: candidates.iter().copied().map(candidate).collect(),
        }
    }

    /// What is prefetched of them, by chunks.
    fn prefetch(
        options: &SearchOptions,
        candidates: &[(ChunkId, f32, bool)],
    ) -> (Vec<u32>, Ranking) {
        let mut ranking = ranking_of(candidates);
        let read = ranking.prefetch(options, &layout(60));
        let chunks: BTreeSet<u32> = read.into_iter().map(|(chunk, _)| chunk).collect();
        (chunks.into_iter().collect(), ranking)
    }

    /// The fifth document has .86, the fifth chunk .88.
    const CANDIDATES: [(ChunkId, f32, bool); 11] = [
        (0, 1.0, true),
        (2, 0.95, true),
        (3, 0.94, true),
        (4, 0.9, true),
        (6, 0.88, true),
        (8, 0.86, true),
        (10, 0.84, true),
        (12, 0.82, true),
        (14, 0.805, false),
        (16, 0.78, false),
        (1, 0.77, true),
    ];

    #[test]
    fn prefetched_are_the_hits_that_may_come_to_the_page_each_by_one_passage() {
        let mut options = SearchOptions {
            limit: 5,
            ..SearchOptions::default()
        };
        assert_eq!(prefetch(&options, &CANDIDATES).0, [0, 2, 4, 6, 8, 10, 14]);
        options.offset = 5;
        assert_eq!(prefetch(&options, &CANDIDATES).0, [8, 10, 12, 14, 16]);
        options.group = Group::Chunk;
        options.offset = 0;
        assert_eq!(prefetch(&options, &CANDIDATES).0, [0, 2, 3, 4, 6, 8]);
        assert_eq!(prefetch(&options, &[]).0, []);
        // Of many that are as near as the last one, some.
        let alike: Vec<_> = (0..60).map(|at| (2 * at, 1.0, true)).collect();
        assert_eq!(prefetch(&options, &alike).0.len(), 5 + BEHIND);
    }

    #[test]
    fn what_was_not_guessed_goes_behind_its_page() {
        let options = SearchOptions {
            limit: 5,
            offset: 5,
            ..SearchOptions::default()
        };
        let (_, mut ranking) = prefetch(&options, &CANDIDATES);
        // Rows bring up two documents, of which one was near the fifth, and a second passage.
        let mut score = |chunk: ChunkId, score: f32| {
            let mut candidates = ranking.candidates.iter_mut();
            candidates
                .find(|other| other.chunk == chunk)
                .expect("there")
                .score = score;
        };
        score(16, 1.1);
        score(14, 1.05);
        score(1, 1.02);
        ranking
            .candidates
            .sort_by(|a, b| b.score.total_cmp(&a.score));
        let chunks = |ranking: &Ranking| {
            let chunks = ranking.candidates.iter().map(|candidate| candidate.chunk);
            chunks.collect::<Vec<_>>()
        };
        assert_eq!(chunks(&ranking), [16, 14, 1, 0, 2, 3, 4, 6, 8, 10, 12]);
        ranking.settle(&options);
        assert_eq!(chunks(&ranking), [14, 1, 0, 2, 3, 4, 6, 16, 8, 10, 12]);
    }

    #[test]
    fn document_is_shown_by_a_passage_that_was_read() {
        let (_, ranking) = prefetch(&SearchOptions::default(), &CANDIDATES);
        // The rows turn the second document's passages around; of another one none was prefetched.
        let mut last = ranking.candidates;
        last[2].score = 0.96;
        last.swap(1, 2);
        last[9].is_elsewhere = true;
        let mut hits = vec![last[1].clone(), last[9].clone()];
        assert!(hits.iter().all(|hit| hit.is_elsewhere));
        show_prefetched(&last, &mut hits);
        let shown: Vec<_> = hits.iter().map(|hit| (hit.chunk, hit.score)).collect();
        assert_eq!(shown, [(2, 0.96), (16, 0.78)]);
    }

    #[test]
    fn what_cannot_come_to_the_page_is_dropped_if_the_guess_binds() {
        let options = SearchOptions {
            limit: 5,
            ..SearchOptions::default()
        };
        let (_, ranking) = prefetch(&options, &CANDIDATES);
        let left = ranking.candidates.iter().map(|candidate| candidate.chunk);
        assert_eq!(left.collect::<Vec<_>>(), [0, 2, 3, 4, 6, 8, 10, 14, 1]);
        let mut free = ranking_of(&CANDIDATES);
        free.is_guess_binding = false;
        free.prefetch(&options, &layout(60));
        assert_eq!(free.candidates.len(), CANDIDATES.len());
        let is_free = |candidate: &Candidate| candidate.page == 0 && !candidate.is_elsewhere;
        assert!(free.candidates.iter().all(is_free));
    }
}

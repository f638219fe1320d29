//! Prefetching: what the last ranking will show is guessed from the one before, so that rows and records come in one wave.

use super::Group;
use super::SearchOptions;
use super::hits::Place;
use super::hits::page;
use super::hits::places;
use super::hits::want_records;
use super::ranking::Candidate;
use super::ranking::Ranking;
use crate::index::Layout;
use crate::store::Wants;
use alloc::vec::Vec;

/// How far behind a page's last score, by estimates, a candidate may stand for its records to be read beside
/// the rows, as a share of the best score, or of 1 if that is greater.
#[derive(Debug, Clone, Copy)]
struct Slack {
    /// A candidate whose cosine is an estimate by its code.
    coded: f32,
    /// One that words found, in a cell that was not read: it counts as the last one that a code found.
    uncoded: f32,
}

/// Of 220 questions on the C++ documentation, one in seven takes a round trip more; with a third more of either,
/// one in twenty, for 2 kB.
const SLACK: Slack = Slack {
    coded: 0.03,
    uncoded: 0.055,
};

impl Slack {
    fn of(self, candidate: &Candidate) -> f32 {
        match candidate.is_coded {
            true => self.coded,
            false => self.uncoded,
        }
    }
}

impl Ranking {
    /// Guesses what will be shown: the page, and of each document that may yet come to it the best passage.
    /// Returns where these stand, and marks the candidates whose records lie in the same blocks.
    pub fn prefetch(&mut self, options: &SearchOptions, layout: &Layout) -> Vec<Place> {
        let candidates = &mut self.candidates;
        let (page, hits) = page(options, candidates, options.limit);
        let mut likely = places(page.iter().copied());
        let (Some(best), Some(at)) = (candidates.first(), hits.checked_sub(1)) else {
            return likely;
        };
        let (best, first, last) = (best.score, page[0].score, page[at].score);
        for other in candidates.iter() {
            let slack = SLACK.of(other) * best.min(1.0);
            let is_near = other.score >= last - slack && other.score <= first + slack;
            let is_known = |&(chunk, document): &Place| match options.group {
                Group::Document => document == other.document,
                Group::Chunk => chunk == other.chunk,
            };
            if is_near && !likely.iter().any(is_known) {
                likely.push((other.chunk, other.document));
            }
        }
        let mut read = Wants::new();
        want_records(layout, &likely, &mut read);
        for candidate in candidates {
            let mut own = Wants::new();
            want_records(layout, &[(candidate.chunk, candidate.document)], &mut own);
            candidate.is_prefetched = read.covers(&own);
        }
        likely
    }
}

/// Shows documents by the best of their passages that were prefetched, where the best one was not: documents
/// and their order are what all candidates say, and reading the other passage would take a wave.
pub fn show_prefetched(options: &SearchOptions, candidates: &[Candidate], hits: &mut [Candidate]) {
    // Sections are read behind the page anyway.
    if options.exact || options.group == Group::Chunk || options.sections > 0 {
        return;
    }
    for hit in hits {
        let is_other = |other: &&Candidate| other.document == hit.document && other.is_prefetched;
        if !hit.is_prefetched
            && let Some(other) = candidates.iter().find(is_other)
        {
            // What it scores, and how that came about, stays what the best passage says.
            hit.chunk = other.chunk;
        }
    }
}

#[cfg(test)]
mod tests {
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

    /// The chunks that are prefetched of candidates by their chunks, scores and whether these are estimates by codes.
    fn prefetch(
        options: &SearchOptions,
        candidates: &[(ChunkId, f32, bool)],
    ) -> (Vec<u32>, Ranking) {
        let mut ranking = Ranking {
            mode: Mode::Hybrid,
            query: None,
            matches: Bitmap::new(0),
            is_known_item: false,
            candidates: candidates.iter().copied().map(candidate).collect(),
        };
        let read = ranking.prefetch(options, &layout(10));
        (read.into_iter().map(|(chunk, _)| chunk).collect(), ranking)
    }

    const CANDIDATES: [(ChunkId, f32, bool); 8] = [
        (0, 1.0, true),
        (2, 0.9, true),
        (3, 0.89, true),
        (4, 0.88, true),
        (6, 0.86, true),
        (8, 0.85, false),
        (10, 0.83, false),
        (1, 0.82, true),
    ];

    #[test]
    fn prefetched_are_the_page_and_the_documents_near_it_each_by_one_passage() {
        let mut options = SearchOptions {
            limit: 2,
            ..SearchOptions::default()
        };
        assert_eq!(prefetch(&options, &CANDIDATES).0, [0, 2, 4, 8]);
        options.group = Group::Chunk;
        assert_eq!(prefetch(&options, &CANDIDATES).0, [0, 2, 3, 4, 8]);
        options.offset = 2;
        assert_eq!(prefetch(&options, &CANDIDATES).0, [3, 4, 2, 6, 8, 10]);
        assert_eq!(prefetch(&options, &[]).0, []);
    }

    #[test]
    fn document_is_shown_by_a_passage_that_was_read() {
        let mut options = SearchOptions {
            limit: 2,
            ..SearchOptions::default()
        };
        let (_, ranking) = prefetch(&options, &CANDIDATES);
        // The rows turn the second document's passages around, and bring one that was not prefetched.
        let mut last = ranking.candidates;
        last[2].score = 0.95;
        last.swap(1, 2);
        last[4].score = 0.94;
        let shown = |options: &SearchOptions| {
            let mut hits = vec![last[1].clone(), last[4].clone()];
            show_prefetched(options, &last, &mut hits);
            let shown = hits.iter().map(|hit| (hit.chunk, hit.score));
            shown.collect::<Vec<_>>()
        };
        assert_eq!(shown(&options), [(2, 0.95), (6, 0.94)]);
        options.exact = true;
        assert_eq!(shown(&options), [(3, 0.95), (6, 0.94)]);
    }
}

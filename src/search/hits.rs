//! Ranked candidates → hits: the page asked for, its records, excerpts.

use super::Excerpt;
use super::Group;
use super::Hit;
use super::SearchOptions;
use super::dictionary::Damaged;
use super::fuse::Best;
use super::lexical::Lookup;
use super::ranking::Candidate;
use super::ranking::explain;
use super::sections::add_section;
use super::sections::beside;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::gather;
use crate::document::ChunkId;
use crate::document::DocumentId;
use crate::index::DocumentRecord;
use crate::index::Extent;
use crate::index::Layout;
use crate::index::Passage;
use crate::index::Phrases;
use crate::index::RecordTable;
use crate::index::inflate_texts;
use crate::store::Wants;
use crate::store::Wave;
use crate::text::Analyzer;
use alloc::string::String;
use alloc::vec::Vec;

/// Characters of an excerpt, about.
const EXCERPT_CHARS: usize = 240;

/// A chunk and the document that it belongs to.
pub type Place = (ChunkId, DocumentId);

/// Where a record is stored: its block, and its place in it.
pub type Stored = (Extent, usize);

/// Where the passage and the document of a place are stored.
pub type StoredPlace = (Stored, Stored);

/// Wants the pages that say where the records of these places are stored; nothing where no tables have pages.
pub fn want_pages(layout: &Layout, places: &[Place], wants: &mut Wants) {
    for &(chunk, document) in places {
        let passage = layout.passages.page_of(chunk);
        let pages = passage
            .into_iter()
            .chain(layout.documents.page_of(document));
        pages.for_each(|page| wants.block(page));
    }
}

/// Wants the pages that say where the records of these places are stored, or the blocks that hold them where
/// that is known.
pub fn want_first(layout: &Layout, places: &[Place], wants: &mut Wants) {
    want_pages(layout, places, wants);
    if let Ok(stored) = locate(layout, places, &Wave::default()) {
        want_records(&stored, wants);
    }
}

/// Where the records of these places are stored, by the pages that [`want_pages`] wanted.
///
/// # Errors
/// The page that has no place for one.
pub fn locate(
    layout: &Layout,
    places: &[Place],
    pages: &Wave,
) -> Result<Vec<StoredPlace>, Damaged> {
    gather(places.iter().map(|&(chunk, document)| {
        let passage = locate_in(&layout.passages, chunk, pages)?;
        Ok((passage, locate_in(&layout.documents, document, pages)?))
    }))
}

/// Where a record of this table is stored.
///
/// # Errors
/// As [`locate`].
pub fn locate_in(table: &RecordTable, record: u32, pages: &Wave) -> Result<Stored, Damaged> {
    let extent = table.page_of(record);
    let page = extent.and_then(|extent| pages.get(extent));
    let stored = table.locate(record, page.map_or(&[], |page| page));
    stored.ok_or_else(|| {
        let (offset, len) = (table.offset, 0);
        let error = Reader::new(&[], "page of places").error("place", Problem::Inconsistent);
        (extent.unwrap_or(Extent { offset, len }), error)
    })
}

/// Wants the blocks of records.
pub fn want_records(stored: &[StoredPlace], wants: &mut Wants) {
    for &((passage, _), (document, _)) in stored {
        wants.block(passage);
        wants.block(document);
    }
}

/// The places of candidates.
pub fn places<'a>(candidates: impl IntoIterator<Item = &'a Candidate>) -> Vec<Place> {
    let candidates = candidates.into_iter();
    candidates
        .map(|candidate| (candidate.chunk, candidate.document))
        .collect()
}

/// The `limit` hits of a page out of ranked candidates, and behind these what may become their sections.
/// Returns how many are hits too.
pub fn page<'a>(
    options: &SearchOptions,
    candidates: &'a [Candidate],
    limit: usize,
) -> (Vec<&'a Candidate>, usize) {
    let mut seen: Vec<DocumentId> = Vec::new();
    let hits = candidates.iter().filter(|candidate| {
        let is_first = options.group == Group::Chunk || !seen.contains(&candidate.document);
        seen.push(candidate.document);
        is_first
    });
    let mut page: Vec<&Candidate> = hits.skip(options.offset).take(limit).collect();
    let count = page.len();
    beside(options, candidates, &mut page);
    (page, count)
}

/// Passages and documents that are stored there, out of the wave that brought their blocks.
///
/// # Errors
/// The block that is damaged.
pub fn records(
    phrases: &Phrases,
    stored: &[StoredPlace],
    wave: &Wave,
) -> Result<Vec<(Passage, DocumentRecord)>, Damaged> {
    let mut inflated: Vec<(Extent, Vec<u8>)> = Vec::new();
    let mut records = Vec::with_capacity(stored.len());
    for &(passage, document) in stored {
        let mut raw = |extent: Extent, what| {
            let known = inflated.iter().position(|(known, _)| *known == extent);
            let at = match known {
                Some(at) => at,
                None => {
                    let raw = wave.require(extent);
                    let raw = raw.and_then(|block| inflate_texts(phrases, block, what));
                    inflated.push((extent, raw.map_err(|bad| (extent, bad))?));
                    inflated.len() - 1
                }
            };
            Ok::<_, Damaged>(at)
        };
        let passages = raw(passage.0, "passages")?;
        let documents = raw(document.0, "documents")?;
        records.push((
            Passage::find(&inflated[passages].1, passage.1).map_err(|bad| (passage.0, bad))?,
            DocumentRecord::find(&inflated[documents].1, document.1)
                .map_err(|bad| (document.0, bad))?,
        ));
    }
    Ok(records)
}

/// Hits of the first ranked candidates, `count` of them, and their records; the others become sections of
/// these.
pub fn hits(
    analyzer: &Analyzer,
    lookup: &Lookup<'_>,
    options: &SearchOptions,
    count: usize,
    ranked: Vec<Candidate>,
    records: Vec<(Passage, DocumentRecord)>,
    best: &Best,
) -> Vec<Hit> {
    let weighted = lookup.weighted_terms();
    let terms: Vec<(&str, f32)> = weighted
        .iter()
        .map(|(term, weight)| (term.as_str(), *weight))
        .collect();
    let mut hits = Vec::with_capacity(ranked.len());
    for (candidate, (passage, document)) in ranked.into_iter().zip(records) {
        let hit = Hit {
            id: document.id,
            chunk: candidate.chunk,
            score: candidate.score,
            title: document.title,
            url: document.url,
            excerpt: excerpt(analyzer, &passage.text, &terms),
            headings: passage.headings,
            anchor: passage.anchor,
            meta: document.meta,
            explain: options.explain.then(|| explain(&candidate, best, lookup)),
            sections: Vec::new(),
        };
        if hits.len() < count {
            hits.push(hit);
        } else {
            add_section(options.sections, &mut hits, hit);
        }
    }
    hits
}

fn excerpt(analyzer: &Analyzer, text: &str, terms: &[(&str, f32)]) -> Excerpt {
    const ELLIPSIS: &str = "…";
    let window = analyzer.excerpt(text, terms, EXCERPT_CHARS);
    let mut out = String::new();
    if window.cut_before {
        out.push_str(ELLIPSIS);
    }
    let shift = out.len();
    let start = window.range.start;
    out.push_str(text.get(window.range).unwrap_or_default());
    if window.cut_after {
        out.push_str(ELLIPSIS);
    }
    let marks = window.highlights.into_iter();
    let marks = marks
        .map(|mark| mark.start - start + shift..mark.end - start + shift)
        .collect();
    Excerpt { text: out, marks }
}

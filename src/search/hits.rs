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
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::document::ChunkId;
use crate::document::DocumentId;
use crate::index::DocumentRecord;
use crate::index::Extent;
use crate::index::Layout;
use crate::index::Passage;
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

/// Where a record is stored, by the pages at hand; else the page to be read first, if there is such a record.
fn locate(table: &RecordTable, record: u32, pages: &Wave) -> Result<Stored, Option<Extent>> {
    let extent = table.page_of(record);
    let page = extent.and_then(|extent| pages.get(extent));
    let stored = table.locate(record, page.map_or(&[], |page| page));
    stored.ok_or(extent)
}

/// Where a record is stored, by the pages that were read.
///
/// # Errors
/// The page that has no place for it.
pub fn locate_in(table: &RecordTable, record: u32, pages: &Wave) -> Result<Stored, Damaged> {
    locate(table, record, pages).map_err(|page| {
        let (offset, len) = (table.offset, 0);
        let error = FormatError::new("page of places", "place", 0, Problem::Inconsistent);
        (page.unwrap_or(Extent { offset, len }), error)
    })
}

/// Wants the blocks that hold the passages and documents of these places, or, where tables have pages, those of them
/// that are not at hand.
pub fn want_records(layout: &Layout, places: &[Place], pages: &Wave, wants: &mut Wants) {
    for &(chunk, document) in places {
        for (table, record) in [(&layout.passages, chunk), (&layout.documents, document)] {
            match locate(table, record, pages) {
                Ok((extent, _)) | Err(Some(extent)) => wants.block(extent),
                Err(None) => {}
            }
        }
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

/// Passages and documents of these places out of the wave that brought their blocks, by the pages that were read.
///
/// # Errors
/// The block that is damaged.
pub fn records(
    layout: &Layout,
    places: &[Place],
    pages: &Wave,
    wave: &Wave,
) -> Result<Vec<(Passage, DocumentRecord)>, Damaged> {
    let mut inflated: Vec<(Extent, Vec<u8>)> = Vec::new();
    let mut records = Vec::with_capacity(places.len());
    for &(chunk, document) in places {
        let passage = locate_in(&layout.passages, chunk, pages)?;
        let document = locate_in(&layout.documents, document, pages)?;
        let mut raw = |extent: Extent, what| {
            let known = inflated.iter().position(|(known, _)| *known == extent);
            let at = match known {
                Some(at) => at,
                None => {
                    let raw = wave.require(extent);
                    let raw = raw.and_then(|block| inflate_texts(&layout.phrases, block, what));
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

//! What else a hit's document has: passages under other headings that matched well too.

use super::Group;
use super::Hit;
use super::MAX_SECTIONS;
use super::SearchOptions;
use super::ranking::Candidate;
use alloc::vec::Vec;

/// Candidates that are read for each section that is wanted: long sections have several chunks, and only
/// the records tell which are of one.
const CANDIDATES_EACH: usize = 2;

/// Adds candidates to a page that may become sections of its hits: of each hit's document those that match
/// at least half as well, best first.
pub fn beside<'a>(
    options: &SearchOptions,
    candidates: &'a [Candidate],
    page: &mut Vec<&'a Candidate>,
) {
    if options.sections == 0 || options.group == Group::Chunk {
        return;
    }
    for at in 0..page.len() {
        let hit = page[at];
        let others = candidates.iter().filter(|other| {
            other.document == hit.document
                && other.chunk != hit.chunk
                && !other.is_elsewhere
                && other.parts.is_half_of(&hit.parts)
        });
        let most = CANDIDATES_EACH * options.sections.min(MAX_SECTIONS);
        page.extend(others.take(most));
    }
}

/// Adds a passage to the sections of its document's hit, if that has fewer than so many and the passage
/// leads elsewhere than the hit and these.
pub fn add_section(most: usize, hits: &mut [Hit], passage: Hit) {
    let Some(hit) = hits.iter_mut().find(|hit| hit.id == passage.id) else {
        return;
    };
    let sections = &mut hit.sections;
    let is_shown =
        hit.anchor == passage.anchor || sections.iter().any(|known| known.anchor == passage.anchor);
    if !is_shown && sections.len() < most.min(MAX_SECTIONS) {
        sections.push(passage);
    }
}

#[cfg(test)]
mod tests {
    use super::add_section;
    use crate::search::Excerpt;
    use crate::search::Hit;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn hit(id: &str, chunk: u32, anchor: &str) -> Hit {
        Hit {
            id: id.into(),
            chunk,
            score: 1.0,
            title: String::new(),
            url: String::new(),
            headings: Vec::new(),
            anchor: anchor.into(),
            meta: Vec::new(),
            excerpt: Excerpt::default(),
            explain: None,
            sections: Vec::new(),
        }
    }

    fn chunks(hit: &Hit) -> Vec<u32> {
        hit.sections.iter().map(|section| section.chunk).collect()
    }

    #[test]
    fn sections_lead_elsewhere_than_the_hit_and_one_another() {
        let passages = [
            hit("a", 1, "top"),
            hit("a", 2, "use"),
            hit("b", 3, ""),
            hit("a", 4, "use"),
            hit("b", 5, "two"),
            hit("a", 6, ""),
            hit("c", 7, "three"),
            hit("a", 8, "more"),
        ];
        for (most, a, b) in [
            (0, &[][..], &[][..]),
            (1, &[2], &[5]),
            (3, &[2, 6, 8], &[5]),
        ] {
            let mut hits = [hit("a", 0, "top"), hit("b", 9, "")];
            for passage in passages.clone() {
                add_section(most, &mut hits, passage);
            }
            assert_eq!(hits.each_ref().map(chunks), [a, b]);
        }
    }
}

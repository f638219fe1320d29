//! Ranked passages → numbered references within a budget of tokens.

use super::Options;
use super::Reference;
use crate::document::ChunkId;
use crate::index::DocumentRecord;
use crate::index::Passage;
use alloc::string::String;
use alloc::vec::Vec;

/// Tokens that a reference's number, title and headings take, about.
const OVERHEAD: u32 = 16;

/// A passage that a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// Its chunk.
    pub chunk: ChunkId,
    /// Its text.
    pub passage: Passage,
    /// Its document.
    pub document: DocumentRecord,
}

/// Adds passages, best first, to `references`: each as a new one, or to that of its neighbour in the
/// same document. Passages are left out that say what another one says, that are too many of one
/// document, or for which there is no room; numbers stay what they are. Returns whether any was added.
pub fn pack(found: &[Found], options: &Options, references: &mut Vec<Reference>) -> bool {
    let mut added = false;
    for one in found {
        let held = references.iter().any(|reference| {
            reference.chunks.contains(&one.chunk) && reference.id == one.document.id
        });
        if held
            || references
                .iter()
                .any(|known| says(&known.text, &one.passage.text))
        {
            continue;
        }
        let of_document: u32 = references
            .iter()
            .filter(|known| known.id == one.document.id)
            .map(|known| known.chunks.end - known.chunks.start)
            .sum();
        let spent: u32 = references.iter().map(|known| known.tokens + OVERHEAD).sum();
        // The best one is wanted whatever its length.
        let has_room = references.is_empty()
            || spent + one.passage.tokens + OVERHEAD <= options.context_tokens;
        if of_document as usize >= options.per_document || !has_room {
            continue;
        }
        let count = references.len();
        let neighbour = references.iter_mut().find(|known| {
            known.id == one.document.id
                && (known.chunks.end == one.chunk || known.chunks.start == one.chunk + 1)
        });
        match neighbour {
            Some(known) => join(known, one),
            None if count < options.references => {
                references.push(reference(count as u32 + 1, one));
            }
            None => continue,
        }
        added = true;
    }
    added
}

fn reference(number: u32, of: &Found) -> Reference {
    Reference {
        number,
        id: of.document.id.clone(),
        title: of.document.title.clone(),
        url: of.document.url.clone(),
        anchor: of.passage.anchor.clone(),
        headings: of.passage.headings.clone(),
        chunks: of.chunk..of.chunk + 1,
        tokens: of.passage.tokens,
        text: of.passage.text.clone(),
    }
}

/// Makes a reference longer by the chunk before or after it.
fn join(known: &mut Reference, other: &Found) {
    let text = other.passage.text.trim();
    if other.chunk < known.chunks.start {
        known.chunks.start = other.chunk;
        known.text = [text, "\n\n", known.text.trim()].concat();
        known.anchor.clone_from(&other.passage.anchor);
        known.headings.clone_from(&other.passage.headings);
    } else {
        known.chunks.end = other.chunk + 1;
        known.text = [known.text.trim(), "\n\n", text].concat();
    }
    known.tokens += other.passage.tokens;
}

/// Whether one text has the other, white space and letters' case aside.
fn says(known: &str, text: &str) -> bool {
    let plain = |text: &str| -> String {
        let words = text.split_whitespace().collect::<Vec<_>>();
        words.join(" ").to_lowercase()
    };
    let (known, text) = (plain(known), plain(text));
    known.contains(&*text) || (known.len() > 40 && text.contains(&*known))
}

#[cfg(test)]
mod tests {
    use super::Found;
    use super::pack;
    use crate::answer::Options;
    use crate::index::DocumentRecord;
    use crate::index::Passage;
    use alloc::vec::Vec;

    fn found(document: &str, chunk: u32, text: &str, tokens: u32) -> Found {
        Found {
            chunk,
            passage: Passage {
                headings: Vec::new(),
                anchor: alloc::format!("a{chunk}"),
                span: 0..1,
                tokens,
                text: text.into(),
            },
            document: DocumentRecord {
                id: document.into(),
                url: document.into(),
                title: document.into(),
                meta: Vec::new(),
            },
        }
    }

    #[test]
    fn neighbours_are_joined_copies_left_out_and_budgets_kept() {
        let options = Options {
            context_tokens: 200,
            references: 3,
            per_document: 2,
            ..Options::default()
        };
        let ranked = [
            found("a", 5, "second part", 50),
            found("b", 9, "something else", 40),
            found("a", 4, "first part", 10),
            found("a", 7, "too many of a", 5),
            found("c", 11, "Second  PART", 5),
            found("c", 12, "too long", 900),
            found("c", 13, "fits", 20),
            found("d", 20, "too many", 1),
        ];
        let mut references = Vec::new();
        assert!(pack(&ranked, &options, &mut references));
        let seen: Vec<_> = references
            .iter()
            .map(|one| {
                (
                    one.number,
                    &*one.id,
                    one.chunks.clone(),
                    &*one.text,
                    &*one.anchor,
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (1, "a", 4..6, "first part\n\nsecond part", "a4"),
                (2, "b", 9..10, "something else", "a9"),
                (3, "c", 13..14, "fits", "a13"),
            ]
        );
        assert!(!pack(&ranked, &options, &mut references), "nothing twice");
    }
}

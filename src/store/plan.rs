//! Extents → reads.

use super::Source;
use crate::index::Extent;
use crate::index::Root;
use crate::sort::sort_by;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Two extents closer than this are read together: the bytes between cost no more than the heads of
/// another request and its answer.
const GAP_BYTES: u64 = 128;

/// The same where reads cost more than bytes do. A cold search of 100,000 chunks takes 109 reads for 140,
/// one of an instance that stays 68 for 83, and 46 kB more.
const GAP_BYTES_AHEAD: u64 = 8 << 10;

/// A read does not grow beyond this by coalescing.
const MAX_READ_BYTES: u64 = 4 << 20;

/// The same where reads are few: they have to be large then.
const MAX_MERGED_BYTES: u64 = 16 << 20;

/// One read: a range of the body, the blocks wanted from it, and the files that hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// Range of the body.
    pub range: Range<u64>,
    /// Blocks inside the range.
    pub extents: Vec<Extent>,
    /// File ranges that make up the range, in order.
    pub pieces: Vec<Piece>,
}

/// A piece of a read: what to fetch from one file and which of the bytes to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// File name.
    pub file: String,
    /// Bytes of the whole file.
    pub file_len: u64,
    /// Range to fetch, or the whole file.
    pub range: Option<Range<u64>>,
    /// Bytes of what was fetched to skip.
    pub skip: u64,
    /// Bytes to use after them.
    pub take: u64,
}

/// The fewest reads that bring all extents without fetching gaps larger than [`GAP_BYTES`], or, for a
/// source that reads ahead, [`GAP_BYTES_AHEAD`]; where parts are read whole, extents of one part share one
/// read. If these are more than the source allows, those with the smallest gaps between them are merged.
pub fn plan(root: &Root, mut extents: Vec<Extent>, source: &impl Source) -> Vec<Read> {
    let gap = match source.reads_ahead() {
        true => GAP_BYTES_AHEAD,
        false => GAP_BYTES,
    };
    sort_by(&mut extents, Ord::cmp);
    extents.dedup();
    let mut reads: Vec<Read> = Vec::new();
    for extent in extents {
        let range = extent.range();
        match reads.last_mut() {
            Some(last) if joins(root, &last.range, &range, gap) => {
                last.range.end = last.range.end.max(range.end);
                last.extents.push(extent);
            }
            _ => {
                let extents = alloc::vec![extent];
                reads.push(Read {
                    range,
                    extents,
                    pieces: Vec::new(),
                });
            }
        }
    }
    if root.files.ranged {
        merge(&mut reads, source.most_reads());
    }
    for read in &mut reads {
        read.pieces = pieces(root, &read.range);
    }
    reads
}

/// Merges neighbours until there are at most `most` reads, or all would become too large.
fn merge(reads: &mut Vec<Read>, most: usize) {
    while reads.len() > most {
        let gaps = reads
            .windows(2)
            .enumerate()
            .filter_map(|(at, pair)| match pair {
                [a, b] if b.range.end - a.range.start <= MAX_MERGED_BYTES => {
                    Some((b.range.start.saturating_sub(a.range.end), at))
                }
                _ => None,
            });
        let Some((_, at)) = gaps.min() else {
            return;
        };
        let next = reads.remove(at + 1);
        if let Some(read) = reads.get_mut(at) {
            read.range.end = read.range.end.max(next.range.end);
            read.extents.extend(next.extents);
        }
    }
}

fn joins(root: &Root, last: &Range<u64>, next: &Range<u64>, gap: u64) -> bool {
    if root.files.ranged {
        next.start <= last.end + gap && next.end - last.start <= MAX_READ_BYTES
    } else {
        // A part is fetched whole: whatever begins in the part that the last read ends in is free.
        let part = root.files.part_bytes;
        next.start / part <= (last.end - 1) / part
    }
}

fn pieces(root: &Root, range: &Range<u64>) -> Vec<Piece> {
    let files = &root.files;
    let mut pieces = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let part = (at / files.part_bytes) as usize;
        let whole = files.part_range(part, root.body_len);
        // Extents were checked to lie inside the body, so every part has a name.
        let Some(file) = files.name(part) else { break };
        let end = range.end.min(whole.end);
        let inside = at - whole.start..end - whole.start;
        let file_len = whole.end - whole.start;
        pieces.push(if files.ranged {
            let take = inside.end - inside.start;
            Piece {
                file,
                file_len,
                range: Some(inside),
                skip: 0,
                take,
            }
        } else {
            let (skip, take) = (inside.start, inside.end - inside.start);
            Piece {
                file,
                file_len,
                range: None,
                skip,
                take,
            }
        });
        at = end;
    }
    pieces
}

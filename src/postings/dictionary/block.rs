//! A block of the dictionary.

use super::similar;
use super::similar::Similar;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::postings::scoring::IDF_STEPS;
use crate::text::FIRST_TERM_BYTE;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::ops::Range;

/// A block is full when it has this many bytes: deflated it is about 4 kB, which costs a client
/// little more than the round trip, and holds about 500 terms.
pub const BLOCK_BYTES: usize = 8192;

/// The least bytes of a term: shared, suffix length, df, impact, idf (2), entry length.
const MIN_ENTRY_BYTES: usize = 7;

/// The longest key, in bytes. It bounds what a damaged block can unfold to.
pub const MAX_KEY_BYTES: usize = 255;

/// Shorter words are no beginnings of longer ones: see [`DictionaryBlock::complete`].
const MIN_STEM_BYTES: usize = 3;

/// Letters by which a word being typed may already exceed its stem: `optimiz` and `optim`,
/// `generaliz` and `general`, `happine` and `happi`.
const MAX_SUFFIX_BYTES: usize = 6;

const WHAT: &str = "dictionary block";

/// What the dictionary says about a term.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TermInfo {
    /// How many chunks hold it.
    pub df: u32,
    /// The largest impact in its posting list.
    pub max_impact: u8,
    /// Its inverse document frequency, 0 to 15.99 in steps of 1/4096.
    pub idf: f32,
    /// Length of its posting list's entry, in bytes.
    pub entry_len: u32,
}

/// A term of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<'a> {
    /// The term.
    pub term: &'a str,
    /// Its place in the block, from 0.
    pub ordinal: usize,
    /// What is known about it.
    pub info: TermInfo,
    /// Its posting list in the postings file, in bytes.
    pub postings: Range<u64>,
}

/// A finished block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedBlock {
    /// Its first term, for the directory.
    pub first_term: String,
    /// The block, for [`DictionaryBlock::parse`].
    pub bytes: Vec<u8>,
    /// How many terms it holds.
    pub term_count: usize,
    /// Length of the posting lists of its terms, in bytes.
    pub postings_len: u64,
}

/// Writes a block, term by term in byte order.
#[derive(Debug, Default)]
pub struct BlockBuilder {
    terms: Writer,
    term_count: usize,
    first_term: String,
    last_term: String,
    postings_len: u64,
}

impl BlockBuilder {
    /// An empty block.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether the block has reached [`BLOCK_BYTES`] and should be finished.
    pub fn is_full(&self) -> bool {
        self.terms.len() >= BLOCK_BYTES
    }

    /// Whether nothing has been added.
    pub fn is_empty(&self) -> bool {
        self.term_count == 0
    }

    /// Adds a term of at most [`MAX_KEY_BYTES`] that follows all others in byte order.
    pub fn push(&mut self, term: &str, info: &TermInfo) {
        let shared = if self.term_count == 0 {
            self.first_term = String::from(term);
            0
        } else {
            shared_prefix(&self.last_term, term)
        };
        self.terms.varint(shared as u64);
        self.terms.str(term.get(shared..).unwrap_or_default());
        self.terms.varint(u64::from(info.df));
        self.terms.u8(info.max_impact);
        self.terms.u16((f64::from(info.idf) * IDF_STEPS) as u16);
        self.terms.varint(u64::from(info.entry_len));
        self.term_count += 1;
        self.postings_len += u64::from(info.entry_len);
        self.last_term.clear();
        self.last_term.push_str(term);
    }

    /// The block, or `None` if nothing was added. The builder is empty afterwards.
    pub fn finish(&mut self) -> Option<EncodedBlock> {
        let done = core::mem::take(self);
        if done.is_empty() {
            return None;
        }
        let mut bytes = Writer::new();
        bytes.varint(done.term_count as u64);
        bytes.raw(&done.terms.into_bytes());
        Some(EncodedBlock {
            first_term: done.first_term,
            bytes: bytes.into_bytes(),
            term_count: done.term_count,
            postings_len: done.postings_len,
        })
    }
}

/// Refuses keys longer than [`MAX_KEY_BYTES`].
pub(super) fn check_key_len(reader: &Reader<'_>, len: usize) -> Result<(), FormatError> {
    if len > MAX_KEY_BYTES {
        let problem = Problem::OutOfRange {
            got: len as u64,
            max: MAX_KEY_BYTES as u64,
        };
        return Err(reader.error("key length", problem));
    }
    Ok(())
}

/// Bytes that two terms share at their start, cut at a character.
pub(super) fn shared_prefix(a: &str, b: &str) -> usize {
    let pairs = a.char_indices().zip(b.chars());
    pairs
        .take_while(|((_, a), b)| a == b)
        .map(|((at, c), _)| at + c.len_utf8())
        .last()
        .unwrap_or(0)
}

/// A block, read and checked.
#[derive(Debug, Clone)]
pub struct DictionaryBlock {
    /// All terms, one after the other.
    text: String,
    /// Where each term ends in `text`, what is known about it, where its posting list starts.
    terms: Vec<(u32, TermInfo, u64)>,
}

impl DictionaryBlock {
    /// Reads a block whose posting lists start at `postings_base` (see
    /// [`DirectoryEntry`](super::DirectoryEntry)).
    ///
    /// # Errors
    /// [`FormatError`] when bytes are missing or left over, terms are not UTF-8 or do not ascend, a
    /// term has a document frequency of 0 or another key has not, or lengths add up to more than 64
    /// bits.
    pub fn parse(bytes: &[u8], postings_base: u64) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let count = reader.count(MIN_ENTRY_BYTES, "term count")?;
        let mut text = String::new();
        let mut terms: Vec<(u32, TermInfo, u64)> = Vec::with_capacity(count);
        let mut last = 0..0;
        let mut postings = postings_base;
        for at in 0..count {
            let shared = reader.varint_max(last.len() as u64, "shared prefix")? as usize;
            if !text.is_char_boundary(last.start + shared) {
                return Err(reader.error("shared prefix", Problem::BadUtf8));
            }
            let suffix = reader.str("suffix")?;
            check_key_len(&reader, shared + suffix.len())?;
            let start = text.len();
            text.extend_from_within(last.start..last.start + shared);
            text.push_str(suffix);
            if at > 0 && text.as_bytes()[start..] <= text.as_bytes()[last] {
                return Err(reader.error("suffix", Problem::Inconsistent));
            }
            let too_long = |_| reader.error("suffix", Problem::Inconsistent);
            let end = u32::try_from(text.len()).map_err(too_long)?;
            last = start..text.len();
            let info = TermInfo {
                df: reader.varint_u32("document frequency")?,
                max_impact: reader.u8("largest impact")?,
                idf: (f64::from(reader.u16("idf")?) / IDF_STEPS) as f32,
                entry_len: reader.varint_u32("entry length")?,
            };
            // Keys below all terms have rows and no postings (crate::embed::piece).
            if (info.df == 0) != (text.as_bytes().get(start) < Some(&FIRST_TERM_BYTE)) {
                return Err(reader.error("document frequency", Problem::Inconsistent));
            }
            terms.push((end, info, postings));
            postings = postings
                .checked_add(u64::from(info.entry_len))
                .ok_or_else(|| reader.error("entry length", Problem::Inconsistent))?;
        }
        reader.end()?;
        Ok(Self { text, terms })
    }

    /// How many terms there are.
    pub fn len(&self) -> usize {
        self.terms.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The term at a place in byte order; `None` past the end.
    pub fn get(&self, ordinal: usize) -> Option<Entry<'_>> {
        let &(_, info, start) = self.terms.get(ordinal)?;
        let postings = start..start.saturating_add(u64::from(info.entry_len));
        Some(Entry {
            term: self.term(ordinal),
            ordinal,
            info,
            postings,
        })
    }

    /// All terms in byte order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..self.len()).filter_map(|ordinal| self.get(ordinal))
    }

    fn term(&self, ordinal: usize) -> &str {
        let start = ordinal
            .checked_sub(1)
            .map_or(0, |before| self.terms[before].0 as usize);
        self.text
            .get(start..self.terms[ordinal].0 as usize)
            .unwrap_or_default()
    }

    /// The place of the first term that is not below `key`.
    fn lower_bound(&self, key: &str) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.term(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The term that is `key`.
    pub fn lookup(&self, key: &str) -> Option<Entry<'_>> {
        self.get(self.lower_bound(key))
            .filter(|entry| entry.term == key)
    }

    /// Terms that begin with `prefix`: at most `limit`, the most frequent first, then in byte order.
    pub fn prefix(&self, prefix: &str, limit: usize) -> Vec<Entry<'_>> {
        let mut found = Vec::new();
        for ordinal in self.lower_bound(prefix)..self.len() {
            let Some(entry) = self
                .get(ordinal)
                .filter(|entry| entry.term.starts_with(prefix))
            else {
                break;
            };
            insert_by(&mut found, entry, |entry| Reverse(entry.info.df));
            found.truncate(limit);
        }
        found
    }

    /// Terms that an unfinished word may become: those that begin with it; if there are none, the
    /// longest term that it begins with, for it may have grown past its own stem (`optimiz` and
    /// `optim`).
    pub fn complete(&self, word: &str, limit: usize) -> Vec<Entry<'_>> {
        let found = self.prefix(word, limit);
        if !found.is_empty() || limit == 0 {
            return found;
        }
        let ends = word.char_indices().rev().map(|(at, _)| at);
        ends.take_while(|&at| at >= MIN_STEM_BYTES && at + MAX_SUFFIX_BYTES >= word.len())
            .find_map(|at| self.lookup(word.get(..at)?))
            .into_iter()
            .collect()
    }

    /// Terms within `max_edits` edits of `word`, of which the first `prefix_len` characters are as in
    /// `word`: by edits, the most frequent first, then in byte order.
    ///
    /// An edit inserts, deletes or replaces a character, or swaps two neighbours.
    pub fn similar(&self, word: &str, max_edits: u32, prefix_len: usize) -> Vec<Similar<'_>> {
        let prefix_end = word
            .char_indices()
            .nth(prefix_len)
            .map_or(word.len(), |(at, _)| at);
        let prefix = word.get(..prefix_end).unwrap_or(word);
        let mut distance = similar::Distance::new(word, max_edits);
        let mut found = Vec::new();
        for entry in self.iter() {
            let is_candidate = entry.term.as_bytes().first() >= Some(&FIRST_TERM_BYTE)
                && entry.term.starts_with(prefix);
            if let Some(edits) = is_candidate.then(|| distance.to(entry.term)).flatten() {
                let by = |similar: &Similar<'_>| (similar.edits, Reverse(similar.entry.info.df));
                insert_by(&mut found, Similar { entry, edits }, by);
            }
        }
        found
    }
}

/// Inserts `item` into a list sorted by `key`, after its equals.
///
/// For lists of a few dozen items; a sorting routine of the standard library weighs 5 kB in a module,
/// for each type it sorts.
fn insert_by<T, K: Ord>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    let at = list.partition_point(|other| key(other) <= key(&item));
    list.insert(at, item);
}

//! Spelling blocks: many terms with little about each, to look for others than the one typed.

use super::block::BlockBuilder;
use super::block::EncodedBlock;
use super::keys::KeyReader;
use super::placement::is_term;
use super::similar;
use super::similar::Similar;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

/// Bytes of a block before it is deflated: some 500 keys, which take 2 kB then.
pub const SPELLING_BLOCK_BYTES: usize = 4096;

/// The least bytes of a key: shared, suffix length, df.
const MIN_KEY_BYTES: usize = 3;

/// With what the key of a word spelt backwards begins: it sorts before all words.
const BACKWARDS: char = '!';

/// Words of as many characters also stand backwards. Shorter ones are not corrected, longer ones are
/// found by either half.
const BACKWARDS_CHARS: core::ops::RangeInclusive<usize> = 4..=24;

/// The key under which a word is found by its end; `None` for one that stands forwards only.
pub fn backwards(word: &str) -> Option<String> {
    let mut key = String::from(BACKWARDS);
    key.extend(word.chars().rev());
    BACKWARDS_CHARS
        .contains(&(key.chars().count() - 1))
        .then_some(key)
}

/// The word that a key stands for.
fn word_of(key: &str) -> String {
    match key.strip_prefix(BACKWARDS) {
        Some(word) => word.chars().rev().collect(),
        None => String::from(key),
    }
}

const WHAT: &str = "spelling block";

/// Writes spelling blocks, key by key in byte order.
#[derive(Debug)]
pub struct SpellingBuilder {
    blocks: BlockBuilder,
}

impl SpellingBuilder {
    /// Makes blocks of at most `limit` bytes, such as [`SPELLING_BLOCK_BYTES`].
    pub fn new(limit: usize) -> Self {
        let blocks = BlockBuilder::new(limit);
        Self { blocks }
    }

    /// Adds a key that `df` chunks hold. Returns the block before if that is full.
    pub fn push(&mut self, key: &str, df: u32) -> Option<EncodedBlock> {
        let mut record = Writer::new();
        record.varint(u64::from(df));
        self.blocks.push(key, record.into_bytes())
    }

    /// The last block; `None` if it would be empty.
    pub fn finish(&mut self) -> Option<EncodedBlock> {
        self.blocks.finish()
    }
}

/// A key of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spelling<'a> {
    /// The key.
    pub key: &'a str,
    /// How many chunks hold it.
    pub df: u32,
}

impl Spelling<'_> {
    /// The word, forwards.
    pub fn word(&self) -> String {
        word_of(self.key)
    }
}

/// A block, read and checked.
#[derive(Debug, Clone)]
pub struct SpellingBlock {
    /// All keys, one after the other.
    text: String,
    /// Where each key ends in `text`, and its df.
    keys: Vec<(u32, u32)>,
}

impl SpellingBlock {
    /// Reads a block.
    ///
    /// # Errors
    /// [`FormatError`] when bytes are missing or left over, keys are not UTF-8, do not ascend or are
    /// no terms, or a document frequency is 0.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, WHAT);
        let count = reader.count(MIN_KEY_BYTES, "key count")?;
        let mut text = String::new();
        let mut keys = Vec::with_capacity(count);
        let mut front = KeyReader::default();
        for _ in 0..count {
            let key = front.read(&mut reader)?;
            text.push_str(key);
            let is_word =
                is_term(key) || (key.starts_with(BACKWARDS) && key.len() > BACKWARDS.len_utf8());
            let end = u32::try_from(text.len())
                .map_err(|_| reader.error("suffix", Problem::Inconsistent))?;
            let df = reader.varint_u32("document frequency")?;
            if df == 0 || !is_word {
                return Err(reader.error("document frequency", Problem::Inconsistent));
            }
            keys.push((end, df));
        }
        reader.end()?;
        Ok(Self { text, keys })
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key at a place in byte order; `None` past the end.
    pub fn get(&self, at: usize) -> Option<Spelling<'_>> {
        let &(_, df) = self.keys.get(at)?;
        let key = self.key(at);
        Some(Spelling { key, df })
    }

    /// All keys in byte order.
    pub fn iter(&self) -> impl Iterator<Item = Spelling<'_>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    fn key(&self, at: usize) -> &str {
        let start = at
            .checked_sub(1)
            .map_or(0, |before| self.keys[before].0 as usize);
        self.text
            .get(start..self.keys[at].0 as usize)
            .unwrap_or_default()
    }

    /// The place of the first key that is not below `key`.
    fn lower_bound(&self, key: &str) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.key(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The key that is `key`.
    pub fn lookup(&self, key: &str) -> Option<Spelling<'_>> {
        self.get(self.lower_bound(key))
            .filter(|entry| entry.key == key)
    }

    /// Terms that begin with `prefix`: at most `limit`, the most frequent first, then in byte order.
    pub fn prefix(&self, prefix: &str, limit: usize) -> Vec<Spelling<'_>> {
        let mut found = Vec::new();
        for at in self.lower_bound(prefix)..self.len() {
            let Some(entry) = self.get(at).filter(|entry| entry.key.starts_with(prefix)) else {
                break;
            };
            insert_by(&mut found, entry, |entry| Reverse(entry.df));
            found.truncate(limit);
        }
        found
    }

    /// Words within `max_edits` edits of `word`, both forwards or both [`backwards`], in byte order.
    ///
    /// An edit inserts, deletes or replaces a character, or swaps two neighbours.
    pub fn similar(&self, word: &str, max_edits: u32) -> impl Iterator<Item = Similar<'_>> {
        let direction = word.starts_with(BACKWARDS);
        let mut distance = similar::Distance::new(word, max_edits);
        self.iter().filter_map(move |spelling| {
            let is_candidate = spelling.key.starts_with(BACKWARDS) == direction;
            let edits = is_candidate.then(|| distance.to(spelling.key)).flatten()?;
            Some(Similar { spelling, edits })
        })
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

//! A set of small ordinals as bits.

use alloc::vec;
use alloc::vec::Vec;

use crate::vector::binary::ones;

/// A set of ordinals below a fixed length: documents, chunks, or codes of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bitmap {
    /// `len` bits, least significant first; the bits past `len` are zero.
    words: Vec<u64>,
    len: u32,
}

impl Bitmap {
    /// The empty set of ordinals below `len`.
    pub fn new(len: u32) -> Self {
        Self {
            words: vec![0; len.div_ceil(64) as usize],
            len,
        }
    }

    /// All ordinals below `len`.
    pub fn full(len: u32) -> Self {
        let mut out = Self::new(len);
        out.not();
        out
    }

    /// How many ordinals there are, in the set or not.
    pub fn len(&self) -> u32 {
        self.len
    }

    /// Whether there are no ordinals at all; see [`Bitmap::count`] for those in the set.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds `at`; ordinals past the end are ignored.
    pub fn set(&mut self, at: u32) {
        if at < self.len {
            self.words[at as usize / 64] |= 1 << (at % 64);
        }
    }

    /// Adds the ordinals from `start` up to and without `end`; those past the end are ignored.
    pub fn set_range(&mut self, start: u32, end: u32) {
        let end = end.min(self.len);
        let mut at = start;
        while at < end {
            let bits = (end - at).min(64 - at % 64);
            self.words[at as usize / 64] |= (u64::MAX >> (64 - bits)) << (at % 64);
            at += bits;
        }
    }

    /// Whether `at` is in the set; never for ordinals past the end.
    pub fn get(&self, at: u32) -> bool {
        self.words
            .get(at as usize / 64)
            .is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    /// The bits: member `i` is bit `i % 64` of word `i / 64`; bits past the end are 0.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    /// Builds a set out of its bits, in the layout of [`Bitmap::words`]; bits past the end are
    /// dropped.
    pub fn from_words(len: u32, mut words: Vec<u64>) -> Self {
        words.resize((len as usize).div_ceil(64), 0);
        if len % 64 != 0
            && let Some(last) = words.last_mut()
        {
            *last &= (1 << (len % 64)) - 1;
        }
        Self { words, len }
    }

    /// How many ordinals are in the set.
    pub fn count(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Keeps what is in `other` too; ordinals past the end of `other` are dropped.
    pub fn and(&mut self, other: &Self) {
        for (i, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(i).copied().unwrap_or(0);
        }
    }

    /// Adds what is in `other`; ordinals past the end of this set are ignored.
    pub fn or(&mut self, other: &Self) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
        self.clear_tail();
    }

    /// Replaces the set by its complement.
    pub fn not(&mut self) {
        for word in &mut self.words {
            *word = !*word;
        }
        self.clear_tail();
    }

    fn clear_tail(&mut self) {
        if let (Some(last), tail @ 1..) = (self.words.last_mut(), self.len % 64) {
            *last &= (1 << tail) - 1;
        }
    }

    /// The ordinals in the set, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        ones(&self.words)
    }

    /// Turns this set of documents into the set of their chunks.
    ///
    /// `first_chunks` holds the first chunk of every document, ascending; a document's chunks end
    /// where the next one's begin, those of the last at `chunks`.
    #[inline(never)]
    pub fn spread(&self, first_chunks: &[u32], chunks: u32) -> Self {
        let mut out = Self::new(chunks);
        for document in self.iter() {
            let Some(&start) = first_chunks.get(document as usize) else {
                break;
            };
            let end = first_chunks
                .get(document as usize + 1)
                .copied()
                .unwrap_or(chunks);
            out.set_range(start, end);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn sets_of_any_length_agree_with_sets_of_numbers() {
        for len in [0, 1, 63, 64, 65, 130] {
            let (mut thirds, mut evens) = (Bitmap::new(len), Bitmap::new(len));
            (0..200).filter(|n| n % 3 == 0).for_each(|n| thirds.set(n));
            (0..200).filter(|n| n % 2 == 0).for_each(|n| evens.set(n));
            let collect = |set: &Bitmap| {
                assert_eq!(set.count() as usize, set.iter().count());
                set.iter()
                    .inspect(|&n| assert!(set.get(n) && n < len))
                    .collect::<BTreeSet<_>>()
            };
            let numbers = |keep: fn(&u32) -> bool| (0..len).filter(keep).collect::<BTreeSet<_>>();
            let mut both = thirds.clone();
            both.and(&evens);
            assert_eq!(collect(&both), numbers(|n| n % 6 == 0));
            let mut either = thirds.clone();
            either.or(&evens);
            assert_eq!(collect(&either), numbers(|n| n % 3 == 0 || n % 2 == 0));
            thirds.not();
            assert_eq!(collect(&thirds), numbers(|n| n % 3 != 0));
            assert_eq!(Bitmap::full(len).count(), len);
            assert!(!Bitmap::full(len).get(len));
        }
    }

    #[test]
    fn ranges_of_any_alignment_set_exactly_their_ordinals() {
        for start in [0, 1, 63, 64, 65, 127, 140] {
            for end in [0, 1, 2, 64, 128, 129, 140, 150] {
                let mut set = Bitmap::new(140);
                set.set_range(start, end);
                assert!(
                    (0..140).all(|n| set.get(n) == (start <= n && n < end)),
                    "{start}..{end}"
                );
            }
        }
    }

    #[test]
    fn documents_spread_over_exactly_their_chunks() {
        let mut documents = Bitmap::new(4);
        documents.set(1);
        documents.set(3);
        let first = [0, 2, 5, 5];
        assert_eq!(
            documents.spread(&first, 9).iter().collect::<Vec<_>>(),
            [2, 3, 4, 5, 6, 7, 8]
        );
        let damaged = [0, u32::MAX, 3];
        assert_eq!(documents.spread(&damaged, 9).count(), 0);
    }
}

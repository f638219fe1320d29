//! The k best candidates, in a total order.
//!
//! Score and id are packed into one `u64` whose order is "higher score first, then smaller id", so
//! every list of candidates in the library has exactly one correct order, and a comparison is one
//! instruction.

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;
use core::cmp::Reverse;

use crate::sort::select_largest;
use crate::sort::sort_by;

/// An item found by a search, with the score it was found with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// Ordinal of the row.
    pub id: u32,
    /// Larger is better.
    pub score: f32,
}

impl Candidate {
    /// The key of this candidate: of two candidates the better one has the larger key.
    ///
    /// Zero has one key, whatever its sign; NaN ranks below everything.
    #[must_use]
    pub fn key(self) -> u64 {
        let bits = (self.score + 0.0).to_bits();
        let ordered = if self.score.is_nan() {
            0
        } else if bits >> 31 == 1 {
            !bits
        } else {
            bits | 1 << 31
        };
        pack(ordered, self.id)
    }

    /// The candidate of a key.
    #[must_use]
    pub fn from_key(key: u64) -> Self {
        let ordered = (key >> 32) as u32;
        let bits = if ordered >> 31 == 1 {
            ordered & !(1 << 31)
        } else {
            !ordered
        };
        Self {
            id: id_of(key),
            score: f32::from_bits(bits),
        }
    }
}

/// A key from a rank that grows with quality, and an id.
pub(crate) fn pack(rank: u32, id: u32) -> u64 {
    u64::from(rank) << 32 | u64::from(!id)
}

/// The rank in a key.
pub(crate) fn rank_of(key: u64) -> u64 {
    key >> 32
}

/// The id in a key.
pub(crate) fn id_of(key: u64) -> u32 {
    !(key as u32)
}

/// Collects the k best of any number of candidates in `O(log k)` each.
#[derive(Debug, Clone)]
pub struct TopK {
    capacity: usize,
    heap: BinaryHeap<Reverse<u64>>,
}

impl TopK {
    /// A collector of the `capacity` best.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        // A caller may ask for any number; memory is taken as candidates arrive.
        Self {
            capacity,
            heap: BinaryHeap::with_capacity(capacity.min(1024)),
        }
    }

    /// Whether as many candidates are held as were asked for.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.heap.len() >= self.capacity
    }

    /// The key that a newcomer must exceed; 0 as long as there is room.
    #[must_use]
    pub fn threshold(&self) -> u64 {
        match self.heap.peek() {
            Some(&Reverse(worst)) if self.is_full() => worst,
            None if self.capacity == 0 => u64::MAX,
            _ => 0,
        }
    }

    /// Offers a candidate; whether it was taken.
    pub fn push(&mut self, candidate: Candidate) -> bool {
        self.push_key(candidate.key())
    }

    /// Offers a candidate by its key; whether it was taken.
    pub fn push_key(&mut self, key: u64) -> bool {
        if !self.is_full() {
            self.heap.push(Reverse(key));
            return true;
        }
        match self.heap.peek_mut() {
            Some(mut worst) if key > worst.0 => {
                *worst = Reverse(key);
                true
            }
            _ => false,
        }
    }

    /// The keys collected, best first.
    #[must_use]
    pub fn into_keys(self) -> Vec<u64> {
        self.heap
            .into_sorted_vec()
            .into_iter()
            .map(|Reverse(key)| key)
            .collect()
    }

    /// The candidates collected, best first.
    #[must_use]
    pub fn into_sorted(self) -> Vec<Candidate> {
        self.into_keys()
            .into_iter()
            .map(Candidate::from_key)
            .collect()
    }
}

/// Collects the `k` best candidates of many, without keeping them in order.
///
/// Cheaper than [`TopK`] where its exact threshold is not needed: newcomers are appended, and when
/// twice `k` are held the worse half is thrown away, so that a newcomer costs constant time.
#[derive(Debug, Clone, Default)]
pub struct Shortlist {
    k: usize,
    keys: Vec<u64>,
    /// Keys that are not larger are not taken.
    threshold: u64,
    least: f32,
}

impl Shortlist {
    /// Empties the list and makes it one of `k` candidates.
    pub fn clear(&mut self, k: usize) {
        self.k = k;
        self.keys.clear();
        self.threshold = if k == 0 { u64::MAX } else { 0 };
        self.least = f32::NEG_INFINITY;
    }

    /// The score below which no candidate is taken.
    #[must_use]
    pub fn least(&self) -> f32 {
        self.least
    }

    /// Offers a candidate.
    #[inline]
    pub fn push(&mut self, candidate: Candidate) {
        self.push_key(candidate.key());
    }

    /// Offers a candidate by its key.
    #[inline]
    pub fn push_key(&mut self, key: u64) {
        if key > self.threshold {
            self.keys.push(key);
            if self.keys.len() / 2 >= self.k {
                self.shrink();
            }
        }
    }

    /// Throws away all but the `k` best.
    fn shrink(&mut self) {
        if self.keys.len() > self.k && self.k > 0 {
            select_largest(&mut self.keys, self.k);
            self.keys.truncate(self.k);
            let worst = self.keys.iter().fold(u64::MAX, |min, &key| min.min(key));
            self.threshold = worst;
            self.least = Candidate::from_key(worst).score;
        }
    }

    /// The `k` best candidates, in no order.
    pub fn best(&mut self) -> impl ExactSizeIterator<Item = Candidate> {
        self.shrink();
        self.keys.iter().map(|&key| Candidate::from_key(key))
    }

    /// The keys of the `k` best candidates, best first.
    pub fn sorted_keys(&mut self) -> &[u64] {
        self.shrink();
        sort_by(&mut self.keys, |a, b| b.cmp(a));
        &self.keys
    }

    /// The `k` best candidates, best first.
    pub fn sorted(&mut self) -> impl ExactSizeIterator<Item = Candidate> {
        let keys = self.sorted_keys().iter();
        keys.map(|&key| Candidate::from_key(key))
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::Candidate;
    use super::Shortlist;
    use super::TopK;
    use proptest::prelude::Strategy;
    use std::vec::Vec;

    /// The oracle: sort everything, keep the front.
    fn naive(mut all: Vec<Candidate>, k: usize) -> Vec<Candidate> {
        all.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.id.cmp(&b.id)));
        all.truncate(k);
        all
    }

    fn scores() -> impl Strategy<Value = Vec<f32>> {
        let few = (-3i8..4).prop_map(|x| f32::from(x) * 0.5);
        proptest::collection::vec(proptest::prop_oneof![few, -1e30f32..1e30], 0..200)
    }

    proptest::proptest! {
        #[test]
        fn top_k_of_any_scores_equals_a_full_sort(scores in scores(), k in 0usize..60) {
            let all: Vec<Candidate> = scores
                .iter()
                .enumerate()
                .map(|(id, &score)| Candidate { id: id as u32, score: score + 0.0 })
                .collect();
            let mut top = TopK::new(k);
            for &candidate in all.iter().rev() {
                let threshold = top.threshold();
                proptest::prop_assert_eq!(top.push(candidate), candidate.key() > threshold);
            }
            let mut shortlist = Shortlist::default();
            shortlist.clear(k);
            for &candidate in &all {
                shortlist.push(candidate);
            }
            proptest::prop_assert!(k == 0 || all.len() < 2 * k || shortlist.least() > f32::NEG_INFINITY);
            let shortlist: Vec<Candidate> = shortlist.sorted().collect();
            let expected = naive(all, k);
            proptest::prop_assert_eq!(&shortlist, &expected);
            proptest::prop_assert_eq!(top.into_sorted(), expected);
        }
    }

    #[test]
    fn keys_of_extreme_scores_keep_their_order() {
        let scores = [
            f32::NAN,
            f32::NEG_INFINITY,
            f32::MIN,
            -1.0,
            0.0,
            f32::MIN_POSITIVE,
            f32::MAX,
        ];
        for pair in scores.windows(2) {
            let [low, high] = [pair[0], pair[1]].map(|score| Candidate { id: 3, score }.key());
            assert!(low < high, "{pair:?}");
        }
        let negative_zero = Candidate { id: 1, score: -0.0 };
        assert_eq!(negative_zero.key(), Candidate { id: 1, score: 0.0 }.key());
    }
}

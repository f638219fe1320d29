//! Prefix codes: the lengths of the best one, and its words as bits.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Bits of the longest code word, as in DEFLATE.
const LONGEST: u8 = 15;

/// Lengths of the code words of the prefix code for symbols that occur so often (Huffman, *A Method for
/// the Construction of Minimum-Redundancy Codes*, 1952), none longer than 15 bits: where one would be,
/// rare symbols are taken to be less rare.
pub fn code_lengths(counts: &[u64]) -> Vec<u8> {
    let mut counts = counts.to_vec();
    loop {
        let lengths = huffman(&counts);
        if lengths.iter().all(|&length| length <= LONGEST) {
            return lengths;
        }
        for count in &mut counts {
            *count = count.div_ceil(2);
        }
    }
}

fn huffman(counts: &[u64]) -> Vec<u8> {
    let occur = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let mut heap: BinaryHeap<_> = occur.map(|(at, &count)| Reverse((count, at))).collect();
    let mut lengths = vec![0; counts.len()];
    if let (1, Some(Reverse((_, only)))) = (heap.len(), heap.peek()) {
        lengths[*only] = 1;
        return lengths;
    }
    // Symbols, then the nodes above them, each with its parent.
    let mut parents = vec![usize::MAX; counts.len()];
    while let (Some(Reverse((rare, a))), Some(Reverse((rarer, b)))) = (heap.pop(), heap.pop()) {
        let node = parents.len();
        (parents[a], parents[b]) = (node, node);
        parents.push(usize::MAX);
        heap.push(Reverse((rare + rarer, node)));
        if heap.len() == 1 {
            break;
        }
    }
    let mut depths = vec![0u8; parents.len()];
    for node in (0..parents.len()).rev() {
        if let Some(&above) = depths.get(parents[node]) {
            depths[node] = above.saturating_add(1);
        }
    }
    lengths.copy_from_slice(&depths[..counts.len()]);
    lengths
}

/// The words of a canonical prefix code, as they stand in a stream.
pub struct Code {
    /// The word, its first bit lowest, and its bits.
    words: Vec<(u32, u8)>,
}

impl Code {
    /// The code of words of these lengths, 0 for symbols without.
    pub fn new(lengths: &[u8]) -> Self {
        let mut words = vec![(0, 0); lengths.len()];
        let mut next = 0u32;
        for length in 1..=LONGEST {
            next <<= 1;
            for (word, _) in words
                .iter_mut()
                .zip(lengths)
                .filter(|(_, of)| **of == length)
            {
                *word = (next.reverse_bits() >> (32 - u32::from(length)), length);
                next += 1;
            }
        }
        Self { words }
    }

    /// Appends the word of a symbol that has one.
    pub fn write(&self, symbol: usize, out: &mut BitWriter) {
        let (word, bits) = self.words[symbol];
        out.bits(word, bits.into());
    }
}

/// Bits as bytes, lowest first.
#[derive(Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    hold: u64,
    have: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`, which has no others; at most 32.
    pub fn bits(&mut self, value: u32, count: u32) {
        self.hold |= u64::from(value) << self.have;
        self.have += count;
        while self.have >= 8 {
            self.bytes.push(self.hold as u8);
            self.hold >>= 8;
            self.have -= 8;
        }
    }

    /// All bytes, the last one filled with zeros.
    pub fn into_bytes(mut self) -> Vec<u8> {
        if self.have > 0 {
            self.bytes.push(self.hold as u8);
        }
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_of_a_complete_code_and_rare_symbols_have_the_longest() {
        let fibonacci = |(a, b): &mut (u64, u64)| {
            (*a, *b) = (*b, *a + *b);
            Some(*a)
        };
        let steep: Vec<u64> = (0..40).scan((0, 1), |state, _| fibonacci(state)).collect();
        for counts in [vec![1, 1], vec![5, 0, 9, 1, 1], vec![3; 286], steep] {
            let lengths = code_lengths(&counts);
            let words = lengths.iter().filter(|length| **length > 0);
            let sum: f64 = words.map(|length| 0.5f64.powi((*length).into())).sum();
            assert_eq!(sum, 1.0, "{lengths:?}");
            for (a, b) in counts
                .iter()
                .zip(&lengths)
                .flat_map(|a| counts.iter().zip(&lengths).map(move |b| (a, b)))
            {
                assert!(*a.0 == 0 || a.0 >= b.0 || a.1 >= b.1 || *b.0 == 0);
            }
        }
        assert_eq!(code_lengths(&[0, 7, 0]), [0, 1, 0]);
        assert_eq!(code_lengths(&[0, 0]), [0, 0]);
    }
}

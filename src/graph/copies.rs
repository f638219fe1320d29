//! Rows with equal codes, such as boilerplate repeated on every page.
//!
//! In a graph they would link to each other only and trap the walk. One of them, the *original*, is
//! a node like any other; the rest, its *copies*, hang on it as a chain: each row of the group links
//! to the next one, and every copy links back to the original.

use alloc::vec::Vec;

use xxhash_rust::xxh3::xxh3_64;

/// The copies among some rows.
#[derive(Debug)]
pub(super) struct Copies {
    /// The original of each row: for most rows the row itself.
    originals: Vec<u32>,
    /// The next copy after each row.
    next: Vec<Option<u32>>,
}

impl Copies {
    /// Finds the copies among `codes`, rows of `code_dim` numbers; the smallest id is the original.
    pub(super) fn find(codes: &[i8], code_dim: usize) -> Self {
        let rows = || codes.chunks_exact(code_dim);
        let hash = |row: &[i8]| xxh3_64(bytemuck::cast_slice(row));
        let mut hashes: Vec<(u64, u32)> = rows().map(hash).zip(0..).collect();
        hashes.sort_unstable();
        let mut originals: Vec<u32> = (0..hashes.len() as u32).collect();
        let mut next = alloc::vec![None; hashes.len()];
        let row = |id: u32| rows().nth(id as usize);
        for pair in hashes.windows(2) {
            let [(hash_before, before), (hash, id)] = [pair[0], pair[1]];
            if hash_before == hash && row(before) == row(id) {
                originals[id as usize] = originals[before as usize];
                next[before as usize] = Some(id);
            }
        }
        Self { originals, next }
    }

    /// Number of rows, originals and copies.
    pub(super) fn len(&self) -> usize {
        self.originals.len()
    }

    /// The ids of the originals, ascending.
    pub(super) fn originals(&self) -> Vec<u32> {
        self.originals
            .iter()
            .zip(0..)
            .filter_map(|(&original, id)| (original == id).then_some(id))
            .collect()
    }

    /// Links that a row has as part of its group: at most two.
    pub(super) fn links(&self, id: u32) -> impl Iterator<Item = u32> {
        let original = self.originals[id as usize];
        let back = (original != id).then_some(original);
        back.into_iter().chain(self.next[id as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::Copies;
    use std::vec;
    use std::vec::Vec;

    #[test]
    fn copies_hang_on_the_first_of_equal_rows() {
        let codes = [1, 1, 2, 2, 1, 1, 3, 3, 1, 1, 2, 2];
        let copies = Copies::find(&codes, 2);
        assert_eq!(copies.len(), 6);
        assert_eq!(copies.originals(), vec![0, 1, 3]);
        let links: Vec<Vec<u32>> = (0..6).map(|id| copies.links(id).collect()).collect();
        assert_eq!(
            links,
            [vec![2], vec![5], vec![0, 4], vec![], vec![0], vec![1]]
        );
        assert_eq!(Copies::find(&[], 2).len(), 0);
    }
}

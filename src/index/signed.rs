//! Where a signed index keeps its signatures. Making and checking them is the faces' work: this module
//! knows places and messages, no cryptography.
//!
//! ```text
//! root file    root │ leaf bytes │ leaves of a page │ page file │ signature │ "CORASIGN"
//! body         leaf │ leaf │ leaf │ … leaf │ leaf │ …
//! page file    page 0: a hash of each leaf, signature │ page 1 │ …
//! ```
//!
//! Every page is signed by itself, so a reader fetches the pages of what it reads and nothing above
//! them. A tree of hashes would need its top first, and the top grows with the index.

use super::root::Files;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// Bytes of a leaf's hash: the first ones of its SHA-256.
pub const LEAF_HASH_BYTES: usize = 16;

/// Bytes of an Ed25519 signature.
pub const SIGNATURE_BYTES: usize = 64;

/// What a signed root file ends with.
const SEAL_MAGIC: [u8; 8] = *b"CORASIGN";

/// Bytes behind the root in a signed root file.
pub const SEAL_BYTES: usize = 8 + 4 + 8 + SIGNATURE_BYTES + SEAL_MAGIC.len();

/// What stands behind the root of a signed index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seal {
    /// Bytes of a leaf; the last leaf of a part may be shorter.
    pub leaf_bytes: u64,
    /// Leaves of a page; the last page may have fewer.
    pub page_leaves: u32,
    /// XXH3-64 of the page file, which names it. Not signed: pages are checked one by one.
    pub page_file: u64,
    /// Signature of [`Self::root_message`].
    pub signature: [u8; SIGNATURE_BYTES],
}

impl Seal {
    /// Takes a root file apart: the root, and the seal if it is signed.
    pub fn split(file: &[u8]) -> (&[u8], Option<Self>) {
        let Some(end) = file.len().checked_sub(SEAL_BYTES) else {
            return (file, None);
        };
        let (root, seal) = file.split_at(end);
        match Self::parse(seal) {
            Some(seal) => (root, Some(seal)),
            None => (file, None),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (leaf_bytes, bytes) = bytes.split_first_chunk()?;
        let (page_leaves, bytes) = bytes.split_first_chunk()?;
        let (page_file, bytes) = bytes.split_first_chunk()?;
        let (signature, magic) = bytes.split_first_chunk()?;
        (magic == SEAL_MAGIC).then(|| Self {
            leaf_bytes: u64::from_le_bytes(*leaf_bytes),
            page_leaves: u32::from_le_bytes(*page_leaves),
            page_file: u64::from_le_bytes(*page_file),
            signature: *signature,
        })
    }

    /// The seal as it stands behind the root.
    pub fn to_bytes(&self) -> [u8; SEAL_BYTES] {
        let mut out = Vec::with_capacity(SEAL_BYTES);
        out.extend_from_slice(&self.leaf_bytes.to_le_bytes());
        out.extend_from_slice(&self.page_leaves.to_le_bytes());
        out.extend_from_slice(&self.page_file.to_le_bytes());
        out.extend_from_slice(&self.signature);
        out.extend_from_slice(&SEAL_MAGIC);
        let mut bytes = [0; SEAL_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Name of the file with the pages.
    pub fn page_file_name(&self) -> String {
        format!("{:016x}.cora", self.page_file)
    }

    /// What the **digest** of the index is the SHA-256 of: everything that is signed of the root file.
    pub fn digested(root: &[u8], leaf_bytes: u64, page_leaves: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(root.len() + 12);
        out.extend_from_slice(root);
        out.extend_from_slice(&leaf_bytes.to_le_bytes());
        out.extend_from_slice(&page_leaves.to_le_bytes());
        out
    }

    /// What the signature behind the root signs.
    pub fn root_message(digest: &[u8; 32]) -> Vec<u8> {
        [b"coracle index 1 root".as_slice(), digest].concat()
    }

    /// What the signature of a page signs: which index and page it is, and its hashes.
    pub fn page_message(digest: &[u8; 32], page: u64, hashes: &[u8]) -> Vec<u8> {
        let place = page.to_le_bytes();
        [b"coracle index 1 page".as_slice(), digest, &place, hashes].concat()
    }
}

/// Leaves and pages of a body, counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaves {
    leaf_bytes: u64,
    page_leaves: u64,
    part_leaves: u64,
    part_bytes: u64,
    body_len: u64,
    count: u64,
}

impl Leaves {
    /// Leaves of a body of `body_len` bytes in `files`; none if the numbers make no sense.
    pub fn new(files: &Files, body_len: u64, leaf_bytes: u64, page_leaves: u32) -> Option<Self> {
        if leaf_bytes == 0 || page_leaves == 0 {
            return None;
        }
        let part_bytes = files.part_bytes;
        let part_leaves = part_bytes.div_ceil(leaf_bytes);
        let parts = files.hashes.len() as u64;
        let count = match parts.checked_sub(1) {
            None => 0,
            Some(whole) => {
                let last = body_len.checked_sub(whole.checked_mul(part_bytes)?)?;
                whole
                    .checked_mul(part_leaves)?
                    .checked_add(last.div_ceil(leaf_bytes))?
            }
        };
        // No page lies behind the last place that a number has.
        count.checked_mul((LEAF_HASH_BYTES + SIGNATURE_BYTES) as u64)?;
        Some(Self {
            leaf_bytes,
            page_leaves: page_leaves.into(),
            part_leaves,
            part_bytes,
            body_len,
            count,
        })
    }

    /// Number of pages.
    pub fn pages(&self) -> u64 {
        self.count.div_ceil(self.page_leaves)
    }

    /// Bytes of a part of the body.
    pub fn part_len(&self, part: u64) -> u64 {
        let start = part.saturating_mul(self.part_bytes).min(self.body_len);
        (self.body_len - start).min(self.part_bytes)
    }

    /// The smallest range of whole leaves around a range of a part.
    pub fn widen(&self, part: u64, range: &Range<u64>) -> Range<u64> {
        let start = range.start - range.start % self.leaf_bytes;
        let end = match range.end % self.leaf_bytes {
            0 => range.end,
            over => range.end.saturating_add(self.leaf_bytes - over),
        };
        start..end.min(self.part_len(part))
    }

    /// Numbers of the leaves in a [widened](Self::widen) range of a part.
    pub fn leaves(&self, part: u64, range: &Range<u64>) -> Range<u64> {
        let first = part * self.part_leaves;
        let end = first + range.end.div_ceil(self.leaf_bytes);
        first + range.start / self.leaf_bytes..end.min(self.count)
    }

    /// The page that holds a leaf's hash, and the place of the hash in it, in bytes.
    pub fn page_of(&self, leaf: u64) -> (u64, usize) {
        let at = (leaf % self.page_leaves) as usize;
        (leaf / self.page_leaves, at * LEAF_HASH_BYTES)
    }

    /// Where a page lies in the page file: its hashes, and its signature behind them.
    pub fn page(&self, page: u64) -> Range<u64> {
        let hash = LEAF_HASH_BYTES as u64;
        let signature = SIGNATURE_BYTES as u64;
        let end = |pages: u64| pages.saturating_mul(self.page_leaves).min(self.count);
        let start = end(page) * hash + page * signature;
        start..end(page + 1) * hash + (page + 1) * signature
    }

    /// Bytes of the page file.
    pub fn page_file_len(&self) -> u64 {
        self.count * LEAF_HASH_BYTES as u64 + self.pages() * SIGNATURE_BYTES as u64
    }

    /// Bytes of a leaf.
    pub fn leaf_bytes(&self) -> u64 {
        self.leaf_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(part_bytes: u64, body_len: u64, leaf_bytes: u64, page_leaves: u32) -> Option<Leaves> {
        let files = Files {
            ranged: true,
            part_bytes,
            hashes: (0..Files::parts(body_len, part_bytes)).collect(),
        };
        Leaves::new(&files, body_len, leaf_bytes, page_leaves)
    }

    #[test]
    fn split_of_sealed_root_gives_root_and_seal() {
        let seal = Seal {
            leaf_bytes: 256,
            page_leaves: 16,
            page_file: 0x1122_3344_5566_7788,
            signature: [9; SIGNATURE_BYTES],
        };
        let file = [b"root".as_slice(), &seal.to_bytes()].concat();
        assert_eq!(Seal::split(&file), (b"root".as_slice(), Some(seal.clone())));
        assert_eq!(Seal::split(b"root"), (b"root".as_slice(), None));
        assert_eq!(seal.page_file_name(), "1122334455667788.cora");
        assert!(Seal::split(&file[..file.len() - 1]).1.is_none());
    }

    #[test]
    fn leaves_of_two_parts_never_cross_from_one_to_the_other() {
        // Parts of 1,000 bytes have 4 leaves of 256, the last of 232; the second part has 2.
        let leaves = leaves(1_000, 1_400, 256, 4).expect("fits");
        assert_eq!(leaves.pages(), 2);
        assert_eq!(leaves.page_file_len(), 6 * 16 + 2 * 64);
        assert_eq!(leaves.widen(0, &(300..900)), 256..1_000);
        assert_eq!(leaves.leaves(0, &(256..1_000)), 1..4);
        assert_eq!(leaves.widen(1, &(10..20)), 0..256);
        assert_eq!(leaves.leaves(1, &(256..400)), 5..6);
        assert_eq!(leaves.page_of(5), (1, 16));
        assert_eq!(leaves.page(0), 0..128);
        assert_eq!(leaves.page(1), 128..224);
    }

    #[test]
    fn numbers_without_sense_are_refused() {
        assert!(leaves(1_000, 1_400, 0, 4).is_none());
        assert!(leaves(1_000, 1_400, 256, 0).is_none());
        assert!(leaves(u64::MAX, u64::MAX, 1, 4).is_none());
        let empty = leaves(1_000, 0, 256, 4).expect("fits");
        assert_eq!((empty.pages(), empty.page_file_len()), (0, 0));
    }
}

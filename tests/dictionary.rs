//! The dictionary: look-ups against a plain sorted list, and damage.

#![cfg(not(target_arch = "wasm32"))]

use coracle::postings::BlockTable;
use coracle::postings::EncodedList;
use coracle::postings::dictionary::Directory;
use coracle::postings::dictionary::DirectoryBuilder;
use coracle::postings::dictionary::EncodedBlock;
use coracle::postings::dictionary::ListPlace;
use coracle::postings::dictionary::Placement;
use coracle::postings::dictionary::ReservedBlock;
use coracle::postings::dictionary::ReservedBlockBuilder;
use coracle::postings::dictionary::RowShape;
use coracle::postings::dictionary::SpellingBlock;
use coracle::postings::dictionary::SpellingBuilder;
use coracle::postings::dictionary::Term;
use coracle::postings::dictionary::TermBlock;
use coracle::postings::dictionary::TermBlockBuilder;
use coracle::postings::dictionary::TermDirectory;
use coracle::postings::dictionary::backwards;
use coracle::postings::dictionary::block_count;
use proptest::prelude::prop_assert;
use proptest::prelude::prop_assert_eq;
use proptest::proptest;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes of the rows of these tests.
const ROW_LEN: usize = 5;

const ROWS: RowShape = RowShape {
    len: ROW_LEN,
    least_df: 1,
    routes_len: 0,
};

/// A list of `df` postings in consecutive chunks; a long one has blocks without gaps.
fn list(df: u32) -> EncodedList {
    if BlockTable::byte_len(df) == 0 {
        let head = [vec![7; df as usize], vec![0; df as usize]].concat();
        return EncodedList {
            head,
            blocks: Vec::new(),
        };
    }
    let mut list = EncodedList {
        head: Vec::new(),
        blocks: Vec::new(),
    };
    let mut next = 0;
    while next < df {
        let len = (df - next).min(128);
        next += len;
        list.head.extend((next - 1).to_le_bytes());
        list.head.extend([7, 0]);
        list.blocks
            .push(vec![0x55; (2 * len as usize - 1).div_ceil(8)]);
    }
    list
}

fn row(df: u32) -> Vec<u8> {
    vec![df as u8; ROW_LEN]
}

fn idf(df: u32) -> f32 {
    (df % 4096) as f32 / 256.0
}

fn directory(blocks: &[EncodedBlock]) -> Directory {
    let mut directory = DirectoryBuilder::new();
    for block in blocks {
        directory.push(block, block.bytes.len() as u32);
    }
    Directory::parse(&directory.finish()).unwrap()
}

/// Terms spread over blocks, with their directory: one byte is a unit.
struct Terms {
    body: Vec<u8>,
    directory: TermDirectory,
}

impl Terms {
    fn encode(terms: &BTreeMap<String, u32>, blocks: u32) -> Self {
        let names: Vec<&String> = terms.keys().collect();
        let (placement, slots) = Placement::of(names.iter().map(|name| name.as_str()), blocks);
        let mut builder = TermBlockBuilder::new();
        for (slot, at) in slots {
            let df = terms[names[at as usize]];
            builder.push(slot, (df, idf(df)), &row(df), &list(df));
        }
        let blocks = builder.finish(blocks);
        let units: Vec<u32> = blocks.iter().map(|block| block.len() as u32).collect();
        let bytes = TermDirectory::encode(placement, &units, &DirectoryBuilder::new().finish());
        Self {
            body: blocks.concat(),
            directory: TermDirectory::parse(&bytes).unwrap(),
        }
    }

    /// The blocks that hold something.
    fn blocks(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.directory.len())
            .filter_map(|at| self.directory.block(at))
            .map(|stored| &self.body[stored.start as usize..stored.end as usize])
    }

    fn find(&self, term: &str) -> Option<Term<'_>> {
        let stored = self.directory.block_of(term)?;
        let block = &self.body[stored.start as usize..stored.end as usize];
        let slot = self.directory.slot(term)?;
        TermBlock::new(block, ROWS).unwrap().find(slot).unwrap()
    }
}

/// Spelling blocks of at most `limit` bytes, with their directory.
fn encode_spellings(terms: &BTreeMap<String, u32>, limit: usize) -> (Vec<EncodedBlock>, Directory) {
    let mut builder = SpellingBuilder::new(limit);
    let full = terms
        .iter()
        .filter_map(|(term, &df)| builder.push(term, df));
    let mut blocks: Vec<EncodedBlock> = full.collect();
    blocks.extend(builder.finish());
    let directory = directory(&blocks);
    (blocks, directory)
}

fn spellings(block: &EncodedBlock) -> SpellingBlock {
    SpellingBlock::parse(&block.bytes).unwrap()
}

fn words(list: &str) -> BTreeMap<String, u32> {
    list.split_whitespace()
        .zip(1..)
        .map(|(word, df)| (word.to_owned(), df))
        .collect()
}

const WORDS: &str = "art point pointer posting smart smash start string strong optim option small \
    smarter über übung zebra vector convert code codec";

#[test]
fn prefix_gives_the_most_frequent_first() {
    let (blocks, _) = encode_spellings(&words(WORDS), 4096);
    let block = spellings(&blocks[0]);
    let terms = |prefix: &str, limit| {
        block
            .prefix(prefix, limit)
            .iter()
            .map(|spelling| spelling.key.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(terms("sma", 10), ["smarter", "small", "smash", "smart"]);
    assert_eq!(terms("sma", 2), ["smarter", "small"]);
    assert_eq!(terms("üb", 10), ["übung", "über"]);
    assert_eq!(terms("q", 10), [""; 0]);
}

#[test]
fn misspelt_words_find_what_was_meant() {
    // Three or four words a block.
    let mut both = words(WORDS);
    let behind: Vec<_> = both
        .iter()
        .filter_map(|(word, &df)| Some((backwards(word)?, df)))
        .collect();
    both.extend(behind);
    let (blocks, directory) = encode_spellings(&both, 35);
    assert!(blocks.len() >= 10);
    for (typed, meant, edits) in [
        ("smrt", "smart", 1),
        ("smaart", "smart", 1),
        ("smatr", "smart", 1),
        ("srting", "string", 1),
        ("sring", "string", 1),
        ("pionter", "pointer", 1),
        ("vectr", "vector", 1),
        ("convvertt", "convert", 2),
        ("ubung", "übung", 1),
        ("mart", "smart", 1),
        ("ebra", "zebra", 1),
        ("opinter", "pointer", 1),
    ] {
        let found = [Some(typed.to_owned()), backwards(typed)]
            .into_iter()
            .flatten()
            .find_map(|key| {
                let alike = if key == typed { 2 } else { 3 };
                let mut near = directory.blocks_around(&key, alike, 6).into_iter();
                near.find_map(|at| {
                    let block = spellings(&blocks[at]);
                    let similar = block.similar(&key, edits);
                    let mut meant_ones = similar.filter(|one| one.spelling.word() == meant);
                    meant_ones.next().map(|similar| similar.edits)
                })
            });
        assert_eq!(found, Some(edits), "{typed}");
    }
}

#[test]
fn similar_terms_are_those_within_so_many_edits() {
    let (blocks, _) = encode_spellings(&words("stars start starts smart stark sta"), 4096);
    let block = spellings(&blocks[0]);
    let found: Vec<_> = block
        .similar("start", 1)
        .map(|s| (s.spelling.key.to_owned(), s.edits))
        .collect();
    let expected = [
        ("smart", 1),
        ("stark", 1),
        ("stars", 1),
        ("start", 0),
        ("starts", 1),
    ];
    assert_eq!(
        found,
        expected.map(|(term, edits)| (term.to_owned(), edits))
    );
}

#[test]
fn reserved_keys_have_a_row_and_no_spelling() {
    let keys = ["##ing", "##s", "#happen", "#smart"];
    let mut builder = ReservedBlockBuilder::default();
    let rows = (1..).zip(keys);
    let full: Vec<_> = rows
        .filter_map(|(at, key)| builder.push(key, row(at)))
        .collect();
    assert!(full.is_empty());
    let block = builder.finish().unwrap();
    let directory = TermDirectory::encode(Placement::of([].into_iter(), 0).0, &[], &{
        let mut directory = DirectoryBuilder::new();
        directory.push(&block, 9);
        directory.finish()
    });
    let directory = TermDirectory::parse(&directory).unwrap();
    for (at, key) in (1..).zip(keys) {
        assert_eq!(directory.block_of(key), Some(0..9), "{key}");
        let block = ReservedBlock::new(&block.bytes, ROW_LEN).unwrap();
        assert_eq!(block.find(key).unwrap(), Some(&row(at)[..]), "{key}");
    }
    let find = |key| {
        let block = ReservedBlock::new(&block.bytes, ROW_LEN).unwrap();
        block.find(key).unwrap()
    };
    assert_eq!(find("##in"), None);
    assert_eq!(directory.block_of("smart"), None);
    let mut terms = words(WORDS);
    terms.insert("#smart".to_owned(), 3);
    let (blocks, _) = encode_spellings(&terms, 4096);
    assert!(SpellingBlock::parse(&blocks[0].bytes).is_err());
}

#[test]
fn a_term_is_no_reserved_key() {
    let mut builder = ReservedBlockBuilder::default();
    assert_eq!(builder.push("smart", row(1)), None);
    let block = builder.finish().unwrap();
    let mut block = ReservedBlock::new(&block.bytes, ROW_LEN).unwrap();
    assert!(block.next_key().is_err());
}

#[test]
fn terms_that_collide_are_spread_anew() {
    // Two of these have the same 32 bits under seed 0, found by trying.
    let collide = ["term9177", "term62539"];
    let [one, other] = collide.map(|term| xxh3_64_with_seed(term.as_bytes(), 0) as u32);
    assert_eq!(one, other);
    let (placement, slots) = Placement::of(collide.into_iter(), 1);
    assert_ne!(placement.slot(collide[0]), placement.slot(collide[1]));
    assert_eq!(slots.len(), 2);
}

#[test]
fn blocks_of_long_lists_follow_one_another() {
    let terms: BTreeMap<String, u32> = [
        ("art", 300),
        ("boat", 128),
        ("code", 129),
        ("oar", 5),
        ("zebra", 1000),
    ]
    .map(|(term, df)| (term.to_owned(), df))
    .into();
    for blocks in [1, 2, 40] {
        let encoded = Terms::encode(&terms, blocks);
        let mut next = ListPlace::default();
        let mut by_slot: Vec<_> = terms.iter().collect();
        by_slot.sort_by_key(|(term, _)| encoded.directory.slot(term));
        for (term, &df) in by_slot {
            assert_eq!(encoded.find(term).unwrap().place, next, "{term}");
            let list = list(df);
            next.blocks += list.blocks.len() as u64;
            next.bytes += list.blocks.concat().len() as u64;
        }
    }
}

#[test]
fn blocks_are_as_many_as_keep_a_search_small() {
    // 18 bytes a term besides its row, in blocks of 512 bytes at least.
    assert_eq!(block_count(0, 0), 0);
    assert_eq!(block_count(1, 100), 1);
    assert_eq!(block_count(10_000, 100), 2305);
    // Many terms have larger blocks, so that the directory stays small.
    let bytes = |terms| terms * 118 / block_count(terms, 100) as usize;
    assert!(bytes(1_000_000) > 3 * bytes(10_000));
    assert!(bytes(100_000_000) <= 8192);
}

/// The examples of SPEC.md, sections 6.2 to 6.5.
#[test]
fn blocks_are_those_of_the_specification() {
    let list = EncodedList {
        head: vec![12, 200, 1, 3, 0, 4],
        blocks: Vec::new(),
    };
    let (placement, slots) = Placement::of(["point"].into_iter(), 1);
    let mut terms = TermBlockBuilder::new();
    terms.push(slots[0].0, (3, 2.5), &[], &list);
    let expected = b"\x01\0\0\x3a\x72\x09\x29\x03\0\x28\x0c\xc8\x01\x03\0\x04";
    assert_eq!(terms.finish(1), [expected]);
    let reserved = DirectoryBuilder::new().finish();
    let directory = TermDirectory::encode(placement, &[2], &reserved);
    assert_eq!(directory, b"\0\x01\x02\0");
    let mut spellings = SpellingBuilder::new(4096);
    spellings.push("!tniop", 3);
    spellings.push("point", 3);
    spellings.push("pointer", 300);
    let block = spellings.finish().unwrap();
    assert_eq!(
        block.bytes,
        b"\x03\0\x06!tniop\x03\0\x05point\x03\x05\x02er\xac\x02"
    );
    let mut directory = DirectoryBuilder::new();
    let separator = "p".to_owned();
    directory.push(&EncodedBlock { separator, ..block }, 2);
    assert_eq!(directory.finish(), b"\x01\0\x01\x02p");
}

#[test]
fn padding_is_zeros() {
    let mut bytes = Terms::encode(&words(WORDS), 1).body;
    bytes.extend([0; 9]);
    assert!(read_terms(&bytes));
    bytes.push(1);
    assert!(!read_terms(&bytes));
}

/// Reads everything, as a search would.
fn survives(bytes: &[u8]) {
    for rows in [
        RowShape::NONE,
        ROWS,
        RowShape {
            least_df: 3,
            ..ROWS
        },
        RowShape {
            routes_len: 2,
            ..ROWS
        },
    ] {
        if let Ok(block) = TermBlock::new(bytes, rows) {
            let slot = Placement::of(["smart"].into_iter(), 1).0.slot("smart");
            let _ = block.clone().find(slot.unwrap());
            let mut block = block;
            while let Ok(Some(_)) = block.next_term() {}
        }
    }
    if let Ok(block) = SpellingBlock::parse(bytes) {
        block.iter().for_each(drop);
        let _ = (block.lookup("smart"), block.similar("smrt", 1).count());
    }
    if let Ok(mut block) = ReservedBlock::new(bytes, ROW_LEN) {
        while let Ok(Some(_)) = block.next_key() {}
    }
    if let Ok(directory) = TermDirectory::parse(bytes) {
        let _ = (directory.block_of("smart"), directory.block_of("##ing"));
    }
    if let Ok(directory) = Directory::parse(bytes) {
        let _ = (
            directory.block_of("smart"),
            directory.blocks_around("smrt", 2, 3),
        );
    }
}

/// Reads a term block to its end.
fn read_terms(bytes: &[u8]) -> bool {
    TermBlock::new(bytes, ROWS).is_ok_and(|mut block| {
        core::iter::from_fn(|| block.next_term().transpose()).all(|term| term.is_ok())
    })
}

/// Reads a block of reserved keys to its end.
fn read_reserved(bytes: &[u8]) -> bool {
    ReservedBlock::new(bytes, ROW_LEN).is_ok_and(|mut block| {
        core::iter::from_fn(|| Some(block.next_key().transpose()?.is_ok())).all(|is_ok| is_ok)
    })
}

#[test]
fn damaged_blocks_are_errors_or_harmless_for_every_cut_and_flip() {
    let mut terms = words(WORDS);
    terms.insert("smart".to_owned(), 300);
    let encoded = Terms::encode(&terms, 1);
    let reserved = {
        let mut builder = ReservedBlockBuilder::default();
        assert_eq!(builder.push("##ing", row(1)), None);
        assert_eq!(builder.push("#happen", row(2)), None);
        builder.finish().unwrap()
    };
    let (spelling_blocks, _) = encode_spellings(&terms, 4096);
    let (small, _) = encode_spellings(&terms, 40);
    let mut builder = DirectoryBuilder::new();
    small.iter().for_each(|block| builder.push(block, 100));
    let directory = builder.finish();
    let (placement, _) = Placement::of([].into_iter(), 2);
    let term_directory = TermDirectory::encode(placement, &[3, 0], &directory);
    let all: [(Vec<u8>, fn(&[u8]) -> bool); 5] = [
        (encoded.body, read_terms),
        (spelling_blocks[0].bytes.clone(), |bytes| {
            SpellingBlock::parse(bytes).is_ok()
        }),
        (term_directory, |bytes| TermDirectory::parse(bytes).is_ok()),
        (directory, |bytes| Directory::parse(bytes).is_ok()),
        (reserved.bytes, read_reserved),
    ];
    for (bytes, reads) in all {
        assert!(reads(&bytes));
        for len in 0..bytes.len() {
            survives(&bytes[..len]);
            assert!(!reads(&bytes[..len]));
        }
        let mut damaged = bytes.clone();
        for at in 0..bytes.len() {
            for flip in 1..=255 {
                damaged[at] ^= flip;
                survives(&damaged);
                damaged[at] ^= flip;
            }
        }
    }
}

proptest! {
    #[test]
    fn every_term_is_found_where_the_directory_says(
        terms in proptest::collection::btree_map("[a-cé]{1,6}", 1u32..400, 1..60),
        absent in "[a-d]{1,6}",
        blocks in 1u32..70,
    ) {
        let encoded = Terms::encode(&terms, blocks);
        for (term, &df) in &terms {
            let found = encoded.find(term).unwrap();
            prop_assert_eq!((found.df, found.idf), (df, idf(df)));
            prop_assert_eq!((found.row, found.list), (&row(df)[..], &list(df).head[..]));
        }
        prop_assert!(encoded.blocks().all(read_terms));
        prop_assert_eq!(encoded.find(&absent).is_some(), terms.contains_key(&absent));
    }

    #[test]
    fn prefixes_are_complete_over_the_blocks_that_the_directory_names(
        terms in proptest::collection::btree_map("[ab]{1,6}", 1u32..1000, 1..60),
        prefix in "[ab]{1,3}",
        limit in 30usize..200,
    ) {
        let (blocks, directory) = encode_spellings(&terms, limit);
        let mut found: Vec<String> = directory
            .blocks_of_prefix(&prefix, usize::MAX)
            .flat_map(|at| {
                let block = spellings(&blocks[at]);
                block.prefix(&prefix, usize::MAX).iter().map(|found| found.key.to_owned()).collect::<Vec<_>>()
            })
            .collect();
        found.sort();
        let expected: Vec<String> = terms.keys().filter(|term| term.starts_with(&prefix)).cloned().collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_a_block_or_an_error(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
        survives(&bytes);
    }
}

//! The dictionary: look-ups against a plain sorted list, and damage.

#![cfg(not(target_arch = "wasm32"))]

use coracle::postings::BlockTable;
use coracle::postings::EncodedList;
use coracle::postings::dictionary::Directory;
use coracle::postings::dictionary::DirectoryBuilder;
use coracle::postings::dictionary::EncodedBlock;
use coracle::postings::dictionary::ListPlace;
use coracle::postings::dictionary::RowShape;
use coracle::postings::dictionary::SpellingBlock;
use coracle::postings::dictionary::SpellingBuilder;
use coracle::postings::dictionary::TermBlock;
use coracle::postings::dictionary::TermBlockBuilder;
use coracle::postings::dictionary::backwards;
use coracle::postings::dictionary::block_bytes;
use proptest::prelude::prop_assert;
use proptest::prelude::prop_assert_eq;
use proptest::proptest;
use std::collections::BTreeMap;

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

/// Term blocks of at most `limit` bytes, with their directory.
fn encode_terms(terms: &BTreeMap<String, u32>, limit: usize) -> (Vec<EncodedBlock>, Directory) {
    let mut blocks = Vec::new();
    let mut builder = TermBlockBuilder::new(limit);
    for (term, &df) in terms {
        blocks.extend(match df {
            0 => builder.push_row(term, &row(0)),
            _ => builder.push_term(term, (df, idf(df)), &row(df), &list(df)),
        });
    }
    blocks.extend(builder.finish());
    let directory = directory(&blocks);
    (blocks, directory)
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
    let (blocks, directory) = encode_spellings(&both, 55);
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
fn reserved_keys_are_terms_with_a_row_alone_and_no_spellings() {
    let mut terms = words(WORDS);
    terms.insert("#smart".to_owned(), 0);
    let (blocks, _) = encode_terms(&terms, 4096);
    let term = TermBlock::new(&blocks[0].bytes, ROWS)
        .unwrap()
        .find("#smart")
        .unwrap()
        .unwrap();
    assert_eq!((term.df, term.row, term.list), (0, &row(0)[..], &[][..]));
    let (blocks, _) = encode_spellings(&terms, 4096);
    assert!(SpellingBlock::parse(&blocks[0].bytes).is_err());
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
    for limit in [64, 4096] {
        let (blocks, directory) = encode_terms(&terms, limit);
        let mut next = ListPlace::default();
        for (term, &df) in &terms {
            let block = &blocks[directory.block_of(term).unwrap()].bytes;
            let found = TermBlock::new(block, ROWS)
                .unwrap()
                .find(term)
                .unwrap()
                .unwrap();
            assert_eq!(found.place, next, "{term}");
            let list = list(df);
            next.blocks += list.blocks.len() as u64;
            next.bytes += list.blocks.concat().len() as u64;
        }
    }
}

#[test]
fn blocks_end_at_their_limit() {
    let terms: BTreeMap<String, u32> = (0..500)
        .map(|at| (format!("term{at:08}"), at % 30 + 1))
        .collect();
    let (blocks, _) = encode_terms(&terms, 1024);
    assert!(blocks.iter().all(|block| block.bytes.len() <= 1024));
    let full = &blocks[..blocks.len() - 1];
    assert!(full.iter().all(|block| block.bytes.len() > 700));
    // Terms with rows need larger blocks to keep the directory small.
    assert!(block_bytes(100_000, 100) > block_bytes(10_000, 100));
    assert_eq!(block_bytes(0, 0), 1024);
}

/// The examples of SPEC.md, sections 6.2 to 6.4.
#[test]
fn blocks_are_those_of_the_specification() {
    let list = EncodedList {
        head: vec![12, 200, 1, 3, 0, 4],
        blocks: Vec::new(),
    };
    let mut terms = TermBlockBuilder::new(4096);
    terms.push_term("point", (3, 2.5), &[], &list);
    let expected = b"\x01\0\0\0\x05point\x03\0\x28\x0c\xc8\x01\x03\0\x04";
    assert_eq!(terms.finish().unwrap().bytes, expected);
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
    let (blocks, _) = encode_terms(&words(WORDS), 4096);
    let mut bytes = blocks[0].bytes.clone();
    bytes.extend([0; 9]);
    let find = |bytes: &[u8]| TermBlock::new(bytes, ROWS).unwrap().find("zz").map(|_| ());
    assert_eq!(find(&bytes), Ok(()));
    bytes.push(1);
    let mut block = TermBlock::new(&bytes, ROWS).unwrap();
    assert!(
        (0..)
            .find_map(|_| block.next_term().map(|_| ()).err())
            .is_some()
    );
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
            let _ = block.clone().find("smart");
            let mut block = block;
            while let Ok(Some(_)) = block.next_term() {}
        }
    }
    if let Ok(block) = SpellingBlock::parse(bytes) {
        block.iter().for_each(drop);
        let _ = (block.lookup("smart"), block.similar("smrt", 1).count());
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
        loop {
            match block.next_term() {
                Ok(Some(_)) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    })
}

#[test]
fn damaged_blocks_are_errors_or_harmless_for_every_cut_and_flip() {
    let mut terms = words(WORDS);
    terms.insert("smart".to_owned(), 300);
    let (term_blocks, _) = encode_terms(&terms, 4096);
    let (spelling_blocks, _) = encode_spellings(&terms, 4096);
    let (small, _) = encode_spellings(&terms, 60);
    let mut builder = DirectoryBuilder::new();
    small.iter().for_each(|block| builder.push(block, 100));
    let all = [
        term_blocks[0].bytes.clone(),
        spelling_blocks[0].bytes.clone(),
        builder.finish(),
    ];
    assert!(read_terms(&all[0]));
    for bytes in all {
        for len in 0..bytes.len() {
            survives(&bytes[..len]);
            assert!(!read_terms(&bytes[..len]));
            assert!(SpellingBlock::parse(&bytes[..len]).is_err());
            assert!(Directory::parse(&bytes[..len]).is_err());
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
        limit in 30usize..2000,
    ) {
        let (blocks, directory) = encode_terms(&terms, limit);
        for (term, &df) in &terms {
            let block = &blocks[directory.block_of(term).unwrap()].bytes;
            let found = TermBlock::new(block, ROWS).unwrap().find(term).unwrap().unwrap();
            prop_assert_eq!((found.df, found.idf), (df, idf(df)));
            prop_assert_eq!((found.row, found.list), (&row(df)[..], &list(df).head[..]));
        }
        if let Some(at) = directory.block_of(&absent) {
            let found = TermBlock::new(&blocks[at].bytes, ROWS).unwrap().find(&absent).unwrap();
            prop_assert_eq!(found.is_some(), terms.contains_key(&absent));
        } else {
            prop_assert!(!terms.contains_key(&absent));
        }
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

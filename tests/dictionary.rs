//! The dictionary: look-ups against a plain sorted list, and damage.

#![cfg(not(target_arch = "wasm32"))]

use coracle::postings::dictionary::BlockBuilder;
use coracle::postings::dictionary::DictionaryBlock;
use coracle::postings::dictionary::Directory;
use coracle::postings::dictionary::DirectoryBuilder;
use coracle::postings::dictionary::EncodedBlock;
use coracle::postings::dictionary::TermInfo;
use proptest::prelude::prop_assert_eq;
use proptest::proptest;
use std::collections::BTreeMap;

fn info(df: u32) -> TermInfo {
    TermInfo {
        df,
        max_impact: df as u8 | 1,
        idf: (df % 4096) as f32 / 256.0,
        entry_len: df * 2,
    }
}

/// Blocks of at most `per_block` terms, with their directory.
fn encode(terms: &BTreeMap<String, u32>, per_block: usize) -> (Vec<EncodedBlock>, Directory) {
    let mut blocks = Vec::new();
    let mut builder = BlockBuilder::new();
    let terms: Vec<_> = terms.iter().collect();
    for some in terms.chunks(per_block) {
        for (term, df) in some {
            builder.push(term, &info(**df));
        }
        blocks.extend(builder.finish());
    }
    let mut directory = DirectoryBuilder::new();
    for block in &blocks {
        directory.push(block, block.bytes.len() as u32);
    }
    (blocks, Directory::parse(&directory.finish()).unwrap())
}

fn open(blocks: &[EncodedBlock], directory: &Directory, at: usize) -> DictionaryBlock {
    DictionaryBlock::parse(&blocks[at].bytes, directory.get(at).unwrap().postings.start).unwrap()
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
    let (blocks, directory) = encode(&words(WORDS), 100);
    let block = open(&blocks, &directory, 0);
    let terms = |prefix: &str, limit| {
        block
            .prefix(prefix, limit)
            .iter()
            .map(|entry| entry.term.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(terms("sma", 10), ["smarter", "small", "smash", "smart"]);
    assert_eq!(terms("sma", 2), ["smarter", "small"]);
    assert_eq!(terms("üb", 10), ["übung", "über"]);
    assert_eq!(terms("q", 10), [""; 0]);
}

#[test]
fn word_typed_past_its_stem_completes_to_the_stem() {
    let (blocks, directory) = encode(&words(WORDS), 100);
    let block = open(&blocks, &directory, 0);
    let terms = |word: &str| {
        block
            .complete(word, 5)
            .iter()
            .map(|entry| entry.term.to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(terms("opti"), ["option", "optim"]);
    assert_eq!(terms("optimiz"), ["optim"]);
    assert_eq!(terms("optimizationist"), [""; 0]);
    assert_eq!(terms("arx"), [""; 0]);
}

#[test]
fn misspelt_words_find_what_was_meant() {
    let (blocks, directory) = encode(&words(WORDS), 3);
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
    ] {
        let found = directory
            .blocks_of_similar(typed, 6)
            .into_iter()
            .find_map(|at| {
                let block = open(&blocks, &directory, at);
                let similar = block.similar(typed, edits, 0);
                similar
                    .iter()
                    .find(|similar| similar.entry.term == meant)
                    .map(|similar| similar.edits)
            });
        // A first letter that is wrong or lacks its mark leads to another block.
        let expected = if typed == "ubung" { None } else { Some(edits) };
        assert_eq!(found, expected, "{typed}");
    }
}

#[test]
fn similar_terms_come_by_edits_then_frequency() {
    let (blocks, directory) = encode(&words("stars start starts smart stark sta"), 100);
    let block = open(&blocks, &directory, 0);
    let found: Vec<_> = block
        .similar("start", 1, 2)
        .iter()
        .map(|s| (s.entry.term.to_owned(), s.edits))
        .collect();
    let expected = [("start", 0), ("stark", 1), ("starts", 1), ("stars", 1)];
    assert_eq!(
        found,
        expected.map(|(term, edits)| (term.to_owned(), edits))
    );
}

#[test]
fn reserved_keys_are_found_exactly_but_never_suggested() {
    let mut terms = words(WORDS);
    terms.insert("#smart".to_owned(), 9);
    let (blocks, directory) = encode(&terms, 100);
    let block = open(&blocks, &directory, 0);
    assert_eq!(
        block.lookup("#smart").map(|entry| entry.info),
        Some(info(9))
    );
    assert!(
        block
            .similar("smart", 1, 0)
            .iter()
            .all(|similar| similar.entry.term != "#smart")
    );
}

#[test]
fn full_blocks_are_about_eight_kilobytes() {
    let mut builder = BlockBuilder::new();
    for number in 0.. {
        builder.push(&format!("term{number:08}"), &info(number + 1));
        if builder.is_full() {
            break;
        }
    }
    let block = builder.finish().unwrap();
    assert!(
        (8192..8300).contains(&block.bytes.len()),
        "{}",
        block.bytes.len()
    );
    assert!(builder.finish().is_none());
}

/// Reads everything, as a search would.
fn survives(bytes: &[u8]) {
    if let Ok(block) = DictionaryBlock::parse(bytes, u64::MAX - 4000) {
        block.iter().for_each(drop);
        let _ = (
            block.lookup("smart"),
            block.complete("smarts", 3),
            block.similar("smrt", 1, 1),
        );
    }
    if let Ok(directory) = Directory::parse(bytes) {
        let _ = (
            directory.block_of("smart"),
            directory.blocks_of_similar("smrt", 3),
        );
    }
}

#[test]
fn damaged_blocks_are_errors_or_harmless_for_every_cut_and_flip() {
    let (blocks, directory) = encode(&words(WORDS), 5);
    let mut builder = DirectoryBuilder::new();
    blocks.iter().for_each(|block| builder.push(block, 100));
    for bytes in [builder.finish(), open_bytes(&blocks, &directory)] {
        for len in 0..bytes.len() {
            survives(&bytes[..len]);
            assert!(DictionaryBlock::parse(&bytes[..len], 0).is_err());
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

fn open_bytes(blocks: &[EncodedBlock], directory: &Directory) -> Vec<u8> {
    assert_eq!(directory.len(), blocks.len());
    blocks[0].bytes.clone()
}

proptest! {
    #[test]
    fn every_term_is_found_where_the_directory_says(
        terms in proptest::collection::btree_map("[a-cé]{1,6}", 1u32..1000, 1..60),
        absent in "[a-d]{1,6}",
        per_block in 1usize..20,
    ) {
        let (blocks, directory) = encode(&terms, per_block);
        let find = |term: &str| {
            let block = open(&blocks, &directory, directory.block_of(term)?);
            let entry = block.lookup(term)?;
            Some((entry.info, entry.postings))
        };
        let mut start = 0;
        for (term, df) in &terms {
            let end = start + u64::from(df * 2);
            prop_assert_eq!(find(term), Some((info(*df), start..end)));
            start = end;
        }
        prop_assert_eq!(find(&absent).is_some(), terms.contains_key(&absent));
    }

    #[test]
    fn prefixes_are_complete_over_the_blocks_that_the_directory_names(
        terms in proptest::collection::btree_map("[ab]{1,6}", 1u32..1000, 1..60),
        prefix in "[ab]{1,3}",
        per_block in 1usize..20,
    ) {
        let (blocks, directory) = encode(&terms, per_block);
        let mut found: Vec<String> = directory
            .blocks_of_prefix(&prefix, usize::MAX)
            .flat_map(|at| {
                let block = open(&blocks, &directory, at);
                block.prefix(&prefix, usize::MAX).iter().map(|entry| entry.term.to_owned()).collect::<Vec<_>>()
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

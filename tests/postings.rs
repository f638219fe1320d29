//! Posting lists, impacts, top-k and the dictionary against naive twins, and against damage.

#![cfg(not(target_arch = "wasm32"))]

use coracle::bytes::FormatError;
use coracle::postings::BLOCK_LEN;
use coracle::postings::Block;
use coracle::postings::BlockTable;
use coracle::postings::Bm25Params;
use coracle::postings::ChunkFields;
use coracle::postings::ChunkTerms;
use coracle::postings::Clause;
use coracle::postings::EncodedList;
use coracle::postings::FEW;
use coracle::postings::PostingList;
use coracle::postings::Postings;
use coracle::postings::PostingsBuilder;
use coracle::postings::WEIGHT_ONE;
use coracle::postings::WeightedList;
use coracle::postings::top_k;
use coracle::text::Analyzer;
use coracle::text::Language;
use proptest::prelude::prop_assert;
use proptest::prelude::prop_assert_eq;
use proptest::proptest;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// A collection of bodies of small words, indexed.
fn index(bodies: &[String]) -> Postings {
    let analyzer = Analyzer::new(Language::English);
    let mut builder = PostingsBuilder::new(Bm25Params::default());
    for body in bodies {
        builder.push(&ChunkTerms::new(
            &analyzer,
            &ChunkFields {
                title: "",
                headings: &[],
                body,
            },
        ));
    }
    builder.finish()
}

/// The encoded lists by term.
fn lists(postings: &Postings) -> BTreeMap<String, (u32, EncodedList)> {
    (0..postings.len())
        .map(|at| postings.encode(at))
        .map(|term| (term.term.to_owned(), (term.df, term.list)))
        .collect()
}

/// All postings of a list.
fn decode(list: &PostingList<'_>) -> Vec<(u32, u8)> {
    let mut block = Block::default();
    let mut out = Vec::new();
    for at in 0..list.block_count() {
        list.decode(at, &mut block).unwrap();
        out.extend(
            block
                .chunks()
                .iter()
                .copied()
                .zip(block.impacts().iter().copied()),
        );
    }
    out
}

/// BM25 of every body for the words of a query, by full scan.
fn naive_bm25(bodies: &[String], query: &[&str]) -> Vec<f64> {
    let (k1, b) = (1.5, 0.75);
    let words: Vec<Vec<&str>> = bodies
        .iter()
        .map(|body| body.split(' ').collect())
        .collect();
    let mean = words.iter().map(Vec::len).sum::<usize>() as f64 / words.len() as f64;
    let mut scores = vec![0.0; bodies.len()];
    for term in query {
        let df = words.iter().filter(|body| body.contains(term)).count() as f64;
        let idf = (1.0 + (words.len() as f64 - df + 0.5) / (df + 0.5)).ln();
        for (score, body) in scores.iter_mut().zip(&words) {
            let tf = body.iter().filter(|word| *word == term).count() as f64;
            *score += idf * tf * (k1 + 1.0) / (tf + k1 * (1.0 - b + b * body.len() as f64 / mean));
        }
    }
    scores
}

/// Deterministic bodies of the words `w0`, `w1`, ...: the smaller the number, the more frequent.
fn bodies(count: usize) -> Vec<String> {
    let mut state = 7u64;
    let mut random = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 31)
    };
    let mut word = || {
        format!(
            "w{}",
            letters((400.0 * random() * random() * random()) as usize)
        )
    };
    (0..count)
        .map(|at| {
            (0..5 + at % 40)
                .map(|_| word())
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect()
}

/// A number in letters that the stemmer leaves alone.
fn letters(number: usize) -> String {
    number
        .to_string()
        .bytes()
        .map(|digit| char::from(b"bcdfghjkmp"[usize::from(digit - b'0')]))
        .collect()
}

#[test]
fn impacts_rank_as_full_scan_bm25_within_quantization() {
    let bodies = bodies(3000);
    let postings = index(&bodies);
    let lists = lists(&postings);
    for query in [
        &["wb", "wc"][..],
        &["wcb", "wcd", "wdf"],
        &["wcbb", "wb", "wfg", "wcc"],
    ] {
        let exact = naive_bm25(&bodies, query);
        let clauses: Vec<Clause<'_>> = query
            .iter()
            .map(|term| {
                let (df, list) = &lists[*term];
                Clause::one(list.list(*df).unwrap(), WEIGHT_ONE)
            })
            .collect();
        let found = top_k(&clauses, postings.chunk_count(), 50, None).unwrap();
        assert_eq!(
            found.total() as usize,
            exact.iter().filter(|score| **score > 0.0).count()
        );
        // Each term is off by half a step at most, or a step where it was raised to 1.
        let tolerance = f64::from(postings.impact_step()) * query.len() as f64;
        let mut best = exact.clone();
        best.sort_by(|a, b| b.total_cmp(a));
        for (hit, expected) in found.hits.iter().zip(&best) {
            let score =
                f64::from(hit.score) * f64::from(postings.impact_step()) / f64::from(WEIGHT_ONE);
            assert!(
                (score - exact[hit.chunk as usize]).abs() <= tolerance,
                "{hit:?}"
            );
            assert!((score - expected).abs() <= 2.0 * tolerance, "{hit:?}");
            assert_eq!(hit.contributions.iter().sum::<u32>(), hit.score);
        }
    }
}

#[test]
fn title_and_heading_count_more_than_body() {
    let analyzer = Analyzer::new(Language::English);
    let mut builder = PostingsBuilder::new(Bm25Params::default());
    let headings = ["raft".to_owned()];
    for (title, headings, body) in [
        ("boat", &[][..], "coracle oar paddle river"),
        ("coracle", &[], "raft oar paddle river"),
        ("boat", &headings, "oar paddle river stream"),
    ] {
        builder.push(&ChunkTerms::new(
            &analyzer,
            &ChunkFields {
                title,
                headings,
                body,
            },
        ));
    }
    let postings = builder.finish();
    let lists = lists(&postings);
    let best = |term: &str| {
        let (df, list) = &lists[term];
        let clause = Clause::one(list.list(*df).unwrap(), WEIGHT_ONE);
        top_k(&[clause], 3, 1, None).unwrap().hits[0].chunk
    };
    assert_eq!((best("coracl"), best("raft")), (1, 2));
}

#[test]
fn build_is_the_same_however_often_it_runs() {
    let bodies = bodies(500);
    assert_eq!(lists(&index(&bodies)), lists(&index(&bodies)));
}

#[test]
fn index_without_chunks_has_no_terms_and_no_hits() {
    let postings = index(&[]);
    assert!(postings.is_empty() && postings.chunk_count() == 0);
    assert_eq!(top_k(&[], 0, 10, None).unwrap().total(), 0);
}

#[test]
fn alternatives_count_once_with_the_best_of_them() {
    let bodies: Vec<String> = ["point", "pointer point", "pointer"]
        .map(str::to_owned)
        .into();
    let postings = index(&bodies);
    let lists = lists(&postings);
    let list = |term: &str, weight| {
        let (df, list) = &lists[term];
        let list = list.list(*df).unwrap();
        WeightedList { list, weight }
    };
    let clause = Clause {
        alternatives: vec![list("point", 16), list("pointer", 8)],
    };
    let found = top_k(&[clause], 3, 3, None).unwrap();
    let single = |weighted: WeightedList<'_>, chunk: u32| {
        let found = top_k(
            &[Clause {
                alternatives: vec![weighted],
            }],
            3,
            3,
            None,
        )
        .unwrap();
        found
            .hits
            .iter()
            .find(|hit| hit.chunk == chunk)
            .map_or(0, |hit| hit.score)
    };
    for hit in &found.hits {
        let best = single(list("point", 16), hit.chunk).max(single(list("pointer", 8), hit.chunk));
        assert_eq!(hit.score, best, "{hit:?}");
    }
    assert_eq!(found.total(), 3);
}

#[test]
fn chunk_that_does_not_exist_is_an_error() {
    let postings = index(&bodies(300));
    let lists = lists(&postings);
    let (df, list) = &lists["wb"];
    let clauses = [Clause::one(list.list(*df).unwrap(), WEIGHT_ONE)];
    assert!(top_k(&clauses, 300, 10, None).is_ok());
    let error = top_k(&clauses, 150, 10, None).unwrap_err();
    assert!(error.to_string().contains("chunk"), "{error}");
}

#[test]
fn blocks_can_be_read_one_by_one_from_their_byte_ranges() {
    let postings = index(&bodies(3000));
    let lists = lists(&postings);
    let (df, encoded) = &lists["wb"];
    assert!(*df as usize > 3 * BLOCK_LEN);
    let list = encoded.list(*df).unwrap();
    let table = BlockTable::parse(&encoded.head, *df).unwrap();
    let (mut one, mut other) = (Block::default(), Block::default());
    for at in 0..table.len() {
        let bytes = &encoded.blocks[at];
        let range = table.byte_range(at);
        assert_eq!(range.end - range.start, bytes.len() as u64);
        table.decode(at, bytes, &mut one).unwrap();
        list.decode(at, &mut other).unwrap();
        assert_eq!(
            (one.chunks(), one.impacts()),
            (other.chunks(), other.impacts())
        );
        assert_eq!(table.last_chunk(at), one.chunks().last().copied());
        assert_eq!(table.max_impact(at), one.impacts().iter().max().copied());
    }
    for (chunk, impact) in decode(&list) {
        assert_eq!(list.impact_of(chunk, &mut one), Ok(Some(impact)));
    }
}

/// The example of SPEC.md, section 6.7.
#[test]
fn last_block_is_the_one_of_the_specification() {
    let full = [&[0xe7, 3, 0, 0, 9, 0][..], &[0xf1, 3, 0, 0, 0x14, 4]].concat();
    let table = BlockTable::parse(&full, 131).unwrap();
    let bytes = [0x05, 0x4a, 0x08, 0x03];
    let mut block = Block::default();
    table.decode(1, &bytes, &mut block).unwrap();
    assert_eq!(block.chunks(), [1003, 1004, 1009]);
    assert_eq!(block.impacts(), [12, 20, 17]);
}

/// A list of these bytes: head, then blocks as long as the table says.
fn list_of(bytes: &[u8], df: u32) -> Result<PostingList<'_>, FormatError> {
    let cut = BlockTable::byte_len(df);
    if cut == 0 || cut > bytes.len() {
        return PostingList::new(bytes, df, Vec::new());
    }
    let (head, blocks) = bytes.split_at(cut);
    let table = BlockTable::parse(head, df)?;
    let bytes_of = |at| {
        let range = table.byte_range(at);
        let len = blocks.len() as u64;
        &blocks[range.start.min(len) as usize..range.end.min(len) as usize]
    };
    PostingList::new(head, df, (0..table.len()).map(bytes_of).collect())
}

/// Parses and reads everything, as a search would.
fn survives(bytes: &[u8], df: u32) {
    let Ok(list) = list_of(bytes, df) else {
        return;
    };
    let mut block = Block::default();
    for at in 0..=list.block_count() {
        let _ = list.decode(at, &mut block);
    }
    let _ = list.impact_of(77, &mut block);
    let _ = top_k(
        &[Clause::one(list, u32::MAX)],
        400,
        10,
        Some(&[u64::MAX; 4]),
    );
}

#[test]
fn damaged_lists_are_errors_or_harmless_for_every_cut_and_flip() {
    let postings = index(&bodies(400));
    let lists = lists(&postings);
    for term in ["wb", "wcbb"] {
        let (df, list) = &lists[term];
        let entry = [&list.head[..], &list.blocks.concat()].concat();
        for len in 0..entry.len() {
            assert!(
                list_of(&entry[..len], *df)
                    .and_then(|list| list.decode(list.block_count() - 1, &mut Block::default()))
                    .is_err()
            );
        }
        let mut damaged = entry.clone();
        for at in 0..entry.len() {
            for flip in [1, 0x40, 0x80, 0xff] {
                damaged[at] ^= flip;
                survives(&damaged, *df);
                damaged[at] ^= flip;
            }
        }
        for df in [0, 1, 127, 128, 129, 400, u32::MAX] {
            survives(&entry, df);
        }
    }
}

proptest! {
    #[test]
    fn top_k_agrees_with_adding_up_all_postings(
        texts in proptest::collection::vec("[abc]( [abc]){0,6}", 1..40),
        query in "[abc]( [abc]){0,2}",
        allowed in proptest::collection::vec(proptest::bool::ANY, 40),
        k in 0usize..12,
    ) {
        // One-letter words would be stop words.
        let long = |text: &str| text.replace('a', "oar").replace('b', "boat").replace('c', "crew");
        let bodies: Vec<String> = texts.iter().map(|text| long(text)).collect();
        let postings = index(&bodies);
        let lists = lists(&postings);
        let words: BTreeSet<String> = long(&query).split(' ').map(str::to_owned).collect();
        let mut sums: BTreeMap<u32, u32> = BTreeMap::new();
        let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
        let mut clauses = Vec::new();
        for (df, list) in words.iter().filter_map(|word| lists.get(word)) {
            let list = list.list(*df).unwrap();
            for (chunk, impact) in decode(&list) {
                if allowed[chunk as usize] {
                    *sums.entry(chunk).or_default() += u32::from(impact) * 3;
                    *counts.entry(chunk).or_default() += 1;
                }
            }
            clauses.push(Clause::one(list, 3));
        }
        let bitmap = allowed.iter().enumerate().fold(0u64, |bits, (at, on)| bits | u64::from(*on) << at);
        let found = top_k(&clauses, bodies.len() as u32, k, Some(&[bitmap])).unwrap();
        let mut expected: Vec<(u32, u32)> = sums.iter().map(|(chunk, sum)| (*chunk, *sum)).collect();
        expected.sort_by_key(|&(chunk, sum)| (std::cmp::Reverse(sum), chunk));
        prop_assert_eq!(found.total() as usize, expected.len());
        expected.truncate(k);
        let hits: Vec<(u32, u32)> = found.hits.iter().map(|hit| (hit.chunk, hit.score)).collect();
        prop_assert_eq!(hits, expected);
        let complete: Vec<u32> = found.complete.iter().map(|hit| hit.chunk).collect();
        counts.retain(|_, &mut count| clauses.len() == 2 && count == 2);
        if counts.len() > FEW {
            counts.clear();
        }
        prop_assert_eq!(complete, counts.into_keys().collect::<Vec<_>>());
        prop_assert!(found.complete.iter().all(|hit| hit.score == sums[&hit.chunk]));
    }

    #[test]
    fn lists_return_the_chunks_that_went_in(
        holders in proptest::collection::btree_set(0usize..900, 1..500),
    ) {
        let mut bodies = vec!["other".to_owned(); 900];
        for &at in &holders {
            bodies[at] = "oar".to_owned();
        }
        let postings = index(&bodies);
        let (df, list) = &lists(&postings)["oar"];
        let list = list.list(*df).unwrap();
        let found = decode(&list);
        prop_assert!(found.iter().all(|(_, impact)| *impact == found[0].1));
        let chunks: Vec<usize> = found.into_iter().map(|(chunk, _)| chunk as usize).collect();
        prop_assert_eq!(chunks, holders.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn any_bytes_are_a_list_or_an_error(
        bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..900),
        df in 0u32..600,
    ) {
        survives(&bytes, df);
    }
}

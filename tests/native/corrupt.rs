//! A damaged index ends in a typed error or in the very same hits: every truncation and every flipped
//! byte of a small index, with checksums as they were and with checksums made to match.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;
use std::time::Instant;

use coracle::bytes::Reader;
use coracle::cells::Router;
use coracle::index::Access;
use coracle::index::CHECK_LEN;
use coracle::index::Extent;
use coracle::index::Layout;
use coracle::index::ROOT_FILE;
use coracle::index::Root;
use coracle::index::inflate;
use coracle::postings::BlockTable;
use coracle::postings::dictionary::TermBlock;
use coracle::search::Engine;
use coracle::search::SearchError;
use coracle::search::SearchResult;
use coracle::store::Bundle;
use coracle::store::Memory;
use coracle::store::Source;
use coracle::store::SourceError;
use coracle::store::StoreError;
use coracle::vector::Quantizer;
use coracle_cli::publish::Destination;
use coracle_cli::vectors::AccessChoice;
use peak_alloc::PeakAlloc;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;
use xxhash_rust::xxh3::xxh3_64;
use xxhash_rust::xxh3::xxh3_64_with_seed;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Memory that all tests of this file may take together.
const MEMORY_CAP_BYTES: usize = 256 << 20;

/// Time that opening, verifying and searching a damaged index may take on a busy machine.
const TIME_CAP: Duration = Duration::from_secs(5);

/// Bits that are flipped: the lowest, the highest, all.
const MASKS: [u8; 3] = [0x01, 0x80, 0xff];

type Found = (SearchResult, Vec<u32>);

/// Six documents: a body of a few kilobytes with every kind of section but cells.
fn index() -> Memory {
    support::memory(&support::documents(6, 1), support::RANGE)
}

/// With [`index`] every kind of section: the same with cells instead of codes and a graph, and pages of places.
fn indexes() -> [Memory; 2] {
    let documents = support::documents(6, 1);
    let cells = support::memory_paged(&documents, support::RANGE, AccessChoice::Cells);
    [index(), cells]
}

/// An index with one file replaced.
struct Altered<'a> {
    index: &'a Memory,
    file: &'a str,
    bytes: &'a [u8],
}

impl Source for Altered<'_> {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        if file != self.file {
            return self.index.read(file, range).await;
        }
        // A file that is cut short gives the bytes there are, as the file system does.
        let len = self.bytes.len();
        let range = range.map_or(0..len, |range| {
            (range.start as usize).min(len)..(range.end as usize).min(len)
        });
        Ok(self.bytes[range].to_vec())
    }
}

/// What became of an index: [`SearchError`] or what was found, of opening with verifying, and of
/// every search.
struct Outcome {
    verified: Result<(), SearchError>,
    found: Vec<Result<Found, SearchError>>,
}

fn outcome<S: Source>(source: impl Fn() -> S) -> Outcome {
    let started = Instant::now();
    let verify = |engine: Engine<S>| pollster::block_on(engine.verify()).map(|_| ());
    let verified = support::open(source()).and_then(verify);
    let engine = support::open(source());
    let queries = support::queries().into_iter();
    let found = queries.map(|(query, options)| match &engine {
        Ok(engine) => support::search(engine, query, &options).map(support::found),
        Err(error) => Err(error.clone()),
    });
    let found = found.collect();
    assert!(started.elapsed() < TIME_CAP, "took {:?}", started.elapsed());
    Outcome { verified, found }
}

/// Verifying must notice; a search may find the same where it did not need what is damaged.
fn assert_noticed(what: &str, outcome: Outcome, good: &[Found]) {
    let Err(error) = outcome.verified else {
        panic!("{what}: verify noticed nothing")
    };
    assert_typed(what, &error);
    for (found, good) in outcome.found.into_iter().zip(good) {
        match found {
            Ok(found) => assert_eq!(&found, good, "{what}"),
            Err(error) => assert_typed(what, &error),
        }
    }
}

/// Errors of reading, with a place and a way out in their words.
fn assert_typed(what: &str, error: &SearchError) {
    let read = matches!(error, SearchError::Store(_) | SearchError::Filter(_));
    assert!(read, "{what}: {error:?}");
    assert!(error.to_string().len() > 20, "{what}: {error}");
}

fn assert_memory() {
    let peak = ALLOCATOR.peak_usage();
    assert!(peak < MEMORY_CAP_BYTES, "{peak} bytes were in use");
}

fn name_of_body(index: &Memory) -> String {
    support::root(index).files.name(0).expect("one part")
}

#[test]
fn every_truncation_is_noticed() {
    for index in indexes() {
        let good = support::all_found(&support::open(&index).expect("opened"));
        assert!(good.iter().all(|(found, _)| !found.hits.is_empty()));
        for (file, bytes) in index.files() {
            (0..bytes.len()).into_par_iter().for_each(|len| {
                let altered = || Altered {
                    index: &index,
                    file,
                    bytes: &bytes[..len],
                };
                assert_noticed(&format!("{file} cut at {len}"), outcome(altered), &good);
            });
        }
    }
    assert_memory();
}

#[test]
fn every_flipped_byte_is_noticed() {
    for index in indexes() {
        let good = support::all_found(&support::open(&index).expect("opened"));
        for (file, bytes) in index.files() {
            (0..bytes.len()).into_par_iter().for_each(|at| {
                let mut bytes = bytes.clone();
                for mask in MASKS {
                    bytes[at] ^= mask;
                    let altered = || Altered {
                        index: &index,
                        file,
                        bytes: &bytes,
                    };
                    assert_noticed(
                        &format!("{file} byte {at} ^ {mask:#x}"),
                        outcome(altered),
                        &good,
                    );
                    bytes[at] ^= mask;
                }
            });
        }
    }
    assert_memory();
}

/// The hash of the root and the checks of blocks are no secret: behind them, nothing may be trusted.
#[test]
fn forged_root_never_panics() {
    for index in indexes() {
        let bytes = &index.files()[ROOT_FILE];
        let covered = bytes.len() - 8;
        (0..covered).into_par_iter().for_each(|at| {
            for mask in [0x01, 0x04, 0x40, 0x80, 0xff] {
                let mut bytes = bytes.clone();
                bytes[at] ^= mask;
                let (covered, hash) = bytes.split_at_mut(covered);
                hash.copy_from_slice(&xxh3_64(covered).to_le_bytes());
                let altered = || Altered {
                    index: &index,
                    file: ROOT_FILE,
                    bytes: &bytes,
                };
                outcome(altered);
            }
        });
    }
    assert_memory();
}

#[test]
fn forged_blocks_never_panic() {
    for index in indexes() {
        let root = support::root(&index);
        let name = name_of_body(&index);
        let body = &index.files()[&name];
        let blocks = blocks(&support::open(&index).expect("opened"), body);
        let covered: u64 = blocks.iter().map(|block| u64::from(block.len)).sum();
        assert_eq!(covered, root.body_len, "blocks cover the body");
        let places: Vec<(Extent, usize)> = blocks
            .iter()
            .flat_map(|&block| (0..block.len as usize - CHECK_LEN).map(move |at| (block, at)))
            .collect();
        places.into_par_iter().for_each(|(block, at)| {
            for mask in [0x01, 0x10, 0x80, 0xff] {
                let mut bytes = body.clone();
                bytes[block.offset as usize + at] ^= mask;
                seal(&mut bytes, root.build_id, block);
                let altered = || Altered {
                    index: &index,
                    file: &name,
                    bytes: &bytes,
                };
                outcome(altered);
            }
        });
    }
    assert_memory();
}

/// Lists of more than 128 postings have blocks of their own, which smaller indexes lack.
#[test]
fn long_lists_are_not_trusted_either() {
    let index = support::memory(&support::documents(150, 1), support::RANGE);
    let root = support::root(&index);
    let name = name_of_body(&index);
    let body = &index.files()[&name];
    let engine = support::open(&index).expect("opened");
    let good = support::all_found(&engine);
    let blocks = word_blocks(&engine, body);
    let is_posting = |block: &&Extent| block.offset < root.terms_offset;
    assert!(blocks.iter().filter(is_posting).count() > 2);
    let places: Vec<(Extent, usize)> = blocks
        .iter()
        .flat_map(|&block| (0..block.len as usize - CHECK_LEN).map(move |at| (block, at)))
        .step_by(5)
        .collect();
    places.into_par_iter().for_each(|(block, at)| {
        let mut bytes = body.clone();
        let start = block.offset as usize;
        bytes[start + at] ^= 0x11;
        let what = format!("body byte {}", start + at);
        let altered = || Altered {
            index: &index,
            file: &name,
            bytes: &bytes,
        };
        assert_noticed(&what, outcome(altered), &good);
        seal(&mut bytes, root.build_id, block);
        let forged = || Altered {
            index: &index,
            file: &name,
            bytes: &bytes,
        };
        outcome(forged);
    });
    assert_memory();
}

/// The blocks of terms, of reserved keys and of long lists.
fn word_blocks<S: Source>(engine: &Engine<S>, body: &[u8]) -> Vec<Extent> {
    let dictionary = engine.dictionary();
    let mut blocks = Vec::new();
    for at in 0..dictionary.terms().len() {
        let Some(extent) = dictionary.term_block(at) else {
            continue;
        };
        let range = extent.offset as usize..extent.range().end as usize - CHECK_LEN;
        let mut terms = TermBlock::new(&body[range], dictionary.rows()).expect("terms");
        while let Some((_, term)) = terms.next_term().expect("term") {
            if BlockTable::byte_len(term.df) > 0 {
                let table = BlockTable::parse(term.list, term.df).expect("table");
                let places = 0..table.len();
                blocks.extend(places.map(|at| {
                    let extent = dictionary.posting_block(term.place, &table, at);
                    extent.expect("block of a list")
                }));
            }
        }
        blocks.push(extent);
    }
    let reserved = 0..dictionary.terms().reserved_len();
    blocks.extend(reserved.map(|at| dictionary.reserved_block(at).expect("block")));
    blocks
}

/// Gives an altered block of the body the check that belongs to it.
fn seal(body: &mut [u8], build_id: u64, block: Extent) {
    let bytes = &mut body[block.offset as usize..block.range().end as usize];
    let (payload, stored) = bytes.split_at_mut(block.len as usize - CHECK_LEN);
    stored.copy_from_slice(&check(build_id, block.offset, payload));
}

/// The check of a block as the specification has it.
fn check(build_id: u64, offset: u64, payload: &[u8]) -> [u8; CHECK_LEN] {
    let seed = build_id ^ offset.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (xxh3_64_with_seed(payload, seed) as u32).to_le_bytes()
}

/// Every block of the body.
fn blocks<S: Source>(engine: &Engine<S>, body: &[u8]) -> Vec<Extent> {
    let root = engine.root();
    let raw = |extent: Extent| {
        let range = extent.offset as usize..extent.range().end as usize - CHECK_LEN;
        inflate(&body[range], "block").expect("inflated")
    };
    let stored = |extent: Extent| {
        body[extent.offset as usize..extent.range().end as usize - CHECK_LEN].to_vec()
    };
    let layout = Layout::parse(&raw(root.layout), root).expect("layout");
    let mut blocks = vec![root.layout];
    blocks.extend(root.columns.iter().map(|&(_, extent)| extent));
    for table in [&layout.passages, &layout.documents] {
        let pages: BTreeSet<Extent> = table
            .blocks()
            .filter_map(|at| table.page_of(at.start))
            .collect();
        blocks.extend(&pages);
        blocks.extend(table.blocks().map(|records| {
            let page = table.page_of(records.start).map_or(Vec::new(), stored);
            table.locate(records.start, &page).expect("block").0
        }));
    }
    blocks.extend(word_blocks(engine, body));
    let dictionary = engine.dictionary();
    let spellings = (0..dictionary.spelling().len()).map(|at| dictionary.spelling_block(at));
    blocks.extend(spellings.map(|extent| extent.expect("block")));
    let vectors = root.vectors.as_ref().expect("vectors");
    blocks.push(vectors.quantizer);
    blocks.extend(vectors.projection.map(|projection| projection.extent));
    blocks.extend(vectors.rows.extents());
    for (_, run) in vectors.access.runs() {
        blocks.extend(run.extents());
    }
    if let Access::Cells {
        router,
        places,
        cells,
        ..
    } = vectors.access
    {
        let bytes = stored(vectors.quantizer);
        let quantizer = Quantizer::read(&mut Reader::new(&bytes, "quantizer")).expect("quantizer");
        let chunks = root.counts.chunks as usize;
        blocks.push(router);
        blocks.extend(places);
        let router = Router::parse(&stored(router), chunks, &quantizer).expect("router");
        let mut above = vec![router.top().to_vec()];
        for level in (1..router.levels()).rev() {
            let places = router.places(level, &above).expect("places");
            let places = places.iter();
            let extents = places.map(|place| cells.extent(place.offset, place.len));
            let extents: Vec<Extent> = extents.map(|extent| extent.expect("inside")).collect();
            above = extents.iter().map(|&extent| stored(extent)).collect();
            blocks.extend(extents);
        }
    }
    blocks
}

#[test]
fn every_damaged_bundle_is_noticed() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = folder.path().join("index.cora");
    support::write(&support::documents(6, 1), &out, Destination::Bundle);
    let bytes = std::fs::read(&out).expect("bundle");
    let good =
        support::all_found(&support::open(Bundle::new(&bytes).expect("bundle")).expect("ok"));
    let judge = |what: String, bytes: &[u8]| {
        if Bundle::new(bytes).is_ok() {
            let bundle = || Bundle::new(bytes).expect("a bundle");
            assert_noticed(&what, outcome(bundle), &good);
        }
    };
    (0..bytes.len()).into_par_iter().for_each(|at| {
        judge(format!("bundle cut at {at}"), &bytes[..at]);
        let mut flipped = bytes.clone();
        flipped[at] ^= 0x10;
        judge(format!("bundle byte {at}"), &flipped);
    });
    assert_memory();
}

#[test]
fn root_of_another_build_is_refused() {
    let index = index();
    let others = [support::documents(7, 1), support::documents(6, 2)];
    for documents in others {
        let other = support::memory(&documents, support::RANGE);
        let mut body = index.files()[&name_of_body(&index)].clone();
        let mut mixed = Memory::default();
        mixed.insert(ROOT_FILE, other.files()[ROOT_FILE].clone());
        // Without the other body, with this one as it is, with this one of the right length.
        assert_refused(&mixed);
        mixed.insert(&name_of_body(&other), body.clone());
        assert_refused(&mixed);
        body.resize(support::root(&other).body_len as usize, 0);
        mixed.insert(&name_of_body(&other), body);
        assert_refused(&mixed);
    }
}

fn assert_refused(index: &Memory) {
    let Outcome { verified, found } = outcome(|| index);
    for outcome in std::iter::once(verified).chain(found.into_iter().map(|found| found.map(|_| ())))
    {
        match outcome {
            Err(SearchError::Store(StoreError::Source(_) | StoreError::Format { .. })) => {}
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// Foreign and future files say what they are.
#[test]
fn foreign_and_future_roots_are_named() {
    let mut index = index();
    let root: Root = support::root(&index);
    let mut future = root.to_bytes();
    future[6] = 99;
    for (bytes, words) in [
        (&b"<!doctype html>"[..], "not"),
        (&b""[..], "not"),
        (&future[..], "99"),
    ] {
        index.insert(ROOT_FILE, bytes.to_vec());
        let error = support::open(&index).expect_err("refused");
        assert!(matches!(error, SearchError::Store(StoreError::Root(_))));
        assert!(error.to_string().contains(words), "{error}");
    }
}

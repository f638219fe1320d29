//! Recall on real embeddings: the first 20,000 rows of docs-100k (MiniLM, 384 dimensions) and its
//! held-out queries, against exact search in `f64`.
//!
//! Set `CORACLE_DATA` to the folder that holds `docs-100k`; without it these tests say so and pass.

#![cfg(not(target_arch = "wasm32"))]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "measured figures are shown"
)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

use coracle::bytes::Writer;
use coracle::cells::CellParams;
use coracle::cells::CellScratch;
use coracle::cells::Cells;
use coracle::cells::Descent;
use coracle::cells::Probe;
use coracle::cells::Reach;
use coracle::cells::Router;
use coracle::executor::Executor;
use coracle::graph::Graph;
use coracle::graph::GraphParams;
use coracle::graph::SearchScratch;
use coracle::graph::build;
use coracle::index::CHECK_LEN;
use coracle::vector::Metric;
use coracle::vector::Quantizer;
use coracle::vector::Query;
use coracle::vector::RowCode;
use coracle::vector::binary::BinaryCodes;
use coracle::vector::binary::BinaryRows;
use coracle::vector::binary::BinaryWriter;
use coracle::vector::int8::Int8Codes;
use coracle::vector::int8::rescore;
use coracle::vector::topk::Candidate;
use coracle::vector::topk::TopK;

const DIM: usize = 384;
const ROWS: usize = 20_000;
const QUERIES: usize = 200;
const K: usize = 10;

/// Threads that split every call evenly.
struct Threads(usize);

impl Executor for Threads {
    fn map<T, F>(&self, count: usize, task: F) -> Vec<T>
    where
        T: Send,
        F: Fn(usize) -> T + Send + Sync,
    {
        let share = count.div_ceil(self.0).max(1);
        let run = |thread: usize| {
            let range = (thread * share).min(count)..((thread + 1) * share).min(count);
            range.map(&task).collect::<Vec<T>>()
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (1..self.0).map(|t| scope.spawn(move || run(t))).collect();
            let mut results = run(0);
            for thread in threads {
                results.extend(thread.join().expect("a task panicked"));
            }
            results
        })
    }
}

struct Collection {
    quantizer: Quantizer,
    queries: Vec<Vec<f32>>,
    truth: Vec<BTreeSet<u32>>,
    blocks: Vec<u8>,
    int8: Vec<i8>,
}

impl Collection {
    fn binary(&self) -> BinaryCodes<'_> {
        BinaryCodes::parse(&self.blocks, ROWS, &self.quantizer).expect("blocks")
    }

    fn rescored(&self, query: &Query, candidates: &[Candidate]) -> Vec<Candidate> {
        let bytes: &[u8] = bytemuck::cast_slice(&self.int8);
        let codes = Int8Codes::parse(bytes, ROWS, &self.quantizer).expect("int8 codes");
        rescore(query, &codes, candidates, K)
    }

    /// Mean share of the true top 10 in what `search` returns.
    fn recall(&self, mut search: impl FnMut(&Query) -> Vec<Candidate>) -> f64 {
        let mut hits = 0;
        for (query, truth) in self.queries.iter().zip(&self.truth) {
            let query = Query::new(&self.quantizer, query).expect("query");
            hits += search(&query)
                .iter()
                .filter(|found| truth.contains(&found.id))
                .count();
        }
        hits as f64 / (K * self.queries.len()) as f64
    }
}

/// The rows of a two-dimensional array file of NumPy, as bytes of `width` each.
fn numpy_rows(path: PathBuf, width: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes.drain(..header);
    assert!(
        bytes.len().is_multiple_of(width * DIM),
        "{}",
        path.display()
    );
    bytes
}

fn collection() -> Option<&'static Collection> {
    static COLLECTION: OnceLock<Option<Collection>> = OnceLock::new();
    COLLECTION.get_or_init(load).as_ref()
}

fn load() -> Option<Collection> {
    let Some(data) = std::env::var_os("CORACLE_DATA") else {
        eprintln!("skipped: CORACLE_DATA is not set");
        return None;
    };
    let folder = PathBuf::from(data).join("docs-100k");
    let rows: Vec<f32> = numpy_rows(folder.join("base.f16.npy"), 2)
        .as_chunks::<2>()
        .0
        .iter()
        .take(ROWS * DIM)
        .map(|&half| half::f16::from_le_bytes(half).to_f32())
        .collect();
    let queries: Vec<Vec<f32>> = numpy_rows(folder.join("queries.f32.npy"), 4)
        .as_chunks::<4>()
        .0
        .iter()
        .map(|&bytes| f32::from_le_bytes(bytes))
        .collect::<Vec<f32>>()
        .chunks(DIM)
        .take(QUERIES)
        .map(<[f32]>::to_vec)
        .collect();
    let rows: Vec<&[f32]> = rows.chunks(DIM).collect();

    let truth = Threads(2).map(queries.len(), |query| {
        let mut top = TopK::new(K);
        for (id, row) in rows.iter().enumerate() {
            let mut lanes = [0.0f32; 16];
            for (a, b) in row.chunks(16).zip(queries[query].chunks(16)) {
                for ((lane, x), y) in lanes.iter_mut().zip(a).zip(b) {
                    *lane += x * y;
                }
            }
            top.push(Candidate {
                id: id as u32,
                score: lanes.iter().sum(),
            });
        }
        top.into_sorted()
            .iter()
            .map(|candidate| candidate.id)
            .collect()
    });

    let quantizer = Quantizer::train(Metric::Cosine, DIM, 1, &rows).expect("training");
    let codes: Vec<RowCode> = Threads(2).map(rows.len(), |row| {
        quantizer.encode_row(rows[row]).expect("row")
    });
    let mut blocks = BinaryWriter::new(quantizer.code_dim());
    codes.iter().for_each(|code| blocks.push(code));
    let int8 = codes.into_iter().flat_map(|code| code.int8).collect();
    Some(Collection {
        quantizer,
        queries,
        truth,
        blocks: blocks.into_bytes(),
        int8,
    })
}

#[test]
fn scan_with_50_candidates_and_int8_rescoring_keeps_recall() {
    let Some(collection) = collection() else {
        return;
    };
    let codes = collection.binary();
    for candidates in [10, 20, 50, 100] {
        let held = collection.recall(|query| codes.scan(query, None, candidates));
        let recall = collection
            .recall(|query| collection.rescored(query, &codes.scan(query, None, candidates)));
        println!("scan, {candidates} candidates: {held:.4} held, recall@10 {recall:.4}");
        if candidates == 50 {
            assert!(recall >= 0.96, "recall@10 {recall}");
        }
    }
}

#[test]
fn int8_scores_alone_keep_recall() {
    let Some(collection) = collection() else {
        return;
    };
    let everything: Vec<Candidate> = (0..ROWS as u32)
        .map(|id| Candidate { id, score: 0.0 })
        .collect();
    let recall = collection.recall(|query| collection.rescored(query, &everything));
    println!("int8 scores: recall@10 {recall:.4}");
    assert!(recall >= 0.985, "recall@10 {recall}");
}

fn build_graph(codes: &[i8], threads: usize) -> Vec<u8> {
    let start = Instant::now();
    let count = codes.len() / DIM;
    let mut last = 0;
    let mut progress = |done, all| {
        assert!(last < done && done <= all && all <= count);
        last = done;
    };
    let params = GraphParams::default();
    let graph = build(codes, DIM, &params, &Threads(threads), &mut progress).expect("graph");
    let mut writer = Writer::new();
    graph.write(&mut writer);
    println!(
        "graph of {count} rows: {threads} threads, {:.2?}, {} bytes",
        start.elapsed(),
        writer.len()
    );
    writer.into_bytes()
}

/// The graph of the collection, as it is read from its stored bytes.
fn graph(collection: &Collection) -> &'static Graph {
    static GRAPH: OnceLock<Graph> = OnceLock::new();
    GRAPH.get_or_init(|| {
        let bytes = build_graph(&collection.int8, 2);
        Graph::parse(&bytes, ROWS).expect("graph")
    })
}

#[test]
fn graph_bytes_are_the_same_for_any_number_of_threads() {
    let Some(collection) = collection() else {
        return;
    };
    let codes = &collection.int8[..3000 * DIM];
    let serial = build_graph(codes, 1);
    for threads in [2, 3] {
        assert!(build_graph(codes, threads) == serial, "{threads} threads");
    }
}

#[test]
fn graph_walks_keep_recall() {
    let Some(collection) = collection() else {
        return;
    };
    let graph = graph(collection);
    let links: usize = (0..ROWS as u32).map(|id| graph.links(id).len()).sum();
    println!("{:.1} links a node", links as f64 / ROWS as f64);
    let codes = collection.binary();
    let rows = BinaryRows::new(&codes);
    let mut scratch = SearchScratch::new();
    for ef_search in [40, 80, 128, 256] {
        let scored = scratch.scored();
        let start = Instant::now();
        let recall = collection.recall(|query| {
            let found = graph.search(&rows, query, ef_search, None, &mut scratch);
            collection.rescored(query, &found)
        });
        println!(
            "graph, ef {ef_search}: recall@10 {recall:.4}, {} scored, {:.0?} a query",
            (scratch.scored() - scored) / QUERIES as u64,
            start.elapsed() / QUERIES as u32,
        );
        if ef_search == 128 {
            assert!(recall >= 0.94, "recall@10 {recall}");
        }
    }
}

/// A filter that admits one row in so many.
fn one_row_in(count: u64) -> Vec<u64> {
    let mut allowed = vec![0u64; ROWS.div_ceil(64)];
    for id in 0..ROWS as u64 {
        if id.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 < (1 << 32) / count {
            allowed[id as usize / 64] |= 1 << (id % 64);
        }
    }
    allowed
}

#[test]
fn graph_search_with_a_filter_finds_what_the_filtered_scan_finds() {
    let Some(collection) = collection() else {
        return;
    };
    let codes = collection.binary();
    let rows = BinaryRows::new(&codes);
    let graph = graph(collection);
    let mut scratch = SearchScratch::new();
    for one_in in [2u64, 10, 50] {
        let allowed = one_row_in(one_in);
        let mut same = 0;
        for query in &collection.queries {
            let query = Query::new(&collection.quantizer, query).expect("query");
            let walked = graph.search(&rows, &query, 64, Some(&allowed), &mut scratch);
            let scanned = codes.scan(&query, Some(&allowed), K);
            assert!(
                walked
                    .iter()
                    .all(|c| allowed[c.id as usize / 64] >> (c.id % 64) & 1 == 1)
            );
            same += scanned.iter().filter(|c| walked.contains(c)).count();
        }
        let share = same as f64 / (K * QUERIES) as f64;
        println!("one row in {one_in} admitted: {share:.4} of the scan's top 10");
        assert!(share >= 0.95, "one in {one_in}: {share}");
    }
}

/// Cells of the collection's rows, as they are read from their stored bytes.
fn cells(collection: &Collection, copies: usize) -> Cells {
    let start = Instant::now();
    let (codes, quantizer) = (&collection.int8, &collection.quantizer);
    let params = CellParams::with_copies(copies);
    let cells = coracle::cells::build(codes, quantizer, &params, &Threads(2), &mut |_, _| {});
    let mut writer = Writer::new();
    cells.expect("cells").write(&mut writer);
    println!(
        "cells of {ROWS} rows, {copies} copies: {:.2?}, {} bytes",
        start.elapsed(),
        writer.len()
    );
    Cells::parse(&writer.into_bytes(), ROWS, quantizer).expect("cells")
}

#[test]
fn searches_of_cells_keep_recall_with_any_number_of_copies() {
    let Some(collection) = collection() else {
        return;
    };
    // Patience, most cells, and the least recall with 1, 2 and 3 copies.
    let probes = [(8, 24, [0.81, 0.91, 0.935]), (24, 96, [0.91, 0.955, 0.96])];
    for copies in 1..=3 {
        let cells = cells(collection, copies);
        for (patience, nprobe, least) in probes {
            let probe = Probe {
                patience,
                nprobe,
                candidates: 50,
            };
            let mut scratch = CellScratch::new();
            let recall = collection.recall(|query| {
                let found = cells.search(query, &probe, None, &mut scratch);
                collection.rescored(query, &found)
            });
            println!(
                "cells, {copies} copies, patience {patience} of {nprobe}: recall@10 {recall:.4}, \
                 {} blocks",
                scratch.blocks() / QUERIES as u64,
            );
            let least = least[copies - 1];
            assert!(recall >= least, "{copies} copies, {probe:?}: {recall}");
        }
    }
}

#[test]
fn searches_that_read_the_cells_they_need_find_most_for_few_bytes() {
    let Some(collection) = collection() else {
        return;
    };
    let (codes, quantizer) = (&collection.int8, &collection.quantizer);
    // Copies, bytes of cells, most bytes read on average, and the least recall.
    let all = [
        (2, 48_000, 80_000, 0.81),
        (3, 48_000, 80_000, 0.83),
        (3, 120_000, 150_000, 0.93),
    ];
    for (copies, bytes, most, least) in all {
        let params = CellParams::for_reading(ROWS, copies);
        let cells = coracle::cells::build(codes, quantizer, &params, &Threads(2), &mut |_, _| {});
        let stored = cells.expect("cells").store(CHECK_LEN);
        let router = Router::parse(&stored.router, ROWS, quantizer).expect("router");
        let mut read = 0;
        let recall = collection.recall(|query| {
            let reach = Reach::new(Metric::Cosine, bytes);
            let mut descent = Descent::new(&router, query, None, reach).expect("router");
            loop {
                let places = descent.wanted(K);
                if places.is_empty() {
                    return collection.rescored(query, &descent.nearest(50));
                }
                let cells: Vec<&[u8]> = places
                    .iter()
                    .map(|&place| stored.cell(place).expect("a cell"))
                    .collect();
                read += cells.iter().map(|cell| cell.len()).sum::<usize>();
                descent.take(&cells).expect("cells");
            }
        });
        let read = stored.router.len() + read / QUERIES;
        println!(
            "cells read as needed, {copies} copies, {bytes} bytes of cells: recall@10 {recall:.4}, \
             {read} bytes on average, {} of them router",
            stored.router.len()
        );
        assert!(
            recall >= least && read <= most,
            "{copies} copies, {bytes}: {recall}, {read}"
        );
    }
}

#[test]
fn searches_of_cells_with_a_filter_find_what_the_filtered_scan_finds() {
    let Some(collection) = collection() else {
        return;
    };
    let codes = collection.binary();
    let cells = cells(collection, 2);
    let probe = Probe {
        patience: 24,
        nprobe: 96,
        candidates: 50,
    };
    let mut scratch = CellScratch::new();
    for (one_in, least) in [(2, 0.97), (10, 0.98), (100, 0.99), (1000, 1.0)] {
        let allowed = one_row_in(one_in);
        let (mut same, mut wanted) = (0, 0);
        for query in &collection.queries {
            let query = Query::new(&collection.quantizer, query).expect("query");
            let found = cells.search(&query, &probe, Some(&allowed), &mut scratch);
            assert!(
                found
                    .iter()
                    .all(|c| allowed[c.id as usize / 64] >> (c.id % 64) & 1 == 1)
            );
            // Every admitted row by its int8 score, which errs little.
            let exact = collection.rescored(&query, &codes.scan(&query, Some(&allowed), ROWS));
            let found = collection.rescored(&query, &found);
            wanted += exact.len();
            same += exact.iter().filter(|c| found.contains(c)).count();
        }
        let share = same as f64 / wanted as f64;
        println!("cells, one row in {one_in} admitted: {share:.4} of the exact top 10");
        assert!(share >= least, "one in {one_in}: {share}");
    }
}

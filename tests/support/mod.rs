//! A small corpus, cheap embeddings and indexes of it, for tests of whole indexes.
//!
//! Embeddings are sums of hashed term vectors, so they cost nothing, do not change, and a term row is
//! simply its term's vector.

// Every test binary takes what it needs.
#![allow(dead_code)]

pub mod process;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use coracle::document::Chunk;
use coracle::document::Document;
use coracle::document::Value;
use coracle::embed::piece::word_key;
use coracle::filter::Filter;
use coracle::index::ROOT_FILE;
use coracle::index::Root;
use coracle::postings::ChunkFields;
use coracle::postings::ChunkTerms;
use coracle::postings::Postings;
use coracle::search::Engine;
use coracle::search::Mode;
use coracle::search::SearchError;
use coracle::search::SearchOptions;
use coracle::search::SearchResult;
use coracle::store::Memory;
use coracle::store::Source;
use coracle::text::Analyzer;
use coracle::text::Language;
use coracle::vector::Metric;
use coracle::vector::Projection;
use coracle_cli::indexer;
use coracle_cli::indexer::Embeddings;
use coracle_cli::indexer::MOST_LISTED;
use coracle_cli::indexer::TermRows;
use coracle_cli::languages::Languages;
use coracle_cli::publish::Destination;
use coracle_cli::publish::Staging;
use coracle_cli::report::Reporter;
use coracle_cli::report::Verbosity;
use coracle_cli::vectors::AccessChoice;
use coracle_cli::vectors::VectorOptions;
use ed25519_dalek::SigningKey;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Components of the embeddings as the indexes keep them.
pub const DIM: usize = 16;

/// Components of the embeddings that are projected on the first [`DIM`] of them.
const INPUT_DIM: usize = 24;

/// One file, read by range.
pub const RANGE: Destination = Destination::Range {
    part_bytes: 1 << 28,
};

pub const WORDS: [&str; 36] = [
    "anchor",
    "barge",
    "beacon",
    "bridge",
    "canal",
    "cargo",
    "compass",
    "coracle",
    "current",
    "delta",
    "dock",
    "estuary",
    "ferry",
    "fjord",
    "harbour",
    "island",
    "kayak",
    "lagoon",
    "lighthouse",
    "lock",
    "mast",
    "oar",
    "paddle",
    "pilot",
    "quay",
    "reef",
    "river",
    "rudder",
    "sail",
    "shallow",
    "shore",
    "stream",
    "tide",
    "vessel",
    "voyage",
    "willow",
];

const LANGUAGES: [&str; 3] = ["en", "de", "fr"];

pub fn analyzer() -> Analyzer {
    Analyzer::new(Language::English)
}

/// `count` documents of one to three chunks with metadata and some weights; `seed` chooses the words.
pub fn documents(count: usize, seed: u64) -> Vec<Document> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut words = |count: usize| {
        let words: Vec<&str> = (0..count)
            .map(|_| WORDS[random.usize(..WORDS.len()).min(random.usize(..WORDS.len()))])
            .collect();
        words.join(" ")
    };
    let document = |at: usize| {
        let title = words(2);
        let chunks = (0..1 + at % 3).map(|number| Chunk {
            headings: vec![words(2)],
            anchor: format!("part-{number}"),
            span: 0..1,
            tokens: 12,
            text: words(12),
            embedding: None,
        });
        let chunks = chunks.collect();
        let mut meta = BTreeMap::new();
        let mut set = |name: &str, value| meta.insert(name.to_string(), value);
        set("lang", Value::Text(LANGUAGES[at % 3].into()));
        set("year", Value::Number(2015.0 + (at % 7) as f64));
        set("draft", Value::Bool(at.is_multiple_of(4)));
        if !at.is_multiple_of(5) {
            let tags = (0..at % 5).map(|tag| Value::Text(format!("tag{tag}")));
            set("tags", Value::List(tags.collect()));
        }
        Document {
            id: format!("doc-{at}"),
            url: format!("/doc/{at}"),
            title,
            language: String::new(),
            weight: if at % 5 == 2 { 1.5 } else { 1.0 },
            meta,
            chunks,
        }
    };
    (0..count).map(document).collect()
}

/// `count` documents of six chunks or so, of which two or three in a row are of one section.
pub fn long_documents(count: usize, seed: u64) -> Vec<Document> {
    let parts = documents(3 * count, seed);
    let documents = parts.chunks(3).map(|parts| {
        let mut chunks: Vec<Chunk> = Vec::new();
        for part in parts {
            chunks.extend(part.chunks.iter().cloned().map(|chunk| Chunk {
                headings: part.chunks[0].headings.clone(),
                anchor: part.id.clone(),
                ..chunk
            }));
        }
        let mut document = parts[0].clone();
        document.chunks = chunks;
        document
    });
    documents.collect()
}

/// The vector of a term: numbers from -1 to 1.
fn term_vector(term: &str) -> Vec<f32> {
    let number = |at: usize| xxh3_64_with_seed(term.as_bytes(), at as u64) >> 40;
    (0..DIM)
        .map(|at| number(at) as f32 / (1 << 23) as f32 - 1.0)
        .collect()
}

fn first_components() -> Projection {
    let one = |at: usize| f32::from(u8::from(at % INPUT_DIM == at / INPUT_DIM));
    let directions: Vec<f32> = (0..DIM * INPUT_DIM).map(one).collect();
    Projection::new(INPUT_DIM, &directions)
}

/// An embedding whose projection is `row`.
pub fn unprojected(row: &[f32]) -> Vec<f32> {
    let rest = (0..INPUT_DIM - DIM).map(|at| at as f32 / 7.0);
    row.iter().copied().chain(rest).collect()
}

/// Embeddings of all chunks, with a row for every term and for two words that no chunk has.
pub fn embeddings(documents: &[Document], postings: &Postings) -> Embeddings {
    let mut rows = Vec::new();
    for (document, chunk) in indexer::chunks(documents) {
        let mut row = vec![0.0; DIM];
        let terms = ChunkTerms::new(&analyzer(), &ChunkFields::of(&document.title, chunk));
        for (term, _) in terms.iter() {
            for (sum, part) in row.iter_mut().zip(term_vector(term)) {
                *sum += part;
            }
        }
        rows.extend(row);
    }
    let extra: Vec<String> = ["nautic", "zephyr"].map(word_key).into();
    let keys = extra.iter().map(String::as_str).chain(postings.terms());
    let term_rows = TermRows {
        dim: DIM,
        least_df: 1,
        rows: keys.flat_map(term_vector).collect(),
        extra,
    };
    Embeddings {
        embedder: "hashed terms".into(),
        dim: DIM,
        projection: Some(first_components()),
        metric: Metric::Cosine,
        alpha_percent: 80,
        rows,
        queries: Vec::new(),
        term_rows: Some(term_rows),
    }
}

/// Writes and publishes an index with vectors and a graph to `out`.
pub fn write(documents: &[Document], out: &Path, destination: Destination) {
    write_with(documents, out, destination, AccessChoice::Graph);
}

/// Writes and publishes an index whose vectors are found by `access` to `out`.
pub fn write_with(
    documents: &[Document],
    out: &Path,
    destination: Destination,
    access: AccessChoice,
) {
    write_signed(documents, out, destination, access, None);
}

/// As [`write_with`], signed with `key` if there is one.
pub fn write_signed(
    documents: &[Document],
    out: &Path,
    destination: Destination,
    access: AccessChoice,
    key: Option<&SigningKey>,
) {
    write_tables(documents, out, destination, access, key, MOST_LISTED);
}

/// As [`write_signed`]: where there are more than `most_listed` blocks of texts, pages say where they lie.
fn write_tables(
    documents: &[Document],
    out: &Path,
    destination: Destination,
    access: AccessChoice,
    key: Option<&SigningKey>,
    most_listed: usize,
) {
    let reporter = Reporter::new(Verbosity::Quiet);
    let postings = indexer::postings(&Languages::new(analyzer()), documents, &reporter);
    let embeddings = embeddings(documents, &postings);
    let staging = Staging::new(out, destination).expect("staging folder");
    let written = indexer::write(
        staging,
        &analyzer(),
        documents,
        &postings,
        Some(&embeddings),
        &VectorOptions {
            access,
            ..VectorOptions::default()
        },
        most_listed,
        &reporter,
    );
    let written = written.expect("written");
    written
        .staging
        .publish(&written.root, key)
        .expect("published");
}

/// The files of an index in memory.
pub fn memory(documents: &[Document], destination: Destination) -> Memory {
    memory_with(documents, destination, AccessChoice::Graph)
}

/// As [`memory`], of an index whose vectors are found by `access`.
pub fn memory_with(
    documents: &[Document],
    destination: Destination,
    access: AccessChoice,
) -> Memory {
    memory_listed(documents, destination, access, MOST_LISTED)
}

/// As [`memory_with`], of an index in which pages say where blocks of texts lie.
pub fn memory_paged(
    documents: &[Document],
    destination: Destination,
    access: AccessChoice,
) -> Memory {
    memory_listed(documents, destination, access, 0)
}

fn memory_listed(
    documents: &[Document],
    destination: Destination,
    access: AccessChoice,
    most_listed: usize,
) -> Memory {
    let folder = tempfile::tempdir().expect("temporary folder");
    write_tables(
        documents,
        folder.path(),
        destination,
        access,
        None,
        most_listed,
    );
    let mut memory = Memory::default();
    for (name, bytes) in files(folder.path()) {
        memory.insert(&name, bytes);
    }
    memory
}

/// Every file of a folder by name.
pub fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("folder");
    entries
        .map(|entry| {
            let path = entry.expect("entry").path();
            let name = path
                .file_name()
                .expect("name")
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("file"))
        })
        .collect()
}

/// The root among the files.
pub fn root(memory: &Memory) -> Root {
    Root::parse(&memory.files()[ROOT_FILE]).expect("root")
}

/// A keyword search, a hybrid one with a correction, and one with a filter and facets.
pub fn queries() -> Vec<(&'static str, SearchOptions)> {
    let filter = r#"{"lang": ["en", "de"], "year": {"gte": 2016}}"#;
    vec![
        (
            "harbour pilot",
            SearchOptions {
                mode: Mode::Keyword,
                ..SearchOptions::default()
            },
        ),
        (
            "compas anchor",
            SearchOptions {
                explain: true,
                prefix: true,
                sections: 2,
                ..SearchOptions::default()
            },
        ),
        (
            "ferry bridge",
            SearchOptions {
                filter: Some(Filter::parse(filter).expect("filter")),
                facets: vec!["tags".into(), "draft".into()],
                ..SearchOptions::default()
            },
        ),
    ]
}

pub fn open<S: Source>(source: S) -> Result<Engine<S>, SearchError> {
    pollster::block_on(Engine::open(source, 1 << 20))
}

pub fn search<S: Source>(
    engine: &Engine<S>,
    query: &str,
    options: &SearchOptions,
) -> Result<SearchResult, SearchError> {
    pollster::block_on(engine.search(query, options))
}

/// What a search found, score bits included, without what reading it cost.
pub fn found(result: SearchResult) -> (SearchResult, Vec<u32>) {
    let bits = result.hits.iter().map(|hit| hit.score.to_bits()).collect();
    let stats = coracle::store::ReadStats::default();
    (SearchResult { stats, ..result }, bits)
}

/// What [`queries`] find.
pub fn all_found<S: Source>(engine: &Engine<S>) -> Vec<(SearchResult, Vec<u32>)> {
    let queries = queries().into_iter();
    queries
        .map(|(query, options)| found(search(engine, query, &options).expect("found")))
        .collect()
}

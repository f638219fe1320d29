//! Builds; searches with nothing at hand; recall, overlap, nDCG.

use crate::Outcome;
use crate::data::Corpus;
use crate::data::DIM;
use crate::data::Judged;
use crate::data::Queries;
use crate::data::document;
use clap::Parser;
use coracle::document::Document;
use coracle::search::CELL_BYTES;
use coracle::search::Engine;
use coracle::search::Group;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle::search::SearchResult;
use coracle::store::ReadStats;
use coracle_cli::cli::Cli;
use coracle_cli::cli::Command;
use coracle_cli::command::build::build_ingested;
use coracle_cli::embed::Cached;
use coracle_cli::embed::EmbedError;
use coracle_cli::embed::Embedder;
use coracle_cli::embed::Fingerprint;
use coracle_cli::embed::MiniLm;
use coracle_cli::embed::Sink;
use coracle_cli::embed::TokenCounter;
use coracle_cli::evaluate::metrics::ndcg;
use coracle_cli::ingest::Ingested;
use coracle_cli::ingest::chunk;
use coracle_cli::ingest::ingest;
use coracle_cli::projection;
use coracle_cli::projection::VectorDims;
use coracle_cli::report::Reporter;
use coracle_cli::report::Summary;
use coracle_cli::report::Verbosity;
use coracle_cli::source::Location;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSlice;
use serde_json::Value as Json;
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

/// Hits that are compared.
const K: usize = 10;

/// Sections that only searches by meaning read, but for what turns a vector that is given into the
/// index's dimensions: queries embedded by rows of terms do without.
const OF_VECTORS: [&str; 4] = ["quantizer", "router", "cells", "rows"];

/// An index that was just built.
#[derive(Debug)]
pub struct Built {
    place: String,
    summary: Summary,
}

/// The command line of a build.
fn arguments(out: &Path, more: &[&str]) -> Outcome<Command> {
    let out = out.display().to_string();
    let line = ["coracle", "build", ".", "--out", &out];
    Ok(Cli::try_parse_from([&line, more].concat())?.command)
}

/// Builds an index of documents that bring their vectors.
pub fn build(documents: Vec<Document>, out: &Path) -> Outcome<Built> {
    finish(documents, out, &["--embedder", "provided"])
}

fn finish(documents: Vec<Document>, out: &Path, more: &[&str]) -> Outcome<Built> {
    let Command::Build(args) = arguments(out, more)? else {
        return Err("no command of a build".into());
    };
    let ingested = Ingested {
        documents,
        ..Ingested::default()
    };
    let reporter = Reporter::new(Verbosity::Quiet);
    let summary =
        build_ingested(&args, || Ok(ingested), &reporter).map_err(|bad| format!("{bad:?}"))?;
    let place = out.display().to_string();
    Ok(Built { place, summary })
}

/// The nearest chunks of every query, told without an index.
#[derive(Debug)]
pub struct Truths {
    /// In the dimensions that an index of these rows keeps.
    kept: Vec<Vec<u32>>,
}

impl Truths {
    /// Compares every query with every row.
    pub fn new(rows: &[f32], queries: &Queries) -> Self {
        // What a build does to embeddings.
        let rows = normalised(rows, DIM);
        let projection = projection::fit(&rows, DIM, VectorDims::Auto);
        let (dim, rows, queries) = match &projection {
            None => (DIM, rows, normalised(&queries.rows, DIM)),
            Some(projection) => {
                let apply = |row: &[f32]| projection.apply(row).unwrap_or_default();
                let project = |rows: &[f32]| {
                    let rows: Vec<f32> = rows.par_chunks_exact(DIM).flat_map_iter(apply).collect();
                    normalised(&rows, projection.dim())
                };
                (projection.dim(), project(&rows), project(&queries.rows))
            }
        };
        let nearest = |query: &[f32]| {
            let scores = rows.chunks_exact(dim).map(|row| dot(query, row));
            let mut scores: Vec<(f32, u32)> = scores.zip(0..).collect();
            let at = K.min(scores.len() - 1);
            scores.select_nth_unstable_by(at, |a, b| b.0.total_cmp(&a.0));
            scores.into_iter().take(K).map(|(_, id)| id).collect()
        };
        let kept = queries.par_chunks_exact(dim).map(nearest).collect();
        Self { kept }
    }
}

/// Rows of length 1.
fn normalised(rows: &[f32], dim: usize) -> Vec<f32> {
    let mut rows = rows.to_vec();
    for row in rows.chunks_exact_mut(dim) {
        let norm = dot(row, row).sqrt();
        row.iter_mut()
            .for_each(|x| *x /= norm.max(f32::MIN_POSITIVE));
    }
    rows
}

/// Sixteen sums side by side, which the compiler puts into one register.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

/// Share of `wanted` that `found` has, over all queries.
fn share<T: PartialEq>(found: &[Vec<T>], wanted: &[Vec<T>]) -> f64 {
    let pairs = found.iter().zip(wanted);
    let hits = pairs.map(|(found, wanted)| wanted.iter().filter(|id| found.contains(id)).count());
    let there: usize = wanted.iter().map(Vec::len).sum();
    hits.sum::<usize>() as f64 / there.max(1) as f64
}

/// Four digits, as tables show them.
fn round(x: f64) -> f64 {
    (x * 1e4).round() / 1e4
}

/// What a number of searches read.
#[derive(Debug, Default)]
struct Costs(Vec<ReadStats>);

impl Costs {
    fn mean(&self, of: impl Fn(&ReadStats) -> u64) -> f64 {
        self.0.iter().map(of).sum::<u64>() as f64 / self.0.len().max(1) as f64
    }

    fn p95(&self, of: impl Fn(&ReadStats) -> u64) -> u64 {
        let mut all: Vec<u64> = self.0.iter().map(of).collect();
        all.sort_unstable();
        let at = (all.len() * 95).div_ceil(100).saturating_sub(1);
        all.get(at).copied().unwrap_or(0)
    }

    /// Mean bytes by section, most first.
    fn sections(&self) -> Json {
        let mut sum = ReadStats::default();
        self.0.iter().for_each(|cost| sum.add(cost));
        let count = self.0.len().max(1) as u64;
        let mut sections = sum.sections;
        sections.sort_by_key(|&(name, bytes)| (std::cmp::Reverse(bytes), name));
        let means = sections.into_iter();
        means
            .map(|(name, bytes)| (name.to_string(), json!(bytes / count)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// Bytes of some sections.
fn bytes_of(stats: &ReadStats, names: &[&str]) -> u64 {
    let sections = stats.sections.iter();
    sections
        .filter(|(name, _)| names.contains(name))
        .map(|&(_, bytes)| bytes)
        .sum()
}

impl Built {
    /// One search by an engine that has nothing, and what opening and searching read.
    fn cold(&self, query: &str, options: &SearchOptions) -> Outcome<(SearchResult, ReadStats)> {
        let engine = pollster::block_on(Engine::open(Location::open(&self.place)?, usize::MAX))?;
        let found = pollster::block_on(engine.search(query, options))?;
        let stats = engine.store().stats();
        Ok((found, stats))
    }

    /// Searches by meaning alone that read at most `budget` bytes of cells.
    pub fn vectors(
        &self,
        queries: &Queries,
        budget: u64,
        truths: &Truths,
        given: Option<&[Vec<u32>]>,
    ) -> Outcome<Json> {
        let (mut found, mut costs) = (Vec::new(), Costs::default());
        for (text, row) in queries.iter() {
            let options = SearchOptions {
                mode: Mode::Vector,
                group: Group::Chunk,
                embedding: Some(row.to_vec()),
                cell_bytes: Some(budget),
                ..SearchOptions::default()
            };
            let (result, stats) = self.cold(text, &options)?;
            // Their numbers in the index are others.
            let numbers: Result<_, _> = result.hits.iter().map(|hit| hit.id.parse()).collect();
            found.push(numbers?);
            costs.0.push(stats);
        }
        let of = |stats: &ReadStats| bytes_of(stats, &OF_VECTORS);
        Ok(json!({
            "what": "vectors",
            "chunks": self.summary.chunks,
            "queries": found.len(),
            "cell_bytes": budget,
            "recall_at_10": round(share(&found, &truths.kept)),
            "recall_at_10_all_dims": given.map(|given| round(share(&found, given))),
            "mean_bytes": costs.mean(of) as u64,
            "p95_bytes": costs.p95(of),
            "router_bytes": costs.mean(|stats| bytes_of(stats, &["quantizer", "router"])) as u64,
            "cells_bytes": costs.mean(|stats| bytes_of(stats, &["cells"])) as u64,
            "rows_bytes": costs.mean(|stats| bytes_of(stats, &["rows"])) as u64,
            "waves": costs.mean(|stats| stats.waves.into()),
        }))
    }

    /// Cold searches by words and meaning, beside those that read all cells.
    pub fn growth(&self, queries: &Queries, truths: &Truths) -> Outcome<Json> {
        let (mut found, mut exact, mut costs) = (Vec::new(), Vec::new(), Costs::default());
        let warm = pollster::block_on(Engine::open(Location::open(&self.place)?, usize::MAX))?;
        let all_cells = SearchOptions {
            exact: true,
            ..SearchOptions::default()
        };
        let begun = Instant::now();
        for (text, _) in queries.iter() {
            let (result, stats) = self.cold(text, &SearchOptions::default())?;
            costs.0.push(stats);
            found.push(ids(result));
            exact.push(ids(pollster::block_on(warm.search(text, &all_cells))?));
        }
        let vectors = self.vectors(queries, CELL_BYTES, truths, None)?;
        let Summary {
            chunks,
            files,
            bytes_out,
            seconds,
            peak_memory_bytes,
            ..
        } = self.summary;
        Ok(json!({
            "what": "growth",
            "chunks": chunks,
            "terms": warm.root().counts.terms,
            "files": files,
            "index_bytes": bytes_out,
            "build_s": (seconds * 10.0).round() / 10.0,
            "peak_bytes": peak_memory_bytes,
            "queries": found.len(),
            "mean_bytes": costs.mean(|stats| stats.bytes) as u64,
            "p95_bytes": costs.p95(|stats| stats.bytes),
            "waves": costs.mean(|stats| stats.waves.into()),
            "most_waves": costs.0.iter().map(|stats| stats.waves).max(),
            "requests": round(costs.mean(|stats| stats.requests.into())),
            "sections": costs.sections(),
            "overlap_at_10": round(share(&found, &exact)),
            "recall_at_10": vectors["recall_at_10"],
            "vector_bytes": vectors["mean_bytes"],
            "search_s": (begun.elapsed().as_secs_f64() * 10.0).round() / 10.0,
        }))
    }
}

fn ids(found: SearchResult) -> Vec<String> {
    found.hits.into_iter().map(|hit| hit.id).collect()
}

/// Tokens as the built-in model counts them.
#[derive(Debug)]
struct WordPieces(TokenCounter);

impl chunk::TokenCounter for WordPieces {
    fn count(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }
}

/// Collections that are judged.
const COLLECTIONS: [&str; 5] = ["scifact", "nfcorpus", "cranfield", "tech-docs", "tech-code"];

/// The built-in model, which need not embed texts whose vectors it has made before.
#[derive(Debug)]
struct Known {
    model: MiniLm,
    rows: HashMap<String, Vec<f32>>,
}

impl Embedder for Known {
    fn fingerprint(&self) -> Fingerprint {
        self.model.fingerprint()
    }

    fn max_tokens(&self) -> usize {
        self.model.max_tokens()
    }

    fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError> {
        const BATCH: usize = 64;
        for (number, batch) in texts.chunks(BATCH).enumerate() {
            let unknown = batch.iter().filter(|&&text| !self.rows.contains_key(text));
            let unknown: Vec<&str> = unknown.copied().collect();
            let made = self.model.embed(&unknown, &|_| {})?;
            let mut made = made.chunks_exact(DIM);
            let rows = batch.iter().filter_map(|&text| match self.rows.get(text) {
                Some(row) => Some(row.as_slice()),
                None => made.next(),
            });
            sink(
                number * BATCH,
                &rows.flatten().copied().collect::<Vec<f32>>(),
            )?;
        }
        Ok(())
    }
}

/// Judged collections in one index with passages of docs-100k, searched as shipped and with all
/// cells.
pub fn judged(data: &Path, work: &Path, distractors: usize) -> Outcome<Vec<Json>> {
    let corpus = Corpus::read(&data.join("docs-100k"), distractors)?;
    let model = MiniLm::new(None)?;
    let same = sameness(&model, &corpus)?;
    let counter = WordPieces(TokenCounter::new()?);
    let reporter = Reporter::new(Verbosity::Quiet);
    let mut documents = Vec::new();
    for name in COLLECTIONS {
        let inputs = [data.join("ir").join(name).join("corpus.jsonl.gz")];
        let Command::Build(args) = arguments(work, &[])? else {
            return Err("no command of a build".into());
        };
        let options = args.ingest_options(Some(model.max_tokens()));
        let read = ingest(&inputs, &options, &counter, &reporter.stage("read", 0))?;
        documents.extend(read.documents.into_iter().map(|mut document| {
            document.id = format!("{name}/{}", document.id);
            document
        }));
    }
    let mut rows = HashMap::new();
    let passages = corpus.titles.iter().zip(&corpus.texts);
    for ((title, text), row) in passages.zip(corpus.rows.chunks_exact(DIM)) {
        let document = document(format!("passage/{}", documents.len()), title, text, None);
        rows.insert(document.chunks[0].embedding_text(title), row.to_vec());
        documents.push(document);
    }
    drop(corpus);
    // What the build will ask for is put where it will look first.
    let cache = work.join("embeddings");
    let cached = Cached::open(Known { model, rows }, &cache).map_err(EmbedError::from)?;
    let texts: Vec<String> = documents
        .iter()
        .flat_map(|document| {
            let chunks = document.chunks.iter();
            chunks.map(|chunk| chunk.embedding_text(&document.title))
        })
        .collect();
    cached.embed(
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
        &|_| {},
    )?;
    drop(cached);
    let cache = cache.display().to_string();
    let built = finish(documents, &work.join("judged"), &["--cache", &cache])?;
    COLLECTIONS
        .iter()
        .map(|name| {
            let judged = Judged::read(&data.join("ir").join(name))?;
            let row = built.judge(name, &judged)?;
            let mut row = row;
            row["distractors"] = json!(distractors);
            row["cosine_of_ready_made"] = json!(round(same));
            Ok(row)
        })
        .collect()
}

/// Mean cosine between vectors of docs-100k and those that the built-in model makes of the same
/// texts, which were title and text up to 128 tokens: that the one can stand for the other.
fn sameness(model: &MiniLm, corpus: &Corpus) -> Outcome<f64> {
    const SAMPLE: usize = 100;
    let step = (corpus.texts.len() / SAMPLE).max(1);
    let at: Vec<usize> = (0..corpus.texts.len()).step_by(step).take(SAMPLE).collect();
    let texts = at.iter().map(|&at| {
        let text: Vec<&str> = corpus.texts[at].split_whitespace().take(70).collect();
        format!("{}. {}", corpus.titles[at], text.join(" "))
    });
    let texts: Vec<String> = texts.collect();
    let rows = model.embed(
        &texts.iter().map(String::as_str).collect::<Vec<_>>(),
        &|_| {},
    )?;
    let rows = normalised(&rows, DIM);
    let cosines = at.iter().zip(rows.chunks_exact(DIM));
    let cosines = cosines.map(|(&at, row)| {
        let given = normalised(&corpus.rows[at * DIM..][..DIM], DIM);
        f64::from(dot(row, &given))
    });
    Ok(cosines.sum::<f64>() / at.len() as f64)
}

impl Built {
    fn judge(&self, name: &str, judged: &Judged) -> Outcome<Json> {
        let exact = SearchOptions {
            exact: true,
            ..SearchOptions::default()
        };
        let words = SearchOptions {
            mode: Mode::Keyword,
            ..SearchOptions::default()
        };
        let meaning = SearchOptions {
            mode: Mode::Vector,
            ..SearchOptions::default()
        };
        let all = [SearchOptions::default(), exact, words, meaning];
        // Engines stay on one thread; figures are sums in the order of the queries.
        let runs = all.into_par_iter().map(|options| {
            let run = || -> Outcome<(f64, Vec<Vec<String>>)> {
                let source = Location::open(&self.place)?;
                let engine = pollster::block_on(Engine::open(source, usize::MAX))?;
                let (mut sum, mut found) = (0.0, Vec::new());
                for (query, grades) in &judged.queries {
                    let hits = ids(pollster::block_on(engine.search(query, &options))?);
                    sum += ndcg10(name, &hits, grades);
                    found.push(hits);
                }
                Ok((sum / judged.queries.len().max(1) as f64, found))
            };
            run().map_err(|error| error.to_string())
        });
        let runs: Vec<(f64, Vec<Vec<String>>)> = runs.collect::<Result<_, String>>()?;
        let mut costs = Costs::default();
        for (query, _) in judged.queries.iter().take(100) {
            costs.0.push(self.cold(query, &SearchOptions::default())?.1);
        }
        let ndcg = |at: usize| round(runs[at].0);
        Ok(json!({
            "what": "judged",
            "collection": name,
            "chunks": self.summary.chunks,
            "queries": judged.queries.len(),
            "ndcg_at_10_words": ndcg(2),
            "ndcg_at_10_meaning": ndcg(3),
            "ndcg_at_10": ndcg(0),
            "ndcg_at_10_all_cells": ndcg(1),
            "overlap_at_10": round(share(&runs[0].1, &runs[1].1)),
            "mean_bytes": costs.mean(|stats| stats.bytes) as u64,
            "waves": costs.mean(|stats| stats.waves.into()),
        }))
    }
}

/// nDCG@10 of hits whose documents are named `collection/id`.
fn ndcg10(collection: &str, ranked: &[String], grades: &HashMap<String, f64>) -> f64 {
    let grade = |id: &String| {
        let (of, id) = id.split_once('/')?;
        grades.get(id).filter(|_| of == collection).copied()
    };
    let found: Vec<f64> = ranked.iter().map(|id| grade(id).unwrap_or(0.0)).collect();
    let judged: Vec<f64> = grades.values().copied().collect();
    ndcg(&found, &judged, K)
}

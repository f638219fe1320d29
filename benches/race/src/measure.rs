//! Times single queries and picks the cheapest setting that reaches a recall.
//!
//! The method is that of the peers' programs: all settings once, then for each target three passes
//! over all queries with the cheapest setting that reaches it; of every percentile the lowest of the
//! three passes counts.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;
use std::time::Instant;

use coracle::graph::SearchScratch;
use serde::Serialize;

use crate::K;
use crate::data::Matrix;
use crate::engine::Engine;
use crate::engine::Index;
use crate::engine::Setting;

const TARGETS: [f64; 2] = [0.95, 0.98];
const PASSES: usize = 3;
const WARM_UP: usize = 50;

/// Settings past this recall are too dear for every target.
const ENOUGH: f64 = 0.99;

/// One line of the record.
#[derive(Debug, Serialize)]
pub struct Row {
    engine: &'static str,
    version: &'static str,
    runtime: &'static str,
    n: usize,
    dims: usize,
    recall: f64,
    p50_us: f64,
    p99_us: f64,
    qps: f64,
    bytes_per_vector: f64,
    build_s: f64,
    setting: Setting,
    target: f64,
    reached: bool,
    build_threads: usize,
    bytes: Bytes,
}

/// Where the bytes of a vector lie.
#[derive(Debug, Serialize)]
struct Bytes {
    codes: f64,
    links: f64,
    rows: f64,
}

/// What one pass over all queries measured.
struct Pass {
    recall: f64,
    /// Times of the queries, ascending.
    times: Vec<Duration>,
    /// Time of the pass without keeping its books.
    total: Duration,
}

impl Pass {
    fn percentile_us(&self, percent: usize) -> f64 {
        let at = (self.times.len() * percent / 100).min(self.times.len() - 1);
        self.times[at].as_secs_f64() * 1e6
    }

    fn qps(&self) -> f64 {
        self.times.len() as f64 / self.total.as_secs_f64()
    }
}

/// The rows of one engine: the cheapest setting for each target, or the best there is.
pub fn race(
    engine: Engine,
    index: &Index,
    queries: &Matrix<f32>,
) -> Result<Vec<Row>, Box<dyn Error>> {
    if queries.len() == 0 || queries.dims != index.dims {
        return Err("the queries are not of the index's dimension, or there is none".into());
    }
    let mut scratch = SearchScratch::new();
    let mut sweep: Vec<(Setting, Pass)> = Vec::new();
    for setting in engine.settings() {
        for query in queries.iter().take(WARM_UP) {
            black_box(index.search(query, setting, &mut scratch)?);
        }
        let pass = measure(index, queries, setting, &mut scratch)?;
        eprintln!(
            "  {} {setting:?}: recall@{K} {:.4}, p50 {:.1} µs",
            engine.name(),
            pass.recall,
            pass.percentile_us(50)
        );
        let enough = pass.recall >= ENOUGH;
        sweep.push((setting, pass));
        if enough {
            break;
        }
    }
    let mut rows = Vec::new();
    for target in TARGETS {
        let cheapest = sweep
            .iter()
            .filter(|(_, pass)| pass.recall >= target)
            .min_by(|(_, a), (_, b)| a.percentile_us(50).total_cmp(&b.percentile_us(50)));
        let best = || {
            sweep
                .iter()
                .max_by(|(_, a), (_, b)| a.recall.total_cmp(&b.recall))
        };
        let Some(&(setting, _)) = cheapest.or_else(best) else {
            continue;
        };
        let passes = (0..PASSES)
            .map(|_| measure(index, queries, setting, &mut scratch))
            .collect::<Result<Vec<_>, _>>()?;
        let lowest = |percent| {
            passes
                .iter()
                .map(|pass| pass.percentile_us(percent))
                .fold(f64::INFINITY, f64::min)
        };
        let links = match engine {
            Engine::Scan => 0,
            Engine::Hnsw => index.graph_len,
        };
        let per_vector = |bytes: usize| round(bytes as f64 / index.build.n as f64);
        let graph_s = if engine == Engine::Hnsw {
            index.build.graph_s
        } else {
            0.0
        };
        rows.push(Row {
            engine: engine.name(),
            version: env!("CARGO_PKG_VERSION"),
            runtime: if cfg!(target_family = "wasm") {
                "node"
            } else {
                "native"
            },
            n: index.build.n,
            dims: index.dims,
            recall: passes[0].recall,
            p50_us: round(lowest(50)),
            p99_us: round(lowest(99)),
            qps: passes.iter().map(Pass::qps).fold(0.0, f64::max).round(),
            bytes_per_vector: per_vector(index.codes.len() + index.rows.len() + links),
            build_s: round(index.build.encode_s + graph_s),
            setting,
            target,
            reached: passes[0].recall >= target,
            build_threads: index.build.threads,
            bytes: Bytes {
                codes: per_vector(index.codes.len()),
                links: per_vector(links),
                rows: per_vector(index.rows.len()),
            },
        });
    }
    Ok(rows)
}

fn measure(
    index: &Index,
    queries: &Matrix<f32>,
    setting: Setting,
    scratch: &mut SearchScratch,
) -> Result<Pass, Box<dyn Error>> {
    let mut times = Vec::with_capacity(queries.len());
    let mut total = Duration::ZERO;
    let mut right = 0;
    for (query, truth) in queries.iter().zip(&index.truth) {
        let start = Instant::now();
        let hits = black_box(index.search(black_box(query), setting, scratch)?);
        let time = start.elapsed();
        times.push(time);
        total += time;
        right += hits.iter().filter(|hit| truth.contains(&hit.id)).count();
    }
    times.sort_unstable();
    Ok(Pass {
        recall: right as f64 / (K * times.len()) as f64,
        times,
        total,
    })
}

/// To two decimals, as records keep them.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

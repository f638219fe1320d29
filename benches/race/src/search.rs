//! Searches with one engine: a row of the record for each recall to reach.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use serde::Serialize;

use crate::data::Matrix;
use crate::engine::Engine;
use crate::engine::Files;
use crate::engine::Setting;
use crate::engine::file;
use crate::engine::read;
use crate::measure;
use crate::measure::Task;
use crate::measure::recall_digits;
use crate::measure::round;

const TARGETS: [f64; 2] = [0.95, 0.98];

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the set: queries.f32.npy.
    #[arg(long)]
    pub data: PathBuf,
    /// Folder written by `build`.
    #[arg(long)]
    pub index: PathBuf,
    /// How to search.
    #[arg(long, value_enum)]
    pub engine: Engine,
    /// Use the first so many queries.
    #[arg(long, default_value_t = usize::MAX)]
    pub queries: usize,
    /// What runs this program, for the rows: native, node or chromium.
    #[arg(long, default_value = "native")]
    pub runtime: String,
}

impl Args {
    /// The queries, checked against the dimension of the index.
    pub fn queries(&self, dims: usize) -> Result<Matrix<f32>, Box<dyn Error>> {
        let path = self.data.join("queries.f32.npy");
        let queries = Matrix::read_f32(&path, self.queries)?;
        if queries.len() == 0 || queries.dims != dims {
            let problem = "has no queries of the index's dimension";
            return Err(format!("{}: {problem}, {dims}", path.display()).into());
        }
        Ok(queries)
    }
}

/// One line of the record.
#[derive(Debug, Serialize)]
struct Row<'a> {
    engine: String,
    version: &'static str,
    runtime: &'a str,
    n: usize,
    dims: usize,
    recall: f64,
    p50_us: f64,
    p99_us: f64,
    qps: f64,
    bytes_per_vector: f64,
    build_s: f64,
    load_ms: f64,
    setting: Setting,
    target: f64,
    reached: bool,
    build_threads: usize,
    bytes: &'a BTreeMap<&'static str, f64>,
    /// Setting, recall, median: what no other setting beats in both.
    sweep: &'a [(String, f64, f64)],
}

pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let truth: Vec<Vec<u32>> = serde_json::from_slice(&read(&args.index, file::TRUTH)?)?;
    let files = Files::read(&args.index, args.engine)?;
    let (build, bytes) = (files.build.clone(), files.bytes());
    let first = Matrix::read_f32(&args.data.join("queries.f32.npy"), 1)?;
    // Opening is timed before anything else has run, as in a page that has just loaded its index.
    let start = Instant::now();
    let mut index = files.open()?;
    index.search(&first.rows, args.engine.usual(), None)?;
    let load_ms = start.elapsed().as_secs_f64() * 1e3;

    let queries = args.queries(index.dims())?;
    let task = Task {
        queries: &queries,
        truth: &truth,
        allowed: None,
    };
    let tried = measure::sweep(task, &mut index)?;
    let sweep: Vec<(String, f64, f64)> = measure::front(&tried)
        .into_iter()
        .map(|tried| {
            (
                tried.setting.to_string(),
                recall_digits(tried.recall),
                round(tried.p50_us),
            )
        })
        .collect();
    let structure_s = build.structure_s.get(&args.engine.name());
    for target in TARGETS {
        let Some(chosen) = measure::cheapest(&tried, target) else {
            continue;
        };
        let timing = measure::time(task, &mut index, chosen.setting)?;
        let row = Row {
            engine: args.engine.name(),
            version: env!("CARGO_PKG_VERSION"),
            runtime: &args.runtime,
            n: build.n,
            dims: index.dims(),
            recall: recall_digits(timing.recall),
            p50_us: timing.p50_us,
            p99_us: timing.p99_us,
            qps: timing.qps,
            bytes_per_vector: round(bytes.values().sum()),
            build_s: round(build.encode_s + structure_s.unwrap_or(&0.0)),
            load_ms: round(load_ms),
            setting: chosen.setting,
            target,
            reached: timing.recall >= target,
            build_threads: build.threads,
            bytes: &bytes,
            sweep: &sweep,
        };
        println!("{}", serde_json::to_string(&row)?);
    }
    Ok(())
}

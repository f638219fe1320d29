//! Builds the index files of the race and the exact answers.

use std::error::Error;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use coracle::bytes::Writer;
use coracle::executor::Executor;
use coracle::graph;
use coracle::graph::GraphParams;
use coracle::vector::Metric;
use coracle::vector::Quantizer;
use coracle::vector::binary::BinaryWriter;
use indicatif::ProgressBar;
use rayon::prelude::IndexedParallelIterator;
use rayon::prelude::IntoParallelIterator;
use rayon::prelude::ParallelIterator;
use rayon::prelude::ParallelSlice;

use crate::K;
use crate::data::Matrix;
use crate::engine::BuildReport;
use crate::engine::file;

/// Seed of the rotation.
const SEED: u64 = 1;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Folder of the set: base.f16.npy, queries.f32.npy, gt100.i32.npy.
    #[arg(long)]
    data: PathBuf,
    /// Folder to write to.
    #[arg(long)]
    index: PathBuf,
    /// Index the first so many rows; exact answers are then computed, not read.
    #[arg(long, default_value_t = usize::MAX)]
    n: usize,
    /// Threads of the build; 0 for all cores.
    #[arg(long, default_value_t = 0)]
    threads: usize,
}

/// The threads of the global pool.
struct Threads;

impl Executor for Threads {
    fn map<T, F>(&self, count: usize, task: F) -> Vec<T>
    where
        T: Send,
        F: Fn(usize) -> T + Send + Sync,
    {
        (0..count).into_par_iter().map(task).collect()
    }
}

pub fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build_global()?;
    let base = Matrix::read_f16(&args.data.join("base.f16.npy"), args.n)?;
    let queries = Matrix::read_f32(&args.data.join("queries.f32.npy"), usize::MAX)?;
    if base.dims != queries.dims {
        return Err("base.f16.npy and queries.f32.npy differ in dimension".into());
    }
    std::fs::create_dir_all(&args.index)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = args.index.join(name);
        std::fs::write(&path, bytes).map_err(|error| format!("{}: {error}", path.display()))
    };

    eprintln!(
        "  exact neighbours of {} queries among {} rows",
        queries.len(),
        base.len()
    );
    let truth = truth(&args.data, &base, &queries)?;
    write(file::TRUTH, &serde_json::to_vec(&truth)?)?;

    let start = Instant::now();
    let quantizer = Quantizer::train(Metric::Cosine, base.dims, SEED, base.iter())?;
    let codes = base
        .rows
        .par_chunks_exact(base.dims)
        .map(|row| quantizer.encode_row(row))
        .collect::<Result<Vec<_>, _>>()?;
    let mut blocks = BinaryWriter::new(quantizer.code_dim());
    let mut rows: Vec<i8> = Vec::with_capacity(base.len() * quantizer.code_dim());
    for code in &codes {
        blocks.push(code);
        rows.extend_from_slice(&code.int8);
    }
    let encode_s = start.elapsed().as_secs_f64();
    eprintln!("  {} rows encoded in {encode_s:.2} s", base.len());

    let bar = ProgressBar::new(base.len() as u64).with_message("graph");
    bar.enable_steady_tick(Duration::from_millis(250));
    let start = Instant::now();
    let graph = graph::build(
        &rows,
        quantizer.code_dim(),
        &GraphParams::default(),
        &Threads,
        &mut |done, _| bar.set_position(done as u64),
    )?;
    let graph_s = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let threads = rayon::current_num_threads();
    eprintln!("  graph built in {graph_s:.2} s on {threads} threads");

    let mut writer = Writer::new();
    quantizer.write(&mut writer);
    write(file::QUANTIZER, &writer.into_bytes())?;
    let mut writer = Writer::new();
    graph.write(&mut writer);
    write(file::GRAPH, &writer.into_bytes())?;
    write(file::CODES, &blocks.into_bytes())?;
    let rows: Vec<u8> = rows.into_iter().map(|code| code as u8).collect();
    write(file::ROWS, &rows)?;
    let report = BuildReport {
        n: base.len(),
        threads,
        encode_s,
        graph_s,
    };
    write(file::BUILD, &serde_json::to_vec(&report)?)?;
    Ok(())
}

/// The exact `K` nearest rows of each query: those that came with the set for all its rows, else
/// by comparing everything with everything.
fn truth(
    data: &Path,
    base: &Matrix<f32>,
    queries: &Matrix<f32>,
) -> Result<Vec<Vec<u32>>, Box<dyn Error>> {
    if base.len() == base.rows_in_file {
        let ids = Matrix::read_ids(&data.join("gt100.i32.npy"))?;
        return Ok(ids
            .iter()
            .map(|ids| ids[..K.min(ids.len())].to_vec())
            .collect());
    }
    let exact = |query: &[f32]| {
        let mut scores: Vec<(f32, u32)> = base
            .iter()
            .zip(0..)
            .map(|(row, id)| (-inner_product(row, query), id))
            .collect();
        let by_score = |a: &(f32, u32), b: &(f32, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if scores.len() > K {
            scores.select_nth_unstable_by(K, by_score);
            scores.truncate(K);
        }
        scores.into_iter().map(|(_, id)| id).collect()
    };
    Ok(queries
        .rows
        .par_chunks_exact(queries.dims)
        .with_min_len(8)
        .map(exact)
        .collect())
}

/// In eight sums side by side, which compilers turn into vector instructions.
fn inner_product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    for (a, b) in a.chunks(8).zip(b.chunks(8)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum()
}

//! Builds the index files of the race and the exact answers.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use clap::ValueEnum;
use coracle::bytes::Writer;
use coracle::cells;
use coracle::cells::CellParams;
use coracle::executor::Executor;
use coracle::graph;
use coracle::graph::GraphParams;
use coracle::vector::Metric;
use coracle::vector::Quantizer;
use coracle::vector::binary::BinaryWriter;
use indicatif::ProgressBar;
use rayon::prelude::IntoParallelIterator;
use rayon::prelude::ParallelIterator;
use rayon::prelude::ParallelSlice;

use crate::K;
use crate::data::Matrix;
use crate::engine::BuildReport;
use crate::engine::Engine;
use crate::engine::file;
use crate::exact;
use crate::filter;
use crate::filter::FilteredTruth;

/// Seed of the rotation.
const SEED: u64 = 1;

/// Seed of the noise of perturbed copies.
const COPIES_SEED: u64 = 2;

/// Queries with exact answers under filters.
const FILTERED_QUERIES: usize = 500;

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
    /// Add so many perturbed copies of every row.
    #[arg(long, default_value_t = 0)]
    copies: usize,
    /// Prepare exact answers to the first so many queries.
    #[arg(long, default_value_t = usize::MAX)]
    queries: usize,
    /// Build for these engines (default: all).
    #[arg(long, value_enum, value_delimiter = ',')]
    engines: Vec<Engine>,
    /// Compute exact answers under filters as well.
    #[arg(long)]
    filtered: bool,
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
    let mut base = Matrix::read_f16(&args.data.join("base.f16.npy"), args.n)?;
    let mut queries = Matrix::read_f32(&args.data.join("queries.f32.npy"), args.queries)?;
    if base.dims != queries.dims {
        return Err("base.f16.npy and queries.f32.npy differ in dimension".into());
    }
    base.grow(args.copies, COPIES_SEED);
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
    if args.filtered {
        queries.rows.truncate(FILTERED_QUERIES * queries.dims);
        let truth = filtered_truth(&base, &queries);
        write(file::FILTERED, &serde_json::to_vec(&truth)?)?;
    }

    let codes = Codes::encode(base)?;
    eprintln!("  {} rows encoded in {:.2} s", codes.n, codes.seconds);
    let mut writer = Writer::new();
    codes.quantizer.write(&mut writer);
    write(file::QUANTIZER, &writer.into_bytes())?;
    write(file::CODES, &codes.blocks)?;
    write(file::ROWS, bytemuck::cast_slice(&codes.rows))?;

    let mut structure_s = BTreeMap::new();
    let wanted = |engine: &Engine| args.engines.is_empty() || args.engines.contains(engine);
    for &engine in Engine::value_variants()
        .iter()
        .filter(|engine| wanted(engine))
    {
        let Some(built) = codes.structure(engine)? else {
            continue;
        };
        eprintln!("  {} built in {:.2} s", engine.name(), built.seconds);
        write(&built.file, &built.bytes)?;
        structure_s.insert(engine.name(), built.seconds);
    }
    let report = BuildReport {
        n: codes.n,
        threads: rayon::current_num_threads(),
        encode_s: codes.seconds,
        structure_s,
    };
    write(file::BUILD, &serde_json::to_vec(&report)?)?;
    Ok(())
}

/// What an engine has beside the codes, as it is written.
struct Structure {
    file: String,
    bytes: Vec<u8>,
    /// Time of the build, without writing to `bytes`.
    seconds: f64,
}

/// Both codes of all rows, from which every engine's structure is made.
struct Codes {
    n: usize,
    quantizer: Quantizer,
    /// 1-bit codes in blocks.
    blocks: Vec<u8>,
    /// int8 codes, row-major.
    rows: Vec<i8>,
    /// Time of training and encoding.
    seconds: f64,
}

impl Codes {
    fn encode(base: Matrix<f32>) -> Result<Self, Box<dyn Error>> {
        let start = Instant::now();
        let quantizer = Quantizer::train(Metric::Cosine, base.dims, SEED, base.iter())?;
        let codes = base
            .rows
            .par_chunks_exact(base.dims)
            .map(|row| quantizer.encode_row(row))
            .collect::<Result<Vec<_>, _>>()?;
        let mut blocks = BinaryWriter::new(quantizer.code_dim());
        let mut rows = Vec::with_capacity(base.len() * quantizer.code_dim());
        for code in &codes {
            blocks.push(code);
            rows.extend_from_slice(&code.int8);
        }
        Ok(Self {
            n: base.len(),
            quantizer,
            blocks: blocks.into_bytes(),
            rows,
            seconds: start.elapsed().as_secs_f64(),
        })
    }

    /// Builds what `engine` has beside the codes: nothing for the scan.
    fn structure(&self, engine: Engine) -> Result<Option<Structure>, Box<dyn Error>> {
        if engine == Engine::Scan {
            return Ok(None);
        }
        let bar = ProgressBar::new_spinner().with_message(engine.name());
        bar.enable_steady_tick(Duration::from_millis(250));
        let progress = &mut |done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        };
        let mut writer = Writer::new();
        let start = Instant::now();
        let (file, seconds) = match engine.copies() {
            Some(copies) => {
                let params = CellParams::with_copies(copies);
                let cells = cells::build(&self.rows, &self.quantizer, &params, &Threads, progress)?;
                let seconds = start.elapsed();
                cells.write(&mut writer);
                (file::cells(copies), seconds)
            }
            None => {
                let (dim, params) = (self.quantizer.code_dim(), GraphParams::default());
                let graph = graph::build(&self.rows, dim, &params, &Threads, progress)?;
                let seconds = start.elapsed();
                graph.write(&mut writer);
                (file::GRAPH.into(), seconds)
            }
        };
        bar.finish_and_clear();
        Ok(Some(Structure {
            file,
            bytes: writer.into_bytes(),
            seconds: seconds.as_secs_f64(),
        }))
    }
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
            .take(queries.len())
            .map(|ids| ids[..K.min(ids.len())].to_vec())
            .collect());
    }
    Ok(exact::nearest(base, queries, &[None]).remove(0))
}

/// The exact nearest rows under each of the random filters.
fn filtered_truth(base: &Matrix<f32>, queries: &Matrix<f32>) -> Vec<FilteredTruth> {
    let filters = filter::SHARES.map(|share| filter::random(base.len(), share));
    let filters = filters.each_ref().map(|words| Some(words.as_slice()));
    let truths = exact::nearest(base, queries, &filters);
    let shares = filter::SHARES.into_iter();
    shares
        .zip(truths)
        .map(|(share, truth)| FilteredTruth { share, truth })
        .collect()
}

//! Measures Coracle's vector search: recall, time, bytes.
//!
//! `build` turns embeddings into index files and exact answers; `search` loads them in a fresh
//! process, native or WebAssembly under WASI, and prints one JSON row for each recall to reach.
//! `race.mjs` runs both beside the peers; the method is described in `benches/README.md`.

// This program's output is its purpose.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[cfg(not(target_family = "wasm"))]
mod build;
mod data;
mod engine;
mod kernels;
mod measure;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;

/// Neighbours asked for.
const K: usize = 10;

#[derive(Debug, Parser)]
#[command(about, version)]
struct Args {
    #[command(subcommand)]
    stage: Stage,
}

#[derive(Debug, Subcommand)]
enum Stage {
    /// Builds the index of the first rows and their exact nearest neighbours.
    #[cfg(not(target_family = "wasm"))]
    Build(build::Args),
    /// Measures every kernel against the limit of its instructions and prints one JSON row per line.
    Kernels,
    /// Searches what `build` wrote and prints one JSON row per line.
    Search {
        /// Folder of the set: queries.f32.npy.
        #[arg(long)]
        data: PathBuf,
        /// Folder written by `build`.
        #[arg(long)]
        index: PathBuf,
        /// Use the first so many queries.
        #[arg(long, default_value_t = usize::MAX)]
        queries: usize,
    },
}

fn main() -> ExitCode {
    match run(Args::parse().stage) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coracle-race: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(stage: Stage) -> Result<(), Box<dyn Error>> {
    match stage {
        #[cfg(not(target_family = "wasm"))]
        Stage::Build(args) => build::run(&args),
        Stage::Kernels => {
            for row in kernels::measure() {
                println!("{}", serde_json::to_string(&row)?);
            }
            Ok(())
        }
        Stage::Search {
            data,
            index,
            queries,
        } => {
            let mut queries = data::Matrix::read_f32(&data.join("queries.f32.npy"), queries)?;
            let index = engine::Index::load(&index)?;
            queries.rows.truncate(index.truth.len() * queries.dims);
            for engine in engine::Engine::ALL {
                for row in measure::race(engine, &index, &queries)? {
                    println!("{}", serde_json::to_string(&row)?);
                }
            }
            Ok(())
        }
    }
}

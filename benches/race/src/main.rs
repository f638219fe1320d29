//! Measures Coracle's vector search: recall, time, bytes.
//!
//! `build` turns embeddings into index files and exact answers; `search` loads those of one engine in
//! a fresh process, native or WebAssembly under WASI, and prints one JSON row for each recall to
//! reach; `filtered` does so under random filters. `race.mjs` runs them beside the peers; the method
//! is described in `benches/README.md`.

// This program's output is its purpose.
#![allow(clippy::print_stdout, clippy::print_stderr)]

#[cfg(not(target_family = "wasm"))]
mod build;
mod data;
mod engine;
#[cfg(not(target_family = "wasm"))]
mod exact;
mod filter;
mod filtered;
#[cfg(not(target_family = "wasm"))]
mod grow;
mod kernels;
mod measure;
#[cfg(not(target_family = "wasm"))]
mod perturb;
mod search;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use clap::Subcommand;
use serde::Serialize;

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
    /// Searches what `build` wrote with one engine and prints one JSON row per line.
    Search(search::Args),
    /// Searches under the random filters of `build --filtered` and prints one JSON row per line.
    Filtered(search::Args),
}

fn main() -> ExitCode {
    let done = match Args::parse().stage {
        #[cfg(not(target_family = "wasm"))]
        Stage::Build(args) => build::run(&args),
        Stage::Kernels => print(&kernels::measure()).and_then(|()| print(&kernels::scans()?)),
        Stage::Search(args) => search::run(&args),
        Stage::Filtered(args) => filtered::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("coracle-race: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints one JSON row per line.
fn print<T: Serialize>(rows: &[T]) -> Result<(), Box<dyn Error>> {
    for row in rows {
        println!("{}", serde_json::to_string(row)?);
    }
    Ok(())
}

//! What searches find in the bytes they read, on one line of JSON for each row of the record.
//!
//! ```text
//! docs-100k ── first N, or enlarged ──► build ──► growth, vectors
//! judged collections ─┐
//! docs-100k ──────────┴─ one index ───► build ──► judged
//! ```
//! `npm run cold:growth` runs it, keeps the record and draws it.
//!
//! | file | what |
//! |---|---|
//! | `data.rs` | collections, vectors and answers in files |
//! | `enlarge.rs` | a larger corpus out of the one there is |
//! | `measure.rs` | builds; searches with nothing at hand; recall, overlap, nDCG |

#![allow(clippy::print_stdout, reason = "its output is the result")]

mod data;
mod enlarge;
mod measure;
#[path = "../../race/src/perturb.rs"]
mod perturb;

use clap::Parser;
use clap::Subcommand;
use std::error::Error;
use std::path::Path;
use std::path::PathBuf;

/// What a command comes to.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// Measures searches in indexes of which they read little.
#[derive(Debug, Parser)]
struct Args {
    /// Folder of `docs-100k` and `ir`
    #[arg(long, env = "CORACLE_DATA")]
    data: PathBuf,
    /// Folder for indexes and what is worth keeping between runs
    #[arg(long)]
    work: PathBuf,
    /// Queries
    #[arg(long, default_value_t = 500)]
    queries: usize,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Relevance of judged collections among passages of docs-100k
    Judged {
        /// Passages beside them
        #[arg(long, default_value_t = 100_000)]
        distractors: usize,
    },
    /// An index of so many chunks: its build, and searches by words and meaning; of all passages of
    /// docs-100k also recall against bytes of searches by meaning, by budget of cells
    Growth {
        /// Chunks
        #[arg(long)]
        chunks: usize,
    },
}

fn main() -> Outcome<()> {
    let args = Args::parse();
    let docs = args.data.join("docs-100k");
    let rows = match args.command {
        Command::Judged { distractors } => measure::judged(&args.data, &args.work, distractors)?,
        Command::Growth { chunks } => growth(&docs, &args, chunks)?,
    };
    rows.iter().for_each(|row| println!("{row}"));
    Ok(())
}

/// Passages of docs-100k, whose nearest to the queries are given.
const PASSAGES: usize = 100_000;

/// Budgets of cells that are tried, in bytes.
const BUDGETS: [u64; 8] = [
    8_000, 16_000, 24_000, 32_000, 48_000, 64_000, 96_000, 128_000,
];

fn growth(docs: &Path, args: &Args, chunks: usize) -> Outcome<Vec<serde_json::Value>> {
    let corpus = data::Corpus::read(docs, chunks)?;
    let queries = data::Queries::read(docs, args.queries)?;
    let corpus = match chunks.checked_sub(corpus.texts.len()) {
        Some(more) if more > 0 => enlarge::enlarge(corpus, chunks),
        _ => corpus,
    };
    let truths = measure::Truths::new(&corpus.rows, &queries);
    let documents = corpus.documents();
    drop(corpus);
    let built = measure::build(documents, &args.work.join(format!("growth-{chunks}")))?;
    let mut rows = vec![built.growth(&queries, &truths)?];
    if chunks == PASSAGES {
        let given = data::neighbours(docs, args.queries)?;
        for budget in BUDGETS {
            rows.push(built.vectors(&queries, budget, &truths, Some(&given))?);
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passages of the test: enough for cells, few enough for a test.
    const FEWER: usize = 30_000;

    #[test]
    fn searches_that_read_little_of_an_index_find_most_of_what_there_is() {
        let docs = std::env::var_os("CORACLE_DATA").map(|data| Path::new(&data).join("docs-100k"));
        let Some(docs) = docs.filter(|docs| docs.is_dir()) else {
            println!("skipped: docs-100k is not in CORACLE_DATA");
            return;
        };
        let corpus = data::Corpus::read(&docs, FEWER).unwrap();
        let queries = data::Queries::read(&docs, 200).unwrap();
        let truths = measure::Truths::new(&corpus.rows, &queries);
        let out = std::env::temp_dir().join(format!("coracle-quality-{}", std::process::id()));
        let built = measure::build(corpus.documents(), &out).unwrap();
        let row = built.growth(&queries, &truths).unwrap();
        std::fs::remove_dir_all(&out).unwrap();
        println!("{row}");
        let figure = |name: &str| row[name].as_f64().unwrap();
        assert!(figure("recall_at_10") >= 0.74, "{row}");
        assert!(figure("overlap_at_10") >= 0.90, "{row}");
        assert!(figure("vector_bytes") <= 60_000.0, "{row}");
        assert!(figure("mean_bytes") <= 135_000.0, "{row}");
        assert!(figure("waves") <= 5.0, "{row}");
        assert!(figure("most_waves") <= 7.0, "{row}");
    }
}

//! Collections of `CORACLE_DATA` and indexes of them, built by the command.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;

use clap::Parser;
use coracle_cli::cli::Cli;
use coracle_cli::cli::Command;
use coracle_cli::command::build;
use coracle_cli::report::Reporter;
use coracle_cli::report::Verbosity;
use flate2::read::GzDecoder;

/// A file or folder of `CORACLE_DATA`; says so where it is not there.
pub fn data(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CORACLE_DATA").map(|data| Path::new(&data).join(path));
    let there = folder.filter(|folder| folder.exists());
    if there.is_none() {
        println!("skipped: {path} is not in CORACLE_DATA");
    }
    there
}

/// Documents that answer nothing and are nevertheless in a part of a collection: every fourth.
const KEPT: usize = 4;

/// The documents of a judged collection that the model is to embed: all of a small one. The whole of
/// SciFact would take it minutes and is left to `npm run eval`; here are the documents that are judged,
/// and some of the others.
pub fn corpus(name: &str, folder: &Path) -> PathBuf {
    let whole = folder.join("corpus.jsonl.gz");
    if name != "scifact" {
        return whole;
    }
    let judged = std::fs::read_to_string(folder.join("qrels.tsv")).expect("judgements");
    let judged: BTreeSet<&str> = judged
        .lines()
        .filter_map(|line| line.split('\t').nth(1))
        .collect();
    let corpus = File::open(whole).expect("a corpus");
    let mut kept = String::new();
    for (at, line) in BufReader::new(GzDecoder::new(corpus)).lines().enumerate() {
        let line = line.expect("UTF-8");
        let record: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        let id = record["_id"].as_str().expect("an id");
        if at % KEPT == 0 || judged.contains(id) {
            kept += &(line + "\n");
        }
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-part.jsonl"));
    std::fs::write(&path, kept).expect("a file");
    path
}

/// Builds an index of `input`. Embeddings are kept for the next run and for other programs: one cache
/// for each name, since tests run side by side and a cache belongs to one build at a time.
pub fn index(name: &str, input: &Path, embedder: &str) -> String {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR")).join("collections");
    let out = tmp.join(format!("{name}-{embedder}"));
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let args = Cli::try_parse_from([
        "coracle",
        "build",
        &path(input),
        "--out",
        &path(&out),
        "--embedder",
        embedder,
        "--cache",
        &path(&tmp.join("cache").join(name)),
    ]);
    let Command::Build(args) = args.expect("valid arguments").command else {
        unreachable!()
    };
    let reporter = Reporter::new(Verbosity::Quiet);
    build::build(&args, &reporter).expect("the collection builds");
    path(&out)
}

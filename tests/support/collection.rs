//! Collections of `CORACLE_DATA` and indexes of them, built by the command.

use std::path::Path;
use std::path::PathBuf;

use clap::Parser;
use coracle_cli::cli::Cli;
use coracle_cli::cli::Command;
use coracle_cli::command::build;
use coracle_cli::report::Reporter;
use coracle_cli::report::Verbosity;

/// A file or folder of `CORACLE_DATA`; says so where it is not there.
pub fn data(path: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("CORACLE_DATA").map(|data| Path::new(&data).join(path));
    let there = folder.filter(|folder| folder.exists());
    if there.is_none() {
        println!("skipped: {path} is not in CORACLE_DATA");
    }
    there
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

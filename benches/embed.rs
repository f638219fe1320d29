//! Passages a second of the built-in model, by number of threads, and words counted a second.
//!
//! ```sh
//! cargo bench -p coracle-cli --bench embed [-- FILE]
//! ```
//!
//! `FILE` has one passage per line (UTF-8); without it, passages of about 100 tokens are made from
//! the test texts. Wall time depends on what else runs; passages per CPU second less so.

#![allow(clippy::print_stdout, reason = "its output is the result")]

use std::env;
use std::fs;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Instant;

use coracle_cli::embed::Embedder;
use coracle_cli::embed::MiniLm;
use coracle_cli::embed::TokenCounter;

const PASSAGES: usize = 256;

fn main() {
    let file = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with("--"));
    let text = match &file {
        Some(path) => fs::read_to_string(path).expect("the file named is readable UTF-8"),
        None => made_up(),
    };
    let passages: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();

    let counter = TokenCounter::new().expect("the model is part of the program");
    let begin = (Instant::now(), cpu_seconds());
    let tokens: usize = passages
        .iter()
        .map(|passage| counter.count_tokens(passage))
        .sum();
    let rate = text.len() as f64 / 1e6 / begin.0.elapsed().as_secs_f64();
    print!(
        "count_tokens, {} bytes, {tokens} tokens: {rate:.1} MB/s",
        text.len()
    );
    if let (Some(from), Some(to)) = (begin.1, cpu_seconds()) {
        print!(", {:.1} CPU seconds in all", to - from);
    }
    println!();

    let passages = &passages[..passages.len().min(PASSAGES)];
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    for threads in (0..)
        .map(|n| 1 << n)
        .take_while(|&threads| threads <= cores)
    {
        let model =
            MiniLm::new(NonZeroUsize::new(threads)).expect("the model is part of the program");
        let begin = (Instant::now(), cpu_seconds());
        let rows = model
            .embed(passages, &|_| {})
            .expect("the built-in model does not fail");
        let rate = (rows.len() / model.dim()) as f64 / begin.0.elapsed().as_secs_f64();
        print!("embed, {threads} threads: {rate:.1} passages/s");
        if let (Some(from), Some(to)) = (begin.1, cpu_seconds()) {
            print!(
                ", {:.1} per CPU second",
                passages.len() as f64 / (to - from)
            );
        }
        println!();
    }
}

/// CPU time of this process so far, where the system tells (100 ticks a second on Linux).
fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

/// Passages of about 100 tokens from the sentences of the test texts, each with another beginning.
fn made_up() -> String {
    let texts = include_str!("../tests/native/embed/texts.json");
    let words: Vec<&str> = texts
        .split_whitespace()
        .filter(|word| word.is_ascii())
        .collect();
    let passage = |n: usize| {
        let words = words.iter().cycle().skip(n * 7).take(60).copied();
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    (0..PASSAGES).map(passage).collect()
}

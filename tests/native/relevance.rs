//! nDCG@10 of whole searches on judged collections: built by the command, embedded by the default
//! model, queried offline. Needs `CORACLE_DATA`; see tests/README.md for where the sets come from.

use clap::Parser;
use coracle::search::Engine;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle_cli::cli::Cli;
use coracle_cli::cli::Command;
use coracle_cli::command::build;
use coracle_cli::report::Reporter;
use coracle_cli::report::Verbosity;
use coracle_cli::source::Location;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

fn collection(name: &str) -> Option<PathBuf> {
    let folder =
        std::env::var_os("CORACLE_DATA").map(|data| Path::new(&data).join("ir").join(name));
    match folder.filter(|folder| folder.is_dir()) {
        Some(folder) => Some(folder),
        None => {
            println!("skipped: {name} is not in CORACLE_DATA/ir");
            None
        }
    }
}

/// Builds an index of a collection; embeddings are kept between runs.
fn index(name: &str, folder: &Path, embedder: &str) -> String {
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR")).join("relevance");
    let out = tmp.join(format!("{name}-{embedder}"));
    let args = Cli::try_parse_from([
        "coracle",
        "build",
        folder.join("corpus.jsonl.gz").to_str().expect("UTF-8"),
        "--out",
        out.to_str().expect("UTF-8"),
        "--embedder",
        embedder,
        "--cache",
        // One for each: tests run side by side, and a cache belongs to one build at a time.
        tmp.join("cache").join(name).to_str().expect("UTF-8"),
    ]);
    let Command::Build(args) = args.expect("valid arguments").command else {
        unreachable!()
    };
    let reporter = Reporter::new(Verbosity::Quiet);
    build::build(&args, &reporter).expect("the collection builds");
    out.to_str().expect("UTF-8").to_string()
}

/// Relevant documents by query.
fn qrels(folder: &Path) -> HashMap<String, HashMap<String, f64>> {
    let mut judged: HashMap<String, HashMap<String, f64>> = HashMap::new();
    let text = fs::read_to_string(folder.join("qrels.tsv")).expect("qrels");
    for line in text.lines() {
        let mut fields = line.split('\t');
        let (Some(query), Some(document), Some(grade)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        if let Ok(grade) = grade.trim().parse::<f64>() {
            judged
                .entry(query.into())
                .or_default()
                .insert(document.into(), grade);
        }
    }
    judged
}

fn queries(folder: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(folder.join("queries.jsonl")).expect("queries");
    text.lines()
        .map(|line| {
            let query: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let field = |name: &str| query[name].as_str().expect("text").to_string();
            (field("_id"), field("text"))
        })
        .collect()
}

/// Linear gains and logarithmic discounts, as BEIR computes them.
fn ndcg10(ranked: &[String], relevant: &HashMap<String, f64>) -> f64 {
    let discount = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let gain = |(rank, id): (usize, &String)| relevant.get(id).unwrap_or(&0.0) * discount(rank);
    let got: f64 = ranked.iter().take(10).enumerate().map(gain).sum();
    let mut grades: Vec<f64> = relevant.values().copied().collect();
    grades.sort_by(|a, b| b.total_cmp(a));
    let ideal: f64 = grades
        .iter()
        .take(10)
        .enumerate()
        .map(|(rank, grade)| grade * discount(rank))
        .sum();
    if ideal > 0.0 { got / ideal } else { 0.0 }
}

fn mean_ndcg10(folder: &Path, place: &str, mode: Mode, exact: bool) -> f64 {
    let judged = qrels(folder);
    let engine = pollster::block_on(Engine::open(
        Location::open(place).expect("a folder"),
        64 << 20,
    ))
    .expect("an index");
    let options = SearchOptions {
        mode,
        exact,
        ..SearchOptions::default()
    };
    let mut sum = 0.0;
    let mut count = 0;
    for (id, text) in queries(folder) {
        let Some(relevant) = judged.get(&id) else {
            continue;
        };
        let found = pollster::block_on(engine.search(&text, &options)).expect("a result");
        let ranked: Vec<String> = found.hits.into_iter().map(|hit| hit.id).collect();
        sum += ndcg10(&ranked, relevant);
        count += 1;
    }
    sum / f64::from(count.max(1))
}

/// Keyword, vector and hybrid nDCG@10 of a collection.
fn figures(name: &str) -> Option<[f64; 3]> {
    let folder = collection(name)?;
    let place = index(name, &folder, "default");
    let figures = [Mode::Keyword, Mode::Vector, Mode::Hybrid]
        .map(|mode| mean_ndcg10(&folder, &place, mode, false));
    let exact = mean_ndcg10(&folder, &place, Mode::Hybrid, true);
    println!(
        "{name}: keyword {:.4}, vector {:.4}, hybrid {:.4}, with all cells {exact:.4}",
        figures[0], figures[1], figures[2]
    );
    assert!(figures[2] > exact - 0.015, "{figures:?}, {exact}");
    Some(figures)
}

#[test]
fn code_questions_by_words_alone_reach_0_70() {
    let Some(folder) = collection("tech-code") else {
        return;
    };
    let keyword = mean_ndcg10(
        &folder,
        &index("tech-code", &folder, "none"),
        Mode::Keyword,
        false,
    );
    println!("tech-code: keyword {keyword:.4}");
    assert!(keyword >= 0.70, "{keyword:.4}");
}

#[test]
fn scifact_offline_hybrid_gains_on_words() {
    let Some([keyword, vector, hybrid]) = figures("scifact") else {
        return;
    };
    assert!(keyword >= 0.67, "{keyword:.4}");
    assert!(vector >= 0.60, "{vector:.4}");
    assert!(hybrid >= keyword + 0.02, "{hybrid:.4} after {keyword:.4}");
}

#[test]
fn documentation_offline_hybrid_gains_on_words() {
    let Some([keyword, vector, hybrid]) = figures("tech-docs") else {
        return;
    };
    assert!(keyword >= 0.69, "{keyword:.4}");
    assert!(vector >= 0.65, "{vector:.4}");
    assert!(hybrid >= keyword + 0.02, "{hybrid:.4} after {keyword:.4}");
}

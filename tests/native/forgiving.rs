//! What a search forgives: typing errors, unfinished words, questions in whole sentences; and that exact
//! words stay first for it. Needs `CORACLE_DATA`; see tests/README.md for where the data comes from.
//!
//! Every figure is a share of the queries that find their page among the first five as they are.

#[path = "../support/collection.rs"]
mod collection;

use collection::data;
use collection::index;
use coracle::search::Engine;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle::store::Source;
use coracle::text::Analyzer;
use coracle::text::Language;
use coracle_cli::evaluate;
use coracle_cli::evaluate::Question;
use coracle_cli::evaluate::judged;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

/// Hits among which a page counts as found.
const FOUND: usize = 5;

/// Queries of a set at most.
const QUERIES: usize = 250;

const SEED: u64 = 7;

/// A query and the documents that answer it.
struct Query {
    text: String,
    pages: BTreeSet<String>,
}

/// The index of the C++ documentation, built once for all tests: what `CORACLE_CPP_INDEX` names, else
/// one by words alone.
fn cpp() -> Option<String> {
    static PLACE: OnceLock<Option<String>> = OnceLock::new();
    PLACE.get_or_init(cpp_index).clone()
}

fn cpp_index() -> Option<String> {
    if let Ok(place) = std::env::var("CORACLE_CPP_INDEX") {
        return Some(place);
    }
    let archive = data("cpp-docs/site.tar.xz")?;
    let site = Path::new(env!("CARGO_TARGET_TMPDIR")).join("forgiving/site");
    if !site.is_dir() {
        let unfinished = site.with_extension("unfinished");
        std::fs::create_dir_all(&unfinished).expect("a folder");
        let tar = std::process::Command::new("tar")
            .args(["-xJf", archive.to_str().expect("UTF-8"), "-C"])
            .arg(&unfinished)
            .status();
        assert!(tar.is_ok_and(|status| status.success()), "tar");
        std::fs::rename(unfinished, &site).expect("a folder");
    }
    Some(index("cpp", &site, "none"))
}

fn judged(name: &str) -> Option<(String, Vec<Query>)> {
    let folder = data(&format!("ir/{name}"))?;
    let place = index(name, &collection::corpus(name, &folder), "default");
    let (queries, qrels) = (folder.join("queries.jsonl"), folder.join("qrels.tsv"));
    Some((place, read_queries(&queries, &qrels)))
}

/// Titles of pages, evenly taken.
fn titles<S: Source>(engine: &Engine<S>) -> Vec<Query> {
    let chunks = engine.root().counts.chunks;
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut random = fastrand::Rng::with_seed(SEED);
    while found.len() < QUERIES {
        let chunk = random.u32(..chunks);
        let (_, page) = pollster::block_on(engine.passage(chunk)).expect("a passage");
        if !words(&page.title).is_empty() && seen.insert(page.id.clone()) {
            found.push(Query {
                text: page.title,
                pages: BTreeSet::from([page.id]),
            });
        }
    }
    found
}

fn rank<S: Source>(
    engine: &Engine<S>,
    query: &Query,
    text: &str,
    mode: Mode,
    prefix: bool,
) -> Option<usize> {
    let options = SearchOptions {
        mode,
        prefix,
        ..SearchOptions::default()
    };
    let found = pollster::block_on(engine.search(text, &options)).expect("a result");
    found
        .hits
        .iter()
        .position(|hit| query.pages.contains(&hit.id))
}

fn finds<S: Source>(
    engine: &Engine<S>,
    query: &Query,
    text: &str,
    mode: Mode,
    prefix: bool,
) -> bool {
    rank(engine, query, text, mode, prefix).is_some_and(|rank| rank < FOUND)
}

/// Whether the index has all words of the query.
fn is_spelt_right<S: Source>(engine: &Engine<S>, text: &str) -> bool {
    let found = pollster::block_on(engine.search(text, &SearchOptions::default()));
    found.expect("a result").corrections.is_empty()
}

/// Words of five letters or more.
fn words(text: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match start {
            None if c.is_ascii_alphabetic() => start = Some(at),
            Some(from) if !c.is_ascii_alphabetic() => {
                if at - from >= 5 {
                    words.push(from..at);
                }
                start = None;
            }
            _ => {}
        }
    }
    words
}

const EDITS: [&str; 4] = ["insertion", "deletion", "substitution", "transposition"];

/// The word with one edit at any place, the first letter included.
fn mistyped(word: &str, edit: usize, random: &mut fastrand::Rng) -> String {
    loop {
        let mut letters: Vec<char> = word.chars().collect();
        let at = random.usize(..letters.len());
        match edit {
            0 => letters.insert(random.usize(..=letters.len()), random.lowercase()),
            1 => drop(letters.remove(at)),
            2 => letters[at] = random.lowercase(),
            _ => {
                let at = random.usize(..letters.len() - 1);
                letters.swap(at, at + 1);
            }
        }
        let typed = String::from_iter(letters);
        if !typed.eq_ignore_ascii_case(word) {
            return typed;
        }
    }
}

/// The share of mistyped queries that find what the queries find.
fn typos<S: Source>(name: &str, engine: &Engine<S>, queries: &[Query], mode: Mode) -> f64 {
    let says = std::env::var_os("CORACLE_SAYS").is_some();
    let mut random = fastrand::Rng::with_seed(SEED);
    let (mut all, mut found, mut by_edit) = (0, 0, [(0, 0); 4]);
    for query in queries {
        let words = words(&query.text);
        // What has an error already would have two.
        let clean = !words.is_empty()
            && is_spelt_right(engine, &query.text)
            && finds(engine, query, &query.text, mode, false);
        for edit in 0..EDITS.len() {
            if words.is_empty() {
                continue;
            }
            let word = words[random.usize(..words.len())].clone();
            let typed = mistyped(&query.text[word.clone()], edit, &mut random);
            if !clean {
                continue;
            }
            let mut text = query.text.clone();
            text.replace_range(word, &typed);
            all += 1;
            by_edit[edit].0 += 1;
            if finds(engine, query, &text, mode, false) {
                found += 1;
                by_edit[edit].1 += 1;
            } else if says {
                let options = SearchOptions {
                    mode,
                    ..SearchOptions::default()
                };
                let got = pollster::block_on(engine.search(&text, &options)).expect("a result");
                println!("  {:?} for {:?}: {:?}", text, query.text, got.corrections);
            }
        }
    }
    let share = found as f64 / all as f64;
    let by_edit = by_edit.map(|(all, found)| format!("{:.3}", found as f64 / all as f64));
    println!(
        "{name} {mode:?}: {found} of {all} mistyped queries, {share:.4}; by edit {EDITS:?} {by_edit:?}"
    );
    share
}

/// The share of queries that still find their page when their last word has only four letters yet.
fn prefixes<S: Source>(name: &str, engine: &Engine<S>, queries: &[Query], mode: Mode) -> f64 {
    let says = std::env::var_os("CORACLE_SAYS").is_some();
    let (mut all, mut found) = (0, 0);
    for query in queries {
        let Some(last) = words(&query.text).pop() else {
            continue;
        };
        // What stands before tells which of the words that begin so is meant.
        if query.text[..last.start].split_whitespace().count() == 0 {
            continue;
        }
        let (whole, cut) = (&query.text[..last.end], &query.text[..last.start + 4]);
        if !finds(engine, query, whole, mode, false) {
            continue;
        }
        all += 1;
        if finds(engine, query, cut, mode, true) {
            found += 1;
        } else if says {
            println!("  {cut:?} for {:?}", query.text);
        }
    }
    let share = found as f64 / all as f64;
    println!("{name} {mode:?}: {found} of {all} unfinished queries, {share:.4}");
    share
}

/// Two neighbouring words, each in at most a hundredth of the chunks, that stand in one page's chunks
/// together and in no other page's; that page is expected first. The mean reciprocal rank.
fn pairs<S: Source>(name: &str, engine: &Engine<S>, modes: &[Mode]) -> Vec<f64> {
    let analyzer = Analyzer::new(Language::English);
    let chunks = engine.root().counts.chunks;
    let mut lists: BTreeMap<String, Vec<u32>> = BTreeMap::new();
    let mut pages = Vec::new();
    let mut candidates = Vec::new();
    let mut random = fastrand::Rng::with_seed(SEED);
    for chunk in 0..chunks {
        let (passage, page) = pollster::block_on(engine.passage(chunk)).expect("a passage");
        let mut of_chunk = BTreeSet::new();
        for text in [&page.title, &passage.headings.join(" . "), &passage.text] {
            of_chunk.extend(
                analyzer
                    .query_terms(text)
                    .terms
                    .into_iter()
                    .map(|term| term.term),
            );
        }
        for term in of_chunk {
            lists.entry(term).or_default().push(chunk);
        }
        let headed = format!("{} . {}", page.title, passage.headings.join(" . "));
        let text = if random.bool() {
            headed
        } else {
            passage.text.clone()
        };
        let words: Vec<&str> = text.split(' ').collect();
        let plain = |word: &str| word.len() >= 4 && word.bytes().all(|c| c.is_ascii_lowercase());
        let two: Vec<&[&str]> = words
            .windows(2)
            .filter(|two| two.iter().all(|word| plain(word)))
            .collect();
        if !two.is_empty() {
            let two = two[random.usize(..two.len())];
            candidates.push(two.join(" "));
        }
        pages.push(page.id);
    }
    random.shuffle(&mut candidates);
    let mut queries = Vec::new();
    for text in candidates {
        let terms = analyzer.query_terms(&text).terms;
        let [a, b] = &terms[..] else { continue };
        // Stop words are terms of a query that has nothing else, but not of most texts.
        if analyzer
            .query_terms(&format!("{text} unstopped"))
            .terms
            .len()
            < 3
        {
            continue;
        }
        let (Some(a), Some(b)) = (lists.get(&a.term), lists.get(&b.term)) else {
            continue;
        };
        if a.len().max(b.len()) > chunks as usize / 100 + 10 {
            continue;
        }
        let both: BTreeSet<&String> = a
            .iter()
            .filter(|chunk| b.binary_search(chunk).is_ok())
            .map(|&chunk| &pages[chunk as usize])
            .collect();
        let is_new = queries.iter().all(|query: &Query| query.text != text);
        if both.len() == 1 && is_new {
            queries.push(Query {
                text,
                pages: both.into_iter().cloned().collect(),
            });
        }
        if queries.len() == QUERIES {
            break;
        }
    }
    let says = std::env::var_os("CORACLE_SAYS").is_some();
    modes
        .iter()
        .map(|&mode| {
            let mut sum = 0.0;
            for query in &queries {
                let rank = rank(engine, query, &query.text, mode, false);
                sum += rank.map_or(0.0, |rank| 1.0 / (rank + 1) as f64);
                if says && rank != Some(0) {
                    println!("  {:?}: {rank:?}, expected {:?}", query.text, query.pages);
                }
            }
            let mrr = sum / queries.len() as f64;
            println!(
                "{name} {mode:?}: MRR of {} pairs of words {mrr:.4}",
                queries.len()
            );
            mrr
        })
        .collect()
}

fn modes<S: Source>(engine: &Engine<S>) -> Vec<Mode> {
    match engine.root().vectors {
        Some(_) => vec![Mode::Keyword, Mode::Hybrid],
        None => vec![Mode::Keyword],
    }
}

fn read_queries(queries: &Path, qrels: &Path) -> Vec<Query> {
    let questions = judged::read(queries, qrels).expect("questions");
    let query = |question: Question| {
        let grades = question.grades.into_iter();
        Query {
            text: question.text,
            pages: grades
                .filter(|&(_, grade)| grade > 0.0)
                .map(|(page, _)| page)
                .collect(),
        }
    };
    questions.into_iter().take(QUERIES).map(query).collect()
}

/// The questions on the C++ documentation and the pages that answer them.
fn cpp_questions() -> Vec<Query> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/eval/cpp-docs");
    read_queries(&folder.join("queries.jsonl"), &folder.join("qrels.tsv"))
}

#[test]
fn cpp_titles_are_first_and_found_with_an_edit_or_an_unfinished_word() {
    let Some(place) = cpp() else { return };
    let engine = evaluate::open(&place).expect("an index");
    let queries = titles(&engine);
    for mode in modes(&engine) {
        let ranks = |query: &Query| rank(&engine, query, &query.text, mode, false);
        let first = queries
            .iter()
            .filter(|query| ranks(query) == Some(0))
            .count();
        println!("cpp {mode:?}: {first} of {} titles first", queries.len());
        let least = if mode == Mode::Hybrid { 0.97 } else { 0.98 };
        assert!(first as f64 >= least * queries.len() as f64);
        assert!(typos("cpp titles", &engine, &queries, mode) >= 0.98);
        let unfinished = prefixes("cpp titles", &engine, &queries, mode);
        assert!(unfinished >= 0.97, "{unfinished}");
    }
}

#[test]
fn cpp_questions_find_their_pages() {
    let Some(place) = cpp() else { return };
    let engine = evaluate::open(&place).expect("an index");
    let queries = cpp_questions();
    let says = std::env::var_os("CORACLE_SAYS").is_some();
    for mode in modes(&engine) {
        let mut found = 0;
        for query in &queries {
            let is_found = finds(&engine, query, &query.text, mode, false);
            found += usize::from(is_found);
            if says && !is_found {
                println!("  not found: {}", query.text);
            }
        }
        let share = found as f64 / queries.len() as f64;
        println!(
            "cpp questions {mode:?}: {found} of {} found, {share:.3}",
            queries.len()
        );
        assert!(
            share >= if mode == Mode::Hybrid { 0.85 } else { 0.75 },
            "{share}"
        );
        let mistyped = typos("cpp questions", &engine, &queries, mode);
        assert!(mistyped >= 0.98, "{mistyped}");
    }
}

#[test]
fn cpp_pairs_of_words_of_one_page_put_it_first() {
    let Some(place) = cpp() else { return };
    let engine = evaluate::open(&place).expect("an index");
    // Where more than ten chunks hold both words, as of one long page here, meaning counts as well.
    for mrr in pairs("cpp", &engine, &modes(&engine)) {
        assert!(mrr >= 0.99, "{mrr}");
    }
}

#[test]
fn judged_questions_are_answered_with_an_edit_or_an_unfinished_word() {
    for name in ["scifact", "tech-docs"] {
        let Some((place, queries)) = judged(name) else {
            return;
        };
        let engine = evaluate::open(&place).expect("an index");
        for mode in modes(&engine) {
            assert!(typos(name, &engine, &queries, mode) >= 0.99);
            assert!(prefixes(name, &engine, &queries, mode) >= 0.97);
        }
        for mrr in pairs(name, &engine, &modes(&engine)) {
            assert!(mrr >= 0.995, "{mrr}");
        }
    }
}

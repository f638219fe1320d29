//! Holds keyword search to the judged collections: nDCG@10 as BEIR counts it (linear gains, log2
//! discount, queries without a judgment left out).
//!
//! Needs the collections: `CORACLE_DATA=/path/to/data cargo test -p coracle-cli --test relevance_words`.
//! Without the variable there is nothing to measure and the tests say so.

#![expect(clippy::print_stderr, reason = "shows what was measured")]

use coracle::bytes::Writer;
use coracle::document::Chunk;
use coracle::document::Document;
use coracle::index::deflate;
use coracle::postings::Clause;
use coracle::postings::WEIGHT_ONE;
use coracle::postings::WeightedList;
use coracle::postings::top_k;
use coracle::text::Language;
use coracle_cli::evaluate::Question;
use coracle_cli::evaluate::judged;
use coracle_cli::evaluate::metrics;
use coracle_cli::indexer;
use coracle_cli::languages::Languages;
use coracle_cli::languages::detect;
use coracle_cli::report::Reporter;
use coracle_cli::report::Verbosity;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;

/// A judged collection.
struct Collection {
    documents: Vec<(String, String)>,
    questions: Vec<Question>,
}

fn read(folder: &Path) -> Collection {
    let corpus = File::open(folder.join("corpus.jsonl.gz")).unwrap();
    let document = |line: std::io::Result<String>| {
        let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let field = |name: &str| record[name].as_str().unwrap().to_owned();
        (field("_id"), field("text"))
    };
    let (queries, qrels) = (folder.join("queries.jsonl"), folder.join("qrels.tsv"));
    Collection {
        documents: BufReader::new(GzDecoder::new(corpus))
            .lines()
            .map(document)
            .collect(),
        questions: judged::read(&queries, &qrels).unwrap(),
    }
}

/// A document of one chunk.
fn document((id, text): &(String, String)) -> Document {
    Document {
        id: id.clone(),
        url: String::new(),
        title: String::new(),
        language: String::new(),
        weight: 1.0,
        meta: BTreeMap::new(),
        chunks: vec![Chunk {
            headings: Vec::new(),
            anchor: String::new(),
            span: 0..0,
            tokens: 0,
            text: text.clone(),
            embedding: None,
        }],
    }
}

/// Mean nDCG@10 of keyword search over whole documents; `None` without data.
fn measure(name: &str) -> Option<f64> {
    let Some(data) = std::env::var_os("CORACLE_DATA") else {
        eprintln!("CORACLE_DATA is not set: {name} was not measured");
        return None;
    };
    let collection = read(&Path::new(&data).join("ir").join(name));
    let documents: Vec<Document> = collection.documents.iter().map(document).collect();
    let (codes, of_documents) = detect::languages(&documents);
    let reporter = Reporter::new(Verbosity::Quiet);
    let words = Languages::learn(&documents, &codes, of_documents, &[], &reporter);
    let analyzer = &words.analyzer;
    let postings = indexer::postings(&words, &documents, &reporter);
    let mut bytes = Writer::new();
    Language::write_all(analyzer.languages(), &mut bytes);
    let bytes = deflate(&bytes.into_bytes()).len();
    let count = postings.posting_count();
    eprintln!("{name}: languages {codes:?} in {bytes} bytes, {count} postings");
    let encoded: HashMap<_, _> = (0..postings.len())
        .map(|at| postings.encode(at))
        .map(|term| (term.term, (term.df, term.list)))
        .collect();
    let mut sum = 0.0;
    for question in &collection.questions {
        let clauses: Vec<Clause<'_>> = analyzer
            .query_terms(&question.text)
            .terms
            .iter()
            .map(|term| {
                let forms = std::iter::once(&term.term).chain(&term.forms);
                let found = forms.filter_map(|form| encoded.get(form.as_str()));
                let weighted = found.map(|(df, list)| WeightedList {
                    list: list.list(*df).unwrap(),
                    weight: WEIGHT_ONE * term.count,
                });
                Clause {
                    alternatives: weighted.collect(),
                }
            })
            .collect();
        let found = top_k(&clauses, postings.chunk_count(), 10, None).unwrap();
        let grade = |id: &String| question.grades.get(id).copied().unwrap_or(0.0);
        let grades: Vec<f64> = found
            .hits
            .iter()
            .map(|hit| grade(&collection.documents[hit.chunk as usize].0))
            .collect();
        let judged: Vec<f64> = question.grades.values().copied().collect();
        sum += metrics::ndcg(&grades, &judged, 10);
    }
    let count = collection.questions.len();
    let mean = sum / count as f64;
    eprintln!("{name}: nDCG@10 {mean:.4} over {count} questions");
    Some(mean)
}

/// Fails unless keyword search reaches `least` on the collection.
fn assert_reaches(name: &str, least: f64) {
    if let Some(mean) = measure(name) {
        assert!(mean >= least, "{name}: nDCG@10 {mean:.4} is below {least}");
    }
}

#[test]
fn scifact_claims_reach_the_published_level() {
    assert_reaches("scifact", 0.695);
}

#[test]
fn nfcorpus_questions_reach_the_published_level() {
    assert_reaches("nfcorpus", 0.325);
}

#[test]
fn cranfield_questions_reach_the_level() {
    assert_reaches("cranfield", 0.52);
}

#[test]
fn questions_about_code_reach_the_level_of_split_identifiers() {
    assert_reaches("tech-code", 0.72);
}

#[test]
fn questions_about_documentation_reach_the_level() {
    assert_reaches("tech-docs", 0.73);
}

#[test]
fn chinese_characters_and_bigrams_reach_the_level() {
    assert_reaches("xquad-zh", 0.965);
}

#[test]
fn thai_trigrams_reach_the_level() {
    assert_reaches("xquad-th", 0.96);
}

#[test]
fn german_stems_and_parts_of_compounds_reach_the_level() {
    assert_reaches("xquad-de", 0.935);
}

#[test]
fn english_paragraphs_reach_the_level() {
    assert_reaches("xquad-en", 0.96);
}

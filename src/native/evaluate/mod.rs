//! How good the answers of an index are, by judged questions.
//!
//! ```text
//! queries + qrels ─┐                 ┌─ keyword, vector, hybrid ─┐
//!                  ├─► questions ────┼─ … exact, … model         ├─► rankings ─► figures, p ─► table, JSON, picture
//! own headings ────┘                 └─ rankings of others (runs)┘
//! ```
//!
//! | file | turns |
//! |---|---|
//! | `judged.rs` | files of questions, judgements and rankings into [`Question`]s and rankings |
//! | `headings.rs` | headings of an index into questions |
//! | `metrics.rs` | grades in the order of a ranking into nDCG, MRR, recall |
//! | `significance.rs` | figures of two ways to search into a p-value |
//! | `picture.rs` | a report into an SVG |

pub mod answers;
pub mod headings;
pub mod judged;
pub mod metrics;
pub mod picture;
pub mod significance;

pub use judged::JudgedError;
pub use judged::Question;

use crate::embed::EmbedError;
use crate::embed::Embedder;
use crate::embed::MiniLm;
use crate::embed::StaticWords;
use crate::report::Stage;
use crate::source::Location;
use coracle::index::Access;
use coracle::index::Root;
use coracle::search::Engine;
use coracle::search::Fusion;
use coracle::search::MAX_LIMIT;
use coracle::search::Mode;
use coracle::search::SearchError;
use coracle::search::SearchOptions;
use coracle::store::DEFAULT_CACHE_BYTES;
use coracle::store::Source;
use coracle::store::StoreError;
use rayon::iter::IntoParallelRefIterator;
use rayon::iter::ParallelIterator;
use serde::Serialize;

/// Hits of a search as people see them; nDCG, MRR and the smaller recall are of these.
const PAGE: usize = 10;

/// One way to search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// Its name in reports.
    pub name: &'static str,
    /// Which rankings take part.
    pub mode: Mode,
    /// Whether all cells are read.
    pub exact: bool,
    /// Whether the embedder of the documents embeds the query; otherwise term rows do.
    pub model: bool,
}

/// Searches as users get them.
const KEYWORD: Way = way("keyword", Mode::Keyword, false, false);
const OFFLINE: [Way; 2] = [
    way("vector", Mode::Vector, false, false),
    way("hybrid", Mode::Hybrid, false, false),
];
/// The same with every cell read: what reading few cells costs.
const EXACT: [Way; 2] = [
    way("vector-exact", Mode::Vector, true, false),
    way("hybrid-exact", Mode::Hybrid, true, false),
];
/// The same with the model's own embedding of the query: what term rows cost.
const MODEL: [Way; 2] = [
    way("vector-model", Mode::Vector, true, true),
    way("hybrid-model", Mode::Hybrid, true, true),
];

const fn way(name: &'static str, mode: Mode, exact: bool, model: bool) -> Way {
    Way {
        name,
        mode,
        exact,
        model,
    }
}

/// The ways in which an index can be searched that may differ.
#[must_use]
pub fn ways(root: &Root, has_embeddings: bool) -> Vec<Way> {
    let mut ways = offline_ways(root);
    if let Some(vectors) = &root.vectors {
        if vectors.term_rows.is_some() && matches!(vectors.access, Access::Cells { .. }) {
            ways.extend(EXACT);
        }
        if has_embeddings {
            ways.extend(MODEL);
        }
    }
    ways
}

/// The ways in which visitors can search an index without a model.
#[must_use]
pub fn offline_ways(root: &Root) -> Vec<Way> {
    let mut ways = vec![KEYWORD];
    let mut vectors = root.vectors.iter();
    if vectors.any(|vectors| vectors.term_rows.is_some()) {
        ways.extend(OFFLINE);
    }
    ways
}

/// The figures of one way to search: means over the questions, each from 0 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Name of the way, or of the run.
    pub mode: String,
    /// nDCG of the first ten hits.
    pub ndcg10: f64,
    /// Reciprocal rank of the first relevant hit among ten.
    pub mrr10: f64,
    /// Share of questions with a relevant document among the first five hits.
    pub found5: f64,
    /// Share of the relevant documents among the first ten hits.
    pub recall10: f64,
    /// Share of the relevant documents among the first hundred.
    pub recall100: f64,
    /// nDCG of every question.
    #[serde(skip)]
    pub ndcg10_by_question: Vec<f64>,
}

impl Figures {
    /// The figures of rankings, one for each question: a page of ten, and a hundred documents.
    #[must_use]
    pub fn of(mode: &str, questions: &[Question], found: &[Ranked]) -> Self {
        let count = questions.len().max(1) as f64;
        let mut figures = Self {
            mode: mode.into(),
            ndcg10: 0.0,
            mrr10: 0.0,
            found5: 0.0,
            recall10: 0.0,
            recall100: 0.0,
            ndcg10_by_question: Vec::with_capacity(questions.len()),
        };
        for (question, found) in questions.iter().zip(found) {
            let grade = |id: &String| question.grades.get(id).copied().unwrap_or(0.0);
            let page: Vec<f64> = found.page.iter().map(grade).collect();
            let hundred: Vec<f64> = found.hundred.iter().map(grade).collect();
            let judged: Vec<f64> = question.grades.values().copied().collect();
            let ndcg = metrics::ndcg(&page, &judged, PAGE);
            figures.ndcg10_by_question.push(ndcg);
            figures.ndcg10 += ndcg / count;
            figures.mrr10 += metrics::reciprocal_rank(&page, PAGE) / count;
            figures.found5 += metrics::success(&page, 5) / count;
            figures.recall10 += metrics::recall(&page, &judged, PAGE) / count;
            figures.recall100 += metrics::recall(&hundred, &judged, MAX_LIMIT) / count;
        }
        figures
    }
}

/// The documents found for a question, best first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ranked {
    /// By a search for ten.
    pub page: Vec<String>,
    /// By a search for a hundred: it looks at more candidates, so its first ten may be others.
    pub hundred: Vec<String>,
}

/// Two ways compared by the nDCG@10 of every question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The one.
    pub a: String,
    /// The other.
    pub b: String,
    /// Mean of `a` minus mean of `b`.
    pub difference: f64,
    /// Two-sided p of that difference, see [`significance::p_value`].
    pub p: f64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Questions asked: those with a relevant document.
    pub questions: usize,
    /// Where they come from: `"qrels"` or `"headings"`.
    pub source: &'static str,
    /// Figures by way, and then by run.
    pub modes: Vec<Figures>,
    /// Every pair of these.
    pub comparisons: Vec<Comparison>,
}

impl Report {
    /// Compares figures pair by pair.
    #[must_use]
    pub fn new(source: &'static str, questions: usize, modes: Vec<Figures>) -> Self {
        let pairs: Vec<(&Figures, &Figures)> = modes
            .iter()
            .enumerate()
            .flat_map(|(at, a)| modes[..at].iter().map(move |b| (a, b)))
            .collect();
        let compare = |(a, b): &(&Figures, &Figures)| Comparison {
            a: a.mode.clone(),
            b: b.mode.clone(),
            difference: a.ndcg10 - b.ndcg10,
            p: significance::p_value(&a.ndcg10_by_question, &b.ndcg10_by_question),
        };
        let comparisons = pairs.par_iter().map(compare).collect();
        Self {
            questions,
            source,
            modes,
            comparisons,
        }
    }

    /// The comparison of `a` with `b`, if they were compared in this order.
    #[must_use]
    pub fn comparison(&self, a: &str, b: &str) -> Option<&Comparison> {
        let mut all = self.comparisons.iter();
        all.find(|comparison| comparison.a == a && comparison.b == b)
    }
}

/// Opens the index at `place`.
///
/// # Errors
/// [`SearchError`].
pub fn open(place: &str) -> Result<Engine<Location>, SearchError> {
    let source = Location::open(place).map_err(StoreError::from)?;
    pollster::block_on(Engine::open(source, DEFAULT_CACHE_BYTES))
}

/// Gives questions that came without embeddings those of the embedder inside the program that the
/// documents have theirs from. Returns whether all questions have one now.
///
/// # Errors
/// [`EmbedError`].
pub fn embed(root: &Root, questions: &mut [Question]) -> Result<bool, EmbedError> {
    let Some(vectors) = &root.vectors else {
        return Ok(false);
    };
    if questions
        .iter()
        .all(|question| question.embedding.is_some())
    {
        return Ok(true);
    }
    let built_in: [Box<dyn Embedder>; 2] =
        [Box::new(MiniLm::new(None)?), Box::new(StaticWords::new()?)];
    let is_its = |model: &Box<dyn Embedder>| model.fingerprint().to_string() == vectors.embedder;
    let Some(model) = built_in.into_iter().find(is_its) else {
        return Ok(false);
    };
    let texts: Vec<&str> = questions.iter().map(|q| q.text.as_str()).collect();
    let rows = model.embed(&texts, &|_| {})?;
    for (question, row) in questions.iter_mut().zip(rows.chunks_exact(model.dim())) {
        question.embedding = Some(row.to_vec());
    }
    Ok(true)
}

/// What a root records of these figures: the number of questions and nDCG@10 by mode. Every visitor
/// reads a root, so the rest is left to reports.
#[must_use]
pub fn root_figures(questions: usize, measured: &[Figures]) -> Vec<(String, f64)> {
    let mut figures = vec![("eval_questions".to_owned(), questions as f64)];
    figures.extend(
        measured
            .iter()
            .map(|of| (format!("eval_ndcg10_{}", of.mode), of.ndcg10)),
    );
    figures
}

/// Asks an index all questions in each of these ways, which run side by side; `open` opens it, `fusion`
/// makes one ranking of two.
///
/// # Errors
/// The first [`SearchError`].
pub fn measure<S: Source>(
    open: impl Fn() -> Result<Engine<S>, SearchError> + Sync,
    questions: &[Question],
    ways: &[Way],
    fusion: Fusion,
    stage: &Stage<'_>,
) -> Result<Vec<Figures>, SearchError> {
    stage.set_total((ways.len() * questions.len()) as u64);
    ways.par_iter()
        .map(|way| {
            // An engine serves one thread.
            let engine = open()?;
            let mut found = Vec::with_capacity(questions.len());
            for question in questions {
                found.push(ask(&engine, question, way, fusion)?);
                stage.advance(1);
            }
            Ok(Figures::of(way.name, questions, &found))
        })
        .collect()
}

fn ask<S: Source>(
    engine: &Engine<S>,
    question: &Question,
    way: &Way,
    fusion: Fusion,
) -> Result<Ranked, SearchError> {
    let search = |limit| {
        let options = SearchOptions {
            mode: way.mode,
            exact: way.exact,
            fusion,
            limit,
            embedding: question.embedding.clone().filter(|_| way.model),
            ..SearchOptions::default()
        };
        let found = pollster::block_on(engine.search(&question.text, &options))?;
        Ok::<Vec<String>, SearchError>(found.hits.into_iter().map(|hit| hit.id).collect())
    };
    Ok(Ranked {
        page: search(PAGE)?,
        hundred: search(MAX_LIMIT)?,
    })
}

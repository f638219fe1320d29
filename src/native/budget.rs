//! What a first search costs a visitor who has nothing of the index yet.

use coracle::document::Document;
use coracle::index::Root;
use coracle::search::Engine;
use coracle::search::SearchError;
use coracle::search::SearchOptions;
use coracle::store::ReadStats;
use coracle::store::Source;
use std::cmp::Reverse;
use xxhash_rust::xxh3::xxh3_64;

/// Queries whose cost is measured.
pub const SAMPLE: usize = 40;

/// The cost of cold searches over a sample of queries. Code is not counted: it is the same for every
/// index and cached by browsers.
#[derive(Debug, Clone, PartialEq)]
pub struct ColdCost {
    /// Mean bytes read.
    pub mean_bytes: u64,
    /// Bytes that 95 % of the queries stay within.
    pub p95_bytes: u64,
    /// Most bytes read.
    pub max_bytes: u64,
    /// Most serial round trips.
    pub waves: u32,
    /// Mean reads.
    pub requests: f64,
    /// Mean bytes by section, most first; no figure of a root.
    pub sections: Vec<(&'static str, u64)>,
}

impl ColdCost {
    /// The cost as figures of a root.
    pub fn figures(&self) -> Vec<(String, f64)> {
        vec![
            ("cold_mean_bytes".into(), self.mean_bytes as f64),
            ("cold_p95_bytes".into(), self.p95_bytes as f64),
            ("cold_max_bytes".into(), self.max_bytes as f64),
            ("cold_waves".into(), f64::from(self.waves)),
            ("cold_requests".into(), self.requests),
        ]
    }

    /// The cost that a root records, if it does.
    pub fn of(root: &Root) -> Option<Self> {
        let figure = |name: &str| {
            root.figures
                .iter()
                .find(|(figure, _)| figure == name)
                .map(|&(_, value)| value)
        };
        Some(Self {
            mean_bytes: figure("cold_mean_bytes")? as u64,
            p95_bytes: figure("cold_p95_bytes")? as u64,
            max_bytes: figure("cold_max_bytes")? as u64,
            waves: figure("cold_waves")? as u32,
            requests: figure("cold_requests")?,
            sections: Vec::new(),
        })
    }
}

/// A sample of what people may ask: a title or heading each of at most `count` documents, those whose ids have
/// the smallest hashes, so that it does not depend on their order.
pub fn sample(documents: &[Document], count: usize) -> Vec<String> {
    let mut documents: Vec<&Document> = documents.iter().collect();
    documents.sort_by_cached_key(|document| xxh3_64(document.id.as_bytes()));
    let text = |document: &Document| {
        let heading = document
            .chunks
            .iter()
            .find_map(|chunk| chunk.headings.last());
        let query = heading
            .filter(|heading| heading.contains(' '))
            .unwrap_or(&document.title);
        if query.is_empty() {
            let first = document
                .chunks
                .first()
                .map_or("", |chunk| chunk.text.as_str());
            return first
                .split_whitespace()
                .take(8)
                .collect::<Vec<_>>()
                .join(" ");
        }
        query.clone()
    };
    documents
        .into_iter()
        .take(count)
        .map(text)
        .filter(|query| !query.is_empty())
        .collect()
}

/// Opens the index anew for every query and counts what its search reads.
///
/// # Errors
/// [`SearchError`], which after a build would be a defect.
pub fn measure(source: &impl Source, queries: &[String]) -> Result<Option<ColdCost>, SearchError> {
    let mut costs: Vec<ReadStats> = Vec::new();
    for query in queries {
        let engine = pollster::block_on(Engine::open(source, usize::MAX))?;
        pollster::block_on(engine.search(query, &SearchOptions::default()))?;
        costs.push(engine.store().stats());
    }
    costs.sort_by_key(|cost| cost.bytes);
    let Some(last) = costs.last() else {
        return Ok(None);
    };
    let count = costs.len();
    let mut sum = ReadStats::default();
    costs.iter().for_each(|cost| sum.add(cost));
    let sections = sum.sections.iter();
    let sections = sections.map(|&(name, bytes)| (name, bytes / count as u64));
    let mut sections: Vec<(&str, u64)> = sections.collect();
    sections.sort_by_key(|&(name, bytes)| (Reverse(bytes), name));
    let mean = |of: fn(&ReadStats) -> u64| costs.iter().map(of).sum::<u64>() as f64 / count as f64;
    Ok(Some(ColdCost {
        mean_bytes: mean(|cost| cost.bytes) as u64,
        p95_bytes: costs[(count * 95).div_ceil(100) - 1].bytes,
        max_bytes: last.bytes,
        waves: costs.iter().map(|cost| cost.waves).max().unwrap_or(0),
        requests: mean(|cost| u64::from(cost.requests)),
        sections,
    }))
}

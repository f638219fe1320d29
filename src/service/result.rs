//! What searches find, as the JSON that JavaScript's `SearchResult` and `IndexInfo` describe.

use super::record::hex;
use crate::document::Value;
use crate::index::Root;
use crate::json::Json;
use crate::search::Excerpt;
use crate::search::Explain;
use crate::search::Hit;
use crate::search::Mode;
use crate::search::SearchResult;
use alloc::string::String;
use alloc::vec::Vec;

/// The result of a search for `query`, with the whole texts of its hits where there are any.
pub fn result_json(query: &str, found: &SearchResult, texts: &[String], degraded: &str) -> Json {
    let hits = found.hits.iter().enumerate();
    let hits = hits.map(|(at, hit)| hit_json(hit, texts.get(at)));
    let mut out: Vec<(&str, Json)> = Vec::from([
        ("query", query.into()),
        ("mode", mode_name(found.mode).into()),
        ("hits", Json::Array(hits.collect())),
        ("total", found.total.into()),
    ]);
    if !found.facets.is_empty() {
        let count = |(value, count): &(Value, u32)| {
            Json::object([("value", value_json(value)), ("count", (*count).into())])
        };
        let facets = found.facets.iter().map(|(field, counts)| {
            let counts = Json::Array(counts.iter().map(count).collect());
            (field.as_str(), counts)
        });
        out.push(("facets", Json::object(facets)));
    }
    let corrections = found.corrections.iter().map(|correction| {
        Json::object([
            ("from", correction.from.as_str().into()),
            ("to", correction.to.as_str().into()),
        ])
    });
    out.push(("corrections", Json::Array(corrections.collect())));
    if !found.suggestions.is_empty() {
        out.push(("suggestions", texts_json(&found.suggestions)));
    }
    if found.filtered_out {
        out.push(("filteredOut", true.into()));
    }
    let stats = &found.stats;
    let sections = stats.sections.iter();
    let sections = sections.map(|&(name, bytes)| (name, (bytes as f64).into()));
    let stats = [
        ("waves", stats.waves.into()),
        ("requests", stats.requests.into()),
        ("bytes", (stats.bytes as f64).into()),
        ("cached", stats.cached.into()),
        ("sections", Json::object(sections)),
    ];
    out.push(("stats", Json::object(stats)));
    if !degraded.is_empty() {
        out.push(("degraded", degraded.into()));
    }
    Json::object(out)
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Hybrid => "hybrid",
        Mode::Keyword => "keyword",
        Mode::Vector => "vector",
    }
}

fn hit_json(hit: &Hit, text: Option<&String>) -> Json {
    let mut out: Vec<(&str, Json)> = Vec::from([
        ("id", hit.id.as_str().into()),
        ("chunk", hit.chunk.into()),
        ("score", f64::from(hit.score).into()),
        ("title", hit.title.as_str().into()),
        ("url", hit.url.as_str().into()),
        ("headings", texts_json(&hit.headings)),
        ("anchor", hit.anchor.as_str().into()),
        ("meta", meta_json(&hit.meta)),
        ("excerpt", excerpt_json(&hit.excerpt)),
    ]);
    if let Some(explain) = &hit.explain {
        out.push(("explain", explain_json(explain)));
    }
    if let Some(text) = text {
        out.push(("text", text.as_str().into()));
    }
    if !hit.sections.is_empty() {
        let sections = hit.sections.iter().map(|section| hit_json(section, None));
        out.push(("sections", Json::Array(sections.collect())));
    }
    Json::object(out)
}

/// Texts as a list.
pub fn texts_json(texts: &[String]) -> Json {
    Json::Array(texts.iter().map(|text| text.as_str().into()).collect())
}

/// Metadata as an object.
pub fn meta_json(meta: &[(String, Value)]) -> Json {
    Json::object(meta.iter().map(|(name, one)| (&**name, value_json(one))))
}

fn value_json(value: &Value) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => (*number).into(),
        Value::Bool(truth) => (*truth).into(),
        Value::List(values) => Json::Array(values.iter().map(value_json).collect()),
    }
}

/// Marks are counted in UTF-16 units, as JavaScript counts.
fn excerpt_json(Excerpt { text, marks }: &Excerpt) -> Json {
    let utf16 = |end: usize| {
        let before = text.get(..end).unwrap_or_default();
        Json::from(before.encode_utf16().count() as f64)
    };
    let mark = |start: usize, end: usize| Json::Array(Vec::from([utf16(start), utf16(end)]));
    let marks = marks.iter().map(|range| mark(range.start, range.end));
    Json::object([
        ("text", text.as_str().into()),
        ("marks", Json::Array(marks.collect())),
    ])
}

/// A place in one of the two rankings.
fn part_json(score: f64, normalised: f32, rank: Option<u32>) -> Json {
    let mut out: Vec<(&str, Json)> = Vec::from([
        ("score", score.into()),
        ("normalised", f64::from(normalised).into()),
    ]);
    out.extend(rank.map(|rank| ("rank", rank.into())));
    Json::object(out)
}

fn explain_json(of: &Explain) -> Json {
    let mut out: Vec<(&str, Json)> = Vec::new();
    if let Some((score, normalised)) = of.keyword {
        let part = part_json(score.into(), normalised, of.keyword_rank);
        out.push(("keyword", part));
    }
    if let Some((score, normalised)) = of.vector {
        let part = part_json(score.into(), normalised, of.vector_rank);
        out.push(("vector", part));
    }
    let terms = of.terms.iter().map(|(term, score)| {
        let term = term.as_str().into();
        Json::object([("term", term), ("score", (*score).into())])
    });
    out.extend([
        ("terms", Json::Array(terms.collect())),
        ("rescored", of.rescored.into()),
        ("complete", of.complete.into()),
        ("weight", f64::from(of.weight).into()),
        ("support", f64::from(of.support).into()),
    ]);
    Json::object(out)
}

/// What an index says about itself.
pub fn info_json(root: &Root) -> Json {
    let counts = &root.counts;
    let fields = root.columns.iter();
    let fields = fields.map(|(name, _)| name.as_str().into()).collect();
    let mut out: Vec<(&str, Json)> = Vec::from([
        ("buildId", hex(root.build_id).into()),
        ("documents", counts.documents.into()),
        ("chunks", counts.chunks.into()),
        ("terms", counts.terms.into()),
        ("fields", Json::Array(fields)),
        ("bytes", (root.body_len as f64).into()),
    ]);
    let mut offline = false;
    if let Some(vectors) = &root.vectors {
        out.push(("embedder", vectors.embedder.as_str().into()));
        out.push(("dim", vectors.input_dim().into()));
        offline = vectors.term_rows.is_some();
    }
    out.push(("offlineQueries", offline.into()));
    let figures = root.figures.iter();
    let figures = figures.map(|(name, figure)| (&**name, (*figure).into()));
    out.push(("figures", Json::object(figures)));
    Json::object(out)
}

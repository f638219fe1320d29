//! `coracle search`: one query against an index, in the terminal.

use crate::error::Failure;
use crate::signing::CheckStats;
use crate::signing::PublicKeys;
use crate::source::Input;
use coracle::document::address;
use coracle::search::Engine;
use coracle::search::Excerpt;
use coracle::search::Hit;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle::search::SearchResult;
use coracle::store::DEFAULT_CACHE_BYTES;
use coracle::store::ReadStats;
use serde_json::Value as Json;
use serde_json::json;
use std::fmt::Write;

/// Searches the index at `place`. Where there are keys, what checking cost is part of the figures.
///
/// # Errors
/// [`Failure`] when the index cannot be read or the options do not fit it.
pub fn search(
    place: &str,
    keys: Option<&PublicKeys>,
    query: &str,
    options: &SearchOptions,
) -> Result<SearchResult, Failure> {
    let source = Input::open(place, keys).map_err(coracle::store::StoreError::from)?;
    let engine = pollster::block_on(Engine::open(source, DEFAULT_CACHE_BYTES))?;
    let mut found = pollster::block_on(engine.search(query, options))?;
    if let Some(CheckStats { requests, bytes }) = engine.store().source().check_stats() {
        let (waves, cached) = (0, 0);
        let sections = vec![("signatures", bytes)];
        found.stats.add(&ReadStats {
            waves,
            requests,
            bytes,
            cached,
            sections,
        });
    }
    Ok(found)
}

/// The result as one JSON object.
pub fn to_json(query: &str, found: &SearchResult) -> Json {
    let hits: Vec<Json> = found.hits.iter().map(hit_json).collect();
    let stats = &found.stats;
    let mut out = json!({
        "query": query,
        "mode": mode_name(found.mode),
        "hits": hits,
        "total": found.total,
        "corrections": found.corrections.iter().map(|c| json!({ "from": c.from, "to": c.to })).collect::<Vec<_>>(),
        "stats": { "waves": stats.waves, "requests": stats.requests, "bytes": stats.bytes, "cached": stats.cached, "sections": by_name(&stats.sections) },
    });
    if !found.facets.is_empty() {
        let facets = found.facets.iter().map(|(field, counts)| {
            let counts: Vec<Json> = counts
                .iter()
                .map(|(value, count)| json!({ "value": value_json(value), "count": count }))
                .collect();
            (field.clone(), Json::from(counts))
        });
        out["facets"] = Json::Object(facets.collect());
    }
    if !found.suggestions.is_empty() {
        out["suggestions"] = json!(found.suggestions);
    }
    if found.filtered_out {
        out["filteredOut"] = json!(true);
    }
    out
}

fn hit_json(hit: &Hit) -> Json {
    let mut out = json!({
        "id": hit.id,
        "chunk": hit.chunk,
        "score": hit.score,
        "title": hit.title,
        "url": hit.url,
        "headings": hit.headings,
        "anchor": hit.anchor,
        "meta": hit.meta.iter().map(|(name, value)| (name.clone(), value_json(value))).collect::<serde_json::Map<_, _>>(),
        "excerpt": {
            "text": hit.excerpt.text,
            "marks": hit.excerpt.marks.iter().map(|mark| [mark.start, mark.end]).collect::<Vec<_>>(),
        },
    });
    if let Some(explain) = &hit.explain {
        out["explain"] = json!({
            "keyword": explain.keyword.map(|(score, normalised)| json!({
                "score": score, "normalised": normalised, "rank": explain.keyword_rank,
            })),
            "vector": explain.vector.map(|(score, normalised)| json!({
                "score": score, "normalised": normalised, "rank": explain.vector_rank,
            })),
            "terms": explain.terms.iter().map(|(term, score)| json!({ "term": term, "score": score })).collect::<Vec<_>>(),
            "rescored": explain.rescored,
            "complete": explain.complete,
            "weight": explain.weight,
            "support": explain.support,
        });
    }
    if !hit.sections.is_empty() {
        out["sections"] = hit.sections.iter().map(hit_json).collect();
    }
    out
}

fn value_json(value: &coracle::document::Value) -> Json {
    use coracle::document::Value;
    match value {
        Value::Text(text) => json!(text),
        Value::Number(number) => json!(number),
        Value::Bool(flag) => json!(flag),
        Value::List(values) => values.iter().map(value_json).collect(),
    }
}

fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Hybrid => "hybrid",
        Mode::Keyword => "keyword",
        Mode::Vector => "vector",
    }
}

/// Colours of the terminal, or none.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    bold: &'static str,
    dim: &'static str,
    mark: &'static str,
    end: &'static str,
}

impl Style {
    /// Escape sequences where the output is a terminal that wants them.
    pub fn new(colour: bool) -> Self {
        if colour {
            Self {
                bold: "\x1b[1m",
                dim: "\x1b[2m",
                mark: "\x1b[1;33m",
                end: "\x1b[0m",
            }
        } else {
            Self {
                bold: "",
                dim: "",
                mark: "",
                end: "",
            }
        }
    }
}

/// The result for people.
pub fn to_text(found: &SearchResult, style: Style) -> String {
    let Style { bold, dim, end, .. } = style;
    let mut out = String::new();
    // Writing to a string cannot fail.
    for correction in &found.corrections {
        let _ = writeln!(
            out,
            "{dim}no {:?} here, searched {:?}{end}",
            correction.from, correction.to
        );
    }
    for (at, hit) in found.hits.iter().enumerate() {
        let title = if hit.title.is_empty() {
            &hit.id
        } else {
            &hit.title
        };
        let path = heading_path(&hit.headings, title);
        let _ = write!(out, "{:>2}. {bold}{title}{end}", at + 1);
        if !path.is_empty() {
            let _ = write!(out, " › {path}");
        }
        let link = address(&hit.url, &hit.anchor);
        let _ = writeln!(out, "\n    {dim}{link} · {:.3}{end}", hit.score);
        let _ = writeln!(out, "    {}", marked(&hit.excerpt, style));
        if let Some(explain) = &hit.explain {
            let _ = writeln!(out, "    {dim}{}{end}", explained(explain));
        }
        for section in &hit.sections {
            let path = heading_path(&section.headings, title);
            let name = if path.is_empty() { title } else { &path };
            let link = address(&hit.url, &section.anchor);
            let _ = writeln!(out, "    › {bold}{name}{end}");
            let _ = writeln!(out, "      {dim}{link} · {:.3}{end}", section.score);
            let _ = writeln!(out, "      {}", marked(&section.excerpt, style));
        }
        out.push('\n');
    }
    for (field, counts) in &found.facets {
        let counts: Vec<String> = counts
            .iter()
            .map(|(value, count)| format!("{} ({count})", value_json(value)))
            .collect();
        let _ = writeln!(out, "{bold}{field}{end}: {}", counts.join(", "));
    }
    if !found.suggestions.is_empty() {
        let words = found.suggestions.join(", ");
        let _ = writeln!(out, "similar words here: {words}");
    }
    if found.filtered_out {
        let _ = writeln!(out, "the filter leaves nothing over");
    }
    let stats = &found.stats;
    let _ = writeln!(
        out,
        "{dim}{} of {} by {} search; {} reads, {} kB{end}",
        found.hits.len(),
        found.total,
        mode_name(found.mode),
        stats.requests,
        stats.bytes.div_ceil(1000)
    );
    out
}

/// Headings but the title, outermost first.
fn heading_path(headings: &[String], title: &str) -> String {
    let headings = headings.iter().map(String::as_str);
    let path: Vec<&str> = headings.filter(|heading| *heading != title).collect();
    path.join(" › ")
}

/// Bytes by section as a JSON object.
pub(super) fn by_name(sections: &[(&'static str, u64)]) -> Json {
    let sections = sections.iter().copied();
    sections.map(|(name, bytes)| (name, json!(bytes))).collect()
}

fn marked(excerpt: &Excerpt, style: Style) -> String {
    let mut out = String::new();
    let mut at = 0;
    for mark in &excerpt.marks {
        out.push_str(&excerpt.text[at..mark.start]);
        out.push_str(style.mark);
        out.push_str(&excerpt.text[mark.clone()]);
        out.push_str(style.end);
        at = mark.end;
    }
    out.push_str(&excerpt.text[at..]);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn explained(explain: &coracle::search::Explain) -> String {
    let mut parts = Vec::new();
    if let Some((score, normalised)) = explain.keyword {
        let terms: Vec<String> = explain
            .terms
            .iter()
            .map(|(term, score)| format!("{term} {score}"))
            .collect();
        parts.push(format!(
            "words {score} → {normalised:.3} ({})",
            terms.join(", ")
        ));
    }
    if let Some((score, normalised)) = explain.vector {
        let code = if explain.rescored { "4-bit" } else { "1-bit" };
        parts.push(format!("meaning {score:.3} ({code}) → {normalised:.3}"));
    }
    if explain.complete {
        parts.push("one of few with both words → 1".into());
    }
    if explain.weight != 1.0 {
        parts.push(format!("weight {}", explain.weight));
    }
    if explain.support > 0.0 {
        parts.push(format!("other passages → {:.3}", explain.support));
    }
    parts.join("; ")
}

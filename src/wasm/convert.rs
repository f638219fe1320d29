//! Option and result types of the boundary. No Rust type leaks: JavaScript sees plain objects.

use coracle::document::Value;
use coracle::filter::Filter;
use coracle::search::Excerpt;
use coracle::search::Explain;
use coracle::search::Fusion;
use coracle::search::Group;
use coracle::search::Hit;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle::search::SearchResult;
use coracle::store::ReadStats;
use serde::Deserialize;
use serde::Serialize;
use std::collections::BTreeMap;
use wasm_bindgen::JsValue;

use crate::error::error;
use crate::error::usage;

/// `SearchOptions` of the npm package.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JsOptions {
    mode: Option<String>,
    limit: Option<f64>,
    offset: Option<f64>,
    facets: Option<Vec<String>>,
    fusion: Option<String>,
    alpha: Option<f32>,
    explain: Option<bool>,
    vector: Option<Vec<f32>>,
    group: Option<String>,
    prefix: Option<bool>,
}

/// Search options out of a JavaScript object.
pub fn options(value: &JsValue) -> Result<SearchOptions, JsValue> {
    let mut options = SearchOptions::default();
    if value.is_undefined() || value.is_null() {
        return Ok(options);
    }
    let given: JsOptions = serde_wasm_bindgen::from_value(value.clone())
        .map_err(|error| usage(&format!("search options: {error}")))?;
    options.mode = match given.mode.as_deref() {
        None | Some("hybrid") => Mode::Hybrid,
        Some("keyword") => Mode::Keyword,
        Some("vector") => Mode::Vector,
        Some(other) => return Err(choice("mode", other, "hybrid, keyword, vector")),
    };
    options.group = match given.group.as_deref() {
        None | Some("document") => Group::Document,
        Some("chunk") => Group::Chunk,
        Some(other) => return Err(choice("group", other, "document, chunk")),
    };
    options.fusion = match given.fusion.as_deref() {
        None | Some("convex") => {
            let alpha = given.alpha.unwrap_or(coracle::search::DEFAULT_ALPHA);
            if !(0.0..=1.0).contains(&alpha) {
                return Err(usage(&format!("alpha is {alpha}, it must be from 0 to 1")));
            }
            Fusion::Convex { alpha }
        }
        Some("rrf") => Fusion::Rrf { k: coracle::search::DEFAULT_RRF_K },
        Some(other) => return Err(choice("fusion", other, "convex, rrf")),
    };
    options.limit = count("limit", given.limit, options.limit)?;
    options.offset = count("offset", given.offset, options.offset)?;
    options.facets = given.facets.unwrap_or_default();
    options.explain = given.explain.unwrap_or(false);
    options.embedding = given.vector;
    options.prefix = given.prefix.unwrap_or(false);
    let filter = js_sys::Reflect::get(value, &"filter".into())?;
    if !filter.is_undefined() && !filter.is_null() {
        let text = String::from(js_sys::JSON::stringify(&filter)?);
        let filter = Filter::parse(&text).map_err(|bad| error("filter", &bad.to_string()))?;
        options.filter = Some(filter);
    }
    Ok(options)
}

fn choice(option: &str, got: &str, known: &str) -> JsValue {
    usage(&format!("{option} is {got:?}, it must be one of {known}"))
}

fn count(option: &str, given: Option<f64>, default: usize) -> Result<usize, JsValue> {
    match given {
        None => Ok(default),
        Some(number) if (0.0..=1e6).contains(&number) && number.fract() == 0.0 => {
            Ok(number as usize)
        }
        Some(number) => Err(usage(&format!("{option} is {number}, it must be a whole number"))),
    }
}

/// A metadata value as JavaScript's own.
#[derive(Serialize)]
#[serde(untagged)]
pub enum JsMeta {
    Text(String),
    Number(f64),
    Bool(bool),
    List(Vec<JsMeta>),
}

impl From<Value> for JsMeta {
    fn from(value: Value) -> Self {
        match value {
            Value::Text(text) => Self::Text(text),
            Value::Number(number) => Self::Number(number),
            Value::Bool(flag) => Self::Bool(flag),
            Value::List(values) => Self::List(values.into_iter().map(Self::from).collect()),
        }
    }
}

#[derive(Serialize)]
struct JsExcerpt {
    text: String,
    /// UTF-16 offsets.
    marks: Vec<(u32, u32)>,
}

impl From<Excerpt> for JsExcerpt {
    fn from(excerpt: Excerpt) -> Self {
        let Excerpt { text, marks } = excerpt;
        let utf16 = |end: usize| {
            text.get(..end).map_or(0, |before| before.encode_utf16().count()) as u32
        };
        let marks = marks.iter().map(|mark| (utf16(mark.start), utf16(mark.end))).collect();
        Self { text, marks }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JsExplain {
    keyword: Option<JsPart<u32>>,
    vector: Option<JsPart<f32>>,
    terms: Vec<JsTerm>,
    rescored: bool,
    weight: f32,
}

#[derive(Serialize)]
struct JsPart<T> {
    score: T,
    normalised: f32,
    rank: Option<u32>,
}

#[derive(Serialize)]
struct JsTerm {
    term: String,
    score: u32,
}

impl From<Explain> for JsExplain {
    fn from(explain: Explain) -> Self {
        let keyword = explain.keyword.map(|(score, normalised)| JsPart {
            score,
            normalised,
            rank: explain.keyword_rank,
        });
        let vector = explain.vector.map(|(score, normalised)| JsPart {
            score,
            normalised,
            rank: explain.vector_rank,
        });
        let terms = explain.terms.into_iter().map(|(term, score)| JsTerm { term, score }).collect();
        Self { keyword, vector, terms, rescored: explain.rescored, weight: explain.weight }
    }
}

#[derive(Serialize)]
struct JsHit {
    id: String,
    chunk: u32,
    score: f32,
    title: String,
    url: String,
    headings: Vec<String>,
    anchor: String,
    meta: BTreeMap<String, JsMeta>,
    excerpt: JsExcerpt,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<JsExplain>,
}

impl From<Hit> for JsHit {
    fn from(hit: Hit) -> Self {
        Self {
            id: hit.id,
            chunk: hit.chunk,
            score: hit.score,
            title: hit.title,
            url: hit.url,
            headings: hit.headings,
            anchor: hit.anchor,
            meta: meta(hit.meta),
            excerpt: hit.excerpt.into(),
            explain: hit.explain.map(JsExplain::from),
        }
    }
}

/// Metadata as a plain object.
pub fn meta(meta: BTreeMap<String, Value>) -> BTreeMap<String, JsMeta> {
    meta.into_iter().map(|(name, value)| (name, value.into())).collect()
}

#[derive(Serialize)]
struct JsFacet {
    value: JsMeta,
    count: u32,
}

#[derive(Serialize)]
struct JsCorrection {
    from: String,
    to: String,
}

/// What reading cost.
#[derive(Serialize)]
pub struct JsStats {
    waves: u32,
    requests: u32,
    bytes: f64,
    cached: u32,
}

impl From<ReadStats> for JsStats {
    fn from(stats: ReadStats) -> Self {
        let ReadStats { waves, requests, bytes, cached } = stats;
        Self { waves, requests, bytes: bytes as f64, cached }
    }
}

#[derive(Serialize)]
struct JsResult {
    query: String,
    mode: &'static str,
    hits: Vec<JsHit>,
    total: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<BTreeMap<String, Vec<JsFacet>>>,
    corrections: Vec<JsCorrection>,
    stats: JsStats,
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<&'static str>,
}

/// A search's result as a plain object.
pub fn result(query: &str, wanted: Mode, found: SearchResult) -> Result<JsValue, JsValue> {
    let facets = (!found.facets.is_empty()).then(|| {
        let values = |values: Vec<(Value, u32)>| {
            values.into_iter().map(|(value, count)| JsFacet { value: value.into(), count }).collect()
        };
        found.facets.into_iter().map(|(field, counts)| (field, values(counts))).collect()
    });
    let corrections = found
        .corrections
        .into_iter()
        .map(|correction| JsCorrection { from: correction.from, to: correction.to })
        .collect();
    let mode = match found.mode {
        Mode::Hybrid => "hybrid",
        Mode::Keyword => "keyword",
        Mode::Vector => "vector",
    };
    to_object(&JsResult {
        query: query.to_string(),
        mode,
        hits: found.hits.into_iter().map(JsHit::from).collect(),
        total: found.total,
        facets,
        corrections,
        stats: found.stats.into(),
        degraded: (wanted != found.mode).then_some("keyword-only"),
    })
}

/// Serializes maps as objects, not as `Map`.
pub fn to_object<T: Serialize>(value: &T) -> Result<JsValue, JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::new().serialize_maps_as_objects(true);
    value.serialize(&serializer).map_err(JsValue::from)
}

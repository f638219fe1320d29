//! Option and result types of the boundary. No Rust type leaks: JavaScript sees plain objects.

use coracle::document::Value;
use coracle::filter::Filter;
use coracle::search::DEFAULT_ALPHA;
use coracle::search::DEFAULT_RRF_K;
use coracle::search::Excerpt;
use coracle::search::Explain;
use coracle::search::Fusion;
use coracle::search::Group;
use coracle::search::Hit;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle::search::SearchResult;
use coracle::store::ReadStats;
use js_sys::Array;
use js_sys::Float32Array;
use js_sys::JSON;
use js_sys::Reflect;
use serde::Serialize;
use serde::Serializer;
use std::collections::BTreeMap;
use wasm_bindgen::JsValue;

use crate::error::error;
use crate::error::usage;

/// The members of an options object, read one by one: deserialization by serde would bring its
/// descriptions of every kind of unexpected value, 15 kB of code.
struct Members<'a>(&'a JsValue);

impl Members<'_> {
    /// The member, if it is there and not `null`.
    fn get(&self, name: &str) -> Result<Option<JsValue>, JsValue> {
        let value = Reflect::get(self.0, &name.into())?;
        Ok(Some(value).filter(|value| !value.is_undefined() && !value.is_null()))
    }

    /// The member as `read` understands it.
    fn read<T>(
        &self,
        name: &str,
        wanted: &str,
        read: impl Fn(&JsValue) -> Option<T>,
    ) -> Result<Option<T>, JsValue> {
        let Some(value) = self.get(name)? else {
            return Ok(None);
        };
        match read(&value) {
            Some(understood) => Ok(Some(understood)),
            None => Err(refusal(name, &value, wanted)),
        }
    }

    /// The member as one of some names, of which the first is the default.
    fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<T, JsValue> {
        let Some(value) = self.get(name)? else {
            return Ok(choices[0].1);
        };
        let given = value.as_string();
        let found = choices
            .iter()
            .find(|(choice, _)| given.as_deref() == Some(*choice));
        found.map(|&(_, meaning)| meaning).ok_or_else(|| {
            let known: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            refusal(name, &value, &format!("one of {}", known.join(", ")))
        })
    }

    fn count(&self, name: &str, default: usize) -> Result<usize, JsValue> {
        let whole = |number: &f64| (0.0..=1e6).contains(number) && number.fract() == 0.0;
        let count = self.read(name, "a whole number", |value| value.as_f64().filter(whole))?;
        Ok(count.map_or(default, |count| count as usize))
    }

    fn flag(&self, name: &str) -> Result<bool, JsValue> {
        Ok(self
            .read(name, "true or false", JsValue::as_bool)?
            .unwrap_or(false))
    }
}

fn refusal(name: &str, value: &JsValue, wanted: &str) -> JsValue {
    let shown = JSON::stringify(value).map(String::from).unwrap_or_default();
    usage(&format!("{name} is {shown}, it must be {wanted}"))
}

/// Search options out of a JavaScript object.
pub fn options(value: &JsValue) -> Result<SearchOptions, JsValue> {
    let mut options = SearchOptions::default();
    if value.is_undefined() || value.is_null() {
        return Ok(options);
    }
    let given = Members(value);
    let modes = [
        ("hybrid", Mode::Hybrid),
        ("keyword", Mode::Keyword),
        ("vector", Mode::Vector),
    ];
    options.mode = given.choice("mode", &modes)?;
    let groups = [("document", Group::Document), ("chunk", Group::Chunk)];
    options.group = given.choice("group", &groups)?;
    let alpha = given.read("alpha", "from 0 to 1", |value| {
        value
            .as_f64()
            .map(|alpha| alpha as f32)
            .filter(|alpha| (0.0..=1.0).contains(alpha))
    })?;
    let convex = Fusion::Convex {
        alpha: alpha.unwrap_or(DEFAULT_ALPHA),
    };
    let fusions = [
        ("convex", convex),
        ("rrf", Fusion::Rrf { k: DEFAULT_RRF_K }),
    ];
    options.fusion = given.choice("fusion", &fusions)?;
    options.limit = given.count("limit", options.limit)?;
    options.offset = given.count("offset", options.offset)?;
    let facets = given.read("facets", "a list of field names", |value| {
        let names = Array::is_array(value).then(|| Array::from(value))?;
        names.iter().map(|name| name.as_string()).collect()
    })?;
    options.facets = facets.unwrap_or_default();
    options.explain = given.flag("explain")?;
    options.prefix = given.flag("prefix")?;
    options.exact = given.flag("exact")?;
    // What is not a number becomes NaN, which the engine refuses.
    options.embedding = given.read("vector", "a list of numbers", |value| {
        value
            .is_object()
            .then(|| Float32Array::new(&Array::from(value)).to_vec())
    })?;
    if let Some(filter) = given.get("filter")? {
        let text = String::from(JSON::stringify(&filter)?);
        let filter = Filter::parse(&text).map_err(|bad| error("filter", &bad.to_string()))?;
        options.filter = Some(filter);
    }
    Ok(options)
}

/// A metadata value as JavaScript's own.
struct JsMeta<'a>(&'a Value);

impl Serialize for JsMeta<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Text(text) => serializer.serialize_str(text),
            Value::Number(number) => serializer.serialize_f64(*number),
            Value::Bool(truth) => serializer.serialize_bool(*truth),
            Value::List(values) => serializer.collect_seq(values.iter().map(JsMeta)),
        }
    }
}

/// Serializes metadata as a plain object.
pub fn meta<S: Serializer>(
    meta: &BTreeMap<String, Value>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(meta.iter().map(|(name, value)| (name, JsMeta(value))))
}

#[derive(Serialize)]
struct JsExcerpt<'a> {
    text: &'a str,
    /// UTF-16 offsets.
    marks: Vec<(u32, u32)>,
}

impl<'a> From<&'a Excerpt> for JsExcerpt<'a> {
    fn from(Excerpt { text, marks }: &'a Excerpt) -> Self {
        let utf16 = |end: usize| {
            text.get(..end)
                .map_or(0, |before| before.encode_utf16().count()) as u32
        };
        let marks = marks
            .iter()
            .map(|mark| (utf16(mark.start), utf16(mark.end)))
            .collect();
        Self { text, marks }
    }
}

#[derive(Serialize)]
struct JsExplain<'a> {
    keyword: Option<JsPart>,
    vector: Option<JsPart>,
    terms: Vec<JsTerm<'a>>,
    rescored: bool,
    weight: f32,
}

#[derive(Serialize)]
struct JsPart {
    score: f64,
    normalised: f32,
    rank: Option<u32>,
}

#[derive(Serialize)]
struct JsTerm<'a> {
    term: &'a str,
    score: u32,
}

impl<'a> From<&'a Explain> for JsExplain<'a> {
    fn from(explain: &'a Explain) -> Self {
        let keyword = explain.keyword.map(|(score, normalised)| JsPart {
            score: score.into(),
            normalised,
            rank: explain.keyword_rank,
        });
        let vector = explain.vector.map(|(score, normalised)| JsPart {
            score: score.into(),
            normalised,
            rank: explain.vector_rank,
        });
        let terms = explain.terms.iter().map(|(term, score)| JsTerm {
            term,
            score: *score,
        });
        let (rescored, weight) = (explain.rescored, explain.weight);
        Self {
            keyword,
            vector,
            terms: terms.collect(),
            rescored,
            weight,
        }
    }
}

#[derive(Serialize)]
struct JsHit<'a> {
    id: &'a str,
    chunk: u32,
    score: f32,
    title: &'a str,
    url: &'a str,
    headings: &'a [String],
    anchor: &'a str,
    #[serde(serialize_with = "meta")]
    meta: &'a BTreeMap<String, Value>,
    excerpt: JsExcerpt<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explain: Option<JsExplain<'a>>,
}

impl<'a> From<&'a Hit> for JsHit<'a> {
    fn from(hit: &'a Hit) -> Self {
        Self {
            id: &hit.id,
            chunk: hit.chunk,
            score: hit.score,
            title: &hit.title,
            url: &hit.url,
            headings: &hit.headings,
            anchor: &hit.anchor,
            meta: &hit.meta,
            excerpt: JsExcerpt::from(&hit.excerpt),
            explain: hit.explain.as_ref().map(JsExplain::from),
        }
    }
}

/// Values of fields and their counts, as an object by field.
struct JsFacets<'a>(&'a [(String, Vec<(Value, u32)>)]);

impl Serialize for JsFacets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(field, counts)| {
            let counts: Vec<JsFacet<'_>> = counts
                .iter()
                .map(|(value, count)| JsFacet {
                    value: JsMeta(value),
                    count: *count,
                })
                .collect();
            (field, counts)
        }))
    }
}

#[derive(Serialize)]
struct JsFacet<'a> {
    value: JsMeta<'a>,
    count: u32,
}

#[derive(Serialize)]
struct JsCorrection<'a> {
    from: &'a str,
    to: &'a str,
}

/// What reading cost.
#[derive(Serialize)]
struct JsStats {
    waves: u32,
    requests: u32,
    bytes: f64,
    cached: u32,
}

impl From<ReadStats> for JsStats {
    fn from(stats: ReadStats) -> Self {
        let ReadStats {
            waves,
            requests,
            bytes,
            cached,
        } = stats;
        Self {
            waves,
            requests,
            bytes: bytes as f64,
            cached,
        }
    }
}

#[derive(Serialize)]
struct JsResult<'a> {
    query: &'a str,
    mode: &'static str,
    hits: Vec<JsHit<'a>>,
    total: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<JsFacets<'a>>,
    corrections: Vec<JsCorrection<'a>>,
    stats: JsStats,
    #[serde(skip_serializing_if = "Option::is_none")]
    degraded: Option<&'static str>,
}

/// A search's result as a plain object.
pub fn result(query: &str, wanted: Mode, found: &SearchResult) -> Result<JsValue, JsValue> {
    let corrections = found
        .corrections
        .iter()
        .map(|correction| JsCorrection {
            from: &correction.from,
            to: &correction.to,
        })
        .collect();
    let mode = match found.mode {
        Mode::Hybrid => "hybrid",
        Mode::Keyword => "keyword",
        Mode::Vector => "vector",
    };
    to_object(&JsResult {
        query,
        mode,
        hits: found.hits.iter().map(JsHit::from).collect(),
        total: found.total,
        facets: (!found.facets.is_empty()).then_some(JsFacets(&found.facets)),
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

//! Option and result types of the boundary. No Rust type leaks: JavaScript sees plain objects.

use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use coracle::document::Value;
use coracle::filter::Filter;
use coracle::filter::FilterError;
use coracle::filter::MAX_BYTES;
use coracle::index::DocumentRecord;
use coracle::index::Passage;
use coracle::index::Root;
use coracle::json::Json;
use coracle::json::JsonError;
use coracle::json::JsonProblem;
use coracle::json::MAX_DEPTH;
use coracle::search::DEFAULT_RRF_K;
use coracle::search::Excerpt;
use coracle::search::Explain;
use coracle::search::Fusion;
use coracle::search::Group;
use coracle::search::Hit;
use coracle::search::Mode;
use coracle::search::SearchOptions;
use coracle::search::SearchResult;
use js_sys::Array;
use js_sys::Float32Array;
use js_sys::JSON;
use js_sys::Object;
use js_sys::Reflect;
use wasm_bindgen::JsCast;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

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
            let known = choices.iter().map(|(choice, _)| *choice);
            one_of(name, &value, &known.collect::<Vec<_>>())
        })
    }

    fn count(&self, name: &str, default: usize) -> Result<usize, JsValue> {
        let whole = |number: &f64| (0.0..=1e6).contains(number) && *number as u32 as f64 == *number;
        let count = self.read(name, "a whole number", |value| value.as_f64().filter(whole))?;
        Ok(count.map_or(default, |count| count as usize))
    }

    fn flag(&self, name: &str) -> Result<bool, JsValue> {
        Ok(self
            .read(name, "true or false", JsValue::as_bool)?
            .unwrap_or(false))
    }

    fn share(&self, name: &str) -> Result<Option<f32>, JsValue> {
        self.read(name, "from 0 to 1", |value| {
            let share = value.as_f64()? as f32;
            (0.0..=1.0).contains(&share).then_some(share)
        })
    }
}

#[inline(never)]
fn refusal(name: &str, value: &JsValue, wanted: &str) -> JsValue {
    let shown = JSON::stringify(value).map(String::from).unwrap_or_default();
    usage(&format!("{name} is {shown}, it must be {wanted}"))
}

#[inline(never)]
fn one_of(name: &str, value: &JsValue, known: &[&str]) -> JsValue {
    refusal(name, value, &format!("one of {}", known.join(", ")))
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
    options.sections = given.count("sections", 0)?;
    let alpha = given.share("alpha")?;
    let convex = alpha.map_or(Fusion::Auto, |alpha| Fusion::Convex { alpha });
    let fusions = [
        ("convex", convex),
        ("rrf", Fusion::Rrf { k: DEFAULT_RRF_K }),
    ];
    options.fusion = given.choice("fusion", &fusions)?;
    options.limit = given.count("limit", options.limit)?;
    options.offset = given.count("offset", options.offset)?;
    let facets = given.read("facets", "a list of field names", names)?;
    options.facets = facets.unwrap_or_default();
    options.explain = given.flag("explain")?;
    options.prefix = given.flag("prefix")?;
    options.exact = given.flag("exact")?;
    options.diversity = given.share("diversity")?.unwrap_or_default();
    // What is not a number becomes NaN, which the engine refuses.
    options.embedding = given.read("vector", "a list of numbers", numbers)?;
    if let Some(value) = given.get("filter")? {
        options.filter = Some(filter(&value)?);
    }
    Ok(options)
}

#[inline(never)]
fn names(value: &JsValue) -> Option<Vec<String>> {
    let names = Array::is_array(value).then(|| Array::from(value))?;
    names.iter().map(|name| name.as_string()).collect()
}

#[inline(never)]
fn numbers(value: &JsValue) -> Option<Vec<f32>> {
    let list = value.is_object().then(|| Array::from(value))?;
    Some(Float32Array::new(&list).to_vec())
}

#[inline(never)]
fn filter(value: &JsValue) -> Result<Filter, JsValue> {
    let filter = json(value).and_then(|filter| Filter::from_json(&filter));
    filter.map_err(|bad| error("filter", &bad.to_string()))
}

#[wasm_bindgen]
extern "C" {
    /// An object under construction: serialization by serde would bring 10 kB of code.
    pub type Record;

    #[wasm_bindgen(constructor, js_class = "Object")]
    fn new() -> Record;

    #[wasm_bindgen(method, indexing_setter)]
    pub fn set(this: &Record, name: &str, value: &JsValue);

    #[wasm_bindgen(method, indexing_setter)]
    pub fn text(this: &Record, name: &str, value: &str);

    #[wasm_bindgen(method, indexing_setter)]
    pub fn number(this: &Record, name: &str, value: f64);

    #[wasm_bindgen(method, indexing_setter)]
    pub fn flag(this: &Record, name: &str, value: bool);
}

/// A filter as the JSON that it is: the host has a parser, the module needs none.
fn json(value: &JsValue) -> Result<Json, FilterError> {
    let fail = |problem| FilterError::Json(JsonError { offset: 0, problem });
    let text = JSON::stringify(value).map_err(|_| fail(JsonProblem::Expected("plain values")))?;
    if text.length() as usize > MAX_BYTES {
        return Err(fail(JsonProblem::TooLong { max: MAX_BYTES }));
    }
    let plain = JSON::parse(&String::from(text)).unwrap_or_default();
    tree(&plain, 0).ok_or(fail(JsonProblem::TooDeep { max: MAX_DEPTH }))
}

/// Plain values as a tree, unless they are nested too deeply.
fn tree(value: &JsValue, depth: usize) -> Option<Json> {
    Some(if let Some(text) = value.as_string() {
        Json::String(text)
    } else if let Some(number) = value.as_f64() {
        Json::Number(number)
    } else if let Some(truth) = value.as_bool() {
        Json::Bool(truth)
    } else if value.is_null() || depth == MAX_DEPTH {
        return value.is_null().then_some(Json::Null);
    } else if let Some(elements) = value.dyn_ref::<Array>() {
        let elements = elements.iter().map(|one| tree(&one, depth + 1));
        Json::Array(elements.collect::<Option<_>>()?)
    } else {
        let mut members = Vec::new();
        for member in Object::entries(value.unchecked_ref()).iter() {
            let member: Array = member.unchecked_into();
            members.push((member.get(0).as_string()?, tree(&member.get(1), depth + 1)?));
        }
        Json::Object(members)
    })
}

fn list<T>(items: &[T], convert: impl Fn(&T) -> JsValue) -> JsValue {
    let list = Array::new();
    for item in items {
        list.push(&convert(item));
    }
    list.into()
}

fn texts(texts: &[String]) -> JsValue {
    list(texts, |text| text.as_str().into())
}

/// A metadata value as JavaScript's own.
fn value(of: &Value) -> JsValue {
    match of {
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => (*number).into(),
        Value::Bool(truth) => (*truth).into(),
        Value::List(values) => list(values, value),
    }
}

/// Metadata as a plain object.
fn meta(of: &[(String, Value)]) -> JsValue {
    let out = Record::new();
    for (name, one) in of {
        out.set(name, &value(one));
    }
    out.into()
}

fn excerpt(Excerpt { text, marks }: &Excerpt) -> JsValue {
    let utf16 = |end: usize| {
        let before = text.get(..end).unwrap_or_default();
        before.encode_utf16().count() as f64
    };
    let mark = |start: usize, end: usize| Array::of2(&utf16(start).into(), &utf16(end).into());
    let out = Record::new();
    out.text("text", text);
    let marks = list(marks, |range| mark(range.start, range.end).into());
    out.set("marks", &marks);
    out.into()
}

/// A place in one of the two rankings.
fn part(score: f64, normalised: f32, rank: Option<u32>) -> JsValue {
    let out = Record::new();
    out.number("score", score);
    out.number("normalised", normalised.into());
    if let Some(rank) = rank {
        out.number("rank", rank.into());
    }
    out.into()
}

#[inline(never)]
fn explanation(of: &Explain) -> JsValue {
    let out = Record::new();
    if let Some((score, normalised)) = of.keyword {
        out.set("keyword", &part(score.into(), normalised, of.keyword_rank));
    }
    if let Some((score, normalised)) = of.vector {
        out.set("vector", &part(score.into(), normalised, of.vector_rank));
    }
    let terms = list(&of.terms, |(term, score)| {
        let out = Record::new();
        out.text("term", term);
        out.number("score", (*score).into());
        out.into()
    });
    out.set("terms", &terms);
    out.flag("rescored", of.rescored);
    out.flag("complete", of.complete);
    out.number("weight", of.weight.into());
    out.number("support", of.support.into());
    out.into()
}

fn hit(of: &Hit) -> JsValue {
    let out = Record::new();
    out.text("id", &of.id);
    out.number("chunk", of.chunk.into());
    out.number("score", of.score.into());
    out.text("title", &of.title);
    out.text("url", &of.url);
    out.set("headings", &texts(&of.headings));
    out.text("anchor", &of.anchor);
    out.set("meta", &meta(&of.meta));
    out.set("excerpt", &excerpt(&of.excerpt));
    if let Some(explain) = &of.explain {
        out.set("explain", &explanation(explain));
    }
    if !of.sections.is_empty() {
        out.set("sections", &list(&of.sections, hit));
    }
    out.into()
}

/// A search's result as a plain object.
#[inline(never)]
pub fn result(query: &str, wanted: Mode, found: &SearchResult) -> JsValue {
    let out = Record::new();
    out.text("query", query);
    let mode = match found.mode {
        Mode::Hybrid => "hybrid",
        Mode::Keyword => "keyword",
        Mode::Vector => "vector",
    };
    out.text("mode", mode);
    out.set("hits", &list(&found.hits, hit));
    out.number("total", found.total.into());
    if !found.facets.is_empty() {
        let facets = Record::new();
        for (field, counts) in &found.facets {
            let counts = list(counts, |(one, count)| {
                let out = Record::new();
                out.set("value", &value(one));
                out.number("count", (*count).into());
                out.into()
            });
            facets.set(field, &counts);
        }
        out.set("facets", &facets);
    }
    let corrections = list(&found.corrections, |correction| {
        let out = Record::new();
        out.text("from", &correction.from);
        out.text("to", &correction.to);
        out.into()
    });
    out.set("corrections", &corrections);
    if !found.suggestions.is_empty() {
        out.set("suggestions", &texts(&found.suggestions));
    }
    if found.filtered_out {
        out.flag("filteredOut", true);
    }
    let stats = Record::new();
    stats.number("waves", found.stats.waves.into());
    stats.number("requests", found.stats.requests.into());
    stats.number("bytes", found.stats.bytes as f64);
    stats.number("cached", found.stats.cached.into());
    let sections = Record::new();
    for (name, bytes) in &found.stats.sections {
        sections.number(name, *bytes as f64);
    }
    stats.set("sections", &sections);
    out.set("stats", &stats);
    if wanted != found.mode {
        out.text("degraded", "keyword-only");
    }
    out.into()
}

/// A chunk's text and the document it belongs to as a plain object.
pub fn passage((passage, document): &(Passage, DocumentRecord)) -> JsValue {
    let out = Record::new();
    out.text("id", &document.id);
    out.text("url", &document.url);
    out.text("title", &document.title);
    out.set("headings", &texts(&passage.headings));
    out.text("anchor", &passage.anchor);
    out.text("text", &passage.text);
    out.number("tokens", passage.tokens.into());
    let (start, end) = (passage.span.start as f64, passage.span.end as f64);
    out.set("span", &Array::of2(&start.into(), &end.into()));
    out.set("meta", &meta(&document.meta));
    out.into()
}

/// What an index says about itself as a plain object.
pub fn info(root: &Root) -> JsValue {
    let out = Record::new();
    out.text("buildId", &hex(root.build_id));
    out.number("documents", root.counts.documents.into());
    out.number("chunks", root.counts.chunks.into());
    out.number("terms", root.counts.terms.into());
    out.set(
        "fields",
        &list(&root.columns, |(name, _)| name.as_str().into()),
    );
    out.number("bytes", root.body_len as f64);
    if let Some(vectors) = &root.vectors {
        out.text("embedder", &vectors.embedder);
        out.number("dim", vectors.input_dim().into());
    }
    let offline = root
        .vectors
        .as_ref()
        .is_some_and(|vectors| vectors.term_rows.is_some());
    out.flag("offlineQueries", offline);
    let figures = Record::new();
    for (name, figure) in &root.figures {
        figures.number(name, *figure);
    }
    out.set("figures", &figures);
    out.into()
}

fn hex(number: u64) -> String {
    let digit = |at: u32| char::from_digit((number >> (4 * at)) as u32 & 15, 16);
    (0..16).rev().filter_map(digit).collect()
}

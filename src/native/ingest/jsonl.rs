//! JSON lines → records: one object per line, bad lines are left out and named.
//!
//! `{"id": "a", "title": "…", "url": "…", "text": "…", "meta": {…}, "vector": [0.1, …]}`. `_id`,
//! `content` and `body`, `metadata`, `embedding` are read as well; every other field becomes
//! metadata. Lines are parsed in parallel, batch by batch, so memory follows the texts and not the
//! file.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::io::BufRead;

use coracle::document::Value;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;
use serde::Deserialize;
use serde::de::Deserializer;
use serde::de::IgnoredAny;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::Value as Json;

use crate::ingest::clean;
use crate::ingest::error::Reason;
use crate::ingest::front_matter;

/// One record as it stood in the input.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Record {
    /// Identifier.
    pub id: String,
    /// Title; empty when there is none.
    pub title: String,
    /// Address as given; empty when there is none.
    pub url: String,
    /// Text as given.
    pub text: String,
    /// Metadata by field name.
    pub meta: BTreeMap<String, Value>,
    /// Factor on the scores of its chunks.
    pub weight: Option<f64>,
    /// Ready-made vector; finite.
    pub vector: Option<Vec<f32>>,
}

/// Components that a vector may have.
pub const MAX_DIMENSION: usize = 8192;

/// Bytes of lines that are parsed at once.
const BATCH_BYTES: usize = 8 << 20;

/// Reads records line by line; `each` gets the number of every line that is not empty, from 1, and
/// what `parse` made of it, in order.
///
/// # Errors
/// Those of `reader`, after all whole lines before it. What is wrong with single lines goes to
/// `parse`.
pub fn read<R: BufRead, T: Send>(
    mut reader: R,
    max_line_bytes: usize,
    parse: impl Fn(Result<Record, Reason>) -> T + Sync,
    mut each: impl FnMut(u64, T),
) -> io::Result<()> {
    let mut line = 0;
    loop {
        let mut batch: Vec<(u64, Result<Vec<u8>, Reason>)> = Vec::new();
        let mut batch_bytes = 0;
        let mut end = None;
        while end.is_none() && batch_bytes < BATCH_BYTES {
            let mut bytes = Vec::new();
            let is_cut = match read_line(&mut reader, max_line_bytes, &mut bytes) {
                Ok(Some(is_cut)) => is_cut,
                Ok(None) => {
                    end = Some(Ok(()));
                    break;
                }
                Err(error) => {
                    end = Some(Err(error));
                    break;
                }
            };
            line += 1;
            batch_bytes += bytes.len();
            if is_cut {
                let limit = max_line_bytes as u64;
                batch.push((line, Err(Reason::LineTooLong { limit })));
            } else if !bytes.trim_ascii().is_empty() {
                batch.push((line, Ok(bytes)));
            }
        }
        let parsed: Vec<(u64, T)> = batch
            .into_par_iter()
            .map(|(line, bytes)| (line, parse(bytes.and_then(|bytes| record(&bytes)))))
            .collect();
        for (line, outcome) in parsed {
            each(line, outcome);
        }
        if let Some(end) = end {
            return end;
        }
    }
}

/// Reads a line without its end into `out`, at most `limit` bytes of it; the rest is skipped
/// without being kept. Returns whether something was skipped, `None` at the end of the input.
fn read_line<R: BufRead>(
    reader: &mut R,
    limit: usize,
    out: &mut Vec<u8>,
) -> io::Result<Option<bool>> {
    let mut is_empty = true;
    let mut is_cut = false;
    loop {
        let buffer = match reader.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        };
        if buffer.is_empty() {
            return Ok((!is_empty).then_some(is_cut));
        }
        is_empty = false;
        let end = buffer.iter().position(|&b| b == b'\n');
        let line = buffer
            .get(..end.unwrap_or(buffer.len()))
            .unwrap_or_default();
        let kept = line.get(..limit.saturating_sub(out.len())).unwrap_or(line);
        is_cut |= kept.len() < line.len();
        out.extend_from_slice(kept);
        let used = line.len() + usize::from(end.is_some());
        reader.consume(used);
        if end.is_some() {
            return Ok(Some(is_cut));
        }
    }
}

/// Parses one line.
///
/// # Errors
/// The reason to leave it out.
pub fn record(line: &[u8]) -> Result<Record, Reason> {
    let line = line.strip_prefix("\u{FEFF}".as_bytes()).unwrap_or(line);
    let text = std::str::from_utf8(line).map_err(|error| Reason::NotUtf8 {
        byte: error.valid_up_to(),
    })?;
    let fields: Fields = serde_json::from_str(text).map_err(|error| bad_json(text, &error))?;
    if let Some(vector) = &fields.record.vector {
        if let Some(component) = vector.iter().position(|x| !x.is_finite()) {
            return Err(Reason::NonFiniteVector { component });
        }
        if vector.is_empty() || vector.len() > MAX_DIMENSION {
            return Err(Reason::VectorLength {
                got: vector.len(),
                max: MAX_DIMENSION,
            });
        }
    }
    if fields.record.id.is_empty() {
        return Err(Reason::NoId);
    }
    let mut record = fields.record;
    if record.text.trim().is_empty() {
        // Judged collections hold documents that are a title only.
        if !fields.has_text || record.title.is_empty() {
            return Err(Reason::NoText);
        }
        record.text.clone_from(&record.title);
    }
    Ok(record)
}

fn bad_json(text: &str, error: &serde_json::Error) -> Reason {
    let column = error.column();
    let message = error.to_string();
    // " at line 1 column 7" is said by the reason itself.
    let message = message
        .split(" at line ")
        .next()
        .unwrap_or_default()
        .to_owned();
    // JSON has no word for these, but common writers emit them; the parser stops inside or before.
    let at = column.saturating_sub(1);
    let words = ["NaN", "Infinity", "nan", "inf", "Inf", "aN", "nfinity"];
    let is_nan = [at, at.saturating_sub(1)].iter().any(|&at| {
        let around = text
            .get(at..)
            .unwrap_or_default()
            .trim_start_matches([' ', '\t', ',', '[', '-']);
        words.iter().any(|word| around.starts_with(word))
    });
    let before = text.get(..at).unwrap_or_default();
    if is_nan && let Some(open) = before.rfind('[') {
        let component = before.get(open..).unwrap_or_default().matches(',').count();
        return Reason::NonFiniteVector { component };
    }
    Reason::BadJson { column, message }
}

/// A record while it is read.
#[derive(Debug, Default)]
struct Fields {
    record: Record,
    has_text: bool,
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(FieldsVisitor)
    }
}

struct FieldsVisitor;

impl<'de> Visitor<'de> for FieldsVisitor {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"id\" and \"text\"")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
        let mut fields = Fields::default();
        let record = &mut fields.record;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" | "_id" => record.id = map.next_value::<Id>()?.0,
                "title" => {
                    let title = map.next_value::<Option<String>>()?.unwrap_or_default();
                    record.title = clean::flowing(&title);
                }
                "url" => record.url = map.next_value::<Option<String>>()?.unwrap_or_default(),
                "text" | "content" | "body" => {
                    let text = map.next_value::<Option<String>>()?;
                    fields.has_text |= text.is_some();
                    record.text = text.unwrap_or_default();
                }
                "vector" | "embedding" => record.vector = map.next_value()?,
                "weight" => record.weight = map.next_value()?,
                "meta" | "metadata" => {
                    let value = map.next_value::<Json>()?;
                    if let Json::Object(inner) = value {
                        for (key, value) in inner {
                            add(&mut record.meta, key, value);
                        }
                    } else {
                        add(&mut record.meta, key, value);
                    }
                }
                "" => {
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    let value = map.next_value::<Json>()?;
                    add(&mut record.meta, key, value);
                }
            }
        }
        Ok(fields)
    }
}

fn add(meta: &mut BTreeMap<String, Value>, key: String, value: Json) {
    front_matter::insert(
        &mut |key, value| {
            meta.insert(key, value);
        },
        key,
        value,
    );
}

/// An id: a string, or a number by its digits.
struct Id(String);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Json::deserialize(deserializer)? {
            Json::String(text) => Ok(Self(clean::flowing(&text))),
            Json::Number(number) => Ok(Self(number.to_string())),
            Json::Null => Ok(Self(String::new())),
            Json::Bool(_) | Json::Array(_) | Json::Object(_) => Err(serde::de::Error::custom(
                "\"id\" is neither a string nor a number",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_fields_are_read_and_unknown_ones_become_metadata() {
        let line = br#"{"_id": 7, "title": " A  b ", "text": "t", "year": 2020, "ok": true,
            "tags": ["x", "y"], "meta": {"by": "me", "at": {"x": 1}}, "none": null, "vector": [1, 0.5]}"#;
        let record = record(line).expect("record");
        assert_eq!((record.id.as_str(), record.title.as_str()), ("7", "A b"));
        assert_eq!(record.vector, Some(vec![1.0, 0.5]));
        let keys: Vec<_> = record.meta.keys().map(String::as_str).collect();
        assert_eq!(keys, ["at.x", "by", "ok", "tags", "year"]);
        assert_eq!(record.meta.get("year"), Some(&Value::Number(2020.0)));
    }

    #[test]
    fn bad_lines_are_named_with_their_reason() {
        let reason = |line: &[u8]| record(line).expect_err("bad line");
        assert!(matches!(reason(b"{\"id\": 1,"), Reason::BadJson { .. }));
        assert!(matches!(reason(b"[1]"), Reason::BadJson { .. }));
        assert_eq!(
            reason(b"{\"id\":1,\"text\":\"\xff\"}"),
            Reason::NotUtf8 { byte: 16 }
        );
        assert_eq!(reason(br#"{"id": 1}"#), Reason::NoText);
        assert_eq!(reason(br#"{"id": 1, "title": "only"}"#), Reason::NoText);
        assert_eq!(reason(br#"{"text": "x"}"#), Reason::NoId);
        assert_eq!(
            reason(br#"{"id": 1, "text": "x", "vector": [1, 2, NaN]}"#),
            Reason::NonFiniteVector { component: 2 }
        );
        for word in ["NaN", "Infinity", "-Infinity"] {
            let line = format!(r#"{{"vector":[1,2,{word},4],"id":1,"text":"x"}}"#);
            assert_eq!(
                reason(line.as_bytes()),
                Reason::NonFiniteVector { component: 2 }
            );
        }
        assert_eq!(
            reason(br#"{"id": 1, "text": "x", "vector": [1, -Infinity]}"#),
            Reason::NonFiniteVector { component: 1 }
        );
        assert_eq!(
            reason(br#"{"id": 1, "text": "x", "vector": [1e39]}"#),
            Reason::NonFiniteVector { component: 0 }
        );
        assert_eq!(
            reason(br#"{"id": 1, "text": "x", "vector": []}"#),
            Reason::VectorLength {
                got: 0,
                max: MAX_DIMENSION
            }
        );
    }

    #[test]
    fn title_stands_for_an_empty_text() {
        let record = record(br#"{"_id": "d", "title": "Only a title", "text": ""}"#);
        assert_eq!(record.expect("record").text, "Only a title");
    }

    #[test]
    fn long_line_is_skipped_without_being_kept() {
        let mut input = br#"{"id":1,"text":"a"}"#.to_vec();
        input.push(b'\n');
        input.extend(std::iter::repeat_n(b'x', 100_000));
        input.extend_from_slice(b"\n\n{\"id\":2,\"text\":\"b\"}");
        let mut found = Vec::new();
        read(
            &input[..],
            1000,
            |r| r.map(|r| r.id),
            |line, r| found.push((line, r)),
        )
        .expect("readable");
        assert_eq!(
            found,
            [
                (1, Ok("1".into())),
                (2, Err(Reason::LineTooLong { limit: 1000 })),
                (4, Ok("2".into()))
            ]
        );
    }
}

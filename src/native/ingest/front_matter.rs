//! Front matter (YAML between `---`, TOML between `+++`) → title, address, metadata.

use coracle::document::Value;
use serde_json::Map;
use serde_json::Value as Json;

use crate::ingest::clean;
use crate::ingest::page::Page;

/// Front matter that does not parse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrontMatterError {
    /// Line in the file, from 1.
    pub line: u64,
    /// The parser's words.
    pub message: String,
}

/// Reads the front matter of `source` into `page`; returns the offset at which the text begins.
///
/// # Errors
/// When there is front matter and it does not parse. A first `---` whose block is not a mapping is
/// a rule between paragraphs, not front matter.
pub fn read(source: &str, page: &mut Page) -> Result<usize, FrontMatterError> {
    let Some((fence, body, end)) = fenced(source) else {
        return Ok(0);
    };
    let fields = if fence == "---" {
        yaml(body)?
    } else {
        toml(body)?
    };
    let Some(fields) = fields else { return Ok(0) };
    apply(fields, page);
    Ok(end)
}

/// The fence, what stands between the fences, and where the text after them begins.
fn fenced(source: &str) -> Option<(&'static str, &str, usize)> {
    let start = if source.starts_with('\u{FEFF}') {
        '\u{FEFF}'.len_utf8()
    } else {
        0
    };
    let mut lines = source.get(start..)?.split_inclusive('\n');
    let first = lines.next()?;
    let fence = ["---", "+++"]
        .into_iter()
        .find(|fence| first.trim_end() == *fence)?;
    let body_start = start + first.len();
    let mut at = body_start;
    for line in lines {
        let is_end = line.trim_end() == fence || (fence == "---" && line.trim_end() == "...");
        if is_end {
            return Some((fence, source.get(body_start..at)?, at + line.len()));
        }
        at += line.len();
    }
    None
}

fn yaml(body: &str) -> Result<Option<Map<String, Json>>, FrontMatterError> {
    if body.trim().is_empty() {
        return Ok(Some(Map::new()));
    }
    match serde_saphyr::from_str::<Json>(body) {
        Ok(Json::Object(fields)) => Ok(Some(fields)),
        Ok(_) => Ok(None),
        Err(error) => {
            // The block begins in line 2.
            let line = error.location().map_or(1, |at| at.line() + 1);
            let text = error.to_string();
            let message = text.lines().next().unwrap_or_default().to_owned();
            Err(FrontMatterError { line, message })
        }
    }
}

fn toml(body: &str) -> Result<Option<Map<String, Json>>, FrontMatterError> {
    match toml::from_str::<toml::Table>(body) {
        Ok(table) => Ok(Some(
            table
                .into_iter()
                .map(|(key, value)| (key, toml_to_json(value)))
                .collect(),
        )),
        Err(error) => {
            let before = error.span().map_or(0, |span| span.start);
            let line = body.get(..before).unwrap_or_default().matches('\n').count() as u64 + 2;
            Err(FrontMatterError {
                line,
                message: error.message().to_owned(),
            })
        }
    }
}

fn toml_to_json(value: toml::Value) -> Json {
    match value {
        toml::Value::String(text) => Json::String(text),
        toml::Value::Integer(number) => Json::from(number),
        toml::Value::Float(number) => Json::from(number),
        toml::Value::Boolean(flag) => Json::Bool(flag),
        toml::Value::Datetime(time) => Json::String(time.to_string()),
        toml::Value::Array(items) => Json::Array(items.into_iter().map(toml_to_json).collect()),
        toml::Value::Table(table) => Json::Object(
            table
                .into_iter()
                .map(|(key, value)| (key, toml_to_json(value)))
                .collect(),
        ),
    }
}

/// Sorts the fields into what a page knows and metadata.
fn apply(fields: Map<String, Json>, page: &mut Page) {
    for (key, value) in fields {
        let text = || {
            value
                .as_str()
                .map(clean::flowing)
                .filter(|text| !text.is_empty())
        };
        match key.as_str() {
            "title" => page.title = text().unwrap_or_default(),
            "url" | "permalink" => page.url = text(),
            "slug" => page.slug = text(),
            "draft" | "noindex" => page.is_excluded |= value == Json::Bool(true),
            // `search: {boost, exclude}` is what Material for MkDocs reads. A bare `weight` is the
            // place in a menu almost everywhere, so it is metadata and no factor.
            "search" | "coracle" => {
                page.is_excluded |=
                    value == Json::Bool(false) || value.get("exclude") == Some(&Json::Bool(true));
                let factor = value.get("weight").or_else(|| value.get("boost"));
                page.weight = factor.and_then(Json::as_f64).or(page.weight);
            }
            _ => insert(
                &mut |key, value| {
                    page.meta.insert(key, value);
                },
                key.clone(),
                value,
            ),
        }
    }
}

/// Hands on a JSON value as metadata: objects become dotted keys, `null` nothing, other nestings
/// their JSON text.
pub(crate) fn insert(add: &mut dyn FnMut(String, Value), key: String, value: Json) {
    match value {
        Json::Null => {}
        Json::Object(fields) => {
            for (name, value) in fields {
                insert(add, format!("{key}.{name}"), value);
            }
        }
        Json::Array(items) => {
            let list: Vec<_> = items.into_iter().filter_map(scalar).collect();
            if !list.is_empty() {
                add(key, Value::List(list));
            }
        }
        other => {
            if let Some(value) = scalar(other) {
                add(key, value);
            }
        }
    }
}

fn scalar(value: Json) -> Option<Value> {
    match value {
        Json::Null => None,
        Json::Bool(flag) => Some(Value::Bool(flag)),
        Json::Number(number) => number
            .as_f64()
            .filter(|number| number.is_finite())
            .map(Value::Number),
        Json::String(text) => {
            let text = clean::flowing(&text);
            (!text.is_empty()).then_some(Value::Text(text))
        }
        nested @ (Json::Array(_) | Json::Object(_)) => Some(Value::Text(nested.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yaml_and_toml_say_the_same() {
        let yaml = "---\ntitle: A  title\nslug: here\ntags: [a, b]\nweight: 3\ndate: 2024-05-01\nsearch:\n  boost: 2\n---\ntext";
        let toml = "+++\ntitle = 'A  title'\nslug = 'here'\ntags = ['a', 'b']\nweight = 3\ndate = 2024-05-01\n[search]\nboost = 2\n+++\ntext";
        for source in [yaml, toml] {
            let mut page = Page::default();
            let start = read(source, &mut page).expect("front matter");
            assert_eq!(&source[start..], "text");
            assert_eq!(page.title, "A title");
            assert_eq!(page.slug.as_deref(), Some("here"));
            assert_eq!(page.weight, Some(2.0));
            let tags = Value::List(vec![Value::Text("a".into()), Value::Text("b".into())]);
            assert_eq!(page.meta.get("tags"), Some(&tags));
            assert_eq!(page.meta.get("weight"), Some(&Value::Number(3.0)));
            assert_eq!(
                page.meta.get("date"),
                Some(&Value::Text("2024-05-01".into()))
            );
        }
    }

    #[test]
    fn rule_between_paragraphs_is_no_front_matter() {
        let source = "---\nJust a sentence\n---\nmore";
        assert_eq!(read(source, &mut Page::default()), Ok(0));
        assert_eq!(read("---\nno end", &mut Page::default()), Ok(0));
    }

    #[test]
    fn bad_front_matter_names_its_line() {
        let yaml = read("---\ntitle: a\nx: [1, 2\n---\n", &mut Page::default());
        assert!(yaml.is_err_and(|e| (2..=4).contains(&e.line) && !e.message.is_empty()));
        let toml = read("+++\ntitle = 'a'\nx = \n+++\n", &mut Page::default());
        assert_eq!(toml.map_err(|e| e.line), Err(3));
    }

    #[test]
    fn alias_bomb_is_refused() {
        let mut bomb = String::from("---\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let alias = vec![format!("*a{}", i - 1); 9].join(", ");
            bomb.push_str(&format!("a{i}: &a{i} [{alias}]\n"));
        }
        bomb.push_str("---\n");
        assert!(read(&bomb, &mut Page::default()).is_err());
    }
}

//! The `data-pagefind-*` attributes (and their `data-coracle-*` twins) that say what a page's
//! metadata is.
//!
//! As Pagefind documents them: a comma-separated list of `key` (the element's text),
//! `key[attribute]`, and, as the last item, `key:value` (anything up to the end, commas too). They
//! count anywhere on the page, also within ignored elements, but not within
//! `data-pagefind-ignore="all"`.

use coracle::document::Value;

use crate::ingest::clean;
use crate::ingest::html::text_of;
use crate::ingest::html::tree::Content;
use crate::ingest::html::tree::Element;
use crate::ingest::html::tree::Node;
use crate::ingest::page::Page;
use crate::ingest::page::add_value;

/// Reads the directives of all elements into `page`.
pub(super) fn apply(nodes: &[Node], page: &mut Page) {
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        let Content::Element(element) = &node.content else {
            at += 1;
            continue;
        };
        if element
            .directive("ignore")
            .is_some_and(|value| value.trim() == "all")
        {
            at = node.end;
            continue;
        }
        if !element.is_bare() {
            read(nodes, at, element, page);
        }
        at += 1;
    }
}

fn read(nodes: &[Node], at: usize, element: &Element, page: &mut Page) {
    let captured = |list| captures(list, element, || text_of(nodes, at));
    if let Some(list) = element.directive("meta") {
        for (key, value) in captured(list) {
            if key == "title" {
                page.title = value;
            } else {
                // One value per key: the last one counts.
                page.meta.insert(key, Value::Text(value));
            }
        }
    }
    if let Some(list) = element.directive("filter") {
        for (key, value) in captured(list) {
            add_value(&mut page.meta, &key, Value::Text(value));
        }
    }
    if let Some(list) = element.directive("sort") {
        for (key, value) in captured(list) {
            let number = value
                .parse::<f64>()
                .ok()
                .filter(|number| number.is_finite());
            page.meta
                .insert(key, number.map_or(Value::Text(value), Value::Number));
        }
    }
}

/// The keys of a directive with their values; items without a value are left out.
fn captures(list: &str, element: &Element, text: impl Fn() -> String) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut rest = list;
    while !rest.trim().is_empty() {
        let comma = rest.find(',').unwrap_or(rest.len());
        let (item, after) = rest.split_at(comma);
        let (key, value) = if let Some((key, inline)) = item.split_once(':') {
            let (_, inline_to_end) = rest.split_once(':').unwrap_or((key, inline));
            rest = "";
            (key, clean::flowing(inline_to_end))
        } else {
            rest = after.strip_prefix(',').unwrap_or(after);
            match item.split_once('[') {
                Some((key, attribute)) => {
                    let attribute = attribute.trim().trim_end_matches(']').trim();
                    let value = element.attribute(&attribute.to_ascii_lowercase());
                    (key, clean::flowing(value.unwrap_or_default()))
                }
                None => (item, text()),
            }
        };
        let key = key.trim();
        if !key.is_empty() && !value.is_empty() {
            out.push((key.to_owned(), value));
        }
    }
    out
}

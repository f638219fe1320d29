//! HTML → page: the main content as blocks, the rest only for metadata.
//!
//! What counts as content, first rule that finds something: elements with `data-pagefind-body` (or
//! `data-coracle-body`), `<main>`, `<article>`, `<body>`. From it go navigation, scripts, forms,
//! asides, what is hidden, and what `data-pagefind-ignore` names.

mod blocks;
mod directives;
mod tree;

use coracle::document::Value;

use crate::ingest::clean;
use crate::ingest::html::blocks::BlockReader;
use crate::ingest::html::tree::Content;
use crate::ingest::html::tree::Element;
use crate::ingest::html::tree::Node;
use crate::ingest::page::Block;
use crate::ingest::page::BlockKind;
use crate::ingest::page::Page;

/// Reads a whole page. Spans are bytes of `source`.
#[must_use]
pub fn page(source: &str) -> Page {
    let nodes = tree::parse(source);
    let mut page = Page::default();
    directives::apply(&nodes, &mut page);
    page.language = language(&nodes);
    let (roots, scope) = content_roots(&nodes);
    page.has_body_mark = scope == Scope::Marked;
    page.weight = roots.first().and_then(|&root| weight_around(&nodes, root));
    let mut reader = BlockReader::new(&nodes, scope);
    for root in roots {
        reader.read(root);
    }
    page.blocks = reader.into_blocks();
    if page.title.is_empty() {
        page.title = title(&nodes, &page.blocks);
    }
    if !page.meta.contains_key("description")
        && let Some(description) = meta_content(&nodes, "name", "description")
    {
        page.meta
            .insert("description".into(), Value::Text(description));
    }
    page
}

/// Reads a piece of markup that stands in another format. Spans are bytes of `source`.
#[must_use]
pub fn fragment(source: &str) -> Vec<Block> {
    let nodes = tree::parse(source);
    let mut reader = BlockReader::new(&nodes, Scope::Marked);
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        reader.read(at);
        at = node.end;
    }
    reader.into_blocks()
}

/// How the content of a page was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// By `data-pagefind-body`: the author has said what it is.
    Marked,
    /// By `<main>` or `<article>`.
    Landmark,
    /// Nothing said: all of it.
    Whole,
}

fn element(nodes: &[Node], at: usize) -> Option<&Element> {
    match &nodes.get(at)?.content {
        Content::Element(element) => Some(element),
        Content::Text(_) => None,
    }
}

/// Topmost elements for which `wanted` holds.
fn topmost(nodes: &[Node], wanted: impl Fn(&Element) -> bool) -> Vec<usize> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        if element(nodes, at).is_some_and(&wanted) {
            out.push(at);
            at = node.end;
        } else {
            at += 1;
        }
    }
    out
}

fn content_roots(nodes: &[Node]) -> (Vec<usize>, Scope) {
    let marked = topmost(nodes, |e| e.directive("body").is_some());
    if !marked.is_empty() {
        return (marked, Scope::Marked);
    }
    let main = topmost(nodes, |e| {
        e.name == "main" || e.attribute("role") == Some("main")
    });
    if !main.is_empty() {
        return (main, Scope::Landmark);
    }
    let article = topmost(nodes, |e| e.name == "article");
    if !article.is_empty() {
        return (article, Scope::Landmark);
    }
    let body = topmost(nodes, |e| e.name == "body");
    if !body.is_empty() {
        return (body, Scope::Whole);
    }
    let mut tops = Vec::new();
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        // Without a body tag, `<html>` is looked into and its head left alone.
        if element(nodes, at).is_some_and(|e| e.name == "html") {
            at += 1;
            continue;
        }
        tops.push(at);
        at = node.end;
    }
    (tops, Scope::Whole)
}

/// A weight set on the content or around it holds for the page.
fn weight_around(nodes: &[Node], root: usize) -> Option<f64> {
    (0..=root)
        .rev()
        .filter(|&at| nodes.get(at).is_some_and(|node| node.end > root))
        .find_map(|at| element(nodes, at)?.directive("weight")?.trim().parse().ok())
}

/// What `<html lang>` says.
fn language(nodes: &[Node]) -> String {
    let html = topmost(nodes, |e| e.name == "html");
    let html = html.first().and_then(|&at| element(nodes, at));
    html.and_then(|html| html.attribute("lang"))
        .unwrap_or_default()
        .trim()
        .to_owned()
}

fn title(nodes: &[Node], blocks: &[Block]) -> String {
    // The first heading comes before `<title>`, which mostly carries the site's name too.
    let heading = blocks
        .iter()
        .find(|b| matches!(b.kind, BlockKind::Heading { level: 1, .. }));
    if let Some(block) = heading {
        return block.text.clone();
    }
    let is_h1 = |e: &Element| e.name == "h1";
    let h1 = topmost(nodes, |e| is_h1(e) || e.directive("ignore") == Some("all"))
        .into_iter()
        .find(|&at| element(nodes, at).is_some_and(is_h1));
    let candidates = [
        h1.map(|at| text_of(nodes, at)),
        meta_content(nodes, "property", "og:title"),
        topmost(nodes, |e| e.name == "title" || e.name == "svg")
            .into_iter()
            .find(|&at| element(nodes, at).is_some_and(|e| e.name == "title"))
            .map(|at| text_of(nodes, at)),
    ];
    candidates
        .into_iter()
        .flatten()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

fn meta_content(nodes: &[Node], key: &str, value: &str) -> Option<String> {
    let at = *topmost(nodes, |e| {
        e.name == "meta" && e.attribute(key) == Some(value)
    })
    .first()?;
    let content = clean::flowing(element(nodes, at)?.attribute("content")?);
    (!content.is_empty()).then_some(content)
}

/// All words of a subtree on one line, without scripts and styles.
fn text_of(nodes: &[Node], root: usize) -> String {
    let Some(end) = nodes.get(root).map(|node| node.end) else {
        return String::new();
    };
    let mut out = String::new();
    let mut at = root;
    while at < end {
        let Some(node) = nodes.get(at) else { break };
        match &node.content {
            Content::Text(text) => clean::push_flowing(&mut out, text),
            Content::Element(element) if is_code_for_machines(&element.name) && at != root => {
                at = node.end;
                continue;
            }
            Content::Element(element) => {
                if !is_inline(&element.name) {
                    clean::push_flowing(&mut out, " ");
                }
            }
        }
        at += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

fn is_code_for_machines(name: &str) -> bool {
    matches!(
        name,
        "script" | "style" | "template" | "noscript" | "svg" | "iframe"
    )
}

/// Whether an element stands in the flow of a line. Unknown names do, as in browsers; custom
/// elements (with a hyphen) mostly are boxes.
fn is_inline(name: &str) -> bool {
    !(tree::ends_paragraph(name)
        || name.contains('-')
        || matches!(
            name,
            "html"
                | "body"
                | "br"
                | "caption"
                | "center"
                | "dd"
                | "dt"
                | "legend"
                | "li"
                | "optgroup"
                | "option"
                | "summary"
                | "tbody"
                | "td"
                | "tfoot"
                | "th"
                | "thead"
                | "title"
                | "tr"
        ))
}

fn heading_level(name: &str) -> Option<u8> {
    match name.as_bytes() {
        [b'h', digit @ b'1'..=b'6'] => Some(digit - b'0'),
        _ => None,
    }
}

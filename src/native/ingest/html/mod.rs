//! HTML → page: the main content as blocks, the rest only for metadata.
//!
//! What counts as content, first rule that finds something: elements with `data-pagefind-body` (or
//! `data-coracle-body`), `<main>`, `<article>`, `<body>`. From it go navigation, scripts, forms,
//! asides, what is hidden, and what `data-pagefind-ignore` names.

mod directives;
mod tree;

use std::ops::Range;

use coracle::document::Value;

use crate::ingest::clean;
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
    let (roots, scope) = content_roots(&nodes);
    page.has_body_mark = scope == Scope::Marked;
    page.weight = roots.first().and_then(|&root| weight_around(&nodes, root));
    let mut reader = BlockReader {
        nodes: &nodes,
        scope,
        blocks: Vec::new(),
        open: None,
    };
    for root in roots {
        reader.read(root);
    }
    page.blocks = reader.blocks;
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
    let mut reader = BlockReader {
        nodes: &nodes,
        scope: Scope::Marked,
        blocks: Vec::new(),
        open: None,
    };
    let mut at = 0;
    while let Some(node) = nodes.get(at) {
        reader.read(at);
        at = node.end;
    }
    reader.blocks
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

/// A block that inline text is being gathered for.
#[derive(Debug)]
struct OpenBlock {
    kind: BlockKind,
    text: String,
    span: Range<usize>,
}

struct BlockReader<'n> {
    nodes: &'n [Node],
    scope: Scope,
    blocks: Vec<Block>,
    open: Option<OpenBlock>,
}

impl BlockReader<'_> {
    /// Reads one subtree.
    fn read(&mut self, root: usize) {
        let nodes = self.nodes;
        let Some(end) = nodes.get(root).map(|node| node.end) else {
            return;
        };
        // Ends of the elements that break blocks, and the lists that are open with their counts.
        let mut breaks: Vec<usize> = Vec::new();
        let mut lists: Vec<(usize, Option<u64>)> = Vec::new();
        let mut at = root;
        while at < end {
            let Some(node) = nodes.get(at) else { break };
            while breaks.last().is_some_and(|&until| until <= at) {
                breaks.pop();
                self.close();
            }
            while lists.last().is_some_and(|&(until, _)| until <= at) {
                lists.pop();
            }
            let element = match &node.content {
                Content::Text(text) => {
                    self.push_text(text, &node.span);
                    at += 1;
                    continue;
                }
                Content::Element(element) => element,
            };
            if self.is_left_out(element, at == root) {
                at = node.end;
                continue;
            }
            let name = &*element.name;
            if let Some(level) = heading_level(name) {
                self.heading(at, level);
                at = node.end;
                continue;
            }
            match name {
                "pre" => {
                    self.lines(clean::lines(&self.raw_text(at, at)), node);
                    at = node.end;
                    continue;
                }
                "table" if self.is_data_table(at) => {
                    self.lines(self.table(at), node);
                    at = node.end;
                    continue;
                }
                "ul" | "menu" => lists.push((node.end, None)),
                "ol" => {
                    let first = element
                        .attribute("start")
                        .and_then(|s| s.trim().parse().ok());
                    lists.push((node.end, Some(first.unwrap_or(1))));
                }
                _ => {}
            }
            if name == "br" {
                self.push_text(" ", &node.span);
            } else if !is_inline(name) {
                // In `<li><p>text`, the paragraph continues the item.
                if !(self.is_at_item_mark() && matches!(name, "p" | "div")) {
                    self.close();
                }
                breaks.push(node.end);
                if name == "li" {
                    self.item(&mut lists, node);
                }
            }
            self.indexed_attributes(element, node);
            at += 1;
        }
        self.close();
    }

    fn is_left_out(&self, element: &Element, is_root: bool) -> bool {
        let by_name = match &*element.name {
            "nav" | "form" | "label" | "select" | "button" | "input" | "textarea" | "dialog"
            | "object" | "canvas" | "video" | "audio" | "head" | "title" | "search"
            | "datalist" => true,
            // Where the author marked the content, asides in it are meant: notes and warnings.
            "aside" => self.scope != Scope::Marked,
            "footer" => true,
            // Inside the content, a header holds the heading.
            "header" => self.scope == Scope::Whole,
            name => is_code_for_machines(name),
        };
        if element.is_bare() {
            return by_name && !is_root;
        }
        let role = element.attribute("role");
        let is_hidden = element.attribute("aria-hidden") == Some("true")
            || element
                .attribute("hidden")
                .is_some_and(|value| value != "until-found")
            || element.attribute("style").is_some_and(|style| {
                let style: String = style.split_whitespace().collect();
                style.contains("display:none") || style.contains("visibility:hidden")
            });
        element.directive("ignore").is_some()
            || (by_name && !is_root)
            || (is_hidden && role != Some("tabpanel"))
            || matches!(
                role,
                Some("navigation" | "search" | "contentinfo" | "banner")
            )
    }

    fn push_text(&mut self, text: &str, span: &Range<usize>) {
        if self.open.is_none() {
            if text.trim().is_empty() {
                return;
            }
            self.open = Some(OpenBlock {
                kind: BlockKind::Prose,
                text: String::new(),
                span: span.clone(),
            });
        }
        if let Some(open) = &mut self.open {
            clean::push_flowing(&mut open.text, text);
            open.span.end = span.end;
        }
    }

    fn close(&mut self) {
        let Some(mut open) = self.open.take() else {
            return;
        };
        open.text.truncate(open.text.trim_end().len());
        let is_empty = match open.kind {
            BlockKind::Item => !open.text.trim_start().contains(' '),
            BlockKind::Prose | BlockKind::Lines | BlockKind::Heading { .. } => open.text.is_empty(),
        };
        if !is_empty {
            self.blocks.push(Block {
                kind: open.kind,
                text: open.text,
                span: open.span,
            });
        }
    }

    fn is_at_item_mark(&self) -> bool {
        let Some(OpenBlock {
            kind: BlockKind::Item,
            text,
            ..
        }) = &self.open
        else {
            return false;
        };
        !text.trim().contains(' ')
    }

    fn lines(&mut self, text: String, node: &Node) {
        self.close();
        if !text.trim().is_empty() {
            self.blocks.push(Block {
                kind: BlockKind::Lines,
                text,
                span: node.span.clone(),
            });
        }
    }

    /// Opens a list item with its mark.
    fn item(&mut self, lists: &mut [(usize, Option<u64>)], node: &Node) {
        let depth = lists.len().saturating_sub(1);
        let mut text = "  ".repeat(depth.min(8));
        match lists.last_mut() {
            Some((_, Some(number))) => {
                text.push_str(&format!("{number}. "));
                *number = number.saturating_add(1);
            }
            Some((_, None)) | None => text.push_str("- "),
        }
        let span = node.span.start..node.span.start;
        self.open = Some(OpenBlock {
            kind: BlockKind::Item,
            text,
            span,
        });
    }

    fn indexed_attributes(&mut self, element: &Element, node: &Node) {
        if element.is_bare() {
            return;
        }
        for name in element
            .directive("index-attrs")
            .unwrap_or_default()
            .split(',')
        {
            if let Some(value) = element.attribute(name.trim()) {
                let value = format!(" {value} ");
                self.push_text(&value, &node.span);
            }
        }
    }

    fn heading(&mut self, at: usize, level: u8) {
        self.close();
        let Some(node) = self.nodes.get(at) else {
            return;
        };
        let mut text = String::new();
        let mut anchor = element(self.nodes, at).and_then(|e| e.attribute("id"));
        let mut inner = at + 1;
        while inner < node.end {
            let Some(child) = self.nodes.get(inner) else {
                break;
            };
            match &child.content {
                Content::Text(words) => clean::push_flowing(&mut text, words),
                Content::Element(e) => {
                    if anchor.is_none() {
                        anchor = e
                            .attribute("id")
                            .or_else(|| e.attribute("name").filter(|_| e.name == "a"));
                    }
                    if self.is_left_out(e, false) || self.is_permalink(inner, e) {
                        inner = child.end;
                        continue;
                    }
                    if !is_inline(&e.name) {
                        clean::push_flowing(&mut text, " ");
                    }
                }
            }
            inner += 1;
        }
        text.truncate(text.trim_end().len());
        if text.is_empty() {
            return;
        }
        let anchor = anchor
            .or_else(|| self.section_anchor(at))
            .unwrap_or_default()
            .to_owned();
        let kind = BlockKind::Heading { level, anchor };
        self.blocks.push(Block {
            kind,
            text,
            span: node.span.clone(),
        });
    }

    /// A link to the heading itself, drawn as a sign: `<a href="#here">¶</a>`.
    fn is_permalink(&self, at: usize, e: &Element) -> bool {
        e.name == "a"
            && e.attribute("href").is_some_and(|href| href.contains('#'))
            && !text_of(self.nodes, at).contains(char::is_alphanumeric)
    }

    /// The id of a section whose first heading this is.
    fn section_anchor(&self, at: usize) -> Option<&str> {
        let mut before = at;
        while before > 0 {
            before -= 1;
            let node = self.nodes.get(before)?;
            match &node.content {
                Content::Text(text) if text.trim().is_empty() => {}
                Content::Element(e) if node.end > at => {
                    let id = e.attribute("id").filter(|id| !id.is_empty());
                    if matches!(&*e.name, "section" | "div" | "article") && id.is_some() {
                        return id;
                    }
                    if !matches!(&*e.name, "header" | "hgroup" | "div") {
                        return None;
                    }
                }
                // `<a id="here"></a><h2>` is the old way to name a heading.
                Content::Element(e) if e.name == "a" => {
                    return e.attribute("id").or_else(|| e.attribute("name"));
                }
                Content::Text(_) | Content::Element(_) => return None,
            }
        }
        None
    }

    /// Text as it stands, with line breaks; `at` is not checked for being left out.
    fn raw_text(&self, at: usize, root: usize) -> String {
        let mut out = String::new();
        let Some(end) = self.nodes.get(at).map(|node| node.end) else {
            return out;
        };
        let mut inner = at;
        while inner < end {
            let Some(node) = self.nodes.get(inner) else {
                break;
            };
            match &node.content {
                Content::Text(text) => out.push_str(text),
                Content::Element(e) if inner != root && self.is_left_out(e, false) => {
                    inner = node.end;
                    continue;
                }
                Content::Element(e) if e.name == "br" => out.push('\n'),
                Content::Element(_) => {}
            }
            inner += 1;
        }
        out
    }

    /// Whether a table holds data, not page layout or numbered code lines.
    fn is_data_table(&self, at: usize) -> bool {
        let Some(end) = self.nodes.get(at).map(|node| node.end) else {
            return false;
        };
        !(at + 1..end).any(|inner| {
            element(self.nodes, inner).is_some_and(|e| {
                matches!(&*e.name, "table" | "pre") || heading_level(&e.name).is_some()
            })
        })
    }

    /// One line per row, cells between bars.
    fn table(&self, at: usize) -> String {
        let Some(end) = self.nodes.get(at).map(|node| node.end) else {
            return String::new();
        };
        let mut rows: Vec<String> = Vec::new();
        let mut row = String::new();
        let mut at = at + 1;
        while at < end {
            let Some(node) = self.nodes.get(at) else {
                break;
            };
            match element(self.nodes, at) {
                Some(e) if self.is_left_out(e, false) => {
                    at = node.end;
                    continue;
                }
                Some(e) if matches!(&*e.name, "td" | "th") => {
                    let text = clean::flowing(&self.spaced_text(at));
                    if !row.is_empty() {
                        row.push_str(" | ");
                    }
                    row.push_str(if text.is_empty() { "-" } else { &text });
                    at = node.end;
                    continue;
                }
                Some(e) if e.name == "tr" => rows.push(std::mem::take(&mut row)),
                Some(e) if e.name == "caption" => {
                    rows.push(clean::flowing(&self.spaced_text(at)));
                    at = node.end;
                    continue;
                }
                Some(_) | None => {}
            }
            at += 1;
        }
        rows.push(row);
        rows.retain(|row| row.contains(|c: char| !matches!(c, ' ' | '|' | '-')));
        rows.join("\n")
    }

    /// Text of a subtree; elements that are not inline are set apart by spaces.
    fn spaced_text(&self, root: usize) -> String {
        let mut out = String::new();
        let Some(end) = self.nodes.get(root).map(|node| node.end) else {
            return out;
        };
        let mut at = root;
        while at < end {
            let Some(node) = self.nodes.get(at) else {
                break;
            };
            match &node.content {
                Content::Text(text) => out.push_str(text),
                Content::Element(e) if at != root && self.is_left_out(e, false) => {
                    at = node.end;
                    continue;
                }
                Content::Element(e) => {
                    if !is_inline(&e.name) {
                        out.push(' ');
                    }
                }
            }
            at += 1;
        }
        out
    }
}

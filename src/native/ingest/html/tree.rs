//! Markup → elements and texts in reading order.
//!
//! The tokenizer is a full HTML one; of tree building, only what changes *what text belongs where*
//! is done: void elements, the end tags that may be left out, and stray end tags. Nodes stand in
//! one row in reading order and each knows where its subtree ends, so a subtree is a slice and no
//! walk recurses, however deep hostile markup nests.

use std::borrow::Cow;
use std::convert::Infallible;
use std::ops::Range;

use html5gum::Span;
use html5gum::Tokenizer;
use html5gum::emitters::callback::CallbackEmitter;
use html5gum::emitters::callback::CallbackEvent;

/// Elements nested deeper than this are kept as siblings, as browsers do.
const MAX_DEPTH: usize = 256;

/// An element or a run of text.
#[derive(Debug)]
pub(super) struct Node {
    pub content: Content,
    /// Index behind the last node of the subtree.
    pub end: usize,
    /// Bytes of the source, from start tag to end tag.
    pub span: Range<usize>,
}

#[derive(Debug)]
pub(super) enum Content {
    Element(Element),
    Text(String),
}

#[derive(Debug)]
pub(super) struct Element {
    /// Name in lower case.
    pub name: Cow<'static, str>,
    attributes: Vec<(Box<str>, String)>,
}

impl Element {
    /// The value of an attribute; empty for attributes without one.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(key, _)| &**key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The attribute `data-coracle-NAME`, or `data-pagefind-NAME`.
    pub fn directive(&self, name: &str) -> Option<&str> {
        let found = |prefix: &str| {
            self.attributes
                .iter()
                .find(|(key, _)| key.strip_prefix(prefix) == Some(name))
                .map(|(_, value)| value.as_str())
        };
        found("data-coracle-").or_else(|| found("data-pagefind-"))
    }

    /// Whether the element has any attribute at all.
    pub fn is_bare(&self) -> bool {
        self.attributes.is_empty()
    }
}

/// The nodes of `source` in reading order.
pub(super) fn parse(source: &str) -> Vec<Node> {
    let mut builder = Builder::default();
    let mut emitter = CallbackEmitter::new(
        |event: CallbackEvent<'_>, span: Span<usize>| -> Option<Infallible> {
            builder.event(event, span.start..span.end);
            None
        },
    );
    emitter.naively_switch_states(true);
    let Ok(()) = Tokenizer::new_with_emitter(source, emitter).finish();
    builder.finish(source.len())
}

#[derive(Debug, Default)]
struct Builder {
    nodes: Vec<Node>,
    /// Open elements, outermost first.
    open: Vec<usize>,
    /// Open elements beyond the depth limit.
    overflow: usize,
    name: Option<Cow<'static, str>>,
    start: usize,
    attributes: Vec<(Box<str>, String)>,
}

impl Builder {
    fn event(&mut self, event: CallbackEvent<'_>, span: Range<usize>) {
        match event {
            CallbackEvent::OpenStartTag { name } => {
                self.name = Some(known_name(name));
                self.start = span.start;
                self.attributes.clear();
            }
            CallbackEvent::AttributeName { name } => {
                let name = String::from_utf8_lossy(name).into_owned().into_boxed_str();
                self.attributes.push((name, String::new()));
            }
            CallbackEvent::AttributeValue { value } => {
                if let Some((_, last)) = self.attributes.last_mut() {
                    last.push_str(&String::from_utf8_lossy(value));
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => self.open_element(self_closing, span),
            CallbackEvent::EndTag { name } => self.close_element(&known_name(name), &span),
            CallbackEvent::String { value } => {
                let text = String::from_utf8_lossy(value).into_owned();
                self.push(Content::Text(text), span);
            }
            CallbackEvent::Comment { .. }
            | CallbackEvent::Doctype { .. }
            | CallbackEvent::Error(_) => {}
        }
    }

    fn push(&mut self, content: Content, span: Range<usize>) {
        let end = self.nodes.len() + 1;
        self.nodes.push(Node { content, end, span });
    }

    fn open_element(&mut self, self_closing: bool, span: Range<usize>) {
        let Some(name) = self.name.take() else { return };
        self.close_implied(&name, self.start);
        let start = self.start;
        // Foreign elements may close themselves; on HTML elements the slash means nothing.
        let is_leaf = is_void(&name) || (self_closing && !matches!(&*name, "div" | "p" | "span"));
        let element = Element {
            name,
            attributes: std::mem::take(&mut self.attributes),
        };
        let at = self.nodes.len();
        self.push(Content::Element(element), start..span.end.max(start));
        if is_leaf {
            return;
        }
        if self.open.len() < MAX_DEPTH {
            self.open.push(at);
        } else {
            self.overflow += 1;
        }
    }

    fn close_element(&mut self, name: &str, span: &Range<usize>) {
        if self.overflow > 0 {
            self.overflow -= 1;
            return;
        }
        if let Some(depth) = self.open.iter().rposition(|&at| self.is_named(at, name)) {
            self.close_down_to(depth, span.end);
        }
    }

    fn is_named(&self, at: usize, name: &str) -> bool {
        matches!(self.nodes.get(at), Some(Node { content: Content::Element(e), .. }) if e.name == name)
    }

    /// Closes what the start of `name` closes without an end tag.
    fn close_implied(&mut self, name: &str, at: usize) {
        let (closes, inside): (&[&str], &[&str]) = match name {
            "li" => (&["li"], &["ul", "ol", "menu"]),
            "dt" | "dd" => (&["dt", "dd"], &["dl"]),
            "tr" => (&["tr"], &["table"]),
            "td" | "th" => (&["td", "th"], &["tr", "table"]),
            "tbody" | "tfoot" | "thead" => (&["tbody", "tfoot", "thead"], &["table"]),
            "option" | "optgroup" => (&["option"], &["select"]),
            "body" => (&["head"], &[]),
            _ if ends_paragraph(name) => (&["p"], &["button", "td", "th", "li", "object"]),
            _ => return,
        };
        for depth in (0..self.open.len()).rev() {
            let Some(&open) = self.open.get(depth) else {
                return;
            };
            if closes.iter().any(|close| self.is_named(open, close)) {
                self.close_down_to(depth, at);
                return;
            }
            if inside.iter().any(|limit| self.is_named(open, limit)) {
                return;
            }
        }
    }

    fn close_down_to(&mut self, depth: usize, source_end: usize) {
        let end = self.nodes.len();
        for at in self.open.drain(depth..) {
            if let Some(node) = self.nodes.get_mut(at) {
                node.end = end;
                node.span.end = source_end;
            }
        }
    }

    fn finish(mut self, source_len: usize) -> Vec<Node> {
        self.close_down_to(0, source_len);
        self.nodes
    }
}

/// Elements that have no content.
fn is_void(name: &str) -> bool {
    matches!(
        name,
        "area"
            | "base"
            | "br"
            | "col"
            | "embed"
            | "hr"
            | "img"
            | "input"
            | "link"
            | "meta"
            | "param"
            | "source"
            | "track"
            | "wbr"
    )
}

/// Block elements: the start of one ends an open paragraph.
pub(super) fn ends_paragraph(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "details"
            | "div"
            | "dl"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hgroup"
            | "hr"
            | "main"
            | "menu"
            | "nav"
            | "ol"
            | "p"
            | "pre"
            | "search"
            | "section"
            | "table"
            | "ul"
    )
}

/// The names that pages consist of, so that they need no memory of their own.
const NAMES: [&str; 62] = [
    "a",
    "abbr",
    "article",
    "aside",
    "b",
    "blockquote",
    "body",
    "br",
    "button",
    "code",
    "col",
    "colgroup",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "img",
    "input",
    "kbd",
    "li",
    "link",
    "main",
    "meta",
    "nav",
    "ol",
    "p",
    "path",
    "pre",
    "script",
    "section",
    "small",
    "span",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "th",
    "title",
    "tr",
    "ul",
];

fn known_name(name: &[u8]) -> Cow<'static, str> {
    match NAMES.binary_search_by(|known| known.as_bytes().cmp(name)) {
        Ok(at) => Cow::Borrowed(NAMES.get(at).copied().unwrap_or_default()),
        Err(_) => Cow::Owned(String::from_utf8_lossy(name).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree as nested brackets.
    fn drawn(source: &str) -> String {
        let nodes = parse(source);
        let mut out = String::new();
        let mut ends: Vec<usize> = Vec::new();
        for (i, node) in nodes.iter().enumerate() {
            while ends.last().is_some_and(|&end| end <= i) {
                ends.pop();
                out.push(')');
            }
            match &node.content {
                Content::Element(element) => {
                    out.push_str(&element.name);
                    out.push('(');
                    ends.push(node.end);
                }
                Content::Text(text) => out.push_str(text),
            }
        }
        out.extend(ends.iter().map(|_| ')'));
        out
    }

    #[test]
    fn names_are_sorted_so_that_lookup_works() {
        assert!(NAMES.is_sorted());
    }

    #[test]
    fn omitted_end_tags_close_where_the_standard_says() {
        assert_eq!(
            drawn("<p>a<p>b<ul><li>c<li>d<ul><li>e</ul></ul>f"),
            "p(a)p(b)ul(li(c)li(dul(li(e))))f"
        );
        assert_eq!(
            drawn("<table><tr><td>a<td>b<tr><td>c</table>"),
            "table(tr(td(a)td(b))tr(td(c)))"
        );
        assert_eq!(drawn("<dl><dt>a<dd>b<dt>c</dl>"), "dl(dt(a)dd(b)dt(c))");
    }

    #[test]
    fn stray_tags_and_void_elements_do_no_harm() {
        assert_eq!(drawn("a</p><br>b<img src=x>c</div>"), "abr()bimg()c");
        assert_eq!(drawn("<b><i>x</b>y"), "b(i(x))y");
    }

    #[test]
    fn spans_reach_from_start_tag_to_end_tag() {
        let source = "é<p class=x>a &amp; b</p><h2>c</h2>";
        let nodes = parse(source);
        let slices: Vec<_> = nodes.iter().map(|n| &source[n.span.clone()]).collect();
        assert_eq!(
            slices,
            [
                "é",
                "<p class=x>a &amp; b</p>",
                "a &amp; b",
                "<h2>c</h2>",
                "c"
            ]
        );
    }

    #[test]
    fn nesting_without_end_is_bounded() {
        let source = "<div>".repeat(100_000) + "x" + &"</div>".repeat(100_000) + "<p>after</p>";
        let nodes = parse(&source);
        assert_eq!(nodes.len(), 100_003);
        assert_eq!(nodes.first().map(|n| n.end), Some(100_001));
    }
}

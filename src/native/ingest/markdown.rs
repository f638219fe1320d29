//! Markdown and MDX → page.
//!
//! Marks are dropped and structure is kept: what is shown, embedded and cited is the text a reader
//! of the rendered page sees.

use std::collections::HashMap;
use std::ops::Range;

use pulldown_cmark::Event;
use pulldown_cmark::Options;
use pulldown_cmark::Parser;
use pulldown_cmark::Tag;
use pulldown_cmark::TagEnd;

use crate::ingest::clean;
use crate::ingest::front_matter;
use crate::ingest::front_matter::FrontMatterError;
use crate::ingest::html;
use crate::ingest::mdx;
use crate::ingest::page::Block;
use crate::ingest::page::BlockKind;
use crate::ingest::page::Page;
use crate::ingest::page::title_from_heading;

/// Reads a whole page. Spans are bytes of `source`.
///
/// # Errors
/// When the front matter does not parse.
pub fn page(source: &str, is_mdx: bool) -> Result<Page, FrontMatterError> {
    let mut page = Page::default();
    let start = front_matter::read(source, &mut page)?;
    let text = source.get(start..).unwrap_or_default();
    page.blocks = if is_mdx {
        blocks(&mdx::blank_jsx(text), true)
    } else {
        blocks(text, false)
    };
    for block in &mut page.blocks {
        // Blanked characters may be several spaces, and a block may begin at any of them.
        block.span.start = source.ceil_char_boundary(block.span.start + start);
        block.span.end = source.ceil_char_boundary(block.span.end + start);
    }
    title_from_heading(&mut page);
    Ok(page)
}

/// Reads Markdown without front matter. Spans are bytes of `text`.
fn blocks(text: &str, is_mdx: bool) -> Vec<Block> {
    let options = Options::ENABLE_TABLES
        | Options::ENABLE_FOOTNOTES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_HEADING_ATTRIBUTES
        | Options::ENABLE_GFM
        | Options::ENABLE_DEFINITION_LIST;
    let mut reader = BlockReader {
        is_mdx,
        ..BlockReader::default()
    };
    for (event, span) in Parser::new_ext(text, options).into_offset_iter() {
        reader.event(event, span);
    }
    reader.close();
    reader.blocks
}

#[derive(Debug, Default)]
struct BlockReader {
    is_mdx: bool,
    blocks: Vec<Block>,
    /// Text of the block that is being read.
    text: String,
    span: Option<Range<usize>>,
    is_item: bool,
    /// Open lists; the number of the next item in ordered ones.
    lists: Vec<Option<u64>>,
    heading_id: Option<String>,
    slugs: HashMap<String, u32>,
    /// Inside of an image: its alternative text stands for what is not text.
    images: usize,
    raw: Raw,
}

/// Whether text is taken as it stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Raw {
    #[default]
    No,
    Code,
    Html,
}

impl BlockReader {
    fn event(&mut self, event: Event<'_>, span: Range<usize>) {
        match event {
            Event::Start(tag) => self.start(tag, span),
            Event::End(end) => self.end(end, span),
            Event::Text(text) | Event::Code(text) => self.push(&text, span),
            Event::InlineMath(text) | Event::DisplayMath(text) => self.push(&text, span),
            Event::Html(text) => self.push(&text, span),
            Event::InlineHtml(tag) => {
                if tag.starts_with("<br") {
                    self.push(" ", span);
                }
            }
            Event::SoftBreak | Event::HardBreak => self.push(" ", span),
            Event::FootnoteReference(_) | Event::Rule | Event::TaskListMarker(_) => {}
        }
    }

    fn push(&mut self, text: &str, span: Range<usize>) {
        if self.images > 0 {
            return;
        }
        let open = self.span.get_or_insert(span.clone());
        open.end = open.end.max(span.end);
        if self.raw == Raw::No {
            clean::push_flowing(&mut self.text, text);
        } else {
            self.text.push_str(text);
        }
    }

    fn start(&mut self, tag: Tag<'_>, span: Range<usize>) {
        match tag {
            Tag::Heading { id, .. } => {
                self.close();
                self.heading_id = id.map(|id| id.to_string());
                self.span = Some(span);
            }
            Tag::CodeBlock(kind) => {
                self.close();
                // Indentation means code in Markdown, and nest depth in MDX.
                let is_code = kind.is_fenced() || !self.is_mdx;
                self.raw = if is_code { Raw::Code } else { Raw::No };
                self.span = Some(span);
            }
            Tag::HtmlBlock => {
                self.close();
                self.raw = Raw::Html;
                self.span = Some(span);
            }
            Tag::Table(_) => {
                self.close();
                self.raw = Raw::Code;
                self.span = Some(span);
            }
            Tag::TableCell => {
                if !self.text.is_empty() && !self.text.ends_with('\n') {
                    self.text.push_str(" | ");
                }
            }
            Tag::List(first) => {
                self.close();
                self.lists.push(first);
            }
            Tag::Item => {
                self.close();
                let depth = self.lists.len().saturating_sub(1).min(8);
                self.text = "  ".repeat(depth);
                match self.lists.last_mut() {
                    Some(Some(number)) => {
                        self.text.push_str(&format!("{number}. "));
                        *number = number.saturating_add(1);
                    }
                    Some(None) | None => self.text.push_str("- "),
                }
                self.is_item = true;
                self.span = Some(span.start..span.start);
            }
            Tag::Paragraph => {
                // The first paragraph of an item continues its mark.
                if !self.is_item || self.text.trim().contains(' ') {
                    self.close();
                }
            }
            Tag::BlockQuote(_)
            | Tag::FootnoteDefinition(_)
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition => self.close(),
            Tag::Image { .. } => self.images += 1,
            Tag::TableHead
            | Tag::TableRow
            | Tag::Emphasis
            | Tag::Strong
            | Tag::Strikethrough
            | Tag::Superscript
            | Tag::Subscript
            | Tag::Link { .. }
            | Tag::MetadataBlock(_) => {}
        }
    }

    fn end(&mut self, end: TagEnd, span: Range<usize>) {
        match end {
            TagEnd::Heading(level) => {
                let text = std::mem::take(&mut self.text);
                let text = text.trim_end();
                let slug = self.slug(text);
                let anchor = self.heading_id.take().unwrap_or(slug);
                if !text.is_empty() {
                    let kind = BlockKind::Heading {
                        level: level as u8,
                        anchor,
                    };
                    self.blocks.push(Block {
                        kind,
                        text: text.to_owned(),
                        span,
                    });
                }
                self.span = None;
            }
            TagEnd::CodeBlock | TagEnd::Table => {
                let text = clean::lines(&std::mem::take(&mut self.text));
                let was = std::mem::take(&mut self.raw);
                self.span = None;
                if !text.is_empty() {
                    let kind = if was == Raw::Code {
                        BlockKind::Lines
                    } else {
                        BlockKind::Prose
                    };
                    self.blocks.push(Block { kind, text, span });
                }
            }
            TagEnd::HtmlBlock => {
                self.raw = Raw::No;
                let source = std::mem::take(&mut self.text);
                let start = self.span.take().map_or(span.start, |open| open.start);
                for mut block in html::fragment(&source) {
                    block.span.start += start;
                    block.span.end = (block.span.end + start).min(span.end);
                    self.blocks.push(block);
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => self.text.push('\n'),
            TagEnd::List(_) => {
                self.close();
                self.lists.pop();
            }
            TagEnd::Image => self.images = self.images.saturating_sub(1),
            TagEnd::Paragraph
            | TagEnd::Item
            | TagEnd::BlockQuote(_)
            | TagEnd::FootnoteDefinition
            | TagEnd::DefinitionList
            | TagEnd::DefinitionListTitle
            | TagEnd::DefinitionListDefinition => self.close(),
            TagEnd::TableCell
            | TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough
            | TagEnd::Superscript
            | TagEnd::Subscript
            | TagEnd::Link
            | TagEnd::MetadataBlock(_) => {}
        }
    }

    /// Ends a paragraph or item.
    fn close(&mut self) {
        let mut text = std::mem::take(&mut self.text);
        let kind = if std::mem::take(&mut self.is_item) {
            BlockKind::Item
        } else {
            BlockKind::Prose
        };
        let Some(span) = self.span.take() else { return };
        text.truncate(text.trim_end().len());
        let is_empty = match kind {
            BlockKind::Item => !text.trim_start().contains(' '),
            BlockKind::Prose | BlockKind::Lines | BlockKind::Heading { .. } => text.is_empty(),
        };
        if !is_empty {
            self.blocks.push(Block { kind, text, span });
        }
    }

    /// The fragment that GitHub and most site generators give a heading: lower case, spaces to
    /// hyphens, punctuation dropped, repeats numbered.
    fn slug(&mut self, text: &str) -> String {
        let mut slug = String::with_capacity(text.len());
        for c in text.chars() {
            if c == ' ' {
                slug.push('-');
            } else if c.is_alphanumeric() || c == '-' || c == '_' {
                slug.extend(c.to_lowercase());
            }
        }
        let repeats = self.slugs.entry(slug.clone()).or_insert(0);
        let before = *repeats;
        *repeats += 1;
        if before > 0 {
            format!("{slug}-{before}")
        } else {
            slug
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(source: &str) -> Vec<(String, String)> {
        let page = page(source, false).expect("page");
        page.blocks
            .iter()
            .map(|block| {
                let kind = match &block.kind {
                    BlockKind::Heading { level, anchor } => format!("h{level}#{anchor}"),
                    BlockKind::Prose => "p".into(),
                    BlockKind::Item => "li".into(),
                    BlockKind::Lines => "pre".into(),
                };
                (kind, block.text.clone())
            })
            .collect()
    }

    fn pair(kind: &str, text: &str) -> (String, String) {
        (kind.to_owned(), text.to_owned())
    }

    #[test]
    fn structure_is_kept_and_marks_are_dropped() {
        let source = "# Über `x`!\n\nOne *two*\n[three](x) ![alt](y).\n\n## Same\n## Same\n\
            ## Own {#mine}\n\n- a\n- b\n  1. c\n\n     more\n\n```rust\n  fn f() {}\n```\n\n\
            | A | B |\n|---|---|\n| 1 | **2** |\n| | 3 |\n";
        assert_eq!(
            shown(source),
            [
                pair("h1#über-x", "Über x!"),
                pair("p", "One two three ."),
                pair("h2#same", "Same"),
                pair("h2#same-1", "Same"),
                pair("h2#mine", "Own"),
                pair("li", "- a"),
                pair("li", "- b"),
                pair("li", "  1. c"),
                pair("p", "more"),
                pair("pre", "  fn f() {}"),
                pair("pre", "A | B\n1 | 2\n3"),
            ]
        );
    }

    #[test]
    fn html_blocks_are_read_as_html() {
        let source = "<details>\n<summary>More</summary>\n<script>x()</script>\n<p>Hidden &amp; found</p>\n</details>\n\nafter";
        assert_eq!(
            shown(source),
            [
                pair("p", "More"),
                pair("p", "Hidden & found"),
                pair("p", "after")
            ]
        );
    }

    #[test]
    fn spans_point_into_the_file_with_its_front_matter() {
        let source = "---\ntitle: T\n---\n# H\n\nSome *text* here.\n\n> quoted\n";
        let page = page(source, false).expect("page");
        assert_eq!(page.title, "T");
        let slices: Vec<_> = page
            .blocks
            .iter()
            .map(|b| source[b.span.clone()].trim())
            .collect();
        assert_eq!(slices, ["# H", "Some *text* here.", "quoted"]);
    }
}

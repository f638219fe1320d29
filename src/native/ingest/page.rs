//! What every page reader hands on: metadata, and the content as a row of blocks.

use std::collections::BTreeMap;
use std::ops::Range;

use coracle::document::Value;

/// A page before it is cut into chunks.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// Title; empty when none was found.
    pub title: String,
    /// Path or address that the page itself asks for.
    pub url: Option<String>,
    /// Last part of the path that the page itself asks for.
    pub slug: Option<String>,
    /// Language that the page names; empty where it names none.
    pub language: String,
    /// Factor on the scores of its chunks.
    pub weight: Option<f64>,
    /// Metadata by field name.
    pub meta: BTreeMap<String, Value>,
    /// Its content in reading order.
    pub blocks: Vec<Block>,
    /// Whether the page asks not to be indexed.
    pub is_excluded: bool,
    /// Whether it marks its content with `data-pagefind-body`.
    pub has_body_mark: bool,
}

/// One heading, paragraph, list item, code block or table.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// What it is.
    pub kind: BlockKind,
    /// Its text: one line for headings and prose, several for code and tables.
    pub text: String,
    /// Bytes of the input it was read from.
    pub span: Range<usize>,
}

/// The kinds of blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockKind {
    /// A heading: level 1 to 6 and fragment without `#` (empty when it has none).
    Heading {
        /// 1 to 6.
        level: u8,
        /// Fragment that leads to it.
        anchor: String,
    },
    /// A paragraph.
    Prose,
    /// A list item; `text` begins with its mark.
    Item,
    /// Code, table or other text whose lines matter.
    Lines,
}

/// Adds `value` to `meta[key]`: a second value makes a list.
pub(crate) fn add_value(meta: &mut BTreeMap<String, Value>, key: &str, value: Value) {
    match meta.get_mut(key) {
        None => {
            meta.insert(key.to_owned(), value);
        }
        Some(Value::List(list)) => {
            if !list.contains(&value) {
                list.push(value);
            }
        }
        Some(one) => {
            if *one != value {
                *one = Value::List(vec![one.clone(), value]);
            }
        }
    }
}

/// Takes the words of a heading as the title when the page has none yet.
pub(crate) fn title_from_heading(page: &mut Page) {
    if page.title.is_empty()
        && let Some(block) = page
            .blocks
            .iter()
            .find(|block| matches!(block.kind, BlockKind::Heading { level: 1, .. }))
    {
        page.title.clone_from(&block.text);
    }
}

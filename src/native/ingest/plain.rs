//! Plain text → blocks: paragraphs are what blank lines separate, lines are kept.

use crate::ingest::clean;
use crate::ingest::page::Block;
use crate::ingest::page::BlockKind;

/// Cuts `text` at blank lines. Spans are bytes of `text`.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    let mut out = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim().is_empty() {
            push(&mut out, text, start, at);
            start = at + line.len();
        }
        at += line.len();
    }
    push(&mut out, text, start, at);
    out
}

fn push(out: &mut Vec<Block>, text: &str, start: usize, end: usize) {
    let cleaned = clean::lines(&text[start..end]);
    if !cleaned.is_empty() {
        out.push(Block {
            kind: BlockKind::Lines,
            text: cleaned,
            span: start..end,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_keep_lines_and_know_their_bytes() {
        let text = "\u{FEFF}one\n  two\n \n\nthree";
        let blocks = blocks(text);
        let found: Vec<_> = blocks
            .iter()
            .map(|b| (b.text.as_str(), &text[b.span.clone()]))
            .collect();
        assert_eq!(
            found,
            [("one\n  two", "\u{FEFF}one\n  two\n"), ("three", "three")]
        );
    }
}

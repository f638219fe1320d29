//! Blocks of a page → chunks: cut at headings first, then between blocks, then inside them.
//!
//! ```text
//! blocks   # A  p p   ## B  p   ## C  p p p p p p p
//! sections [ A: p p ] [ B: p ]  [ C: p p p p p p p ]
//! pieces   [ A: p p ] [ B: p ]  [ C: p p p p ] [ C: p p p ]   long sections are cut
//! chunks   [ A: p p B p ]       [ C: p p p p ] [ C: p p p ]   small neighbours are merged
//! ```
//!
//! A section that fits stays whole. One that does not is cut between blocks into pieces of about
//! equal size, so that no crumb is left at its end; code and tables are cut only when they alone
//! are too long, and then between lines; prose between sentences, then words. Neighbours of which
//! one is below the minimum share a chunk: its heading path is what their paths have in common, the
//! rest of each path stands as a line in the text.

use std::fmt;
use std::ops::Range;

use coracle::document::Chunk;
use text_splitter::ChunkCapacity;
use text_splitter::ChunkConfig;
use text_splitter::ChunkSizer;
use text_splitter::TextSplitter;

use crate::ingest::page::Block;
use crate::ingest::page::BlockKind;

/// Counts the tokens of the embedder's tokenizer.
///
/// Texts that white space separates are counted apart and added up, which is exact for tokenizers
/// that split at white space first (WordPiece), and close for the others.
pub trait TokenCounter: Sync {
    /// Tokens of `text`, special tokens not counted.
    fn count(&self, text: &str) -> usize;
}

/// Estimates tokens from the kinds of characters: for tests, and for embedders whose tokenizer is
/// not known.
///
/// A run of letters counts 1 and one more per 5 letters after the seventh (the mean of WordPiece on
/// English prose and identifiers), digits 1 per 3, every other visible character 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct EstimatedTokens;

impl TokenCounter for EstimatedTokens {
    fn count(&self, text: &str) -> usize {
        let mut total = 0;
        let (mut letters, mut digits) = (0usize, 0usize);
        let close = |letters: &mut usize, digits: &mut usize| {
            let words = if *letters == 0 {
                0
            } else {
                1 + letters.saturating_sub(3) / 5
            };
            let sum = words + digits.div_ceil(3);
            (*letters, *digits) = (0, 0);
            sum
        };
        for c in text.chars() {
            if c.is_ascii_digit() {
                digits += 1;
            } else if c.is_alphabetic() && c < '\u{0E00}' {
                letters += 1;
            } else {
                total += close(&mut letters, &mut digits) + usize::from(!c.is_whitespace());
            }
        }
        total + close(&mut letters, &mut digits)
    }
}

/// How pages are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkOptions {
    /// Most tokens of a chunk's text, headings not counted.
    ///
    /// The default of 200 leaves 54 of the default model's 256 for title, headings and the two
    /// special tokens, so that nothing is embedded cut short; 200 tokens are about 700–1000
    /// characters, near the best of published chunk-size comparisons (200–400 tokens).
    pub max_tokens: usize,
    /// Neighbouring sections of a page are merged while one of them has fewer tokens than this.
    pub min_tokens: usize,
    /// Tokens repeated from the end of a piece at the start of the next one of its section.
    ///
    /// The default is 0: title and headings are embedded with every chunk and neighbours can be
    /// fetched when a prompt is packed, while repeated text grows the index and counts twice in
    /// word statistics.
    pub overlap_tokens: usize,
    /// Most tokens that the model reads, special tokens, title and headings counted; `None` where
    /// it is not known. Chunks under long headings get less text.
    pub window_tokens: Option<usize>,
}

impl Default for ChunkOptions {
    fn default() -> Self {
        Self {
            max_tokens: 200,
            min_tokens: 50,
            overlap_tokens: 0,
            window_tokens: Some(256),
        }
    }
}

/// Tokens that a model adds around a text (`[CLS]` and `[SEP]`).
const SPECIAL_TOKENS: usize = 2;

/// Text that is left to a chunk however long its headings are.
const LEAST_TOKENS: usize = 64;

/// A chunk has at most this many bytes per token it may have.
///
/// WordPiece counts any word of more than 100 characters as one unknown token: without this, a
/// megabyte of base64 would be one small chunk. Text has 3–6 bytes per token.
const BYTES_PER_TOKEN: usize = 16;

/// Cuts the blocks of one page into chunks.
#[derive(Clone, Copy)]
pub struct Chunker<'a> {
    options: ChunkOptions,
    counter: &'a dyn TokenCounter,
}

impl fmt::Debug for Chunker<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunker")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// A heading with what stands under it, down to the next heading; or a piece of that.
#[derive(Debug, Clone)]
struct Section<'p> {
    path: Vec<&'p str>,
    anchor: &'p str,
    /// The heading's bytes; empty for what stands above the first heading.
    span: Range<usize>,
    units: Vec<Unit<'p>>,
    /// Cost of the units, and of the overlap where there is one.
    cost: usize,
    budget: usize,
    /// Whether the piece before it belongs to the same section.
    continues: bool,
}

/// Tokens as counted, and what they weigh against the budget (never less than the count).
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    tokens: usize,
    cost: usize,
}

/// What a chunk is put together from.
#[derive(Debug, Clone)]
struct Unit<'p> {
    text: &'p str,
    span: Range<usize>,
    size: Size,
    is_item: bool,
}

struct Sizer<'a>(Chunker<'a>);

impl ChunkSizer for Sizer<'_> {
    fn size(&self, chunk: &str) -> usize {
        self.0.size(chunk).cost
    }
}

impl<'a> Chunker<'a> {
    /// A chunker that counts with `counter`. Limits below what is workable are raised to it.
    #[must_use]
    pub fn new(options: ChunkOptions, counter: &'a dyn TokenCounter) -> Self {
        let max_tokens = options.max_tokens.max(8);
        let options = ChunkOptions {
            max_tokens,
            min_tokens: options.min_tokens.min(max_tokens),
            overlap_tokens: options.overlap_tokens.min(max_tokens / 2),
            ..options
        };
        Self { options, counter }
    }

    /// Tokens of `text`.
    #[must_use]
    pub fn count(&self, text: &str) -> usize {
        self.counter.count(text)
    }

    fn size(&self, text: &str) -> Size {
        let tokens = self.counter.count(text);
        Size {
            tokens,
            cost: tokens.max(text.len() / BYTES_PER_TOKEN),
        }
    }

    /// Cuts `blocks` in reading order. Empty when they hold no text.
    #[must_use]
    pub fn chunks(&self, title: &str, blocks: &[Block]) -> Vec<Chunk> {
        let mut out = Vec::new();
        let mut group: Vec<Section<'_>> = Vec::new();
        let least = self.options.min_tokens;
        for section in self.sections(title, blocks) {
            let before: usize = group.iter().map(|s| s.cost).sum();
            let is_small = before < least || section.cost < least;
            group.push(section);
            if group.len() > 1 && !(is_small && self.fits(&group)) {
                let section = group.pop();
                out.extend(self.chunk(&group, out.last()));
                group.clear();
                group.extend(section);
            }
        }
        out.extend(self.chunk(&group, out.last()));
        out
    }

    /// Whether sections fit into one chunk, with the headings that become lines of its text.
    fn fits(&self, group: &[Section<'_>]) -> bool {
        let budget = group.iter().map(|s| s.budget).min().unwrap_or(0);
        let text: usize = group.iter().map(|s| s.cost).sum();
        let (_, lines) = headings(group);
        text <= budget
            && text + lines.iter().map(|line| self.size(line).cost).sum::<usize>() <= budget
    }

    /// The sections of a page, long ones already in pieces.
    fn sections<'p>(&self, title: &str, blocks: &'p [Block]) -> Vec<Section<'p>> {
        struct Open<'p> {
            level: u8,
            text: &'p str,
            anchor: &'p str,
            tokens: usize,
        }
        let title_tokens = match title {
            "" => 0,
            title => self.count(title) + 1,
        };
        let mut out = Vec::new();
        let mut open: Vec<Open<'p>> = Vec::new();
        let mut heading = 0..0;
        let mut rest = blocks;
        loop {
            let is_heading = |b: &Block| matches!(b.kind, BlockKind::Heading { .. });
            let len = rest.iter().position(is_heading).unwrap_or(rest.len());
            let (body, after) = rest.split_at(len);
            let next = after.first().and_then(|block| match &block.kind {
                BlockKind::Heading { level, anchor } => Some((block, *level, anchor.as_str())),
                BlockKind::Prose | BlockKind::Item | BlockKind::Lines => None,
            });
            // The heading of an empty section lives on in the paths of the sections below it.
            let is_parent_only = body.is_empty()
                && next.is_some_and(|(_, level, _)| open.last().is_none_or(|o| o.level < level));
            if !is_parent_only && !(body.is_empty() && open.is_empty()) {
                let prefix = title_tokens + open.iter().map(|o| o.tokens + 1).sum::<usize>();
                let section = Section {
                    path: open.iter().map(|o| o.text).collect(),
                    anchor: open.last().map_or("", |o| o.anchor),
                    span: heading,
                    units: Vec::new(),
                    cost: 0,
                    budget: self.budget(prefix),
                    continues: false,
                };
                self.push_pieces(section, body, &mut out);
            }
            let Some((block, level, anchor)) = next else {
                return out;
            };
            while open.last().is_some_and(|o| o.level >= level) {
                open.pop();
            }
            // The title leads to the top of the page, and is not repeated in paths.
            if !(open.is_empty() && block.text == title) {
                let parent = open.last().map_or("", |o| o.anchor);
                open.push(Open {
                    level,
                    text: &block.text,
                    anchor: if anchor.is_empty() { parent } else { anchor },
                    tokens: self.count(&block.text),
                });
            }
            heading = block.span.clone();
            rest = after.get(1..).unwrap_or_default();
        }
    }

    /// Tokens of text that fit beside `prefix` tokens of title and headings.
    fn budget(&self, prefix: usize) -> usize {
        let max = self.options.max_tokens;
        match self.options.window_tokens {
            None => max,
            Some(window) => {
                let left = window.saturating_sub(SPECIAL_TOKENS + prefix);
                left.max(LEAST_TOKENS).min(max)
            }
        }
    }

    /// Fills `section` with `body`, in several pieces when it is too long.
    fn push_pieces<'p>(&self, section: Section<'p>, body: &'p [Block], out: &mut Vec<Section<'p>>) {
        let sizes: Vec<Size> = body.iter().map(|block| self.size(&block.text)).collect();
        let is_long = sizes.iter().map(|size| size.cost).sum::<usize>() > section.budget;
        // Only sections that are cut have overlaps, which take from the budget.
        let overlap = if is_long {
            self.options.overlap_tokens.min(section.budget / 2)
        } else {
            0
        };
        let budget = section.budget - overlap;
        let mut units = Vec::new();
        for (block, size) in body.iter().zip(sizes) {
            self.push_units(block, size, budget, &mut units);
        }
        let mut continues = false;
        for units in pieces(units, budget) {
            let cost = units.iter().map(|unit| unit.size.cost).sum::<usize>();
            out.push(Section {
                units,
                cost: cost + if continues { overlap } else { 0 },
                continues,
                ..section.clone()
            });
            continues = true;
        }
    }

    /// A block as one unit, or as several when it alone is too long.
    fn push_units<'p>(&self, block: &'p Block, size: Size, budget: usize, out: &mut Vec<Unit<'p>>) {
        let is_item = block.kind == BlockKind::Item;
        if size.cost <= budget {
            let text = block.text.as_str();
            out.push(Unit {
                text,
                span: block.span.clone(),
                size,
                is_item,
            });
            return;
        }
        let even = size
            .cost
            .div_ceil(size.cost.div_ceil(budget).max(1))
            .min(budget);
        let capacity = ChunkCapacity::new(even)
            .with_max(budget)
            .unwrap_or(ChunkCapacity::new(budget));
        let keeps_lines = block.kind == BlockKind::Lines;
        let config = ChunkConfig::new(capacity)
            .with_sizer(Sizer(*self))
            .with_trim(!keeps_lines);
        // Cleaning only ever drops or replaces: equal lengths mean that offsets carry over.
        let is_verbatim = block.text.len() == block.span.len();
        for (offset, text) in TextSplitter::new(config).chunk_indices(&block.text) {
            let kept = text.trim_matches('\n').trim_end();
            if kept.trim().is_empty() {
                continue;
            }
            let span = if is_verbatim {
                let start = block.span.start + offset;
                start..start + text.len()
            } else {
                block.span.clone()
            };
            out.push(Unit {
                text: kept,
                span,
                size: self.size(kept),
                is_item,
            });
        }
    }

    /// One chunk of sections that belong together; `None` when there is nothing in them to show.
    fn chunk(&self, group: &[Section<'_>], before: Option<&Chunk>) -> Option<Chunk> {
        let first = group.first()?;
        let (shared, lines) = headings(group);
        let mut tokens = 0;
        let mut text = String::new();
        if let Some(tail) = before
            .filter(|_| first.continues)
            .and_then(|b| self.overlap(&b.text))
        {
            tokens += self.count(tail);
            text.push_str(tail);
        }
        let mut span = Range {
            start: usize::MAX,
            end: 0,
        };
        let mut widen = |with: &Range<usize>| {
            span.start = span.start.min(with.start);
            span.end = span.end.max(with.end);
        };
        for (section, line) in group.iter().zip(&lines) {
            if !line.is_empty() {
                tokens += self.count(line);
                separate(&mut text, false);
                text.push_str(line);
                widen(&section.span);
            }
            let mut after_item = false;
            for unit in &section.units {
                separate(&mut text, after_item && unit.is_item);
                text.push_str(unit.text);
                tokens += unit.size.tokens;
                widen(&unit.span);
                after_item = unit.is_item;
            }
        }
        if text.is_empty() {
            return None;
        }
        Some(Chunk {
            headings: first
                .path
                .iter()
                .take(shared)
                .map(|&part| part.to_owned())
                .collect(),
            anchor: first.anchor.to_owned(),
            span: span.start as u64..span.end as u64,
            tokens: u32::try_from(tokens).unwrap_or(u32::MAX),
            text,
            embedding: None,
        })
    }

    /// The end of `text`, at most the overlap long and cut where it reads best.
    fn overlap<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.options.overlap_tokens == 0 {
            return None;
        }
        let config = ChunkConfig::new(self.options.overlap_tokens).with_sizer(Sizer(*self));
        TextSplitter::new(config).chunks(text).last()
    }
}

/// How many headings all sections share, and for each section the line that says the rest.
fn headings(group: &[Section<'_>]) -> (usize, Vec<String>) {
    let first = group.first().map_or(&[][..], |section| &section.path);
    let shared = group.iter().fold(first.len(), |shared, section| {
        let equal = first
            .iter()
            .zip(&section.path)
            .take_while(|(a, b)| a == b)
            .count();
        shared.min(equal)
    });
    let mut said: &[&str] = &[];
    let lines = group
        .iter()
        .map(|section| {
            let below = section.path.get(shared..).unwrap_or_default();
            // A path that continues the one before it need not say the same words again.
            let fresh = below.strip_prefix(said).unwrap_or(below);
            said = below;
            fresh.join(" › ")
        })
        .collect();
    (shared, lines)
}

/// List items follow each other line by line, everything else after a blank line.
fn separate(text: &mut String, is_list: bool) {
    if !text.is_empty() {
        text.push_str(if is_list { "\n" } else { "\n\n" });
    }
}

/// Groups units in order into as few pieces as the budget allows, of about equal cost; at least
/// one piece.
fn pieces(units: Vec<Unit<'_>>, budget: usize) -> Vec<Vec<Unit<'_>>> {
    let total: usize = units.iter().map(|unit| unit.size.cost).sum();
    let even = total.div_ceil(total.div_ceil(budget).max(1));
    let mut out = Vec::new();
    let mut piece = Vec::new();
    let mut cost = 0;
    for unit in units {
        if !piece.is_empty() && (cost >= even || cost + unit.size.cost > budget) {
            out.push(std::mem::take(&mut piece));
            cost = 0;
        }
        cost += unit.size.cost;
        piece.push(unit);
    }
    if !piece.is_empty() || out.is_empty() {
        out.push(piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::prop;
    use proptest::prelude::prop_assert;
    use proptest::prelude::prop_assert_eq;
    use proptest::proptest;

    use super::*;
    use crate::ingest::plain;

    /// One token per word.
    struct Words;

    impl TokenCounter for Words {
        fn count(&self, text: &str) -> usize {
            text.split_whitespace().count()
        }
    }

    fn heading(level: u8, text: &str, anchor: &str) -> Block {
        Block {
            kind: BlockKind::Heading {
                level,
                anchor: anchor.into(),
            },
            text: text.into(),
            span: 0..0,
        }
    }

    fn prose(words: usize, word: &str) -> Block {
        let text = vec![word; words].join(" ");
        Block {
            kind: BlockKind::Prose,
            span: 0..0,
            text,
        }
    }

    fn options(max: usize, min: usize) -> ChunkOptions {
        ChunkOptions {
            max_tokens: max,
            min_tokens: min,
            overlap_tokens: 0,
            window_tokens: None,
        }
    }

    fn shape(chunks: &[Chunk]) -> Vec<(String, &str, u32)> {
        chunks
            .iter()
            .map(|c| (c.headings.join("/"), c.anchor.as_str(), c.tokens))
            .collect()
    }

    #[test]
    fn section_that_fits_stays_whole() {
        let blocks = [
            heading(1, "T", "t"),
            prose(60, "a"),
            heading(2, "One", "one"),
            prose(80, "b"),
            prose(10, "c"),
            heading(3, "Two", ""),
            prose(70, "d"),
        ];
        let chunks = Chunker::new(options(100, 20), &Words).chunks("T", &blocks);
        assert_eq!(
            shape(&chunks),
            [
                (String::new(), "", 60),
                ("One".into(), "one", 90),
                ("One/Two".into(), "one", 70)
            ]
        );
    }

    #[test]
    fn small_neighbours_share_a_chunk_under_their_common_path() {
        let blocks = [
            heading(2, "Methods", "m"),
            heading(3, "push", "p"),
            prose(5, "x"),
            heading(3, "pop", "q"),
            prose(6, "y"),
            heading(2, "Long", "l"),
            prose(90, "z"),
        ];
        let chunks = Chunker::new(options(100, 20), &Words).chunks("T", &blocks);
        assert_eq!(
            shape(&chunks),
            [("Methods".into(), "p", 13), ("Long".into(), "l", 90)]
        );
        assert_eq!(chunks[0].text, "push\n\nx x x x x\n\npop\n\ny y y y y y");
    }

    #[test]
    fn long_sections_are_cut_into_even_pieces() {
        let blocks: Vec<_> = [heading(2, "H", "h")]
            .into_iter()
            .chain((0..21).map(|_| prose(10, "w")))
            .collect();
        let chunks = Chunker::new(options(100, 20), &Words).chunks("", &blocks);
        let tokens: Vec<_> = chunks.iter().map(|c| c.tokens).collect();
        assert_eq!(tokens, [70, 70, 70]);
        assert!(chunks.iter().all(|c| c.headings == ["H"]));
    }

    #[test]
    fn long_headings_take_from_the_text_so_that_the_window_holds() {
        let title = vec!["t"; 40].join(" ");
        let options = ChunkOptions {
            window_tokens: Some(128),
            ..options(120, 10)
        };
        let chunks = Chunker::new(options, &Words).chunks(&title, &[prose(300, "w")]);
        for chunk in &chunks {
            assert!(Words.count(&chunk.embedding_text(&title)) + SPECIAL_TOKENS <= 128);
        }
        assert_eq!(chunks.iter().map(|c| c.tokens).sum::<u32>(), 300);
    }

    #[test]
    fn code_is_cut_between_lines_and_keeps_its_indentation() {
        let text: String = (0..60).map(|i| format!("    let x{i} = {i};\n")).collect();
        let blocks = plain::blocks(&text);
        let chunks = Chunker::new(options(100, 10), &Words).chunks("", &blocks);
        assert!(chunks.len() > 1);
        for chunk in &chunks {
            assert!(chunk.tokens <= 100);
            assert!(
                chunk.text.lines().all(|line| line.starts_with("    let ")),
                "{chunk:?}"
            );
        }
    }

    #[test]
    fn a_word_without_end_is_cut_by_bytes() {
        let text = "A".repeat(100_000);
        let chunks = Chunker::new(options(100, 10), &Words).chunks("", &plain::blocks(&text));
        assert!(chunks.iter().all(|c| c.text.len() <= 101 * BYTES_PER_TOKEN));
        assert_eq!(chunks.iter().map(|c| c.text.len()).sum::<usize>(), 100_000);
    }

    #[test]
    fn overlap_repeats_the_end_of_the_piece_before() {
        let sentences: String = (0..40)
            .map(|i| format!("Sentence number {i} ends. "))
            .collect();
        let blocks = [Block {
            kind: BlockKind::Prose,
            span: 0..9,
            text: sentences,
        }];
        let options = ChunkOptions {
            overlap_tokens: 8,
            ..options(40, 10)
        };
        let chunks = Chunker::new(options, &Words).chunks("", &blocks);
        for pair in chunks.windows(2) {
            let start = pair[1].text.split("\n\n").next().expect("overlap");
            assert!(pair[0].text.ends_with(start), "{pair:?}");
            assert!(Words.count(start) <= 8 && Words.count(start) > 0);
        }
    }

    #[test]
    fn spans_of_verbatim_text_are_exact() {
        let text = "one two three four five six. Seven eight nine ten eleven twelve.";
        let chunks = Chunker::new(options(8, 0), &Words).chunks("", &plain::blocks(text));
        assert!(chunks.len() > 1);
        for chunk in chunks {
            let span = chunk.span.start as usize..chunk.span.end as usize;
            assert_eq!(text[span].trim(), chunk.text);
        }
    }

    proptest! {
        #[test]
        fn every_word_arrives_once_in_order_and_within_budget(
            sections in prop::collection::vec((1u8..4, prop::collection::vec(0usize..60, 0..6)), 1..12),
            max in 16usize..80,
            min in 0usize..16,
        ) {
            let mut blocks = Vec::new();
            let mut expected = Vec::new();
            for (s, (level, paragraphs)) in sections.iter().enumerate() {
                blocks.push(heading(*level, &format!("h{s}"), ""));
                for (p, words) in paragraphs.iter().enumerate() {
                    if *words > 0 {
                        let word = format!("s{s}p{p}");
                        expected.extend(std::iter::repeat_n(word.clone(), *words));
                        blocks.push(prose(*words, &word));
                    }
                }
            }
            let chunks = Chunker::new(options(max, min), &Words).chunks("T", &blocks);
            let mut found = Vec::new();
            for chunk in &chunks {
                prop_assert!(chunk.tokens as usize <= max);
                prop_assert_eq!(chunk.tokens as usize, Words.count(&chunk.text));
                prop_assert!(!chunk.text.trim().is_empty());
                found.extend(
                    chunk.text.split_whitespace().filter(|w| w.starts_with('s')).map(String::from),
                );
            }
            prop_assert_eq!(found, expected);
        }
    }
}

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
fn megabytes_in_one_paragraph_are_cut_quickly_and_wholly() {
    let prose: String = (0..200_000).map(|i| format!("word{i} ")).collect();
    let blob = "é".repeat(500_000);
    for text in [prose, blob] {
        let started = std::time::Instant::now();
        let chunks = Chunker::new(options(200, 50), &Words).chunks("", &plain::blocks(&text));
        assert!(started.elapsed().as_secs() < 60, "{:?}", started.elapsed());
        let visible = |text: &str| text.chars().filter(|c| !c.is_whitespace()).count();
        assert_eq!(
            chunks.iter().map(|c| visible(&c.text)).sum::<usize>(),
            visible(&text)
        );
    }
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

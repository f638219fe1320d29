//! Every format of `tests/corpus` gives exactly the chunks listed here.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use coracle::document::Document;
use coracle::document::Value;
use coracle_cli::ingest::IngestOptions;
use coracle_cli::ingest::Ingested;
use coracle_cli::ingest::Reason;
use coracle_cli::ingest::address::UrlStyle;
use coracle_cli::ingest::chunk::ChunkOptions;
use coracle_cli::ingest::chunk::EstimatedTokens;
use coracle_cli::ingest::chunk::TokenCounter;
use coracle_cli::ingest::ingest;
use coracle_cli::report::Stage;

fn corpus(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/corpus")
        .join(name)
}

/// No merging, so that every section shows.
fn sections() -> IngestOptions {
    let chunk = ChunkOptions {
        min_tokens: 0,
        ..ChunkOptions::default()
    };
    IngestOptions {
        chunk,
        ..IngestOptions::default()
    }
}

fn read(inputs: &[PathBuf], options: &IngestOptions) -> Ingested {
    ingest(inputs, options, &EstimatedTokens, &Stage::hidden()).expect("documents")
}

/// Heading path, anchor and text of every chunk.
fn chunks(document: &Document) -> Vec<(String, &str, &str)> {
    document
        .chunks
        .iter()
        .map(|c| (c.headings.join(" > "), c.anchor.as_str(), c.text.as_str()))
        .collect()
}

fn row(
    headings: &str,
    anchor: &'static str,
    text: &'static str,
) -> (String, &'static str, &'static str) {
    (headings.to_owned(), anchor, text)
}

fn document<'a>(read: &'a Ingested, id: &str) -> &'a Document {
    read.documents
        .iter()
        .find(|d| d.id == id)
        .expect("document")
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[test]
fn folder_is_read_in_path_order_without_drafts() {
    let read = read(&[corpus("boats")], &IngestOptions::default());
    let found: Vec<_> = read
        .documents
        .iter()
        .map(|d| (d.id.as_str(), d.url.as_str(), d.title.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            ("guide.md", "/guide/", "Building a coracle"),
            ("harbour/index.html", "/harbour/", "Harbour rules"),
            ("log.txt", "/log.txt", ""),
            ("paddle.mdx", "/paddle/", "Paddling"),
        ]
    );
    assert_eq!((read.excluded, read.quarantined.len()), (1, 0));
    let bytes: u64 = [
        "guide.md",
        "draft.md",
        "harbour/index.html",
        "log.txt",
        "paddle.mdx",
    ]
    .iter()
    .map(|name| {
        fs::metadata(corpus("boats").join(name))
            .expect("size")
            .len()
    })
    .sum();
    assert_eq!(read.bytes_in, bytes);
}

#[test]
fn markdown_gives_sections_with_anchors() {
    let read = read(&[corpus("boats")], &sections());
    let guide = document(&read, "guide.md");
    assert_eq!(
        chunks(guide),
        [
            row(
                "",
                "",
                "A coracle is a small round boat. One person can carry it on the back."
            ),
            row(
                "The frame",
                "frame",
                "Cut rods in winter, when the sap is low:\n\n- hazel for the ribs\n\
                 - ash for the rim\n  1. soak it\n  2. bend it"
            ),
            row(
                "The frame > Spacing",
                "spacing",
                "Rods | Gap\n14 | 9 cm\n18 | 7 cm"
            ),
            row(
                "The cover",
                "the-cover",
                "stretch --cover calico \\\n        --tar 2\n\nOld covers\n\n\
                 Hide was used & replaced by cloth."
            ),
        ]
    );
    let tags = Value::List(vec![text("craft"), text("river")]);
    assert_eq!(guide.meta.get("tags"), Some(&tags));
    assert_eq!(guide.meta.get("author"), Some(&text("The workshop")));
}

#[test]
fn mdx_loses_its_code_and_keeps_its_words() {
    let read = read(&[corpus("boats")], &sections());
    assert_eq!(
        chunks(document(&read, "paddle.mdx")),
        [row(
            "",
            "",
            "Draw the blade in an eight. Keep <Figure> out of the water.\n\n\
             Go home when it rises."
        )]
    );
}

#[test]
fn plain_text_keeps_its_lines() {
    let read = read(&[corpus("boats")], &sections());
    assert_eq!(
        chunks(document(&read, "log.txt")),
        [row(
            "",
            "",
            "Monday\n  low water, two trips\n\nTuesday\n  fog"
        )]
    );
}

#[test]
fn html_gives_its_main_content_only() {
    let read = read(&[corpus("boats")], &sections());
    let page = document(&read, "harbour/index.html");
    assert_eq!(
        chunks(page),
        [
            row(
                "",
                "",
                "Tie up at the “long” stage.\n\nBoats dry on the grass."
            ),
            row(
                "At night",
                "night",
                "3. No fires.\n4. Quiet after ten.\n\nif (dark) {\n    lamp(on);\n}"
            ),
            row("Fees", "fees", "Boat | Price\nCoracle | free"),
        ]
    );
    assert_eq!(
        page.meta.get("description"),
        Some(&text("What to do on the landing stage"))
    );
}

#[test]
fn spans_lead_back_to_the_source() {
    let read = read(&[corpus("boats")], &sections());
    for document in &read.documents {
        let source = fs::read_to_string(corpus("boats").join(&document.id)).expect("source");
        for chunk in &document.chunks {
            let span = chunk.span.start as usize..chunk.span.end as usize;
            let slice = source.get(span).expect("a span on character boundaries");
            let word = chunk
                .text
                .split(|c: char| !c.is_alphanumeric())
                .find(|w| w.len() > 2);
            assert!(
                slice.contains(word.expect("a word")),
                "{}: {slice:?}",
                document.id
            );
            assert_eq!(chunk.tokens as usize, EstimatedTokens.count(&chunk.text));
        }
    }
}

#[test]
fn small_sections_share_chunks_by_default() {
    let read = read(&[corpus("boats/guide.md")], &IngestOptions::default());
    let guide = document(&read, "guide.md");
    assert_eq!(guide.chunks.len(), 1, "{:?}", chunks(guide));
    assert!(guide.chunks[0].text.contains("\n\nThe frame\n\nCut rods"));
}

#[test]
fn pagefind_attributes_mean_what_pagefind_says() {
    let read = read(&[corpus("marked.html")], &sections());
    let page = document(&read, "marked.html");
    assert_eq!(page.title, "Marked page");
    assert_eq!(page.weight, 2.5);
    assert_eq!(
        chunks(page),
        [row(
            "",
            "",
            "First part.\n\nA note that the author means.\n\nA round boat\n\nSecond part."
        )]
    );
    let kinds = Value::List(vec![text("boat, light and round"), text("paddle")]);
    let meta: Vec<_> = page
        .meta
        .iter()
        .map(|(key, value)| (key.as_str(), value.clone()))
        .collect();
    assert_eq!(
        meta,
        [
            ("club", text("River")),
            ("image", text("boat.png")),
            ("image_alt", text("A round boat")),
            ("kind", kinds),
            ("year", Value::Number(1870.0)),
        ]
    );
}

#[test]
fn one_body_mark_leaves_out_unmarked_html_only() {
    let read = read(
        &[corpus("boats"), corpus("marked.html")],
        &IngestOptions::default(),
    );
    let ids: Vec<_> = read.documents.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids, ["guide.md", "log.txt", "paddle.mdx", "marked.html"]);
    assert_eq!(read.excluded, 2);
}

#[test]
fn records_keep_vectors_and_metadata_and_name_what_is_wrong() {
    let path = corpus("records.jsonl");
    let read = read(std::slice::from_ref(&path), &IngestOptions::default());
    let ids: Vec<_> = read.documents.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids, ["r1", "2", "r3"]);
    let tar = document(&read, "r1");
    assert_eq!(tar.url, "https://example.org/tar");
    assert_eq!(tar.meta.get("year"), Some(&Value::Number(1902.0)));
    assert_eq!(tar.meta.get("kind"), Some(&text("material")));
    assert_eq!(
        chunks(tar),
        [row(
            "",
            "",
            "Pine tar keeps water out.\n\nTwo coats are enough."
        )]
    );
    assert_eq!(
        document(&read, "2").chunks[0].embedding,
        Some(vec![0.25, -1.0, 0.03])
    );
    let found: Vec<_> = read
        .quarantined
        .iter()
        .map(|q| (q.line, q.reason.clone()))
        .collect();
    let first = format!("{}:1", path.display());
    assert_eq!(
        found[..4],
        [
            (
                Some(5),
                Reason::DuplicateId {
                    id: "r1".into(),
                    first
                }
            ),
            (
                Some(6),
                Reason::WrongDimension {
                    got: 2,
                    expected: 3
                }
            ),
            (Some(7), Reason::NonFiniteVector { component: 0 }),
            (
                Some(8),
                Reason::UnsafeUrl {
                    url: "javascript:alert(1)".into()
                }
            ),
        ]
    );
    assert!(matches!(found[4], (Some(9), Reason::BadJson { .. })));
    assert_eq!(found[5], (Some(10), Reason::NoText));
    assert_eq!(found.len(), 6);
}

#[test]
fn addresses_follow_base_and_style() {
    let options = IngestOptions {
        base_url: "https://example.org/docs".into(),
        url_style: UrlStyle::Html,
        exclude: vec!["harbour/**".into(), "*.txt".into()],
        ..IngestOptions::default()
    };
    let read = read(&[corpus("boats")], &options);
    let urls: Vec<_> = read.documents.iter().map(|d| d.url.as_str()).collect();
    assert_eq!(
        urls,
        [
            "https://example.org/docs/guide.html",
            "https://example.org/docs/paddle.html"
        ]
    );
}

#[test]
fn result_does_not_depend_on_the_number_of_threads() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("pool");
        pool.install(|| {
            read(
                &[corpus("boats"), corpus("records.jsonl")],
                &IngestOptions::default(),
            )
        })
    };
    assert_eq!(with(1), with(4));
}

/// A few hundred pages of a real documentation site, where it is at hand.
#[test]
fn real_site_gives_chunks_within_the_window() {
    let Some(archive) = std::env::var_os("CORACLE_DATA")
        .map(|data| Path::new(&data).join("cpp-docs/site.tar.xz"))
        .filter(|path| path.exists())
    else {
        println!("skipped: CORACLE_DATA names no folder with cpp-docs/site.tar.xz");
        return;
    };
    let folder = tempfile::tempdir().expect("temporary folder");
    let status = Command::new("tar")
        .arg("-xJf")
        .arg(&archive)
        .args(["-C".as_ref(), folder.path().as_os_str()])
        .args([
            "--wildcards",
            "*docs/assembler/*",
            "*docs/cppcx/*",
            "*docs/code-quality/*",
        ])
        .status();
    if !status.is_ok_and(|status| status.success()) {
        println!("skipped: tar cannot unpack {}", archive.display());
        return;
    }
    let read = read(&[folder.path().to_owned()], &IngestOptions::default());
    assert!(
        read.documents.len() > 300,
        "{} documents",
        read.documents.len()
    );
    assert_eq!(read.quarantined, []);
    let mut small = 0;
    let mut count = 0;
    for document in &read.documents {
        assert!(
            document.url.ends_with('/') && !document.title.is_empty(),
            "{}",
            document.id
        );
        for chunk in &document.chunks {
            assert!(chunk.tokens <= 200);
            assert!(!chunk.text.trim().is_empty());
            small += usize::from(chunk.tokens < 20);
            count += 1;
        }
    }
    let per_page = count as f64 / read.documents.len() as f64;
    assert!((2.0..12.0).contains(&per_page), "{per_page} chunks a page");
    assert!(small * 30 < count, "{small} of {count} chunks are tiny");
}

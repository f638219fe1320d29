//! Broken, huge and malicious inputs end in a named quarantine entry or a typed error.

#![allow(clippy::print_stdout, reason = "a skipped test says so")]

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;
use std::time::Instant;

use coracle_cli::ingest::IngestError;
use coracle_cli::ingest::IngestOptions;
use coracle_cli::ingest::Ingested;
use coracle_cli::ingest::Reason;
use coracle_cli::ingest::chunk::EstimatedTokens;
use coracle_cli::ingest::html;
use coracle_cli::ingest::ingest;
use coracle_cli::ingest::markdown;
use coracle_cli::report::Stage;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::any;
use proptest::prelude::prop;
use proptest::prelude::prop_assert;
use proptest::proptest;
use tempfile::TempDir;

fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        fs::write(path, content).expect("written");
    }
    folder
}

fn read(path: &Path) -> Result<Ingested, IngestError> {
    ingest(
        &[path.to_owned()],
        &IngestOptions::default(),
        &EstimatedTokens,
        &Stage::hidden(),
    )
}

#[test]
fn empty_folder_is_an_error_that_lists_what_is_supported() {
    let folder = folder(&[("picture.png", b"x"), (".hidden.md", b"# x")]);
    let error = read(folder.path()).expect_err("nothing to read");
    let shown = error.to_string();
    assert!(matches!(error, IngestError::NoDocuments { .. }));
    assert!(shown.starts_with("no documents found under "), "{shown}");
    assert!(shown.contains("supported are .md"), "{shown}");
}

#[test]
fn folder_of_bad_files_says_what_is_wrong_with_the_first() {
    let folder = folder(&[("a.txt", b"\xff\xfe")]);
    let shown = read(folder.path())
        .expect_err("nothing to read")
        .to_string();
    assert!(shown.contains("a.txt: not UTF-8 at byte 0"), "{shown}");
}

#[test]
fn missing_input_and_wrong_kind_name_the_path() {
    let missing = read(Path::new("no/such/folder")).expect_err("missing");
    assert!(
        missing.to_string().starts_with("no/such/folder: "),
        "{missing}"
    );
    let folder = folder(&[("a.pdf", b"%PDF")]);
    let path = folder.path().join("a.pdf");
    assert!(matches!(read(&path), Err(IngestError::Unsupported { path: found }) if found == path));
}

#[cfg(unix)]
#[test]
fn unreadable_file_is_an_error_that_names_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder(&[("a.md", b"text"), ("secret.md", b"text")]);
    let path = folder.path().join("secret.md");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).expect("permissions");
    if fs::read(&path).is_ok() {
        println!("skipped: this user may read everything");
        return;
    }
    let error = read(folder.path()).expect_err("unreadable");
    assert!(
        matches!(&error, IngestError::Io { path: found, .. } if *found == path),
        "{error}"
    );
    assert!(error.to_string().contains("--exclude"), "{error}");
}

#[cfg(unix)]
#[test]
fn links_in_circles_and_into_nothing_are_left_out() {
    use std::os::unix::fs::symlink;
    let folder = folder(&[("a.md", b"text"), ("sub/b.md", b"text")]);
    symlink(folder.path(), folder.path().join("sub/again")).expect("link");
    symlink("nowhere", folder.path().join("gone.md")).expect("link");
    symlink("a.md", folder.path().join("same.md")).expect("link");
    let read = read(folder.path()).expect("documents");
    let ids: Vec<_> = read.documents.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids, ["a.md", "same.md", "sub/b.md"]);
    let reasons: Vec<_> = read.quarantined.iter().map(|q| q.reason.clone()).collect();
    assert_eq!(reasons, [Reason::BrokenLink, Reason::LinkLoop]);
}

#[test]
fn bad_files_are_left_out_and_the_rest_goes_on() {
    let folder = folder(&[
        ("bad-utf8.md", b"abc\xff"),
        ("bad-front.md", b"---\ntitle: [x\n---\ntext"),
        (
            "empty.html",
            b"<html><body><script>x</script></body></html>",
        ),
        ("good.md", b"text"),
        ("odd.md", b"---\nurl: 'javascript:alert(1)'\n---\ntext"),
    ]);
    let read = read(folder.path()).expect("one document");
    assert_eq!(read.documents.len(), 1);
    let shown: Vec<_> = read.quarantined.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 4, "{shown:?}");
    assert!(
        shown[0].contains("bad-front.md:") && shown[0].contains("front matter"),
        "{shown:?}"
    );
    assert!(
        shown[1].contains("bad-utf8.md: not UTF-8 at byte 3"),
        "{shown:?}"
    );
    assert!(
        shown[2].contains("empty.html: no text to index"),
        "{shown:?}"
    );
    assert!(
        shown[3].contains("odd.md: url \"javascript:alert(1)\""),
        "{shown:?}"
    );
}

#[test]
fn same_id_from_two_inputs_names_both_places() {
    let one = folder(&[("a.md", b"one")]);
    let two = folder(&[("a.md", b"two")]);
    let inputs: Vec<PathBuf> = vec![one.path().into(), two.path().into()];
    let read = ingest(
        &inputs,
        &IngestOptions::default(),
        &EstimatedTokens,
        &Stage::hidden(),
    )
    .expect("one");
    assert_eq!(read.documents.len(), 1);
    let shown = read.quarantined[0].to_string();
    assert!(
        shown.contains(&two.path().join("a.md").display().to_string()),
        "{shown}"
    );
    assert!(
        shown.contains(&one.path().join("a.md").display().to_string()),
        "{shown}"
    );
}

#[test]
fn line_of_a_hundred_megabytes_is_left_out_without_being_kept() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let path = folder.path().join("big.jsonl.gz");
    let mut gzip = GzEncoder::new(fs::File::create(&path).expect("file"), Compression::fast());
    gzip.write_all(b"{\"id\": 1, \"text\": \"a\"}\n{\"id\": 2, \"text\": \"")
        .expect("written");
    let megabyte = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        gzip.write_all(&megabyte).expect("written");
    }
    gzip.write_all(b"\"}\n{\"id\": 3, \"text\": \"c\"}\n")
        .expect("written");
    gzip.finish().expect("written");
    let read = read(&path).expect("two documents");
    let ids: Vec<_> = read.documents.iter().map(|d| d.id.as_str()).collect();
    assert_eq!(ids, ["1", "3"]);
    assert_eq!(read.quarantined.len(), 1);
    assert_eq!(read.quarantined[0].line, Some(2));
    assert_eq!(
        read.quarantined[0].reason,
        Reason::LineTooLong { limit: 16 << 20 }
    );
}

#[test]
fn damaged_gzip_keeps_what_came_before() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    for i in 0..20_000u32 {
        let word = i.wrapping_mul(2_654_435_761);
        writeln!(gzip, "{{\"id\": {i}, \"text\": \"word {word}\"}}").expect("written");
    }
    let bytes = gzip.finish().expect("written");
    let folder = folder(&[("a.jsonl.gz", &bytes[..bytes.len() / 2]), ("b.md", b"text")]);
    let read = read(folder.path()).expect("documents");
    let last = read.quarantined.last().expect("an entry");
    assert_eq!(last.reason, Reason::BadGzip);
    assert!(read.documents.len() > 5_000);
    assert_eq!(last.line, Some(read.documents.len() as u64));
    assert_eq!(read.documents.last().map(|d| d.id.as_str()), Some("b.md"));
}

#[test]
fn file_above_the_limit_is_left_out() {
    let folder = folder(&[("big.txt", &[b'a'; 1000]), ("small.txt", b"text")]);
    let options = IngestOptions {
        max_file_bytes: 500,
        ..IngestOptions::default()
    };
    let inputs = [folder.path().to_owned()];
    let read = ingest(&inputs, &options, &EstimatedTokens, &Stage::hidden()).expect("one");
    let reason = Reason::FileTooLarge {
        bytes: 1000,
        limit: 500,
    };
    assert_eq!(
        read.quarantined.first().map(|q| q.reason.clone()),
        Some(reason)
    );
}

#[test]
fn pathological_pages_take_linear_time() {
    let n = 200_000;
    let pages: [(&str, String); 9] = [
        ("deep.html", "<div>".repeat(n) + "x"),
        ("lists.html", "<ul><li>".repeat(n / 2) + "x"),
        ("tables.html", "<table><tr><td>".repeat(n / 4) + "x"),
        ("bodies.html", "<p data-pagefind-body>x</p>".repeat(n / 8)),
        (
            "spans.html",
            "<span data-pagefind-meta=a>".repeat(2_000) + "x",
        ),
        ("stray.html", "</p></b>".repeat(n) + "x"),
        ("quotes.md", ">".repeat(n) + " x"),
        (
            "braces.mdx",
            "{".repeat(n) + "\n\n" + &"{\n\n".repeat(n / 4) + "x",
        ),
        (
            "ticks.mdx",
            (1..400).map(|i| "`".repeat(i) + " ").collect::<String>() + "x",
        ),
    ];
    for (name, content) in pages {
        let folder = folder(&[(name, content.as_bytes())]);
        let started = Instant::now();
        let outcome = read(folder.path());
        let took = started.elapsed();
        assert!(took < Duration::from_secs(60), "{name} took {took:?}");
        assert!(
            outcome.is_ok() || name.ends_with(".md"),
            "{name}: {outcome:?}"
        );
    }
}

#[test]
fn hidden_words_do_not_reach_the_index() {
    let page = "<main><p>Seen.</p><p style='display: none'>steal</p><p aria-hidden=true>steal</p>\
        <template>steal</template><!-- steal --><p>A\u{200B}B</p></main>";
    let folder = folder(&[("a.html", page.as_bytes())]);
    let read = read(folder.path()).expect("one document");
    assert_eq!(read.documents[0].chunks[0].text, "Seen.\n\nAB");
}

#[test]
fn expression_of_wide_characters_before_text_keeps_spans_on_characters() {
    let source = "{é\u{200D}}🌀{é\u{200D}}";
    for block in markdown::page(source, true)
        .expect("no front matter")
        .blocks
    {
        assert!(source.get(block.span.clone()).is_some(), "{block:?}");
    }
}

proptest! {
    #[test]
    fn any_markup_gives_blocks_with_spans_on_character_boundaries(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "<p>", "</p>", "<li>", "<ul>", "</ul>", "<table>", "<tr>", "<td>", "</table>",
                "<pre>", "</pre>", "<h2 id=a>", "</h2>", "<main>", "</main>", "<a href=#>", "é",
                "&amp;", "<!--", "-->", "<script>", "</script>", "text ", "\n\n", "# ", "```\n",
                "- ", "| a | b |\n|---|---|\n", "{", "}", "<T x={1}>", "---\n", "![", "](x)", "\t",
                "<svg/>", "<br>", "data-pagefind-body", "\u{200D}", "1. ", "> ", "[^1]", "[^1]: ",
            ]),
            0..60,
        ),
        noise in any::<String>(),
    ) {
        let source = parts.concat() + &noise + &parts.concat();
        let mut pages = vec![html::page(&source)];
        pages.extend(markdown::page(&source, false));
        pages.extend(markdown::page(&source, true));
        for page in pages {
            for block in page.blocks {
                prop_assert!(source.get(block.span.clone()).is_some(), "{block:?}");
                prop_assert!(!block.text.trim().is_empty());
            }
        }
    }
}

//! Files and records → documents, cut into chunks.
//!
//! ```text
//! inputs ─walk→ files ─┬ markdown, html, plain ─→ page (metadata + blocks) ─chunk→ document
//!                      └ jsonl ─→ records ───────→ plain ─────────────────chunk→ document
//! ```
//!
//! | file | does |
//! |---|---|
//! | `walk.rs` | inputs → files in a fixed order |
//! | `markdown.rs`, `mdx.rs`, `front_matter.rs` | Markdown → page |
//! | `html/` | HTML → page |
//! | `plain.rs` | text → blocks |
//! | `jsonl.rs` | lines → records |
//! | `clean.rs` | white space and invisible characters |
//! | `address.rs` | paths → addresses |
//! | `chunk/` | blocks → chunks |
//! | `error.rs` | what stops a build, and why single inputs are left out |
//!
//! Pages are read in parallel and only their chunks are kept, so memory follows the text and not
//! the markup. The result depends on the inputs alone, never on the number of threads.

pub mod address;
pub mod chunk;
mod clean;
mod error;
pub mod front_matter;
pub mod html;
pub mod jsonl;
pub mod markdown;
mod mdx;
pub mod page;
pub mod plain;
mod walk;

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::io::Read;
use std::path::PathBuf;

use coracle::document::Chunk;
use coracle::document::Document;
use coracle::document::Value;
use flate2::read::MultiGzDecoder;
use rayon::iter::IntoParallelRefIterator;
use rayon::iter::ParallelIterator;

use crate::ingest::address::UrlStyle;
use crate::ingest::chunk::ChunkOptions;
use crate::ingest::chunk::Chunker;
use crate::ingest::chunk::TokenCounter;
pub use crate::ingest::error::IngestError;
pub use crate::ingest::error::Quarantined;
pub use crate::ingest::error::Reason;
pub use crate::ingest::error::SUPPORTED;
use crate::ingest::error::place;
use crate::ingest::jsonl::Record;
use crate::ingest::page::Page;
use crate::ingest::walk::Format;
use crate::ingest::walk::Found;
use crate::report::Stage;

/// What is read and how.
#[derive(Debug, Clone, PartialEq)]
pub struct IngestOptions {
    /// Globs, as in `.gitignore`, of what is left out.
    pub exclude: Vec<String>,
    /// What stands before the path of every file in its address.
    pub base_url: String,
    /// How file names become addresses.
    pub url_style: UrlStyle,
    /// How pages are cut.
    pub chunk: ChunkOptions,
    /// Largest page file in bytes; larger ones are left out.
    pub max_file_bytes: u64,
    /// Longest line of a JSON lines file in bytes; longer ones are left out.
    pub max_line_bytes: usize,
}

impl Default for IngestOptions {
    fn default() -> Self {
        Self {
            exclude: Vec::new(),
            base_url: "/".into(),
            url_style: UrlStyle::default(),
            chunk: ChunkOptions::default(),
            max_file_bytes: 64 << 20,
            max_line_bytes: 16 << 20,
        }
    }
}

/// Everything that was read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ingested {
    /// Documents with at least one chunk each: inputs in the given order, files sorted by path,
    /// records in file order.
    pub documents: Vec<Document>,
    /// What was left out because something is wrong with it, in the same order.
    pub quarantined: Vec<Quarantined>,
    /// Pages that asked not to be indexed: drafts, `noindex`, and pages without
    /// `data-pagefind-body` on a site that uses it.
    pub excluded: u64,
    /// Bytes read, before decompression.
    pub bytes_in: u64,
}

/// Reads all `inputs` (files and folders) and cuts them into chunks.
///
/// Tokens are counted by `counter`; `stage` is advanced by one for every file.
///
/// # Errors
/// [`IngestError`]: nothing found, a named file that cannot be indexed, or the system refused.
pub fn ingest(
    inputs: &[PathBuf],
    options: &IngestOptions,
    counter: &dyn TokenCounter,
    stage: &Stage<'_>,
) -> Result<Ingested, IngestError> {
    let (files, quarantined) = walk::files(inputs, &options.exclude)?;
    stage.set_total(files.len() as u64);
    let chunker = Chunker::new(options.chunk, counter);
    let mut collector = Collector {
        out: Ingested {
            quarantined,
            ..Ingested::default()
        },
        ..Collector::default()
    };
    let is_records = |file: &Found| matches!(file.format, Format::JsonLines { .. });
    for run in files.chunk_by(|a, b| !is_records(a) && !is_records(b)) {
        match run {
            [file] if is_records(file) => {
                records(file, options, &chunker, &mut collector)?;
                stage.advance(1);
            }
            pages => {
                let read: Vec<Result<PageOutcome, IngestError>> = pages
                    .par_iter()
                    .map(|file| {
                        let outcome = page(file, options, &chunker);
                        stage.advance(1);
                        outcome
                    })
                    .collect();
                for (file, outcome) in pages.iter().zip(read) {
                    collector.page(file, outcome?);
                }
            }
        }
    }
    let out = collector.finish();
    if out.documents.is_empty() {
        return Err(IngestError::NoDocuments {
            inputs: inputs.to_vec(),
            quarantined: out.quarantined,
        });
    }
    Ok(out)
}

/// What became of one page.
#[derive(Debug)]
struct PageOutcome {
    bytes: u64,
    result: Result<Document, Left>,
    is_html: bool,
    has_body_mark: bool,
}

/// Why a page is not in the index.
#[derive(Debug)]
enum Left {
    Excluded,
    Quarantined(Option<u64>, Reason),
}

fn page(
    file: &Found,
    options: &IngestOptions,
    chunker: &Chunker<'_>,
) -> Result<PageOutcome, IngestError> {
    let io = |source| IngestError::io(&file.path, source);
    let source = File::open(&file.path).map_err(io)?;
    let bytes = source.metadata().map_err(io)?.len();
    let is_html = file.format == Format::Html;
    let mut outcome = PageOutcome {
        bytes,
        result: Err(Left::Excluded),
        is_html,
        has_body_mark: false,
    };
    let mut content = Vec::new();
    // A file may grow or be no plain file: the limit holds for what is read.
    let limit = options.max_file_bytes;
    source
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(io)?;
    outcome.bytes = content.len() as u64;
    if outcome.bytes > limit {
        let reason = Reason::FileTooLarge {
            bytes: bytes.max(outcome.bytes),
            limit,
        };
        outcome.result = Err(Left::Quarantined(None, reason));
        return Ok(outcome);
    }
    let text = match std::str::from_utf8(&content) {
        Ok(text) => text,
        Err(error) => {
            let reason = Reason::NotUtf8 {
                byte: error.valid_up_to(),
            };
            outcome.result = Err(Left::Quarantined(None, reason));
            return Ok(outcome);
        }
    };
    let read = match file.format {
        Format::Html => Ok(html::page(text)),
        Format::Markdown => markdown::page(text, false),
        Format::Mdx => markdown::page(text, true),
        Format::Text | Format::JsonLines { .. } => Ok(Page {
            blocks: plain::blocks(text),
            ..Page::default()
        }),
    };
    outcome.result = match read {
        Ok(page) => {
            outcome.has_body_mark = page.has_body_mark;
            document(page, file, options, chunker)
        }
        Err(error) => {
            let reason = Reason::BadFrontMatter {
                message: error.message,
            };
            Err(Left::Quarantined(Some(error.line), reason))
        }
    };
    Ok(outcome)
}

fn document(
    page: Page,
    file: &Found,
    options: &IngestOptions,
    chunker: &Chunker<'_>,
) -> Result<Document, Left> {
    if page.is_excluded {
        return Err(Left::Excluded);
    }
    for asked in [&page.url, &page.slug].into_iter().flatten() {
        if !address::is_safe(asked) {
            let url = asked.clone();
            return Err(Left::Quarantined(None, Reason::UnsafeUrl { url }));
        }
    }
    let url = address::address(
        &options.base_url,
        &file.relative,
        options.url_style,
        page.url.as_deref(),
        page.slug.as_deref(),
    );
    let chunks = chunker.chunks(&page.title, &page.blocks);
    if chunks.is_empty() {
        return Err(Left::Quarantined(None, Reason::NoText));
    }
    Ok(Document {
        id: file.relative.clone(),
        url,
        language: declared(page.language, &page.meta),
        title: page.title,
        weight: weight(page.weight),
        meta: page.meta,
        chunks,
    })
}

/// The language that an input names: its markup, else its metadata.
fn declared(markup: String, meta: &BTreeMap<String, Value>) -> String {
    let mut fields = ["lang", "language"].iter().filter_map(|key| meta.get(*key));
    match fields.next() {
        Some(Value::Text(language)) => language.clone(),
        _ => markup,
    }
}

/// A factor within the range that documents may have; 1 where none or nonsense was said.
fn weight(given: Option<f64>) -> f32 {
    given
        .filter(|weight| weight.is_finite())
        .map_or(1.0, |weight| weight.clamp(0.1, 10.0) as f32)
}

fn records(
    file: &Found,
    options: &IngestOptions,
    chunker: &Chunker<'_>,
    collector: &mut Collector,
) -> Result<(), IngestError> {
    let io = |source| IngestError::io(&file.path, source);
    let source = File::open(&file.path).map_err(io)?;
    let size = source.metadata().map_err(io)?.len();
    let parse =
        |record: Result<Record, Reason>| record.and_then(|record| record_document(record, chunker));
    let limit = options.max_line_bytes;
    let mut last = 0;
    let mut each = |line, outcome| {
        last = line;
        collector.record(file, line, outcome);
    };
    if file.format == (Format::JsonLines { is_gzip: true }) {
        let reader = BufReader::with_capacity(1 << 16, MultiGzDecoder::new(source));
        if let Err(error) = jsonl::read(reader, limit, parse, &mut each) {
            // What came before the damage is kept: that is what the other lines would get too.
            if !matches!(
                error.kind(),
                std::io::ErrorKind::InvalidInput
                    | std::io::ErrorKind::InvalidData
                    | std::io::ErrorKind::UnexpectedEof
            ) {
                return Err(io(error));
            }
            collector.quarantine(file, Some(last + 1), Reason::BadGzip);
        }
    } else {
        jsonl::read(
            BufReader::with_capacity(1 << 16, source),
            limit,
            parse,
            &mut each,
        )
        .map_err(io)?;
    }
    collector.out.bytes_in += size;
    Ok(())
}

fn record_document(record: Record, chunker: &Chunker<'_>) -> Result<Document, Reason> {
    if !address::is_safe(&record.url) {
        return Err(Reason::UnsafeUrl { url: record.url });
    }
    let blocks = plain::blocks(&record.text);
    let chunks = match record.vector {
        // A ready-made vector stands for the whole record, so the record stays whole.
        Some(vector) => {
            let text = blocks
                .iter()
                .map(|b| b.text.as_str())
                .collect::<Vec<_>>()
                .join("\n\n");
            if text.is_empty() {
                return Err(Reason::NoText);
            }
            vec![Chunk {
                headings: Vec::new(),
                anchor: String::new(),
                span: 0..record.text.len() as u64,
                tokens: u32::try_from(chunker.count(&text)).unwrap_or(u32::MAX),
                text,
                embedding: Some(vector),
            }]
        }
        None => chunker.chunks(&record.title, &blocks),
    };
    if chunks.is_empty() {
        return Err(Reason::NoText);
    }
    Ok(Document {
        id: record.id,
        url: record.url,
        language: declared(String::new(), &record.meta),
        title: record.title,
        weight: weight(record.weight),
        meta: record.meta,
        chunks,
    })
}

/// Puts outcomes together in order and checks what only shows across documents.
#[derive(Debug, Default)]
struct Collector {
    out: Ingested,
    /// Where each id stood first.
    ids: HashMap<String, (PathBuf, Option<u64>)>,
    dimension: Option<usize>,
    /// For each document, whether it is an HTML page without a body mark.
    is_unmarked: Vec<bool>,
    has_body_mark: bool,
}

impl Collector {
    fn page(&mut self, file: &Found, outcome: PageOutcome) {
        self.out.bytes_in += outcome.bytes;
        self.has_body_mark |= outcome.has_body_mark;
        match outcome.result {
            Ok(document) => {
                self.add(
                    file,
                    None,
                    document,
                    outcome.is_html && !outcome.has_body_mark,
                );
            }
            Err(Left::Excluded) => self.out.excluded += 1,
            Err(Left::Quarantined(line, reason)) => self.quarantine(file, line, reason),
        }
    }

    fn record(&mut self, file: &Found, line: u64, outcome: Result<Document, Reason>) {
        match outcome {
            Ok(document) => self.add(file, Some(line), document, false),
            Err(reason) => self.quarantine(file, Some(line), reason),
        }
    }

    fn quarantine(&mut self, file: &Found, line: Option<u64>, reason: Reason) {
        self.out.quarantined.push(Quarantined {
            path: file.path.clone(),
            line,
            reason,
        });
    }

    fn add(&mut self, file: &Found, line: Option<u64>, document: Document, is_unmarked: bool) {
        if let Some((path, at)) = self.ids.get(&document.id) {
            let first = place(path, *at);
            self.quarantine(
                file,
                line,
                Reason::DuplicateId {
                    id: document.id,
                    first,
                },
            );
            return;
        }
        let vectors = document
            .chunks
            .iter()
            .filter_map(|chunk| chunk.embedding.as_ref());
        if let Some(got) = vectors.map(Vec::len).next() {
            let expected = *self.dimension.get_or_insert(got);
            if got != expected {
                self.quarantine(file, line, Reason::WrongDimension { got, expected });
                return;
            }
        }
        self.ids
            .insert(document.id.clone(), (file.path.clone(), line));
        self.is_unmarked.push(is_unmarked);
        self.out.documents.push(document);
    }

    fn finish(mut self) -> Ingested {
        if self.has_body_mark {
            let before = self.out.documents.len();
            let mut is_unmarked = self.is_unmarked.iter();
            self.out
                .documents
                .retain(|_| !is_unmarked.next().copied().unwrap_or(false));
            self.out.excluded += (before - self.out.documents.len()) as u64;
        }
        self.out
    }
}

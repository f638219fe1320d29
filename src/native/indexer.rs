//! Documents → index files: the stages of a build, in order.
//!
//! ```text
//! documents ─ analyse ─► postings ───────────────────────────────┐
//!     └─ texts ─ embed ─► embeddings ─ fit ─► term rows, routes ─┤
//!                             └─ encode ─► int8 rows, codes in ──┼─► body ─► root
//!                                          cells or a graph ─────┘
//! ```
//! The last line is [`crate::vectors`].
//!
//! Work is spread over rayon's threads; results are gathered in order, so that the bytes of an index
//! depend on its inputs and parameters only.

use crate::calibrate::Measured;
use crate::languages::Languages;
use crate::phrases::Packer;
use crate::publish::PublishError;
use crate::publish::Staging;
use crate::report::Reporter;
use crate::vectors;
use crate::vectors::VectorOptions;
use coracle::bytes::Writer;
use coracle::cells::CellsError;
use coracle::cells::ROUTES_LEN;
use coracle::cells::RouteFinder;
use coracle::document::Chunk;
use coracle::document::Document;
use coracle::executor::Executor;
use coracle::filter::ColumnParams;
use coracle::filter::ColumnsBuilder;
use coracle::filter::LeftOut;
use coracle::graph::GraphError;
use coracle::index::BodyWriter;
use coracle::index::Counts;
use coracle::index::DOCUMENT_BLOCKS;
use coracle::index::DocumentRecord;
use coracle::index::FORMAT_VERSION;
use coracle::index::Layout;
use coracle::index::PAGE_BYTES;
use coracle::index::PASSAGE_BLOCKS;
use coracle::index::Passage;
use coracle::index::RecordBlocks;
use coracle::index::RecordTable;
use coracle::index::Root;
use coracle::index::deflate;
use coracle::postings::Bm25Params;
use coracle::postings::ChunkFields;
use coracle::postings::ChunkTerms;
use coracle::postings::Postings;
use coracle::postings::PostingsBuilder;
use coracle::postings::dictionary::DirectoryBuilder;
use coracle::postings::dictionary::Placement;
use coracle::postings::dictionary::ReservedBlockBuilder;
use coracle::postings::dictionary::SPELLING_BLOCK_BYTES;
use coracle::postings::dictionary::SpellingBuilder;
use coracle::postings::dictionary::TermBlockBuilder;
use coracle::postings::dictionary::TermDirectory;
use coracle::postings::dictionary::backwards;
use coracle::postings::dictionary::block_count;
use coracle::text::Analyzer;
use coracle::text::Language;
use coracle::text::MAX_TERM_BYTES;
use coracle::vector::Metric;
use coracle::vector::Projection;
use coracle::vector::VectorError;
use coracle::vector::row::encode_row;
use coracle::vector::row::row_len;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;
use xxhash_rust::xxh3::Xxh3;

/// Items that are computed in parallel before their results are written in order.
pub(crate) const BATCH: usize = 4096;

/// Embeddings of all chunks and what they are good for.
#[derive(Debug)]
pub struct Embeddings {
    /// Names the embedding space.
    pub embedder: String,
    /// Components of an embedding.
    pub dim: usize,
    /// What brought embeddings to these dimensions, if the embedder makes more.
    pub projection: Option<Projection>,
    /// How embeddings are compared.
    pub metric: Metric,
    /// Weight of meaning beside words, in hundredths: 0 to 100.
    pub alpha_percent: u8,
    /// One row of `dim` numbers for every chunk.
    pub rows: Vec<f32>,
    /// Embeddings of what may be asked, `dim` numbers each, to measure searches with; there may be
    /// none.
    pub queries: Vec<f32>,
    /// Rows of terms, so that queries embed without the model.
    pub term_rows: Option<TermRows>,
}

/// Vectors of words: a query's embedding is the sum of its words' rows.
#[derive(Debug, Default)]
pub struct TermRows {
    /// Components of a row.
    pub dim: usize,
    /// Keys that no chunk has ([`coracle::embed::piece`]), ascending; all sort before terms.
    pub extra: Vec<String>,
    /// Terms that fewer chunks hold have no row in the index; at least 1.
    pub least_df: u32,
    /// Rows of the extra keys, then of the dictionary's terms, in order.
    pub rows: Vec<f32>,
}

impl TermRows {
    fn row(&self, at: usize) -> &[f32] {
        &self.rows[at * self.dim..][..self.dim]
    }
}

/// Why an index could not be written.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be written.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// An embedding is not usable.
    #[error("{place}: {error}")]
    Embedding {
        /// The document it belongs to.
        place: String,
        /// What is wrong.
        error: VectorError,
    },
    /// The metadata cannot become columns.
    #[error(transparent)]
    Columns(#[from] coracle::filter::BuildError),
    /// The cells cannot be built.
    #[error(transparent)]
    Cells(#[from] CellsError),
    /// The graph cannot be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A term row is not usable.
    #[error(transparent)]
    TermRow(#[from] coracle::vector::row::NotFinite),
    /// A term row is not of the index's vectors.
    #[error("row of a term: {0}")]
    Routes(VectorError),
    /// There are more chunks or terms than ids.
    #[error(
        "{what}: {got} are more than an index holds (2^32); split the input into several indexes"
    )]
    TooMany {
        /// What there are too many of.
        what: &'static str,
        /// How many.
        got: usize,
    },
}

/// Runs tasks on rayon's threads.
#[derive(Debug, Clone, Copy)]
pub struct Threads;

impl Executor for Threads {
    fn map<T, F>(&self, count: usize, task: F) -> Vec<T>
    where
        T: Send,
        F: Fn(usize) -> T + Send + Sync,
    {
        (0..count).into_par_iter().map(task).collect()
    }
}

/// All chunks with the document they belong to, in order.
pub fn chunks(documents: &[Document]) -> Vec<(&Document, &Chunk)> {
    documents
        .iter()
        .flat_map(|document| document.chunks.iter().map(move |chunk| (document, chunk)))
        .collect()
}

/// Words → postings.
pub fn postings(words: &Languages, documents: &[Document], reporter: &Reporter) -> Postings {
    let chunks = chunks(documents);
    let chunks_of =
        |(at, document): (usize, &Document)| std::iter::repeat_n(at, document.chunks.len());
    let owners: Vec<usize> = documents.iter().enumerate().flat_map(chunks_of).collect();
    let chunks: Vec<_> = chunks.into_iter().zip(owners).collect();
    let stage = reporter.stage("words", chunks.len() as u64);
    let mut builder = PostingsBuilder::new(Bm25Params::default());
    for batch in chunks.chunks(BATCH) {
        let terms = Threads.map(batch.len(), |at| {
            let ((document, chunk), owner) = batch[at];
            ChunkTerms::related(
                words.of_document(owner),
                &ChunkFields::of(&document.title, chunk),
                words.relations_of(owner),
            )
        });
        terms.iter().for_each(|terms| builder.push(terms));
        stage.advance(batch.len() as u64);
    }
    builder.finish()
}

/// What a build wrote, before it is published.
#[derive(Debug)]
pub struct Written {
    /// The files.
    pub staging: Staging,
    /// The root that names them.
    pub root: Root,
    /// How searches by meaning are set, if there are vectors.
    pub measured: Option<Measured>,
    /// Fields that cannot be filtered by, and why.
    pub left_out: Vec<(String, LeftOut)>,
}

/// Blocks of texts of which the layout lists all. Their lengths take half a byte each, and the more there are, the
/// larger blocks are too; pages of places spare a search of more as many bytes as it could read during the round trip
/// that they take, some 70 kB on a slow line.
pub const MOST_LISTED: usize = 1 << 16;

/// Writes the body of an index and makes its root. Places of blocks of texts are in pages if there would be more
/// than `most_listed` of them, see [`MOST_LISTED`].
///
/// # Errors
/// [`BuildError`]; nothing has been published.
pub fn write(
    staging: Staging,
    analyzer: &Analyzer,
    documents: &[Document],
    postings: &Postings,
    embeddings: Option<&Embeddings>,
    options: &VectorOptions,
    most_listed: usize,
    reporter: &Reporter,
) -> Result<Written, BuildError> {
    let chunks = chunks(documents);
    for (what, got) in [("documents", documents.len()), ("chunks", chunks.len())] {
        if u32::try_from(got).is_err() {
            return Err(BuildError::TooMany { what, got });
        }
    }
    let build_id = build_id(analyzer, documents, embeddings, options, most_listed);
    let mut body = BodyWriter::new(build_id, staging);

    let stage = reporter.stage("texts", (chunks.len() + documents.len()) as u64);
    let mut layout = Layout::new();
    let (mut passages, mut records) = (RecordBlocks::new(), RecordBlocks::new());
    for (_, chunk) in &chunks {
        Passage::write(chunk, passages.next_record());
        stage.advance(1);
    }
    for document in documents {
        DocumentRecord::write(document, records.next_record());
        layout.push(document);
        stage.advance(1);
    }
    let is_paged = passages.listed(PASSAGE_BLOCKS) + records.listed(DOCUMENT_BLOCKS) > most_listed;
    let (per_block, passages) = passages.finish(PASSAGE_BLOCKS, is_paged);
    let (documents_per_block, records) = records.finish(DOCUMENT_BLOCKS, is_paged);
    let packer = packer(&passages, &records);
    let mut write = |records: u32, per_block, blocks: &[Vec<u8>]| {
        let table = RecordTable::new(body.offset(), records, per_block);
        write_records(&mut body, table, blocks, packer.as_ref())
    };
    // There are fewer than 2^32 documents and chunks.
    layout.passages = write(chunks.len() as u32, per_block, &passages)?;
    layout.documents = write(documents.len() as u32, documents_per_block, &records)?;
    let (passages_offset, documents_offset) = (layout.passages.offset, layout.documents.offset);
    layout.phrases = packer.map(|packer| packer.phrases).unwrap_or_default();
    let mut builder = ColumnsBuilder::new(ColumnParams::default());
    for (id, document) in documents.iter().enumerate() {
        builder.add(id as u32, &document.meta)?;
    }
    let built = builder.finish(documents.len() as u32)?;
    let mut columns = Vec::new();
    for (field, column) in &built.columns {
        columns.push((field.clone(), body.block(&deflate(&column.encode()))?));
    }
    drop(stage);

    // What every first search reads lies together, so that it is one read.
    let pages = is_paged.then(|| layout.pages()).flatten();
    let layout = body.block(&squeeze(&layout.to_bytes(pages.is_some())))?;
    for pages in pages.iter().flatten() {
        body.run(pages, PAGE_BYTES)?;
    }
    let (mut vectors, mut measured, mut routes) = (None, None, None);
    if let Some(embeddings) = embeddings {
        let written = vectors::write(&mut body, &chunks, embeddings, options, reporter)?;
        vectors = Some(written.sections);
        measured = Some(written.measured);
        routes = written.routes;
    }
    let words = dictionary(&mut body, postings, embeddings, routes.as_ref(), reporter)?;

    let mut staging = body.into_sink();
    let (files, body_len) = staging.finish_body()?;
    let counts = Counts {
        documents: documents.len() as u32,
        chunks: chunks.len() as u32,
        terms: words.terms,
        postings: postings.posting_count(),
        text_bytes: chunks
            .iter()
            .map(|(_, chunk)| chunk.text.len() as u64)
            .sum(),
    };
    let root = Root {
        build_id,
        body_len,
        files,
        counts,
        analyzer: analyzer.id().0,
        languages: languages(analyzer),
        layout,
        term_directory: squeeze(&words.term_directory),
        terms_offset: words.terms_offset,
        spelling_directory: squeeze(&words.spelling_directory),
        spelling_offset: words.spelling_offset,
        postings_offset: words.postings_offset,
        passages_offset,
        documents_offset,
        columns,
        vectors,
        figures: measured.iter().flat_map(Measured::figures).collect(),
    };
    Ok(Written {
        staging,
        root,
        measured,
        left_out: built.left_out.into_iter().collect(),
    })
}

/// A compressed payload as small as DEFLATE can make it, a hundred times as slowly: for what every reader takes.
fn squeeze(raw: &[u8]) -> Vec<u8> {
    let mut out = Writer::new();
    out.varint(raw.len() as u64);
    let mut packed = out.into_bytes();
    let options = zopfli::Options {
        iteration_count: const { std::num::NonZeroU64::new(5).unwrap() },
        ..zopfli::Options::default()
    };
    match zopfli::compress(options, zopfli::Format::Deflate, raw, &mut packed) {
        Ok(()) => packed,
        // Memory takes all that is written to it.
        Err(_) => deflate(raw),
    }
}

/// What a root says of the languages.
fn languages(analyzer: &Analyzer) -> Vec<u8> {
    if analyzer.is_english() {
        return Vec::new();
    }
    let mut out = Writer::new();
    Language::write_all(analyzer.languages(), &mut out);
    deflate(&out.into_bytes())
}

/// Fingerprint of everything that decides the bytes of a body.
fn build_id(
    analyzer: &Analyzer,
    documents: &[Document],
    embeddings: Option<&Embeddings>,
    options: &VectorOptions,
    most_listed: usize,
) -> u64 {
    let mut hash = Xxh3::new();
    let mut record = Writer::new();
    record.u16(FORMAT_VERSION);
    record.u32(analyzer.id().0);
    Language::write_all(analyzer.languages(), &mut record);
    options.identify(&mut record);
    record.u64(most_listed as u64);
    hash.update(&record.into_bytes());
    for document in documents {
        let mut record = Writer::new();
        DocumentRecord::write(document, &mut record);
        record.f32(document.weight);
        record.varint(document.chunks.len() as u64);
        for chunk in &document.chunks {
            Passage::write(chunk, &mut record);
        }
        hash.update(&record.into_bytes());
    }
    if let Some(embeddings) = embeddings {
        hash.update(embeddings.embedder.as_bytes());
        hash.update(&[embeddings.alpha_percent]);
        hash.update(bytemuck::cast_slice(&embeddings.rows));
        hash.update(bytemuck::cast_slice(&embeddings.queries));
        if let Some(term_rows) = &embeddings.term_rows {
            hash.update(term_rows.extra.join("\0").as_bytes());
            hash.update(&term_rows.least_df.to_le_bytes());
            hash.update(bytemuck::cast_slice(&term_rows.rows));
        }
    }
    hash.digest()
}

/// Texts of fewer bytes have no phrases: their readers would not earn them back.
const LEAST_TEXT: usize = 256 << 10;

/// Most phrases. Measured on 36 MB of documentation: 512, 1,024 and 1,536 take 2.7, 4.2 and 5.8 kB of what everyone
/// reads, and texts 28.2, 26.7 and 25.8 % of their length.
const MAX_PHRASES: usize = 1 << 10;

/// Bytes of text for each phrase: a small index has fewer.
const TEXT_PER_PHRASE: usize = 1 << 10;

/// Bytes of passages that phrases are learnt from, and of documents.
const SAMPLED: [usize; 2] = [1 << 20, 1 << 17];

/// What has learnt from blocks of passages and documents, evenly sampled; nothing from few.
fn packer(passages: &[Vec<u8>], documents: &[Vec<u8>]) -> Option<Packer> {
    let bytes = |blocks: &[Vec<u8>]| blocks.iter().map(Vec::len).sum::<usize>();
    let all = bytes(passages) + bytes(documents);
    if all < LEAST_TEXT {
        return None;
    }
    let samples = [passages, documents]
        .into_iter()
        .zip(SAMPLED)
        .flat_map(|(blocks, most)| {
            let step = bytes(blocks).div_ceil(most).max(1);
            blocks.iter().step_by(step).map(Vec::as_slice)
        });
    let samples: Vec<&[u8]> = samples.collect();
    let most = MAX_PHRASES.min(all / TEXT_PER_PHRASE);
    Some(Packer::learn(&samples, most))
}

/// Compresses and writes blocks of records, and notes in their table where they lie.
fn write_records(
    body: &mut BodyWriter<Staging>,
    mut table: RecordTable,
    blocks: &[Vec<u8>],
    packer: Option<&Packer>,
) -> Result<RecordTable, BuildError> {
    let pack = |block: &Vec<u8>| packer.map_or_else(|| deflate(block), |packer| packer.pack(block));
    for batch in blocks.chunks(BATCH) {
        for packed in Threads.map(batch.len(), |at| pack(&batch[at])) {
            table.push(body.padded_block(&packed)?);
        }
    }
    Ok(table)
}

struct Words {
    terms: u32,
    term_directory: Vec<u8>,
    terms_offset: u64,
    spelling_directory: Vec<u8>,
    spelling_offset: u64,
    postings_offset: u64,
}

/// The keys of the spelling blocks, in byte order: all words as they are spelt, and backwards.
fn spellings(postings: &Postings) -> Vec<(String, u32)> {
    let words = postings.surfaces();
    let words = words
        .into_iter()
        .filter(|(word, _)| word.len() <= MAX_TERM_BYTES);
    let mut keys = Vec::new();
    for (word, df) in words {
        keys.extend(backwards(word).map(|key| (key, df)));
        keys.push((word.to_owned(), df));
    }
    keys.sort_unstable();
    keys
}

/// Writes the blocks of long posting lists, then terms and their spellings.
fn dictionary(
    body: &mut BodyWriter<Staging>,
    postings: &Postings,
    embeddings: Option<&Embeddings>,
    routes: Option<&RouteFinder>,
    reporter: &Reporter,
) -> Result<Words, BuildError> {
    let term_rows = embeddings.and_then(|embeddings| embeddings.term_rows.as_ref());
    let extra: &[String] = term_rows.map_or(&[], |rows| &rows.extra);
    let count = postings.len() + extra.len();
    let Ok(terms) = u32::try_from(count) else {
        let (what, got) = ("terms", count);
        return Err(BuildError::TooMany { what, got });
    };
    // The row at a place, of a key that `df` chunks hold, and the routes of a term's.
    let row = |at: usize, df: u32| {
        let mut out = Vec::new();
        if let Some(rows) = term_rows.filter(|rows| df == 0 || df >= rows.least_df) {
            let row = rows.row(at);
            encode_row(row, &mut out)?;
            if let Some(routes) = routes.filter(|_| df > 0) {
                out.extend(routes.routes(row).map_err(BuildError::Routes)?);
            }
        }
        Ok::<_, BuildError>(out)
    };
    let stage = reporter.stage("dictionary", count as u64);
    // On average.
    let row_len = term_rows.map_or(0, |rows| {
        let with_row = (0..postings.len()).filter(|&at| postings.df(at) >= rows.least_df);
        let with_row = with_row.count();
        let routes = routes.map_or(0, |_| ROUTES_LEN * with_row);
        (row_len(rows.dim) * with_row + routes) / postings.len().max(1)
    });
    let blocks = block_count(postings.len(), row_len);
    let (placement, slots) = Placement::of(postings.terms(), blocks);
    let mut builder = TermBlockBuilder::new();
    let postings_offset = body.offset();
    for batch in slots.chunks(BATCH) {
        let batch = Threads.map(batch.len(), |at| {
            let (slot, at) = batch[at];
            let term = postings.encode(at as usize);
            let row = row(extra.len() + at as usize, term.df)?;
            Ok::<_, BuildError>((slot, term, row))
        });
        for item in batch {
            let (slot, term, row) = item?;
            builder.push(slot, (term.df, term.idf), &row, &term.list);
            for block in &term.list.blocks {
                body.block(block)?;
            }
            stage.advance(1);
        }
    }
    let term_blocks = builder.finish(blocks);
    let mut reserved = ReservedBlockBuilder::default();
    let mut reserved_blocks = Vec::new();
    for (at, key) in extra.iter().enumerate() {
        reserved_blocks.extend(reserved.push(key, row(at, 0)?));
    }
    reserved_blocks.extend(reserved.finish());
    let mut spelling = SpellingBuilder::new(SPELLING_BLOCK_BYTES);
    let mut spelling_blocks = Vec::new();
    for (key, df) in spellings(postings) {
        spelling_blocks.extend(spelling.push(&key, df));
    }
    spelling_blocks.extend(spelling.finish());

    let terms_offset = body.offset();
    let mut units = Vec::with_capacity(term_blocks.len());
    for block in &term_blocks {
        units.push(match block.is_empty() {
            true => 0,
            false => body.padded_block(block)?,
        });
    }
    let mut directory = DirectoryBuilder::new();
    for block in &reserved_blocks {
        directory.push(block, body.padded_block(&block.bytes)?);
    }
    let term_directory = TermDirectory::encode(placement, &units, &directory.finish());
    let spelling_offset = body.offset();
    let mut directory = DirectoryBuilder::new();
    let packed = Threads.map(spelling_blocks.len(), |at| {
        deflate(&spelling_blocks[at].bytes)
    });
    for (block, packed) in spelling_blocks.iter().zip(&packed) {
        directory.push(block, body.padded_block(packed)?);
    }
    Ok(Words {
        terms,
        term_directory,
        terms_offset,
        spelling_directory: directory.finish(),
        spelling_offset,
        postings_offset,
    })
}

//! Documents → index files: the stages of a build, in order.
//!
//! ```text
//! documents ─ analyse ─► postings ───────────────────────────────┐
//!     └─ texts ─ embed ─► embeddings ─ fit ─► term rows ─────────┤
//!                             └─ encode ─► codes, int8 rows ─────┼─► body ─► root
//!                                            └─ link ─► graph ───┘
//! ```
//!
//! Work is spread over rayon's threads; results are gathered in order, so that the bytes of an index
//! depend on its inputs and parameters only.

use crate::publish::PublishError;
use crate::publish::Staging;
use crate::report::Reporter;
use coracle::bytes::Writer;
use coracle::document::Chunk;
use coracle::document::Document;
use coracle::embed::row::encode_row;
use coracle::executor::Executor;
use coracle::filter::ColumnParams;
use coracle::filter::ColumnsBuilder;
use coracle::filter::LeftOut;
use coracle::graph;
use coracle::graph::GraphError;
use coracle::graph::GraphParams;
use coracle::index::BodyWriter;
use coracle::index::Counts;
use coracle::index::DocumentRecord;
use coracle::index::FORMAT_VERSION;
use coracle::index::Layout;
use coracle::index::Passage;
use coracle::index::RecordBlocks;
use coracle::index::Root;
use coracle::index::VectorSections;
use coracle::index::deflate;
use coracle::postings::Bm25Params;
use coracle::postings::ChunkFields;
use coracle::postings::ChunkTerms;
use coracle::postings::Postings;
use coracle::postings::PostingsBuilder;
use coracle::postings::dictionary::BlockBuilder;
use coracle::postings::dictionary::DirectoryBuilder;
use coracle::postings::dictionary::TermInfo;
use coracle::text::Analyzer;
use coracle::vector::Metric;
use coracle::vector::Quantizer;
use coracle::vector::RowCode;
use coracle::vector::Trainer;
use coracle::vector::VectorError;
use coracle::vector::binary::BinaryWriter;
use rayon::iter::IntoParallelIterator;
use rayon::iter::ParallelIterator;
use xxhash_rust::xxh3::Xxh3;

/// Above this many chunks a graph answers faster than a scan of all codes.
pub const GRAPH_ABOVE: usize = 50_000;

/// Seed of the rotation and of the graph's levels; part of the build's identity.
const SEED: u64 = 0x0c0_7ac1e;

/// Payload of a block of codes or links.
const RUN_BLOCK_BYTES: u32 = 64 << 10;

/// Items that are computed in parallel before their results are written in order.
const BATCH: usize = 4096;

/// When a graph is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum GraphChoice {
    /// When the index is large enough to gain from it
    #[default]
    Auto,
    /// In any case
    Always,
    /// In no case
    Never,
}

/// Embeddings of all chunks and what they are good for.
#[derive(Debug)]
pub struct Embeddings {
    /// Names the embedding space.
    pub embedder: String,
    /// Components of an embedding.
    pub dim: usize,
    /// How embeddings are compared.
    pub metric: Metric,
    /// One row of `dim` numbers for every chunk.
    pub rows: Vec<f32>,
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
    /// The graph cannot be built.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A term row is not usable.
    #[error(transparent)]
    TermRow(#[from] coracle::embed::row::NotFinite),
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
pub fn postings(analyzer: Analyzer, documents: &[Document], reporter: &Reporter) -> Postings {
    let chunks = chunks(documents);
    let stage = reporter.stage("words", chunks.len() as u64);
    let mut builder = PostingsBuilder::new(Bm25Params::default());
    for batch in chunks.chunks(BATCH) {
        let terms = Threads.map(batch.len(), |at| {
            let (document, chunk) = batch[at];
            ChunkTerms::new(analyzer, &ChunkFields::of(&document.title, chunk))
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
    /// Fields that cannot be filtered by, and why.
    pub left_out: Vec<(String, LeftOut)>,
}

/// Writes the body of an index and makes its root.
///
/// # Errors
/// [`BuildError`]; nothing has been published.
pub fn write(
    staging: Staging,
    analyzer: Analyzer,
    documents: &[Document],
    postings: &Postings,
    embeddings: Option<&Embeddings>,
    graph: GraphChoice,
    reporter: &Reporter,
) -> Result<Written, BuildError> {
    let chunks = chunks(documents);
    for (what, got) in [("documents", documents.len()), ("chunks", chunks.len())] {
        if u32::try_from(got).is_err() {
            return Err(BuildError::TooMany { what, got });
        }
    }
    let build_id = build_id(analyzer, documents, embeddings, graph);
    let mut body = BodyWriter::new(build_id, staging);

    let stage = reporter.stage("texts", (chunks.len() + documents.len()) as u64);
    let passages = body.offset();
    let mut layout = Layout::new();
    let mut blocks = RecordBlocks::passages();
    for (_, chunk) in &chunks {
        Passage::write(chunk, blocks.next());
        stage.advance(1);
    }
    layout.passages = records(&mut body, passages, blocks)?;
    let documents_offset = body.offset();
    let mut blocks = RecordBlocks::documents();
    for document in documents {
        DocumentRecord::write(document, blocks.next());
        layout.push(document);
        stage.advance(1);
    }
    layout.documents = records(&mut body, documents_offset, blocks)?;
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

    let words = dictionary(&mut body, postings, embeddings, reporter)?;
    let vectors = match embeddings {
        Some(embeddings) => Some(vectors(&mut body, &chunks, embeddings, graph, reporter)?),
        None => None,
    };
    let layout = body.block(&deflate(&layout.to_bytes()))?;

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
        layout,
        term_directory: deflate(&words.directory),
        dictionary_offset: words.dictionary_offset,
        entries_offset: words.entries_offset,
        passages_offset: passages,
        documents_offset,
        columns,
        vectors,
        figures: Vec::new(),
    };
    Ok(Written {
        staging,
        root,
        left_out: built.left_out.into_iter().collect(),
    })
}

/// Fingerprint of everything that decides the bytes of a body.
fn build_id(
    analyzer: Analyzer,
    documents: &[Document],
    embeddings: Option<&Embeddings>,
    graph: GraphChoice,
) -> u64 {
    let mut hash = Xxh3::new();
    let mut record = Writer::new();
    record.u16(FORMAT_VERSION);
    record.u32(analyzer.id().0);
    record.u8(graph as u8);
    record.u64(SEED);
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
        hash.update(bytemuck::cast_slice(&embeddings.rows));
        if let Some(term_rows) = &embeddings.term_rows {
            hash.update(term_rows.extra.join("\0").as_bytes());
            hash.update(bytemuck::cast_slice(&term_rows.rows));
        }
    }
    hash.digest()
}

/// Compresses and writes blocks of records; returns where each lies.
fn records(
    body: &mut BodyWriter<Staging>,
    offset: u64,
    blocks: RecordBlocks,
) -> Result<coracle::index::BlockTable, BuildError> {
    let mut table = coracle::index::BlockTable::new(offset);
    let blocks = blocks.finish();
    for batch in blocks.chunks(BATCH) {
        let packed = Threads.map(batch.len(), |at| deflate(&batch[at].1));
        for ((records, _), packed) in batch.iter().zip(&packed) {
            let extent = body.block(packed)?;
            table.push(*records, extent.len);
        }
    }
    Ok(table)
}

struct Words {
    terms: u32,
    entries_offset: u64,
    dictionary_offset: u64,
    directory: Vec<u8>,
}

/// Writes entries (term row ‖ posting list), then the dictionary that finds them.
fn dictionary(
    body: &mut BodyWriter<Staging>,
    postings: &Postings,
    embeddings: Option<&Embeddings>,
    reporter: &Reporter,
) -> Result<Words, BuildError> {
    let term_rows = embeddings.and_then(|embeddings| embeddings.term_rows.as_ref());
    let extra = term_rows.map_or(0, |rows| rows.extra.len());
    let terms = postings.len() + extra;
    let Ok(term_count) = u32::try_from(terms) else {
        return Err(BuildError::TooMany {
            what: "terms",
            got: terms,
        });
    };
    let stage = reporter.stage("dictionary", terms as u64);
    let entries_offset = body.offset();
    let mut blocks = Vec::new();
    let mut block = BlockBuilder::new();
    for start in (0..terms).step_by(BATCH) {
        let batch = Threads.map(BATCH.min(terms - start), |at| {
            // Keys of words and pieces that no chunk has come first: they begin with a smaller byte.
            let at = start + at;
            let mut entry = Vec::new();
            if let Some(rows) = term_rows {
                encode_row(rows.row(at), &mut entry)?;
            }
            Ok(match at.checked_sub(extra) {
                None => {
                    let info = TermInfo {
                        df: 0,
                        max_impact: 0,
                        idf: 0.0,
                        entry_len: 0,
                    };
                    let key = term_rows.map_or("", |rows| rows.extra[at].as_str());
                    (key, info, entry)
                }
                Some(at) => {
                    let term = postings.encode(at);
                    entry.extend_from_slice(&term.entry);
                    let (df, max_impact, idf) = (term.df, term.max_impact, term.idf);
                    (
                        term.term,
                        TermInfo {
                            df,
                            max_impact,
                            idf,
                            entry_len: 0,
                        },
                        entry,
                    )
                }
            })
        });
        for item in batch {
            let (term, info, entry) = item.map_err(|bad: coracle::embed::row::NotFinite| bad)?;
            let extent = body.block(&entry)?;
            block.push(
                term,
                &TermInfo {
                    entry_len: extent.len,
                    ..info
                },
            );
            if block.is_full() {
                blocks.extend(block.finish());
            }
            stage.advance(1);
        }
    }
    blocks.extend(block.finish());
    let dictionary_offset = body.offset();
    let mut directory = DirectoryBuilder::new();
    let packed = Threads.map(blocks.len(), |at| deflate(&blocks[at].bytes));
    for (block, packed) in blocks.iter().zip(&packed) {
        let extent = body.block(packed)?;
        directory.push(block, extent.len);
    }
    let directory = directory.finish();
    Ok(Words {
        terms: term_count,
        entries_offset,
        dictionary_offset,
        directory,
    })
}

fn vectors(
    body: &mut BodyWriter<Staging>,
    chunks: &[(&Document, &Chunk)],
    embeddings: &Embeddings,
    graph: GraphChoice,
    reporter: &Reporter,
) -> Result<VectorSections, BuildError> {
    let Embeddings {
        embedder,
        dim,
        metric,
        rows,
        term_rows,
    } = embeddings;
    let place = |error: VectorError| {
        let row = error.row.unwrap_or(0) as usize;
        let place = chunks
            .get(row)
            .map_or("", |(document, _)| document.id.as_str())
            .to_string();
        BuildError::Embedding { place, error }
    };
    let stage = reporter.stage("codes", chunks.len() as u64);
    let mut trainer = Trainer::new(*metric, *dim, SEED).map_err(place)?;
    for row in rows.chunks_exact(*dim) {
        trainer.push(row).map_err(place)?;
    }
    let quantizer = trainer.finish().map_err(place)?;
    let mut out = Writer::new();
    quantizer.write(&mut out);
    let quantizer_extent = body.block(&out.into_bytes())?;
    let (codes, int8) = encode(&quantizer, rows, *dim, &stage).map_err(place)?;
    let codes = body.run(&codes, RUN_BLOCK_BYTES)?;
    let int8_bytes: &[u8] = bytemuck::cast_slice(&int8);
    let rows = body.run(int8_bytes, quantizer.code_dim() as u32)?;
    drop(stage);
    let wanted = match graph {
        GraphChoice::Auto => chunks.len() > GRAPH_ABOVE,
        GraphChoice::Always => chunks.len() > 1,
        GraphChoice::Never => false,
    };
    let graph = if wanted {
        let stage = reporter.stage("graph", chunks.len() as u64);
        let params = GraphParams {
            seed: SEED,
            ..GraphParams::default()
        };
        let mut done = 0;
        let graph = graph::build(
            &int8,
            quantizer.code_dim(),
            &params,
            &Threads,
            &mut |inserted, _| {
                stage.advance((inserted - done) as u64);
                done = inserted;
            },
        )?;
        let mut out = Writer::new();
        graph.write(&mut out);
        Some(body.run(&out.into_bytes(), RUN_BLOCK_BYTES)?)
    } else {
        None
    };
    Ok(VectorSections {
        embedder: embedder.clone(),
        dim: *dim as u32,
        metric: *metric,
        term_rows: term_rows.is_some(),
        quantizer: quantizer_extent,
        codes,
        rows,
        graph,
    })
}

/// Binary codes in blocks and int8 codes in rows.
fn encode(
    quantizer: &Quantizer,
    rows: &[f32],
    dim: usize,
    stage: &crate::report::Stage<'_>,
) -> Result<(Vec<u8>, Vec<i8>), VectorError> {
    let mut binary = BinaryWriter::new(quantizer.code_dim());
    let mut int8 = Vec::with_capacity(rows.len() / dim * quantizer.code_dim());
    for (batch_at, batch) in rows.chunks(dim * BATCH).enumerate() {
        let codes: Vec<Result<RowCode, VectorError>> = Threads.map(batch.len() / dim, |at| {
            quantizer.encode_row(&batch[at * dim..][..dim])
        });
        for (at, code) in codes.into_iter().enumerate() {
            let code = code.map_err(|bad| bad.at_row((batch_at * BATCH + at) as u64))?;
            binary.push(&code);
            int8.extend_from_slice(&code.int8);
        }
        stage.advance((batch.len() / dim) as u64);
    }
    Ok((binary.into_bytes(), int8))
}

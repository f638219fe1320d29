//! Embeddings → the vector sections of an index.

use crate::calibrate::Linked;
use crate::calibrate::Measured;
use crate::calibrate::Probes;
use crate::calibrate::ReadCells;
use crate::calibrate::Sample;
use crate::indexer::BATCH;
use crate::indexer::BuildError;
use crate::indexer::Embeddings;
use crate::indexer::Threads;
use crate::publish::Staging;
use crate::report::Reporter;
use crate::report::Stage;
use coracle::bytes::Writer;
use coracle::cells;
use coracle::cells::CellParams;
use coracle::cells::RouteFinder;
use coracle::cells::RoutedCells;
use coracle::document::Chunk;
use coracle::document::Document;
use coracle::executor::Executor;
use coracle::graph;
use coracle::graph::GraphParams;
use coracle::index::Access;
use coracle::index::BodyWriter;
use coracle::index::CHECK_LEN;
use coracle::index::CellBlocks;
use coracle::index::ProjectionSection;
use coracle::index::Run;
use coracle::index::VectorSections;
use coracle::search::CELL_BYTES;
use coracle::vector::Quantizer;
use coracle::vector::RowCode;
use coracle::vector::Trainer;
use coracle::vector::VectorError;
use coracle::vector::binary::BinaryCodes;
use coracle::vector::binary::BinaryRows;
use coracle::vector::binary::BinaryWriter;
use coracle::vector::row::encode_residual;
use coracle::vector::row::row_len;

/// From this many chunks on codes are put in cells, of which a search reads some 50 kB with their
/// router. A scan reads all codes, of 192 dimensions 28 bytes a chunk: here 70 kB.
pub const CELLS_FROM: usize = 2_500;

/// Seed of the rotation, of cells and of the graph's levels; part of the build's identity.
const SEED: u64 = 0x0c0_7ac1e;

/// Payload of a block of codes, links or cells.
const RUN_BLOCK_BYTES: u32 = 64 << 10;

/// The recall@10 that a build looks for where nothing is said.
pub const DEFAULT_RECALL: f64 = 0.95;

/// What finds candidates by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum AccessChoice {
    /// A scan for small indexes, cells for others
    #[default]
    Auto,
    /// All codes are scanned
    Scan,
    /// Codes in cells, of which the nearest are scanned
    Cells,
    /// Codes linked to a graph, which is walked
    Graph,
}

/// What an index with cells is to be good at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Target {
    /// Small files: every code is in one cell
    Size,
    /// Few bytes for a search that finds much: in two
    #[default]
    Balanced,
    /// Fast searches once all cells are in memory: in four
    Speed,
}

/// How vectors are stored and searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct VectorOptions {
    /// What finds candidates.
    pub access: AccessChoice,
    /// What cells are to be good at.
    pub target: Target,
    /// The recall@10 to look for, above 0 and up to 1.
    pub recall: f64,
}

impl Default for VectorOptions {
    fn default() -> Self {
        Self {
            access: AccessChoice::Auto,
            target: Target::Balanced,
            recall: DEFAULT_RECALL,
        }
    }
}

impl VectorOptions {
    /// Appends what tells these options from others.
    pub fn identify(&self, out: &mut Writer) {
        out.u8(self.access as u8);
        out.u8(self.target as u8);
        out.f64(self.recall);
        out.u64(SEED);
    }

    fn copies(&self) -> usize {
        match self.target {
            Target::Size => 1,
            Target::Balanced => 2,
            Target::Speed => 4,
        }
    }
}

/// The vector sections, and what the dictionary has to know of them.
#[derive(Debug)]
pub struct Written {
    /// Where they lie.
    pub sections: VectorSections,
    /// How well searches find with them.
    pub measured: Measured,
    /// Finds what follows the rows of terms, where something does.
    pub routes: Option<RouteFinder>,
}

/// Writes quantizer, codes and rows, and chooses how they are searched.
///
/// What a first search reads stands in one piece, rows behind it.
///
/// # Errors
/// [`BuildError`], for an embedding that is not usable with the document it belongs to.
pub fn write(
    body: &mut BodyWriter<Staging>,
    chunks: &[(&Document, &Chunk)],
    embeddings: &Embeddings,
    options: &VectorOptions,
    reporter: &Reporter,
) -> Result<Written, BuildError> {
    let Embeddings {
        embedder,
        dim,
        projection,
        metric,
        alpha_percent,
        rows,
        queries,
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
    let access = match options.access {
        AccessChoice::Auto if chunks.len() < CELLS_FROM => AccessChoice::Scan,
        AccessChoice::Auto => AccessChoice::Cells,
        chosen => chosen,
    };
    let has_codes = access != AccessChoice::Cells;
    let (codes, int8) = encode(&quantizer, rows, *dim, has_codes, &stage).map_err(place)?;
    drop(stage);

    let binary = || {
        let parsed = BinaryCodes::parse(&codes, chunks.len(), &quantizer);
        parsed.expect("codes of all chunks, just made")
    };
    let sample =
        |stage: &Stage<'_>| Sample::new(&quantizer, &int8, rows, queries, stage).map_err(place);
    let calibration = || reporter.stage("calibrate", Sample::steps(chunks.len()));
    let target = options.recall;
    let mut routes = None;
    let (access, measured) = match access {
        AccessChoice::Auto | AccessChoice::Scan => {
            let stage = calibration();
            let ((), measured) = sample(&stage)?.calibrate(&binary(), target, &stage);
            let codes = body.run(&codes, RUN_BLOCK_BYTES)?;
            (Access::Scan { codes }, measured)
        }
        AccessChoice::Graph => {
            let graph = &link(&quantizer, &int8, reporter)?;
            let rows = BinaryRows::new(&binary());
            let stage = calibration();
            let linked = Linked { rows, graph };
            let (ef_search, measured) = sample(&stage)?.calibrate(&linked, target, &stage);
            let mut links = Writer::new();
            graph.write(&mut links);
            let access = Access::Graph {
                codes: body.run(&codes, RUN_BLOCK_BYTES)?,
                links: body.run(&links.into_bytes(), RUN_BLOCK_BYTES)?,
                ef_search,
            };
            (access, measured)
        }
        AccessChoice::Cells => {
            let cells = gather(&quantizer, &int8, options.copies(), reporter)?;
            let stage = calibration();
            let sample = sample(&stage)?;
            let (probes, mut measured) = sample.calibrate(&cells, target, &stage);
            let stored = cells.store(CHECK_LEN);
            drop(cells);
            let read = ReadCells::new(&stored, chunks.len(), &quantizer);
            measured.recall_cold = Some(sample.measure(&read, CELL_BYTES, measured.candidates));
            let Probes { patience, nprobe } = probes;
            if term_rows.is_some() {
                let router = read.into_router();
                routes = RouteFinder::new(quantizer.clone(), router);
            }
            let places = match &routes {
                Some(finder) => Some(body.block(&RoutedCells::write(finder, &stored.places))?),
                None => None,
            };
            let router = body.block(&stored.router)?;
            let offset = body.offset();
            for cell in &stored.cells {
                body.block(cell)?;
            }
            let len = body.offset() - offset;
            let access = Access::Cells {
                router,
                places,
                cells: CellBlocks {
                    offset,
                    len,
                    upper_len: stored.upper_len,
                },
                patience,
                nprobe,
            };
            (access, measured)
        }
    };
    let projection = match projection {
        Some(projection) => {
            let mut out = Writer::new();
            projection.write(&mut out);
            Some(ProjectionSection {
                input_dim: projection.input_dim() as u32,
                extent: body.block(&out.into_bytes())?,
            })
        }
        None => None,
    };
    let sections = VectorSections {
        embedder: embedder.clone(),
        dim: *dim as u32,
        metric: *metric,
        term_rows: term_rows.as_ref().map(|rows| rows.least_df),
        quantizer: quantizer_extent,
        projection,
        rows: write_rows(body, &quantizer, &int8)?,
        candidates: measured.candidates,
        alpha_percent: *alpha_percent,
        access,
    };
    Ok(Written {
        sections,
        measured,
        routes,
    })
}

/// Writes the rows by which candidates are rescored.
fn write_rows(
    body: &mut BodyWriter<Staging>,
    quantizer: &Quantizer,
    int8: &[i8],
) -> Result<Run, BuildError> {
    let code_dim = quantizer.code_dim();
    let batches: Vec<&[i8]> = int8.chunks(code_dim * BATCH).collect();
    let rows = Threads.map(batches.len(), |at| {
        let mut rows = Vec::with_capacity(BATCH * row_len(code_dim));
        for code in batches[at].chunks_exact(code_dim) {
            encode_residual(quantizer, code, &mut rows);
        }
        rows
    });
    Ok(body.run(&rows.concat(), row_len(code_dim) as u32)?)
}

/// Binary codes in blocks, if they are wanted, and int8 codes in rows.
fn encode(
    quantizer: &Quantizer,
    rows: &[f32],
    dim: usize,
    has_codes: bool,
    stage: &Stage<'_>,
) -> Result<(Vec<u8>, Vec<i8>), VectorError> {
    let mut binary = BinaryWriter::new(quantizer.code_dim());
    let mut int8 = Vec::with_capacity(rows.len() / dim * quantizer.code_dim());
    for (batch_at, batch) in rows.chunks(dim * BATCH).enumerate() {
        let codes: Vec<Result<RowCode, VectorError>> = Threads.map(batch.len() / dim, |at| {
            quantizer.encode_row(&batch[at * dim..][..dim])
        });
        for (at, code) in codes.into_iter().enumerate() {
            let code = code.map_err(|bad| bad.at_row((batch_at * BATCH + at) as u64))?;
            if has_codes {
                binary.push(&code);
            }
            int8.extend_from_slice(&code.int8);
        }
        stage.advance((batch.len() / dim) as u64);
    }
    Ok((binary.into_bytes(), int8))
}

fn link(
    quantizer: &Quantizer,
    int8: &[i8],
    reporter: &Reporter,
) -> Result<graph::Graph, BuildError> {
    let code_dim = quantizer.code_dim();
    let stage = reporter.stage("graph", (int8.len() / code_dim) as u64);
    let params = GraphParams {
        seed: SEED,
        ..GraphParams::default()
    };
    let mut done = 0;
    let graph = graph::build(int8, code_dim, &params, &Threads, &mut |inserted, _| {
        stage.advance((inserted - done) as u64);
        done = inserted;
    })?;
    Ok(graph)
}

fn gather(
    quantizer: &Quantizer,
    int8: &[i8],
    copies: usize,
    reporter: &Reporter,
) -> Result<cells::Cells, BuildError> {
    let stage = reporter.stage("cells", 0);
    let params = CellParams {
        seed: SEED,
        ..CellParams::for_reading(int8.len() / quantizer.code_dim(), copies)
    };
    let mut done = 0;
    let cells = cells::build(int8, quantizer, &params, &Threads, &mut |steps, all| {
        stage.set_total(all as u64);
        stage.advance((steps - done) as u64);
        done = steps;
    })?;
    Ok(cells)
}

//! The root: the one small file that is read first and published last.
//!
//! Everything else is named in it: the body's files by the hash of their content, every section by
//! its place in the body. It ends with the XXH3-64 of all bytes before, so a root that arrives cut or
//! damaged is refused before anything of it is believed.

use super::block::Extent;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::bytes::string;
use crate::vector::Metric;
use crate::vector::binary::BLOCK_ROWS;
use crate::vector::binary::block_len;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use xxhash_rust::xxh3::xxh3_64;

/// Name of the root in every layout that has files.
pub const ROOT_FILE: &str = "root.cora";

/// First bytes of every root.
pub const MAGIC: [u8; 6] = *b"CORACL";

/// Version that this code writes. Readers accept [`OLDEST_READABLE`] to this one.
pub const FORMAT_VERSION: u16 = 1;

/// Oldest version that this code reads.
pub const OLDEST_READABLE: u16 = 1;

/// A root is never larger than this; more is not read.
pub const MAX_ROOT_BYTES: u64 = 1 << 24;

const WHAT: &str = "root";

/// How the body is cut into files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// Whether parts are read by byte range; otherwise a part is always read whole.
    pub ranged: bool,
    /// Bytes of every part but the last.
    pub part_bytes: u64,
    /// XXH3-64 of each part's content; names it.
    pub hashes: Vec<u64>,
}

impl Files {
    /// File name of part `part`: the hash of its content in hexadecimal.
    ///
    /// Parts outside the table have no name.
    pub fn name(&self, part: usize) -> Option<String> {
        self.hashes
            .get(part)
            .map(|hash| format!("{hash:016x}.cora"))
    }

    /// Number of parts that a body of `body_len` bytes takes.
    pub fn parts(body_len: u64, part_bytes: u64) -> u64 {
        body_len.div_ceil(part_bytes.max(1))
    }

    /// Bytes of the body that part `part` holds.
    pub fn part_range(&self, part: usize, body_len: u64) -> Range<u64> {
        let start = (part as u64).saturating_mul(self.part_bytes).min(body_len);
        start..start.saturating_add(self.part_bytes).min(body_len)
    }
}

/// What the index holds, counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Documents.
    pub documents: u32,
    /// Chunks; every chunk id is below it.
    pub chunks: u32,
    /// Dictionary entries, word pieces included.
    pub terms: u32,
    /// Postings of all lists.
    pub postings: u64,
    /// Bytes of passage text.
    pub text_bytes: u64,
}

/// The sections of vectors, where the index has them.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSections {
    /// Model, revision and pooling; two embeddings are comparable only if this is equal.
    pub embedder: String,
    /// Components of an embedding.
    pub dim: u32,
    /// How embeddings are compared.
    pub metric: Metric,
    /// Whether dictionary entries begin with a term row, so that queries embed without a model.
    pub term_rows: bool,
    /// Parameters of the quantizer.
    pub quantizer: Extent,
    /// Binary codes of all chunks, a run of blocks.
    pub codes: Run,
    /// int8 codes, one block per chunk.
    pub rows: Run,
    /// Links of the graph, a run of blocks; absent where a scan is faster.
    pub graph: Option<Run>,
}

/// A run of blocks with equal payloads (the last may be shorter), stored one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Offset of the first block in the body.
    pub offset: u64,
    /// Payload bytes of all blocks together.
    pub payload_len: u64,
    /// Payload bytes of a block.
    pub block_payload: u32,
}

impl Run {
    /// Number of blocks.
    pub fn blocks(&self) -> u64 {
        self.payload_len.div_ceil(u64::from(self.block_payload))
    }

    /// Bytes that the run takes in the body; `None` past 64 bits.
    fn stored_len(&self) -> Option<u64> {
        let checks = self.blocks().checked_mul(super::block::CHECK_LEN as u64)?;
        self.payload_len.checked_add(checks)
    }

    /// The extent of block `block`, or `None` past the end.
    pub fn extent(&self, block: u64) -> Option<Extent> {
        let payload = u64::from(self.block_payload);
        let start = block.checked_mul(payload)?;
        let len = self
            .payload_len
            .checked_sub(start)
            .filter(|&left| left > 0)?
            .min(payload);
        let check = super::block::CHECK_LEN as u64;
        Some(Extent {
            offset: self.offset + start + block * check,
            len: (len + check) as u32,
        })
    }

    /// The extents of all blocks.
    pub fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        (0..self.blocks()).map_while(|block| self.extent(block))
    }

    fn write(&self, out: &mut Writer) {
        out.varint(self.offset);
        out.varint(self.payload_len);
        out.varint(u64::from(self.block_payload));
    }

    fn read(
        reader: &mut Reader<'_>,
        body_len: u64,
        field: &'static str,
    ) -> Result<Self, FormatError> {
        let offset = reader.varint_max(body_len, field)?;
        let payload_len = reader.varint_max(body_len - offset, field)?;
        let block_payload = reader.varint_u32(field)?;
        let run = Self {
            offset,
            payload_len,
            block_payload,
        };
        let fits = |len| len <= body_len - offset;
        if block_payload == 0 || !run.stored_len().is_some_and(fits) {
            return Err(reader.error(field, Problem::Inconsistent));
        }
        Ok(run)
    }
}

/// The parsed root.
#[derive(Debug, Clone, PartialEq)]
pub struct Root {
    /// Fingerprint of everything that went into the build; seeds every block's check.
    pub build_id: u64,
    /// Bytes of the body.
    pub body_len: u64,
    /// How the body is cut into files.
    pub files: Files,
    /// What the index holds.
    pub counts: Counts,
    /// The analyzer that cut texts into terms; queries must use the same.
    pub analyzer: u32,
    /// First chunk of every document and places of passages and documents ([`super::Layout`]).
    pub layout: Extent,
    /// First terms and lengths of the dictionary's blocks
    /// ([`crate::postings::dictionary::Directory`]), compressed.
    pub term_directory: Vec<u8>,
    /// Offset of the first dictionary block in the body.
    pub dictionary_offset: u64,
    /// Offset of the first dictionary entry (term row and posting list) in the body.
    pub entries_offset: u64,
    /// Offset of the first block of passages.
    pub passages_offset: u64,
    /// Offset of the first block of documents.
    pub documents_offset: u64,
    /// Metadata columns by field name.
    pub columns: Vec<(String, Extent)>,
    /// Vector sections, if the index has embeddings.
    pub vectors: Option<VectorSections>,
    /// Figures the build measured or predicted, by name.
    pub figures: Vec<(String, f64)>,
}

impl Root {
    /// Serializes the root.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.raw(&MAGIC);
        out.u16(FORMAT_VERSION);
        out.u64(self.build_id);
        out.varint(self.body_len);
        out.u8(u8::from(self.files.ranged));
        out.varint(self.files.part_bytes);
        out.varint(self.files.hashes.len() as u64);
        for &hash in &self.files.hashes {
            out.u64(hash);
        }
        let counts = &self.counts;
        for count in [counts.documents, counts.chunks, counts.terms] {
            out.varint(u64::from(count));
        }
        out.varint(counts.postings);
        out.varint(counts.text_bytes);
        out.varint(u64::from(self.analyzer));
        self.layout.write(&mut out);
        out.bytes(&self.term_directory);
        out.varint(self.dictionary_offset);
        out.varint(self.entries_offset);
        out.varint(self.passages_offset);
        out.varint(self.documents_offset);
        out.varint(self.columns.len() as u64);
        for (name, extent) in &self.columns {
            out.str(name);
            extent.write(&mut out);
        }
        match &self.vectors {
            None => out.u8(0),
            Some(vectors) => {
                out.u8(1);
                out.str(&vectors.embedder);
                out.varint(u64::from(vectors.dim));
                out.u8(metric_byte(vectors.metric));
                out.u8(u8::from(vectors.term_rows));
                vectors.quantizer.write(&mut out);
                vectors.codes.write(&mut out);
                vectors.rows.write(&mut out);
                out.u8(u8::from(vectors.graph.is_some()));
                if let Some(graph) = &vectors.graph {
                    graph.write(&mut out);
                }
            }
        }
        out.varint(self.figures.len() as u64);
        for (name, value) in &self.figures {
            out.str(name);
            out.f64(*value);
        }
        let mut bytes = out.into_bytes();
        let hash = xxh3_64(&bytes);
        bytes.extend_from_slice(&hash.to_le_bytes());
        bytes
    }

    /// Parses a root and checks that nothing it names lies outside the body.
    ///
    /// # Errors
    /// [`RootError::NotAnIndex`] and [`RootError::Version`] for foreign files, otherwise
    /// [`RootError::Format`] naming the field.
    pub fn parse(bytes: &[u8]) -> Result<Self, RootError> {
        if !bytes.starts_with(&MAGIC) {
            return Err(RootError::NotAnIndex);
        }
        let mut reader = Reader::new(bytes, WHAT);
        reader.take(MAGIC.len(), "magic")?;
        let version = reader.u16("version")?;
        if !(OLDEST_READABLE..=FORMAT_VERSION).contains(&version) {
            return Err(RootError::Version { got: version });
        }
        let Some(covered) = bytes.len().checked_sub(8) else {
            let need = bytes.len() as u64 + 8;
            return Err(reader
                .error(
                    "hash",
                    Problem::Truncated {
                        need,
                        left: reader.left() as u64,
                    },
                )
                .into());
        };
        let (covered, stored) = bytes.split_at(covered);
        if stored != xxh3_64(covered).to_le_bytes() {
            return Err(reader.error("hash", Problem::Checksum).into());
        }
        let mut reader = Reader::new(covered, WHAT);
        reader.take(MAGIC.len() + 2, "magic")?;
        let root = Self::read(&mut reader)?;
        reader.end()?;
        Ok(root)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, FormatError> {
        let build_id = reader.u64("build id")?;
        let body_len = reader.varint("body length")?;
        let ranged = flag(reader, "ranged")?;
        let part_bytes = reader.varint("part bytes")?;
        let parts = reader.count(8, "file count")?;
        if part_bytes == 0 || Files::parts(body_len, part_bytes) != parts as u64 {
            return Err(reader.error("file count", Problem::Inconsistent));
        }
        let hashes = (0..parts)
            .map(|_| reader.u64("file hash"))
            .collect::<Result<Vec<_>, FormatError>>()?;
        let counts = Counts {
            documents: reader.varint_u32("documents")?,
            chunks: reader.varint_u32("chunks")?,
            terms: reader.varint_u32("terms")?,
            postings: reader.varint("postings")?,
            text_bytes: reader.varint("text bytes")?,
        };
        let analyzer = reader.varint_u32("analyzer")?;
        let layout = Extent::read(reader, body_len, "layout")?;
        let term_directory = reader.bytes("term directory")?.to_vec();
        let dictionary_offset = reader.varint_max(body_len, "dictionary offset")?;
        let entries_offset = reader.varint_max(body_len, "entries offset")?;
        let passages_offset = reader.varint_max(body_len, "passages offset")?;
        let documents_offset = reader.varint_max(body_len, "documents offset")?;
        let column_count = reader.count(3, "columns")?;
        let mut columns = Vec::with_capacity(column_count);
        for _ in 0..column_count {
            let name = string(reader, "column name")?;
            columns.push((name, Extent::read(reader, body_len, "column")?));
        }
        let vectors = match flag(reader, "vectors")? {
            false => None,
            true => Some(VectorSections::read(reader, body_len, counts.chunks)?),
        };
        let figure_count = reader.count(9, "figures")?;
        let mut figures = Vec::with_capacity(figure_count);
        for _ in 0..figure_count {
            figures.push((string(reader, "figure name")?, reader.f64("figure")?));
        }
        Ok(Self {
            build_id,
            body_len,
            files: Files {
                ranged,
                part_bytes,
                hashes,
            },
            counts,
            analyzer,
            layout,
            term_directory,
            dictionary_offset,
            entries_offset,
            passages_offset,
            documents_offset,
            columns,
            vectors,
            figures,
        })
    }

    /// Where each section begins in the body, in order.
    pub fn sections(&self) -> Vec<(u64, &'static str)> {
        let mut starts = self.section_starts();
        crate::sort::sort_by(&mut starts, Ord::cmp);
        starts
    }

    fn section_starts(&self) -> Vec<(u64, &'static str)> {
        let mut starts = alloc::vec![
            (self.layout.offset, "layout"),
            (self.dictionary_offset, "dictionary"),
            (self.entries_offset, "entries"),
            (self.passages_offset, "passages"),
            (self.documents_offset, "documents"),
        ];
        if let Some((_, first)) = self.columns.first() {
            starts.push((first.offset, "columns"));
        }
        if let Some(vectors) = &self.vectors {
            starts.push((vectors.quantizer.offset, "quantizer"));
            starts.push((vectors.codes.offset, "codes"));
            starts.push((vectors.rows.offset, "int8 rows"));
            starts.extend(vectors.graph.map(|graph| (graph.offset, "graph")));
        }
        starts
    }

    /// Name of the section that holds the byte at `offset` of the body.
    pub fn section(&self, offset: u64) -> &'static str {
        let starts = self.section_starts().into_iter();
        starts
            .filter(|&(start, _)| start <= offset)
            .max()
            .map_or("body", |(_, name)| name)
    }
}

/// A byte that is 0 or 1.
fn flag(reader: &mut Reader<'_>, field: &'static str) -> Result<bool, FormatError> {
    match reader.u8(field)? {
        0 => Ok(false),
        1 => Ok(true),
        got => Err(reader.error(
            field,
            Problem::OutOfRange {
                got: u64::from(got),
                max: 1,
            },
        )),
    }
}

fn metric_byte(metric: Metric) -> u8 {
    match metric {
        Metric::Cosine => 0,
        Metric::Dot => 1,
    }
}

impl VectorSections {
    fn read(reader: &mut Reader<'_>, body_len: u64, chunks: u32) -> Result<Self, FormatError> {
        let embedder = string(reader, "embedder")?;
        let dim = reader.varint_max(crate::vector::MAX_DIM as u64, "dimension")? as u32;
        let metric = reader.u8("metric")?;
        let metric = match metric {
            0 => Metric::Cosine,
            1 => Metric::Dot,
            got => {
                let problem = Problem::OutOfRange {
                    got: u64::from(got),
                    max: 1,
                };
                return Err(reader.error("metric", problem));
            }
        };
        let term_rows = flag(reader, "term rows")?;
        let quantizer = Extent::read(reader, body_len, "quantizer")?;
        let codes = Run::read(reader, body_len, "codes")?;
        let rows = Run::read(reader, body_len, "int8 rows")?;
        let code_dim = crate::vector::code_dim(dim as usize);
        let code_blocks = u64::from(chunks).div_ceil(BLOCK_ROWS as u64);
        if codes.payload_len != code_blocks * block_len(code_dim) as u64 {
            return Err(reader.error("codes", Problem::Inconsistent));
        }
        let row_bytes = u64::from(chunks) * code_dim as u64;
        if dim == 0 || rows.block_payload as usize != code_dim || rows.payload_len != row_bytes {
            return Err(reader.error("int8 rows", Problem::Inconsistent));
        }
        let graph = match flag(reader, "graph")? {
            false => None,
            true => Some(Run::read(reader, body_len, "graph")?),
        };
        Ok(Self {
            embedder,
            dim,
            metric,
            term_rows,
            quantizer,
            codes,
            rows,
            graph,
        })
    }
}

/// Why a root is not usable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootError {
    /// The bytes do not begin like a root.
    NotAnIndex,
    /// The root has a format version that this code does not know.
    Version {
        /// Version found.
        got: u16,
    },
    /// The root is damaged.
    Format(FormatError),
}

impl From<FormatError> for RootError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl core::fmt::Display for RootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NotAnIndex => write!(
                f,
                "{ROOT_FILE} is not a Coracle index (a host may answer with a web page for missing \
                 files); check the address"
            ),
            Self::Version { got } => write!(
                f,
                "{ROOT_FILE} has format version {got}, this program reads {OLDEST_READABLE} to \
                 {FORMAT_VERSION}; update it or rebuild the index"
            ),
            Self::Format(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RootError {}

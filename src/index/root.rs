//! The root: the one small file that is read first and published last.
//!
//! Everything else is named in it: the body's files by the hash of their content, every section by
//! its place in the body. It ends with the XXH3-64 of all bytes before, so a root that arrives cut or
//! damaged is refused before anything of it is believed.

use super::block::Extent;
use super::signed::Seal;
use super::vectors::VectorSections;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::bytes::gather;
use crate::bytes::string;
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
    /// Languages that it needs ([`crate::text::Language::read_all`]), compressed; empty for English
    /// alone.
    pub languages: Vec<u8>,
    /// First chunk of every document and places of passages and documents ([`super::Layout`]).
    pub layout: Extent,
    /// Which block holds which term ([`crate::postings::dictionary::Directory`]), compressed.
    pub term_directory: Vec<u8>,
    /// Offset of the first block of terms in the body.
    pub terms_offset: u64,
    /// Which block holds which spelling, compressed.
    pub spelling_directory: Vec<u8>,
    /// Offset of the first block of spellings.
    pub spelling_offset: u64,
    /// Offset of the first block of long posting lists.
    pub postings_offset: u64,
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
        out.bytes(&self.languages);
        self.layout.write(&mut out);
        out.bytes(&self.term_directory);
        out.varint(self.terms_offset);
        out.bytes(&self.spelling_directory);
        out.varint(self.spelling_offset);
        out.varint(self.postings_offset);
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
                vectors.write(&mut out);
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
        // A signature behind the root is for those who hold a key.
        let (bytes, _) = Seal::split(bytes);
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
        let hashes = gather((0..parts).map(|_| reader.u64("file hash")))?;
        let counts = Counts {
            documents: reader.varint_u32("documents")?,
            chunks: reader.varint_u32("chunks")?,
            terms: reader.varint_u32("terms")?,
            postings: reader.varint("postings")?,
            text_bytes: reader.varint("text bytes")?,
        };
        let analyzer = reader.varint_u32("analyzer")?;
        let languages = reader.bytes("languages")?.to_vec();
        let layout = Extent::read(reader, body_len, "layout")?;
        let term_directory = reader.bytes("term directory")?.to_vec();
        let terms_offset = reader.varint_max(body_len, "terms offset")?;
        let spelling_directory = reader.bytes("spelling directory")?.to_vec();
        let spelling_offset = reader.varint_max(body_len, "spelling offset")?;
        let postings_offset = reader.varint_max(body_len, "postings offset")?;
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
            languages,
            layout,
            term_directory,
            terms_offset,
            spelling_directory,
            spelling_offset,
            postings_offset,
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
            (self.terms_offset, "terms"),
            (self.spelling_offset, "spelling"),
            (self.postings_offset, "postings"),
            (self.passages_offset, "passages"),
            (self.documents_offset, "documents"),
        ];
        if let Some((_, first)) = self.columns.first() {
            starts.push((first.offset, "columns"));
        }
        if let Some(vectors) = &self.vectors {
            starts.push((vectors.quantizer.offset, "quantizer"));
            if let Some(projection) = &vectors.projection {
                starts.push((projection.extent.offset, "projection"));
            }
            starts.push((vectors.rows.offset, "rows"));
            let sections = vectors.access.sections();
            starts.extend(sections.map(|(name, offset)| (offset, name)));
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
pub(super) fn flag(reader: &mut Reader<'_>, field: &'static str) -> Result<bool, FormatError> {
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
            Self::Format(error) => write!(f, "{error}; rebuild the index"),
        }
    }
}

impl core::error::Error for RootError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::Access;
    use crate::index::CellBlocks;
    use crate::index::ProjectionSection;
    use crate::index::Run;
    use crate::vector::Metric;
    use crate::vector::binary::block_len;
    use crate::vector::row::row_len;
    use alloc::vec;

    const CHUNKS: u32 = 40;
    const CODE_DIM: usize = 64;

    fn run(offset: u64, payload_len: usize, block_payload: u32) -> Run {
        Run {
            offset,
            payload_len: payload_len as u64,
            block_payload,
        }
    }

    fn accesses() -> [Access; 3] {
        let codes = run(100, 2 * block_len(CODE_DIM), 500);
        let links = run(2000, 900, 512);
        [
            Access::Scan { codes },
            Access::Graph {
                codes,
                links,
                ef_search: 128,
            },
            Access::Cells {
                router: Extent {
                    offset: 100,
                    len: 30,
                },
                places: Some(Extent {
                    offset: 60,
                    len: 40,
                }),
                cells: CellBlocks {
                    offset: 130,
                    len: 3000,
                    upper_len: 700,
                },
                patience: 16,
                nprobe: 300,
            },
        ]
    }

    fn root(candidates: u32, access: Access) -> Root {
        let extent = Extent { offset: 0, len: 9 };
        Root {
            build_id: 7,
            body_len: 10_000,
            files: Files {
                ranged: true,
                part_bytes: 10_000,
                hashes: vec![1],
            },
            counts: Counts {
                chunks: CHUNKS,
                ..Counts::default()
            },
            analyzer: 0x1_0001,
            languages: Vec::new(),
            layout: extent,
            term_directory: Vec::new(),
            terms_offset: 9,
            spelling_directory: Vec::new(),
            spelling_offset: 9,
            postings_offset: 9,
            passages_offset: 9,
            documents_offset: 9,
            columns: Vec::new(),
            vectors: Some(VectorSections {
                embedder: "model".into(),
                dim: 50,
                metric: Metric::Cosine,
                term_rows: Some(2),
                quantizer: extent,
                projection: Some(ProjectionSection {
                    input_dim: 70,
                    extent,
                }),
                rows: run(
                    4000,
                    CHUNKS as usize * row_len(CODE_DIM),
                    row_len(CODE_DIM) as u32,
                ),
                candidates,
                alpha_percent: 80,
                access,
            }),
            figures: vec![("recall_at_10".into(), 0.96)],
        }
    }

    #[test]
    fn root_parsed_is_the_root_written_for_every_access() {
        for access in accesses() {
            let root = root(50, access);
            let bytes = root.to_bytes();
            assert_eq!(Root::parse(&bytes).as_ref(), Ok(&root));
            let starts = root.sections();
            for (name, offset) in access.sections() {
                assert!(starts.contains(&(offset, name)), "{name}");
                assert_eq!(root.section(offset + 1), name);
            }
            for len in 0..bytes.len() {
                assert!(Root::parse(&bytes[..len]).is_err(), "{len} bytes");
            }
        }
    }

    #[test]
    fn settings_out_of_range_are_refused_by_name() {
        let [scan, graph, cells] = accesses();
        let Access::Cells {
            router,
            places,
            cells: mut blocks,
            patience,
            nprobe,
        } = cells
        else {
            unreachable!("the third access is by cells");
        };
        let last = Extent {
            offset: 2430,
            len: 700,
        };
        assert_eq!(blocks.upper(), Some(last));
        blocks.upper_len = blocks.len + 1;
        assert_eq!(blocks.upper(), None);
        let upper_beyond_all = Access::Cells {
            router,
            places,
            cells: blocks,
            patience,
            nprobe,
        };
        let graph = |of: u32| match graph {
            Access::Graph { codes, links, .. } => Access::Graph {
                codes,
                links,
                ef_search: of,
            },
            other => other,
        };
        let cells = |patience_of: u32, nprobe_of: u32| match cells {
            Access::Cells {
                router,
                places,
                cells,
                ..
            } => Access::Cells {
                router,
                places,
                cells,
                patience: patience_of,
                nprobe: nprobe_of,
            },
            other => other,
        };
        for (field, root) in [
            ("candidates", root(9, scan)),
            ("candidates", root(1001, scan)),
            ("cells", root(50, upper_beyond_all)),
            ("ef_search", root(50, graph(9))),
            ("ef_search", root(50, graph(10_001))),
            ("patience", root(50, cells(0, 1))),
            ("patience", root(50, cells(u32::MAX, 1))),
            ("nprobe", root(50, cells(1, 0))),
            ("nprobe", root(50, cells(1, (1 << 20) + 1))),
        ] {
            match Root::parse(&root.to_bytes()) {
                Err(RootError::Format(error)) => assert_eq!(error.field, field),
                other => panic!("{field}: {other:?}"),
            }
        }
    }
}

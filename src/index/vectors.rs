//! The sections of vectors, and how they are searched.

use super::block::CHECK_LEN;
use super::block::Extent;
use super::block::Run;
use super::root::flag;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::bytes::string;
use crate::cells::ROUTES_LEN;
use crate::vector::Metric;
use crate::vector::binary::BLOCK_ROWS;
use crate::vector::binary::block_len;
use alloc::string::String;
use core::ops::RangeInclusive;

/// The sections of vectors, where the index has them.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorSections {
    /// Model, revision and pooling; two embeddings are comparable only if this is equal.
    pub embedder: String,
    /// Components of an embedding.
    pub dim: u32,
    /// How embeddings are compared.
    pub metric: Metric,
    /// Terms that as many chunks hold or more have a term row, so that queries embed without a model;
    /// at least 1. `None` if no term has one.
    pub term_rows: Option<u32>,
    /// Parameters of the quantizer.
    pub quantizer: Extent,
    /// What brings embeddings to [`VectorSections::dim`] components, where the embedder makes more.
    pub projection: Option<ProjectionSection>,
    /// A [`Row`](crate::vector::row::Row) of each chunk, a block each.
    pub rows: Run,
    /// Candidates whose rows a search reads at least, [`CANDIDATES`].
    pub candidates: u32,
    /// Weight of meaning beside words where a search names none, in hundredths: 0 to 100.
    pub alpha_percent: u8,
    /// How candidates are found.
    pub access: Access,
}

impl VectorSections {
    /// Weight of meaning beside words where a search names none, 0 to 1.
    #[must_use]
    pub fn alpha(&self) -> f32 {
        f32::from(self.alpha_percent) / 100.0
    }

    /// Components of what the embedder makes.
    #[must_use]
    pub fn input_dim(&self) -> u32 {
        self.projection
            .map_or(self.dim, |projection| projection.input_dim)
    }
}

/// Where the projection lies, see [`crate::vector::Projection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProjectionSection {
    /// Components of an embedding before it, more than after.
    pub input_dim: u32,
    /// The block.
    pub extent: Extent,
}

impl ProjectionSection {
    fn write(section: Option<&Self>, out: &mut Writer) {
        out.u8(u8::from(section.is_some()));
        if let Some(section) = section {
            out.varint(u64::from(section.input_dim));
            section.extent.write(out);
        }
    }

    fn read(reader: &mut Reader<'_>, body_len: u64, dim: u32) -> Result<Option<Self>, FormatError> {
        if !flag(reader, "projection")? {
            return Ok(None);
        }
        let input_dim = reader.varint_max(crate::vector::MAX_DIM as u64, "input dimension")? as u32;
        if input_dim <= dim {
            return Err(reader.error("input dimension", Problem::Inconsistent));
        }
        let extent = Extent::read(reader, body_len, "projection")?;
        Ok(Some(Self { input_dim, extent }))
    }
}

/// Candidates that a build may choose.
pub const CANDIDATES: RangeInclusive<u32> = 10..=1000;

/// Values of `ef_search` that a build may choose.
pub const EF_SEARCH: RangeInclusive<u32> = 10..=10_000;

/// Numbers of cells that a build may choose, as `patience` and as `nprobe`.
pub const PROBES: RangeInclusive<u32> = 1..=1 << 20;

/// What finds candidates by meaning, with the settings that the build chose for its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// All codes are scored.
    Scan {
        /// Binary codes of all chunks.
        codes: Run,
    },
    /// A graph is walked, see [`crate::graph`].
    Graph {
        /// Binary codes of all chunks.
        codes: Run,
        /// Links between them.
        links: Run,
        /// Best chunks that the walk holds, [`EF_SEARCH`].
        ef_search: u32,
    },
    /// The nearest cells are scanned, see [`crate::cells`].
    Cells {
        /// What leads to the cells.
        router: Extent,
        /// Where the cells lie that routes lead to, see [`crate::cells::RoutedCells`]; then there are routes
        /// behind the row of every term that chunks hold.
        places: Option<Extent>,
        /// Cells with the codes of all chunks, a block each.
        cells: CellBlocks,
        /// The scan ends after so many cells in vain, [`PROBES`].
        patience: u32,
        /// Cells scanned at most, [`PROBES`].
        nprobe: u32,
    },
}

/// Where blocks lie whose places something else tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CellBlocks {
    /// Offset of the first block in the body.
    pub offset: u64,
    /// Bytes of all blocks with their checks.
    pub len: u64,
    /// Bytes of those of them that lead to others, which are the last ones.
    pub upper_len: u64,
}

impl CellBlocks {
    /// The block at a place counted from the first block; none outside of them.
    #[must_use]
    pub fn extent(&self, offset: u64, len: u32) -> Option<Extent> {
        let end = offset.checked_add(u64::from(len))?;
        let inside = end <= self.len && len as usize >= CHECK_LEN;
        let offset = self.offset.checked_add(offset)?;
        inside.then_some(Extent { offset, len })
    }

    /// The blocks that lead to others, in one piece; none if there are none.
    #[must_use]
    pub fn upper(&self) -> Option<Extent> {
        let offset = self.len.checked_sub(self.upper_len)?;
        self.extent(offset, u32::try_from(self.upper_len).ok()?)
    }
}

impl Access {
    /// Bytes of the routes behind the row of every term that chunks hold; 0 if there are none.
    #[must_use]
    pub fn routes_len(&self) -> usize {
        match self {
            Self::Cells {
                places: Some(_), ..
            } => ROUTES_LEN,
            _ => 0,
        }
    }

    /// Its name in the specification and on the command line.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Scan { .. } => "scan",
            Self::Graph { .. } => "graph",
            Self::Cells { .. } => "cells",
        }
    }

    /// The runs that a search keeps in memory, with the names of their sections.
    pub fn runs(&self) -> impl Iterator<Item = (&'static str, Run)> {
        let (first, second) = match *self {
            Self::Scan { codes } => (Some(("codes", codes)), None),
            Self::Graph { codes, links, .. } => (Some(("codes", codes)), Some(("graph", links))),
            Self::Cells { .. } => (None, None),
        };
        first.into_iter().chain(second)
    }

    /// Where its sections begin, with their names.
    pub fn sections(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let cells = match *self {
            Self::Cells {
                router,
                places,
                cells,
                ..
            } => [
                Some(("router", router.offset)),
                places.map(|places| ("places", places.offset)),
                Some(("cells", cells.offset)),
            ],
            _ => [None; 3],
        };
        let runs = self.runs().map(|(name, run)| (name, run.offset));
        runs.chain(cells.into_iter().flatten())
    }

    fn write(&self, out: &mut Writer) {
        match self {
            Self::Scan { codes } => {
                out.u8(0);
                codes.write(out);
            }
            Self::Graph {
                codes,
                links,
                ef_search,
            } => {
                out.u8(1);
                codes.write(out);
                links.write(out);
                out.varint(u64::from(*ef_search));
            }
            Self::Cells {
                router,
                places,
                cells,
                patience,
                nprobe,
            } => {
                out.u8(2);
                router.write(out);
                out.u8(u8::from(places.is_some()));
                if let Some(places) = places {
                    places.write(out);
                }
                out.varint(cells.offset);
                out.varint(cells.len);
                out.varint(cells.upper_len);
                out.varint(u64::from(*patience));
                out.varint(u64::from(*nprobe));
            }
        }
    }

    fn read(
        reader: &mut Reader<'_>,
        body_len: u64,
        chunks: u32,
        code_dim: usize,
    ) -> Result<Self, FormatError> {
        let codes = |reader: &mut Reader<'_>| {
            let codes = Run::read(reader, body_len, "codes")?;
            let blocks = u64::from(chunks).div_ceil(BLOCK_ROWS as u64);
            if codes.payload_len != blocks * block_len(code_dim) as u64 {
                return Err(reader.error("codes", Problem::Inconsistent));
            }
            Ok(codes)
        };
        match reader.u8("access")? {
            0 => Ok(Self::Scan {
                codes: codes(reader)?,
            }),
            1 => Ok(Self::Graph {
                codes: codes(reader)?,
                links: Run::read(reader, body_len, "graph")?,
                ef_search: within(reader, &EF_SEARCH, "ef_search")?,
            }),
            2 => Ok(Self::Cells {
                router: Extent::read(reader, body_len, "router")?,
                places: match flag(reader, "routes")? {
                    true => Some(Extent::read(reader, body_len, "places")?),
                    false => None,
                },
                cells: {
                    let offset = reader.varint_max(body_len, "cells")?;
                    let len = reader.varint_max(body_len - offset, "cells")?;
                    let upper_len = reader.varint_max(len, "cells")?;
                    CellBlocks {
                        offset,
                        len,
                        upper_len,
                    }
                },
                patience: within(reader, &PROBES, "patience")?,
                nprobe: within(reader, &PROBES, "nprobe")?,
            }),
            got => {
                let (got, max) = (u64::from(got), 2);
                Err(reader.error("access", Problem::OutOfRange { got, max }))
            }
        }
    }
}

/// A setting: a number inside its range.
fn within(
    reader: &mut Reader<'_>,
    range: &RangeInclusive<u32>,
    field: &'static str,
) -> Result<u32, FormatError> {
    let number = reader.varint_max(u64::from(*range.end()), field)? as u32;
    if number < *range.start() {
        return Err(reader.error(field, Problem::Inconsistent));
    }
    Ok(number)
}

impl VectorSections {
    pub(super) fn write(&self, out: &mut Writer) {
        out.str(&self.embedder);
        out.varint(u64::from(self.dim));
        self.metric.write(out);
        out.varint(u64::from(self.term_rows.unwrap_or(0)));
        self.quantizer.write(out);
        ProjectionSection::write(self.projection.as_ref(), out);
        self.rows.write(out);
        out.varint(u64::from(self.candidates));
        out.u8(self.alpha_percent);
        self.access.write(out);
    }

    pub(super) fn read(
        reader: &mut Reader<'_>,
        body_len: u64,
        chunks: u32,
    ) -> Result<Self, FormatError> {
        let embedder = string(reader, "embedder")?;
        let dim = reader.varint_max(crate::vector::MAX_DIM as u64, "dimension")? as u32;
        let metric = Metric::read(reader)?;
        let term_rows = reader.varint_u32("term rows")?;
        let quantizer = Extent::read(reader, body_len, "quantizer")?;
        let projection = ProjectionSection::read(reader, body_len, dim)?;
        let rows = Run::read(reader, body_len, "rows")?;
        let code_dim = crate::vector::code_dim(dim as usize);
        let row_len = crate::vector::row::row_len(code_dim);
        let row_bytes = u64::from(chunks) * row_len as u64;
        if dim == 0 || rows.block_payload as usize != row_len || rows.payload_len != row_bytes {
            return Err(reader.error("rows", Problem::Inconsistent));
        }
        let candidates = within(reader, &CANDIDATES, "candidates")?;
        let alpha_percent = reader.u8("weight of meaning")?;
        if alpha_percent > 100 {
            let (got, max) = (u64::from(alpha_percent), 100);
            return Err(reader.error("weight of meaning", Problem::OutOfRange { got, max }));
        }
        let access = Access::read(reader, body_len, chunks, code_dim)?;
        Ok(Self {
            embedder,
            dim,
            metric,
            term_rows: (term_rows > 0).then_some(term_rows),
            quantizer,
            projection,
            rows,
            candidates,
            alpha_percent,
            access,
        })
    }
}

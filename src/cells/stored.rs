//! Cells as they are stored: blocks that are read, checked and searched one by one.
//!
//! ```text
//! router = cells on every level ‖ the topmost cell
//! cell   = members ‖ steps ‖ centroid ‖ numbers ‖ signs ‖ factors ‖ places of cells
//! ```
//! Codes stand row by row, so that a cell has no empty lanes; reading all cells puts them in blocks
//! of 32. A cell of cells says where each of its members lies: whoever has the router finds the cells
//! that a query needs, and nothing else has to be read. `SPEC.md` has the fields.

use alloc::vec::Vec;

use super::Cells;
use super::Head;
use super::Level;
use super::MAX_LEVELS;
use super::MAX_ROWS;
use super::NO_ROW;
use super::ids;
use super::listed_block_len;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::vector::Factors;
use crate::vector::Quantizer;
use crate::vector::Query;
use crate::vector::arch::BLOCK_ROWS;
use crate::vector::int8;
use crate::vector::topk::Candidate;

/// Blocks of a level in memory: a place of a row fits 32 bits.
const MAX_BLOCKS: usize = 1 << 27;

/// Where a stored cell lies, counted from the first of all cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Offset of its first byte.
    pub offset: u64,
    /// Bytes that it takes.
    pub len: u32,
}

impl Place {
    /// Appends places of cells; those of one after the other, if they are all there are.
    pub(super) fn write_all(places: impl Iterator<Item = Self>, are_all: bool, out: &mut Writer) {
        let mut end = 0;
        for (at, place) in places.enumerate() {
            if !are_all || at == 0 {
                out.varint(place.offset - end);
            }
            out.varint(u64::from(place.len));
            end = place.offset + u64::from(place.len);
        }
    }

    /// Reads `count` places that [`Place::write_all`] wrote.
    pub(super) fn read_all(
        reader: &mut Reader<'_>,
        count: usize,
        are_all: bool,
    ) -> Result<Vec<Self>, FormatError> {
        let mut places = Vec::new();
        let mut end = 0u64;
        for at in 0..count {
            let gap = match are_all && at > 0 {
                true => 0,
                false => reader.varint("cell offset")?,
            };
            let len = reader.varint_u32("cell length")?;
            let offset = end.checked_add(gap);
            let past = offset.and_then(|offset| offset.checked_add(u64::from(len)));
            let (Some(offset), Some(past)) = (offset, past) else {
                return Err(reader.error("cell offset", Problem::Inconsistent));
            };
            places.push(Self { offset, len });
            end = past;
        }
        Ok(places)
    }
}

/// What is encoded for one member.
#[derive(Debug, Clone, Copy)]
struct Member<'a> {
    id: u32,
    /// `code_dim / 8` bytes.
    signs: &'a [u8],
    factors: Factors,
}

/// A stored cell, read in place.
#[derive(Debug, Clone)]
pub(super) struct StoredCell<'a> {
    head: Head,
    /// Empty for the topmost cell, whose point is the mean.
    centroid: &'a [i8],
    /// Ascending.
    ids: Vec<u32>,
    /// For each member eight bytes for every 64 dimensions.
    signs: &'a [u8],
    rescale: &'a [u8],
    offset: &'a [u8],
    /// For each member of a cell of cells.
    pub(super) places: Vec<Place>,
}

/// What a cell must fit to.
#[derive(Debug, Clone, Copy)]
struct Shape {
    code_dim: usize,
    /// Members of all cells of the level together.
    all: usize,
    /// Whether it is the only cell of its level, which has no centroid.
    is_top: bool,
    /// Whether its members are cells.
    of_cells: bool,
}

impl<'a> StoredCell<'a> {
    fn read(bytes: &'a [u8], shape: Shape) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "cell");
        let sign_bytes = shape.code_dim / 8;
        // Signs and factors.
        let count = reader.count(sign_bytes + 2, "member count")?;
        if count > shape.all {
            return Err(reader.error("member count", Problem::Inconsistent));
        }
        let positive = |reader: &mut Reader<'a>, field| match reader.f32(field)? {
            number if (0.0..=1e24).contains(&number) => Ok(number),
            _ => Err(reader.error(field, Problem::Inconsistent)),
        };
        let mut head = Head {
            weight: 1.0,
            rescale_step: positive(&mut reader, "rescale step")?,
            offset_step: positive(&mut reader, "offset step")?,
        };
        let mut centroid = &[][..];
        if !shape.is_top {
            head.weight = positive(&mut reader, "weight")?;
            centroid = bytemuck::cast_slice(reader.take(shape.code_dim, "centroid")?);
        }
        // Members of a cell that has all are numbered by their place.
        let has_all = count == shape.all;
        let mut ids = Vec::with_capacity(count);
        let mut next = 0;
        for _ in 0..count {
            let gap = match has_all {
                true => 0,
                false => reader.varint_max(u64::from(u32::MAX), "member")?,
            };
            let id = next + gap;
            if id >= shape.all as u64 {
                return Err(reader.error("member", Problem::Inconsistent));
            }
            ids.push(id as u32);
            next = id + 1;
        }
        let signs = reader.take(count * sign_bytes, "signs")?;
        let rescale = reader.take(count, "rescale")?;
        let offset = reader.take(count, "offset")?;
        let places = match shape.of_cells {
            true => Place::read_all(&mut reader, count, has_all)?,
            false => Vec::new(),
        };
        reader.end()?;
        Ok(Self {
            head,
            centroid,
            ids,
            signs,
            rescale,
            offset,
            places,
        })
    }

    /// Appends the cell `cell` of a level, with the places of its members if they are cells.
    fn write(level: &Level, cell: usize, code_dim: usize, places: &[Place], out: &mut Writer) {
        let Head {
            weight,
            rescale_step,
            offset_step,
        } = level.heads[cell];
        let block = listed_block_len(code_dim);
        let blocks = level.cell(code_dim, cell as u32).unwrap_or(&[]);
        let lanes = || {
            let blocks = blocks.chunks_exact(block);
            blocks.flat_map(|block| {
                let lanes = ids(block).enumerate();
                lanes
                    .filter(|&(_, id)| id != NO_ROW)
                    .map(move |(lane, id)| (block, lane, id))
            })
        };
        let count = lanes().count();
        out.varint(count as u64);
        out.f32(rescale_step);
        out.f32(offset_step);
        if let Some(centroid) = level.centroid(code_dim, cell as u32) {
            out.f32(weight);
            out.raw(bytemuck::cast_slice(centroid));
        }
        let has_all = count == level.members;
        let mut next = 0;
        for (_, _, id) in lanes().filter(|_| !has_all) {
            out.varint(u64::from(id - next));
            next = id + 1;
        }
        let mut factors = Vec::with_capacity(count);
        for (block, lane, _) in lanes() {
            let (signs, of_lane) = lane_of(block, lane, code_dim);
            out.raw(&signs);
            factors.push(of_lane);
        }
        factors.iter().for_each(|of| out.u8(of.rescale as u8));
        factors.iter().for_each(|of| out.u8(of.offset as u8));
        let places = lanes().filter_map(|(_, _, id)| places.get(id as usize).copied());
        Place::write_all(places, has_all, out);
    }

    fn members(&self) -> impl Iterator<Item = Member<'a>> {
        let sign_bytes = (self.signs.len() / self.ids.len().max(1)).max(1);
        let factors = self.rescale.iter().zip(self.offset);
        let codes = self.signs.chunks_exact(sign_bytes).zip(factors);
        let members = self.ids.clone().into_iter().zip(codes);
        members.map(|(id, (signs, (&rescale, &offset)))| Member {
            id,
            signs,
            factors: Factors {
                rescale: rescale.into(),
                offset: (offset as i8).into(),
            },
        })
    }

    /// Calls `found` with every member's place in the cell and the member scored: the same bits as
    /// those of blocks.
    pub(super) fn score(&self, query: &Query, mut found: impl FnMut(usize, Candidate)) {
        let bias = match self.centroid {
            [] => query.bias(),
            centroid => int8::score(query, centroid),
        };
        let scale = query.scale_of(self.head.rescale_step, self.head.offset_step, bias);
        let mut words = Vec::new();
        for (at, Member { id, signs, factors }) in self.members().enumerate() {
            words_of(signs, &mut words);
            let distance = query.row_distance(&words);
            let score = scale.score(distance, factors.rescale, factors.offset);
            found(at, Candidate { id, score });
        }
    }
}

/// Signs as words of 64 dimensions.
fn words_of(signs: &[u8], words: &mut Vec<u64>) {
    words.clear();
    words.extend(
        signs
            .as_chunks::<8>()
            .0
            .iter()
            .map(|&word| u64::from_le_bytes(word)),
    );
}

/// The code in one lane of a block: signs as bytes, and factors.
fn lane_of(block: &[u8], lane: usize, code_dim: usize) -> (Vec<u8>, Factors) {
    let (groups, rest) = block.split_at(4 * code_dim);
    let (column, shift) = (lane % 16, 4 * (lane / 16));
    let nibble = |group: &[u8; 16]| group[column] >> shift & 15;
    let pairs = groups.as_chunks::<32>().0.iter();
    let signs = pairs.map(|pair| {
        let (groups, _) = pair.as_chunks::<16>();
        nibble(&groups[0]) | nibble(&groups[1]) << 4
    });
    let number = |at: usize| [rest[2 * at], rest[2 * at + 1]];
    let factors = Factors {
        rescale: u16::from_le_bytes(number(lane)),
        offset: i16::from_le_bytes(number(BLOCK_ROWS + lane)),
    };
    (signs.collect(), factors)
}

/// How many cells every level has.
#[derive(Debug, Clone)]
pub(super) struct Levels {
    pub(super) code_dim: usize,
    /// Members of every level, from the rows upwards; each is a cell of the level before.
    pub(super) members: Vec<usize>,
}

impl Levels {
    /// Reads the levels of cells that hold `rows` rows.
    pub(super) fn read(
        reader: &mut Reader<'_>,
        rows: usize,
        code_dim: usize,
    ) -> Result<Self, FormatError> {
        let levels = reader.varint_max(MAX_LEVELS as u64, "level count")?;
        if (levels == 0) != (rows == 0) || rows > MAX_ROWS {
            return Err(reader.error("level count", Problem::Inconsistent));
        }
        let mut members = Vec::new();
        let mut count = rows;
        for level in 0..levels {
            members.push(count);
            let last = level + 1 == levels;
            let cells = reader.varint_max(count as u64, "cell count")? as usize;
            if cells == 0 || last != (cells == 1) {
                return Err(reader.error("cell count", Problem::Inconsistent));
            }
            count = cells;
        }
        Ok(Self { code_dim, members })
    }

    /// Appends what [`Levels::read`] reads.
    pub(super) fn write(&self, out: &mut Writer) {
        out.varint(self.members.len() as u64);
        let cells = self.members.iter().skip(1).copied();
        let topmost = (!self.members.is_empty()).then_some(1);
        cells
            .chain(topmost)
            .for_each(|cells| out.varint(cells as u64));
    }

    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    /// Number of cells that hold rows.
    pub(super) fn cell_count(&self) -> usize {
        match self.members.as_slice() {
            [] => 0,
            [_] => 1,
            [_, cells, ..] => *cells,
        }
    }

    /// Reads a whole cell of a level.
    pub(super) fn cell<'a>(
        &self,
        level: usize,
        bytes: &'a [u8],
    ) -> Result<StoredCell<'a>, FormatError> {
        let shape = Shape {
            code_dim: self.code_dim,
            all: self.members.get(level).copied().unwrap_or(0),
            is_top: level + 1 == self.count(),
            of_cells: level > 0,
        };
        StoredCell::read(bytes, shape)
    }
}

/// The topmost cell and what is known of the levels below it: all that a search has to keep.
#[derive(Debug, Clone)]
pub struct Router {
    pub(super) levels: Levels,
    /// The stored topmost cell.
    top: Vec<u8>,
}

impl Router {
    /// Reads the router of cells that hold `rows` rows.
    ///
    /// # Errors
    /// [`FormatError`] for truncation, bytes left over, and numbers that a build cannot have
    /// produced.
    pub fn parse(bytes: &[u8], rows: usize, quantizer: &Quantizer) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "router");
        let levels = Levels::read(&mut reader, rows, quantizer.code_dim())?;
        let router = Self {
            levels,
            top: reader.take(reader.left(), "topmost cell")?.to_vec(),
        };
        if let Some(&all) = router.levels.members.last() {
            // What it holds is looked at by every search; here it is only checked.
            let top = router.cell(router.levels() - 1, &router.top)?;
            if top.ids.len() != all {
                return Err(reader.error("topmost cell", Problem::Inconsistent));
            }
        } else if !router.top.is_empty() {
            return Err(reader.error("topmost cell", Problem::Inconsistent));
        }
        Ok(router)
    }

    /// Number of levels; 0 only where there is no row.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.levels.count()
    }

    /// Whether it leads to cells of rows directly, not to groups of them.
    #[must_use]
    pub fn is_one_level(&self) -> bool {
        self.levels() <= 2
    }

    /// Number of cells that hold rows.
    #[must_use]
    pub fn cell_count(&self) -> usize {
        self.levels.cell_count()
    }

    /// The topmost cell.
    #[must_use]
    pub fn top(&self) -> &[u8] {
        &self.top
    }

    /// Reads a whole cell of a level.
    pub(super) fn cell<'a>(
        &self,
        level: usize,
        bytes: &'a [u8],
    ) -> Result<StoredCell<'a>, FormatError> {
        self.levels.cell(level, bytes)
    }

    /// Where the cells of the level below `level` lie, given all cells of `level` in order.
    ///
    /// # Errors
    /// [`FormatError`] for a damaged cell, and if a cell has no place.
    pub fn places(
        &self,
        level: usize,
        cells: &[impl AsRef<[u8]>],
    ) -> Result<Vec<Place>, FormatError> {
        let nowhere = Place { offset: 0, len: 0 };
        let wrong = || Reader::new(&[], "cell").error("cell offset", Problem::Inconsistent);
        let all = self.levels.members.get(level).copied().unwrap_or(0);
        let mut places = Vec::new();
        // As many as were counted, but not before there is a byte for each.
        if all <= cells.iter().map(|cell| cell.as_ref().len()).sum() {
            places.resize(all, nowhere);
        }
        for bytes in cells {
            let cell = self.cell(level, bytes.as_ref())?;
            for (id, place) in cell.ids.iter().zip(cell.places) {
                *places.get_mut(*id as usize).ok_or_else(wrong)? = place;
            }
        }
        match places.len() == all && !places.contains(&nowhere) {
            true => Ok(places),
            false => Err(wrong()),
        }
    }
}

/// Router and cells as they are stored.
#[derive(Debug, Clone, Default)]
pub struct Stored {
    /// What [`Router::parse`] reads.
    pub router: Vec<u8>,
    /// All cells but the topmost one, one after the other.
    pub cells: Vec<Vec<u8>>,
    /// Where each of them lies.
    pub places: Vec<Place>,
    /// Bytes of those above level 0, which are the last ones.
    pub upper_len: u64,
}

impl Stored {
    /// The cell at a place.
    #[must_use]
    pub fn cell(&self, place: Place) -> Option<&[u8]> {
        let at = self.places.binary_search(&place).ok()?;
        Some(self.cells.get(at)?)
    }
}

impl Cells {
    /// The stored form, for a store that puts `extra` bytes behind every cell.
    #[must_use]
    pub fn store(&self, extra: usize) -> Stored {
        let mut stored = Stored::default();
        let mut places: Vec<Place> = Vec::new();
        // The places of members stand in the cells above them.
        let mut top = Writer::new();
        let mut end = 0;
        let mut lowest_end = None;
        for level in &self.levels {
            let mut next = Vec::with_capacity(level.len());
            for cell in 0..level.len() {
                let mut out = Writer::new();
                StoredCell::write(level, cell, self.code_dim, &places, &mut out);
                if level.centroids.is_empty() {
                    top = out;
                    continue;
                }
                let bytes = out.into_bytes();
                let len = (bytes.len() + extra) as u32;
                let place = Place { offset: end, len };
                next.push(place);
                end += u64::from(len);
                stored.cells.push(bytes);
                stored.places.push(place);
            }
            places = next;
            lowest_end.get_or_insert(end);
        }
        stored.upper_len = end - lowest_end.unwrap_or(end);
        let mut out = Writer::new();
        out.varint(self.levels.len() as u64);
        for level in &self.levels {
            out.varint(level.len() as u64);
        }
        out.raw(&top.into_bytes());
        stored.router = out.into_bytes();
        stored
    }

    /// Puts all cells in memory: `cells` are those of every level but the topmost, from the rows
    /// upwards, each level in the order of [`Router::places`].
    ///
    /// # Errors
    /// [`FormatError`] for a damaged cell, and if a member is in no cell.
    pub fn load(router: &Router, cells: &[Vec<impl AsRef<[u8]>>]) -> Result<Self, FormatError> {
        let mut levels = Vec::with_capacity(router.levels());
        let mut words = Vec::new();
        let Levels { code_dim, members } = &router.levels;
        let code_dim = *code_dim;
        for (at, &in_level) in members.iter().enumerate() {
            let mut level = Level::new(in_level);
            let count = members.get(at + 1).copied().unwrap_or(1);
            let mut push = |bytes: &[u8]| {
                let cell = router.cell(at, bytes)?;
                let mut codes = Vec::new();
                for member in cell.members() {
                    words_of(member.signs, &mut words);
                    codes.push((member.id, words.clone(), member.factors));
                }
                let codes = codes.iter();
                let codes = codes.map(|(id, words, factors)| (*id, words.as_slice(), *factors));
                level.push(code_dim, cell.head, cell.centroid, codes);
                Ok::<(), FormatError>(())
            };
            match cells.get(at) {
                Some(cells) => cells.iter().try_for_each(|cell| push(cell.as_ref()))?,
                None => push(&router.top)?,
            }
            let blocks = level.blocks.len() / listed_block_len(code_dim);
            if level.len() != count || blocks > MAX_BLOCKS {
                let reader = Reader::new(&[], "cell");
                return Err(reader.error("cell count", Problem::Inconsistent));
            }
            levels.push(level);
        }
        let wrong = || Reader::new(&[], "cell").error("member", Problem::Inconsistent);
        Self::new(code_dim, levels).ok_or_else(wrong)
    }

    /// Appends router and cells in one piece, for [`Cells::parse`].
    pub fn write(&self, writer: &mut Writer) {
        let Stored { router, cells, .. } = self.store(0);
        writer.bytes(&router);
        cells.iter().for_each(|cell| writer.raw(cell));
    }

    /// Reads what [`Cells::write`] wrote.
    ///
    /// # Errors
    /// [`FormatError`] for truncation, bytes left over, numbers that a build cannot have produced,
    /// and members that do not exist or are in no cell.
    pub fn parse(bytes: &[u8], rows: usize, quantizer: &Quantizer) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "cells");
        let router = Router::parse(reader.bytes("router")?, rows, quantizer)?;
        let body = reader.take(reader.left(), "cells")?;
        let wrong = || reader.error("cell offset", Problem::Inconsistent);
        let mut levels: Vec<Vec<&[u8]>> = Vec::new();
        let (mut above, mut used) = (alloc::vec![router.top()], 0);
        for level in (1..router.levels()).rev() {
            let mut cells = Vec::new();
            for Place { offset, len } in router.places(level, &above)? {
                let start = usize::try_from(offset).map_err(|_| wrong())?;
                let cell = body.get(start..).and_then(|rest| rest.get(..len as usize));
                cells.push(cell.ok_or_else(wrong)?);
                used += len as usize;
            }
            levels.push(core::mem::replace(&mut above, cells));
        }
        if router.levels() > 1 {
            levels.push(above);
        }
        if used != body.len() {
            return Err(wrong());
        }
        // From the rows upwards, without the topmost cell.
        levels.reverse();
        levels.truncate(router.levels().saturating_sub(1));
        Self::load(&router, &levels)
    }
}

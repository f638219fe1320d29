//! Bytes on demand.
//!
//! The world comes in through one trait, [`Source`]: read a range of a file. Memory, files, HTTP and
//! buckets are small implementations of it. [`Store`] stands on a source: it knows the root, turns
//! extents of the body into few reads, issues them together (a *wave*), checks every block and keeps
//! what it read.
//!
//! | file | responsibility |
//! |---|---|
//! | `source.rs` | the trait, its errors, memory and bundle sources |
//! | `plan.rs` | extents → reads: coalescing, whole parts where ranges are not to be had |
//! | `cache.rs` | recently used blocks, bounded in bytes |
//! | `ahead.rs` | blocks that are read before they are wanted |
//! | `flight.rs` | blocks on their way, which no second search asks for |

mod ahead;
mod cache;
mod flight;
mod plan;
mod source;

pub use plan::Read;
pub use source::BUNDLE_MAGIC;
pub use source::Bundle;
pub use source::FailedRead;
pub use source::Memory;
pub use source::Source;
pub use source::SourceError;
pub use source::SourceProblem;
pub use source::bundle;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::index::Extent;
use crate::index::MAX_ROOT_BYTES;
use crate::index::ROOT_FILE;
use crate::index::Root;
use crate::index::RootError;
use crate::index::Run;
use crate::index::payload;
use ahead::Ahead;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use cache::Cache;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::future::poll_fn;
use core::task::Poll;
use flight::Flights;
use futures_util::future::try_maybe_done;

/// Blocks kept by default: what a visit of some dozen searches touches.
pub const DEFAULT_CACHE_BYTES: usize = 16 << 20;

/// What reading cost, counted over the life of a store or of one search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadStats {
    /// Serial round trips: reads of one wave run side by side.
    pub waves: u32,
    /// Reads issued.
    pub requests: u32,
    /// Bytes read.
    pub bytes: u64,
    /// Blocks found in the cache.
    pub cached: u32,
    /// Bytes of blocks by section, and under [`UNUSED`] those that were read along with them.
    pub sections: Vec<(&'static str, u64)>,
}

/// Bytes that a read brought and nobody wanted: gaps between blocks, the rest of a part.
pub const UNUSED: &str = "unused";

impl ReadStats {
    /// Adds what something else cost.
    pub fn add(&mut self, other: &Self) {
        self.waves += other.waves;
        self.requests += other.requests;
        self.bytes += other.bytes;
        self.cached += other.cached;
        for &(section, bytes) in &other.sections {
            self.add_bytes(section, bytes);
        }
    }

    fn add_bytes(&mut self, section: &'static str, bytes: u64) {
        match self
            .sections
            .iter_mut()
            .find(|(known, _)| *known == section)
        {
            Some((_, sum)) => *sum += bytes,
            None => self.sections.push((section, bytes)),
        }
    }
}

/// Why an index could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// The source failed.
    Source(SourceError),
    /// The root is not usable.
    Root(RootError),
    /// Bytes of the body are not what the build wrote.
    Format {
        /// File that holds the bytes.
        file: String,
        /// Offset of the block in the body.
        offset: u64,
        /// What is wrong.
        error: FormatError,
    },
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => error.fmt(f),
            Self::Root(error) => error.fmt(f),
            Self::Format {
                file,
                offset,
                error,
            } => write!(
                f,
                "{file}: block at {offset}: {error}; fetch the file again or rebuild the index"
            ),
        }
    }
}

impl core::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(match self {
            Self::Source(error) => error,
            Self::Root(error) => error,
            Self::Format { error, .. } => error,
        })
    }
}

impl From<SourceError> for StoreError {
    fn from(error: SourceError) -> Self {
        Self::Source(error)
    }
}

impl From<RootError> for StoreError {
    fn from(error: RootError) -> Self {
        Self::Root(error)
    }
}

/// A checked block's payload, shared with the cache.
#[derive(Debug, Clone)]
pub struct Block(Arc<[u8]>);

impl AsRef<[u8]> for Block {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl core::ops::Deref for Block {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

/// What a step of a search wants to read.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    blocks: Vec<Extent>,
    resident: Vec<Extent>,
}

impl Wants {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Wants these blocks.
    pub fn from_blocks(extents: &[Extent]) -> Self {
        let mut wants = Self::new();
        extents.iter().for_each(|&extent| wants.block(extent));
        wants
    }

    /// Wants a block that other searches may want again.
    pub fn block(&mut self, extent: Extent) {
        self.blocks.push(extent);
    }

    /// Wants a block which the caller will keep: it passes by the cache.
    pub fn kept(&mut self, extent: Extent) {
        self.resident.push(extent);
    }

    /// Whether it wants all blocks that `other` wants and does not keep.
    pub fn covers(&self, other: &Self) -> bool {
        other.blocks.iter().all(|block| self.blocks.contains(block))
    }

    /// Wants all that `other` wants too.
    pub fn append(&mut self, mut other: Self) {
        self.blocks.append(&mut other.blocks);
        self.resident.append(&mut other.resident);
    }

    /// Wants all blocks of a run, which the caller will keep: they pass by the cache.
    pub fn resident(&mut self, run: &Run) {
        self.resident.extend(run.extents());
    }
}

/// The blocks that a wave brought.
#[derive(Debug, Clone, Default)]
pub struct Wave {
    stats: ReadStats,
    blocks: BTreeMap<Extent, Block>,
}

impl Wave {
    /// What it cost.
    pub fn stats(&self) -> &ReadStats {
        &self.stats
    }

    /// The payload of a block that was wanted.
    pub fn get(&self, extent: Extent) -> Option<&Block> {
        self.blocks.get(&extent)
    }

    /// The payload of a block that was wanted, or the error that it was not.
    ///
    /// # Errors
    /// [`Problem::Inconsistent`].
    pub fn require(&self, extent: Extent) -> Result<&Block, FormatError> {
        let missing = || FormatError::new("index", "block", 0, Problem::Inconsistent);
        self.blocks.get(&extent).ok_or_else(missing)
    }

    /// The payloads of a run that was wanted, one after the other.
    pub fn run(&self, run: &Run) -> Vec<u8> {
        let mut out = Vec::with_capacity(run.payload_len as usize);
        for block in run.extents().filter_map(|extent| self.blocks.get(&extent)) {
            out.extend_from_slice(block);
        }
        out
    }
}

/// An opened index: its root, its source and what has been read.
#[derive(Debug)]
pub struct Store<S> {
    source: S,
    root: Root,
    cache: RefCell<Cache>,
    ahead: Ahead,
    flights: Flights,
    stats: RefCell<ReadStats>,
}

impl<S: Source> Store<S> {
    /// Reads and parses the root.
    ///
    /// # Errors
    /// [`StoreError::Source`] and [`StoreError::Root`].
    pub async fn open(source: S, cache_bytes: usize) -> Result<Self, StoreError> {
        let bytes = source.read(ROOT_FILE, None).await?;
        if bytes.len() as u64 > MAX_ROOT_BYTES {
            return Err(RootError::NotAnIndex.into());
        }
        let root = Root::parse(&bytes)?;
        let stats = ReadStats {
            waves: 1,
            requests: 1,
            bytes: bytes.len() as u64,
            cached: 0,
            sections: alloc::vec![("root", bytes.len() as u64)],
        };
        Ok(Self {
            source,
            root,
            cache: RefCell::new(Cache::new(cache_bytes)),
            ahead: Ahead::default(),
            flights: Flights::default(),
            stats: RefCell::new(stats),
        })
    }

    /// The root.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The source.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// What reading cost so far.
    pub fn stats(&self) -> ReadStats {
        self.stats.borrow().clone()
    }

    /// Lets searches read what they wait for another one to read: one that was neither driven to its
    /// end nor dropped would keep them waiting for ever.
    pub fn release(&self) {
        self.flights.release();
    }

    /// Reads everything that `wants` names and that is not cached, side by side. What another search
    /// is reading already is waited for.
    ///
    /// # Errors
    /// The first read or block that failed; nothing of a failed read is kept.
    pub async fn wave(&self, wants: &Wants) -> Result<Wave, StoreError> {
        let mut wave = Wave::default();
        let filled = self.fill(wants, &mut wave).await;
        self.stats.borrow_mut().add(&wave.stats);
        filled.map(|()| wave)
    }

    /// The blocks wanted, if it takes no read to have them all.
    pub fn at_hand(&self, wants: &Wants) -> Option<Wave> {
        let mut wave = Wave::default();
        let mut missing = wants.blocks.clone();
        self.take_cached(&mut missing, &mut wave);
        if !missing.is_empty() || !wants.resident.is_empty() {
            return None;
        }
        wave.stats.cached = wave.blocks.len() as u32;
        self.stats.borrow_mut().add(&wave.stats);
        Some(wave)
    }

    async fn fill(&self, wants: &Wants, wave: &mut Wave) -> Result<(), StoreError> {
        let mut missing = wants.blocks.clone();
        self.take_cached(&mut missing, wave);
        wave.stats.cached += wave.blocks.len() as u32;
        // What a caller keeps is read for it alone.
        let mut alone: &[Extent] = &wants.resident;
        while !missing.is_empty() || !alone.is_empty() {
            let claim = self.flights.claim(&mut missing);
            let extents = [claim.extents(), alone].concat();
            wave.stats.waves += 1;
            self.read(extents, wave).await?;
            self.keep(claim.extents(), wave);
            drop(claim);
            alone = &[];
            self.flights.landed(&missing).await;
            // Another search's blocks are in the cache, unless it failed or they are too large for it.
            self.take_cached(&mut missing, wave);
        }
        Ok(())
    }

    /// Caches the blocks of a wave that lie at these places.
    fn keep(&self, extents: &[Extent], wave: &Wave) {
        let mut cache = self.cache.borrow_mut();
        for &extent in extents {
            if let Some(block) = wave.get(extent) {
                cache.insert(extent, block.clone());
            }
        }
    }

    /// A block that takes no read.
    fn in_memory(&self, extent: Extent) -> Option<Block> {
        let cached = self.cache.borrow_mut().get(extent);
        match self.source.reads_ahead() {
            true => cached.or_else(|| self.ahead.cut(self.root.build_id, extent)),
            false => cached,
        }
    }

    /// Moves blocks at hand from `missing` to the wave.
    fn take_cached(&self, missing: &mut Vec<Extent>, wave: &mut Wave) {
        missing.retain(|&extent| match self.in_memory(extent) {
            Some(block) => {
                wave.blocks.insert(extent, block);
                false
            }
            None => true,
        });
    }

    /// Reads blocks, side by side, and what may come ahead with them.
    async fn read(&self, mut extents: Vec<Extent>, wave: &mut Wave) -> Result<(), StoreError> {
        if extents.is_empty() {
            return Ok(());
        }
        let ahead = match self.source.reads_ahead() {
            true => Ahead::beside(&self.root, &extents),
            false => None,
        };
        extents.extend(ahead);
        let reads = self.plan(extents)?;
        let pieces = reads.iter().flat_map(|read| &read.pieces);
        wave.stats.requests += pieces.clone().count() as u32;
        let bytes = join(pieces.map(|piece| self.source.read(&piece.file, piece.range.clone())));
        self.receive(&reads, bytes.await?, ahead, wave)
    }

    /// Reads that bring these blocks.
    fn plan(&self, extents: Vec<Extent>) -> Result<Vec<Read>, StoreError> {
        for &extent in &extents {
            // Extents out of a dictionary are numbers that a file made up.
            let end = extent.offset.checked_add(u64::from(extent.len));
            if extent.len == 0 || end.is_none_or(|end| end > self.root.body_len) {
                let max = self.root.body_len;
                let problem = Problem::OutOfRange {
                    got: extent.offset,
                    max,
                };
                let what = self.root.section(extent.offset);
                let error = FormatError::new(what, "extent", 0, problem);
                return Err(self.damaged(extent, error));
            }
        }
        Ok(plan::plan(&self.root, extents, &self.source))
    }

    /// Checks what the pieces of the reads brought, and cuts it into blocks.
    // Hosts may load its code during the first wave.
    #[inline(never)]
    fn receive(
        &self,
        reads: &[Read],
        pieces: Vec<Vec<u8>>,
        ahead: Option<Extent>,
        wave: &mut Wave,
    ) -> Result<(), StoreError> {
        let mut pieces = pieces.into_iter();
        let mut unused = 0;
        for read in reads {
            let mut bytes = Vec::new();
            for (piece, brought) in read.pieces.iter().zip(&mut pieces) {
                let got = brought.len() as u64;
                let expected = piece
                    .range
                    .as_ref()
                    .map_or(piece.file_len, |range| range.end - range.start);
                if got != expected {
                    let problem = SourceProblem::WrongLength { expected, got };
                    return Err(SourceError::new(&piece.file, piece.range.clone(), problem).into());
                }
                wave.stats.bytes += got;
                unused += got;
                // Most reads are one piece, used whole: that is not copied.
                if read.pieces.len() == 1 && piece.take == got {
                    bytes = brought;
                } else {
                    let used = piece.skip as usize..(piece.skip + piece.take) as usize;
                    bytes.extend_from_slice(brought.get(used).unwrap_or(&[]));
                }
            }
            for &extent in &read.extents {
                let len = u64::from(extent.len);
                wave.stats.add_bytes(self.root.section(extent.offset), len);
                unused = unused.saturating_sub(len);
                let start = (extent.offset - read.range.start) as usize;
                let block = bytes.get(start..start + extent.len as usize).unwrap_or(&[]);
                if ahead == Some(extent) {
                    self.ahead.keep(extent, block);
                    continue;
                }
                let payload =
                    payload(block, self.root.build_id, extent, "block").map_err(|error| {
                        let what = self.root.section(extent.offset);
                        self.damaged(extent, error.of(what))
                    })?;
                wave.blocks.insert(extent, Block(Arc::from(payload)));
            }
        }
        if unused > 0 {
            wave.stats.add_bytes(UNUSED, unused);
        }
        Ok(())
    }

    /// The error for a block whose payload turned out not to be what its section holds.
    pub fn damaged(&self, extent: Extent, error: FormatError) -> StoreError {
        let part = (extent.offset / self.root.files.part_bytes) as usize;
        let file = self.root.files.name(part).unwrap_or_default();
        StoreError::Format {
            file,
            offset: extent.offset,
            error,
        }
    }
}

/// Waits for all reads side by side and returns their bytes in order, or the first failure.
///
/// A wave has few reads, so all of them are polled whenever one wakes; what `try_join_all` does to
/// avoid that takes 8 kB of code.
async fn join<F>(reads: impl Iterator<Item = F>) -> Result<Vec<Vec<u8>>, SourceError>
where
    F: Future<Output = Result<Vec<u8>, SourceError>>,
{
    let mut reads: Vec<_> = reads.map(|read| Box::pin(try_maybe_done(read))).collect();
    poll_fn(|context| {
        let mut all = Poll::Ready(Ok(()));
        for read in &mut reads {
            match read.as_mut().poll(context) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(failed)) => return Poll::Ready(Err(failed)),
                Poll::Pending => all = Poll::Pending,
            }
        }
        all
    })
    .await?;
    Ok(reads
        .iter_mut()
        .filter_map(|read| read.as_mut().take_output())
        .collect())
}

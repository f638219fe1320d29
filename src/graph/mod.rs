//! Codes into a graph that finds near rows in logarithmic time.
//!
//! HNSW: Malkov and Yashunin, "Efficient and robust approximate nearest neighbor search using
//! Hierarchical Navigable Small World graphs" (2018); names and algorithm numbers are the paper's.
//!
//! ```text
//! int8 rows ── build ──► Graph ── write ──► bytes ── parse ──► Graph ── search ──► candidates
//!              (exact integer distances)                  (scores of 1-bit rows)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `build.rs` | deterministic insertion in batches, on any number of threads |
//! | `select.rs` | the neighbour selection heuristic (Algorithm 4) |
//! | `copies.rs` | rows with equal codes |
//! | `walk.rs` | best-first search of one level (Algorithm 2), shared by build and search |
//! | `level.rs` | the links of one level, packed in bits; the stored form |
//! | `search.rs` | search from the entry point down (Algorithm 5), with filters |
//!
//! # When not to use it
//! Links join rows that are near in Euclidean distance of their codes, which for normalised
//! embeddings is the order of the inner product. With [`crate::vector::Metric::Dot`] and rows of
//! very different norms recall suffers: scan instead. A scan also wins below some 50,000 rows, and
//! when a filter admits few rows.

mod build;
mod copies;
mod level;
mod search;
mod select;
mod walk;

use core::fmt;

use alloc::vec::Vec;

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use level::Level;
use walk::Links;

pub use build::build;
pub use search::SearchScratch;

/// Levels of a graph: with at least two links a node, 2^32 nodes need no more.
const MAX_LEVELS: usize = 32;

/// How a graph is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphParams {
    /// Links of a node on the upper levels, 2 to 127.
    pub m: usize,
    /// Links of a node on level 0, `m` to 254.
    pub m0: usize,
    /// Candidates held while a node is inserted.
    pub ef_construction: usize,
    /// Draws levels and the order of insertion.
    pub seed: u64,
}

impl Default for GraphParams {
    /// `m` and `m0` as the paper recommends. With `ef_construction` 128 the first 20,000 rows of
    /// docs-100k (MiniLM, 384 dimensions) have a recall@10 of 0.956 at `ef_search` 80, 0.975 at 128.
    fn default() -> Self {
        Self {
            m: 16,
            m0: 32,
            ef_construction: 128,
            seed: 0,
        }
    }
}

/// Why a graph cannot be built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphError {
    /// `m` is not in 2..=127, or `m0` not in `m..=254`, or `ef_construction` is 0.
    BadParams(GraphParams),
    /// The codes are not a whole number of rows of 1 to [`crate::vector::MAX_DIM`] dimensions.
    PartialRow {
        /// Length of the codes in bytes.
        len: usize,
        /// Length of a row.
        code_dim: usize,
    },
    /// More than 2^32 rows, or links of more than 4 GiB.
    TooManyRows {
        /// How many.
        rows: usize,
    },
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadParams(GraphParams {
                m,
                m0,
                ef_construction,
                ..
            }) => write!(
                f,
                "graph: m {m}, m0 {m0}, ef_construction {ef_construction} are out of range; \
                 choose m from 2 to 127, m0 from m to 254, ef_construction from 1"
            ),
            Self::PartialRow { len, code_dim } => {
                write!(
                    f,
                    "graph: {len} bytes of codes are no whole number of rows of {code_dim} dimensions"
                )
            }
            Self::TooManyRows { rows } => {
                write!(
                    f,
                    "graph: {rows} rows are too many for one graph; split the index"
                )
            }
        }
    }
}

impl core::error::Error for GraphError {}

/// A navigable small world over rows `0..len`: links only, no vectors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    len: usize,
    entry_point: u32,
    /// From level 0, which holds every row, upwards.
    levels: Vec<Level>,
}

impl Graph {
    /// Number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Links of row `id` on level 0, ascending; none for ids past the last row.
    #[must_use]
    pub fn links(&self, id: u32) -> Vec<u32> {
        let mut links = Vec::new();
        if let Some(level) = self.levels.first() {
            level.links(id, &mut links);
        }
        links
    }

    /// Bytes held in memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.levels.iter().map(Level::memory_bytes).sum()
    }

    /// Appends the stored form: entry point, number of levels, levels from 0 upwards.
    pub fn write(&self, writer: &mut Writer) {
        writer.varint(self.entry_point.into());
        writer.varint(self.levels.len() as u64);
        for level in &self.levels {
            level.write(writer);
        }
    }

    /// Reads the graph of `len` rows from all of `bytes`, checking every link.
    ///
    /// # Errors
    /// [`FormatError`] for truncation, ids of rows that do not exist or are not on the level,
    /// unsorted links, links of a node to itself, and bytes left over.
    ///
    /// Cost: one pass over the links.
    #[inline(never)]
    pub fn parse(bytes: &[u8], len: usize) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "graph");
        if u32::try_from(len).is_err() {
            let problem = Problem::OutOfRange {
                got: len as u64,
                max: u32::MAX.into(),
            };
            return Err(reader.error("row count", problem));
        }
        let last = len.saturating_sub(1) as u64;
        let entry_point = reader.varint_max(last, "entry point")? as u32;
        let level_count = reader.varint_max(MAX_LEVELS as u64, "level count")?;
        if (level_count == 0) != (len == 0) {
            return Err(reader.error("level count", Problem::Inconsistent));
        }
        let mut levels: Vec<Level> = Vec::new();
        for height in 0..level_count {
            let level = match height {
                0 => Level::read_full(&mut reader, len)?,
                _ => Level::read_sparse(&mut reader, len)?,
            };
            levels.push(level);
        }
        reader.end()?;
        if levels.last().is_some_and(|top| !top.contains(entry_point)) {
            return Err(reader.error("entry point", Problem::Inconsistent));
        }
        Ok(Self {
            len,
            entry_point,
            levels,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Graph;
    use super::GraphError;
    use super::GraphParams;
    use super::SearchScratch;
    use super::build;
    use crate::bytes::Writer;
    use crate::executor::Serial;
    use crate::vector::Metric;
    use crate::vector::Quantizer;
    use crate::vector::Query;
    use crate::vector::binary::BinaryCodes;
    use crate::vector::binary::BinaryRows;
    use crate::vector::binary::BinaryWriter;
    use crate::vector::rotate::SplitMix64;
    use std::collections::BTreeSet;
    use std::vec;
    use std::vec::Vec;

    const DIM: usize = 24;

    struct Sample {
        graph: Graph,
        blocks: Vec<u8>,
        quantizer: Quantizer,
        rows: Vec<Vec<f32>>,
    }

    impl Sample {
        /// `distinct` different rows, repeated up to `count`.
        fn new(count: usize, distinct: usize) -> Self {
            let mut random = SplitMix64::new(11);
            let mut row = || -> Vec<f32> {
                (0..DIM)
                    .map(|_| random.below(2000) as f32 / 1000.0 - 1.0)
                    .collect()
            };
            let pool: Vec<Vec<f32>> = (0..distinct).map(|_| row()).collect();
            let rows: Vec<Vec<f32>> = (0..count).map(|at| pool[at % distinct].clone()).collect();
            let quantizer = Quantizer::train(Metric::Cosine, DIM, 1, &pool).expect("training");
            let (mut blocks, mut int8) = (BinaryWriter::new(quantizer.code_dim()), Vec::new());
            for row in &rows {
                let code = quantizer.encode_row(row).expect("row");
                blocks.push(&code);
                int8.extend_from_slice(&code.int8);
            }
            let params = GraphParams {
                m: 4,
                m0: 8,
                ef_construction: 40,
                seed: 2,
            };
            let graph = build(
                &int8,
                quantizer.code_dim(),
                &params,
                &Serial,
                &mut |_, _| {},
            )
            .expect("graph");
            Self {
                graph,
                blocks: blocks.into_bytes(),
                quantizer,
                rows,
            }
        }

        fn bytes(&self) -> Vec<u8> {
            let mut writer = Writer::new();
            self.graph.write(&mut writer);
            writer.into_bytes()
        }

        fn binary(&self) -> BinaryCodes<'_> {
            BinaryCodes::parse(&self.blocks, self.rows.len(), &self.quantizer).expect("blocks")
        }

        fn query(&self) -> Query {
            Query::new(&self.quantizer, &[0.5; DIM]).expect("query")
        }
    }

    #[test]
    fn graph_parsed_is_the_graph_written() {
        for count in [0, 1, 2, 3, 5, 33, 300] {
            let sample = Sample::new(count, 300);
            assert_eq!(
                Graph::parse(&sample.bytes(), count).as_ref(),
                Ok(&sample.graph)
            );
        }
    }

    #[test]
    fn walk_with_ef_of_all_rows_equals_the_scan() {
        for (count, distinct) in [
            (0, 1),
            (1, 1),
            (2, 2),
            (40, 40),
            (500, 500),
            (400, 1),
            (400, 7),
        ] {
            let sample = Sample::new(count, distinct);
            let (codes, query) = (sample.binary(), sample.query());
            let rows = BinaryRows::new(&codes);
            let mut scratch = SearchScratch::new();
            let even = vec![0x5555_5555_5555_5555; count.div_ceil(64)];
            for allowed in [None, Some(even.as_slice())] {
                let walked = sample
                    .graph
                    .search(&rows, &query, count, allowed, &mut scratch);
                assert_eq!(
                    walked,
                    codes.scan(&query, allowed, count),
                    "{count} {distinct}"
                );
            }
        }
    }

    #[test]
    fn every_row_is_reachable_even_among_equal_rows() {
        for (count, distinct) in [(1000, 1000), (1000, 1), (1000, 3), (1000, 30)] {
            let sample = Sample::new(count, distinct);
            let mut reached = BTreeSet::from([sample.graph.entry_point]);
            let mut queue = vec![sample.graph.entry_point];
            while let Some(id) = queue.pop() {
                queue.extend(
                    sample
                        .graph
                        .links(id)
                        .into_iter()
                        .filter(|&link| reached.insert(link)),
                );
            }
            assert_eq!(reached.len(), count, "{distinct} different rows");
        }
    }

    #[test]
    fn damaged_bytes_give_an_error_or_a_graph_that_can_be_walked() {
        let sample = Sample::new(120, 120);
        let (bytes, query) = (sample.bytes(), sample.query());
        let rows = BinaryRows::new(&sample.binary());
        let mut scratch = SearchScratch::new();
        for len in 0..bytes.len() {
            assert!(Graph::parse(&bytes[..len], 120).is_err(), "{len} bytes");
        }
        for count in [0, 1, 119, 121, usize::MAX] {
            assert!(Graph::parse(&bytes, count).is_err(), "{count} rows");
        }
        for at in 0..bytes.len() {
            for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
                let mut bytes = bytes.clone();
                bytes[at] ^= flip;
                if let Ok(graph) = Graph::parse(&bytes, 120) {
                    let found = graph.search(&rows, &query, 20, None, &mut scratch);
                    assert!(found.iter().all(|candidate| candidate.id < 120));
                }
            }
        }
    }

    #[test]
    fn graph_of_more_rows_than_there_are_codes_is_walked_without_panic() {
        let (small, large) = (Sample::new(50, 50), Sample::new(300, 300));
        let rows = BinaryRows::new(&small.binary());
        let mut scratch = SearchScratch::new();
        let found = large
            .graph
            .search(&rows, &small.query(), 100, None, &mut scratch);
        assert!(found.iter().all(|candidate| candidate.id < 50));
    }

    #[test]
    fn parameters_and_lengths_out_of_range_are_errors() {
        let build = |codes: &[i8], code_dim, params| {
            build(codes, code_dim, &params, &Serial, &mut |_, _| {}).map(|graph| graph.len())
        };
        let good = GraphParams::default();
        let bad = [
            GraphParams { m: 1, ..good },
            GraphParams {
                m: 128,
                m0: 254,
                ..good
            },
            GraphParams { m0: 15, ..good },
            GraphParams { m0: 255, ..good },
            GraphParams {
                ef_construction: 0,
                ..good
            },
        ];
        for params in bad {
            assert_eq!(
                build(&[0; 64], 64, params),
                Err(GraphError::BadParams(params))
            );
        }
        for code_dim in [0, 63, 65, 8193] {
            let error = GraphError::PartialRow { len: 64, code_dim };
            assert_eq!(build(&[0; 64], code_dim, good), Err(error));
        }
        assert_eq!(build(&[], 64, good), Ok(0));
    }
}

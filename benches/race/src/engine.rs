//! The index files of the race, and the two ways of searching them.

use std::error::Error;
use std::path::Path;

use coracle::bytes::Reader;
use coracle::graph::Graph;
use coracle::graph::SearchScratch;
use coracle::vector::Quantizer;
use coracle::vector::Query;
use coracle::vector::binary::BinaryCodes;
use coracle::vector::binary::BinaryRows;
use coracle::vector::int8;
use coracle::vector::int8::Int8Codes;
use coracle::vector::topk::Candidate;
use serde::Deserialize;
use serde::Serialize;

use crate::K;

/// Names of the files in an index folder.
pub mod file {
    pub const QUANTIZER: &str = "quantizer.bin";
    pub const CODES: &str = "codes.bin";
    pub const ROWS: &str = "rows.bin";
    pub const GRAPH: &str = "graph.bin";
    pub const TRUTH: &str = "truth.json";
    pub const BUILD: &str = "build.json";
}

/// What a build reports beside its files.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct BuildReport {
    /// Rows in the index.
    pub n: usize,
    /// Threads of the build.
    pub threads: usize,
    /// Seconds to train the quantizer and encode all rows.
    pub encode_s: f64,
    /// Seconds to build the graph of the codes.
    pub graph_s: f64,
}

/// An index in memory, with what is needed to judge it.
#[derive(Debug)]
pub struct Index {
    pub build: BuildReport,
    /// Exact `K` nearest rows of each query.
    pub truth: Vec<Vec<u32>>,
    pub dims: usize,
    pub graph_len: usize,
    quantizer: Quantizer,
    pub codes: Vec<u8>,
    pub rows: Vec<u8>,
    binary_rows: BinaryRows,
    graph: Graph,
}

impl Index {
    /// Reads the files of a build.
    pub fn load(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
        };
        let build: BuildReport = serde_json::from_slice(&read(file::BUILD)?)?;
        let truth = serde_json::from_slice(&read(file::TRUTH)?)?;
        let quantizer = Quantizer::read(&mut Reader::new(&read(file::QUANTIZER)?, "quantizer"))?;
        let codes = read(file::CODES)?;
        let rows = read(file::ROWS)?;
        Int8Codes::parse(&rows, build.n, &quantizer)?;
        let binary_rows = BinaryRows::new(&BinaryCodes::parse(&codes, build.n, &quantizer)?);
        let graph = read(file::GRAPH)?;
        Ok(Self {
            build,
            truth,
            dims: quantizer.dim(),
            graph_len: graph.len(),
            graph: Graph::parse(&graph, build.n)?,
            quantizer,
            codes,
            rows,
            binary_rows,
        })
    }

    /// Answers one query from scratch: prepares it, finds candidates, rescores them.
    pub fn search(
        &self,
        query: &[f32],
        setting: Setting,
        scratch: &mut SearchScratch,
    ) -> Result<Vec<Candidate>, Box<dyn Error>> {
        let Self {
            build,
            quantizer,
            graph,
            ..
        } = self;
        let query = Query::new(quantizer, query)?;
        let candidates = match setting {
            Setting::Candidates(count) => {
                BinaryCodes::parse(&self.codes, build.n, quantizer)?.scan(&query, None, count)
            }
            Setting::EfSearch(ef) => graph.search(&self.binary_rows, &query, ef, None, scratch),
        };
        let rows = Int8Codes::parse(&self.rows, build.n, quantizer)?;
        Ok(int8::rescore(&query, &rows, &candidates, K))
    }
}

/// A way of searching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// Scan of all 1-bit codes, then int8 rescoring.
    Scan,
    /// Walk of the HNSW graph over 1-bit codes, then int8 rescoring.
    Hnsw,
}

/// How much a search looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Setting {
    /// A scan that rescores so many candidates.
    Candidates(usize),
    /// A walk with a beam of so many candidates, all of them rescored: at equal recall, a wider beam
    /// of which only a part is rescored takes longer.
    EfSearch(usize),
}

impl Engine {
    pub const ALL: [Self; 2] = [Self::Scan, Self::Hnsw];

    pub fn name(self) -> &'static str {
        match self {
            Self::Scan => "coracle-scan",
            Self::Hnsw => "coracle-hnsw",
        }
    }

    /// The settings to try, by rising cost. The beams are those the peers are tried with.
    pub fn settings(self) -> Vec<Setting> {
        match self {
            Self::Scan => [10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 100, 150, 200]
                .map(Setting::Candidates)
                .to_vec(),
            Self::Hnsw => [
                10, 12, 14, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 72, 80, 96, 112, 128, 160,
                192, 224, 320, 448, 640,
            ]
            .map(Setting::EfSearch)
            .to_vec(),
        }
    }
}

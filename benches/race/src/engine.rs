//! The engines of the race: what each one reads, how it is opened, how it searches.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::path::Path;

use clap::ValueEnum;
use coracle::bytes::Reader;
use coracle::cells::CellScratch;
use coracle::cells::Cells;
use coracle::cells::Probe;
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
    pub const FILTERED: &str = "filtered.json";
    pub const BUILD: &str = "build.json";

    /// Cells of so many copies of each row.
    pub fn cells(copies: usize) -> String {
        format!("cells-{copies}.bin")
    }
}

/// What a build reports beside its files.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BuildReport {
    /// Rows in the index.
    pub n: usize,
    /// Threads of the build.
    pub threads: usize,
    /// Seconds to train the quantizer and encode all rows.
    pub encode_s: f64,
    /// Seconds to make what an engine has beside the codes, by its name.
    pub structure_s: BTreeMap<String, f64>,
}

/// Cells to scan at most, per cell scanned in vain: with 3 the recalls of 0.95 and 0.98 of 100,000 rows
/// in two cells cost 63 and 139 µs, with 1 (patience is never lost) 80 and 148 µs, with 8 84 and
/// 196 µs, all three on a busy machine.
const PROBES_PER_PATIENCE: usize = 3;

/// A way of searching: how candidates are found. All engines rescore them from the same int8 codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// Scan of all 1-bit codes.
    #[value(name = "coracle-scan")]
    Scan,
    /// Walk of the HNSW graph over 1-bit codes.
    #[value(name = "coracle-hnsw")]
    Hnsw,
    /// Scan of the nearest cells, every row in one of them.
    #[value(name = "coracle-cells-1")]
    Cells1,
    /// Scan of the nearest cells, every row in two of them.
    #[value(name = "coracle-cells-2")]
    Cells2,
    /// Scan of the nearest cells, every row in three of them.
    #[value(name = "coracle-cells-3")]
    Cells3,
}

/// How much a search looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Setting {
    /// A scan that rescores so many candidates.
    Scan { candidates: usize },
    /// A walk with a beam of so many candidates, all of them rescored: at equal recall, a wider beam
    /// of which only a part is rescored takes longer.
    Hnsw { ef_search: usize },
    /// A scan of at most `nprobe` cells, ended by `patience` cells in vain, that rescores so many
    /// candidates.
    Cells {
        patience: usize,
        nprobe: usize,
        candidates: usize,
    },
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan { candidates } => write!(f, "candidates {candidates}"),
            Self::Hnsw { ef_search } => write!(f, "ef_search {ef_search}"),
            Self::Cells {
                patience,
                nprobe,
                candidates,
            } => write!(
                f,
                "patience {patience}, nprobe {nprobe}, candidates {candidates}"
            ),
        }
    }
}

impl Engine {
    /// The name in rows and on the command line.
    pub fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().into())
    }

    /// Cells that hold a row; none for engines without cells.
    pub fn copies(self) -> Option<usize> {
        match self {
            Self::Scan | Self::Hnsw => None,
            Self::Cells1 => Some(1),
            Self::Cells2 => Some(2),
            Self::Cells3 => Some(3),
        }
    }

    /// Settings to try, in series of rising cost and recall; of several series, settings at the same
    /// place differ in their candidates only. The beams are those the peers are tried with, and two
    /// more for a million rows.
    pub fn settings(self) -> Vec<Vec<Setting>> {
        match self {
            Self::Scan => {
                let counts = [
                    10, 15, 20, 25, 30, 35, 40, 50, 60, 70, 80, 100, 150, 200, 300,
                ];
                vec![counts.map(|candidates| Setting::Scan { candidates }).into()]
            }
            Self::Hnsw => {
                let beams = [
                    10, 12, 14, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 64, 72, 80, 96, 112, 128,
                    160, 192, 224, 320, 448, 640, 896, 1280,
                ];
                vec![beams.map(|ef_search| Setting::Hnsw { ef_search }).into()]
            }
            Self::Cells1 | Self::Cells2 | Self::Cells3 => {
                let series = |candidates| {
                    let next = |patience: &usize| Some(patience + (patience / 4).max(1));
                    std::iter::successors(Some(2), next)
                        .map(|patience| (patience, PROBES_PER_PATIENCE * patience))
                        .take_while(|&(_, nprobe)| nprobe <= 1100)
                        .map(|(patience, nprobe)| Setting::Cells {
                            patience,
                            nprobe,
                            candidates,
                        })
                        .collect()
                };
                [30, 50, 70, 100, 150].map(series).into()
            }
        }
    }

    /// A setting of ordinary recall, for the first query after opening.
    pub fn usual(self) -> Setting {
        match self {
            Self::Scan => Setting::Scan { candidates: 50 },
            Self::Hnsw => Setting::Hnsw { ef_search: 80 },
            Self::Cells1 | Self::Cells2 | Self::Cells3 => Setting::Cells {
                patience: 22,
                nprobe: 66,
                candidates: 50,
            },
        }
    }
}

/// The files of one engine, read and not yet looked at.
#[derive(Debug)]
pub struct Files {
    pub engine: Engine,
    pub build: BuildReport,
    quantizer: Vec<u8>,
    /// int8 codes, row-major.
    rows: Vec<u8>,
    /// 1-bit codes in blocks; empty for cells, which hold their own.
    codes: Vec<u8>,
    /// Graph or cells; empty for the scan.
    structure: Vec<u8>,
}

impl Files {
    /// Reads what `engine` needs from the folder of a build.
    pub fn read(folder: &Path, engine: Engine) -> Result<Self, Box<dyn Error>> {
        let (codes, structure) = match engine.copies() {
            Some(copies) => (Vec::new(), read(folder, &file::cells(copies))?),
            None if engine == Engine::Hnsw => {
                (read(folder, file::CODES)?, read(folder, file::GRAPH)?)
            }
            None => (read(folder, file::CODES)?, Vec::new()),
        };
        Ok(Self {
            engine,
            build: serde_json::from_slice(&read(folder, file::BUILD)?)?,
            quantizer: read(folder, file::QUANTIZER)?,
            rows: read(folder, file::ROWS)?,
            codes,
            structure,
        })
    }

    /// Bytes per vector of what a search needs, by part.
    pub fn bytes(&self) -> BTreeMap<&'static str, f64> {
        let structure = match self.engine {
            Engine::Hnsw => "links",
            _ => "cells",
        };
        let parts = [
            ("codes", &self.codes),
            (structure, &self.structure),
            ("rows", &self.rows),
        ];
        let per_vector = |part: &Vec<u8>| part.len() as f64 / self.build.n as f64;
        let present = parts.into_iter().filter(|(_, part)| !part.is_empty());
        present
            .map(|(name, part)| (name, per_vector(part)))
            .collect()
    }

    /// Makes an index of the bytes, checking them.
    pub fn open(self) -> Result<Index, Box<dyn Error>> {
        let n = self.build.n;
        let quantizer = Quantizer::read(&mut Reader::new(&self.quantizer, "quantizer"))?;
        Int8Codes::parse(&self.rows, n, &quantizer)?;
        let structure = match self.engine {
            Engine::Scan => Structure::Scan(self.codes),
            Engine::Hnsw => Structure::Hnsw(
                BinaryRows::new(&BinaryCodes::parse(&self.codes, n, &quantizer)?),
                Graph::parse(&self.structure, n)?,
                SearchScratch::new(),
            ),
            Engine::Cells1 | Engine::Cells2 | Engine::Cells3 => Structure::Cells(
                Cells::parse(&self.structure, n, &quantizer)?,
                CellScratch::new(),
            ),
        };
        Ok(Index {
            engine: self.engine,
            n,
            quantizer,
            rows: self.rows,
            structure,
        })
    }
}

/// Reads one file of an index folder.
pub fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    let path = folder.join(name);
    std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// What finds candidates, with the memory its searches share.
#[derive(Debug)]
enum Structure {
    Scan(Vec<u8>),
    Hnsw(BinaryRows, Graph, SearchScratch),
    Cells(Cells, CellScratch),
}

/// An index in memory.
#[derive(Debug)]
pub struct Index {
    pub engine: Engine,
    /// Number of rows.
    pub n: usize,
    quantizer: Quantizer,
    rows: Vec<u8>,
    structure: Structure,
}

impl Index {
    /// Components of an embedding.
    pub fn dims(&self) -> usize {
        self.quantizer.dim()
    }

    /// Answers one query from scratch: prepares it, finds candidates among the rows that `allowed`
    /// admits (bit `id % 64` of word `id / 64`; all without it), rescores them.
    pub fn search(
        &mut self,
        query: &[f32],
        setting: Setting,
        allowed: Option<&[u64]>,
    ) -> Result<Vec<Candidate>, Box<dyn Error>> {
        let query = Query::new(&self.quantizer, query)?;
        let candidates = match (&mut self.structure, setting) {
            (Structure::Scan(codes), Setting::Scan { candidates }) => {
                let codes = BinaryCodes::parse(codes, self.n, &self.quantizer)?;
                codes.scan(&query, allowed, candidates)
            }
            (Structure::Hnsw(rows, graph, scratch), Setting::Hnsw { ef_search }) => {
                graph.search(rows, &query, ef_search, allowed, scratch)
            }
            (
                Structure::Cells(cells, scratch),
                Setting::Cells {
                    patience,
                    nprobe,
                    candidates,
                },
            ) => {
                let probe = Probe {
                    patience,
                    nprobe,
                    candidates,
                };
                cells.search(&query, &probe, allowed, scratch)
            }
            (_, setting) => {
                return Err(format!("{} has no setting {setting}", self.engine.name()).into());
            }
        };
        let rows = Int8Codes::parse(&self.rows, self.n, &self.quantizer)?;
        Ok(int8::rescore(&query, &rows, &candidates, K))
    }
}

//! Settings of a search by meaning, chosen by measuring it.
//!
//! ```text
//! sample queries ─┬─ int8 codes of all rows ──────────────► the 10 best
//!                 └─ structure, setting ─ int8 rescoring ─► 10 rows ──► recall@10
//! ```
//!
//! How far a search must look depends on the rows: the same number of cells gives one collection a
//! recall of 0.99 and another one 0.9. So a build searches its own index with a ladder of settings
//! and keeps the first one that finds enough. What is missed is missed twice: 1-bit codes leave rows
//! out of the candidates, and a walk or scan that ends early never sees them. Candidates are chosen
//! first and as few as can be, since each of them may have to be fetched: codes alone may leave out most
//! of what may be missed.
//!
//! The truth is that of int8 codes, from which the rows that rank hits are made: so recall is that of
//! candidates, to which rows of 4 bits add their own error. A sample of 200 queries has a
//! standard error of about 0.005 at a recall of 0.95.

use crate::indexer::Threads;
use crate::report::Stage;
use coracle::bytes::FormatError;
use coracle::cells::CellScratch;
use coracle::cells::Cells;
use coracle::cells::Descent;
use coracle::cells::Probe;
use coracle::cells::Reach;
use coracle::cells::Router;
use coracle::cells::Stored;
use coracle::executor::Executor;
use coracle::graph::Graph;
use coracle::graph::SearchScratch;
use coracle::index::PROBES;
use coracle::search::CELL_BYTES;
use coracle::vector::Metric;
use coracle::vector::Quantizer;
use coracle::vector::Query;
use coracle::vector::VectorError;
use coracle::vector::binary::BinaryCodes;
use coracle::vector::binary::BinaryRows;
use coracle::vector::int8;
use coracle::vector::topk::Candidate;
use coracle::vector::topk::TopK;

/// Most queries of a sample: exact answers over 10^6 rows then take seconds.
pub const MAX_QUERIES: usize = 200;

/// Answers of each query that are looked for.
const K: usize = 10;

/// Rows that a thread compares with all queries: 400 kB at 384 dimensions, inside the second-level
/// cache.
const CHUNK: usize = 1024;

/// Queries that a thread answers with the same scratch memory.
const QUERIES_AT_ONCE: usize = 13;

/// Candidates that are tried. With 32 technical documentation loses 0.007 of nDCG@10, at 192 dimensions.
const CANDIDATES: [u32; 5] = [50, 70, 100, 140, 200];

/// Candidates that a search asks for at least, whatever it rescores.
const LEAST_DEPTH: u32 = 100;

/// Values of `ef_search` that are tried, from [`LEAST_DEPTH`] up.
const EF_SEARCH: [u32; 9] = [100, 128, 160, 200, 256, 320, 400, 512, 1000];

/// Values of `patience` that are tried.
const PATIENCE: [u32; 14] = [4, 6, 8, 11, 16, 22, 32, 45, 64, 90, 128, 180, 256, 512];

/// Cells scanned at most for each cell of patience.
const NPROBE_PER_PATIENCE: u32 = 8;

/// Codes with what leads to the near ones, searched with settings of its own.
pub trait Searched: Sync {
    /// How far a search looks.
    type Setting: Copy + Send + Sync;
    /// Memory that searches of a thread share.
    type Scratch: Default;

    /// Settings to try, the cheapest first; at least one.
    fn settings(&self) -> Vec<Self::Setting>;

    /// The `depth` rows found nearest to `query` by 1-bit codes, best first.
    fn search(
        &self,
        query: &Query,
        setting: Self::Setting,
        depth: usize,
        scratch: &mut Self::Scratch,
    ) -> Vec<Candidate>;
}

/// A scan looks at everything.
impl Searched for BinaryCodes<'_> {
    type Setting = ();
    type Scratch = ();

    fn settings(&self) -> Vec<()> {
        vec![()]
    }

    fn search(&self, query: &Query, (): (), depth: usize, (): &mut ()) -> Vec<Candidate> {
        self.scan(query, None, depth)
    }
}

/// A graph with the codes that it links.
#[derive(Debug)]
pub struct Linked<'a> {
    /// Codes.
    pub rows: BinaryRows,
    /// Links.
    pub graph: &'a Graph,
}

/// The setting is `ef_search`.
impl Searched for Linked<'_> {
    type Setting = u32;
    type Scratch = SearchScratch;

    fn settings(&self) -> Vec<u32> {
        EF_SEARCH.to_vec()
    }

    fn search(
        &self,
        query: &Query,
        ef_search: u32,
        depth: usize,
        scratch: &mut SearchScratch,
    ) -> Vec<Candidate> {
        let held = depth.max(ef_search as usize);
        let mut found = self.graph.search(&self.rows, query, held, None, scratch);
        found.truncate(depth);
        found
    }
}

/// Cells to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probes {
    /// As many in vain.
    pub patience: u32,
    /// As many in all.
    pub nprobe: u32,
}

impl Searched for Cells {
    type Setting = Probes;
    type Scratch = CellScratch;

    fn settings(&self) -> Vec<Probes> {
        let all = self.cell_count().clamp(1, *PROBES.end() as usize) as u32;
        let mut settings = Vec::new();
        for patience in PATIENCE {
            settings.push(Probes {
                patience,
                nprobe: (NPROBE_PER_PATIENCE * patience).min(all),
            });
            // Patience does not run out any more.
            if patience >= all {
                break;
            }
        }
        settings
    }

    fn search(
        &self,
        query: &Query,
        setting: Probes,
        depth: usize,
        scratch: &mut CellScratch,
    ) -> Vec<Candidate> {
        let probe = Probe {
            patience: setting.patience as usize,
            nprobe: setting.nprobe as usize,
            candidates: depth,
        };
        Self::search(self, query, &probe, None, scratch)
    }
}

/// Cells of which a search reads what it needs.
#[derive(Debug)]
pub struct ReadCells<'a> {
    stored: &'a Stored,
    router: Router,
    metric: Metric,
}

impl<'a> ReadCells<'a> {
    /// Of `rows` rows.
    ///
    /// # Panics
    /// When the cells are not those of as many rows.
    #[must_use]
    pub fn new(stored: &'a Stored, rows: usize, quantizer: &Quantizer) -> Self {
        let router = Router::parse(&stored.router, rows, quantizer);
        let router = router.expect("a router just written");
        let metric = quantizer.metric();
        Self {
            stored,
            router,
            metric,
        }
    }

    /// The router that it searches by.
    #[must_use]
    pub fn into_router(self) -> Router {
        self.router
    }
}

/// The setting is the number of bytes to read.
impl Searched for ReadCells<'_> {
    type Setting = u64;
    type Scratch = ();

    fn settings(&self) -> Vec<u64> {
        vec![CELL_BYTES]
    }

    fn search(&self, query: &Query, bytes: u64, depth: usize, (): &mut ()) -> Vec<Candidate> {
        let reach = Reach::new(self.metric, bytes);
        let search = || {
            let mut descent = Descent::new(&self.router, query, None, reach)?;
            loop {
                let places = descent.wanted(K);
                if places.is_empty() {
                    return Ok::<_, FormatError>(descent.nearest(depth));
                }
                let cells = places.iter().filter_map(|&place| self.stored.cell(place));
                descent.take(&cells.collect::<Vec<_>>())?;
            }
        };
        search().expect("cells just written")
    }
}

/// What was measured with the setting chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Candidates to rescore.
    pub candidates: u32,
    /// Recall@10 asked for.
    pub target: f64,
    /// Recall@10 found.
    pub recall: f64,
    /// Recall@10 of searches that read the cells they need, where there are cells.
    pub recall_cold: Option<f64>,
    /// Queries of the sample.
    pub queries: usize,
}

impl Measured {
    /// Whether the recall asked for is reached.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.recall >= self.target
    }

    /// What was measured, as figures of a root.
    #[must_use]
    pub fn figures(&self) -> Vec<(String, f64)> {
        let cold = self.recall_cold.map(|recall| ("recall_at_10_cold", recall));
        let figures = [
            ("recall_target", self.target),
            ("recall_at_10", self.recall),
            ("recall_queries", self.queries as f64),
        ];
        let figures = figures.into_iter().chain(cold);
        figures.map(|(name, value)| (name.into(), value)).collect()
    }
}

/// A query, and the row that it is itself, which is no answer.
#[derive(Debug)]
struct Asked {
    query: Query,
    own: Option<u32>,
}

/// Queries with their exact answers.
#[derive(Debug)]
pub struct Sample<'a> {
    int8: &'a [i8],
    code_dim: usize,
    asked: Vec<Asked>,
    /// The least score of each query's best rows, and how many rows there are.
    truth: Vec<(f32, usize)>,
}

impl<'a> Sample<'a> {
    /// Answers queries exactly from the int8 codes of all rows.
    ///
    /// The queries are at most [`MAX_QUERIES`] of `queries`, or of `rows` where there are none; both
    /// hold vectors of the quantizer's dimension, one after the other. A row is not counted among its
    /// own answers.
    ///
    /// # Errors
    /// [`VectorError`] for a vector that is not usable.
    pub fn new(
        quantizer: &Quantizer,
        int8: &'a [i8],
        rows: &[f32],
        queries: &[f32],
        stage: &Stage<'_>,
    ) -> Result<Self, VectorError> {
        let dim = quantizer.dim();
        let are_rows = queries.is_empty();
        let vectors = if are_rows { rows } else { queries };
        let there = vectors.len() / dim;
        let count = there.min(MAX_QUERIES);
        let asked = (0..count).map(|at| {
            let at = at * there / count;
            let query = Query::new(quantizer, &vectors[at * dim..][..dim])?;
            let own = are_rows.then_some(at as u32);
            Ok(Asked { query, own })
        });
        let mut sample = Self {
            int8,
            code_dim: quantizer.code_dim(),
            asked: asked.collect::<Result<_, VectorError>>()?,
            truth: Vec::new(),
        };
        sample.truth = sample.exact(stage);
        Ok(sample)
    }

    /// Steps that a calibration has at most, of `rows` rows.
    #[must_use]
    pub fn steps(rows: usize) -> u64 {
        (rows.div_ceil(CHUNK) + PATIENCE.len() + 1) as u64
    }

    fn row(&self, id: u32) -> &[i8] {
        &self.int8[id as usize * self.code_dim..][..self.code_dim]
    }

    fn exact(&self, stage: &Stage<'_>) -> Vec<(f32, usize)> {
        let rows = self.int8.len() / self.code_dim;
        let parts = Threads.map(rows.div_ceil(CHUNK), |chunk| {
            let ids = (chunk * CHUNK) as u32..rows.min((chunk + 1) * CHUNK) as u32;
            let best = self.asked.iter().map(|asked| {
                let mut best = TopK::new(K);
                for id in ids.clone().filter(|&id| Some(id) != asked.own) {
                    let score = int8::score(&asked.query, self.row(id));
                    best.push(Candidate { id, score });
                }
                best.into_keys()
            });
            let best: Vec<Vec<u64>> = best.collect();
            stage.advance(1);
            best
        });
        let of_query = |at: usize| {
            let mut best = TopK::new(K);
            for part in &parts {
                part[at].iter().for_each(|&key| _ = best.push_key(key));
            }
            let best = best.into_sorted();
            let least = best.last().map_or(f32::INFINITY, |last| last.score);
            (least, best.len())
        };
        (0..self.asked.len()).map(of_query).collect()
    }

    /// The cheapest setting that finds `target` of the best rows, or the best one there is.
    #[must_use]
    pub fn calibrate<S: Searched>(
        &self,
        searched: &S,
        target: f64,
        stage: &Stage<'_>,
    ) -> (S::Setting, Measured) {
        let settings = searched.settings();
        let widest = settings[settings.len() - 1];
        // What a scan misses is all missed by the codes.
        let share = if settings.len() == 1 { 0.0 } else { 0.3 };
        let wanted = target + share * (1.0 - target);
        let most = CANDIDATES[CANDIDATES.len() - 1];
        let found = self.found(searched, widest, most);
        stage.advance(1);
        let enough = CANDIDATES
            .into_iter()
            .find(|&candidates| self.recall(&found, candidates) >= wanted);
        let candidates = enough.unwrap_or(most);

        let measure = |setting| {
            let found = self.found(searched, setting, candidates);
            stage.advance(1);
            let measured = Measured {
                candidates,
                target,
                recall: self.recall(&found, candidates),
                recall_cold: None,
                queries: self.asked.len(),
            };
            (setting, measured)
        };
        let mut best = measure(settings[0]);
        for &setting in &settings[1..] {
            if best.1.is_reached() {
                break;
            }
            let next = measure(setting);
            if next.1.recall > best.1.recall {
                best = next;
            }
        }
        best
    }

    /// The recall of one setting.
    #[must_use]
    pub fn measure<S: Searched>(&self, searched: &S, setting: S::Setting, candidates: u32) -> f64 {
        self.recall(&self.found(searched, setting, candidates), candidates)
    }

    /// For every query the int8 scores of what a search finds, best first by 1-bit codes.
    fn found<S: Searched>(
        &self,
        searched: &S,
        setting: S::Setting,
        candidates: u32,
    ) -> Vec<Vec<f32>> {
        let depth = candidates.max(LEAST_DEPTH) as usize;
        let tasks = self.asked.len().div_ceil(QUERIES_AT_ONCE);
        let answers = Threads.map(tasks, |task| {
            let mut scratch = S::Scratch::default();
            let asked = self.asked.iter().skip(task * QUERIES_AT_ONCE);
            let answers = asked.take(QUERIES_AT_ONCE).map(|Asked { query, own }| {
                let found = searched.search(query, setting, depth, &mut scratch);
                let others = found.into_iter().filter(|found| Some(found.id) != *own);
                others
                    .map(|found| int8::score(query, self.row(found.id)))
                    .collect::<Vec<f32>>()
            });
            answers.collect::<Vec<_>>()
        });
        answers.into_iter().flatten().collect()
    }

    /// Share of the best rows among the first `candidates` found. A row that is as near as the last
    /// of the best is as good an answer.
    fn recall(&self, found: &[Vec<f32>], candidates: u32) -> f64 {
        let hits = found
            .iter()
            .zip(&self.truth)
            .map(|(found, &(least, rows))| {
                let near = found.iter().take(candidates as usize);
                near.filter(|&&score| score >= least).count().min(rows)
            });
        let hits: usize = hits.sum();
        let there: usize = self.truth.iter().map(|&(_, rows)| rows).sum();
        hits as f64 / there.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIM: usize = 16;
    const ROWS: usize = 300;

    struct World {
        quantizer: Quantizer,
        rows: Vec<f32>,
        int8: Vec<i8>,
    }

    impl World {
        fn new() -> Self {
            let mut random = fastrand::Rng::with_seed(5);
            let rows: Vec<f32> = (0..ROWS * DIM).map(|_| random.f32() - 0.5).collect();
            let each: Vec<&[f32]> = rows.chunks(DIM).collect();
            let quantizer = Quantizer::train(Metric::Cosine, DIM, 1, &each).expect("trained");
            let code = |row: &&[f32]| quantizer.encode_row(row).expect("encoded").int8;
            let int8 = each.iter().flat_map(code).collect();
            Self {
                quantizer,
                rows,
                int8,
            }
        }

        fn sample(&self, queries: &[f32]) -> Sample<'_> {
            let stage = Stage::hidden();
            Sample::new(&self.quantizer, &self.int8, &self.rows, queries, &stage).expect("sample")
        }
    }

    /// Finds those of the nearest rows whose id ends in less than the setting.
    struct Partial<'a> {
        world: &'a World,
        settings: &'a [u32],
    }

    impl Searched for Partial<'_> {
        type Setting = u32;
        type Scratch = ();

        fn settings(&self) -> Vec<u32> {
            self.settings.to_vec()
        }

        fn search(&self, query: &Query, digits: u32, depth: usize, (): &mut ()) -> Vec<Candidate> {
            let mut best = TopK::new(depth);
            let code_dim = self.world.quantizer.code_dim();
            for (row, id) in self.world.int8.chunks(code_dim).zip(0..) {
                let score = int8::score(query, row);
                if id % 10 < digits {
                    best.push(Candidate { id, score });
                }
            }
            best.into_sorted()
        }
    }

    fn calibrate(world: &World, settings: &[u32], target: f64) -> (u32, Measured) {
        let partial = Partial { world, settings };
        let stage = Stage::hidden();
        world.sample(&[]).calibrate(&partial, target, &stage)
    }

    #[test]
    fn cheapest_setting_that_reaches_the_target_is_chosen() {
        let world = World::new();
        let all: Vec<u32> = (1..=10).collect();
        for target in [0.5, 0.75, 0.9, 0.995] {
            let (setting, measured) = calibrate(&world, &all, target);
            assert!(measured.is_reached(), "{measured:?}");
            assert_eq!(
                measured.candidates, 50,
                "50 exact candidates hold the best 10"
            );
            // The same search on its own, and the next cheaper one.
            assert_eq!(calibrate(&world, &[setting], target).1, measured);
            let cheaper = calibrate(&world, &[setting - 1], target).1;
            assert!(cheaper.recall < target, "{setting}: {cheaper:?}");
        }
    }

    #[test]
    fn best_setting_is_taken_when_none_reaches_the_target() {
        let (setting, measured) = calibrate(&World::new(), &[1, 6, 4], 0.9);
        assert_eq!(setting, 6);
        assert!(!measured.is_reached());
        assert!((0.5..0.7).contains(&measured.recall), "{measured:?}");
    }

    #[test]
    fn rows_are_no_answers_to_themselves() {
        struct Itself<'a>(&'a World);
        impl Searched for Itself<'_> {
            type Setting = ();
            type Scratch = ();

            fn settings(&self) -> Vec<()> {
                vec![()]
            }

            fn search(&self, query: &Query, (): (), _: usize, (): &mut ()) -> Vec<Candidate> {
                let world = self.0;
                Partial {
                    world,
                    settings: &[],
                }
                .search(query, 10, 1, &mut ())
            }
        }
        let (world, stage) = (World::new(), Stage::hidden());
        let as_rows = world.sample(&[]).calibrate(&Itself(&world), 0.9, &stage).1;
        assert_eq!((as_rows.recall, as_rows.queries), (0.0, MAX_QUERIES));
        // The same vectors as queries that are no rows find one of ten.
        let queries = &world.rows[..50 * DIM];
        let given = world
            .sample(queries)
            .calibrate(&Itself(&world), 0.9, &stage);
        assert_eq!((given.1.recall, given.1.queries), (0.1, 50));
    }

    #[test]
    fn measurement_does_not_depend_on_threads() {
        let world = World::new();
        let of_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads")
                .install(|| calibrate(&world, &[2, 5, 9], 0.8))
        };
        let serial = of_threads(1);
        assert_eq!(serial.0, 9);
        for threads in [2, 5] {
            assert_eq!(of_threads(threads), serial);
        }
    }
}

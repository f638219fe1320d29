//! Builds, stored forms and searches against what they stand for.

mod descent;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::vec;
use std::vec::Vec;

use proptest::prelude::Strategy;

use super::CellParams;
use super::CellScratch;
use super::Cells;
use super::CellsError;
use super::Level;
use super::NO_ROW;
use super::Probe;
use super::build;
use super::encode::PULL;
use super::ids;
use super::listed_block_len;
use crate::bytes::Writer;
use crate::executor::Executor;
use crate::executor::Serial;
use crate::vector::Metric;
use crate::vector::Quantizer;
use crate::vector::Query;
use crate::vector::arch::BLOCK_ROWS;
use crate::vector::int8;
use crate::vector::rotate::SplitMix64;
use crate::vector::topk::Candidate;

/// Everything there is, for any number of rows.
const ALL: Probe = Probe {
    patience: usize::MAX,
    nprobe: usize::MAX,
    candidates: usize::MAX,
};

/// Less than anybody asks for.
const LITTLE: Probe = Probe {
    patience: 1,
    nprobe: 2,
    candidates: 40,
};

struct Sample {
    quantizer: Quantizer,
    codes: Vec<i8>,
    count: usize,
    /// What the query was made of.
    asked: Vec<f32>,
    query: Query,
}

impl Sample {
    /// `count` rows of which `distinct` are different, around eight centres.
    fn new(metric: Metric, dim: usize, count: usize, distinct: usize) -> Self {
        let mut random = SplitMix64::new((1000 * count + distinct) as u64);
        let mut vector = |centre: usize| -> Vec<f32> {
            (0..dim)
                .map(|at| {
                    let centre = if (at * 7 + centre * 3) % 8 < 4 {
                        0.4
                    } else {
                        -0.1
                    };
                    centre + random.below(2000) as f32 / 2500.0 - 0.4
                })
                .collect()
        };
        let rows: Vec<Vec<f32>> = (0..distinct.max(1)).map(|at| vector(at % 8)).collect();
        let quantizer = Quantizer::train(metric, dim, 3, &rows).expect("training");
        let encoded: Vec<Vec<i8>> = rows
            .iter()
            .map(|row| quantizer.encode_row(row).expect("row").int8)
            .collect();
        let codes = (0..count).flat_map(|id| encoded[id % distinct].clone());
        let asked = vector(5);
        Self {
            codes: codes.collect(),
            query: Query::new(&quantizer, &asked).expect("query"),
            asked,
            quantizer,
            count,
        }
    }

    fn build(&self, params: CellParams) -> Cells {
        self.build_below(params.top, params, &Serial)
    }

    fn build_below(&self, top: usize, params: CellParams, executor: &impl Executor) -> Cells {
        let (codes, quantizer) = (&self.codes, &self.quantizer);
        let params = CellParams { top, ..params };
        build(codes, quantizer, &params, executor, &mut |_, _| {}).expect("cells")
    }

    fn search(&self, cells: &Cells, probe: Probe, allowed: Option<&[u64]>) -> Vec<Candidate> {
        cells.search(&self.query, &probe, allowed, &mut CellScratch::new())
    }

    fn estimate(&self, cells: &Cells) -> Vec<Candidate> {
        let mut found = Vec::new();
        // One more than there are.
        cells.estimate(&self.query, 0..=self.count as u32, |row| found.push(row));
        found
    }

    /// The score of row `id` in a cell by the formulas of the module, and what its factors and sums
    /// may be off by, being rounded.
    fn score(&self, cells: &Cells, cell: usize, id: usize) -> (f64, f64) {
        let level = &cells.levels[0];
        let dim = cells.code_dim;
        let step = f64::from(self.quantizer.int8_step());
        let real =
            |code: &[i8]| -> Vec<f64> { code.iter().map(|&x| f64::from(x) * step).collect() };
        let x = real(&self.codes[id * dim..][..dim]);
        let c = match level.centroid(dim, cell as u32) {
            Some(centroid) => real(centroid),
            None => vec![0.0; dim],
        };
        let first = match level.centroid(dim, cell as u32) {
            Some(centroid) => int8::score(&self.query, centroid),
            None => self.query.bias(),
        };
        let r: Vec<f64> = x.iter().zip(&c).map(|(x, c)| x - c).collect();
        let s: Vec<f64> = r
            .iter()
            .map(|&r| if r >= 0.0 { 1.0 } else { -1.0 })
            .collect();
        let dot = |a: &[f64], b: &[f64]| -> f64 { a.iter().zip(b).map(|(a, b)| a * b).sum() };
        let l1_norm: f64 = r.iter().map(|r| r.abs()).sum();
        let f = if l1_norm > 0.0 {
            dot(&r, &r) / l1_norm
        } else {
            0.0
        };
        let mean: Vec<f64> = self
            .quantizer
            .mean()
            .iter()
            .map(|&x| f64::from(x))
            .collect();
        let t = dot(&mean, &r) + PULL * (dot(&c, &r) - f * dot(&c, &s));
        let along = dot(&self.quantized_query(), &s);
        let score = f64::from(first) + f * along + t;
        let head = level.heads[cell];
        let rounded = f64::from(head.rescale_step) * along.abs() + f64::from(head.offset_step);
        let size = f64::from(first).abs() + (f * along).abs() + t.abs();
        (score, 0.51 * rounded + 1e-6 * size)
    }

    /// `q'` in 4 bits a dimension, read back from the lookup tables.
    fn quantized_query(&self) -> Vec<f64> {
        let half_step = f64::from(self.query.scale_of(1.0, 0.0, 0.0).rescale);
        let (tables, _) = self.query.tables.as_chunks::<16>();
        let level = |table: &[u8; 16], bit: usize| {
            // Setting the bit replaces the level `u` by `15 - u`.
            let change = f64::from(table[1 << bit]) - f64::from(table[0]);
            (15.0 - change) / 2.0
        };
        let levels = tables
            .iter()
            .flat_map(|table| (0..4).map(move |bit| level(table, bit)));
        levels.map(|u| (2.0 * u - 15.0) * half_step).collect()
    }
}

fn bitmap(len: usize, admit: impl Fn(usize) -> bool) -> Vec<u64> {
    let mut words = vec![0; len.div_ceil(64)];
    for id in (0..len).filter(|&id| admit(id)) {
        words[id / 64] |= 1 << (id % 64);
    }
    words
}

fn stored(cells: &Cells) -> Vec<u8> {
    let mut writer = Writer::new();
    cells.write(&mut writer);
    writer.into_bytes()
}

/// The cells of every member of a level.
fn cells_of_members(level: &Level, code_dim: usize) -> BTreeMap<u32, Vec<usize>> {
    let mut found: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for cell in 0..level.len() {
        let blocks = level.cell(code_dim, cell as u32).expect("a cell");
        for id in blocks
            .chunks_exact(listed_block_len(code_dim))
            .flat_map(ids)
        {
            if id != NO_ROW {
                found.entry(id).or_default().push(cell);
            }
        }
    }
    found
}

fn sorted_ids(candidates: &[Candidate]) -> Vec<u32> {
    let mut ids: Vec<u32> = candidates.iter().map(|found| found.id).collect();
    ids.sort_unstable();
    ids
}

/// What holds for any cells.
fn check(sample: &Sample, cells: &Cells, copies: usize) {
    assert_eq!(cells.len(), sample.count);
    assert_eq!(
        cells.levels.last().map_or(1, Level::len),
        1,
        "a single cell on top"
    );
    for (at, level) in cells.levels.iter().enumerate() {
        let holding = cells_of_members(level, cells.code_dim);
        assert_eq!(
            holding.len(),
            level.members,
            "level {at} holds every member"
        );
        let copies = if at == 0 { copies } else { 2 }.min(level.len());
        for (id, cells) in holding {
            assert_eq!(
                BTreeSet::from_iter(&cells).len(),
                copies,
                "member {id} of level {at}"
            );
            assert_eq!(cells.len(), copies, "member {id} of level {at}");
        }
    }
    let parsed = Cells::parse(&stored(cells), sample.count, &sample.quantizer).expect("cells");
    assert!(parsed == *cells, "what is read is what was written");

    let found = sample.search(cells, ALL, None);
    assert!(
        found.windows(2).all(|pair| pair[0].key() > pair[1].key()),
        "best first"
    );
    let every: Vec<u32> = (0..sample.count as u32).collect();
    assert_eq!(sorted_ids(&found), every, "every row once");

    let Some(rows) = cells.levels.first() else {
        return;
    };
    let holding = cells_of_members(rows, cells.code_dim);
    for Candidate { id, score } in found {
        let near = holding[&id].iter().any(|&cell| {
            let (expected, error) = sample.score(cells, cell, id as usize);
            (f64::from(score) - expected).abs() <= error
        });
        assert!(near, "row {id}: {score}");
    }
    let estimates = sample.estimate(cells);
    assert_eq!(sorted_ids(&estimates), every);
    for Candidate { id, score } in estimates {
        let block = cells.places[id as usize] / BLOCK_ROWS as u32;
        let cell = (0..rows.len())
            .find(|&cell| (rows.starts[cell]..rows.starts[cell + 1]).contains(&block))
            .expect("a cell");
        let (expected, error) = sample.score(cells, cell, id as usize);
        assert!(
            (f64::from(score) - expected).abs() <= error,
            "row {id}: {score}, {expected}"
        );
    }
}

fn metrics() -> impl Strategy<Value = Metric> {
    proptest::prop_oneof![
        proptest::strategy::Just(Metric::Cosine),
        proptest::strategy::Just(Metric::Dot)
    ]
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(60))]
    #[test]
    fn any_cells_hold_every_row_and_score_it_by_the_formulas(
        metric in metrics(),
        dim in 1usize..200,
        count in 0usize..400,
        distinct in 1usize..400,
        rows_per_cell in 2usize..40,
        copies in 1usize..=4,
        seed in 0u64..9,
        top in 1usize..100,
    ) {
        let sample = Sample::new(metric, dim, count, distinct);
        let params = CellParams { rows_per_cell, copies, top: usize::MAX, seed };
        check(&sample, &sample.build_below(top, params, &Serial), copies);
    }

    #[test]
    fn any_filter_admits_what_it_admits(
        count in 1usize..500,
        copies in 1usize..=3,
        one_in in proptest::prop_oneof![1u64..4, 20u64..200, proptest::strategy::Just(u64::MAX)],
        nprobe in 0usize..40,
        patience in 0usize..40,
        candidates in 0usize..600,
        words in 0usize..10,
    ) {
        let sample = Sample::new(Metric::Cosine, 64, count, count);
        let params = CellParams { rows_per_cell: 8, copies, top: usize::MAX, seed: 0 };
        let cells = sample.build_below(1, params, &Serial);
        let mut random = SplitMix64::new(one_in);
        let drawn: Vec<bool> = (0..count).map(|_| random.below(one_in) == 0).collect();
        // Shorter than the rows, or longer with bits that are no row's.
        let mut allowed = bitmap(count, |id| drawn[id]);
        allowed.resize(words, u64::MAX);
        let admitted: Vec<u32> = (0..count.min(64 * words) as u32)
            .filter(|&id| allowed[id as usize / 64] >> (id % 64) & 1 == 1)
            .collect();

        let probe = Probe { patience, nprobe, candidates };
        let found = sample.search(&cells, probe, Some(&allowed));
        let ids = sorted_ids(&found);
        proptest::prop_assert!(found.len() <= candidates);
        proptest::prop_assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", ids);
        proptest::prop_assert!(ids.iter().all(|id| admitted.contains(id)), "{:?}", ids);

        let found = sample.search(&cells, ALL, Some(&allowed));
        proptest::prop_assert_eq!(sorted_ids(&found), admitted);
    }
}

#[test]
fn a_search_that_stops_early_returns_the_front_of_what_it_scanned() {
    let sample = Sample::new(Metric::Cosine, 100, 1000, 1000);
    let cells = sample.build(CellParams {
        rows_per_cell: 16,
        copies: 1,
        top: usize::MAX,
        seed: 1,
    });
    let all: BTreeMap<u32, u32> = sample
        .search(&cells, ALL, None)
        .into_iter()
        .map(|found| (found.id, found.score.to_bits()))
        .collect();
    let mut last = 0;
    for nprobe in [1, 2, 8, 32, cells.cell_count()] {
        let probe = Probe {
            nprobe,
            candidates: 1000,
            ..ALL
        };
        let wide = sample.search(&cells, probe, None);
        assert!(wide.len() > last, "more cells hold more rows");
        last = wide.len();
        for found in &wide {
            assert_eq!(all[&found.id], found.score.to_bits(), "one cell, one score");
        }
        let few = sample.search(
            &cells,
            Probe {
                candidates: 5,
                ..probe
            },
            None,
        );
        assert_eq!(few, wide[..5]);
    }
    assert_eq!(last, 1000);
}

#[test]
fn estimates_have_the_bits_of_a_search_where_a_row_has_one_cell() {
    for metric in [Metric::Cosine, Metric::Dot] {
        let sample = Sample::new(metric, 130, 700, 300);
        let cells = sample.build(CellParams {
            rows_per_cell: 20,
            copies: 1,
            top: usize::MAX,
            seed: 2,
        });
        let mut found = sample.search(&cells, ALL, None);
        found.sort_unstable_by_key(|found| found.id);
        assert_eq!(found, sample.estimate(&cells));
    }
}

#[test]
fn the_few_rows_a_filter_admits_are_all_returned_by_a_search_of_two_cells() {
    let sample = Sample::new(Metric::Cosine, 64, 2000, 2000);
    let cells = sample.build(CellParams::with_copies(2));
    let estimates = sample.estimate(&cells);
    for every in [200, 500, 1999] {
        let allowed = bitmap(2000, |id| id % every == every - 1);
        let found = sample.search(&cells, LITTLE, Some(&allowed));
        let mut expected: Vec<Candidate> = estimates
            .iter()
            .filter(|row| row.id as usize % every == every - 1)
            .copied()
            .collect();
        expected.sort_by_key(|row| std::cmp::Reverse(row.key()));
        assert_eq!(found, expected, "one in {every}");
    }
}

#[test]
fn searches_share_memory_without_traces() {
    let (small, large) = (
        Sample::new(Metric::Cosine, 64, 90, 90),
        Sample::new(Metric::Cosine, 64, 900, 900),
    );
    let params = CellParams {
        rows_per_cell: 5,
        copies: 2,
        top: usize::MAX,
        seed: 0,
    };
    let (few, many) = (small.build(params), large.build_below(1, params, &Serial));
    let mut scratch = CellScratch::new();
    for round in 0..300 {
        let (sample, cells) = if round % 3 == 0 {
            (&small, &few)
        } else {
            (&large, &many)
        };
        let found = cells.search(&sample.query, &LITTLE, None, &mut scratch);
        assert_eq!(found, sample.search(cells, LITTLE, None), "round {round}");
    }
    assert!(scratch.blocks() > 300);
}

/// Runs tasks from the last to the first.
struct Backwards;

impl Executor for Backwards {
    fn map<T, F>(&self, count: usize, task: F) -> Vec<T>
    where
        T: Send,
        F: Fn(usize) -> T + Send + Sync,
    {
        let mut results: Vec<T> = (0..count).rev().map(task).collect();
        results.reverse();
        results
    }
}

/// Runs every so many tasks on a thread of their own.
struct Interleaved(usize);

impl Executor for Interleaved {
    fn map<T, F>(&self, count: usize, task: F) -> Vec<T>
    where
        T: Send,
        F: Fn(usize) -> T + Send + Sync,
    {
        let task = &task;
        std::thread::scope(|scope| {
            let start = |first: usize| {
                let tasks = (first..count).step_by(self.0);
                scope.spawn(move || tasks.map(|at| (at, task(at))).collect::<Vec<(usize, T)>>())
            };
            let threads: Vec<_> = (0..self.0).map(start).collect();
            let mut results: Vec<(usize, T)> = threads
                .into_iter()
                .flat_map(|thread| thread.join().expect("a task panicked"))
                .collect();
            results.sort_by_key(|&(at, _)| at);
            results.into_iter().map(|(_, result)| result).collect()
        })
    }
}

#[test]
fn cells_do_not_depend_on_who_builds_them() {
    let sample = Sample::new(Metric::Cosine, 70, 1500, 1400);
    let params = CellParams {
        rows_per_cell: 6,
        copies: 3,
        top: usize::MAX,
        seed: 7,
    };
    let serial = sample.build_below(4, params, &Serial);
    assert_eq!(serial.levels.len(), 3);
    assert!(sample.build_below(4, params, &Backwards) == serial);
    assert!(sample.build_below(4, params, &Interleaved(3)) == serial);
    let other = CellParams { seed: 8, ..params };
    assert!(
        sample.build_below(4, other, &Serial) != serial,
        "the seed is used"
    );
}

/// More cells than are compared with every row, and more than one cell holds.
#[test]
fn many_cells_are_found_in_groups_and_reached_over_three_levels() {
    for distinct in [8400, 30, 1] {
        let sample = Sample::new(Metric::Cosine, 64, 8400, distinct);
        let params = CellParams {
            rows_per_cell: 2,
            copies: 2,
            top: 4096,
            seed: 0,
        };
        let (codes, quantizer) = (&sample.codes, &sample.quantizer);
        let mut steps = Vec::new();
        let cells = build(
            codes,
            quantizer,
            &params,
            &Interleaved(2),
            &mut |done, all| {
                steps.push((done, all));
            },
        );
        let cells = cells.expect("cells");
        assert_eq!((cells.levels.len(), cells.cell_count()), (3, 4200));
        assert!(
            steps
                .iter()
                .zip(1..)
                .all(|(&(done, all), at)| done == at && at <= all)
        );
        assert_eq!(steps.last().map(|&(done, all)| done == all), Some(true));
        check(&sample, &cells, 2);
    }
}

#[test]
fn few_and_equal_rows_have_cells_too() {
    for (count, distinct) in [
        (0, 1),
        (1, 1),
        (2, 1),
        (49, 49),
        (50, 50),
        (51, 51),
        (500, 1),
    ] {
        for metric in [Metric::Cosine, Metric::Dot] {
            for copies in 1..=4 {
                let sample = Sample::new(metric, 64, count, distinct);
                let cells = sample.build(CellParams::with_copies(copies));
                assert_eq!(cells.is_empty(), count == 0);
                check(&sample, &cells, copies);
            }
        }
    }
    let none = Sample::new(Metric::Cosine, 64, 0, 1);
    let cells = none.build(CellParams::default());
    assert_eq!(none.search(&cells, ALL, Some(&[u64::MAX])), []);
    assert_eq!(cells.cell_count(), 0);
}

#[test]
fn query_of_another_dimension_finds_nothing() {
    let (small, large) = (
        Sample::new(Metric::Cosine, 64, 200, 200),
        Sample::new(Metric::Cosine, 128, 200, 200),
    );
    let cells = small.build(CellParams::default());
    for allowed in [None, Some(&[u64::MAX][..])] {
        assert_eq!(large.search(&cells, ALL, allowed), []);
    }
    assert_eq!(large.estimate(&cells), []);
}

#[test]
fn damaged_bytes_give_an_error_or_cells_that_can_be_searched() {
    let sample = Sample::new(Metric::Dot, 64, 40, 40);
    let params = CellParams {
        rows_per_cell: 10,
        copies: 2,
        top: usize::MAX,
        seed: 0,
    };
    let bytes = stored(&sample.build_below(1, params, &Serial));
    let parse = |bytes: &[u8], rows| Cells::parse(bytes, rows, &sample.quantizer);
    assert!(parse(&bytes, 40).is_ok());
    for len in 0..bytes.len() {
        assert!(parse(&bytes[..len], 40).is_err(), "{len} bytes");
    }
    assert!(parse(&[&bytes[..], &[0]].concat(), 40).is_err());
    for rows in [0, 1, 39, 41, usize::MAX] {
        assert!(parse(&bytes, rows).is_err(), "{rows} rows");
    }
    let (mut scratch, few) = (CellScratch::new(), bitmap(40, |id| id % 13 == 0));
    let (mut refused, mut read) = (0, 0);
    for at in 0..bytes.len() {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let Ok(cells) = parse(&bytes, 40) else {
                refused += 1;
                continue;
            };
            read += 1;
            for (probe, allowed) in [(ALL, None), (LITTLE, None), (LITTLE, Some(&few[..]))] {
                let found = cells.search(&sample.query, &probe, allowed, &mut scratch);
                let ids = sorted_ids(&found);
                assert!(ids.iter().all(|&id| id < 40), "byte {at}, {flip}: {ids:?}");
                assert!(
                    ids.windows(2).all(|pair| pair[0] < pair[1]),
                    "byte {at}, {flip}"
                );
            }
            cells.estimate(&sample.query, 0..40, |found| assert!(found.id < 40));
        }
    }
    assert!(refused > 0 && read > 0, "{refused} refused, {read} read");
}

#[test]
fn parameters_and_lengths_out_of_range_are_errors() {
    let sample = Sample::new(Metric::Cosine, 64, 5, 5);
    let build = |codes: &[i8], params: CellParams| {
        build(codes, &sample.quantizer, &params, &Serial, &mut |_, _| {}).map(|cells| cells.len())
    };
    let good = CellParams::default();
    let bad = [
        CellParams {
            rows_per_cell: 1,
            ..good
        },
        CellParams { copies: 0, ..good },
        CellParams { copies: 5, ..good },
    ];
    for params in bad {
        assert_eq!(
            build(&sample.codes, params),
            Err(CellsError::BadParams(params))
        );
    }
    let error = CellsError::PartialRow {
        len: 319,
        code_dim: 64,
    };
    assert_eq!(build(&sample.codes[1..], good), Err(error));
    assert_eq!(build(&sample.codes, good), Ok(5));
}

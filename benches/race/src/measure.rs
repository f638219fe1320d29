//! Times single queries: one pass over all of them, sweeps of settings, and the choice among those.
//!
//! The method is that of the peers' programs: all settings once, then for each target three passes
//! over all queries with the cheapest setting that reaches it; of every percentile the lowest of the
//! three passes counts.

use std::error::Error;
use std::hint::black_box;
use std::time::Duration;
use std::time::Instant;

use crate::data::Matrix;
use crate::engine::Index;
use crate::engine::Setting;

const PASSES: usize = 3;
const WARM_UP: usize = 50;

/// Passes are repeated while all of them take less than this: walks under a filter that admits next
/// to nothing visit the whole graph.
const PATIENCE: Duration = Duration::from_secs(20);

/// Settings past this recall are too dear for every target.
const ENOUGH: f64 = 0.995;

/// A series of settings ends when two steps in a row gain less recall than this.
const SATURATED: f64 = 0.001;

/// A series starts where the one before it reached this recall: less is of no use to anybody, and
/// more candidates do not make up for what was not looked at.
const USEFUL: f64 = 0.9;

/// Queries and their exact answers, under a filter or without.
#[derive(Debug, Clone, Copy)]
pub struct Task<'a> {
    pub queries: &'a Matrix<f32>,
    /// Nearest rows of each query; of fewer queries, if there are fewer answers.
    pub truth: &'a [Vec<u32>],
    pub allowed: Option<&'a [u64]>,
}

/// What one pass over all queries measured.
struct Pass {
    recall: f64,
    /// Times of the queries, ascending.
    times: Vec<Duration>,
    /// Time of the pass without keeping its books.
    total: Duration,
}

impl Pass {
    fn run(task: Task<'_>, index: &mut Index, setting: Setting) -> Result<Self, Box<dyn Error>> {
        let mut times = Vec::new();
        let (mut right, mut wanted) = (0, 0);
        for (query, truth) in task.queries.iter().zip(task.truth) {
            let start = Instant::now();
            let hits = black_box(index.search(black_box(query), setting, task.allowed)?);
            times.push(start.elapsed());
            right += hits.iter().filter(|hit| truth.contains(&hit.id)).count();
            wanted += truth.len();
        }
        if wanted == 0 {
            return Err("there is no query with an exact answer".into());
        }
        let total = times.iter().sum();
        times.sort_unstable();
        Ok(Self {
            recall: right as f64 / wanted as f64,
            times,
            total,
        })
    }

    fn percentile_us(&self, percent: usize) -> f64 {
        let at = (self.times.len() * percent / 100).min(self.times.len() - 1);
        self.times[at].as_secs_f64() * 1e6
    }
}

/// One setting, measured in several passes.
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    pub recall: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    /// Queries per second of one thread.
    pub qps: f64,
}

/// Measures one setting: of each figure the best of the passes.
pub fn time(task: Task<'_>, index: &mut Index, setting: Setting) -> Result<Timing, Box<dyn Error>> {
    let start = Instant::now();
    let mut passes: Vec<Pass> = Vec::new();
    while passes.is_empty() || passes.len() < PASSES && start.elapsed() < PATIENCE {
        passes.push(Pass::run(task, index, setting)?);
    }
    let lowest = |figure: &dyn Fn(&Pass) -> f64| passes.iter().map(figure).fold(f64::MAX, f64::min);
    let seconds = lowest(&|pass| pass.total.as_secs_f64());
    Ok(Timing {
        recall: passes[0].recall,
        p50_us: round(lowest(&|pass| pass.percentile_us(50))),
        p99_us: round(lowest(&|pass| pass.percentile_us(99))),
        qps: (passes[0].times.len() as f64 / seconds).round(),
    })
}

/// A setting with what one pass of it gave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tried {
    pub setting: Setting,
    pub recall: f64,
    pub p50_us: f64,
}

/// Tries the settings of an engine once, but for those that cannot be chosen.
pub fn sweep(task: Task<'_>, index: &mut Index) -> Result<Vec<Tried>, Box<dyn Error>> {
    let mut tried = Vec::new();
    let mut useless = 0;
    for series in index.engine.settings() {
        let mut recalls: Vec<f64> = Vec::new();
        for &setting in &series[useless..] {
            for query in task.queries.iter().take(WARM_UP) {
                black_box(index.search(query, setting, task.allowed)?);
            }
            let pass = Pass::run(task, index, setting)?;
            recalls.push(pass.recall);
            tried.push(Tried {
                setting,
                recall: pass.recall,
                p50_us: pass.percentile_us(50),
            });
            if is_done(&recalls) {
                break;
            }
        }
        useless += recalls
            .iter()
            .take_while(|recall| **recall < USEFUL)
            .count();
    }
    Ok(tried)
}

/// Whether a series that gave these recalls is not worth going on with.
fn is_done(recalls: &[f64]) -> bool {
    match *recalls {
        [.., last] if last >= ENOUGH => true,
        [.., third, second, last] => last - second < SATURATED && second - third < SATURATED,
        _ => false,
    }
}

/// The setting with the lowest median among those that reach `target`, else the one of the highest
/// recall.
pub fn cheapest(tried: &[Tried], target: f64) -> Option<Tried> {
    let reaching = tried.iter().filter(|tried| tried.recall >= target);
    let best = || tried.iter().max_by(|a, b| a.recall.total_cmp(&b.recall));
    let cheapest = reaching.min_by(|a, b| a.p50_us.total_cmp(&b.p50_us));
    cheapest.or_else(best).copied()
}

/// The settings that no other beats in recall and time (the Pareto front), by rising recall.
pub fn front(tried: &[Tried]) -> Vec<Tried> {
    let mut tried = tried.to_vec();
    tried.sort_by(|a, b| {
        a.p50_us
            .total_cmp(&b.p50_us)
            .then(b.recall.total_cmp(&a.recall))
    });
    let mut highest = 0.0;
    tried.retain(|tried| {
        let better = tried.recall > highest;
        highest = tried.recall.max(highest);
        better
    });
    tried
}

/// To two decimals, as records keep them.
pub fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// A recall to five decimals: exact for the 20,000 answers of 2,000 queries.
pub fn recall_digits(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
}

#[cfg(test)]
mod tests {
    use super::Tried;
    use super::cheapest;
    use super::front;
    use super::is_done;
    use crate::engine::Setting;

    fn tried(ef_search: usize, recall: f64, p50_us: f64) -> Tried {
        let setting = Setting::Hnsw { ef_search };
        Tried {
            setting,
            recall,
            p50_us,
        }
    }

    #[test]
    fn cheapest_takes_the_fastest_that_reaches_the_target_or_the_best_there_is() {
        let all = [
            tried(1, 0.9, 5.0),
            tried(2, 0.96, 30.0),
            tried(3, 0.97, 20.0),
        ];
        assert_eq!(cheapest(&all, 0.95), Some(all[2]));
        assert_eq!(cheapest(&all, 0.98), Some(all[2]));
        assert_eq!(cheapest(&all, 0.8), Some(all[0]));
        assert_eq!(cheapest(&[], 0.8), None);
    }

    #[test]
    fn series_ends_at_the_highest_recall_or_after_two_idle_steps() {
        for (recalls, done) in [
            (&[0.9, 0.995][..], true),
            (&[0.9, 0.9004, 0.9008], true),
            (&[0.9, 0.9004], false),
            (&[0.9, 0.9004, 0.92], false),
            (&[0.9, 0.92, 0.9204], false),
            (&[], false),
        ] {
            assert_eq!(is_done(recalls), done, "{recalls:?}");
        }
    }

    #[test]
    fn front_leaves_out_what_another_beats() {
        let all = [
            tried(1, 0.9, 5.0),
            tried(2, 0.96, 30.0),
            tried(3, 0.97, 20.0),
            tried(4, 0.97, 25.0),
            tried(5, 0.99, 90.0),
        ];
        assert_eq!(front(&all), [all[0], all[2], all[4]]);
    }
}

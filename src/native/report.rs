//! What a long command tells while it runs, and the summary at its end.
//!
//! Progress goes to standard error, results to standard output, so that pipes stay clean. A bar is
//! drawn only on a terminal; otherwise each stage leaves one plain line; `--quiet` and `--json`
//! leave nothing.

use std::fmt;
use std::io;
use std::io::IsTerminal;
use std::io::Write;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use indicatif::ProgressBar;
use indicatif::ProgressDrawTarget;
use indicatif::ProgressStyle;
use serde::Serialize;
use serde::Serializer;

/// How much a command tells while it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// Bars on a terminal, one line per stage elsewhere.
    Normal,
    /// Nothing but errors.
    Quiet,
}

/// Times the stages of a command and shows their progress.
#[derive(Debug)]
pub struct Reporter {
    verbosity: Verbosity,
    is_terminal: bool,
    finished: Mutex<Vec<StageTime>>,
}

/// Wall-clock time of one stage.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageTime {
    /// Name of the stage, as it was shown.
    pub stage: String,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// One running stage; it ends, and its time is recorded, when it is dropped.
#[derive(Debug)]
pub struct Stage<'a> {
    name: &'static str,
    bar: ProgressBar,
    started: Instant,
    reporter: Option<&'a Reporter>,
}

impl Reporter {
    /// Draws bars where standard error is a terminal.
    #[must_use]
    pub fn new(verbosity: Verbosity) -> Self {
        Self {
            verbosity,
            is_terminal: io::stderr().is_terminal(),
            finished: Mutex::new(Vec::new()),
        }
    }

    /// Starts a stage of `total` steps; 0 means that the number of steps is not known yet.
    #[must_use]
    pub fn stage(&self, name: &'static str, total: u64) -> Stage<'_> {
        let draws = self.is_terminal && self.verbosity == Verbosity::Normal;
        let target = if draws {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        if draws {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        let stage = Stage {
            name,
            bar,
            started: Instant::now(),
            reporter: Some(self),
        };
        stage.set_total(total);
        stage
    }

    /// The stages that have ended, in the order in which they did.
    #[must_use]
    pub fn stage_times(&self) -> Vec<StageTime> {
        self.times().clone()
    }

    fn times(&self) -> MutexGuard<'_, Vec<StageTime>> {
        self.finished.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage<'_> {
    /// A stage that shows nothing and records nothing.
    #[must_use]
    pub fn hidden() -> Stage<'static> {
        Stage {
            name: "",
            bar: ProgressBar::hidden(),
            started: Instant::now(),
            reporter: None,
        }
    }

    /// Says how many steps there are in all; 0 shows a spinner with a count.
    pub fn set_total(&self, total: u64) {
        let template = if total == 0 {
            "{spinner} {prefix:<12} {human_pos}  {elapsed}"
        } else {
            "{spinner} {prefix:<12} [{bar:30}] {human_pos}/{human_len}  {elapsed}, {eta} left"
        };
        self.bar.set_style(
            ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar())
                .progress_chars("=> "),
        );
        self.bar.set_prefix(self.name);
        if total > 0 {
            self.bar.set_length(total);
        }
    }

    /// Counts `steps` as done. May be called from any thread.
    pub fn advance(&self, steps: u64) {
        self.bar.inc(steps);
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        let Some(reporter) = self.reporter else {
            return;
        };
        let seconds = self.started.elapsed().as_secs_f64();
        self.bar.finish_and_clear();
        if reporter.verbosity == Verbosity::Normal {
            // A closed standard error is no reason to stop.
            let _ = writeln!(io::stderr(), "{:<12} {seconds:8.2} s", self.name);
        }
        reporter.times().push(StageTime {
            stage: self.name.to_owned(),
            seconds,
        });
    }
}

fn as_map<S: Serializer>(sections: &[(&'static str, u64)], to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(sections.iter().copied())
}

/// What a cold query is predicted to read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct QueryBudget {
    /// Mean bytes of the index on the wire; code is the same for every index.
    pub mean_bytes: u64,
    /// The same for the 95th percentile.
    pub p95_bytes: u64,
    /// Most bytes.
    pub max_bytes: u64,
    /// Serial round trips.
    pub round_trips: u32,
    /// Mean bytes by section of the index, most first.
    #[serde(serialize_with = "as_map")]
    pub sections: Vec<(&'static str, u64)>,
}

/// How searches by meaning are set, and what they find.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recall {
    /// What finds candidates: scan, cells or graph.
    pub access: &'static str,
    /// Recall@10 asked for.
    pub target: f64,
    /// Recall@10 measured.
    pub measured: f64,
    /// Recall@10 of searches that read the cells they need, where there are cells.
    pub cold: Option<f64>,
    /// Queries of the sample.
    pub queries: u64,
    /// Whether what was asked for is reached.
    pub is_reached: bool,
}

impl fmt::Display for Recall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            access,
            target,
            measured,
            cold,
            queries,
            ..
        } = self;
        write!(
            f,
            "recall   {measured:.3} of the true 10 nearest ({access}, over {queries} queries)"
        )?;
        if let Some(cold) = cold {
            write!(f, "; {cold:.3} by searches that read a few cells")?;
        }
        if !self.is_reached {
            write!(
                f,
                "\nwarning: this is below the {target} asked for, with the widest search there is; \
                 ask for less with --recall, search all codes with --vectors scan, or take an \
                 embedder with more dimensions"
            )?;
        }
        Ok(())
    }
}

/// An input that was left out, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// `path` or `path:line`.
    pub place: String,
    /// Why.
    pub reason: String,
}

/// Closing summary of `coracle build`.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Documents in the index.
    pub documents: u64,
    /// Chunks in the index.
    pub chunks: u64,
    /// Input bytes read.
    pub bytes_in: u64,
    /// Files written.
    pub files: u64,
    /// Bytes written.
    pub bytes_out: u64,
    /// What readers check the index with, if it was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Wall-clock seconds of the whole command.
    pub seconds: f64,
    /// Seconds of each stage.
    pub stages: Vec<StageTime>,
    /// Largest resident set of this process in bytes, where the system tells it.
    pub peak_memory_bytes: Option<u64>,
    /// What searches by meaning find, if there are vectors.
    pub recall: Option<Recall>,
    /// Predicted cost of a cold query, once the index is written.
    pub cold_query: Option<QueryBudget>,
    /// Inputs that were left out.
    pub quarantined: Vec<LeftOut>,
}

/// Quarantined inputs that the human summary names one by one; `--json` has them all.
const SHOWN_QUARANTINED: usize = 20;

impl Summary {
    /// The summary as one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = indicatif::HumanCount;
        let bytes = |n: u64| indicatif::DecimalBytes(n).to_string();
        writeln!(
            f,
            "indexed  {} documents, {} chunks ({} read)",
            count(self.documents),
            count(self.chunks),
            bytes(self.bytes_in)
        )?;
        writeln!(
            f,
            "wrote    {} files, {}",
            count(self.files),
            bytes(self.bytes_out)
        )?;
        if let Some(key) = &self.public_key {
            writeln!(f, "signed   public key {key}")?;
        }
        write!(f, "took     {:.1} s", self.seconds)?;
        if let Some(peak) = self.peak_memory_bytes {
            write!(f, ", {} peak memory", bytes(peak))?;
        }
        writeln!(f)?;
        for StageTime { stage, seconds } in &self.stages {
            writeln!(f, "         {stage:<12} {seconds:8.2} s")?;
        }
        if let Some(recall) = &self.recall {
            writeln!(f, "{recall}")?;
        }
        if let Some(query) = &self.cold_query {
            writeln!(
                f,
                "a cold query reads about {} of the index ({} for the slowest 5 %, {} at most) in {} round trips",
                bytes(query.mean_bytes),
                bytes(query.p95_bytes),
                bytes(query.max_bytes),
                query.round_trips
            )?;
            for (section, mean) in &query.sections {
                writeln!(f, "         {section:<12} {:>10}", bytes(*mean))?;
            }
        }
        if !self.quarantined.is_empty() {
            writeln!(
                f,
                "left out {} inputs:",
                count(self.quarantined.len() as u64)
            )?;
            for LeftOut { place, reason } in self.quarantined.iter().take(SHOWN_QUARANTINED) {
                writeln!(f, "         {place}: {reason}")?;
            }
            let more = self.quarantined.len().saturating_sub(SHOWN_QUARANTINED);
            if more > 0 {
                writeln!(f, "         and {more} more; --json lists them all")?;
            }
        }
        Ok(())
    }
}

/// Largest resident set of this process so far in bytes; `None` where the system does not tell.
#[must_use]
pub fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_recorded_in_the_order_they_end() {
        let reporter = Reporter::new(Verbosity::Quiet);
        let outer = reporter.stage("outer", 2);
        drop(reporter.stage("inner", 0));
        outer.advance(2);
        drop(outer);
        let names: Vec<_> = reporter
            .stage_times()
            .into_iter()
            .map(|t| t.stage)
            .collect();
        assert_eq!(names, ["inner", "outer"]);
    }

    #[test]
    fn summary_names_what_was_left_out_and_parses_as_json() {
        let summary = Summary {
            documents: 3,
            quarantined: vec![LeftOut {
                place: "a.jsonl:7".into(),
                reason: "no text".into(),
            }],
            cold_query: Some(QueryBudget {
                mean_bytes: 1,
                p95_bytes: 2,
                max_bytes: 4,
                round_trips: 3,
                sections: vec![("terms", 1)],
            }),
            ..Summary::default()
        };
        assert!(summary.to_string().contains("a.jsonl:7: no text"));
        let json: serde_json::Value = serde_json::from_str(&summary.to_json()).expect("JSON");
        assert_eq!(json["quarantined"][0]["place"], "a.jsonl:7");
        assert_eq!(json["cold_query"]["round_trips"], 3);
        assert_eq!(json["cold_query"]["sections"]["terms"], 1);
    }

    #[test]
    fn peak_memory_is_plausible_where_it_is_known() {
        if let Some(peak) = peak_memory_bytes() {
            assert!(peak > 100_000);
        }
    }
}

//! Counters of a service that outlives its requests, in Prometheus' text format 0.0.4.

use super::record::Note;
use super::record::hex;
use crate::json::Json;
use alloc::collections::BTreeMap;
use alloc::string::String;
use core::fmt::Write;

/// Content type of the format; scrapers refuse another.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the times of requests, in milliseconds.
const BOUNDS: [u64; 10] = [1, 5, 10, 25, 50, 100, 250, 1000, 5000, 30_000];

/// What happened since the service began.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: BTreeMap<(&'static str, u16), u64>,
    times: BTreeMap<&'static str, Times>,
    answers: BTreeMap<&'static str, u64>,
    caches: BTreeMap<&'static str, u64>,
    degraded: BTreeMap<String, u64>,
    reads: u64,
    bytes: u64,
    tokens: (u64, u64),
    build: Option<u64>,
}

#[derive(Debug, Default)]
struct Times {
    /// Requests that took at most as long as the bound of the same place.
    within: [u64; BOUNDS.len()],
    count: u64,
    millis: u64,
}

impl Metrics {
    /// Counts a request that ended.
    pub fn count(&mut self, note: &Note, status: u16, took: u64) {
        *self.requests.entry((note.route, status)).or_default() += 1;
        let times = self.times.entry(note.route).or_default();
        for (count, bound) in times.within.iter_mut().zip(BOUNDS) {
            *count += u64::from(took <= bound);
        }
        times.count += 1;
        times.millis += took;
        if !note.outcome.is_empty() {
            *self.answers.entry(note.outcome).or_default() += 1;
        }
        if !note.cache.is_empty() {
            *self.caches.entry(note.cache).or_default() += 1;
        }
        for part in &note.degraded {
            let part = part.split(':').next().unwrap_or_default();
            *self.degraded.entry(part.into()).or_default() += 1;
        }
        self.reads += u64::from(note.reads.requests);
        self.bytes += note.reads.bytes;
        self.tokens.0 += note.tokens.0;
        self.tokens.1 += note.tokens.1;
        self.build = note.build.or(self.build);
    }

    /// The text that scrapers read.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) -> core::fmt::Result {
        head(out, "requests_total", "counter", "Requests that ended.")?;
        for ((route, status), count) in &self.requests {
            writeln!(
                out,
                "coracle_requests_total{{route=\"{route}\",status=\"{status}\"}} {count}"
            )?;
        }
        let name = "request_duration_seconds";
        head(out, name, "histogram", "Times of requests to their end.")?;
        for (route, times) in &self.times {
            for (bound, count) in BOUNDS.iter().zip(&times.within) {
                let le = Json::from(*bound as f64 / 1000.0);
                writeln!(
                    out,
                    "coracle_{name}_bucket{{route=\"{route}\",le=\"{le}\"}} {count}"
                )?;
            }
            let Times { count, millis, .. } = times;
            let sum = Json::from(*millis as f64 / 1000.0);
            writeln!(
                out,
                "coracle_{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {count}"
            )?;
            writeln!(out, "coracle_{name}_sum{{route=\"{route}\"}} {sum}")?;
            writeln!(out, "coracle_{name}_count{{route=\"{route}\"}} {count}")?;
        }
        head(
            out,
            "answers_total",
            "counter",
            "Answers by how they ended.",
        )?;
        for (outcome, count) in &self.answers {
            writeln!(
                out,
                "coracle_answers_total{{outcome=\"{outcome}\"}} {count}"
            )?;
        }
        let about = "Answers and embeddings looked for among those kept.";
        head(out, "cache_total", "counter", about)?;
        for (result, count) in &self.caches {
            writeln!(out, "coracle_cache_total{{result=\"{result}\"}} {count}")?;
        }
        head(
            out,
            "degraded_total",
            "counter",
            "Parts that did less than they should.",
        )?;
        for (part, count) in &self.degraded {
            writeln!(out, "coracle_degraded_total{{part=\"{part}\"}} {count}")?;
        }
        head(out, "index_reads_total", "counter", "Reads of index files.")?;
        writeln!(out, "coracle_index_reads_total {}", self.reads)?;
        head(
            out,
            "index_read_bytes_total",
            "counter",
            "Bytes that these brought.",
        )?;
        writeln!(out, "coracle_index_read_bytes_total {}", self.bytes)?;
        head(
            out,
            "tokens_total",
            "counter",
            "Tokens that the chat model took.",
        )?;
        for (direction, count) in [("input", self.tokens.0), ("output", self.tokens.1)] {
            writeln!(
                out,
                "coracle_tokens_total{{direction=\"{direction}\"}} {count}"
            )?;
        }
        if let Some(build) = self.build {
            head(out, "index_info", "gauge", "The index that answers.")?;
            writeln!(out, "coracle_index_info{{build=\"{}\"}} 1", hex(build))?;
        }
        Ok(())
    }
}

fn head(out: &mut String, name: &str, kind: &str, about: &str) -> core::fmt::Result {
    writeln!(out, "# HELP coracle_{name} {about}")?;
    writeln!(out, "# TYPE coracle_{name} {kind}")
}

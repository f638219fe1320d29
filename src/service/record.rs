//! What is written down of a request: one line of JSON, without what was asked or who asked it.
//!
//! What is said of a model's call has the names of OpenTelemetry's conventions for generative AI (1.41):
//! `gen_ai.operation.name` and others, `server.address`, `error.type`. A request that called no model,
//! because what it wants was at hand, says nothing of one.

use super::Host;
use super::Request;
use super::metrics::Metrics;
use crate::answer::Event;
use crate::answer::Outcome;
use crate::answer::Part;
use crate::json::Json;
use crate::provider::chat;
use crate::provider::embeddings;
use crate::store::ReadStats;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Status of a request whose client left before the end, as many proxies write it.
const CLIENT_LEFT: u16 = 499;

/// A model that is called for a request: of an answer that writes it, else the one that embeds.
#[derive(Debug, Clone, Default)]
pub struct ModelCall {
    /// What it does: `chat`, `embeddings`.
    operation: &'static str,
    /// Whose it is.
    provider: &'static str,
    /// Its name; empty where the address names it.
    model: String,
    /// Host of its server, or name of its binding.
    address: String,
    /// Whether it was called indeed.
    is_made: bool,
    /// Stable name of what went wrong; empty if nothing did.
    error: &'static str,
}

impl ModelCall {
    /// Of the model that writes, which may turn out not to be needed.
    pub fn chat(model: &chat::Model) -> Self {
        Self {
            operation: "chat",
            provider: model.provider(),
            model: model.model.clone(),
            address: model.server.host().unwrap_or_default().into(),
            ..Self::default()
        }
    }

    /// Of the model that embeds, and what went wrong with it.
    pub fn embeddings(model: &embeddings::Model, error: &'static str) -> Self {
        Self {
            operation: "embeddings",
            provider: model.provider(),
            model: model.model.clone(),
            address: model.server.host().unwrap_or_default().into(),
            is_made: error != "circuit-open",
            error,
        }
    }

    /// Takes in what an answer's event says of it.
    fn event(&mut self, event: &Event) {
        match event {
            Event::Degraded {
                part: Part::Chat | Part::Condense,
                code,
            } => {
                self.is_made |= *code != "circuit-open";
                self.error = code;
            }
            Event::Error { code, .. } => {
                self.is_made = true;
                self.error = code;
            }
            Event::Usage(_)
            | Event::Done(
                Outcome::Answered | Outcome::Uncited | Outcome::Length | Outcome::Refused,
            ) => self.is_made = true,
            _ => {}
        }
    }
}

/// What is known of a request so far.
#[derive(Debug, Default)]
pub struct Note {
    /// Name of the route.
    pub route: &'static str,
    /// Status that was sent.
    pub status: Option<u16>,
    /// Whether the response was sent to its end.
    pub is_whole: bool,
    /// Stable name of the reason for a refusal.
    pub code: &'static str,
    /// Build of the index that answered.
    pub build: Option<u64>,
    /// Milliseconds by stage.
    pub stages: Vec<(&'static str, u64)>,
    /// What reading the index cost.
    pub reads: ReadStats,
    /// Whether an answer or an embedding was at hand: `hit`, `miss`, `shared` with a request of the same
    /// time, or `similar` where the answer is another question's.
    pub cache: &'static str,
    /// The model that was called.
    pub call: Option<ModelCall>,
    /// Tokens that the chat model read and wrote for this request.
    pub tokens: (u64, u64),
    /// What did less than it should, and why.
    pub degraded: Vec<String>,
    /// How an answer ended.
    pub outcome: &'static str,
    /// UTF-16 units of the question.
    pub query: Option<usize>,
    /// What clients are not told of a failure.
    pub error: String,
}

/// Writes its note down when it is dropped, which is when a request ends in any way.
pub struct Record<'a, H: Host> {
    host: &'a H,
    metrics: &'a RefCell<Metrics>,
    method: String,
    /// Identifier of the request.
    pub id: String,
    trace: Option<String>,
    started: u64,
    note: RefCell<Note>,
}

impl<'a, H: Host> Record<'a, H> {
    /// Of a request that begins.
    pub fn new(host: &'a H, metrics: &'a RefCell<Metrics>, request: &Request) -> Self {
        let given = request.header("x-request-id").filter(|id| is_id(id));
        let trace = request.header("traceparent").filter(|text| is_trace(text));
        Self {
            host,
            metrics,
            method: request.method.chars().take(16).collect(),
            id: given.map_or_else(|| random_id(host), String::from),
            trace: trace.map(String::from),
            started: host.now(),
            note: RefCell::default(),
        }
    }

    /// Writes something into the note.
    pub fn note(&self, write: impl FnOnce(&mut Note)) {
        write(&mut self.note.borrow_mut());
    }

    /// The valid `traceparent` of the request.
    pub fn trace(&self) -> Option<&str> {
        self.trace.as_deref()
    }

    /// Milliseconds since the request began.
    pub fn elapsed(&self) -> u64 {
        self.host.now().saturating_sub(self.started)
    }

    /// Notes how long a stage took that began at `since` after the request.
    pub fn stage(&self, name: &'static str, since: u64) {
        let took = self.elapsed().saturating_sub(since);
        self.note(|note| note.stages.push((name, took)));
    }

    /// Notes what an answer tells.
    pub fn event(&self, event: &Event) {
        let elapsed = self.elapsed();
        self.note(|note| {
            if let Some(call) = &mut note.call {
                call.event(event);
            }
        });
        self.note(|note| match event {
            Event::Sources(_) if !note.stages.iter().any(|(name, _)| *name == "retrieve") => {
                note.stages.push(("retrieve", elapsed));
            }
            Event::Delta(_) if !note.stages.iter().any(|(name, _)| *name == "first_delta") => {
                note.stages.push(("first_delta", elapsed));
            }
            Event::Degraded { part, code } => {
                note.degraded.push(format!("{}: {code}", part.name()));
            }
            // What an answer at hand took was taken by another request.
            Event::Usage(usage) if note.call.is_some() => {
                note.tokens = (usage.input, usage.output);
            }
            Event::Error { code, message } => {
                note.code = code;
                note.error.clone_from(message);
            }
            Event::Done(outcome) => note.outcome = outcome.name(),
            _ => {}
        });
    }

    /// Times of stages and what was read, as the header `server-timing` says it.
    pub fn timing(&self) -> String {
        let note = self.note.borrow();
        let mut parts: Vec<String> = Vec::new();
        for (name, millis) in &note.stages {
            parts.push(format!("{name};dur={millis}"));
        }
        let ReadStats {
            requests, bytes, ..
        } = note.reads;
        parts.push(format!("reads;desc=\"n={requests} b={bytes}\""));
        parts.join(", ")
    }

    fn line(&self) -> String {
        let note = self.note.borrow();
        let mut line: Vec<(&str, Json)> = Vec::from([
            ("time", number(self.host.time())),
            ("id", self.id.as_str().into()),
        ]);
        if let Some(trace) = self.trace() {
            line.push(("traceparent", trace.into()));
        }
        if let Some(build) = note.build {
            line.push(("build", hex(build).into()));
        }
        line.extend([
            ("method", self.method.as_str().into()),
            ("route", note.route.into()),
            ("status", u32::from(status(&note)).into()),
            ("ms", number(self.elapsed())),
        ]);
        if !note.stages.is_empty() {
            let stages = note.stages.iter();
            let stages = stages.map(|&(name, millis)| (name, number(millis)));
            line.push(("stages", Json::object(stages)));
        }
        if note.reads != ReadStats::default() {
            line.extend([
                ("waves", note.reads.waves.into()),
                ("reads", note.reads.requests.into()),
                ("bytes", number(note.reads.bytes)),
                ("cached", note.reads.cached.into()),
            ]);
        }
        for (name, text) in [
            ("cache", note.cache),
            ("outcome", note.outcome),
            ("code", note.code),
            ("error", &note.error),
        ] {
            if !text.is_empty() {
                line.push((name, text.into()));
            }
        }
        if let Some(call) = note.call.as_ref().filter(|call| call.is_made) {
            for (name, text) in [
                ("gen_ai.operation.name", call.operation),
                ("gen_ai.provider.name", call.provider),
                ("gen_ai.request.model", &call.model),
                ("server.address", &call.address),
                ("error.type", call.error),
            ] {
                if !text.is_empty() {
                    line.push((name, text.into()));
                }
            }
        }
        if note.tokens != (0, 0) {
            line.extend([
                ("gen_ai.usage.input_tokens", number(note.tokens.0)),
                ("gen_ai.usage.output_tokens", number(note.tokens.1)),
            ]);
        }
        if !note.degraded.is_empty() {
            let degraded = note.degraded.iter().map(|part| part.as_str().into());
            line.push(("degraded", Json::Array(degraded.collect())));
        }
        if let Some(query) = note.query {
            line.push(("query_length", number(query as u64)));
        }
        Json::object(line).to_string()
    }
}

impl<H: Host> Drop for Record<'_, H> {
    fn drop(&mut self) {
        self.host.log(&self.line());
        let (note, took) = (self.note.borrow(), self.elapsed());
        self.metrics.borrow_mut().count(&note, status(&note), took);
    }
}

fn status(note: &Note) -> u16 {
    match note.status {
        Some(status) if note.is_whole => status,
        _ => CLIENT_LEFT,
    }
}

fn number(of: u64) -> Json {
    (of as f64).into()
}

/// 16 digits.
pub fn hex(number: u64) -> String {
    format!("{number:016x}")
}

/// An identifier by chance.
pub fn random_id(host: &impl Host) -> String {
    let half = || (host.random() * 4_294_967_296.0) as u64;
    hex(half() << 32 | half())
}

fn is_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=64).contains(&id.len()) && id.bytes().all(is_plain)
}

/// Whether a text is a W3C `traceparent` of version 00.
fn is_trace(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = parts[..] else {
        return false;
    };
    let is_hex = |text: &str, len: usize| {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        text.len() == len && text.bytes().all(is_digit)
    };
    let is_some = |text: &str| text.bytes().any(|byte| byte != b'0');
    version == "00"
        && is_hex(trace, 32)
        && is_some(trace)
        && is_hex(span, 16)
        && is_some(span)
        && is_hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::is_id;
    use super::is_trace;

    #[test]
    fn identifiers_of_others_are_taken_if_they_are_plain() {
        assert!(is_id("a1-B.2_c"));
        for id in ["", "a b", "a\"b", "é", &"a".repeat(65)] {
            assert!(!is_id(id), "{id}");
        }
        assert!(is_trace(
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ));
        for text in [
            "",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert!(!is_trace(text), "{text}");
        }
    }
}

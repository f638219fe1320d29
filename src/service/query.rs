//! `/query`: an answer in the service's own words, whole or as a stream of events.

use super::Host;
use super::Reply;
use super::Service;
use super::ask::Collected;
use super::ask::Format;
use super::ask::stream_headers;
use super::conversation::history;
use super::exchange::Exchange;
use super::exchange::Failed;
use super::given::Given;
use super::given::Kind;
use super::given::Parameter;
use super::given::parameter;
use crate::answer::Event;
use crate::answer::Question;
use crate::json::Json;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt::Write;

/// What an answer may be asked.
pub const PARAMETERS: [Parameter; 4] = [
    parameter("question", Kind::Query, "The question."),
    parameter(
        "history",
        Kind::Messages,
        "What was said before, oldest first: messages with `role` (`user` or `assistant`) and `content`.",
    ),
    parameter(
        "filter",
        Kind::Filter,
        "A condition on the metadata of documents that may be cited.",
    ),
    parameter(
        "stream",
        Kind::Flag,
        "Whether events come as they happen; default: whether `accept` names `text/event-stream`.",
    ),
];

impl<H: Host> Service<H> {
    pub(super) async fn query<R: Reply>(
        &self,
        exchange: &mut Exchange<'_, H, R>,
    ) -> Result<(), Failed> {
        let given = Given::from_body(exchange.request, &PARAMETERS)?;
        let question = Question {
            text: given.text("question").into(),
            history: history("history", given.get("history"))?,
            filter: given.filter()?,
        };
        let accept = exchange.request.header("accept").unwrap_or_default();
        let streams = given.get("stream").and_then(Json::as_bool);
        match streams.unwrap_or_else(|| accept.contains("text/event-stream")) {
            true => self.answer(exchange, &question, Stream).await,
            false => {
                let whole = Whole {
                    id: exchange.record.id.clone(),
                    all: Collected::default(),
                };
                self.answer(exchange, &question, whole).await
            }
        }
    }
}

/// Events as they happen: `event: name`, `data: JSON`.
#[derive(Debug, Clone)]
struct Stream;

impl Format for Stream {
    const STREAMS: bool = true;

    fn headers(&self) -> Vec<(&'static str, String)> {
        stream_headers()
    }

    fn event(&mut self, event: &Event, out: &mut String) {
        // Writing to a string cannot fail.
        let _ = write!(
            out,
            "event: {}\ndata: {}\n\n",
            event.name(),
            event.to_json()
        );
    }

    fn end(&mut self, _: &mut String) {}
}

/// One JSON object.
#[derive(Debug, Clone)]
struct Whole {
    id: String,
    all: Collected,
}

impl Format for Whole {
    const STREAMS: bool = false;

    fn headers(&self) -> Vec<(&'static str, String)> {
        Vec::from([("cache-control", "no-store".into())])
    }

    fn event(&mut self, event: &Event, _: &mut String) {
        self.all.take(event);
    }

    fn end(&mut self, out: &mut String) {
        let all = &self.all;
        // Members are those of the events, so that both forms read alike.
        let sources = Event::Sources(all.references.clone()).to_json();
        let sources = sources.get("sources").cloned();
        let citations = all.citations.iter();
        let citations = citations.map(|one| without_type(&Event::Citation(one.clone())));
        let degraded = all.degraded.iter();
        let degraded = degraded.map(|&(part, code)| without_type(&Event::Degraded { part, code }));
        let searches = all.searches.iter().map(|query| query.as_str().into());
        let outcome = all.outcome.map_or("broken", |outcome| outcome.name());
        let mut body: Vec<(&str, Json)> = Vec::from([
            ("id", self.id.as_str().into()),
            ("answer", all.text.as_str().into()),
            ("outcome", outcome.into()),
            ("sources", sources.unwrap_or(Json::Array(Vec::new()))),
            ("citations", Json::Array(citations.collect())),
            ("searches", Json::Array(searches.collect())),
            ("degraded", Json::Array(degraded.collect())),
        ]);
        if let Some(question) = &all.similar {
            body.push(("cached", "similar".into()));
            body.push(("cached_question", question.as_str().into()));
        }
        if let Some(usage) = all.usage {
            body.push(("usage", without_type(&Event::Usage(usage))));
        }
        if let Some((code, message)) = &all.error {
            let message = message.clone();
            body.push(("error", without_type(&Event::Error { code, message })));
        }
        out.push_str(&Json::object(body).to_string());
    }
}

fn without_type(event: &Event) -> Json {
    match event.to_json() {
        Json::Object(mut members) => {
            members.retain(|(name, _)| name != "type");
            Json::Object(members)
        }
        other => other,
    }
}

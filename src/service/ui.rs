//! `/ui`: answers as a UI message stream of the AI SDK, versions 5 and 6.

use super::Host;
use super::Reply;
use super::Service;
use super::ask::Format;
use super::ask::stream_headers;
use super::completions::data;
use super::conversation::question;
use super::exchange::Exchange;
use super::exchange::Failed;
use super::given::Given;
use super::given::Kind;
use super::given::Parameter;
use super::given::object;
use super::given::parameter;
use crate::answer::Event;
use crate::answer::Question;
use crate::json::Json;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

/// What is read of a request; the rest is ignored.
pub const PARAMETERS: [Parameter; 2] = [
    parameter(
        "messages",
        Kind::Messages,
        "The conversation as `useChat` sends it; its last message is the question.",
    ),
    parameter(
        "filter",
        Kind::Filter,
        "A condition on the metadata of documents that may be cited.",
    ),
];

impl<H: Host> Service<H> {
    pub(super) async fn ui<R: Reply>(
        &self,
        exchange: &mut Exchange<'_, H, R>,
    ) -> Result<(), Failed> {
        let mut members = object(&exchange.request.body, &PARAMETERS)?;
        members.retain(|(name, _)| PARAMETERS.iter().any(|known| known.name == name));
        let given = Given::checked(members, &PARAMETERS)?;
        let (text, history) = question("messages", given.get("messages"))?;
        let question = Question {
            text,
            history,
            filter: given.filter()?,
        };
        let format = Parts {
            id: exchange.record.id.clone(),
            state: State::Before,
            sources: 0,
        };
        self.answer(exchange, &question, format).await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing was sent.
    Before,
    /// The message has begun.
    Begun,
    /// Its text has begun.
    Text,
}

/// The parts of a message as they come.
#[derive(Debug, Clone)]
struct Parts {
    id: String,
    state: State,
    /// References sent: those of a further search stand behind them.
    sources: usize,
}

/// Identifier of the only text of a message.
const TEXT: &str = "text-1";

impl Parts {
    fn begin(&mut self, out: &mut String) {
        if self.state == State::Before {
            self.state = State::Begun;
            let id = self.id.as_str().into();
            part(out, "start", [("messageId", id)]);
        }
    }

    fn end_text(&mut self, out: &mut String) {
        self.begin(out);
        if self.state == State::Text {
            self.state = State::Begun;
            part(out, "text-end", [("id", TEXT.into())]);
        }
    }
}

fn part<const N: usize>(out: &mut String, kind: &str, members: [(&str, Json); N]) {
    let all = [("type", Json::from(kind))].into_iter().chain(members);
    data(out, &Json::object(all));
}

impl Format for Parts {
    const STREAMS: bool = true;

    fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = stream_headers();
        headers.push(("x-vercel-ai-ui-message-stream", "v1".into()));
        headers
    }

    fn event(&mut self, event: &Event, out: &mut String) {
        self.begin(out);
        match event {
            Event::Sources(references) => {
                for reference in references.iter().skip(self.sources) {
                    let source = [
                        ("sourceId", reference.number.to_string().into()),
                        ("url", reference.address().into()),
                        ("title", reference.title.as_str().into()),
                    ];
                    part(out, "source-url", source);
                }
                self.sources = self.sources.max(references.len());
            }
            Event::Delta(text) => {
                if self.state != State::Text {
                    self.state = State::Text;
                    part(out, "text-start", [("id", TEXT.into())]);
                }
                let delta = text.as_str().into();
                part(out, "text-delta", [("id", TEXT.into()), ("delta", delta)]);
            }
            // The protocol lets others have parts of their own.
            Event::Citation(_) => part(out, "data-citation", [("data", event.to_json())]),
            Event::Degraded { .. } => part(out, "data-degraded", [("data", event.to_json())]),
            Event::Similar { .. } => part(out, "data-cached", [("data", event.to_json())]),
            // Clients do not keep these in the message, which they send back with the next one.
            Event::Usage(_) => {
                let usage = ("data", event.to_json());
                part(out, "data-usage", [usage, ("transient", true.into())]);
            }
            Event::Search { .. } => {
                let search = ("data", event.to_json());
                part(out, "data-search", [search, ("transient", true.into())]);
            }
            Event::Error { message, .. } => {
                self.end_text(out);
                part(out, "error", [("errorText", message.as_str().into())]);
            }
            Event::Done(_) => {
                self.end_text(out);
                part(out, "data-outcome", [("data", event.to_json())]);
            }
        }
    }

    fn end(&mut self, out: &mut String) {
        self.end_text(out);
        part(out, "finish", []);
        out.push_str("data: [DONE]\n\n");
    }
}

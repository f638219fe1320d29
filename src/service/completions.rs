//! `/v1/chat/completions` and `/v1/models`: answers for clients of OpenAI's API.
//!
//! The last message is the question. The model's name is repeated and decides nothing; neither do
//! instructions, tools or settings that a client sends. References come as the member `sources` and as
//! annotations of the kind `url_citation`, whose places are UTF-16 units of the answer.

use super::Host;
use super::Refusal;
use super::Reply;
use super::Service;
use super::ask::Collected;
use super::ask::Format;
use super::ask::stream_headers;
use super::conversation::question;
use super::exchange::Exchange;
use super::exchange::Failed;
use super::exchange::Response;
use super::exchange::openai_error;
use super::given::Given;
use super::given::Kind;
use super::given::Parameter;
use super::given::object;
use super::given::parameter;
use crate::answer::Event;
use crate::answer::Outcome;
use crate::answer::Question;
use crate::json::Json;
use crate::provider::chat::Usage;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt::Write;

/// The model's name.
const MODEL: &str = "coracle";

/// What is read of a request; the rest is ignored.
pub const PARAMETERS: [Parameter; 5] = [
    parameter(
        "messages",
        Kind::Messages,
        "The conversation; its last message is the question. Messages of the system are ignored.",
    ),
    parameter(
        "model",
        Kind::Text(200),
        "Repeated in the response; decides nothing.",
    ),
    parameter("stream", Kind::Flag, "Whether the answer comes in chunks."),
    parameter(
        "filter",
        Kind::Filter,
        "A condition on the metadata of documents that may be cited.",
    ),
    parameter("n", Kind::Whole(1, 1), "Answers: one."),
];

impl<H: Host> Service<H> {
    pub(super) async fn completions<R: Reply>(
        &self,
        exchange: &mut Exchange<'_, H, R>,
    ) -> Result<(), Failed> {
        let mut members = object(&exchange.request.body, &PARAMETERS)?;
        let options = members.iter().find(|(name, _)| name == "stream_options");
        let options = options.and_then(|(_, options)| options.get("include_usage"));
        let with_usage = options.and_then(Json::as_bool).unwrap_or(false);
        members.retain(|(name, value)| {
            *value != Json::Null && PARAMETERS.iter().any(|known| known.name == name)
        });
        let given = Given::checked(members, &PARAMETERS)?;
        let (text, history) = question("messages", given.get("messages"))?;
        let question = Question {
            text,
            history,
            filter: given.filter()?,
        };
        let model = match given.text("model") {
            "" => MODEL,
            name => name,
        };
        let whole = Whole {
            id: format!("chatcmpl-{}", exchange.record.id),
            created: self.host.time(),
            model: model.into(),
            all: Collected::default(),
        };
        match given.flag("stream") {
            true => {
                let has_begun = false;
                let chunks = Chunks {
                    whole,
                    with_usage,
                    has_begun,
                };
                self.answer(exchange, &question, chunks).await
            }
            false => self.answer(exchange, &question, whole).await,
        }
    }

    pub(super) fn models(&self) -> Response {
        let model = Json::object([
            ("id", MODEL.into()),
            ("object", "model".into()),
            ("created", Json::from(0.0)),
            ("owned_by", MODEL.into()),
        ]);
        let list = [
            ("object", "list".into()),
            ("data", Json::Array(Vec::from([model]))),
        ];
        Response::json(200, &Json::object(list))
    }
}

/// One completion.
#[derive(Debug, Clone)]
struct Whole {
    id: String,
    created: u64,
    model: String,
    all: Collected,
}

impl Whole {
    /// A completion or a chunk with these choices.
    fn object(&self, kind: &str, choices: Vec<Json>) -> Vec<(&'static str, Json)> {
        Vec::from([
            ("id", self.id.as_str().into()),
            ("object", kind.into()),
            ("created", (self.created as f64).into()),
            ("model", self.model.as_str().into()),
            ("choices", Json::Array(choices)),
        ])
    }

    fn finish_reason(&self) -> &'static str {
        match self.all.outcome {
            Some(Outcome::Length) => "length",
            Some(Outcome::Refused) => "content_filter",
            _ => "stop",
        }
    }

    /// The references that are cited.
    fn sources(&self) -> Json {
        let references: Vec<_> = self.all.cited().cloned().collect();
        let sources = Event::Sources(references).to_json();
        sources.get("sources").cloned().unwrap_or(Json::Null)
    }

    fn annotations(&self) -> Json {
        let mut annotations = Vec::new();
        for citation in &self.all.citations {
            for number in &citation.numbers {
                let mut references = self.all.references.iter();
                let Some(found) = references.find(|reference| reference.number == *number) else {
                    continue;
                };
                let place = Json::object([
                    ("start_index", (citation.sentence.start as f64).into()),
                    ("end_index", (citation.sentence.end as f64).into()),
                    ("title", found.title.as_str().into()),
                    ("url", found.address().into()),
                ]);
                annotations.push(Json::object([
                    ("type", "url_citation".into()),
                    ("url_citation", place),
                ]));
            }
        }
        Json::Array(annotations)
    }

    fn failure(&self) -> Option<Json> {
        let (code, message) = self.all.error.as_ref()?;
        Some(openai_error(&Refusal::new(502, code, message.as_str())))
    }
}

fn usage_json(usage: Option<Usage>) -> Json {
    let Usage { input, output } = usage.unwrap_or_default();
    let number = |number: u64| Json::from(number as f64);
    Json::object([
        ("prompt_tokens", number(input)),
        ("completion_tokens", number(output)),
        ("total_tokens", number(input + output)),
    ])
}

impl Format for Whole {
    const STREAMS: bool = false;

    // Clients of this API repeat what failed by its status.
    fn status(&self) -> u16 {
        if self.all.error.is_some() { 502 } else { 200 }
    }

    fn headers(&self) -> Vec<(&'static str, String)> {
        Vec::from([("cache-control", "no-store".into())])
    }

    fn event(&mut self, event: &Event, _: &mut String) {
        self.all.take(event);
    }

    fn end(&mut self, out: &mut String) {
        if let Some(failure) = self.failure() {
            out.push_str(&failure.to_string());
            return;
        }
        let mut message: Vec<(&str, Json)> = Vec::from([
            ("role", "assistant".into()),
            ("content", self.all.text.as_str().into()),
            ("refusal", Json::Null),
            ("annotations", self.annotations()),
            ("sources", self.sources()),
        ]);
        if let Some(question) = &self.all.similar {
            message.push(("cached_question", question.as_str().into()));
        }
        let message = Json::object(message);
        let choice = Json::object([
            ("index", 0.into()),
            ("message", message),
            ("logprobs", Json::Null),
            ("finish_reason", self.finish_reason().into()),
        ]);
        let mut body = self.object("chat.completion", Vec::from([choice]));
        body.push(("usage", usage_json(self.all.usage)));
        out.push_str(&Json::object(body).to_string());
    }
}

/// A completion in chunks.
#[derive(Debug, Clone)]
struct Chunks {
    whole: Whole,
    with_usage: bool,
    has_begun: bool,
}

impl Chunks {
    fn chunk(&self, delta: Json, finish_reason: Json) -> Vec<(&'static str, Json)> {
        let choice = Json::object([
            ("index", 0.into()),
            ("delta", delta),
            ("logprobs", Json::Null),
            ("finish_reason", finish_reason),
        ]);
        self.whole
            .object("chat.completion.chunk", Vec::from([choice]))
    }

    fn begin(&mut self, out: &mut String) {
        if !self.has_begun {
            self.has_begun = true;
            let delta = [("role", "assistant".into()), ("content", "".into())];
            data(
                out,
                &Json::object(self.chunk(Json::object(delta), Json::Null)),
            );
        }
    }
}

/// A line of a stream.
pub fn data(out: &mut String, json: &Json) {
    // Writing to a string cannot fail.
    let _ = write!(out, "data: {json}\n\n");
}

impl Format for Chunks {
    const STREAMS: bool = true;

    fn headers(&self) -> Vec<(&'static str, String)> {
        stream_headers()
    }

    fn event(&mut self, event: &Event, out: &mut String) {
        self.whole.all.take(event);
        match event {
            Event::Sources(_) => self.begin(out),
            Event::Delta(text) => {
                self.begin(out);
                let delta = Json::object([("content", text.as_str().into())]);
                data(out, &Json::object(self.chunk(delta, Json::Null)));
            }
            _ => {}
        }
    }

    fn end(&mut self, out: &mut String) {
        self.begin(out);
        if let Some(failure) = self.whole.failure() {
            data(out, &failure);
        } else {
            let annotations = self.whole.annotations();
            let delta = Json::object([("annotations", annotations)]);
            let mut last = self.chunk(delta, self.whole.finish_reason().into());
            last.push(("sources", self.whole.sources()));
            data(out, &Json::object(last));
            if self.with_usage {
                let mut usage = self.whole.object("chat.completion.chunk", Vec::new());
                usage.push(("usage", usage_json(self.whole.all.usage)));
                data(out, &Json::object(usage));
            }
        }
        out.push_str("data: [DONE]\n\n");
    }
}

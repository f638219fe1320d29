//! Chats: messages into a request, a streamed response into text.
//!
//! | file | speaks to |
//! |---|---|
//! | `completions.rs` | `POST /chat/completions`: OpenAI, Azure, and the many that copied it |
//! | `responses.rs` | `POST /responses`: OpenAI, Azure |
//! | `anthropic.rs` | `POST /messages` |
//! | `ollama.rs` | `POST /api/chat`, lines of JSON |
//! | `workers_ai.rs` | Cloudflare's models, by REST or by a worker's binding |
//!
//! Every request asks for a stream: what is not shown as it comes is collected, and there is one way
//! to read an answer.

mod anthropic;
mod completions;
mod ollama;
mod responses;
mod stream;
mod workers_ai;

#[cfg(test)]
mod tests;

pub use stream::Decoder;

use super::KeyHeader;
use super::Refusal;
use super::Request;
use super::Server;
use super::UrlProblem;
use crate::json::Json;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Whose words a message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Those of whoever runs the service: what to do and what not.
    System,
    /// Those of the person who asks.
    User,
    /// Those of the model.
    Assistant,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whose words they are.
    pub role: Role,
    /// The words.
    pub text: String,
}

/// What kind of server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Api {
    /// OpenAI's chat completions, and what is compatible with them; Azure's v1 as well, and its
    /// deployments with the address up to `/deployments/NAME` and `?api-version=…`.
    #[default]
    Completions,
    /// OpenAI's and Azure's responses.
    Responses,
    /// Anthropic's messages.
    Anthropic,
    /// Ollama's own.
    Ollama,
    /// Cloudflare's `…/accounts/ID/ai/run/MODEL`.
    WorkersAi,
}

/// The field that bounds an answer's tokens; servers refuse the one they do not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenField {
    /// `max_tokens`, which most compatible servers know and reasoning models of OpenAI refuse.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`.
    MaxCompletionTokens,
}

/// A model that answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What it speaks.
    pub api: Api,
    /// Where it is.
    pub server: Server,
    /// The model's name at its server.
    pub model: String,
    /// Most tokens of an answer.
    pub max_tokens: u32,
    /// The field that says so, for chat completions.
    pub token_field: TokenField,
    /// Temperature, 0 to 2; nothing leaves it to the server, as reasoning models demand.
    pub temperature: Option<f64>,
}

impl Model {
    /// The usual settings for a model at an address.
    pub fn new(api: Api, url: &str, model: &str) -> Self {
        let mut server = Server::new(url);
        if api == Api::Anthropic {
            server.key_header = KeyHeader::XApiKey;
        }
        Self {
            api,
            server,
            model: model.into(),
            max_tokens: 1024,
            token_field: TokenField::default(),
            temperature: None,
        }
    }

    /// The request for an answer to `messages`.
    ///
    /// # Errors
    /// [`UrlProblem`].
    pub fn request(&self, messages: &[Message]) -> Result<Request, UrlProblem> {
        let (path, body) = match self.api {
            Api::Completions => completions::request(self, messages),
            Api::Responses => responses::request(self, messages),
            Api::Anthropic => anthropic::request(self, messages),
            Api::Ollama => ollama::request(self, messages),
            Api::WorkersAi => workers_ai::request(self, messages),
        };
        let mut request = self.server.post(&path, &Json::object(body))?;
        if self.api == Api::Anthropic {
            request.headers = &[("anthropic-version", anthropic::VERSION)];
        }
        Ok(request)
    }

    /// The member that sets the temperature, if there is to be one.
    fn temperature(&self) -> Option<(&'static str, Json)> {
        let degrees = self.temperature?;
        Some(("temperature", degrees.into()))
    }

    /// What reads the response to that request.
    pub fn decoder(&self) -> Decoder {
        Decoder::new(self.api)
    }
}

/// What a stream brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// Text of the answer.
    Text(String),
    /// Tokens read and written so far; the last one counts.
    Usage(Usage),
    /// The answer is at its end.
    Stop(Stop),
}

/// Tokens that an answer took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the messages.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

/// Why an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The model said what it had to say.
    Complete,
    /// It reached the most tokens that it may write.
    Length,
    /// It refused, or a filter stopped it.
    Refused,
}

/// Why a stream gave no whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamError {
    /// The server says that something failed, in the middle of a stream.
    Failed(Refusal),
    /// An event is not what the API describes.
    Form {
        /// Its beginning.
        event: String,
    },
    /// A line is too long to be an event.
    TooLong,
    /// The stream ended before the answer did.
    Truncated,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(refusal) => write!(f, "the model's server failed: {refusal}"),
            Self::Form { event } => write!(
                f,
                "the model's server sent {event:?}, which its API does not know; check the address \
                 and the kind of API"
            ),
            Self::TooLong => super::TooLong.fmt(f),
            Self::Truncated => f.write_str("the answer broke off; ask again"),
        }
    }
}

impl core::error::Error for StreamError {}

impl From<super::TooLong> for StreamError {
    fn from(_: super::TooLong) -> Self {
        Self::TooLong
    }
}

/// Members of an object in the order in which they are written.
type Members = Vec<(&'static str, Json)>;

/// `[{"role", "content"}]`, as nearly all servers want messages.
fn messages_json<'a>(messages: impl IntoIterator<Item = &'a Message>) -> Json {
    let message = |message: &Message| {
        let content = message.text.as_str().into();
        Json::object([("role", message.role.name().into()), ("content", content)])
    };
    Json::Array(messages.into_iter().map(message).collect())
}

/// The instructions, and the other messages: for servers that want them apart.
fn split_system(messages: &[Message]) -> (Option<Json>, Json) {
    let (system, others): (Vec<_>, Vec<_>) = messages
        .iter()
        .partition(|message| message.role == Role::System);
    let texts: Vec<&str> = system.iter().map(|message| &*message.text).collect();
    let system = (!texts.is_empty()).then(|| texts.join("\n\n").into());
    (system, messages_json(others))
}

/// The text at the end of a path of members.
fn text_at<'a>(json: &'a Json, path: &[&str]) -> Option<&'a str> {
    path.iter()
        .try_fold(json, |json, name| json.get(name))?
        .as_str()
}

/// The number of tokens that a member gives.
fn tokens(json: &Json, name: &str) -> Option<u64> {
    json.get(name)?.as_u64()
}

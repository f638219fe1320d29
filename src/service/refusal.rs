//! A response that is an error: a status, a stable code for programs, a sentence for people.

use crate::json::Json;
use crate::search::SearchError;
use alloc::format;
use alloc::string::String;

/// Why a request is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// A stable name of the reason.
    pub code: &'static str,
    /// What is wrong and what would be right.
    pub message: String,
    /// Seconds after which asking again may help.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal after which asking again does not help.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// A parameter is not what it must be.
    pub fn parameter(name: &str, claim: &str) -> Self {
        Self::new(400, "bad-request", format!("`{name}` {claim}"))
    }

    /// A search took too long.
    pub fn timeout() -> Self {
        Self::new(504, "timeout", "the search took too long; try again")
    }

    /// `{"error": {"code", "message"}}`
    pub fn to_json(&self) -> Json {
        let message = self.message.as_str().into();
        let error = Json::object([("code", self.code.into()), ("message", message)]);
        Json::object([("error", error)])
    }
}

/// What the engine says about its files is kept from clients: it names places they have no business
/// with.
impl From<&SearchError> for Refusal {
    fn from(error: &SearchError) -> Self {
        let code = error.code();
        match error {
            SearchError::Filter(_)
            | SearchError::Embedding(_)
            | SearchError::NoVectors
            | SearchError::Limit { .. } => Self::new(400, code, format!("{error}")),
            SearchError::NoChunk { .. } => Self::new(404, code, format!("{error}")),
            SearchError::Store(_) | SearchError::Analyzer { .. } => Self {
                retry_after: Some(5),
                ..Self::new(
                    503,
                    "index-unavailable",
                    "the index cannot be read right now",
                )
            },
        }
    }
}

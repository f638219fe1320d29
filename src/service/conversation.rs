//! Messages of clients → the question and what was said before it.
//!
//! Whatever a client puts into the mouth of the system is left out: what models are told is the
//! service's own.

use super::Refusal;
use super::given::MAX_QUERY;
use super::given::units;
use crate::json::Json;
use crate::provider::chat::Message;
use crate::provider::chat::Role;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

/// Most messages of a conversation.
pub const MAX_MESSAGES: usize = 100;

/// Longest message, in UTF-16 units.
const MAX_MESSAGE: usize = 8000;

/// The conversation in a member `name`: nothing where it is missing.
pub fn history(name: &str, given: Option<&Json>) -> Result<Vec<Message>, Refusal> {
    let Some(given) = given else {
        return Ok(Vec::new());
    };
    let must = "must be a list of messages such as {\"role\": \"user\", \"content\": \"…\"}";
    let list = given.as_array();
    let list = list.ok_or_else(|| Refusal::parameter(name, must))?;
    if list.len() > MAX_MESSAGES {
        let got = list.len();
        let message = format!("`{name}` has {got} messages; at most {MAX_MESSAGES} are taken");
        return Err(Refusal::new(400, "history-too-long", message));
    }
    let mut messages = Vec::new();
    for (at, message) in list.iter().enumerate() {
        let place = format!("{name}[{at}]");
        let role = match message.get("role").and_then(Json::as_str) {
            Some("user") => Role::User,
            Some("assistant") => Role::Assistant,
            Some("system" | "developer" | "tool" | "function") => continue,
            _ => return Err(Refusal::parameter(&place, "has no role user or assistant")),
        };
        let text = match text(message) {
            Some(text) => text,
            // Calls of tools have none.
            None if role == Role::Assistant => continue,
            None => return Err(Refusal::parameter(&place, "has no text")),
        };
        if units(&text) > MAX_MESSAGE {
            let claim = format!("is longer than {MAX_MESSAGE} characters");
            return Err(Refusal::parameter(&place, &claim));
        }
        messages.push(Message { role, text });
    }
    Ok(messages)
}

/// The question that a conversation ends with, and what was said before.
pub fn question(name: &str, given: Option<&Json>) -> Result<(String, Vec<Message>), Refusal> {
    let mut messages = history(name, given)?;
    let last = messages.pop_if(|message| message.role == Role::User);
    let text = last.map(|message| message.text).unwrap_or_default();
    let length = units(&text);
    if text.trim().is_empty() {
        let message = format!("`{name}` must end with a question of the user");
        return Err(Refusal::new(400, "missing-query", message));
    }
    if length > MAX_QUERY {
        let message =
            format!("the question has {length} characters; at most {MAX_QUERY} are taken");
        return Err(Refusal::new(400, "query-too-long", message));
    }
    Ok((text, messages))
}

/// The text of a message: `content` as text or in parts, or `parts`.
fn text(message: &Json) -> Option<String> {
    let content = message
        .get("content")
        .filter(|content| **content != Json::Null);
    let parts = match content.or(message.get("parts"))? {
        Json::String(text) => return Some(text.clone()),
        Json::Array(parts) => parts,
        _ => return None,
    };
    let texts = parts.iter().filter_map(|part| {
        let is_text = part.get("type").and_then(Json::as_str) == Some("text");
        part.get("text").and_then(Json::as_str).filter(|_| is_text)
    });
    Some(texts.collect::<Vec<_>>().join("\n"))
}

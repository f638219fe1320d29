//! Cloudflare's models: `POST …/accounts/ID/ai/run/MODEL`, or the same body through a worker's binding.
//! Older models answer in a form of their own, newer ones in that of chat completions.
//!
//! Source: `@cloudflare/workers-types` 5.20261117.1.

use super::Members;
use super::Message;
use super::Model;
use super::Piece;
use super::completions;
use super::messages_json;
use super::text_at;
use crate::json::Json;
use alloc::string::String;
use alloc::vec::Vec;

pub fn request(model: &Model, messages: &[Message]) -> (String, Members) {
    let mut body = Vec::from([
        ("messages", messages_json(messages)),
        ("stream", Json::Bool(true)),
        ("max_tokens", model.max_tokens.into()),
    ]);
    body.extend(model.temperature());
    let path = alloc::format!("/ai/run/{}", model.model);
    (path, body)
}

/// Pieces of one event; nothing where it is no such event.
pub fn pieces(event: &Json, out: &mut Vec<Piece>) -> Option<()> {
    let Some(text) = event.get("response") else {
        return completions::pieces(event, out);
    };
    // Numbers come as numbers: `{"response": 7}`.
    let text = match text {
        Json::Number(_) => alloc::string::ToString::to_string(text),
        _ => text_at(event, &["response"]).unwrap_or_default().into(),
    };
    if !text.is_empty() {
        out.push(Piece::Text(text));
    }
    let has_usage = event
        .get("usage")
        .is_some_and(|usage| usage.as_object().is_some());
    if has_usage {
        let mut usage = Vec::new();
        completions::pieces(event, &mut usage);
        out.append(&mut usage);
    }
    Some(())
}

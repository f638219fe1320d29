//! `POST /v1/messages`.
//!
//! Source: Anthropic's API reference, version 2023-06-01.

use super::Members;
use super::Message;
use super::Model;
use super::Piece;
use super::Stop;
use super::Usage;
use super::split_system;
use super::text_at;
use super::tokens;
use crate::json::Json;
use alloc::string::String;
use alloc::vec::Vec;

/// The header `anthropic-version`.
pub const VERSION: &str = "2023-06-01";

pub fn request(model: &Model, messages: &[Message]) -> (String, Members) {
    let (system, others) = split_system(messages);
    let mut body = Vec::from([
        ("model", model.model.as_str().into()),
        ("max_tokens", model.max_tokens.into()),
        ("messages", others),
        ("stream", Json::Bool(true)),
    ]);
    body.extend(system.map(|system| ("system", system)));
    body.extend(model.temperature());
    ("/messages".into(), body)
}

/// Pieces of one event; nothing where it is no such event. `usage` is what was counted so far.
pub fn pieces(event: &Json, usage: &mut Usage, out: &mut Vec<Piece>) -> Option<()> {
    let mut count = |counts: Option<&Json>| {
        let counts = counts?;
        usage.input = tokens(counts, "input_tokens").unwrap_or(usage.input);
        usage.output = tokens(counts, "output_tokens").unwrap_or(usage.output);
        Some(Piece::Usage(*usage))
    };
    match text_at(event, &["type"])? {
        "message_start" => {
            let message = event.get("message")?;
            out.extend(count(message.get("usage")));
        }
        // Thinking and signatures are deltas too, without a text.
        "content_block_delta" => {
            let text = text_at(event, &["delta", "text"]);
            out.extend(text.map(|text| Piece::Text(text.into())));
        }
        "message_delta" => {
            let stop = text_at(event, &["delta", "stop_reason"]);
            out.extend(stop.map(|reason| {
                Piece::Stop(match reason {
                    "max_tokens" | "model_context_window_exceeded" => Stop::Length,
                    "refusal" => Stop::Refused,
                    _ => Stop::Complete,
                })
            }));
            out.extend(count(event.get("usage")));
        }
        _ => {}
    }
    Some(())
}

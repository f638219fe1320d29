//! `POST /responses`.
//!
//! Source: OpenAI's API description (`openai-openapi`, v2.3.0).

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

pub fn request(model: &Model, messages: &[Message]) -> (String, Members) {
    let (system, others) = split_system(messages);
    let mut body = Vec::from([
        ("model", model.model.as_str().into()),
        ("input", others),
        ("stream", Json::Bool(true)),
        ("store", Json::Bool(false)),
        ("max_output_tokens", model.max_tokens.into()),
    ]);
    body.extend(system.map(|system| ("instructions", system)));
    body.extend(model.temperature());
    ("/responses".into(), body)
}

/// Pieces of one event; nothing where it is no such event.
pub fn pieces(event: &Json, out: &mut Vec<Piece>) -> Option<()> {
    match text_at(event, &["type"])? {
        "response.output_text.delta" => out.push(Piece::Text(text_at(event, &["delta"])?.into())),
        "response.refusal.delta" => {
            out.push(Piece::Text(text_at(event, &["delta"])?.into()));
        }
        "response.refusal.done" => out.push(Piece::Stop(Stop::Refused)),
        kind @ ("response.completed" | "response.incomplete") => {
            let response = event.get("response")?;
            let usage = response.get("usage").and_then(|usage| {
                let input = tokens(usage, "input_tokens")?;
                let output = tokens(usage, "output_tokens")?;
                Some(Usage { input, output })
            });
            let reason = text_at(response, &["incomplete_details", "reason"]);
            out.push(Piece::Stop(match (kind, reason) {
                ("response.completed", _) => Stop::Complete,
                (_, Some("content_filter")) => Stop::Refused,
                _ => Stop::Length,
            }));
            out.extend(usage.map(Piece::Usage));
        }
        _ => {}
    }
    Some(())
}

/// What a failed event says has failed.
pub fn failure(event: &Json) -> Option<&Json> {
    match text_at(event, &["type"])? {
        "response.failed" => event.get("response")?.get("error"),
        "error" => Some(event.get("error").unwrap_or(event)),
        _ => None,
    }
}

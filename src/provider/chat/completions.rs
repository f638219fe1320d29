//! `POST /chat/completions`.
//!
//! Source: OpenAI's API description (`openai-openapi`, v2.3.0).

use super::Members;
use super::Message;
use super::Model;
use super::Piece;
use super::Stop;
use super::TokenField;
use super::Usage;
use super::messages_json;
use super::text_at;
use super::tokens;
use crate::json::Json;
use alloc::string::String;
use alloc::vec::Vec;

pub fn request(model: &Model, messages: &[Message]) -> (String, Members) {
    let limit = match model.token_field {
        TokenField::MaxTokens => "max_tokens",
        TokenField::MaxCompletionTokens => "max_completion_tokens",
    };
    let options = Vec::from([("include_usage", Json::Bool(true))]);
    let mut body = Vec::from([
        ("model", model.model.as_str().into()),
        ("messages", messages_json(messages)),
        ("stream", Json::Bool(true)),
        ("stream_options", Json::object(options)),
        (limit, model.max_tokens.into()),
    ]);
    body.extend(model.temperature());
    ("/chat/completions".into(), body)
}

/// Pieces of one event; nothing where it is no such event.
pub fn pieces(event: &Json, out: &mut Vec<Piece>) -> Option<()> {
    let usage = event.get("usage").and_then(|usage| {
        let input = tokens(usage, "prompt_tokens")?;
        let output = tokens(usage, "completion_tokens").unwrap_or_default();
        Some(Usage { input, output })
    });
    // Azure begins with an event of no choices, and the last one with usage has none either.
    let choices = event.get("choices").and_then(Json::as_array);
    if choices.is_none() && usage.is_none() {
        return None;
    }
    for choice in choices.unwrap_or_default().iter().take(1) {
        let is_refusal =
            text_at(choice, &["delta", "refusal"]).is_some_and(|text| !text.is_empty());
        for path in [["delta", "content"], ["delta", "refusal"]] {
            let text = text_at(choice, &path).filter(|text| !text.is_empty());
            out.extend(text.map(|text| Piece::Text(text.into())));
        }
        let stop = text_at(choice, &["finish_reason"]).filter(|reason| !reason.is_empty());
        let stop = stop.map(|reason| match reason {
            "length" => Stop::Length,
            "content_filter" => Stop::Refused,
            _ => Stop::Complete,
        });
        let refused = is_refusal.then_some(Stop::Refused);
        out.extend(refused.or(stop).map(Piece::Stop));
    }
    out.extend(usage.map(Piece::Usage));
    Some(())
}

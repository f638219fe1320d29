//! `POST /api/chat`: a stream of lines, each a JSON object.
//!
//! Source: Ollama's API reference.

use super::Members;
use super::Message;
use super::Model;
use super::Piece;
use super::Stop;
use super::Usage;
use super::messages_json;
use super::text_at;
use super::tokens;
use crate::json::Json;
use alloc::string::String;
use alloc::vec::Vec;

pub fn request(model: &Model, messages: &[Message]) -> (String, Members) {
    let mut options = Vec::from([("num_predict", model.max_tokens.into())]);
    options.extend(model.temperature());
    let body = Vec::from([
        ("model", model.model.as_str().into()),
        ("messages", messages_json(messages)),
        ("stream", Json::Bool(true)),
        ("options", Json::object(options)),
    ]);
    ("/api/chat".into(), body)
}

/// Pieces of one line; nothing where it is no such line.
pub fn pieces(line: &Json, out: &mut Vec<Piece>) -> Option<()> {
    let is_done = line.get("done")?.as_bool()?;
    let text = text_at(line, &["message", "content"]).filter(|text| !text.is_empty());
    out.extend(text.map(|text| Piece::Text(text.into())));
    if is_done {
        let stop = match text_at(line, &["done_reason"]) {
            Some("length") => Stop::Length,
            _ => Stop::Complete,
        };
        out.push(Piece::Stop(stop));
        let (input, output) = (
            tokens(line, "prompt_eval_count"),
            tokens(line, "eval_count"),
        );
        if input.is_some() || output.is_some() {
            let (input, output) = (input.unwrap_or_default(), output.unwrap_or_default());
            out.push(Piece::Usage(Usage { input, output }));
        }
    }
    Some(())
}

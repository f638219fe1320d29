//! A response's bytes, as they come, into pieces of the answer.

use super::Api;
use super::Piece;
use super::Stop;
use super::StreamError;
use super::Usage;
use super::anthropic;
use super::completions;
use super::ollama;
use super::responses;
use super::workers_ai;
use crate::json::Json;
use crate::provider::Event;
use crate::provider::Events;
use crate::provider::Lines;
use crate::provider::Refusal;
use alloc::string::String;
use alloc::vec::Vec;

/// Characters of an event that an error shows.
const SHOWN: usize = 80;

/// Reads one answer.
#[derive(Debug)]
pub struct Decoder {
    api: Api,
    events: Events,
    lines: Lines,
    usage: Usage,
    /// Whether the model has stopped.
    stopped: bool,
    /// Whether the server has said that nothing more comes.
    ended: bool,
}

impl Decoder {
    pub(super) fn new(api: Api) -> Self {
        Self {
            api,
            events: Events::default(),
            lines: Lines::default(),
            usage: Usage::default(),
            stopped: false,
            ended: false,
        }
    }

    /// Appends what `bytes` complete.
    ///
    /// # Errors
    /// [`StreamError`]; what was appended before stays valid.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Piece>) -> Result<(), StreamError> {
        let mut events = Vec::new();
        let pushed = match self.api {
            Api::Ollama => self.lines.push(bytes, |line| events.push(whole(line))),
            _ => self.events.push(bytes, &mut events),
        };
        self.read(&events, out)?;
        Ok(pushed?)
    }

    /// Appends what the end of the stream completes.
    ///
    /// # Errors
    /// [`StreamError`]; [`StreamError::Truncated`] where the model had not stopped.
    pub fn end(mut self, out: &mut Vec<Piece>) -> Result<(), StreamError> {
        let mut events = Vec::new();
        match self.api {
            Api::Ollama => self.lines.end(|line| events.push(whole(line))),
            _ => self.events.end(&mut events),
        }
        let read = self.read(&events, out);
        match (self.stopped, self.ended) {
            // An event that was cut off says that the rest was.
            _ if matches!(read, Err(StreamError::Failed(_))) => read,
            (true, _) => Ok(()),
            // `[DONE]` without a reason to stop: so older models of Workers AI end.
            (false, true) => {
                out.push(Piece::Stop(Stop::Complete));
                Ok(())
            }
            (false, false) => Err(StreamError::Truncated),
        }
    }

    fn read(&mut self, events: &[Event], out: &mut Vec<Piece>) -> Result<(), StreamError> {
        for Event { name, data } in events {
            let data = data.trim();
            if data == "[DONE]" {
                self.ended = true;
            }
            if self.ended || data.is_empty() {
                continue;
            }
            let form = || StreamError::Form {
                event: data.chars().take(SHOWN).collect(),
            };
            let event = Json::parse(data).map_err(|_| form())?;
            if let Some(refusal) = self.failure(name, &event) {
                return Err(StreamError::Failed(refusal));
            }
            let before = out.len();
            let read = match self.api {
                Api::Completions => completions::pieces(&event, out),
                Api::Responses => responses::pieces(&event, out),
                Api::Anthropic => anthropic::pieces(&event, &mut self.usage, out),
                Api::Ollama => ollama::pieces(&event, out),
                Api::WorkersAi => workers_ai::pieces(&event, out),
            };
            read.ok_or_else(form)?;
            // One reason to stop is enough: a refusal stands before the end of its message.
            let mut stopped = self.stopped;
            let mut at = 0;
            out.retain(|piece| {
                let is_second = at >= before && stopped && matches!(piece, Piece::Stop(_));
                stopped |= at >= before && matches!(piece, Piece::Stop(_));
                at += 1;
                !is_second
            });
            self.stopped = stopped;
        }
        Ok(())
    }

    /// What an event in the middle of a stream says has failed.
    fn failure(&self, name: &str, event: &Json) -> Option<Refusal> {
        let error = match self.api {
            Api::Responses => responses::failure(event),
            _ => event
                .get("error")
                .filter(|error| **error != Json::Null)
                .map(|_| event),
        };
        let error = error.or((name == "error").then_some(event))?;
        Some(Refusal::from_json(error).unwrap_or_default())
    }
}

fn whole(line: &str) -> Event {
    Event {
        name: String::new(),
        data: line.into(),
    }
}

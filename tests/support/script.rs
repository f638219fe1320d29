//! Models' servers that a script stands in for, and an ear for answers.

// Every test binary takes what it needs.
#![allow(dead_code)]

use std::cell::Cell;
use std::cell::RefCell;
use std::collections::VecDeque;

use coracle::answer::Event;
use coracle::answer::Gone;
use coracle::answer::Outcome;
use coracle::answer::Sink;
use coracle::provider::Body;
use coracle::provider::Failure;
use coracle::provider::Request;
use coracle::provider::Response;
use coracle::provider::Transport;
use serde_json::Value;
use serde_json::json;

/// What the script's server does with one request.
#[derive(Clone)]
pub enum Reply {
    /// Answers with these pieces.
    Pieces(u16, Vec<String>),
    /// Answers so, and asks to wait.
    Wait(u16, u32),
    /// Answers with these pieces and is cut off.
    CutOff(Vec<String>),
    /// Does not answer.
    Silent,
}

/// Replies in their order; remembers what was asked. Its clock goes by waiting alone.
#[derive(Default)]
pub struct Script {
    pub replies: RefCell<VecDeque<Reply>>,
    pub asked: RefCell<Vec<(String, Value)>>,
    pub now: Cell<u64>,
    pub slept: RefCell<Vec<u32>>,
}

pub struct Pieces(VecDeque<String>, bool);

impl Body for Pieces {
    async fn next(&mut self, _patience: u32) -> Result<Option<Vec<u8>>, Failure> {
        match self.0.pop_front() {
            Some(piece) => Ok(Some(piece.into_bytes())),
            None if self.1 => Err(Failure::Cut {
                message: "reset".into(),
            }),
            None => Ok(None),
        }
    }
}

impl Transport for Script {
    type Body = Pieces;

    async fn send(&self, request: &Request, patience: u32) -> Result<Response<Pieces>, Failure> {
        let body = serde_json::from_str(&request.body).expect("JSON");
        self.asked.borrow_mut().push((request.url.clone(), body));
        let reply = self.replies.borrow_mut().pop_front();
        let (status, pause, body) = match reply.expect("a reply to every request") {
            Reply::Pieces(status, pieces) => (status, None, Pieces(pieces.into(), false)),
            Reply::Wait(status, pause) => (status, Some(pause), Pieces(VecDeque::new(), false)),
            Reply::CutOff(pieces) => (200, None, Pieces(pieces.into(), true)),
            Reply::Silent => {
                self.now.set(self.now.get() + u64::from(patience));
                return Err(Failure::Timeout);
            }
        };
        let request_id = String::new();
        Ok(Response {
            status,
            pause,
            request_id,
            body,
        })
    }

    async fn sleep(&self, millis: u32) {
        self.slept.borrow_mut().push(millis);
        self.now.set(self.now.get() + u64::from(millis));
    }

    fn now(&self) -> u64 {
        self.now.get()
    }

    fn random(&self) -> f64 {
        0.5
    }
}

/// A stream of chat completions that says this, a few characters an event.
pub fn says(text: &str) -> Reply {
    let chars: Vec<char> = text.chars().collect();
    let mut pieces: Vec<String> = chars
        .chunks(4)
        .map(|part| {
            let part: String = part.iter().collect();
            let event = json!({"choices": [{"index": 0, "delta": {"content": part}, "finish_reason": null}]});
            format!("data: {event}\n\n")
        })
        .collect();
    let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
    let usage = json!({"choices": [], "usage": {"prompt_tokens": 100, "completion_tokens": 10}});
    pieces.push(format!("data: {end}\n\ndata: {usage}\n\ndata: [DONE]\n\n"));
    Reply::Pieces(200, pieces)
}

/// What was told; gone after so many events.
pub struct Told(pub Vec<Event>, pub usize);

impl Sink for Told {
    async fn event(&mut self, event: Event) -> Result<(), Gone> {
        self.0.push(event);
        match self.0.len() > self.1 {
            true => Err(Gone),
            false => Ok(()),
        }
    }
}

impl Told {
    pub fn text(&self) -> String {
        let delta = |event: &Event| match event {
            Event::Delta(text) => text.clone(),
            _ => String::new(),
        };
        self.0.iter().map(delta).collect()
    }

    pub fn degraded(&self) -> Vec<String> {
        let degraded = |event: &Event| match event {
            Event::Degraded { part, code } => Some(format!("{} {code}", part.name())),
            _ => None,
        };
        self.0.iter().filter_map(degraded).collect()
    }

    pub fn outcome(&self) -> Outcome {
        match self.0.last() {
            Some(Event::Done(outcome)) => *outcome,
            last => panic!("ends with {last:?}"),
        }
    }

    pub fn sources(&self) -> Vec<String> {
        let sources = self.0.iter().rev().find_map(|event| match event {
            Event::Sources(sources) => Some(sources.clone()),
            _ => None,
        });
        let sources = sources.unwrap_or_default().into_iter();
        sources
            .map(|one| format!("{} {}", one.number, one.address()))
            .collect()
    }

    pub fn searches(&self) -> Vec<&str> {
        let search = |event: &'_ Event| match event {
            Event::Search { query } => Some(query.as_str().to_owned().leak() as &str),
            _ => None,
        };
        self.0.iter().filter_map(search).collect()
    }
}

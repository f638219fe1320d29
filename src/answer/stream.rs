//! What a chat model says, as it says it: for the reader, or for us.

use super::prompt;
use crate::provider::Call;
use crate::provider::Transport;
use crate::provider::chat;
use crate::provider::chat::Piece;
use crate::provider::chat::Stop;
use crate::provider::chat::Usage;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

/// What some servers put around what a model thinks before it answers.
const THOUGHT: (&str, &str) = ("<think>", "</think>");

/// A model's response as it comes.
pub struct Stream {
    decoder: Option<chat::Decoder>,
    pieces: Vec<Piece>,
    /// Tokens so far.
    pub usage: Usage,
    /// Why the model stopped, once it has.
    pub stop: Option<Stop>,
    /// Why the response broke off, if it did: a stable name, and the reason for people.
    pub failure: Option<(&'static str, String)>,
}

impl Stream {
    /// Of a request to this model.
    pub fn new(model: &chat::Model) -> Self {
        Self {
            decoder: Some(model.decoder()),
            pieces: Vec::new(),
            usage: Usage::default(),
            stop: None,
            failure: None,
        }
    }

    /// Reads on; returns whether there may be more.
    pub async fn next<T: Transport>(&mut self, call: &Call<'_, T>, body: &mut T::Body) -> bool {
        let Some(decoder) = &mut self.decoder else {
            return false;
        };
        let read = match call.next(body).await {
            Ok(Some(bytes)) => decoder.push(&bytes, &mut self.pieces),
            Ok(None) => match self.decoder.take() {
                Some(decoder) => decoder.end(&mut self.pieces),
                None => Ok(()),
            },
            Err(failure) => {
                self.failure = Some((failure.code(), failure.to_string()));
                return false;
            }
        };
        if let Err(error) = read {
            self.failure = Some(("stream", error.to_string()));
            return false;
        }
        self.decoder.is_some()
    }

    /// The text that came since the last call; usage and the reason to stop are put aside.
    pub fn texts(&mut self) -> impl Iterator<Item = String> + '_ {
        let Self {
            pieces,
            usage,
            stop,
            ..
        } = self;
        pieces.drain(..).filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Usage(tokens) => {
                *usage = tokens;
                None
            }
            Piece::Stop(reason) => {
                *stop = Some(reason);
                None
            }
        })
    }
}

/// What a model says to us instead of to the reader.
pub enum Said {
    /// The references hold no answer.
    NotCovered,
    /// It wants to search for this.
    Search(String),
}

/// The beginning of what a model says: until it is clear whom it is for.
#[derive(Default)]
pub struct Opening {
    held: String,
    is_over: bool,
    /// What it said to us, if it did.
    pub said: Option<Said>,
}

impl Opening {
    /// Takes text; returns what is for the reader.
    pub fn push(&mut self, text: &str, is_whole: bool) -> Option<String> {
        if self.is_over {
            return (self.said.is_none()).then(|| text.into());
        }
        self.held.push_str(text);
        // Models that think aloud do so first.
        if let Some(thought) = self.held.trim_start().strip_prefix(THOUGHT.0) {
            match thought.split_once(THOUGHT.1) {
                Some((_, said)) => self.held = said.into(),
                None => return None,
            }
        }
        let begun = self.held.trim_start().trim_start_matches(['*', '"', '`']);
        let begins = |sign: &str| begun.starts_with(sign);
        let may_become = |sign: &str| sign.starts_with(begun);
        if begins(prompt::NOT_COVERED) {
            self.is_over = true;
            self.said = Some(Said::NotCovered);
            return None;
        }
        if begins(prompt::SEARCH) {
            // The whole line is wanted.
            if is_whole || begun.contains('\n') {
                self.is_over = true;
                let words = begun.get(prompt::SEARCH.len()..).unwrap_or_default();
                self.said = prompt::query(words).map(Said::Search);
            }
            return None;
        }
        let signs = [prompt::NOT_COVERED, prompt::SEARCH, THOUGHT.0];
        if !is_whole && signs.into_iter().any(may_become) {
            return None;
        }
        self.is_over = true;
        Some(self.held.trim_start().into())
    }
}

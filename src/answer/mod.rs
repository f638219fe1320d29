//! Question → cited answer.
//!
//! ```text
//! question ─ condense ─► query ─ search ─► hits ─ rerank ─► ranked ─ pack ─► numbered references
//!                          ▲                                                     │ prompt
//!                          └──────── the model asks for more ◄─ chat model ◄─────┘
//!                                                                  │ stream
//!           events ◄─ citations checked ◄─ scrubbed text ◄─────────┘
//! ```
//!
//! | file | responsibility |
//! |---|---|
//! | `pipeline.rs` | [`Answerer`]: the way above, step by step |
//! | `embedder.rs` | query → embedding |
//! | `retrieve.rs` | query → ranked passages: embedding, search, reranking |
//! | `pack.rs` | ranked passages → numbered references within a budget of tokens |
//! | `prompt.rs` | what the model is told |
//! | `stream.rs` | what the model says as it comes: for the reader, or for us |
//! | `scrub.rs` | the model's text as it comes → text without foreign links, images and citations |
//! | `sentences.rs` | where sentences end |
//! | `citations.rs` | which references a sentence cites, and whether they say what it says |
//! | `extractive.rs` | an answer of the references' own sentences, without a model |
//! | `event.rs` | what whoever asked is told, and its JSON |
//!
//! The model has no tools and can cause no request but one: a further search of the same index. What
//! it is told comes from the index and from the question; what it says is checked against the
//! references that it was given.

mod citations;
mod embedder;
mod event;
mod extractive;
mod pack;
mod pipeline;
mod prompt;
mod retrieve;
mod scrub;
mod sentences;
mod stream;

pub use embedder::ModelEmbedder;
pub use embedder::QueryEmbedder;
pub use event::Citation;
pub use event::Event;
pub use event::Outcome;
pub use event::Part;
pub use event::Reference;
pub use pipeline::Answerer;
pub use pipeline::Sink;

use crate::filter::Filter;
use crate::provider::Breaker;
use crate::provider::chat;
use crate::provider::chat::Message;
use crate::provider::embeddings;
use crate::provider::rerank;
use crate::search::SearchError;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

/// The models that take part; without any, answers are sentences of the documents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Models {
    /// Writes answers.
    pub chat: Option<chat::Model>,
    /// Embeds queries: the model that embedded the index's documents.
    pub embeddings: Option<embeddings::Model>,
    /// Ranks passages anew.
    pub rerank: Option<rerank::Model>,
}

/// The circuits of the models' servers, which outlive an answer.
#[derive(Debug, Default)]
pub struct Circuits {
    /// Of the server that writes.
    pub chat: RefCell<Breaker>,
    /// Of the server that embeds.
    pub embeddings: RefCell<Breaker>,
    /// Of the server that ranks.
    pub rerank: RefCell<Breaker>,
}

/// How to answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Passages that the search brings, 1 to 100.
    pub candidates: usize,
    /// Tokens of all references together, as the index counts them.
    pub context_tokens: u32,
    /// References at most.
    pub references: usize,
    /// References at most from one document.
    pub per_document: usize,
    /// Further searches that the model may ask for.
    pub hops: u32,
    /// Milliseconds until all must be over.
    pub deadline: u32,
    /// What the model is told beside the rules: who asks, in which tone to answer.
    pub instructions: String,
    /// Messages of the conversation that the model is shown.
    pub history: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            candidates: 24,
            context_tokens: 3000,
            references: 8,
            per_document: 3,
            hops: 1,
            deadline: 120_000,
            instructions: String::new(),
            history: 6,
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Question {
    /// The question.
    pub text: String,
    /// What was said before, oldest first: questions and answers.
    pub history: Vec<Message>,
    /// Condition on the documents' metadata.
    pub filter: Option<Filter>,
}

/// Why there is no answer at all.
#[derive(Debug, Clone, PartialEq)]
pub enum AnswerError {
    /// The index could not be searched.
    Search(SearchError),
    /// Whoever asked is gone.
    Gone,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Search(error) => error.fmt(f),
            Self::Gone => f.write_str("nobody waits for the answer any more"),
        }
    }
}

impl core::error::Error for AnswerError {}

impl From<SearchError> for AnswerError {
    fn from(error: SearchError) -> Self {
        Self::Search(error)
    }
}

impl From<Gone> for AnswerError {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// Whoever asked is gone: there is nobody to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone;

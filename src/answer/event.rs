//! What whoever asked is told while an answer comes about.

use crate::document::ChunkId;
use crate::document::address;
use crate::json::Json;
use crate::provider::chat::Usage;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

/// A numbered passage that an answer may cite.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Its number, from 1.
    pub number: u32,
    /// Identifier of the document.
    pub id: String,
    /// Title of the document.
    pub title: String,
    /// Address of the document.
    pub url: String,
    /// Fragment of the nearest heading, without `#`; may be empty.
    pub anchor: String,
    /// Headings above the passage, outermost first.
    pub headings: Vec<String>,
    /// The chunks that it is made of, neighbours.
    pub chunks: Range<ChunkId>,
    /// Length in tokens, as the index counts them.
    pub tokens: u32,
    /// The text.
    pub text: String,
}

impl Reference {
    /// A reference to one chunk, for tests.
    #[cfg(test)]
    pub fn example(number: u32, url: &str, title: &str, text: &str) -> Self {
        Self {
            number,
            id: String::new(),
            title: title.into(),
            url: url.into(),
            anchor: String::new(),
            headings: Vec::new(),
            chunks: 0..1,
            tokens: 0,
            text: text.into(),
        }
    }

    /// Where a reader finds it.
    pub fn address(&self) -> String {
        address(&self.url, &self.anchor)
    }
}

/// What a sentence of an answer rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Citation {
    /// The sentence, in UTF-16 units of the whole answer.
    pub sentence: Range<usize>,
    /// The references that it names, ascending.
    pub numbers: Vec<u32>,
    /// Share of the sentence's content words that these references have, 0 to 1.
    pub support: f32,
}

impl Citation {
    /// Whether the references say what the sentence says, as far as words can tell.
    pub fn is_supported(&self) -> bool {
        self.support >= super::citations::SUPPORTED
    }
}

/// A part that did less than it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The follow-up question could not be made to stand alone.
    Condense,
    /// The query was not embedded by its model.
    Embedding,
    /// The index was searched by words alone.
    Search,
    /// Passages were not ranked anew.
    Rerank,
    /// No model wrote the answer; its sentences are the documents'.
    Chat,
}

impl Part {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Condense => "condense",
            Self::Embedding => "embedding",
            Self::Search => "search",
            Self::Rerank => "rerank",
            Self::Chat => "chat",
        }
    }
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A model wrote it and cited references.
    Answered,
    /// A model wrote it and cited nothing: it may not be from the documents.
    Uncited,
    /// It is made of sentences of the documents.
    Extractive,
    /// The documents do not hold an answer.
    NotCovered,
    /// The model reached the most tokens that it may write.
    Length,
    /// The model, or a filter of its server, refused.
    Refused,
    /// The model's server failed in the middle.
    Broken,
}

impl Outcome {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Uncited => "uncited",
            Self::Extractive => "extractive",
            Self::NotCovered => "not-covered",
            Self::Length => "length",
            Self::Refused => "refused",
            Self::Broken => "broken",
        }
    }
}

/// One thing that happened, in this order: searches and references first, text with its citations,
/// the end.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// What follows was written for another question, which means the same.
    Similar {
        /// That question.
        question: String,
    },
    /// The index is searched for this.
    Search {
        /// The question, made to stand alone, or what the model wants to know beside it.
        query: String,
    },
    /// All references so far; after a further search there are more.
    Sources(Vec<Reference>),
    /// Text of the answer.
    Delta(String),
    /// A sentence of the answer is whole and cites something.
    Citation(Citation),
    /// A part did less than it should.
    Degraded {
        /// Which.
        part: Part,
        /// A stable name of the reason.
        code: &'static str,
    },
    /// Tokens that the chat model took in all.
    Usage(Usage),
    /// The answer broke off.
    Error {
        /// A stable name of the reason.
        code: &'static str,
        /// The reason, for people.
        message: String,
    },
    /// The answer is at its end; nothing follows.
    Done(Outcome),
}

impl Event {
    /// Its name in JSON and in event streams.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Similar { .. } => "cached",
            Self::Search { .. } => "search",
            Self::Sources(_) => "sources",
            Self::Delta(_) => "delta",
            Self::Citation(_) => "citation",
            Self::Degraded { .. } => "degraded",
            Self::Usage(_) => "usage",
            Self::Error { .. } => "error",
            Self::Done(_) => "done",
        }
    }

    /// The event as JSON; what it is stands in `type`.
    pub fn to_json(&self) -> Json {
        let mut members = Vec::from([("type", Json::from(self.name()))]);
        match self {
            Self::Similar { question } => members.extend([
                ("cached", "similar".into()),
                ("question", question.as_str().into()),
            ]),
            Self::Search { query } => members.push(("query", query.as_str().into())),
            Self::Sources(references) => {
                let references = references.iter().map(reference_json).collect();
                members.push(("sources", Json::Array(references)));
            }
            Self::Delta(text) => members.push(("text", text.as_str().into())),
            Self::Citation(citation) => {
                let Range { start, end } = citation.sentence;
                let numbers = citation.numbers.iter().map(|&number| number.into());
                members.extend([
                    ("start", Json::from(start as f64)),
                    ("end", (end as f64).into()),
                    ("sources", Json::Array(numbers.collect())),
                    ("support", f64::from(citation.support).into()),
                    ("supported", citation.is_supported().into()),
                ]);
            }
            Self::Degraded { part, code } => {
                members.extend([("part", part.name().into()), ("code", (*code).into())]);
            }
            Self::Usage(usage) => members.extend([
                ("input", (usage.input as f64).into()),
                ("output", (usage.output as f64).into()),
            ]),
            Self::Error { code, message } => {
                members.extend([
                    ("code", (*code).into()),
                    ("message", message.as_str().into()),
                ]);
            }
            Self::Done(outcome) => members.push(("outcome", outcome.name().into())),
        }
        Json::object(members)
    }
}

fn reference_json(of: &Reference) -> Json {
    let headings = of.headings.iter().map(|heading| heading.as_str().into());
    Json::object([
        ("number", of.number.into()),
        ("id", of.id.as_str().into()),
        ("title", of.title.as_str().into()),
        ("url", of.url.as_str().into()),
        ("anchor", of.anchor.as_str().into()),
        ("headings", Json::Array(headings.collect())),
        ("chunk", of.chunks.start.into()),
        ("text", of.text.as_str().into()),
    ])
}

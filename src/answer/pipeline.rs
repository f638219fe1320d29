//! The way from a question to an answer, step by step.

use super::AnswerError;
use super::Circuits;
use super::Event;
use super::Gone;
use super::Models;
use super::Options;
use super::Outcome;
use super::Part;
use super::Question;
use super::Reference;
use super::citations::Checker;
use super::extractive::extract;
use super::pack::pack;
use super::prompt;
use super::scrub::Piece as Scrubbed;
use super::scrub::Scrubber;
use crate::provider::Breaker;
use crate::provider::Call;
use crate::provider::Failure;
use crate::provider::Policy;
use crate::provider::Transport;
use crate::provider::chat;
use crate::provider::chat::Message;
use crate::provider::chat::Piece;
use crate::provider::chat::Role;
use crate::provider::chat::Stop;
use crate::provider::chat::Usage;
use crate::search::Correction;
use crate::search::Engine;
use crate::store::Source;
use crate::text::folded;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Milliseconds to wait for a chat model's next words. The first ones take long where the model is
/// still being loaded.
const CHAT_PATIENCE: u32 = 30_000;

/// Content words of a follow-up question up to which it hardly stands alone.
const FEW_WORDS: usize = 3;

/// What some servers put around what a model thinks before it answers.
const THOUGHT: (&str, &str) = ("<think>", "</think>");

/// What is said where the documents hold no answer.
const NO_ANSWER: &str = "The documents do not answer this question.";

/// Takes events as they come.
#[allow(
    async_fn_in_trait,
    reason = "futures stay on the thread that made them"
)]
pub trait Sink {
    /// Takes the next event; returns when there is room for another.
    ///
    /// # Errors
    /// [`Gone`], which ends the answer and whatever its models are doing.
    async fn event(&mut self, event: Event) -> Result<(), Gone>;
}

/// Answers questions from one index.
#[derive(Debug)]
pub struct Answerer<'a, S, T> {
    /// The index.
    pub engine: &'a Engine<S>,
    /// What moves bytes to and from the models.
    pub transport: &'a T,
    /// The models.
    pub models: &'a Models,
    /// Their servers' circuits.
    pub circuits: &'a Circuits,
    /// How to answer.
    pub options: &'a Options,
}

/// What came of asking the chat model.
enum Written {
    /// An answer, or as much of it as there will be.
    Answer(Outcome),
    /// It wants to know this first.
    Search(String),
    /// Nothing, for this reason.
    Nothing { code: &'static str },
}

impl<S: Source, T: Transport> Answerer<'_, S, T> {
    /// Answers, telling `sink` whatever happens. The last event is [`Event::Done`].
    ///
    /// # Errors
    /// [`AnswerError`]. Models that fail do not make it fail: it does with less, and says so.
    pub async fn answer(
        &self,
        question: &Question,
        sink: &mut impl Sink,
    ) -> Result<(), AnswerError> {
        let deadline = self.transport.now() + u64::from(self.options.deadline);
        let mut usage = Usage::default();
        let condensed = self.condense(question, deadline, &mut usage, sink).await?;
        let query = match &condensed {
            Some(alone) => alone.clone(),
            None => self.in_context(question),
        };
        let mut references = Vec::new();
        let corrections = self
            .gather(&query, question, deadline, &mut references, sink)
            .await?;
        // What was said before helps to find passages; whether they answer is a matter of the question.
        let asked = corrected(condensed.as_ref().unwrap_or(&question.text), &corrections);
        let outcome = self
            .write_answer(
                &query,
                &asked,
                question,
                deadline,
                &mut references,
                &mut usage,
                sink,
            )
            .await?;
        if usage != Usage::default() {
            sink.event(Event::Usage(usage)).await?;
        }
        sink.event(Event::Done(outcome)).await?;
        Ok(())
    }

    /// The answer from these references, and those of further searches.
    async fn write_answer(
        &self,
        query: &str,
        asked: &str,
        question: &Question,
        deadline: u64,
        references: &mut Vec<Reference>,
        usage: &mut Usage,
        sink: &mut impl Sink,
    ) -> Result<Outcome, AnswerError> {
        // A model that is shown nothing would answer from what it remembers.
        if references.is_empty() {
            sink.event(Event::Delta(NO_ANSWER.into())).await?;
            return Ok(Outcome::NotCovered);
        }
        let Some(model) = &self.models.chat else {
            return Ok(self.extract(asked, references, sink).await?);
        };
        let mut searched = Vec::from([query.to_lowercase()]);
        loop {
            let may_search = searched.len() <= self.options.hops as usize;
            let nonce = (self.transport.random() * 9e15) as u64;
            let messages = prompt::answer(
                &question.text,
                &question.history,
                references,
                self.options,
                nonce,
                may_search,
            );
            let written = self
                .write(model, &messages, references, deadline, usage, sink)
                .await?;
            match written {
                Written::Answer(outcome) => return Ok(outcome),
                Written::Search(next) if may_search && !searched.contains(&next.to_lowercase()) => {
                    self.gather(&next, question, deadline, references, sink)
                        .await?;
                    searched.push(next.to_lowercase());
                }
                // It was told not to, or what it wants is known: it has no answer.
                Written::Search(_) => {
                    sink.event(Event::Delta(NO_ANSWER.into())).await?;
                    return Ok(Outcome::NotCovered);
                }
                Written::Nothing { code } => {
                    let part = Part::Chat;
                    sink.event(Event::Degraded { part, code }).await?;
                    return Ok(self.extract(asked, references, sink).await?);
                }
            }
        }
    }

    /// Searches, and adds what is found to the references; returns misspelt words of the query.
    async fn gather(
        &self,
        query: &str,
        question: &Question,
        deadline: u64,
        references: &mut Vec<Reference>,
        sink: &mut impl Sink,
    ) -> Result<Vec<Correction>, AnswerError> {
        let search = Event::Search {
            query: query.into(),
        };
        sink.event(search).await?;
        let (found, corrections) = self.retrieve(query, question, deadline, sink).await?;
        let is_first = references.is_empty();
        // A further search has room of its own: what is there already stays.
        let mut options = self.options.clone();
        if !is_first {
            let spent: u32 = references.iter().map(|reference| reference.tokens).sum();
            options.context_tokens += spent;
            options.references += references.len() / 2;
        }
        if pack(&found, &options, references) || is_first {
            sink.event(Event::Sources(references.clone())).await?;
        }
        Ok(corrections)
    }

    /// The question, made to stand alone; nothing where it follows others and no model says how.
    async fn condense(
        &self,
        question: &Question,
        deadline: u64,
        usage: &mut Usage,
        sink: &mut impl Sink,
    ) -> Result<Option<String>, AnswerError> {
        if question.history.is_empty() {
            return Ok(Some(question.text.clone()));
        }
        let Some(model) = &self.models.chat else {
            return Ok(None);
        };
        let messages = prompt::condense(&question.text, &question.history, self.options);
        match self.collect(model, &messages, deadline, usage).await {
            Ok(said) => Ok(prompt::query(&said)),
            Err(code) => {
                let part = Part::Condense;
                sink.event(Event::Degraded { part, code }).await?;
                Ok(None)
            }
        }
    }

    /// The question behind the one before it, where it is too short to stand alone.
    fn in_context(&self, question: &Question) -> String {
        let asked = |message: &&Message| message.role == Role::User;
        let previous = question.history.iter().rev().find(asked);
        let words = self
            .engine
            .analyzer()
            .query_terms(&question.text)
            .terms
            .len();
        match previous.filter(|_| words <= FEW_WORDS) {
            Some(previous) => [&*previous.text, " ", &question.text].concat(),
            None => question.text.clone(),
        }
    }

    /// An answer of the references' own sentences.
    async fn extract(
        &self,
        query: &str,
        references: &[Reference],
        sink: &mut impl Sink,
    ) -> Result<Outcome, Gone> {
        let sentences = extract(self.engine.analyzer(), query, references);
        if sentences.is_empty() {
            sink.event(Event::Delta(NO_ANSWER.into())).await?;
            return Ok(Outcome::NotCovered);
        }
        let mut checker = Checker::new(self.engine.analyzer(), references);
        let mut citations = Vec::new();
        for (at, (sentence, number)) in sentences.into_iter().enumerate() {
            let space = if at > 0 { "\n\n" } else { "" };
            let line = sentence.split_whitespace().collect::<Vec<_>>().join(" ");
            let mut text = checker.push(Scrubbed::Text([space, &*line, " "].concat()));
            text += &checker.push(Scrubbed::Marks(Vec::from([number])));
            sink.event(Event::Delta(text)).await?;
        }
        checker.citations(true, &mut citations);
        for citation in citations {
            sink.event(Event::Citation(citation)).await?;
        }
        Ok(Outcome::Extractive)
    }

    /// How a model's server is asked while somebody waits.
    pub(super) fn call<'c>(
        &'c self,
        circuit: &'c RefCell<Breaker>,
        patience: u32,
        deadline: u64,
    ) -> Call<'c, T> {
        Call {
            transport: self.transport,
            circuit,
            policy: Policy::INTERACTIVE,
            patience,
            deadline,
        }
    }

    /// All that the model says to these messages.
    async fn collect(
        &self,
        model: &chat::Model,
        messages: &[Message],
        deadline: u64,
        usage: &mut Usage,
    ) -> Result<String, &'static str> {
        let request = model.request(messages).map_err(|_| "url")?;
        let call = self.call(&self.circuits.chat, CHAT_PATIENCE, deadline);
        let mut response = call.send(&request).await.map_err(|error| error.code())?;
        let mut stream = Stream::new(model);
        let mut said = String::new();
        while stream.next(&call, &mut response.body).await {
            said.extend(stream.texts());
        }
        said.extend(stream.texts());
        add(usage, stream.usage);
        match stream.failure {
            Some((code, _)) => Err(code),
            None => Ok(said),
        }
    }

    /// Asks the model for an answer and passes on what it says as it says it.
    async fn write(
        &self,
        model: &chat::Model,
        messages: &[Message],
        references: &[Reference],
        deadline: u64,
        usage: &mut Usage,
        sink: &mut impl Sink,
    ) -> Result<Written, AnswerError> {
        let Ok(request) = model.request(messages) else {
            return Ok(Written::Nothing { code: "url" });
        };
        let call = self.call(&self.circuits.chat, CHAT_PATIENCE, deadline);
        let mut response = match call.send(&request).await {
            Ok(response) => response,
            Err(error) => return Ok(Written::Nothing { code: error.code() }),
        };
        let mut stream = Stream::new(model);
        let mut opening = Opening::default();
        let mut passage = Passage::new(self.engine, references);
        loop {
            let goes_on = stream.next(&call, &mut response.body).await;
            let mut text: String = stream.texts().collect();
            // What it says first may be meant for us.
            text = opening.push(&text, !goes_on).unwrap_or_default();
            passage.push(&text, !goes_on, sink).await?;
            if !goes_on {
                break;
            }
        }
        add(usage, stream.usage);
        Ok(match (opening.said, stream.failure, stream.stop) {
            (Some(Said::Search(query)), None, _) => Written::Search(query),
            (Some(Said::NotCovered), ..) => {
                sink.event(Event::Delta(NO_ANSWER.into())).await?;
                Written::Answer(Outcome::NotCovered)
            }
            (_, Some((code, _)), _) if !passage.has_text => Written::Nothing { code },
            (_, Some((code, message)), _) => {
                sink.event(Event::Error { code, message }).await?;
                Written::Answer(Outcome::Broken)
            }
            (_, None, Some(Stop::Refused)) => Written::Answer(Outcome::Refused),
            _ if !passage.has_text => Written::Nothing { code: "empty" },
            (_, None, Some(Stop::Length)) => Written::Answer(Outcome::Length),
            _ if passage.checker.has_cited() => Written::Answer(Outcome::Answered),
            _ => Written::Answer(Outcome::Uncited),
        })
    }
}

/// A text with misspelt words as the index has them.
fn corrected(text: &str, corrections: &[Correction]) -> String {
    let words = text.split_whitespace().map(|word| {
        let correction = corrections.iter().find(|one| one.from == folded(word));
        correction.map_or(word, |correction| &*correction.to)
    });
    words.collect::<Vec<_>>().join(" ")
}

fn add(sum: &mut Usage, usage: Usage) {
    sum.input += usage.input;
    sum.output += usage.output;
}

/// A model's response as it comes.
struct Stream {
    decoder: Option<chat::Decoder>,
    pieces: Vec<Piece>,
    usage: Usage,
    stop: Option<Stop>,
    failure: Option<(&'static str, String)>,
}

impl Stream {
    fn new(model: &chat::Model) -> Self {
        Self {
            decoder: Some(model.decoder()),
            pieces: Vec::new(),
            usage: Usage::default(),
            stop: None,
            failure: None,
        }
    }

    /// Reads on; returns whether there may be more.
    async fn next<T: Transport>(&mut self, call: &Call<'_, T>, body: &mut T::Body) -> bool {
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
                let code = match failure {
                    Failure::Timeout => "timeout",
                    Failure::Cut { .. } => "unreachable",
                };
                self.failure = Some((code, failure.to_string()));
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
    fn texts(&mut self) -> impl Iterator<Item = String> + '_ {
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
enum Said {
    NotCovered,
    Search(String),
}

/// The beginning of what a model says: until it is clear whom it is for.
#[derive(Default)]
struct Opening {
    held: String,
    is_over: bool,
    said: Option<Said>,
}

impl Opening {
    /// Takes text; returns what is for the reader.
    fn push(&mut self, text: &str, is_whole: bool) -> Option<String> {
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

/// The text of an answer on its way to the reader: scrubbed, its citations checked.
struct Passage<'a> {
    scrubber: Scrubber,
    checker: Checker<'a>,
    has_text: bool,
}

impl<'a> Passage<'a> {
    fn new<S: Source>(engine: &'a Engine<S>, references: &'a [Reference]) -> Self {
        Self {
            scrubber: Scrubber::new(references),
            checker: Checker::new(engine.analyzer(), references),
            has_text: false,
        }
    }

    async fn push(&mut self, text: &str, is_whole: bool, sink: &mut impl Sink) -> Result<(), Gone> {
        let mut pieces = Vec::new();
        self.scrubber.push(text, &mut pieces);
        if is_whole {
            self.scrubber.end(&mut pieces);
        }
        let shown: String = pieces
            .into_iter()
            .map(|piece| self.checker.push(piece))
            .collect();
        if !shown.is_empty() {
            self.has_text |= !shown.trim().is_empty();
            sink.event(Event::Delta(shown)).await?;
        }
        let mut citations = Vec::new();
        self.checker.citations(is_whole, &mut citations);
        for citation in citations {
            sink.event(Event::Citation(citation)).await?;
        }
        Ok(())
    }
}

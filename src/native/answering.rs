//! An index, models and a connection to them → answers in this process.

use std::env;
use std::io;

use coracle::answer::AnswerError;
use coracle::answer::Answerer;
use coracle::answer::Circuits;
use coracle::answer::Citation;
use coracle::answer::Event;
use coracle::answer::Gone;
use coracle::answer::ModelEmbedder;
use coracle::answer::Models;
use coracle::answer::Outcome;
use coracle::answer::Question;
use coracle::answer::Reference;
use coracle::answer::Sink;
use coracle::provider::chat::Usage;
use coracle::search::Engine;
use coracle::service::Config;
use coracle::service::ConfigError;
use coracle::store::DEFAULT_CACHE_BYTES;
use coracle::store::StoreError;

use crate::cli::ModelArgs;
use crate::error::Failure;
use crate::signing::PublicKeys;
use crate::source::Input;
use crate::transport::Http;

/// Settings: the variables that the service reads, over which flags go.
///
/// # Errors
/// [`Failure::Variable`], which names the variable.
pub fn config(args: &ModelArgs) -> Result<Config, Failure> {
    config_with(args, &[])
}

/// The same, with these values where a variable is not set.
///
/// # Errors
/// As [`config`].
pub fn config_with(args: &ModelArgs, defaults: &[(&str, &str)]) -> Result<Config, Failure> {
    let config = Config::from_variables(|name| {
        let default = || {
            let mut defaults = defaults.iter();
            let (_, value) = defaults.find(|(known, _)| *known == name)?;
            Some((*value).to_owned())
        };
        let flag = match name {
            "CHAT_URL" => args.chat_url.as_ref(),
            "CHAT_MODEL" => args.chat_model.as_ref(),
            "CHAT_API" => args.chat_api.as_ref(),
            _ => None,
        };
        flag.cloned()
            .or_else(|| env::var(name).ok())
            .or_else(default)
    })
    .map_err(Failure::Variable)?;
    without_bindings(config)
}

/// Refuses models that a host would have to bind: only workers have such hosts.
fn without_bindings(config: Config) -> Result<Config, Failure> {
    let Models {
        chat,
        embeddings,
        rerank,
    } = &config.models;
    let servers = [
        ("CHAT_URL", chat.as_ref().map(|model| &model.server)),
        ("EMBED_URL", embeddings.as_ref().map(|model| &model.server)),
        ("RERANK_URL", rerank.as_ref().map(|model| &model.server)),
    ];
    for (name, server) in servers {
        if server.is_some_and(|server| server.url.starts_with("binding:")) {
            let problem = "names a binding, which only workers have; give an address".into();
            return Err(Failure::Variable(ConfigError { name, problem }));
        }
    }
    Ok(config)
}

/// What answers: an index and the models.
#[derive(Debug)]
pub struct Answering {
    engine: Engine<Input>,
    http: Http,
    circuits: Circuits,
    config: Config,
}

impl Answering {
    /// Opens the index at `place`.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn open(
        place: &str,
        keys: Option<&PublicKeys>,
        config: Config,
    ) -> Result<Self, Failure> {
        let source = Input::open(place, keys).map_err(StoreError::from)?;
        let setup = |failure: coracle::provider::Failure| Failure::Setup {
            reason: failure.to_string(),
        };
        Ok(Self {
            engine: Engine::open(source, DEFAULT_CACHE_BYTES).await?,
            http: Http::new().map_err(setup)?,
            circuits: Circuits::default(),
            config,
        })
    }

    /// Whether a model writes answers.
    pub fn has_chat(&self) -> bool {
        self.config.models.chat.is_some()
    }

    /// Answers `question`, telling `sink`.
    ///
    /// # Errors
    /// [`Failure`]; a model that fails is none.
    pub async fn answer(&self, question: &Question, sink: &mut impl Sink) -> Result<(), Failure> {
        let embedder = ModelEmbedder {
            models: &self.config.models,
            circuits: &self.circuits,
            transport: &self.http,
        };
        let answerer = Answerer {
            engine: &self.engine,
            transport: &self.http,
            embedder: &embedder,
            models: &self.config.models,
            circuits: &self.circuits,
            options: &self.config.answer,
        };
        match answerer.answer(question, sink).await {
            Ok(()) => Ok(()),
            Err(AnswerError::Search(error)) => Err(error.into()),
            Err(AnswerError::Gone) => {
                let error = io::Error::from(io::ErrorKind::BrokenPipe);
                Err(Failure::io("write", "standard output".as_ref())(error))
            }
        }
    }

    /// Answers `question` and returns all of it at the end.
    ///
    /// # Errors
    /// As [`answer`](Self::answer).
    pub async fn collect(&self, question: &Question) -> Result<Answer, Failure> {
        let mut answer = Answer::default();
        self.answer(question, &mut answer).await?;
        Ok(answer)
    }
}

/// A whole answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Its text.
    pub text: String,
    /// The references that it may cite.
    pub sources: Vec<Reference>,
    /// What its sentences rest on.
    pub citations: Vec<Citation>,
    /// Parts that did less than they should, and why.
    pub degraded: Vec<(&'static str, &'static str)>,
    /// Tokens of the chat model.
    pub usage: Option<Usage>,
    /// Why it broke off, if it did: a code and a message.
    pub error: Option<(&'static str, String)>,
    /// How it ended.
    pub outcome: Option<Outcome>,
}

impl Answer {
    /// Adds what an event says.
    pub fn add(&mut self, event: Event) {
        match event {
            // Of a service, which keeps answers.
            Event::Search { .. } | Event::Similar { .. } => {}
            Event::Sources(sources) => self.sources = sources,
            Event::Delta(text) => self.text.push_str(&text),
            Event::Citation(citation) => self.citations.push(citation),
            Event::Degraded { part, code } => self.degraded.push((part.name(), code)),
            Event::Usage(usage) => self.usage = Some(usage),
            Event::Error { code, message } => self.error = Some((code, message)),
            Event::Done(outcome) => self.outcome = Some(outcome),
        }
    }

    /// The references that it cites.
    pub fn cited(&self) -> impl Iterator<Item = &Reference> {
        let is_cited = |number: u32| {
            let mut citations = self.citations.iter();
            citations.any(|citation| citation.numbers.contains(&number))
        };
        self.sources
            .iter()
            .filter(move |source| is_cited(source.number))
    }
}

impl Sink for Answer {
    async fn event(&mut self, event: Event) -> Result<(), Gone> {
        self.add(event);
        Ok(())
    }
}

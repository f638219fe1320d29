//! Texts into embeddings by a server: any of those that [`coracle::provider::embeddings`] knows.
//!
//! One request is under way at a time, so a build that is killed has at most one batch to pay
//! again. The key comes from an environment variable, goes into one header, and into nothing else:
//! redirects are not followed, and messages do not show it.

use core::cell::RefCell;
use core::fmt;
use std::env;
use std::io;
use std::time::Duration;

use coracle::provider::Breaker;
use coracle::provider::Call;
use coracle::provider::CallError;
use coracle::provider::Policy;
use coracle::provider::Secret;
use coracle::provider::UrlProblem;
use coracle::provider::embeddings::MAX_RESPONSE_BYTES;
use coracle::provider::embeddings::Model;
use coracle::provider::embeddings::Purpose;
use coracle::provider::embeddings::ResponseProblem;
use tokio::runtime::Runtime;

use super::EmbedError;
use super::Embedder;
use super::Fingerprint;
use super::Sink;
use crate::transport::Http;

/// Reads the key that the environment variable `variable` holds.
///
/// # Errors
/// [`EndpointError::Key`] when it is unset, empty or cannot be part of a header.
pub fn key_from_env(variable: &str) -> Result<Secret, EndpointError> {
    let value = env::var(variable).unwrap_or_default();
    Secret::new(&value).ok_or_else(|| EndpointError::Key {
        variable: variable.into(),
    })
}

/// Where and how to embed.
#[derive(Debug, Clone)]
pub struct EndpointOptions {
    /// The model and its server. Without `dimensions` the model's own number is learned from a first
    /// short request.
    pub model: Model,
    /// Tokens that the model reads of one text.
    pub max_tokens: usize,
    /// Most texts in a request; servers take at most
    /// [`Api::most_texts`](coracle::provider::embeddings::Api::most_texts).
    pub batch_texts: usize,
    /// Most tokens in a request, counted as two bytes each, which few tokenizers exceed; OpenAI
    /// takes 300,000.
    pub batch_tokens: usize,
    /// Longest time until a response begins, and between two pieces of it.
    pub timeout: Duration,
    /// Attempts after the first one.
    pub retries: u32,
    /// Longest first wait between attempts; it doubles up to sixteen times that.
    pub backoff: Duration,
}

impl EndpointOptions {
    /// The usual settings for a model.
    pub fn new(model: Model) -> Self {
        Self {
            batch_texts: model.api.most_texts().min(64),
            model,
            max_tokens: 8192,
            batch_tokens: 100_000,
            timeout: Duration::from_secs(120),
            retries: 8,
            backoff: Duration::from_millis(500),
        }
    }
}

/// Why an endpoint gave no embeddings.
#[derive(Debug)]
#[non_exhaustive]
pub enum EndpointError {
    /// The URL is not used.
    Url(UrlProblem),
    /// The variable that should hold the key does not.
    Key {
        /// Its name.
        variable: String,
    },
    /// A text is empty; servers refuse those.
    EmptyText {
        /// Its number.
        text: usize,
    },
    /// The machine has no threads, sockets or TLS for requests.
    Setup {
        /// The system's reason.
        reason: String,
    },
    /// The server gave no answer, or refused.
    Call(CallError),
    /// The server answered with something other than one good embedding per text.
    Response {
        /// Number of the batch's first text.
        first: usize,
        /// What is wrong.
        problem: ResponseProblem,
    },
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(problem) => problem.fmt(f),
            Self::Key { variable } => {
                write!(
                    f,
                    "environment variable {variable} holds no key; set it, or name another"
                )
            }
            Self::EmptyText { text } => write!(f, "text {text} is empty; leave it out"),
            Self::Setup { reason } => write!(f, "no requests can be sent: {reason}"),
            Self::Call(error) => {
                error.fmt(f)?;
                f.write_str(match error {
                    CallError::Failed { .. } => {
                        "; check the URL and the network, then run again: finished batches are kept \
                         where a cache is on"
                    }
                    CallError::Pause { .. } | CallError::Open { .. } => "; run again after that",
                    CallError::Refused { status: 413, .. } => {
                        "; one text alone is too long: cut chunks smaller"
                    }
                    CallError::Refused { status, .. } if *status >= 429 => "; run again later",
                    CallError::Refused { .. } => "",
                })
            }
            Self::Response { first, problem } => {
                write!(
                    f,
                    "response for the batch that begins with text {first}: {problem}"
                )
            }
        }
    }
}

impl core::error::Error for EndpointError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Call(error) => Some(error),
            Self::Response { problem, .. } => Some(problem),
            Self::Url(problem) => Some(problem),
            _ => None,
        }
    }
}

/// An embedding model behind HTTP.
#[derive(Debug)]
pub struct Endpoint {
    runtime: Runtime,
    http: Http,
    host: String,
    dim: usize,
    options: EndpointOptions,
}

impl Endpoint {
    /// Prepares requests; asks the server for its dimension if none is set.
    ///
    /// # Errors
    /// [`EndpointError`] for an unusable URL or, where the server is asked, whatever it refuses.
    pub fn new(options: EndpointOptions) -> Result<Self, EndpointError> {
        let host = options
            .model
            .server
            .host()
            .map_err(EndpointError::Url)?
            .into();
        let setup = |reason| EndpointError::Setup { reason };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error: io::Error| setup(error.to_string()))?;
        let http = Http::new().map_err(|error| setup(error.to_string()))?;
        let mut endpoint = Self {
            runtime,
            http,
            host,
            dim: options.model.dimensions.unwrap_or(0),
            options,
        };
        if endpoint.dim == 0 {
            endpoint.dim = endpoint.embed_batch(0, &["dimension"])?.len();
        }
        Ok(endpoint)
    }

    /// One request, tried again as [`Call`] says. Rows in the order of `texts`.
    fn embed_batch(&self, first: usize, texts: &[&str]) -> Result<Vec<f32>, EndpointError> {
        let Self { http, options, .. } = self;
        let request = options.model.request(texts, Purpose::Document);
        let request = request.map_err(EndpointError::Url)?;
        // A build waits for its server as long as the policy says: nobody else suffers from that.
        let circuit = RefCell::new(Breaker::fixed());
        let call = Call {
            transport: http,
            circuit: &circuit,
            policy: Policy {
                retries: options.retries,
                backoff: millis(options.backoff),
                ..Policy::BUILD
            },
            patience: millis(options.timeout),
            deadline: u64::MAX,
        };
        let response = self
            .runtime
            .block_on(call.fetch(&request, MAX_RESPONSE_BYTES));
        let response = response.map_err(EndpointError::Call)?;
        let dim = (self.dim > 0).then_some(self.dim);
        let rows = options.model.response(&response, texts.len(), dim);
        rows.map_err(|problem| EndpointError::Response { first, problem })
    }

    /// How many of `texts` go into the next request: at least one.
    fn batch_len(&self, texts: &[&str], most: usize) -> usize {
        let mut bytes = 0_usize;
        let fits = texts.iter().take(most).take_while(|text| {
            bytes = bytes.saturating_add(self.options.model.document_prefix.len() + text.len());
            bytes.div_ceil(2) <= self.options.batch_tokens
        });
        fits.count().max(1)
    }
}

impl Embedder for Endpoint {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            model: self.options.model.model.clone(),
            revision: self.host.clone(),
            dim: self.dim,
            pooling: String::new(),
            prefix: self.options.model.document_prefix.clone(),
        }
    }

    fn max_tokens(&self) -> usize {
        self.options.max_tokens
    }

    fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError> {
        if let Some(text) = texts.iter().position(|text| text.is_empty()) {
            return Err(EndpointError::EmptyText { text }.into());
        }
        let mut most = self.options.batch_texts.max(1);
        let mut first = 0;
        while first < texts.len() {
            let len = self.batch_len(&texts[first..], most);
            match self.embed_batch(first, &texts[first..first + len]) {
                // The server's limit is lower than the options say.
                Err(EndpointError::Call(CallError::Refused { status: 413, .. })) if len > 1 => {
                    most = len / 2;
                }
                rows => {
                    sink(first, &rows?)?;
                    first += len;
                }
            }
        }
        Ok(())
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

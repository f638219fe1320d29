//! Texts into embeddings by a server: any of those that [`coracle::provider::embeddings`] knows.
//!
//! One request is under way at a time, so a build that is killed has at most one batch to pay
//! again. The key comes from an environment variable, goes into one header, and into nothing else:
//! redirects are not followed, and messages do not show it.

mod retry;

use core::fmt;
use std::env;
use std::time::Duration;

use coracle::provider::KeyHeader;
use coracle::provider::Refusal;
use coracle::provider::Request;
use coracle::provider::Secret;
use coracle::provider::UrlProblem;
use coracle::provider::embeddings::MAX_RESPONSE_BYTES;
use coracle::provider::embeddings::Model;
use coracle::provider::embeddings::Purpose;
use coracle::provider::embeddings::ResponseProblem;
use ureq::Agent;

use super::EmbedError;
use super::Embedder;
use super::Fingerprint;
use super::Sink;
use retry::Attempt;

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
    /// Longest time for one request and its response.
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
    /// No complete response.
    Transport {
        /// What went wrong last.
        error: ureq::Error,
        /// Requests sent.
        attempts: u32,
    },
    /// The server refused.
    Status {
        /// HTTP status.
        status: u16,
        /// The server's explanation, shortened; without the key.
        message: String,
        /// The server's id of the request, empty if it gave none.
        request_id: String,
        /// Requests sent.
        attempts: u32,
    },
    /// The server asks for a pause longer than a build should wait.
    Pause {
        /// Its length in seconds.
        seconds: u64,
    },
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
            Self::Transport { error, attempts } => write!(
                f,
                "no answer after {attempts} attempts: {error}; check the URL and the network, then \
                 run again: finished batches are kept where a cache is on"
            ),
            Self::Status {
                status,
                message,
                request_id,
                attempts,
            } => {
                write!(f, "the server answered {status} ({message})")?;
                if !request_id.is_empty() {
                    write!(f, ", request {request_id}")?;
                }
                f.write_str(match status {
                    300..=399 => "; redirects are not followed: give the final URL",
                    401 | 403 => "; check the key and that it may use this model",
                    404 | 405 => "; check the URL and the model's name",
                    413 => "; one text alone is too long: cut chunks smaller",
                    400 | 422 => "; check model, dimensions and encoding",
                    429 => "; the account's limit or quota is used up: run again later",
                    _ => "; run again later",
                })?;
                write!(f, " (attempts: {attempts})")
            }
            Self::Pause { seconds } => {
                write!(
                    f,
                    "the server asks to wait {seconds} s; run again after that"
                )
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
            Self::Transport { error, .. } => Some(error),
            Self::Response { problem, .. } => Some(problem),
            Self::Url(problem) => Some(problem),
            _ => None,
        }
    }
}

/// An embedding model behind HTTP.
#[derive(Debug)]
pub struct Endpoint {
    agent: Agent,
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
        let host = options.model.server.host().map_err(EndpointError::Url)?.into();
        let agent = Agent::config_builder()
            .timeout_connect(Some(Duration::from_secs(10)))
            .timeout_global(Some(options.timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("coracle/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        let mut endpoint = Self {
            agent,
            host,
            dim: options.model.dimensions.unwrap_or(0),
            options,
        };
        if endpoint.dim == 0 {
            endpoint.dim = endpoint.embed_batch(0, &["dimension"])?.len();
        }
        Ok(endpoint)
    }

    /// One request, tried again as `retry.rs` says. Rows in the order of `texts`.
    fn embed_batch(&self, first: usize, texts: &[&str]) -> Result<Vec<f32>, EndpointError> {
        let model = &self.options.model;
        let request = model.request(texts, Purpose::Document);
        let request = request.map_err(EndpointError::Url)?;
        let response = retry::run(&self.options, || self.attempt(&request))?;
        let dim = (self.dim > 0).then_some(self.dim);
        let rows = model.response(&response, texts.len(), dim);
        rows.map_err(|problem| EndpointError::Response { first, problem })
    }

    fn attempt(&self, request: &Request) -> Result<Attempt, ureq::Error> {
        let mut post = self
            .agent
            .post(&request.url)
            .content_type("application/json");
        for (name, value) in request.headers {
            post = post.header(*name, *value);
        }
        let key = request.key.as_ref();
        if let Some((header, key)) = key {
            post = match header {
                KeyHeader::Bearer => {
                    post.header("authorization", format!("Bearer {}", key.expose()))
                }
                KeyHeader::ApiKey => post.header("api-key", key.expose()),
                KeyHeader::XApiKey => post.header("x-api-key", key.expose()),
            };
        }
        let response = post.send(&request.body)?;
        let (head, mut content) = response.into_parts();
        let content = content
            .with_config()
            .limit(MAX_RESPONSE_BYTES as u64)
            .read_to_vec()?;
        if head.status.is_success() {
            return Ok(Attempt::Done(content));
        }
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        Ok(Attempt::Refused {
            status: head.status.as_u16(),
            refusal: Refusal::read(&content, key.map(|(_, key)| key)),
            request_id: header("x-request-id").unwrap_or_default().to_owned(),
            pause: retry::pause(header("retry-after-ms"), header("retry-after")),
        })
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
                Err(EndpointError::Status { status: 413, .. }) if len > 1 => most = len / 2,
                rows => {
                    sink(first, &rows?)?;
                    first += len;
                }
            }
        }
        Ok(())
    }
}

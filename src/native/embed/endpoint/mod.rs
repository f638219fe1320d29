//! Texts into embeddings by any server that speaks OpenAI's `POST /v1/embeddings`.
//!
//! One request is under way at a time, so a build that is killed has at most one batch to pay
//! again. The key comes from an environment variable, goes into one header, and into nothing else:
//! redirects are not followed, and messages do not show it.
//!
//! Source: OpenAI's API description (`openai-openapi`, v2.3.0); the error bodies of Ollama and Azure.

mod retry;
mod wire;

use core::fmt;
use std::env;
use std::time::Duration;

use ureq::Agent;
use ureq::http::Uri;

use super::EmbedError;
use super::Embedder;
use super::Fingerprint;
use super::Sink;
use retry::Attempt;
pub use wire::ResponseProblem;

/// Longest response that is read: 2,048 embeddings of 8,192 numbers as decimal text.
const RESPONSE_BYTES: u64 = 512 << 20;

/// A secret from the environment; its value is never shown.
#[derive(Clone)]
pub struct Key {
    variable: String,
    value: String,
}

impl Key {
    /// Reads the environment variable `variable`.
    ///
    /// # Errors
    /// [`EndpointError::Key`] when it is unset, empty or cannot be part of a header.
    pub fn from_env(variable: &str) -> Result<Self, EndpointError> {
        let value = env::var(variable).unwrap_or_default().trim().to_owned();
        if value.is_empty() || !value.bytes().all(|b| b.is_ascii_graphic() || b == b' ') {
            return Err(EndpointError::Key {
                variable: variable.into(),
            });
        }
        Ok(Self {
            variable: variable.into(),
            value,
        })
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(${})", self.variable)
    }
}

/// The header that carries the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyHeader {
    /// `Authorization: Bearer …`, as nearly everywhere.
    #[default]
    Bearer,
    /// `api-key: …`, as on Azure.
    ApiKey,
}

/// How the server is asked to write numbers. Either form is understood in any response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// Little-endian `f32` in base64: a quarter of the bytes of decimal text.
    #[default]
    Base64,
    /// Decimal text.
    Float,
    /// Whatever the server does unasked, for servers that refuse the field `encoding_format`.
    Unsaid,
}

/// Where and how to embed.
#[derive(Debug, Clone)]
pub struct EndpointOptions {
    /// Base URL (`https://api.openai.com/v1`) or the whole one, ending in `/embeddings`.
    pub url: String,
    /// Model, as the server names it.
    pub model: String,
    /// The key, if the server wants one.
    pub key: Option<Key>,
    /// Header of the key.
    pub key_header: KeyHeader,
    /// Components to ask for. `None`: the model's own number, learned from a first short request.
    pub dimensions: Option<usize>,
    /// Form of the numbers to ask for.
    pub encoding: Encoding,
    /// Text put before every document, such as `passage: `, where the model was trained with one.
    pub prefix: String,
    /// Tokens that the model reads of one text.
    pub max_tokens: usize,
    /// Most texts in a request; OpenAI takes 2,048.
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
    /// The usual settings for a model at a URL.
    pub fn new(url: impl Into<String>, model: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            model: model.into(),
            key: None,
            key_header: KeyHeader::default(),
            dimensions: None,
            encoding: Encoding::default(),
            prefix: String::new(),
            max_tokens: 8192,
            batch_texts: 64,
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
    /// The URL is not an absolute http or https URL.
    Url {
        /// What was given.
        url: String,
    },
    /// A key would cross the network unencrypted.
    Unencrypted {
        /// Host of the URL.
        host: String,
    },
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
            Self::Url { url } => {
                write!(
                    f,
                    "url {url:?} is not usable; give one like https://host/v1"
                )
            }
            Self::Unencrypted { host } => {
                write!(
                    f,
                    "the key would travel to {host} unencrypted; use https, or leave it out"
                )
            }
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
            _ => None,
        }
    }
}

/// An embedding model behind HTTP.
#[derive(Debug)]
pub struct Endpoint {
    agent: Agent,
    url: String,
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
        let (url, host) = embeddings_url(&options)?;
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
            url,
            host,
            dim: options.dimensions.unwrap_or(0),
            options,
        };
        if endpoint.dim == 0 {
            endpoint.dim = endpoint.request(0, &["dimension"])?.len();
        }
        Ok(endpoint)
    }

    /// One request, tried again as `retry.rs` says. Rows in the order of `texts`.
    fn request(&self, first: usize, texts: &[&str]) -> Result<Vec<f32>, EndpointError> {
        let body = wire::request(&self.options, texts);
        let response = retry::run(&self.options, || self.attempt(&body))?;
        let dim = (self.dim > 0).then_some(self.dim);
        wire::response(&response, texts.len(), dim)
            .map_err(|problem| EndpointError::Response { first, problem })
    }

    fn attempt(&self, body: &[u8]) -> Result<Attempt, ureq::Error> {
        let mut request = self.agent.post(&self.url).content_type("application/json");
        if let Some(key) = &self.options.key {
            request = match self.options.key_header {
                KeyHeader::Bearer => {
                    request.header("authorization", format!("Bearer {}", key.value))
                }
                KeyHeader::ApiKey => request.header("api-key", &key.value),
            };
        }
        let response = request.send(body)?;
        let (head, mut content) = response.into_parts();
        let content = content.with_config().limit(RESPONSE_BYTES).read_to_vec()?;
        if head.status.is_success() {
            return Ok(Attempt::Done(content));
        }
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let mut refusal = wire::refusal(&content);
        if let Some(key) = &self.options.key {
            refusal.message = refusal.message.replace(&key.value, "…");
        }
        Ok(Attempt::Refused {
            status: head.status.as_u16(),
            quota: refusal.quota,
            message: refusal.message,
            request_id: header("x-request-id").unwrap_or_default().to_owned(),
            pause: retry::pause(header("retry-after-ms"), header("retry-after")),
        })
    }

    /// How many of `texts` go into the next request: at least one.
    fn batch_len(&self, texts: &[&str], most: usize) -> usize {
        let mut bytes = 0_usize;
        let fits = texts.iter().take(most).take_while(|text| {
            bytes = bytes.saturating_add(self.options.prefix.len() + text.len());
            bytes.div_ceil(2) <= self.options.batch_tokens
        });
        fits.count().max(1)
    }
}

impl Embedder for Endpoint {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            model: self.options.model.clone(),
            revision: self.host.clone(),
            dim: self.dim,
            pooling: String::new(),
            prefix: self.options.prefix.clone(),
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
            match self.request(first, &texts[first..first + len]) {
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

/// The URL to post to, and its host.
fn embeddings_url(options: &EndpointOptions) -> Result<(String, String), EndpointError> {
    let bad = || EndpointError::Url {
        url: options.url.clone(),
    };
    let (base, query) = match options.url.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (options.url.as_str(), String::new()),
    };
    let base = base.trim_end_matches('/');
    let path = if base.ends_with("/embeddings") {
        ""
    } else {
        "/embeddings"
    };
    let url = format!("{base}{path}{query}");
    let parsed: Uri = url.parse().map_err(|_| bad())?;
    let host = parsed
        .host()
        .filter(|host| !host.is_empty())
        .ok_or_else(bad)?;
    let local = matches!(host, "localhost" | "[::1]") || host.starts_with("127.");
    match parsed.scheme_str() {
        Some("https") => {}
        Some("http") if options.key.is_none() || local => {}
        Some("http") => return Err(EndpointError::Unencrypted { host: host.into() }),
        _ => return Err(bad()),
    }
    let host = host.to_owned();
    Ok((url, host))
}

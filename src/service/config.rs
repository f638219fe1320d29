//! Settings out of named variables: the worker's `[vars]` and secrets, or a process's environment.
//!
//! | variables | what they set |
//! |---|---|
//! | `CHAT_API`, `CHAT_URL`, `CHAT_MODEL`, `CHAT_KEY`, `CHAT_MAX_TOKENS`, `CHAT_TEMPERATURE`, `CHAT_TOKEN_FIELD` | the model that writes answers |
//! | `EMBED_API`, `EMBED_URL`, `EMBED_MODEL`, `EMBED_KEY`, `EMBED_DIMENSIONS`, `EMBED_QUERY_PREFIX` | the model that embeds queries |
//! | `RERANK_API`, `RERANK_URL`, `RERANK_MODEL`, `RERANK_KEY` | the model that ranks passages anew |
//! | `ANSWER_CONTEXT_TOKENS`, `ANSWER_REFERENCES`, `ANSWER_HOPS`, `ANSWER_DEADLINE_MS`, `ANSWER_INSTRUCTIONS` | how to answer |
//! | `ALLOW_ORIGIN`, `API_TOKENS`, `RATE_LIMIT`, `DAILY_TOKENS` | who may ask for how much |
//! | `SESSION_SECRET`, `SESSION_SECONDS`, `TURNSTILE_SECRET`, `TURNSTILE_URL` | tokens of visitors |
//! | `CACHE_SECONDS`, `SIMILARITY`, `SEARCH_TIMEOUT_MS`, `REFRESH_SECONDS`, `METRICS` | the service itself |
//!
//! Lists are separated by commas or white space. A variable that is empty counts as not set.

use super::Sessions;
use crate::answer::Models;
use crate::answer::Options;
use crate::provider::KeyHeader;
use crate::provider::Secret;
use crate::provider::Server;
use crate::provider::UrlProblem;
use crate::provider::chat;
use crate::provider::chat::TokenField;
use crate::provider::embeddings;
use crate::provider::rerank;
use crate::provider::turnstile;
use crate::provider::turnstile::Turnstile;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::str::FromStr;

/// Seconds for which a session holds: about as long as somebody reads and asks.
const SESSION_SECONDS: u32 = 900;

/// Settings of a service.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Models that take part in answers.
    pub models: Models,
    /// How to answer.
    pub answer: Options,
    /// Origins that pages may call from; empty: any may search, none may ask for answers.
    pub origins: Vec<String>,
    /// Tokens by which programs ask for answers; empty: programs need none.
    pub tokens: Vec<Secret>,
    /// Tokens of visitors, without which pages do not get what costs money; none: they need none.
    pub sessions: Option<Sessions>,
    /// What a client may cost in a minute, 1 a search; 0 does not limit it.
    pub rate_limit: u32,
    /// Tokens that the chat model may take in a day; after that answers are extractive.
    pub daily_tokens: Option<u64>,
    /// Seconds for which answers and embeddings are kept; 0 keeps none.
    pub cache_seconds: u32,
    /// Cosine of two questions' embeddings from which one's answer does for the other; none: never.
    pub similarity: Option<f64>,
    /// Milliseconds after which a search is given up.
    pub search_timeout: u32,
    /// Seconds after which a newer build of the index is looked for.
    pub refresh: u32,
    /// Seconds for which others may reuse the response to a `GET /search`.
    pub max_age: u32,
    /// Longest body, in bytes.
    pub max_body: usize,
    /// Whether `/metrics` is there: on servers that outlive a request.
    pub metrics: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            models: Models::default(),
            answer: Options::default(),
            origins: Vec::new(),
            tokens: Vec::new(),
            sessions: None,
            // Ten searches a second, or an answer every two.
            rate_limit: 600,
            daily_tokens: None,
            cache_seconds: 3600,
            similarity: None,
            search_timeout: 10_000,
            refresh: 300,
            max_age: 300,
            max_body: 64 << 10,
            metrics: false,
        }
    }
}

/// Variables by name.
struct Variables<F>(F);

impl Config {
    /// Reads all settings that `variable` knows, by name.
    ///
    /// # Errors
    /// [`ConfigError`] that names the variable.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let given = Variables(variable);
        let models = Models {
            chat: given.chat()?,
            embeddings: given.embeddings()?,
            rerank: given.rerank()?,
        };
        let mut config = Self {
            models,
            ..Self::default()
        };
        let answer = &mut config.answer;
        given.number(
            "ANSWER_CONTEXT_TOKENS",
            100..=100_000,
            &mut answer.context_tokens,
        )?;
        given.number("ANSWER_REFERENCES", 1..=50, &mut answer.references)?;
        given.number("ANSWER_HOPS", 0..=5, &mut answer.hops)?;
        given.number("ANSWER_DEADLINE_MS", 1000..=600_000, &mut answer.deadline)?;
        answer.instructions = given.text("ANSWER_INSTRUCTIONS").unwrap_or_default();
        config.origins = given.origins()?;
        config.tokens = given.tokens()?;
        config.sessions = given.sessions()?;
        given.number("RATE_LIMIT", 0..=1_000_000, &mut config.rate_limit)?;
        let mut daily = 0;
        given.number("DAILY_TOKENS", 0..=u64::MAX >> 11, &mut daily)?;
        config.daily_tokens = given.text("DAILY_TOKENS").map(|_| daily);
        given.number("CACHE_SECONDS", 0..=31_536_000, &mut config.cache_seconds)?;
        config.similarity = given.similarity(&config)?;
        given.number(
            "SEARCH_TIMEOUT_MS",
            100..=600_000,
            &mut config.search_timeout,
        )?;
        given.number("REFRESH_SECONDS", 0..=31_536_000, &mut config.refresh)?;
        config.metrics = given
            .choice("METRICS", &[("false", false), ("true", true)])?
            .unwrap_or(false);
        Ok(config)
    }
}

impl Config {
    /// `text` without the keys of the models and of Turnstile, for messages that quote their servers.
    pub(super) fn redact(&self, text: &str) -> String {
        let Models {
            chat,
            embeddings,
            rerank,
        } = &self.models;
        let servers = [
            chat.as_ref().map(|model| &model.server),
            embeddings.as_ref().map(|model| &model.server),
            rerank.as_ref().map(|model| &model.server),
        ];
        let keys = servers.into_iter().flatten();
        let keys = keys.filter_map(|server| server.key.as_ref());
        let sessions = self.sessions.as_ref();
        let turnstile = sessions.and_then(|sessions| sessions.turnstile.as_ref());
        let keys = keys.chain(turnstile.and_then(Turnstile::secret));
        keys.fold(text.into(), |text: String, key| key.redact(&text))
    }
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// The value of a variable, without white space around it.
    fn text(&self, name: &str) -> Option<String> {
        let value = (self.0)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.into())
    }

    fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, ConfigError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let found = choices.iter().find(|(choice, _)| *choice == text);
        let known = || {
            let names: Vec<&str> = choices.iter().map(|(choice, _)| *choice).collect();
            ConfigError::new(name, format!("must be one of {}", names.join(", ")))
        };
        found.map(|&(_, meaning)| Some(meaning)).ok_or_else(known)
    }

    /// Sets a number if the variable has one.
    fn number<T: FromStr + PartialOrd + fmt::Display>(
        &self,
        name: &'static str,
        range: core::ops::RangeInclusive<T>,
        place: &mut T,
    ) -> Result<(), ConfigError> {
        if let Some(text) = self.text(name) {
            let number = text.parse().ok().filter(|number| range.contains(number));
            *place = number.ok_or_else(|| {
                let (least, most) = (range.start(), range.end());
                ConfigError::new(name, format!("must be a number from {least} to {most}"))
            })?;
        }
        Ok(())
    }

    fn list(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        let parts = text.split([',', ' ', '\t', '\r', '\n']);
        parts
            .filter(|part| !part.is_empty())
            .map(String::from)
            .collect()
    }

    fn secret(&self, name: &'static str) -> Result<Option<Secret>, ConfigError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let must = || ConfigError::new(name, "holds characters that a header cannot carry".into());
        Secret::new(&text).map(Some).ok_or_else(must)
    }

    fn origins(&self) -> Result<Vec<String>, ConfigError> {
        let origins = self.list("ALLOW_ORIGIN");
        if origins.iter().all(|origin| origin == "*") {
            return Ok(Vec::new());
        }
        let is_origin = |origin: &String| {
            let rest = origin
                .strip_prefix("https://")
                .or(origin.strip_prefix("http://"));
            rest.is_some_and(|host| {
                let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"/?#@*".contains(&byte);
                !host.is_empty() && host.bytes().all(is_plain)
            })
        };
        match origins.iter().all(is_origin) {
            true => Ok(origins),
            false => Err(ConfigError::new(
                "ALLOW_ORIGIN",
                "must be origins such as https://docs.example.com, without a path, or * alone"
                    .into(),
            )),
        }
    }

    fn tokens(&self) -> Result<Vec<Secret>, ConfigError> {
        // A token that is easily guessed opens the door to what costs money.
        let token = |text: &String| Secret::new(text).filter(|_| text.len() >= 16);
        let tokens: Option<Vec<Secret>> = self.list("API_TOKENS").iter().map(token).collect();
        tokens.ok_or_else(|| {
            ConfigError::new(
                "API_TOKENS",
                "must be tokens of at least 16 printable characters".into(),
            )
        })
    }

    fn similarity(&self, config: &Config) -> Result<Option<f64>, ConfigError> {
        if self.text("SIMILARITY").is_none() {
            return Ok(None);
        }
        let mut least = 0.0;
        self.number("SIMILARITY", 0.8..=1.0, &mut least)?;
        let wants = |problem: &str| Err(ConfigError::new("SIMILARITY", problem.into()));
        match (&config.models.embeddings, config.cache_seconds) {
            (None, _) => wants("compares questions by a model: set EMBED_URL and EMBED_MODEL"),
            (_, 0) => wants("is of no use while CACHE_SECONDS is 0: no answer is kept"),
            _ => Ok(Some(least)),
        }
    }

    fn sessions(&self) -> Result<Option<Sessions>, ConfigError> {
        let turnstile = self.turnstile()?;
        let Some(secret) = self.secret("SESSION_SECRET")? else {
            return match turnstile {
                None => Ok(None),
                Some(_) => {
                    let problem = "is missing, but TURNSTILE_SECRET is set";
                    Err(ConfigError::new("SESSION_SECRET", problem.into()))
                }
            };
        };
        if secret.expose().len() < 32 {
            let problem =
                "must be at least 32 random characters, as `openssl rand -hex 32` gives them";
            return Err(ConfigError::new("SESSION_SECRET", problem.into()));
        }
        let mut seconds = SESSION_SECONDS;
        self.number("SESSION_SECONDS", 60..=86_400, &mut seconds)?;
        Ok(Some(Sessions {
            secret,
            seconds,
            turnstile,
        }))
    }

    fn turnstile(&self) -> Result<Option<Turnstile>, ConfigError> {
        let (secret, url) = (self.secret("TURNSTILE_SECRET")?, self.text("TURNSTILE_URL"));
        let Some(secret) = secret else {
            return match url {
                None => Ok(None),
                Some(_) => {
                    let problem = "is missing, but TURNSTILE_URL is set";
                    Err(ConfigError::new("TURNSTILE_SECRET", problem.into()))
                }
            };
        };
        let made = Turnstile::new(url.as_deref().unwrap_or(turnstile::URL), secret);
        made.map(Some).map_err(|_| {
            let problem =
                "must be an address by https, or on this machine; leave it out for Cloudflare's";
            ConfigError::new("TURNSTILE_URL", problem.into())
        })
    }

    /// The server that three variables name, and the model's name; nothing where none of them is set.
    fn server(
        &self,
        [url, model, key]: [&'static str; 3],
        needs_model: bool,
    ) -> Result<Option<(Server, String)>, ConfigError> {
        let (address, name) = (self.text(url), self.text(model));
        let Some(address) = address else {
            return match name {
                None => Ok(None),
                Some(_) => Err(ConfigError::new(
                    url,
                    format!("is missing, but {model} is set"),
                )),
            };
        };
        if needs_model && name.is_none() {
            let problem = format!("is missing, but {url} is set");
            return Err(ConfigError::new(model, problem));
        }
        let mut server = Server::new(&address);
        server.key = self.secret(key)?;
        // Addresses are not repeated: somebody may have put a password there.
        let problem = match server.host() {
            Ok(_) => return Ok(Some((server, name.unwrap_or_default()))),
            Err(UrlProblem::NotAbsolute { .. }) => {
                String::from("must be an address such as https://host/v1, without a password in it")
            }
            Err(UrlProblem::Unencrypted { .. }) => {
                format!("is not encrypted, so the key would be; use https, or leave {key} out")
            }
        };
        Err(ConfigError::new(url, problem))
    }

    fn chat(&self) -> Result<Option<chat::Model>, ConfigError> {
        use chat::Api;
        let apis = [
            ("completions", (Api::Completions, false)),
            ("azure", (Api::Completions, true)),
            ("responses", (Api::Responses, false)),
            ("anthropic", (Api::Anthropic, false)),
            ("ollama", (Api::Ollama, false)),
            ("workers-ai", (Api::WorkersAi, false)),
        ];
        let (api, is_azure) = self.choice("CHAT_API", &apis)?.unwrap_or_default();
        let names = ["CHAT_URL", "CHAT_MODEL", "CHAT_KEY"];
        // On Azure the address names the deployment.
        let Some((server, name)) = self.server(names, !is_azure)? else {
            return Ok(None);
        };
        let mut model = chat::Model::new(api, &server.url, &name);
        model.server.key = server.key;
        if is_azure {
            model.server.key_header = KeyHeader::ApiKey;
        }
        self.number("CHAT_MAX_TOKENS", 16..=32_000, &mut model.max_tokens)?;
        let fields = [
            ("max_tokens", TokenField::MaxTokens),
            ("max_completion_tokens", TokenField::MaxCompletionTokens),
        ];
        let field = self.choice("CHAT_TOKEN_FIELD", &fields)?;
        model.token_field = field.unwrap_or_default();
        if self.text("CHAT_TEMPERATURE").is_some() {
            let mut degrees = 0.0;
            self.number("CHAT_TEMPERATURE", 0.0..=2.0, &mut degrees)?;
            model.temperature = Some(degrees);
        }
        Ok(Some(model))
    }

    fn embeddings(&self) -> Result<Option<embeddings::Model>, ConfigError> {
        use embeddings::Api;
        let apis = [
            ("openai", (Api::OpenAi, false)),
            ("azure", (Api::OpenAi, true)),
            ("voyage", (Api::Voyage, false)),
            ("jina", (Api::Jina, false)),
            ("cohere", (Api::Cohere, false)),
            ("ollama", (Api::Ollama, false)),
            ("tei", (Api::Tei, false)),
            ("workers-ai", (Api::WorkersAi, false)),
        ];
        let (api, is_azure) = self.choice("EMBED_API", &apis)?.unwrap_or_default();
        let names = ["EMBED_URL", "EMBED_MODEL", "EMBED_KEY"];
        let needs_model = !is_azure && api != Api::Tei;
        let Some((server, name)) = self.server(names, needs_model)? else {
            return Ok(None);
        };
        let mut model = embeddings::Model::new(api, &server.url, &name);
        model.server.key = server.key;
        if is_azure {
            model.server.key_header = KeyHeader::ApiKey;
        }
        if self.text("EMBED_DIMENSIONS").is_some() {
            let mut dimensions = 0;
            let most = crate::vector::MAX_DIM;
            self.number("EMBED_DIMENSIONS", 1..=most, &mut dimensions)?;
            model.dimensions = Some(dimensions);
        }
        // The white space at its end is a part of a prefix.
        model.query_prefix = (self.0)("EMBED_QUERY_PREFIX").unwrap_or_default();
        Ok(Some(model))
    }

    fn rerank(&self) -> Result<Option<rerank::Model>, ConfigError> {
        use rerank::Api;
        let apis = [
            ("cohere", Api::Cohere),
            ("jina", Api::Cohere),
            ("voyage", Api::Voyage),
            ("tei", Api::Tei),
            ("workers-ai", Api::WorkersAi),
        ];
        let api = self.choice("RERANK_API", &apis)?.unwrap_or_default();
        let names = ["RERANK_URL", "RERANK_MODEL", "RERANK_KEY"];
        let found = self.server(names, api != Api::Tei)?;
        Ok(found.map(|(server, model)| rerank::Model { api, server, model }))
    }
}

/// A variable's value is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it and what it may be. Never holds the value of a secret.
    pub problem: String,
}

impl ConfigError {
    fn new(name: &'static str, problem: String) -> Self {
        Self { name, problem }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.problem)
    }
}

impl core::error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::Config;
    use crate::provider::KeyHeader;
    use crate::provider::chat::Api;
    use alloc::format;
    use alloc::string::String;

    fn read(variables: &[(&str, &str)]) -> Result<Config, super::ConfigError> {
        Config::from_variables(|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| String::from(*value))
        })
    }

    #[test]
    fn nothing_set_searches_and_answers_without_models() {
        assert_eq!(read(&[]), Ok(Config::default()));
        assert_eq!(
            read(&[("ALLOW_ORIGIN", "*"), ("CHAT_URL", " ")]),
            Ok(Config::default())
        );
    }

    #[test]
    fn variables_set_what_they_name() {
        let config = read(&[
            ("CHAT_API", "azure"),
            (
                "CHAT_URL",
                "https://x.openai.azure.com/openai/deployments/d?api-version=1",
            ),
            ("CHAT_KEY", "key-of-the-chat"),
            ("CHAT_MAX_TOKENS", "400"),
            ("CHAT_TEMPERATURE", "0.5"),
            ("CHAT_TOKEN_FIELD", "max_completion_tokens"),
            ("EMBED_API", "ollama"),
            ("EMBED_URL", "http://localhost:11434"),
            ("EMBED_MODEL", "m"),
            ("EMBED_DIMENSIONS", "384"),
            ("EMBED_QUERY_PREFIX", "query: "),
            ("RERANK_API", "tei"),
            ("RERANK_URL", "http://localhost:8080"),
            ("ANSWER_HOPS", "0"),
            ("ALLOW_ORIGIN", "https://a.example, http://localhost:3000"),
            ("API_TOKENS", "0123456789abcdef fedcba9876543210"),
            ("DAILY_TOKENS", "0"),
            ("METRICS", "true"),
            ("CHAT_COLOUR", "ignored"),
        ]);
        let config = config.expect("settings");
        let chat = config.models.chat.expect("a chat model");
        assert_eq!((chat.api, chat.max_tokens), (Api::Completions, 400));
        assert_eq!(chat.server.key_header, KeyHeader::ApiKey);
        let embeddings = config.models.embeddings.expect("an embedder");
        assert_eq!(embeddings.query_prefix, "query: ");
        assert!(config.models.rerank.is_some() && config.metrics);
        assert_eq!(
            config.origins,
            ["https://a.example", "http://localhost:3000"]
        );
        assert_eq!((config.tokens.len(), config.daily_tokens), (2, Some(0)));
        assert_eq!(config.answer.hops, 0);
    }

    #[test]
    fn useless_values_name_their_variable_and_keep_secrets() {
        for (variables, name) in [
            (&[("CHAT_API", "secret-42")][..], "CHAT_API"),
            (&[("CHAT_MODEL", "m")], "CHAT_URL"),
            (&[("CHAT_URL", "https://h")], "CHAT_MODEL"),
            (
                &[("CHAT_URL", "https://me:secret-42@h"), ("CHAT_MODEL", "m")],
                "CHAT_URL",
            ),
            (
                &[
                    ("CHAT_URL", "http://h"),
                    ("CHAT_MODEL", "m"),
                    ("CHAT_KEY", "secret-42"),
                ],
                "CHAT_URL",
            ),
            (
                &[
                    ("EMBED_URL", "https://h"),
                    ("EMBED_MODEL", "m"),
                    ("EMBED_KEY", "secret-42\n!"),
                ],
                "EMBED_KEY",
            ),
            (&[("API_TOKENS", "secret-42")], "API_TOKENS"),
            (&[("SIMILARITY", "0.5")], "SIMILARITY"),
            (&[("SIMILARITY", "0.97")], "SIMILARITY"),
            (&[("SESSION_SECRET", "secret-42")], "SESSION_SECRET"),
            (&[("TURNSTILE_SECRET", "secret-42")], "SESSION_SECRET"),
            (
                &[("TURNSTILE_URL", "https://secret-42")],
                "TURNSTILE_SECRET",
            ),
            (
                &[
                    ("TURNSTILE_SECRET", "secret-42"),
                    ("TURNSTILE_URL", "http://h/siteverify"),
                ],
                "TURNSTILE_URL",
            ),
            (
                &[
                    ("SESSION_SECRET", "secret-42secret-42secret-42secret-42"),
                    ("SESSION_SECONDS", "5"),
                ],
                "SESSION_SECONDS",
            ),
            (&[("ALLOW_ORIGIN", "https://a/b")], "ALLOW_ORIGIN"),
            (&[("ALLOW_ORIGIN", "*, https://a")], "ALLOW_ORIGIN"),
            (&[("RATE_LIMIT", "-1")], "RATE_LIMIT"),
            (&[("ANSWER_DEADLINE_MS", "1")], "ANSWER_DEADLINE_MS"),
            (&[("METRICS", "yes")], "METRICS"),
        ] {
            let error = read(variables).expect_err("refused");
            assert_eq!(error.name, name, "{error}");
            assert!(
                !format!("{error}{error:?}").contains("secret-42"),
                "{error}"
            );
        }
    }
}

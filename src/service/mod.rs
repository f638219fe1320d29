//! HTTP requests → responses: search and answers as a service.
//!
//! ```text
//! request ─ guard ─► route ─ read, check ─► search / answer ─► response, whole or as it comes
//! ```
//!
//! | file | responsibility |
//! |---|---|
//! | `host.rs` | what the machine gives: bytes, a clock, a cache, a limiter |
//! | `config.rs` | settings out of named variables |
//! | `route.rs` | the table of routes |
//! | `session.rs` | `/session`: tokens of visitors |
//! | `guard.rs` | origins, tokens, rates, the day's budget |
//! | `given.rs` | parameters, checked by tables |
//! | `refusal.rs` | responses that are errors |
//! | `exchange.rs` | one request and its response |
//! | `record.rs`, `metrics.rs` | what is written down of it, and counted |
//! | `kept.rs` | the index, open from request to request |
//! | `search.rs`, `result.rs` | `/search`, and hits as JSON |
//! | `info.rs` | `/health`, `/ready`, `/version`, `/metrics` |
//! | `flight.rs` | what several requests want at the same time, done once |
//! | `embed.rs` | `/embed`, and queries embedded by a model |
//! | `ask.rs`, `replay.rs` | an answer, however it is told: index, cache, budget, models |
//! | `similar.rs` | answers to questions that mean the same |
//! | `conversation.rs` | clients' messages → the question and what was said before |
//! | `query.rs`, `completions.rs`, `ui.rs` | answers in the service's own words, OpenAI's, the AI SDK's |
//! | `mcp.rs`, `tools.rs` | `/mcp`: JSON-RPC, and the tools behind it |
//! | `feedback.rs` | `/feedback` |
//! | `openapi.rs` | the description of all this, out of the tables |
//!
//! One service stands behind every server: `coracle serve --api` natively, the worker at the edge. It
//! opens no connection and reads no clock; its [`Host`] does.

mod ask;
mod completions;
mod config;
mod conversation;
mod embed;
mod exchange;
mod feedback;
mod flight;
mod given;
mod guard;
mod host;
mod info;
mod kept;
mod mcp;
mod metrics;
mod openapi;
mod query;
mod record;
mod refusal;
mod replay;
mod result;
mod route;
mod search;
mod session;
mod similar;
mod tools;
mod ui;

pub use config::Config;
pub use config::ConfigError;
pub use host::Host;
pub use host::Reply;
pub use host::Request;
pub use session::Sessions;

use crate::answer::Circuits;
use crate::answer::Event;
use crate::answer::Gone;
use crate::provider::Breaker;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;
use core::future::Future;
use core::pin::pin;
use exchange::Exchange;
use exchange::Failed;
use flight::Flights;
use futures_util::future::Either;
use futures_util::future::select;
use guard::Caller;
use guard::Guard;
use kept::Kept;
use metrics::Metrics;
use record::Record;
use refusal::Refusal;
use route::Route;
use similar::Similar;
use xxhash_rust::xxh3::xxh3_64;

/// The service.
///
/// One serves the requests of one thread, which may overlap.
pub struct Service<H: Host> {
    host: H,
    config: Config,
    kept: Kept<H::Source>,
    circuits: Circuits,
    /// The circuit of the server that knows who passed a challenge.
    turnstile: RefCell<Breaker>,
    guard: Guard,
    metrics: RefCell<Metrics>,
    /// Queries that are being embedded.
    embeddings: Flights<Vec<f32>>,
    /// Answers that are being written, by all that decides them.
    answers: Flights<Rc<[Event]>>,
    /// Questions whose answers are kept.
    similar: Similar,
    /// Fingerprint of all that decides an answer beside question and index.
    settings: u64,
}

impl<H: Host> fmt::Debug for Service<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Service");
        out.field("config", &self.config).finish_non_exhaustive()
    }
}

impl<H: Host> Service<H> {
    /// A service that has not opened its index yet.
    pub fn new(host: H, config: Config) -> Self {
        // Secrets do not show.
        let settings = format!("{:?}{:?}", config.models, config.answer);
        Self {
            host,
            kept: Kept::new(),
            circuits: Circuits::default(),
            turnstile: RefCell::default(),
            guard: Guard::default(),
            metrics: RefCell::default(),
            embeddings: Flights::default(),
            answers: Flights::default(),
            similar: Similar::default(),
            settings: xxh3_64(settings.as_bytes()),
            config,
        }
    }

    /// What it runs on.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Its settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Lets requests read what they wait for another one to read: one that was neither driven to its
    /// end nor dropped would keep them waiting for ever. Hosts that abandon requests call this when a
    /// request waits and nothing is being read.
    pub fn release(&self) {
        self.kept.release();
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`Gone`], when the client does not take the response.
    pub async fn handle(&self, request: &Request, reply: &mut impl Reply) -> Result<(), Gone> {
        let record = Record::new(&self.host, &self.metrics, request);
        let mut exchange = Exchange::new(request, reply, record);
        match self.respond(&mut exchange).await {
            Ok(()) => Ok(()),
            Err(Failed::Gone) => Err(Gone),
            Err(Failed::Refused(refusal)) => exchange.refuse(&refusal).await,
        }
    }

    async fn respond<R: Reply>(&self, exchange: &mut Exchange<'_, H, R>) -> Result<(), Failed> {
        let request = exchange.request;
        let found = Route::of(&request.path, &self.config);
        exchange.begin(&self.config, found);
        let Some(route) = found else {
            let path: String = request.path.chars().take(80).collect();
            let message = format!("there is no {path} here; /openapi.json says what there is");
            return Err(Refusal::new(404, "not-found", message).into());
        };
        if request.method == "OPTIONS" {
            let preflight = exchange::preflight(&self.config, route, request);
            return Ok(exchange.send(preflight).await?);
        }
        if !route.methods().contains(&&*request.method) {
            let methods = route.methods().join(" or ");
            let method: String = request.method.chars().take(16).collect();
            let message = format!("{method} is not answered here; use {methods}");
            return Err(Refusal::new(405, "method-not-allowed", message).into());
        }
        let most = self.config.max_body;
        if request.body.len() > most {
            let message = format!("the body is larger than {most} bytes");
            return Err(Refusal::new(413, "body-too-large", message).into());
        }
        let caller = guard::caller(&self.config, request);
        let session = match caller {
            Ok(Caller::Token) => Ok(()),
            _ => session::check(&self.config, request, self.host.time()),
        };
        exchange.is_admitted = caller.is_ok() && session.is_ok();
        if route.is_guarded() {
            caller?;
        }
        if route.wants_session() {
            session?;
        }
        let admitted = self
            .guard
            .admit(&self.config, &self.host, &request.client, route.cost());
        admitted.await?;
        let response = match route {
            Route::Search => self.search(exchange).await?,
            Route::Embed => self.embedding(exchange).await?,
            Route::Session => self.session(exchange).await?,
            Route::Feedback => self.feedback(exchange)?,
            Route::Health => self.health(exchange).await?,
            Route::Ready => self.ready(exchange).await?,
            Route::Version => self.version(),
            Route::Metrics => self.metrics(),
            Route::OpenApi => self.openapi(),
            Route::Models => self.models(),
            Route::Mcp => self.mcp(exchange).await?,
            Route::Query => return self.query(exchange).await,
            Route::Completions => return self.completions(exchange).await,
            Route::Ui => return self.ui(exchange).await,
        };
        Ok(exchange.send(response).await?)
    }

    /// The end of `work`, unless so many milliseconds pass before it.
    async fn within<T>(&self, millis: u32, work: impl Future<Output = T>) -> Option<T> {
        match select(pin!(work), pin!(self.host.sleep(millis))).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

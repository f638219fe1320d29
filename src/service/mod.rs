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
//!
//! One service stands behind every server: `coracle serve --api` natively, the worker at the edge. It
//! opens no connection and reads no clock; its [`Host`] does.

mod config;
mod host;

pub use config::Config;
pub use config::ConfigError;
pub use host::Host;
pub use host::Reply;
pub use host::Request;

use crate::answer::Gone;

/// The service.
#[derive(Debug)]
pub struct Service<H> {
    host: H,
    config: Config,
}

impl<H: Host> Service<H> {
    /// A service that has not opened its index yet.
    pub fn new(host: H, config: Config) -> Self {
        Self { host, config }
    }

    /// What it runs on.
    pub fn host(&self) -> &H {
        &self.host
    }

    /// Answers a request.
    ///
    /// # Errors
    /// [`Gone`], when the client does not take the response.
    pub async fn handle(&self, request: &Request, reply: &mut impl Reply) -> Result<(), Gone> {
        let _ = &self.config;
        let body = alloc::format!("there is no {} here\n", request.path);
        reply
            .head(404, &[("content-type", "text/plain; charset=utf-8")])
            .await?;
        reply.body(body.as_bytes()).await
    }
}

//! What a service needs of the machine that it runs on.

use crate::answer::Gone;
use crate::provider::Transport;
use crate::store::Source;
use alloc::string::String;
use alloc::vec::Vec;

/// The machine: where index files and models are, what time it is, what is remembered.
///
/// All futures may be dropped at any time.
#[allow(
    async_fn_in_trait,
    reason = "futures stay on the thread that made them"
)]
pub trait Host: Transport {
    /// Where the files of the index are read from.
    type Source: Source;

    /// A source for an index that is about to be opened: also when a newer build is looked for.
    fn source(&self) -> Self::Source;

    /// Seconds since 1970.
    fn time(&self) -> u64;

    /// Whether `client` may do something of this cost now; nothing where the machine has no limiter of
    /// its own.
    async fn admits(&self, client: &str, cost: u32) -> Option<bool>;

    /// What was kept under a key.
    async fn recall(&self, key: &str) -> Option<Vec<u8>>;

    /// Keeps `value` under a key for about so many seconds. May forget it at any time.
    async fn keep(&self, key: &str, value: &[u8], seconds: u32);

    /// Writes one line to the log.
    fn log(&self, line: &str);
}

/// A request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Path of the address, undecoded.
    pub path: String,
    /// What stands after the `?`, undecoded.
    pub query: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body. Hosts need not take more than [`Config::max_body`](super::Config::max_body) bytes.
    pub body: Vec<u8>,
    /// Who asks: the address, or whatever the host knows clients by.
    pub client: String,
}

impl Request {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| &**value)
    }
}

/// Where a response goes.
#[allow(
    async_fn_in_trait,
    reason = "futures stay on the thread that made them"
)]
pub trait Reply {
    /// Status and headers, once, before any body.
    ///
    /// # Errors
    /// [`Gone`], when the client is.
    async fn head(&mut self, status: u16, headers: &[(&str, &str)]) -> Result<(), Gone>;

    /// The next bytes of the body. Returns when there is room for more.
    ///
    /// # Errors
    /// [`Gone`], when the client is.
    async fn body(&mut self, bytes: &[u8]) -> Result<(), Gone>;
}

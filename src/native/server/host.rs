//! What a service needs of this machine.

use std::io;
use std::io::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use coracle::provider::Failure as ProviderFailure;
use coracle::provider::Request;
use coracle::provider::Response;
use coracle::provider::Transport;
use coracle::service::Host;
use coracle::store::Source;
use coracle::store::SourceError;

use super::limits::Limits;
use super::memory::Memory;
use crate::error::Failure;
use crate::signing::PublicKeys;
use crate::source::Input;
use crate::transport::Http;
use crate::transport::HttpBody;

/// What all threads share.
#[derive(Clone)]
pub struct Machine {
    /// Folder, bundle or address of the index.
    pub place: String,
    /// Keys of which one must have signed it.
    pub keys: Option<PublicKeys>,
    /// What is remembered.
    pub memory: Arc<Memory>,
    /// How much clients may ask for.
    pub limits: Arc<Limits>,
}

impl Machine {
    /// What one thread's service runs on.
    ///
    /// # Errors
    /// [`Failure::Setup`].
    pub fn host(&self) -> Result<NativeHost, Failure> {
        let setup = |failure: ProviderFailure| Failure::Setup {
            reason: failure.to_string(),
        };
        Ok(NativeHost {
            machine: self.clone(),
            http: Http::new().map_err(setup)?,
        })
    }
}

/// The machine, as one thread's service sees it.
pub struct NativeHost {
    machine: Machine,
    http: Http,
}

impl Transport for NativeHost {
    type Body = HttpBody;

    async fn send(
        &self,
        request: &Request,
        patience: u32,
    ) -> Result<Response<HttpBody>, ProviderFailure> {
        self.http.send(request, patience).await
    }

    async fn sleep(&self, millis: u32) {
        self.http.sleep(millis).await;
    }

    fn now(&self) -> u64 {
        self.http.now()
    }

    fn random(&self) -> f64 {
        self.http.random()
    }
}

impl Host for NativeHost {
    type Source = Place;

    fn source(&self) -> Place {
        let opened = Input::open(&self.machine.place, self.machine.keys.as_ref());
        opened.map_or_else(Place::Missing, Place::Found)
    }

    fn time(&self) -> u64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.unwrap_or_default().as_secs()
    }

    async fn admits(&self, client: &str, cost: u32) -> Option<bool> {
        Some(self.machine.limits.admit(client, cost))
    }

    async fn recall(&self, key: &str) -> Option<Vec<u8>> {
        self.machine.memory.recall(key).await
    }

    async fn keep(&self, key: &str, value: &[u8], seconds: u32) {
        self.machine.memory.keep(key, value, seconds).await;
    }

    fn log(&self, line: &str) {
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(io::stderr(), "{line}");
    }
}

/// Where an index is, or why there is none.
pub enum Place {
    /// It is there.
    Found(Input),
    /// It is not.
    Missing(SourceError),
}

impl Source for Place {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Found(input) => input.read(file, range).await,
            Self::Missing(error) => Err(error.clone()),
        }
    }

    fn reads_ahead(&self) -> bool {
        true
    }
}

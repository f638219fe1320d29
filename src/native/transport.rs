//! HTTP from this process: requests to models' servers, bodies as they come.
//!
//! One client for all: TLS by rustls with Mozilla's roots, HTTP/1.1, so that a dropped body closes its
//! connection and the server stops working for nobody.

use std::fmt::Write;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use coracle::provider::Body;
use coracle::provider::Failure;
use coracle::provider::KeyHeader;
use coracle::provider::Request;
use coracle::provider::Response;
use coracle::provider::Transport;
use coracle::provider::pause_asked_for;
use reqwest::Client;
use reqwest::ClientBuilder;
use reqwest::header::CONTENT_TYPE;
use reqwest::header::HeaderMap;
use reqwest::redirect;
use rustls::ClientConfig;
use rustls::RootCertStore;
use tokio::time::timeout;

use crate::error::Failure as CommandFailure;

/// Longest time to a connection.
const CONNECT: Duration = Duration::from_secs(10);

/// Runs `work` on this thread until it is done or somebody presses Ctrl-C, which drops it and with it
/// its connections.
///
/// # Errors
/// Those of `work`; [`CommandFailure::Interrupted`].
pub fn run<T>(work: impl Future<Output = Result<T, CommandFailure>>) -> Result<T, CommandFailure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandFailure::Setup {
            reason: error.to_string(),
        })?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = work => done,
            _ = tokio::signal::ctrl_c() => Err(CommandFailure::Interrupted),
        }
    });
    // A thread that waits for a line of input would keep the process.
    runtime.shutdown_background();
    done
}

/// Settings of every client of this process.
///
/// # Errors
/// Those of TLS: none of today's versions is supported by this build.
pub(crate) fn client() -> Result<ClientBuilder, rustls::Error> {
    let provider = rustls::crypto::ring::default_provider();
    let roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let tls = ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(CONNECT)
        .user_agent(concat!("coracle/", env!("CARGO_PKG_VERSION"))))
}

/// An error with all its causes, and without the address, whose query may be nobody's business.
pub(crate) fn explained(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(deeper) = cause {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {deeper}");
        cause = deeper.source();
    }
    text
}

/// Moves requests to models' servers. Its futures run on a Tokio runtime.
#[derive(Debug)]
pub struct Http {
    client: Client,
    begun: Instant,
}

impl Http {
    /// A client with a pool of connections of its own.
    ///
    /// # Errors
    /// [`Failure`] where TLS cannot be set up.
    pub fn new() -> Result<Self, Failure> {
        let cut = |message| Failure::Cut { message };
        let client = client().map_err(|error| cut(error.to_string()))?;
        let client = client.redirect(redirect::Policy::none()).build();
        Ok(Self {
            client: client.map_err(|error| cut(explained(error)))?,
            begun: Instant::now(),
        })
    }
}

impl Transport for Http {
    type Body = HttpBody;

    async fn send(&self, request: &Request, patience: u32) -> Result<Response<HttpBody>, Failure> {
        let mut post = self.client.post(&request.url);
        post = post.header(CONTENT_TYPE, "application/json");
        for (name, value) in request.headers {
            post = post.header(*name, *value);
        }
        if let Some((header, key)) = &request.key {
            post = match header {
                KeyHeader::Bearer => post.bearer_auth(key.expose()),
                KeyHeader::ApiKey => post.header("api-key", key.expose()),
                KeyHeader::XApiKey => post.header("x-api-key", key.expose()),
            };
        }
        let sent = post.body(request.body.clone()).send();
        let response = within(patience, sent).await?;
        let headers = response.headers();
        let id = header(headers, "x-request-id").or_else(|| header(headers, "request-id"));
        Ok(Response {
            status: response.status().as_u16(),
            pause: asked_pause(&response),
            request_id: id.unwrap_or_default().into(),
            body: HttpBody { response },
        })
    }

    async fn sleep(&self, millis: u32) {
        tokio::time::sleep(Duration::from_millis(millis.into())).await;
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    fn random(&self) -> f64 {
        fastrand::f64()
    }
}

/// The rest of a response.
#[derive(Debug)]
pub struct HttpBody {
    response: reqwest::Response,
}

impl Body for HttpBody {
    async fn next(&mut self, patience: u32) -> Result<Option<Vec<u8>>, Failure> {
        let bytes = within(patience, self.response.chunk()).await?;
        Ok(bytes.map(Into::into))
    }
}

async fn within<T>(
    patience: u32,
    work: impl Future<Output = Result<T, reqwest::Error>>,
) -> Result<T, Failure> {
    match timeout(Duration::from_millis(patience.into()), work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) if error.is_timeout() => Err(Failure::Timeout),
        Ok(Err(error)) => Err(Failure::Cut {
            message: explained(error),
        }),
        Err(_) => Err(Failure::Timeout),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// The pause in milliseconds that a response's headers ask for.
pub(crate) fn asked_pause(response: &reqwest::Response) -> Option<u32> {
    let headers = response.headers();
    pause(
        header(headers, "retry-after-ms"),
        header(headers, "retry-after"),
    )
}

/// The same of the headers' values: numbers, or a date.
fn pause(millis: Option<&str>, after: Option<&str>) -> Option<u32> {
    let until = |text: &str| {
        let date = httpdate::parse_http_date(text.trim()).ok()?;
        let left = date.duration_since(SystemTime::now()).unwrap_or_default();
        u32::try_from(left.as_millis()).ok()
    };
    pause_asked_for(millis, after).or_else(|| after.and_then(until))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use super::pause;

    #[test]
    fn pause_may_be_a_date() {
        assert_eq!(pause(None, Some("1.5")), Some(1500));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        let asked = pause(None, Some(&soon)).unwrap();
        assert!(asked > 50_000 && asked <= 60_000);
        let past = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH);
        assert_eq!(pause(None, Some(&past)), Some(0));
        assert_eq!(pause(None, Some("soon")), None);
    }
}

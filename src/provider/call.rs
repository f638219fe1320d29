//! One request sent until it is answered: attempts, waits, a deadline, and an upstream's circuit.
//!
//! Bytes are moved by whoever implements [`Transport`]: `fetch` in JavaScript, an HTTP client natively.

use super::Breaker;
use super::Policy;
use super::Refusal;
use super::Request;
use super::passes;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::fmt;

/// Longest error body that is read, in bytes.
const MAX_REFUSAL_BYTES: usize = 64 << 10;

/// What moves bytes between here and the models' servers, and has a clock.
///
/// All futures may be dropped at any time, which ends what they do: the connection is closed.
#[allow(
    async_fn_in_trait,
    reason = "futures stay on the thread that made them"
)]
pub trait Transport {
    /// The rest of a response.
    type Body: Body;

    /// Sends a request and returns when status and headers are there. Redirects are not followed.
    ///
    /// # Errors
    /// [`Failure`], [`Failure::Timeout`] after `patience` milliseconds.
    async fn send(&self, request: &Request, patience: u32)
    -> Result<Response<Self::Body>, Failure>;

    /// Waits so many milliseconds.
    async fn sleep(&self, millis: u32);

    /// Milliseconds of a clock that does not run back; it may stand still while nothing is read.
    fn now(&self) -> u64;

    /// A number from 0 to 1, by chance.
    fn random(&self) -> f64;
}

/// A response's body.
#[allow(
    async_fn_in_trait,
    reason = "futures stay on the thread that made them"
)]
pub trait Body {
    /// The next bytes as they come; nothing at the end.
    ///
    /// # Errors
    /// [`Failure`], [`Failure::Timeout`] where nothing comes for `patience` milliseconds.
    async fn next(&mut self, patience: u32) -> Result<Option<Vec<u8>>, Failure>;
}

/// A response whose body is still to come.
#[derive(Debug)]
pub struct Response<B> {
    /// HTTP status.
    pub status: u16,
    /// Milliseconds that the headers ask to wait, see [`pause_asked_for`](super::pause_asked_for).
    pub pause: Option<u32>,
    /// The server's id of the request, empty if it gave none.
    pub request_id: String,
    /// The body.
    pub body: B,
}

/// Why bytes did not come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No connection, or it was cut.
    Cut {
        /// What the machine says.
        message: String,
    },
    /// Nothing came for too long.
    Timeout,
}

impl Failure {
    /// A stable name of the kind of failure, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Cut { .. } => "unreachable",
            Self::Timeout => "timeout",
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut { message } => write!(f, "no connection, or it broke: {message}"),
            Self::Timeout => f.write_str("nothing came for too long"),
        }
    }
}

impl core::error::Error for Failure {}

/// Why a request was not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallError {
    /// It failed so often that it was not even tried.
    Open {
        /// Milliseconds until it is.
        millis: u64,
    },
    /// No complete response.
    Failed {
        /// What went wrong last.
        failure: Failure,
        /// Requests sent.
        attempts: u32,
    },
    /// The server refused.
    Refused {
        /// HTTP status.
        status: u16,
        /// What it says; without the key.
        refusal: Refusal,
        /// The server's id of the request, empty if it gave none.
        request_id: String,
        /// Requests sent.
        attempts: u32,
    },
    /// The server asks for a pause that is longer than anybody wants to wait.
    Pause {
        /// Its length.
        millis: u32,
    },
}

impl CallError {
    /// A stable name of the kind of error, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "circuit-open",
            Self::Failed { failure, .. } => failure.code(),
            Self::Refused { status: 429, .. } | Self::Pause { .. } => "rate-limited",
            Self::Refused {
                status: 401 | 403, ..
            } => "unauthorized",
            Self::Refused { .. } => "refused",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { millis } => write!(
                f,
                "the server failed several times in a row; it is tried again in {} s",
                millis.div_ceil(1000)
            ),
            Self::Failed { failure, attempts } => {
                write!(f, "{failure} (attempts: {attempts})")
            }
            Self::Refused {
                status,
                refusal,
                request_id,
                attempts,
            } => {
                write!(f, "the server answered {status} ({refusal})")?;
                if !request_id.is_empty() {
                    write!(f, ", request {request_id}")?;
                }
                f.write_str(match status {
                    300..=399 => "; redirects are not followed: give the final URL",
                    401 | 403 => "; check the key and that it may use this model",
                    404 | 405 => "; check the URL and the model's name",
                    400 | 422 => "; check the model and its settings",
                    429 => "; the account's limit or quota is used up",
                    _ => "",
                })?;
                write!(f, " (attempts: {attempts})")
            }
            Self::Pause { millis } => {
                write!(f, "the server asks to wait {} s", millis.div_ceil(1000))
            }
        }
    }
}

impl core::error::Error for CallError {}

/// An attempt that came to nothing: why, whether that may pass, the pause that the server asks for.
type Failed = (CallError, bool, Option<u32>);

/// How a request is sent. Times are in milliseconds.
#[derive(Debug)]
pub struct Call<'a, T> {
    /// What moves the bytes.
    pub transport: &'a T,
    /// The server's circuit.
    pub circuit: &'a RefCell<Breaker>,
    /// Attempts and waits.
    pub policy: Policy,
    /// Longest time to the headers of one response, and between two pieces of its body.
    pub patience: u32,
    /// When all must be over, on the transport's clock.
    pub deadline: u64,
}

impl<T: Transport> Call<'_, T> {
    /// Sends until a response of success begins.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn send(&self, request: &Request) -> Result<Response<T::Body>, CallError> {
        self.again(async |attempts| self.attempt(request, attempts).await)
            .await
    }

    /// Sends until a response of success is there whole, whose body it returns.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn fetch(&self, request: &Request, max_bytes: usize) -> Result<Vec<u8>, CallError> {
        self.again(async |attempts| {
            let mut response = self.attempt(request, attempts).await?;
            match self.read(&mut response.body, max_bytes).await {
                Ok(Some(body)) => Ok(body),
                Ok(None) => {
                    let message = alloc::format!("the response is longer than {max_bytes} bytes");
                    let failure = Failure::Cut { message };
                    Err((CallError::Failed { failure, attempts }, false, None))
                }
                Err(failure) => Err((CallError::Failed { failure, attempts }, true, None)),
            }
        })
        .await
    }

    /// Attempts until one succeeds, fails for good, or there is no time for another.
    async fn again<R>(
        &self,
        mut attempt: impl AsyncFnMut(u32) -> Result<R, Failed>,
    ) -> Result<R, CallError> {
        let mut attempts = 0;
        loop {
            let now = self.transport.now();
            if !self.circuit.borrow_mut().admits(now) {
                let millis = self.circuit.borrow().closed_for(now);
                return Err(CallError::Open { millis });
            }
            attempts += 1;
            let (error, is_passing, pause) = match attempt(attempts).await {
                Ok(done) => return Ok(done),
                Err(failed) => failed,
            };
            if !is_passing || attempts > self.policy.retries {
                return Err(error);
            }
            let random = self.transport.random();
            let Some(wait) = self.policy.wait(attempts, pause, self.left(), random) else {
                return Err(pause.map_or(error, |millis| CallError::Pause { millis }));
            };
            self.transport.sleep(wait).await;
        }
    }

    /// The next bytes of a body, before the deadline.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn next(&self, body: &mut T::Body) -> Result<Option<Vec<u8>>, Failure> {
        match self.patience.min(self.left()) {
            0 => Err(Failure::Timeout),
            patience => body.next(patience).await,
        }
    }

    async fn attempt(&self, request: &Request, attempts: u32) -> Result<Response<T::Body>, Failed> {
        let patience = self.patience.min(self.left());
        let mut response = match self.transport.send(request, patience).await {
            Ok(response) => response,
            Err(failure) => {
                self.circuit.borrow_mut().failed(self.transport.now());
                return Err((CallError::Failed { failure, attempts }, true, None));
            }
        };
        let (status, pause) = (response.status, response.pause);
        if (200..300).contains(&status) {
            self.circuit.borrow_mut().succeeded();
            return Ok(response);
        }
        let body = self.read(&mut response.body, MAX_REFUSAL_BYTES).await;
        let key = request.key.as_ref().map(|(_, key)| key);
        let refusal = Refusal::read(&body.ok().flatten().unwrap_or_default(), key);
        let is_passing = passes(status) && !refusal.is_quota();
        // A server that is busy answers; one that fails does not help anybody.
        match status >= 500 {
            true => self.circuit.borrow_mut().failed(self.transport.now()),
            false => self.circuit.borrow_mut().succeeded(),
        }
        let request_id = core::mem::take(&mut response.request_id);
        let error = CallError::Refused {
            status,
            refusal,
            request_id,
            attempts,
        };
        Err((error, is_passing, pause))
    }

    /// The whole body; nothing where it is longer than `max_bytes`.
    async fn read(&self, body: &mut T::Body, max_bytes: usize) -> Result<Option<Vec<u8>>, Failure> {
        let mut whole = Vec::new();
        while let Some(bytes) = self.next(body).await? {
            if whole.len() + bytes.len() > max_bytes {
                return Ok(None);
            }
            whole.extend(bytes);
        }
        Ok(Some(whole))
    }

    fn left(&self) -> u32 {
        let left = self.deadline.saturating_sub(self.transport.now());
        u32::try_from(left).unwrap_or(u32::MAX)
    }
}

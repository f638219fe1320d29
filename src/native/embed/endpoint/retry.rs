//! Tries a request again as [`coracle::provider`] says, with this machine's clock and chance.

use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use coracle::provider::Policy;
use coracle::provider::Refusal;
use coracle::provider::passes;
use coracle::provider::pause_asked_for;

use super::EndpointError;
use super::EndpointOptions;

/// What came of one request.
pub(super) enum Attempt {
    /// The response's body.
    Done(Vec<u8>),
    /// Any status but success.
    Refused {
        status: u16,
        refusal: Refusal,
        request_id: String,
        /// Milliseconds that the server asks to wait.
        pause: Option<u32>,
    },
}

/// Calls `attempt` until it is done, fails for good, or was tried often enough.
pub(super) fn run(
    options: &EndpointOptions,
    mut attempt: impl FnMut() -> Result<Attempt, ureq::Error>,
) -> Result<Vec<u8>, EndpointError> {
    let policy = Policy {
        retries: options.retries,
        backoff: options.backoff.as_millis() as u32,
        ..Policy::BUILD
    };
    let mut attempts = 0;
    loop {
        attempts += 1;
        let (failure, is_passing, pause) = match attempt() {
            Ok(Attempt::Done(body)) => return Ok(body),
            Ok(Attempt::Refused {
                status,
                refusal,
                request_id,
                pause,
            }) => {
                let is_passing = passes(status) && !refusal.is_quota();
                let message = refusal.message;
                let failure = EndpointError::Status {
                    status,
                    message,
                    request_id,
                    attempts,
                };
                (failure, is_passing, pause)
            }
            Err(error) => {
                let is_passing = cut_off(&error);
                (
                    EndpointError::Transport { error, attempts },
                    is_passing,
                    None,
                )
            }
        };
        if !is_passing || attempts > policy.retries {
            return Err(failure);
        }
        let wait = policy.wait(attempts, pause, u32::MAX, fastrand::f64());
        let Some(wait) = wait else {
            return Err(EndpointError::Pause {
                seconds: u64::from(pause.unwrap_or_default() / 1000),
            });
        };
        thread::sleep(Duration::from_millis(wait.into()));
    }
}

fn cut_off(error: &ureq::Error) -> bool {
    matches!(
        error,
        ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::HostNotFound
            | ureq::Error::ConnectionFailed
            | ureq::Error::Protocol(_)
    )
}

/// The pause in milliseconds that the headers ask for, as numbers or as a date.
pub(super) fn pause(millis: Option<&str>, after: Option<&str>) -> Option<u32> {
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

//! Which failures pass by themselves, and how long to wait for that.
//!
//! | answer | what is done |
//! |---|---|
//! | no connection, cut off, timeout; 408, 409, 425, 429, 500, 502–504, 520–524, 529 | again, later |
//! | 429 because a quota is used up; any other status | fail at once |
//!
//! The wait is drawn between zero and a limit that doubles ("full jitter": clients that failed
//! together do not come back together), or what the server asks for.
//!
//! Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015; RFC 9110, section
//! 10.2.3 (Retry-After).

use std::thread;
use std::time::Duration;
use std::time::SystemTime;

use super::EndpointError;
use super::EndpointOptions;

/// Doublings of the wait: from 0.5 s to 8 s.
const DOUBLINGS: u32 = 4;

/// Longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// What came of one request.
pub(super) enum Attempt {
    /// The response's body.
    Done(Vec<u8>),
    /// Any status but success.
    Refused {
        status: u16,
        quota: bool,
        message: String,
        request_id: String,
        pause: Option<Duration>,
    },
}

/// Calls `attempt` until it is done, fails for good, or was tried often enough.
pub(super) fn run(
    options: &EndpointOptions,
    mut attempt: impl FnMut() -> Result<Attempt, ureq::Error>,
) -> Result<Vec<u8>, EndpointError> {
    let mut attempts = 0;
    loop {
        let (failure, passing, pause) = match attempt() {
            Ok(Attempt::Done(body)) => return Ok(body),
            Ok(Attempt::Refused {
                status,
                quota,
                message,
                request_id,
                pause,
            }) => {
                let attempts = attempts + 1;
                let failure = EndpointError::Status {
                    status,
                    message,
                    request_id,
                    attempts,
                };
                (failure, passes(status) && !quota, pause)
            }
            Err(error) => {
                let passing = cut_off(&error);
                (
                    EndpointError::Transport {
                        error,
                        attempts: attempts + 1,
                    },
                    passing,
                    None,
                )
            }
        };
        if !passing || attempts >= options.retries {
            return Err(failure);
        }
        let limit = options.backoff.saturating_mul(1 << attempts.min(DOUBLINGS));
        let wait = pause.unwrap_or_else(|| limit.mul_f64(fastrand::f64()));
        if wait > LONGEST_PAUSE {
            return Err(EndpointError::Pause {
                seconds: wait.as_secs(),
            });
        }
        thread::sleep(wait);
        attempts += 1;
    }
}

fn passes(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 500 | 502..=504 | 520..=524 | 529)
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

/// The pause that the headers ask for: milliseconds, seconds, or a date.
pub(super) fn pause(millis: Option<&str>, after: Option<&str>) -> Option<Duration> {
    let number = |text: &str, unit: f64| {
        let seconds = text.trim().parse::<f64>().ok()? * unit;
        Duration::try_from_secs_f64(seconds).ok()
    };
    let until = |text: &str| {
        let date = httpdate::parse_http_date(text.trim()).ok()?;
        Some(date.duration_since(SystemTime::now()).unwrap_or_default())
    };
    millis
        .and_then(|text| number(text, 0.001))
        .or_else(|| after.and_then(|text| number(text, 1.0).or_else(|| until(text))))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;
    use std::time::SystemTime;

    use super::pause;

    #[test]
    fn pause_each_form_is_understood() {
        assert_eq!(
            pause(Some("250"), Some("9")),
            Some(Duration::from_millis(250))
        );
        assert_eq!(pause(None, Some("1.5")), Some(Duration::from_millis(1500)));
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(60));
        let asked = pause(None, Some(&soon)).unwrap();
        assert!(asked > Duration::from_secs(50) && asked <= Duration::from_secs(60));
        let past = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH);
        assert_eq!(pause(None, Some(&past)), Some(Duration::ZERO));
        for nonsense in ["", "soon", "-3", "NaN", "1e300"] {
            assert_eq!(pause(None, Some(nonsense)), None, "{nonsense}");
        }
        assert_eq!(pause(None, None), None);
    }
}

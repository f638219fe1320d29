//! Which failures pass by themselves, and how long to wait for that.
//!
//! | answer | what is done |
//! |---|---|
//! | no connection, cut off before the headers, timeout; 408, 409, 425, 429, 500, 502–504, 520–524, 529 | again, later |
//! | 429 because a quota is used up; any other status | fail at once |
//!
//! The wait is drawn between zero and a limit that doubles ("full jitter": clients that failed
//! together do not come back together), or what the server asks for.
//!
//! Source: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015; RFC 9110, section
//! 10.2.3 (Retry-After).

/// Doublings of the longest wait: from 0.5 s to 8 s.
const DOUBLINGS: u32 = 4;

/// How often and how long to try again. Times are in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts after the first one.
    pub retries: u32,
    /// Longest first wait; it doubles up to sixteen times that.
    pub backoff: u32,
    /// Longest pause that a server may ask for.
    pub longest_pause: u32,
}

impl Policy {
    /// While somebody waits for the answer.
    pub const INTERACTIVE: Self = Self {
        retries: 2,
        backoff: 500,
        longest_pause: 5_000,
    };

    /// While an index is built.
    pub const BUILD: Self = Self {
        retries: 8,
        backoff: 500,
        longest_pause: 120_000,
    };

    /// Milliseconds to wait before the next attempt after `failed` ones, for a failure that
    /// [`passes`]; nothing where there shall be none: all are used up, or the server `asked` for a
    /// longer pause than the policy or the time `left` allows. `random` is from 0 to 1.
    pub fn wait(&self, failed: u32, asked: Option<u32>, left: u32, random: f64) -> Option<u32> {
        if failed > self.retries {
            return None;
        }
        let doublings = failed.saturating_sub(1).min(DOUBLINGS);
        let limit = self.backoff.saturating_mul(1 << doublings);
        let wait = asked.unwrap_or((f64::from(limit) * random.clamp(0.0, 1.0)) as u32);
        (wait <= self.longest_pause && wait < left).then_some(wait)
    }
}

/// Whether a failure with this status may pass by itself. A used-up quota does not, see
/// [`Refusal::is_quota`](super::Refusal::is_quota).
pub fn passes(status: u16) -> bool {
    matches!(status, 408 | 409 | 425 | 429 | 500 | 502..=504 | 520..=524 | 529)
}

/// The pause in milliseconds that the headers `retry-after-ms` and `retry-after` ask for. Dates are
/// left to the caller, who has a clock.
pub fn pause_asked_for(millis: Option<&str>, after: Option<&str>) -> Option<u32> {
    let number = |text: &str, unit: f64| {
        let millis = text.trim().parse::<f64>().ok()? * unit;
        (0.0..=f64::from(u32::MAX))
            .contains(&millis)
            .then_some(millis as u32)
    };
    let millis = millis.and_then(|text| number(text, 1.0));
    millis.or_else(|| after.and_then(|text| number(text, 1000.0)))
}

#[cfg(test)]
mod tests {
    use super::Policy;
    use super::passes;
    use super::pause_asked_for;

    #[test]
    fn waits_double_are_bounded_and_obey_the_server() {
        let policy = Policy::BUILD;
        let left = u32::MAX;
        let longest = [1, 2, 3, 4, 5, 6].map(|failed| policy.wait(failed, None, left, 1.0));
        assert_eq!(longest, [500, 1000, 2000, 4000, 8000, 8000].map(Some));
        assert_eq!(policy.wait(1, None, left, 0.5), Some(250));
        assert_eq!(policy.wait(9, None, left, 0.5), None);
        assert_eq!(policy.wait(1, Some(90_000), left, 0.5), Some(90_000));
        assert_eq!(policy.wait(1, Some(121_000), left, 0.5), None);
        assert_eq!(policy.wait(1, Some(3_000), 2_000, 0.5), None);
        assert_eq!(Policy::INTERACTIVE.wait(3, None, left, 0.0), None);
    }

    #[test]
    fn pauses_are_numbers() {
        assert_eq!(pause_asked_for(Some("250"), Some("9")), Some(250));
        assert_eq!(pause_asked_for(None, Some(" 1.5 ")), Some(1500));
        for nonsense in ["", "soon", "-3", "NaN", "1e300"] {
            assert_eq!(pause_asked_for(None, Some(nonsense)), None, "{nonsense}");
        }
    }

    #[test]
    fn statuses_that_pass() {
        let all = (100..600).filter(|&status| passes(status));
        let count = all.clone().count();
        assert_eq!((count, all.max()), (14, Some(529)));
        assert!(!passes(400) && !passes(501) && passes(429));
    }
}

//! When to stop asking a server that does not answer.
//!
//! Source: M. Nygard, *Release It!*, 2007 (circuit breaker).

/// Failures in a row that open the circuit.
const FAILURES: u32 = 5;

/// Milliseconds until the first trial after that; they double with each trial that fails.
const PAUSE: u64 = 10_000;

/// Longest time between trials, in milliseconds.
const LONGEST_PAUSE: u64 = 300_000;

/// One upstream's circuit: closed while it answers, open for a while after `FAILURES` failures in a
/// row, then open to one trial. Times are milliseconds of any clock that does not run back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Breaker {
    failures: u32,
    opened: u32,
    /// When the next trial may go out; 0 while the circuit is closed.
    until: u64,
    is_fixed: bool,
}

impl Breaker {
    /// A circuit that stays closed: for a caller who is alone and would rather wait, as a build is.
    pub fn fixed() -> Self {
        Self {
            is_fixed: true,
            ..Self::default()
        }
    }

    /// Whether a request may go out now. Where the circuit is open but a trial is due, the caller's
    /// request is the trial, and others wait for its end.
    pub fn admits(&mut self, now: u64) -> bool {
        if self.until == 0 {
            return true;
        }
        let is_due = now >= self.until;
        if is_due {
            self.until = now + self.pause();
        }
        is_due
    }

    /// Milliseconds until a request may go out, 0 if one may now.
    pub fn closed_for(&self, now: u64) -> u64 {
        self.until.saturating_sub(now)
    }

    /// A request was answered, if only by a refusal that is the request's own fault.
    pub fn succeeded(&mut self) {
        *self = Self {
            is_fixed: self.is_fixed,
            ..Self::default()
        };
    }

    /// A request was not answered, or by a failure of the server.
    pub fn failed(&mut self, now: u64) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES && !self.is_fixed {
            self.until = now + self.pause();
            self.opened = self.opened.saturating_add(1);
        }
    }

    fn pause(&self) -> u64 {
        (PAUSE << self.opened.min(5)).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::Breaker;

    #[test]
    fn circuit_opens_tries_and_closes() {
        let mut breaker = Breaker::default();
        for at in 0..4 {
            breaker.failed(at);
            assert!(breaker.admits(at));
        }
        breaker.failed(4);
        assert!(!breaker.admits(5) && breaker.closed_for(5) == 9_999);
        assert!(breaker.admits(10_004), "a trial");
        assert!(!breaker.admits(10_005), "while the trial is under way");
        breaker.failed(10_010);
        assert_eq!(breaker.closed_for(10_010), 20_000);
        for round in 0..9 {
            breaker.failed(20_000 + round);
        }
        assert_eq!(breaker.closed_for(20_008), 300_000);
        breaker.succeeded();
        assert!(breaker.admits(20_009));
        let mut fixed = Breaker::fixed();
        for at in 0..99 {
            fixed.failed(at);
            assert!(fixed.admits(at));
        }
    }
}

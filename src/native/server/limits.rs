//! How much a client may ask for, over all threads.

use std::num::NonZeroU32;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use governor::DefaultKeyedRateLimiter;
use governor::Quota;
use governor::RateLimiter;

/// Requests after which clients who asked for nothing lately are forgotten.
const TIDY: u32 = 4096;

/// The limiter: a bucket for each client that fills in a minute.
pub struct Limits {
    /// None where nothing is limited.
    buckets: Option<(DefaultKeyedRateLimiter<String>, u32)>,
    asked: AtomicU32,
}

impl Limits {
    /// Lets a client cost so much in a minute; 0 lets it cost anything.
    pub fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        Self {
            buckets: quota.map(|quota| (RateLimiter::keyed(quota), per_minute)),
            asked: AtomicU32::new(0),
        }
    }

    /// Takes `cost` from what `client` may cost, if it has as much left. What costs more than a whole
    /// bucket takes all of it.
    pub fn admit(&self, client: &str, cost: u32) -> bool {
        let Some((buckets, most)) = &self.buckets else {
            return true;
        };
        let Some(cost) = NonZeroU32::new(cost.min(*most)) else {
            return true;
        };
        if self.asked.fetch_add(1, Ordering::Relaxed) % TIDY == TIDY - 1 {
            buckets.retain_recent();
            buckets.shrink_to_fit();
        }
        matches!(buckets.check_key_n(&client.to_owned(), cost), Ok(Ok(())))
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;

    #[test]
    fn clients_have_a_bucket_each() {
        let limits = Limits::new(40);
        assert!(limits.admit("a", 20) && limits.admit("a", 20));
        assert!(!limits.admit("a", 20));
        assert!(limits.admit("b", 1000), "as much as there ever is");
        assert!(!limits.admit("b", 1));
        assert!(limits.admit("b", 0));
        assert!(Limits::new(0).admit("a", u32::MAX));
    }
}

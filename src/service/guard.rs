//! Who may ask for how much: origins, tokens, clients' rates, the day's budget.
//!
//! An origin is no proof of anything (programs forge it), but browsers do not, so it keeps other sites
//! from spending what this one pays for. Programs show a token where tokens are set. Both are bounded by
//! the rate of their client, and all together by the budget of the day.

use super::Config;
use super::Host;
use super::Refusal;
use super::Request;
use crate::provider::Secret;
use crate::sort::sort_by;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cell::Cell;
use core::cell::RefCell;
use core::hint::black_box;
use core::net::IpAddr;

/// Clients whose rates are remembered.
const MAX_CLIENTS: usize = 10_000;

/// Milliseconds in which a client's allowance comes back.
const MINUTE: u64 = 60_000;

/// Seconds for which a day's tokens are remembered: the clocks of machines differ.
const DAY_KEPT: u32 = 90_000;

/// What remains from request to request.
#[derive(Debug, Default)]
pub struct Guard {
    buckets: RefCell<BTreeMap<String, Bucket>>,
    ledger: Cell<Ledger>,
}

/// Tokens of a day.
#[derive(Debug, Clone, Copy, Default)]
struct Ledger {
    /// The day, in days since 1970.
    day: u64,
    /// What answers took.
    spent: u64,
    /// What answers under way may take; what those that were dropped might have taken.
    aside: u64,
}

/// What a client has left, at a time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: u64,
}

/// The origin of a request, if it is one that may call.
pub fn allowed_origin<'a>(config: &Config, request: &'a Request) -> Option<&'a str> {
    let origin = request.header("origin")?;
    config
        .origins
        .iter()
        .any(|known| known == origin)
        .then_some(origin)
}

/// Who may use what costs money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    /// A program, or a page, that showed a token of the service's.
    Token,
    /// A page of an allowed origin, or any program where none needs a token.
    Anybody,
}

/// The token that a request shows; empty where it shows none.
pub fn bearer(request: &Request) -> &str {
    let given = request.header("authorization").unwrap_or_default();
    let scheme = given.get(..7);
    let scheme = scheme.filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
    let token = scheme.and_then(|_| given.get(7..)).unwrap_or_default();
    token.trim()
}

/// Lets pass who may use what costs money: pages of an allowed origin, programs with a token, or any
/// program where none is needed.
///
/// # Errors
/// [`Refusal`], which a route that is open to anybody ignores.
pub fn caller(config: &Config, request: &Request) -> Result<Caller, Refusal> {
    let token = bearer(request);
    // All are compared, so that the time says nothing about which one is near.
    let tokens = config.tokens.iter();
    if tokens.fold(false, |found, known| found | is_same(known, token)) {
        return Ok(Caller::Token);
    }
    if allowed_origin(config, request).is_some() {
        return Ok(Caller::Anybody);
    }
    if request.header("origin").is_some() {
        let message = "pages of this origin may not ask here; the service lists those that may in \
                       ALLOW_ORIGIN";
        return Err(Refusal::new(403, "origin", message));
    }
    if config.tokens.is_empty() {
        return Ok(Caller::Anybody);
    }
    let message = "a token is missing or wrong: send `authorization: Bearer …`";
    Err(Refusal::new(401, "unauthorized", message))
}

/// Compares in a time that depends on the lengths alone.
fn is_same(known: &Secret, given: &str) -> bool {
    let (known, given) = (known.expose().as_bytes(), given.as_bytes());
    let pairs = known.iter().zip(given);
    let differences = pairs.fold(0, |sum, (a, b)| black_box(sum | (a ^ b)));
    known.len() == given.len() && differences == 0
}

/// Whom a client is counted as: a network for IPv6, where everybody has 2^64 addresses.
pub fn counted_as(client: &str) -> String {
    match client
        .parse::<IpAddr>()
        .map(|address| address.to_canonical())
    {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(IpAddr::V4(address)) => address.to_string(),
        // Whatever else a host calls clients; long names would fill the memory.
        Err(_) => client.chars().take(64).collect(),
    }
}

impl Guard {
    /// Takes `cost` from what a client may cost in a minute.
    ///
    /// # Errors
    /// [`Refusal`] with the time to wait.
    pub async fn admit(
        &self,
        config: &Config,
        host: &impl Host,
        client: &str,
        cost: u32,
    ) -> Result<(), Refusal> {
        if config.rate_limit == 0 || cost == 0 {
            return Ok(());
        }
        let client = counted_as(client);
        let wait = match host.admits(&client, cost).await {
            Some(true) => None,
            Some(false) => Some(MINUTE),
            None => self.take(
                client,
                f64::from(cost),
                f64::from(config.rate_limit),
                host.now(),
            ),
        };
        wait.map_or(Ok(()), |millis| {
            let seconds = u32::try_from(millis.div_ceil(1000)).unwrap_or(u32::MAX);
            let message = format!("too many requests; ask again in {seconds} s");
            Err(Refusal {
                retry_after: Some(seconds),
                ..Refusal::new(429, "rate-limited", message)
            })
        })
    }

    /// Takes from a client's bucket, or says how many milliseconds to wait for that.
    fn take(&self, client: String, cost: f64, limit: f64, now: u64) -> Option<u64> {
        let mut buckets = self.buckets.borrow_mut();
        if buckets.len() >= MAX_CLIENTS && !buckets.contains_key(&client) {
            // Who has not asked for a minute has everything back.
            buckets.retain(|_, bucket| now.saturating_sub(bucket.at) < MINUTE);
            // Then who asked least: who asks too much stays known.
            if buckets.len() >= MAX_CLIENTS {
                forget_fullest(&mut buckets);
            }
        }
        // A cost above the limit would never be admitted.
        let cost = cost.min(limit);
        let full = Bucket {
            left: limit,
            at: now,
        };
        let bucket = buckets.entry(client).or_insert(full);
        let gained = now.saturating_sub(bucket.at) as f64 * limit / MINUTE as f64;
        *bucket = Bucket {
            left: (bucket.left + gained).min(limit),
            at: now,
        };
        if bucket.left >= cost {
            bucket.left -= cost;
            return None;
        }
        Some(((cost - bucket.left) * MINUTE as f64 / limit) as u64 + 1)
    }

    /// Whether the day's tokens still allow an answer, for which so many are set aside until
    /// [`Guard::settle`] is told what it took: nobody gets answers for nothing by hanging up.
    pub async fn set_aside(&self, config: &Config, host: &impl Host, tokens: u64) -> bool {
        let Some(budget) = config.daily_tokens else {
            return true;
        };
        let shared = shared(host).await;
        let mut ledger = self.ledger(host);
        ledger.spent = ledger.spent.max(shared);
        let all = ledger.spent.saturating_add(ledger.aside);
        let is_enough = all.saturating_add(tokens) <= budget;
        if is_enough {
            ledger.aside += tokens;
        }
        self.ledger.set(ledger);
        is_enough
    }

    /// Replaces what was set aside by what was taken, and tells other instances.
    pub async fn settle(&self, config: &Config, host: &impl Host, aside: u64, taken: u64) {
        if config.daily_tokens.is_none() {
            return;
        }
        let mut ledger = self.ledger(host);
        ledger.aside = ledger.aside.saturating_sub(aside);
        ledger.spent = ledger.spent.saturating_add(taken);
        self.ledger.set(ledger);
        // Sums only grow, so the larger one knows more. Instances that write at the same moment may
        // forget each other's last answer.
        let theirs = shared(host).await.saturating_add(taken);
        let mut ledger = self.ledger(host);
        ledger.spent = ledger.spent.max(theirs);
        self.ledger.set(ledger);
        let spent = ledger.spent.to_string();
        host.keep(&key(ledger.day), spent.as_bytes(), DAY_KEPT)
            .await;
    }

    fn ledger(&self, host: &impl Host) -> Ledger {
        let (ledger, day) = (self.ledger.get(), host.time() / 86_400);
        match ledger.day == day {
            true => ledger,
            false => Ledger {
                day,
                ..Ledger::default()
            },
        }
    }
}

/// Tokens that all instances together have spent today, as far as the host remembers.
async fn shared(host: &impl Host) -> u64 {
    let kept = host.recall(&key(host.time() / 86_400)).await;
    let kept = kept.unwrap_or_default();
    let spent = str::from_utf8(&kept)
        .ok()
        .and_then(|text| text.parse().ok());
    spent.unwrap_or(0)
}

/// Forgets the tenth that has most left.
fn forget_fullest(buckets: &mut BTreeMap<String, Bucket>) {
    let tenth = buckets.len() / 10;
    let mut lefts: Vec<f64> = buckets.values().map(|bucket| bucket.left).collect();
    sort_by(&mut lefts, |a, b| b.total_cmp(a));
    let bound = lefts.get(tenth).copied().unwrap_or(0.0);
    let mut forgotten = 0;
    buckets.retain(|_, bucket| {
        let goes = bucket.left >= bound && forgotten < tenth;
        forgotten += usize::from(goes);
        !goes
    });
}

fn key(day: u64) -> String {
    format!("tokens/{day}")
}

#[cfg(test)]
mod tests {
    use super::Guard;
    use super::MAX_CLIENTS;
    use super::counted_as;
    use super::is_same;
    use crate::provider::Secret;
    use alloc::format;

    #[test]
    fn buckets_empty_fill_and_are_bounded() {
        let guard = Guard::default();
        let take = |client: &str, cost, now| guard.take(client.into(), cost, 60.0, now);
        assert_eq!(take("a", 50.0, 0), None);
        assert_eq!(take("a", 20.0, 0), Some(10_001));
        assert_eq!(take("b", 20.0, 0), None, "another client");
        assert_eq!(take("a", 20.0, 10_000), None, "one comes back each second");
        assert_eq!(take("c", 1000.0, 0), None, "as much as there ever is");
        assert_eq!(take("greedy", 60.0, 10_000), None);
        for client in 0..2 * MAX_CLIENTS {
            take(&format!("{client}"), 1.0, 10_000);
        }
        assert!(guard.buckets.borrow().len() <= MAX_CLIENTS);
        assert!(take("greedy", 60.0, 10_000).is_some(), "not forgotten");
    }

    #[test]
    fn addresses_of_one_network_are_one_client() {
        assert_eq!(
            counted_as("2001:db8:1:2:3::4"),
            counted_as("2001:db8:1:2::9")
        );
        assert_ne!(counted_as("2001:db8:1:2::9"), counted_as("2001:db8:1:3::9"));
        assert_eq!(counted_as("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(counted_as(&"x".repeat(1000)).len(), 64);
    }

    #[test]
    fn tokens_are_the_same_or_not() {
        let token = Secret::new("0123456789abcdef").expect("a token");
        assert!(is_same(&token, "0123456789abcdef"));
        for other in [
            "",
            "0123456789abcdeg",
            "0123456789abcde",
            "0123456789abcdef0",
        ] {
            assert!(!is_same(&token, other), "{other}");
        }
    }
}

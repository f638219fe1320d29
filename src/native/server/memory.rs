//! What is remembered: in this process, and in Redis if there is one.
//!
//! Redis never makes a request fail, and never makes it wait for more than [`PATIENCE`]: what is not
//! remembered is computed. Where it fails, it is left alone for [`PAUSE`].

use std::io;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use redis::AsyncCommands;
use redis::Client;
use redis::RedisError;
use redis::aio::ConnectionManager;
use redis::aio::ConnectionManagerConfig;

use crate::error::Failure;

/// Longest wait for Redis.
const PATIENCE: Duration = Duration::from_millis(100);

/// Time for which a Redis that failed is not asked.
const PAUSE: Duration = Duration::from_secs(5);

/// What stands before our keys in a Redis that others use too.
const PREFIX: &str = "coracle:";

/// Bytes of an entry beside its key and value, about.
const OVERHEAD: u64 = 96;

/// Usual bytes of an entry: an embedding, an answer.
const USUAL: u64 = 4096;

/// Values and until when they are kept.
pub struct Memory {
    here: Cache<String, Entry, Size>,
    redis: Option<ConnectionManager>,
    /// Whether Redis failed last time: said once, not with every request.
    is_failing: AtomicBool,
    begun: Instant,
    /// Milliseconds from the beginning until which Redis is left alone.
    paused: AtomicU64,
}

#[derive(Clone)]
struct Entry {
    until: Instant,
    value: Arc<[u8]>,
}

#[derive(Clone)]
struct Size;

impl Weighter<String, Entry> for Size {
    fn weight(&self, key: &String, entry: &Entry) -> u64 {
        (key.len() + entry.value.len()) as u64 + OVERHEAD
    }
}

impl Memory {
    /// Keeps about `bytes` bytes here, and all in Redis if there is a `url`, to which it connects when it
    /// is first needed. Call it on a runtime.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a URL that is none.
    pub fn new(bytes: u64, url: Option<&str>) -> Result<Self, Failure> {
        // The reason may quote the URL, and that may hold a password.
        let bad = |_: RedisError| Failure::Usage {
            flag: "--redis",
            problem: "is no address of a Redis; give one like redis://host:6379/0, without TLS"
                .into(),
        };
        let connect = |url| {
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(PATIENCE))
                .set_response_timeout(Some(PATIENCE))
                .set_number_of_retries(1);
            ConnectionManager::new_lazy_with_config(Client::open(url)?, config)
        };
        Ok(Self {
            here: Cache::with_weighter((bytes / USUAL) as usize, bytes, Size),
            redis: url.map(connect).transpose().map_err(bad)?,
            is_failing: AtomicBool::new(false),
            begun: Instant::now(),
            paused: AtomicU64::new(0),
        })
    }

    /// What was kept under `key`.
    pub async fn recall(&self, key: &str) -> Option<Vec<u8>> {
        if let Some(entry) = self.here.get(key) {
            if entry.until > Instant::now() {
                return Some(entry.value.to_vec());
            }
            self.here.remove(key);
        }
        let mut redis = self.redis()?;
        let name = [PREFIX, key].concat();
        let mut both = redis::pipe();
        both.get(&name).ttl(&name);
        let asked = both.query_async::<(Option<Vec<u8>>, i64)>(&mut redis);
        let (value, seconds) = self.within(asked).await?;
        let value = value?;
        // As long as Redis keeps it, not anew.
        if let Ok(seconds @ 1..) = u32::try_from(seconds) {
            self.keep_here(key, &value, seconds);
        }
        Some(value)
    }

    /// Keeps `value` for so many seconds, or less.
    pub async fn keep(&self, key: &str, value: &[u8], seconds: u32) {
        if seconds == 0 {
            return;
        }
        self.keep_here(key, value, seconds);
        if let Some(mut redis) = self.redis() {
            let name = [PREFIX, key].concat();
            let set = redis.set_ex::<_, _, ()>(name, value, seconds.into());
            self.within(set).await;
        }
    }

    fn keep_here(&self, key: &str, value: &[u8], seconds: u32) {
        let entry = Entry {
            until: Instant::now() + Duration::from_secs(seconds.into()),
            value: value.into(),
        };
        self.here.insert(key.into(), entry);
    }

    /// Redis, if there is one that may be asked.
    fn redis(&self) -> Option<ConnectionManager> {
        let now = self.begun.elapsed().as_millis() as u64;
        let may_be_asked = now >= self.paused.load(Ordering::Relaxed);
        self.redis.clone().filter(|_| may_be_asked)
    }

    /// What Redis says, if it does so in time.
    async fn within<T>(&self, asked: impl Future<Output = Result<T, RedisError>>) -> Option<T> {
        let answered = tokio::time::timeout(PATIENCE, asked).await;
        let told = match &answered {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.category().to_owned()),
            Err(_) => Some("no answer in time".into()),
        };
        if told.is_some() {
            let until = (self.begun.elapsed() + PAUSE).as_millis() as u64;
            self.paused.store(until, Ordering::Relaxed);
        }
        let was_failing = self.is_failing.swap(told.is_some(), Ordering::Relaxed);
        if let Some(told) = told.filter(|_| !was_failing) {
            let line = serde_json::json!({ "level": "warn", "redis": told });
            // Where standard error is closed there is nobody to tell.
            let _ = writeln!(io::stderr(), "{line}");
        }
        answered.ok()?.ok()
    }
}

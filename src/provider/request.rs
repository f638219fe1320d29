//! One request to a model's server, and its secret.

use crate::json::Json;
use alloc::string::String;
use alloc::string::ToString;
use core::fmt;

/// A key. Its value is never shown: not by `Debug`, not in errors.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The key, without white space around it; nothing where it cannot stand in a header.
    pub fn new(value: &str) -> Option<Self> {
        let value = value.trim();
        let is_plain = value
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
        (!value.is_empty() && is_plain).then(|| Self(value.into()))
    }

    /// The value, for the header that carries it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `text` with the key blotted out, for messages that quote a server.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "…")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The header that carries a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyHeader {
    /// `authorization: Bearer …`, as nearly everywhere.
    #[default]
    Bearer,
    /// `api-key: …`, as on Azure.
    ApiKey,
    /// `x-api-key: …`, as at Anthropic.
    XApiKey,
}

/// A POST with a JSON body.
///
/// Redirects must not be followed: they would carry the key elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where to.
    pub url: String,
    /// The key and the header for it.
    pub key: Option<(KeyHeader, Secret)>,
    /// Headers beside `content-type: application/json` and the key's.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body.
    pub body: String,
}

/// Where a model is, and what opens the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Base address, such as `https://api.openai.com/v1`, or the whole one; `binding:NAME` for a model
    /// that a host binds to its workers.
    pub url: String,
    /// The key, if the server wants one.
    pub key: Option<Secret>,
    /// Header of the key.
    pub key_header: KeyHeader,
}

impl Server {
    /// A server that wants no key.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.into(),
            key: None,
            key_header: KeyHeader::default(),
        }
    }

    /// Its host.
    ///
    /// # Errors
    /// [`UrlProblem`].
    pub fn host(&self) -> Result<&str, UrlProblem> {
        checked_host(&self.url, self.key.is_some())
    }

    /// A request for `path` under the base address.
    pub(super) fn post(&self, path: &str, body: &Json) -> Result<Request, UrlProblem> {
        let url = join(&self.url, path);
        checked_host(&url, self.key.is_some())?;
        Ok(Request {
            url,
            key: self.key.clone().map(|key| (self.key_header, key)),
            headers: &[],
            body: body.to_string(),
        })
    }
}

/// Why an address is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UrlProblem {
    /// Neither `http://` nor `https://`, or without a host.
    NotAbsolute {
        /// What was given.
        url: String,
    },
    /// A key would cross the network unencrypted.
    Unencrypted {
        /// The host that it would go to.
        host: String,
    },
}

impl fmt::Display for UrlProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAbsolute { url } => {
                write!(
                    f,
                    "url {url:?} is not usable; give one like https://host/v1"
                )
            }
            Self::Unencrypted { host } => write!(
                f,
                "the key would travel to {host} unencrypted; use https, or leave it out"
            ),
        }
    }
}

impl core::error::Error for UrlProblem {}

/// The host of an address to which a key may go if there `has_key`: by https, or on this machine.
///
/// # Errors
/// [`UrlProblem`].
fn checked_host(url: &str, has_key: bool) -> Result<&str, UrlProblem> {
    let not_absolute = || UrlProblem::NotAbsolute { url: url.into() };
    // A binding is no address: nothing leaves the host by it.
    if let Some(bound) = url.strip_prefix("binding:") {
        let name = bound.split('/').next().unwrap_or_default();
        return match name.is_empty() {
            true => Err(not_absolute()),
            false => Ok(name),
        };
    }
    let (scheme, rest) = url.split_once("://").ok_or_else(not_absolute)?;
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    // A password in an address ends in logs.
    if authority.contains('@') || rest.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return Err(not_absolute());
    }
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    if host.is_empty() {
        return Err(not_absolute());
    }
    let is_local = matches!(host, "localhost" | "::1") || is_loopback(host);
    match scheme {
        "https" => Ok(host),
        "http" if !has_key || is_local => Ok(host),
        "http" => Err(UrlProblem::Unencrypted { host: host.into() }),
        _ => Err(not_absolute()),
    }
}

/// Four numbers of which the first is 127: `127.evil.example` is a name like any other.
fn is_loopback(host: &str) -> bool {
    let mut parts = host.split('.');
    parts.next() == Some("127")
        && host.split('.').count() == 4
        && parts.all(|part| part.parse::<u8>().is_ok())
}

/// `base` followed by `path` unless it ends in it, with the base's own query at the end.
fn join(base: &str, path: &str) -> String {
    let (base, query) = match base.split_once('?') {
        Some((base, query)) => (base, Some(query)),
        None => (base, None),
    };
    let mut url = String::from(base.trim_end_matches('/'));
    if !url.ends_with(path) {
        url.push_str(path);
    }
    if let Some(query) = query {
        url.push('?');
        url.push_str(query);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::Secret;
    use super::UrlProblem;
    use super::checked_host;
    use super::join;
    use alloc::format;

    #[test]
    fn keys_go_by_https_or_stay_on_this_machine() {
        assert_eq!(
            checked_host("https://api.example.com/v1", true),
            Ok("api.example.com")
        );
        assert_eq!(
            checked_host("http://127.0.0.1:8080/v1", true),
            Ok("127.0.0.1")
        );
        assert_eq!(checked_host("http://[::1]:8080", true), Ok("::1"));
        assert_eq!(
            checked_host("http://models.lan/v1", false),
            Ok("models.lan")
        );
        assert_eq!(checked_host("binding:AI/ai/run/m", true), Ok("AI"));
        for host in ["models.lan", "127.evil.example", "127.0.0.1.evil.example"] {
            let host = host.into();
            let url = format!("http://{host}/v1");
            assert_eq!(
                checked_host(&url, true),
                Err(UrlProblem::Unencrypted { host })
            );
        }
        for url in [
            "",
            "api.example.com",
            "ftp://a/b",
            "https:///v1",
            "https://u:p@h/",
            "https://h/a b",
            "binding:",
        ] {
            let got = checked_host(url, false);
            assert_eq!(got, Err(UrlProblem::NotAbsolute { url: url.into() }));
        }
    }

    #[test]
    fn paths_are_appended_once_and_before_the_query() {
        assert_eq!(
            join("https://h/v1/", "/embeddings"),
            "https://h/v1/embeddings"
        );
        assert_eq!(
            join("https://h/v1/embeddings", "/embeddings"),
            "https://h/v1/embeddings"
        );
        assert_eq!(
            join("https://h/d?api-version=1", "/embeddings"),
            "https://h/d/embeddings?api-version=1"
        );
    }

    #[test]
    fn secret_is_not_shown() {
        let secret = Secret::new(" sk-12345 ").expect("a key");
        assert_eq!(
            (secret.expose(), &*format!("{secret:?}")),
            ("sk-12345", "Secret(…)")
        );
        assert_eq!(secret.redact("bad key sk-12345!"), "bad key …!");
        assert_eq!((Secret::new(" "), Secret::new("a\r\nb: c")), (None, None));
    }
}

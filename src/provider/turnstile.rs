//! Cloudflare's Turnstile: whether a visitor has passed the challenge that the page showed.
//!
//! Source: <https://developers.cloudflare.com/turnstile/get-started/server-side-validation/>

use super::Request;
use super::Secret;
use super::Server;
use super::UrlProblem;
use crate::json::Json;
use alloc::string::String;
use alloc::vec::Vec;

/// Where Cloudflare is asked.
pub const URL: &str = "https://challenges.cloudflare.com/turnstile/v0/siteverify";

/// Longest response of the challenge, in characters.
pub const MAX_RESPONSE: usize = 2048;

/// Longest verdict, in bytes.
pub const MAX_VERDICT_BYTES: usize = 16 << 10;

/// Error codes that are about the visitor's response; others are about the service.
const OF_VISITORS: [&str; 3] = [
    "missing-input-response",
    "invalid-input-response",
    "timeout-or-duplicate",
];

/// A widget's secret, and who knows whether it was passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turnstile {
    server: Server,
}

/// What Cloudflare says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The challenge was passed.
    Passed,
    /// It was passed in a page of this host, which is not the one that asks.
    Elsewhere(String),
    /// It was not, or too long ago, or its response was used before.
    Failed,
    /// The question was wrong: the codes that say how.
    Unusable(String),
}

impl Turnstile {
    /// Asks at `url`, [`URL`] but for tests: by https, or on this machine.
    ///
    /// # Errors
    /// [`UrlProblem`].
    pub fn new(url: &str, secret: Secret) -> Result<Self, UrlProblem> {
        let mut server = Server::new(url);
        server.key = Some(secret);
        // A binding moves no bytes to anybody.
        match url.starts_with("http") {
            true => server.host().map(|_| ())?,
            false => return Err(UrlProblem::NotAbsolute { url: url.into() }),
        }
        Ok(Self { server })
    }

    /// The secret, so that it can be blotted out.
    pub fn secret(&self) -> Option<&Secret> {
        self.server.key.as_ref()
    }

    /// The question whether `response` is of a challenge that was passed. `address` is the visitor's;
    /// `once`, a UUID, lets the same question be sent again.
    ///
    /// # Errors
    /// [`UrlProblem`].
    pub fn request(
        &self,
        response: &str,
        address: Option<&str>,
        once: &str,
    ) -> Result<Request, UrlProblem> {
        let secret = self.secret().map_or("", Secret::expose);
        let mut body: Vec<(&str, Json)> = Vec::from([
            ("secret", secret.into()),
            ("response", response.into()),
            ("idempotency_key", once.into()),
        ]);
        if let Some(address) = address {
            body.push(("remoteip", address.into()));
        }
        let mut request = self.server.post("/siteverify", &Json::object(body))?;
        // It travels in the body.
        request.key = None;
        Ok(request)
    }

    /// What a response's body says to a page of `host`, where that is known; nothing where it is none of
    /// Turnstile's.
    ///
    /// Keys for tests pass everything everywhere, and name a host that is nobody's.
    pub fn verdict(body: &[u8], host: Option<&str>) -> Option<Verdict> {
        let json = Json::parse_within(str::from_utf8(body).ok()?, MAX_VERDICT_BYTES).ok()?;
        if json.get("success")?.as_bool()? {
            let metadata = json.get("metadata");
            let tests = metadata.and_then(|metadata| metadata.get("result_with_testing_key"));
            let is_test = tests.and_then(Json::as_bool) == Some(true);
            let passed_on = json.get("hostname").and_then(Json::as_str);
            return Some(match (passed_on, host) {
                (Some(there), Some(here)) if there != here && !is_test => {
                    Verdict::Elsewhere(there.into())
                }
                _ => Verdict::Passed,
            });
        }
        let codes = json.get("error-codes").and_then(Json::as_array);
        let codes = codes.unwrap_or_default().iter().filter_map(Json::as_str);
        let foreign: Vec<&str> = codes.filter(|code| !OF_VISITORS.contains(code)).collect();
        Some(match foreign.is_empty() {
            true => Verdict::Failed,
            false => Verdict::Unusable(foreign.join(", ")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Turnstile;
    use super::URL;
    use super::Verdict;
    use crate::provider::Secret;
    use alloc::format;

    fn secret() -> Secret {
        Secret::new("0x4AAA-secret").expect("a secret")
    }

    #[test]
    fn question_carries_the_secret_in_its_body_alone() {
        let turnstile = Turnstile::new(URL, secret()).expect("an address");
        let request = turnstile.request("said", Some("192.0.2.1"), "id");
        let request = request.expect("a request");
        assert_eq!((request.url.as_str(), request.key), (URL, None));
        assert_eq!(
            request.body,
            r#"{"secret":"0x4AAA-secret","response":"said","idempotency_key":"id","remoteip":"192.0.2.1"}"#
        );
        assert!(!format!("{turnstile:?}").contains("0x4AAA"));
    }

    #[test]
    fn secret_goes_nowhere_else() {
        for url in ["http://evil.example/siteverify", "binding:AI", "siteverify"] {
            assert!(Turnstile::new(url, secret()).is_err(), "{url}");
        }
        assert!(Turnstile::new("http://127.0.0.1:9/siteverify", secret()).is_ok());
    }

    #[test]
    fn verdicts_tell_visitors_from_settings() {
        let here = Some("docs.example.com");
        let verdict = |text: &str| Turnstile::verdict(text.as_bytes(), here);
        let passed = r#"{"success":true,"error-codes":[],"hostname":"docs.example.com"}"#;
        assert_eq!(verdict(passed), Some(Verdict::Passed));
        let late = r#"{"success":false,"error-codes":["timeout-or-duplicate"]}"#;
        assert_eq!(verdict(late), Some(Verdict::Failed));
        let unset = r#"{"success":false,"error-codes":["invalid-input-secret"]}"#;
        let unusable = Verdict::Unusable("invalid-input-secret".into());
        assert_eq!(verdict(unset), Some(unusable));
        let elsewhere = r#"{"success":true,"hostname":"evil.example"}"#;
        let wrong = Verdict::Elsewhere("evil.example".into());
        assert_eq!(verdict(elsewhere), Some(wrong));
        let unknown = Turnstile::verdict(elsewhere.as_bytes(), None);
        assert_eq!(unknown, Some(Verdict::Passed));
        let test = r#"{"success":true,"hostname":"example.com","metadata":{"result_with_testing_key":true}}"#;
        assert_eq!(verdict(test), Some(Verdict::Passed));
        for other in ["", "<html>", "{}", r#"{"success":"true"}"#] {
            assert_eq!(verdict(other), None, "{other}");
        }
    }
}

//! `/session`: short-lived tokens, without which pages do not get what costs money.
//!
//! ```text
//! v1.EXPIRY.MAC      MAC = HMAC-SHA-256(secret, what it is for, EXPIRY, origin, client), base64url
//! ```
//!
//! A token is bound to the page's origin and to its client's network, and holds nothing: whoever has the
//! secret checks it without having kept anything. Sources: RFC 2104, RFC 4648 (5).

use super::Config;
use super::Host;
use super::Refusal;
use super::Reply;
use super::Request;
use super::Service;
use super::exchange::Exchange;
use super::exchange::Response;
use super::given::Given;
use super::given::Kind;
use super::given::Parameter;
use super::given::parameter;
use super::guard::allowed_origin;
use super::guard::bearer;
use super::guard::counted_as;
use super::record::Record;
use super::record::random_id;
use crate::json::Json;
use crate::provider::Call;
use crate::provider::Policy;
use crate::provider::Secret;
use crate::provider::Server;
use crate::provider::turnstile::MAX_RESPONSE;
use crate::provider::turnstile::MAX_VERDICT_BYTES;
use crate::provider::turnstile::Turnstile;
use crate::provider::turnstile::Verdict;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use core::net::IpAddr;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;

/// Milliseconds to wait for Turnstile's verdict.
const TURNSTILE_PATIENCE: u32 = 5_000;

/// What a session may be asked with.
pub const PARAMETERS: [Parameter; 1] = [parameter(
    "turnstile",
    Kind::Text(MAX_RESPONSE),
    "The response of Cloudflare's Turnstile, where the service wants one.",
)];

/// How tokens of visitors are made.
#[derive(Debug, Clone, PartialEq)]
pub struct Sessions {
    /// What tokens are signed with.
    pub secret: Secret,
    /// Seconds for which a token holds.
    pub seconds: u32,
    /// Who says whether a visitor is a person, if anybody is asked.
    pub turnstile: Option<Turnstile>,
}

impl Sessions {
    /// What signs a token for whoever sent `request`.
    fn mac(&self, config: &Config, request: &Request, expiry: &str) -> Option<Hmac<Sha256>> {
        // A key may have any length.
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes()).ok()?;
        let origin = allowed_origin(config, request).unwrap_or_default();
        // None of these holds a line's end.
        let all = [
            "coracle session",
            expiry,
            origin,
            &counted_as(&request.client),
        ];
        mac.update(all.join("\n").as_bytes());
        Some(mac)
    }

    fn token(&self, config: &Config, request: &Request, now: u64) -> Option<String> {
        let expiry = (now + u64::from(self.seconds)).to_string();
        let mac = self.mac(config, request, &expiry)?.finalize().into_bytes();
        Some(format!(
            "v1.{expiry}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(mac)
        ))
    }

    /// Seconds since 1970 until which a token holds, if it was made here for whoever sent `request`.
    fn expiry(&self, config: &Config, request: &Request, token: &str) -> Option<u64> {
        let (expiry, tag) = token.strip_prefix("v1.")?.split_once('.')?;
        let tag = BASE64_URL_SAFE_NO_PAD.decode(tag).ok()?;
        // In a time that says nothing about which bytes differ.
        let mac = self.mac(config, request, expiry)?;
        mac.verify_slice(&tag).ok()?;
        expiry.parse().ok()
    }
}

/// Lets pass who has a session, or anybody where none is wanted.
///
/// # Errors
/// [`Refusal`].
pub fn check(config: &Config, request: &Request, now: u64) -> Result<(), Refusal> {
    let Some(sessions) = &config.sessions else {
        return Ok(());
    };
    let token = bearer(request);
    let way = "ask for one by `POST /session` and send it as `authorization: Bearer …`";
    if token.is_empty() {
        let message = format!("a session is missing: {way}");
        return Err(Refusal::new(401, "session-missing", message));
    }
    match sessions.expiry(config, request, token) {
        Some(expiry) if now < expiry => Ok(()),
        Some(_) => {
            let message = format!("the session is over: {way}");
            Err(Refusal::new(401, "session-expired", message))
        }
        None => {
            let message = format!("the session is none for this page and client: {way}");
            Err(Refusal::new(401, "session-invalid", message))
        }
    }
}

impl<H: Host> Service<H> {
    pub(super) async fn session<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
    ) -> Result<Response, Refusal> {
        let request = exchange.request;
        let given = match request.body.is_empty() {
            true => Given::from_address("", &PARAMETERS)?,
            false => Given::from_body(request, &PARAMETERS)?,
        };
        let sessions = self.config.sessions.as_ref();
        if let Some(turnstile) = sessions.and_then(|sessions| sessions.turnstile.as_ref()) {
            let response = given.text("turnstile");
            self.challenge(&exchange.record, turnstile, response, request)
                .await?;
        }
        let now = self.host.time();
        let token = sessions.and_then(|sessions| {
            let token = sessions.token(&self.config, request, now)?;
            Some((token, sessions.seconds))
        });
        // The route is not there without sessions.
        let Some((token, seconds)) = token else {
            return Err(Refusal::new(404, "not-found", "there are no sessions here"));
        };
        let body = Json::object([
            ("token", token.into()),
            ("expires_in", f64::from(seconds).into()),
        ]);
        Ok(Response::json(200, &body))
    }

    /// Lets pass who has passed the challenge in the page.
    async fn challenge(
        &self,
        record: &Record<'_, H>,
        turnstile: &Turnstile,
        response: &str,
        request: &Request,
    ) -> Result<(), Refusal> {
        let again = "show Turnstile's challenge and send its response as `turnstile`";
        if response.is_empty() {
            let message = format!("a challenge must be passed first: {again}");
            return Err(Refusal::new(401, "turnstile-missing", message));
        }
        let unavailable = |error: String| {
            record.note(|note| note.error = self.config.redact(&format!("turnstile: {error}")));
            let message =
                "whether the challenge was passed cannot be found out right now; try again later";
            Refusal {
                retry_after: Some(5),
                ..Refusal::new(503, "turnstile-unavailable", message)
            }
        };
        // Whatever else a host calls clients is no address.
        let client = request.client.as_str();
        let address = client.parse::<IpAddr>().ok().map(|_| client);
        let question = turnstile.request(response, address, &uuid(&self.host));
        let question = question.map_err(|problem| unavailable(problem.to_string()))?;
        let call = Call {
            transport: &self.host,
            circuit: &self.turnstile,
            policy: Policy::INTERACTIVE,
            patience: TURNSTILE_PATIENCE,
            deadline: self.host.now() + u64::from(TURNSTILE_PATIENCE),
        };
        let body = call.fetch(&question, MAX_VERDICT_BYTES).await;
        let body = body.map_err(|error| unavailable(error.to_string()))?;
        let page = allowed_origin(&self.config, request).map(Server::new);
        let host = page.as_ref().and_then(|page| page.host().ok());
        match Turnstile::verdict(&body, host) {
            Some(Verdict::Passed) => Ok(()),
            Some(Verdict::Elsewhere(there)) => {
                let message = format!("the challenge was passed on {there}: {again}");
                Err(Refusal::new(401, "turnstile-elsewhere", message))
            }
            Some(Verdict::Failed) => {
                let message = format!("the challenge was not passed, or too long ago: {again}");
                Err(Refusal::new(401, "turnstile-failed", message))
            }
            Some(Verdict::Unusable(codes)) => Err(unavailable(codes)),
            None => Err(unavailable("the response is none of Turnstile's".into())),
        }
    }
}

/// A random UUID, of version 4 (RFC 9562).
fn uuid(host: &impl Host) -> String {
    let digits = [random_id(host), random_id(host)].concat();
    let mut out = String::with_capacity(36);
    for (at, digit) in digits.chars().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(match at {
            12 => '4',
            16 => '8',
            _ => digit,
        });
    }
    out
}

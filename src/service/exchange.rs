//! One request and its response: the headers that all responses have, the one head, the record.

use super::Config;
use super::Host;
use super::Refusal;
use super::Reply;
use super::Request;
use super::guard::allowed_origin;
use super::record::Record;
use super::route::Route;
use crate::answer::Gone;
use crate::json::Json;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

/// A response that is known as a whole.
#[derive(Debug, Clone, Default)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Type of the body; empty where there is none.
    pub content_type: &'static str,
    /// Headers of its own.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

impl Response {
    /// JSON that may not be stored.
    pub fn json(status: u16, body: &Json) -> Self {
        Self {
            status,
            content_type: "application/json; charset=utf-8",
            headers: Vec::from([("cache-control", "no-store".into())]),
            body: body.to_string(),
        }
    }

    /// Nothing but a status.
    pub fn empty(status: u16) -> Self {
        Self {
            status,
            ..Self::default()
        }
    }
}

/// Why a route did not respond.
#[derive(Debug)]
pub enum Failed {
    /// It refused.
    Refused(Refusal),
    /// The client is gone.
    Gone,
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Gone> for Failed {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

/// A request, and where its response goes.
pub struct Exchange<'x, H: Host, R> {
    /// The request.
    pub request: &'x Request,
    reply: &'x mut R,
    /// What is written down of it.
    pub record: Record<'x, H>,
    /// Whether it comes from somebody who may use what costs money.
    pub is_admitted: bool,
    route: Option<Route>,
    headers: Vec<(&'static str, String)>,
}

impl<'x, H: Host, R: Reply> Exchange<'x, H, R> {
    /// Of a request.
    pub fn new(request: &'x Request, reply: &'x mut R, record: Record<'x, H>) -> Self {
        Self {
            request,
            reply,
            record,
            is_admitted: false,
            route: None,
            headers: Vec::new(),
        }
    }

    /// Sets the route, and with it the headers of all responses.
    pub fn begin(&mut self, config: &Config, route: Option<Route>) {
        self.route = route;
        self.record
            .note(|note| note.route = route.map_or("none", Route::path));
        let headers = &mut self.headers;
        headers.push(("x-content-type-options", "nosniff".into()));
        headers.push(("x-request-id", self.record.id.clone()));
        if let Some(trace) = self.record.trace() {
            headers.push(("traceparent", trace.into()));
        }
        let is_open = config.origins.is_empty() && !route.is_some_and(Route::is_guarded);
        let origin = match is_open {
            true => Some("*"),
            false => allowed_origin(config, self.request),
        };
        // What is found with a session may be more.
        let vary = match (is_open, config.sessions.is_some()) {
            (true, false) => "",
            (true, true) => "authorization",
            (false, false) => "origin",
            (false, true) => "origin, authorization",
        };
        if !vary.is_empty() {
            headers.push(("vary", vary.into()));
        }
        if let Some(origin) = origin {
            headers.push(("access-control-allow-origin", origin.into()));
            headers.push(("timing-allow-origin", origin.into()));
            let exposed = "coracle-degraded, retry-after, x-request-id";
            headers.push(("access-control-expose-headers", exposed.into()));
        }
    }

    /// Sends status and headers.
    pub async fn head(
        &mut self,
        status: u16,
        content_type: &str,
        own: &[(&'static str, String)],
    ) -> Result<(), Gone> {
        self.record.note(|note| note.status = Some(status));
        let all = self.headers.iter().chain(own);
        let all = all.map(|(name, value)| (*name, value.as_str()));
        let content_type = ("content-type", content_type);
        let content_type = (!content_type.1.is_empty()).then_some(content_type);
        let all: Vec<(&str, &str)> = content_type.into_iter().chain(all).collect();
        self.reply.head(status, &all).await
    }

    /// Sends a piece of the body.
    pub async fn body(&mut self, text: &str) -> Result<(), Gone> {
        if self.request.method == "HEAD" || text.is_empty() {
            return Ok(());
        }
        self.reply.body(text.as_bytes()).await
    }

    /// The response was sent to its end.
    pub fn end(&mut self) {
        self.record.note(|note| note.is_whole = true);
    }

    /// Sends a whole response.
    pub async fn send(&mut self, response: Response) -> Result<(), Gone> {
        let Response {
            status,
            content_type,
            headers,
            body,
        } = response;
        self.head(status, content_type, &headers).await?;
        self.body(&body).await?;
        self.end();
        Ok(())
    }

    /// Sends a refusal.
    pub async fn refuse(&mut self, refusal: &Refusal) -> Result<(), Gone> {
        self.record.note(|note| note.code = refusal.code);
        let body = match self.route {
            Some(Route::Completions | Route::Models) => openai_error(refusal),
            _ => refusal.to_json(),
        };
        let mut response = Response::json(refusal.status, &body);
        let headers = &mut response.headers;
        if let Some(seconds) = refusal.retry_after {
            headers.push(("retry-after", seconds.to_string()));
        }
        match (refusal.status, self.route) {
            (405, Some(route)) => headers.push(("allow", methods(route))),
            (401, _) => headers.push(("www-authenticate", "Bearer".into())),
            _ => {}
        }
        self.send(response).await
    }
}

/// An error as OpenAI's clients read it.
pub fn openai_error(refusal: &Refusal) -> Json {
    let kind = match refusal.status {
        401 | 403 => "authentication_error",
        429 => "rate_limit_error",
        500.. => "server_error",
        _ => "invalid_request_error",
    };
    let error = [
        ("message", refusal.message.as_str().into()),
        ("type", kind.into()),
        ("param", Json::Null),
        ("code", refusal.code.into()),
    ];
    Json::object([("error", Json::object(error))])
}

/// What browsers ask before they ask.
pub fn preflight(config: &Config, route: Route, request: &Request) -> Response {
    // Clients of guarded routes bring headers of their own; an origin that may not call gets none.
    let asked = request.header("access-control-request-headers");
    let is_plain = |text: &&str| {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_, ".contains(&byte);
        text.len() <= 1000 && text.bytes().all(is_name)
    };
    let allowed = match asked.filter(is_plain) {
        Some(asked) if route.is_guarded() => asked,
        _ if route.is_guarded() || config.sessions.is_some() => "content-type, authorization",
        _ => "content-type",
    };
    let mut response = Response::empty(204);
    response.headers = Vec::from([
        ("access-control-allow-methods", methods(route)),
        ("access-control-allow-headers", allowed.into()),
        ("access-control-max-age", "86400".into()),
    ]);
    response
}

fn methods(route: Route) -> String {
    let mut methods = route.methods().join(", ");
    methods.push_str(", OPTIONS");
    methods
}

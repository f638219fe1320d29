//! `/feedback`: what readers think of an answer, as a line in the log.

use super::Host;
use super::Refusal;
use super::Reply;
use super::Service;
use super::exchange::Exchange;
use super::exchange::Response;
use super::given::Given;
use super::given::Kind;
use super::given::Parameter;
use super::given::parameter;
use crate::json::Json;
use alloc::string::ToString;

/// What a reader may say.
pub const PARAMETERS: [Parameter; 4] = [
    parameter(
        "rating",
        Kind::Choice(&["up", "down"]),
        "Whether the answer helped.",
    ),
    parameter(
        "request",
        Kind::Text(64),
        "The `x-request-id` of the answer.",
    ),
    parameter("comment", Kind::Text(1000), "Why."),
    parameter("url", Kind::Text(1000), "The page that was read."),
];

impl<H: Host> Service<H> {
    pub(super) fn feedback<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
    ) -> Result<Response, Refusal> {
        let given = Given::from_body(exchange.request, &PARAMETERS)?;
        if given.get("rating").is_none() {
            return Err(Refusal::parameter("rating", "is missing; it is up or down"));
        }
        let said = PARAMETERS.iter().filter_map(|parameter| {
            let text = given.get(parameter.name)?;
            Some((parameter.name, text.clone()))
        });
        let line = Json::object([
            ("time", Json::from(self.host.time() as f64)),
            ("event", "feedback".into()),
            ("id", exchange.record.id.as_str().into()),
            ("feedback", Json::object(said)),
        ]);
        self.host.log(&line.to_string());
        let mut response = Response::empty(204);
        response.headers.push(("cache-control", "no-store".into()));
        Ok(response)
    }
}

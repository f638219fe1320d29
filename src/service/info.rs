//! `/health`, `/ready`, `/version`, `/metrics`: what runs here, and how it is.

use super::Host;
use super::Refusal;
use super::Reply;
use super::Service;
use super::exchange::Exchange;
use super::exchange::Response;
use super::metrics;
use super::record::hex;
use super::result::info_json;
use crate::index::FORMAT_VERSION;
use crate::json::Json;
use crate::search::Engine;
use crate::search::SearchError;

impl<H: Host> Service<H> {
    pub(super) async fn health<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
    ) -> Result<Response, Refusal> {
        let info = async |engine: &Engine<H::Source>| Ok(info_json(engine.root()));
        let info = self.ask_index(exchange, info).await?;
        let body = Json::object([("status", "ok".into()), ("index", info)]);
        Ok(Response::json(200, &body))
    }

    /// Ready is who can read the body of the index, not its root alone.
    pub(super) async fn ready<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
    ) -> Result<Response, Refusal> {
        let read = async |engine: &Engine<H::Source>| {
            if engine.root().counts.chunks > 0 {
                engine.passage(0).await?;
            }
            Ok(engine.root().build_id)
        };
        let build = self.ask_index(exchange, read).await?;
        let body = Json::object([("status", "ready".into()), ("build", hex(build).into())]);
        Ok(Response::json(200, &body))
    }

    pub(super) fn version(&self) -> Response {
        let engine = self.kept.at_hand();
        let build = engine.map_or(Json::Null, |engine| hex(engine.root().build_id).into());
        let body = Json::object([
            ("name", "coracle".into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("indexFormat", u32::from(FORMAT_VERSION).into()),
            ("build", build),
        ]);
        Response::json(200, &body)
    }

    pub(super) fn metrics(&self) -> Response {
        let mut response = Response::json(200, &Json::Null);
        response.content_type = metrics::CONTENT_TYPE;
        response.body = self.metrics.borrow().text();
        response
    }

    /// Puts the index to use for as long as a search may take.
    pub(super) async fn ask_index<R: Reply, T>(
        &self,
        exchange: &Exchange<'_, H, R>,
        work: impl AsyncFn(&Engine<H::Source>) -> Result<T, SearchError>,
    ) -> Result<T, Refusal> {
        let record = &exchange.record;
        let refresh = u64::from(self.config.refresh);
        let work = async |engine: &Engine<H::Source>| {
            record.note(|note| note.build = Some(engine.root().build_id));
            work(engine).await
        };
        let done = self.kept.with(&self.host, refresh, work);
        let done = self.within(self.config.search_timeout, done).await;
        done.ok_or_else(Refusal::timeout)?
            .map_err(|error| self.unable(record, &error))
    }
}

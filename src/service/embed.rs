//! `/embed`, and queries embedded by the model that embedded the index's documents.

use super::Host;
use super::Refusal;
use super::Reply;
use super::Service;
use super::exchange::Exchange;
use super::exchange::Response;
use super::flight::Joined;
use super::given::Given;
use super::given::Kind;
use super::given::Parameter;
use super::given::parameter;
use super::given::units;
use super::record::ModelCall;
use super::record::Record;
use super::record::hex;
use crate::answer::QueryEmbedder;
use crate::json::Json;
use crate::provider::Call;
use crate::provider::CallError;
use crate::provider::Failure;
use crate::provider::Policy;
use crate::provider::embeddings;
use crate::provider::embeddings::QueryError;
use alloc::format;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use xxhash_rust::xxh3::xxh3_64;

/// What an embedding may be asked of.
pub const PARAMETERS: [Parameter; 1] = [parameter("q", Kind::Query, "The query to embed.")];

impl<H: Host> Service<H> {
    pub(super) async fn embedding<R: Reply>(
        &self,
        exchange: &Exchange<'_, H, R>,
    ) -> Result<Response, Refusal> {
        let given = Given::from_body(exchange.request, &PARAMETERS)?;
        let query = given.text("q");
        let record = &exchange.record;
        record.note(|note| note.query = Some(units(query)));
        let patience = self.config.search_timeout;
        let embedded = self.embed_noted(record, query, patience).await;
        let Some(Ok(embedding)) = embedded else {
            let code = embedded.and_then(Result::err).unwrap_or("unavailable");
            let message = format!("the query could not be embedded ({code}); try again later");
            return Err(Refusal {
                retry_after: Some(5),
                ..Refusal::new(503, "embedding-unavailable", message)
            });
        };
        let numbers = embedding.iter().map(|&x| f64::from(x).into());
        let model = self.config.models.embeddings.as_ref();
        let model = model.map_or("", |model| model.model.as_str());
        let body = Json::object([
            ("model", model.into()),
            ("dim", (embedding.len() as f64).into()),
            ("embedding", Json::Array(numbers.collect())),
        ]);
        Ok(Response::json(200, &body))
    }

    /// The query's embedding, or the stable name of what went wrong, which the record is told; nothing
    /// without a model. Takes at most `patience` milliseconds.
    pub(super) async fn embed_noted(
        &self,
        record: &Record<'_, H>,
        query: &str,
        patience: u32,
    ) -> Option<Result<Vec<f32>, &'static str>> {
        let model = self.config.models.embeddings.as_ref()?;
        Some(match self.embed_query(query, patience).await? {
            Ok((embedding, cache)) => {
                record.note(|note| {
                    note.cache = cache;
                    let is_called = !matches!(cache, "hit" | "shared");
                    note.call = is_called.then(|| ModelCall::embeddings(model, ""));
                });
                Ok(embedding)
            }
            Err(error) => {
                record.note(|note| {
                    note.error = self.config.redact(&error.to_string());
                    note.call = Some(ModelCall::embeddings(model, error.code()));
                });
                Err(error.code())
            }
        })
    }

    /// The query's embedding and where it is from, as [`Note::cache`](super::record::Note) says it: kept,
    /// shared with another request, or asked for. Nothing without a model.
    pub(super) async fn embed_query(
        &self,
        query: &str,
        patience: u32,
    ) -> Option<Result<(Vec<f32>, &'static str), QueryError>> {
        let model = self.config.models.embeddings.as_ref()?;
        let deadline = self.host.now() + u64::from(patience);
        let waits = self.host.sleep(patience);
        let lead = match self.embeddings.join(query, waits).await {
            Joined::Landed(embedding) => return Some(Ok((embedding, "shared"))),
            Joined::Lead(lead) => Some(lead),
            Joined::Alone => None,
        };
        let found = self.recall_or_ask(model, query, deadline).await;
        if let Some(lead) = lead {
            match &found {
                Ok((embedding, _)) => lead.land(embedding.clone()),
                Err(_) => lead.fail(),
            }
        }
        Some(found)
    }

    async fn recall_or_ask(
        &self,
        model: &embeddings::Model,
        query: &str,
        deadline: u64,
    ) -> Result<(Vec<f32>, &'static str), QueryError> {
        let (key, seconds) = (self.embedding_key(query), self.config.cache_seconds);
        if seconds > 0
            && let Some(kept) = self.host.recall(&key).await
            && let Some(embedding) = unpacked(&kept, query)
        {
            return Ok((embedding, "hit"));
        }
        if self.host.now() >= deadline {
            let (failure, attempts) = (Failure::Timeout, 0);
            return Err(QueryError::Call(CallError::Failed { failure, attempts }));
        }
        let call = Call {
            transport: &self.host,
            circuit: &self.circuits.embeddings,
            policy: Policy::INTERACTIVE,
            patience: u32::MAX,
            deadline,
        };
        let embedding = model.embed_query(&call, query, model.dimensions);
        let embedding = embedding.await?;
        if seconds == 0 {
            return Ok((embedding, ""));
        }
        let kept = packed(query, &embedding);
        self.host.keep(&key, &kept, seconds).await;
        Ok((embedding, "miss"))
    }

    fn embedding_key(&self, query: &str) -> String {
        let of = hex(xxh3_64(query.as_bytes()));
        format!("embedding/{}/{of}", hex(self.settings))
    }
}

impl<H: Host> QueryEmbedder for Service<H> {
    async fn embed(
        &self,
        query: &str,
        dim: usize,
        patience: u32,
    ) -> Option<Result<Vec<f32>, &'static str>> {
        let embedded = self.embed_query(query, patience).await?;
        let (embedding, _) = match embedded {
            Ok(found) => found,
            Err(error) => return Some(Err(error.code())),
        };
        // The model is not the index's.
        let fits = embedding.len() == dim;
        Some(fits.then_some(embedding).ok_or("response"))
    }
}

/// A query and its embedding. The query goes along because keys of different ones may be the same.
fn packed(query: &str, embedding: &[f32]) -> Vec<u8> {
    let mut out = Vec::from((query.len() as u32).to_le_bytes());
    out.extend_from_slice(query.as_bytes());
    out.extend(embedding.iter().flat_map(|x| x.to_le_bytes()));
    out
}

fn unpacked(kept: &[u8], query: &str) -> Option<Vec<f32>> {
    let (len, rest) = kept.split_first_chunk::<4>()?;
    let (known, floats) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
    let (floats, []) = floats.as_chunks::<4>() else {
        return None;
    };
    let floats = floats.iter().map(|bytes| f32::from_le_bytes(*bytes));
    (known == query.as_bytes()).then(|| floats.collect())
}

#[cfg(test)]
mod tests {
    use super::packed;
    use super::unpacked;
    use alloc::vec::Vec;

    #[test]
    fn embeddings_are_kept_with_their_query() {
        let kept = packed("a query", &[0.5, -1.0]);
        assert_eq!(unpacked(&kept, "a query"), Some(Vec::from([0.5, -1.0])));
        assert_eq!(unpacked(&kept, "another"), None);
        assert_eq!(unpacked(&kept[..kept.len() - 1], "a query"), None);
        assert_eq!(unpacked(&[9, 0, 0, 0, 1], "a query"), None);
    }
}

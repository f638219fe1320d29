//! Query → ranked passages: embedding, search, reranking.

use super::AnswerError;
use super::Answerer;
use super::Event;
use super::Part;
use super::QueryEmbedder;
use super::Question;
use super::Sink;
use super::pack::Found;
use crate::provider::Transport;
use crate::search::Correction;
use crate::search::Group;
use crate::search::Mode;
use crate::search::SearchOptions;
use crate::store::Source;
use alloc::vec::Vec;

/// Milliseconds to wait for the query's embedding.
const EMBED_PATIENCE: u32 = 2_000;

/// Milliseconds to wait for scores of passages.
const RERANK_PATIENCE: u32 = 3_000;

/// Longest list of scores, in bytes.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// Why a part of the retrieval was left out.
type Missing = &'static str;

impl<S: Source, T: Transport, E: QueryEmbedder> Answerer<'_, S, T, E> {
    /// The passages for a query, best first, and its misspelt words.
    pub(super) async fn retrieve(
        &self,
        query: &str,
        question: &Question,
        deadline: u64,
        sink: &mut impl Sink,
    ) -> Result<(Vec<Found>, Vec<Correction>), AnswerError> {
        let embedding = match self.embed(query, deadline).await {
            Ok(embedding) => embedding,
            Err(code) => {
                let part = Part::Embedding;
                sink.event(Event::Degraded { part, code }).await?;
                None
            }
        };
        let options = SearchOptions {
            limit: self.options.candidates,
            group: Group::Chunk,
            filter: question.filter.clone(),
            embedding,
            ..SearchOptions::default()
        };
        let found = self.engine.search(query, &options).await?;
        if found.mode == Mode::Keyword && self.engine.root().vectors.is_some() {
            let (part, code) = (Part::Search, "keyword-only");
            sink.event(Event::Degraded { part, code }).await?;
        }
        let chunks: Vec<_> = found.hits.iter().map(|hit| hit.chunk).collect();
        let passages = self.engine.passages(&chunks).await?;
        let mut ranked: Vec<Found> = chunks
            .into_iter()
            .zip(passages)
            .map(|(chunk, (passage, document))| Found {
                chunk,
                passage,
                document,
            })
            .collect();
        if let Err(code) = self.rerank(query, &mut ranked, deadline).await {
            let part = Part::Rerank;
            sink.event(Event::Degraded { part, code }).await?;
        }
        Ok((ranked, found.corrections))
    }

    /// The query's embedding by its model, if there is one.
    async fn embed(&self, query: &str, deadline: u64) -> Result<Option<Vec<f32>>, Missing> {
        let Some(vectors) = &self.engine.root().vectors else {
            return Ok(None);
        };
        let left = deadline.saturating_sub(self.transport.now());
        let patience = EMBED_PATIENCE.min(u32::try_from(left).unwrap_or(u32::MAX));
        let dim = vectors.input_dim() as usize;
        let embedded = self.embedder.embed(query, dim, patience).await;
        embedded.transpose()
    }

    /// Ranks passages anew, if there is a model for that. Those that it gives no score stay behind the
    /// others in their old order.
    async fn rerank(
        &self,
        query: &str,
        ranked: &mut [Found],
        deadline: u64,
    ) -> Result<(), Missing> {
        let Some(model) = &self.models.rerank else {
            return Ok(());
        };
        if ranked.len() < 2 {
            return Ok(());
        }
        let texts: Vec<&str> = ranked.iter().map(|found| &*found.passage.text).collect();
        let request = model.request(query, &texts).map_err(|_| "url")?;
        let call = self.call(&self.circuits.rerank, RERANK_PATIENCE, deadline);
        let body = call.fetch(&request, MAX_RESPONSE_BYTES).await;
        let body = body.map_err(|error| error.code())?;
        let scores = model.response(&body, ranked.len()).ok_or("response")?;
        let mut order: Vec<(f32, Found)> = scores
            .into_iter()
            .map(|score| score.unwrap_or(f32::NEG_INFINITY))
            .zip(ranked.iter().cloned())
            .collect();
        order.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (place, (_, found)) in ranked.iter_mut().zip(order) {
            *place = found;
        }
        Ok(())
    }
}

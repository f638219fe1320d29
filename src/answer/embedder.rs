//! Query → embedding, by the model that embedded the index's documents.

use super::Circuits;
use super::Models;
use crate::provider::Call;
use crate::provider::Policy;
use crate::provider::Transport;
use alloc::vec::Vec;

/// Embeds queries while somebody waits.
#[allow(
    async_fn_in_trait,
    reason = "futures stay on the thread that made them"
)]
pub trait QueryEmbedder {
    /// The query's embedding of `dim` components, or the stable name of what went wrong; nothing without
    /// a model. Takes at most `patience` milliseconds.
    async fn embed(
        &self,
        query: &str,
        dim: usize,
        patience: u32,
    ) -> Option<Result<Vec<f32>, &'static str>>;
}

/// Asks the model for every query.
#[derive(Debug)]
pub struct ModelEmbedder<'a, T> {
    /// The models, of which one may embed.
    pub models: &'a Models,
    /// Their servers' circuits.
    pub circuits: &'a Circuits,
    /// What moves bytes to and from the model.
    pub transport: &'a T,
}

impl<T: Transport> QueryEmbedder for ModelEmbedder<'_, T> {
    async fn embed(
        &self,
        query: &str,
        dim: usize,
        patience: u32,
    ) -> Option<Result<Vec<f32>, &'static str>> {
        let model = self.models.embeddings.as_ref()?;
        let call = Call {
            transport: self.transport,
            circuit: &self.circuits.embeddings,
            policy: Policy::INTERACTIVE,
            patience,
            deadline: self.transport.now() + u64::from(patience),
        };
        let embedded = model.embed_query(&call, query, Some(dim)).await;
        Some(embedded.map_err(|error| error.code()))
    }
}

//! Texts into embeddings, at build time.
//!
//! ```text
//!           ┌─ MiniLm    the model inside the program: no key, no network, no download
//! Embedder ─┼─ StaticWords  a table of word vectors, hundreds of times as fast
//!           ├─ Endpoint  any OpenAI-compatible /v1/embeddings
//!           └─ Cached    either of them, with finished embeddings kept in a file
//! ready_made             embeddings that the input brought along
//! ```
//!
//! | file | turns |
//! |---|---|
//! | `tokens.rs` | text into word piece ids, and into their number |
//! | `weights.rs`, `bert.rs` | the model file into a network; ids into an embedding |
//! | `minilm.rs` | texts into embeddings, on all cores |
//! | `static_words.rs` | texts into sums of word vectors |
//! | `endpoint.rs` | texts into embeddings by a server |
//! | `cache.rs` | finished embeddings into a file that survives a kill, and back |
//! | `ready_made.rs` | embeddings of the input into checked rows |
//!
//! An embedding depends on its text and the embedder's [`Fingerprint`] alone: not on the other
//! texts, their order or the number of threads. So builds repeat to the byte, and a cache is sound.

mod bert;
mod cache;
mod endpoint;
mod minilm;
mod ready_made;
mod static_words;
mod tokens;
mod weights;

use core::fmt;

pub use cache::CacheError;
pub use cache::Cached;
pub use endpoint::Endpoint;
pub use endpoint::EndpointError;
pub use endpoint::EndpointOptions;
pub use endpoint::key_from_env;
pub use minilm::MiniLm;
pub use ready_made::ReadyMade;
pub use ready_made::ReadyMadeError;
pub use ready_made::ReadyMadeProblem;
pub use ready_made::ready_made;
pub use static_words::StaticWords;
pub use tokens::TokenCounter;
pub use tokens::general_word_pieces;
pub use weights::BadModel;

/// Names an embedding space: embeddings compare only where the fingerprints are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Model, as its provider names it.
    pub model: String,
    /// Which weights, or which provider: whatever else tells two models of one name apart.
    pub revision: String,
    /// Components of an embedding.
    pub dim: usize,
    /// How token states become one vector; empty where the provider does not say.
    pub pooling: String,
    /// Text put before every document.
    pub prefix: String,
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            model,
            revision,
            dim,
            pooling,
            prefix,
        } = self;
        write!(f, "{model}@{revision}:{dim}")?;
        for part in [pooling, prefix]
            .into_iter()
            .filter(|part| !part.is_empty())
        {
            write!(f, ":{part}")?;
        }
        Ok(())
    }
}

/// Takes the embeddings of `rows.len() / dim` finished texts, of which the first is number `first`.
pub type Sink<'a> = dyn FnMut(usize, &[f32]) -> Result<(), EmbedError> + 'a;

/// Turns texts into embeddings.
pub trait Embedder {
    /// Names the embedding space.
    fn fingerprint(&self) -> Fingerprint;

    /// Components of an embedding.
    fn dim(&self) -> usize {
        self.fingerprint().dim
    }

    /// Tokens of one text that are read; longer texts are cut there.
    fn max_tokens(&self) -> usize;

    /// Embeds `texts` batch by batch, in their order, and hands every batch to `sink` as soon as it
    /// is finished: what the sink has kept need not be computed (or paid) again.
    ///
    /// # Errors
    /// The first failure of the embedder or the sink; batches handed over before it stay valid.
    fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError>;

    /// Embeds `texts`: one row of `dim` finite numbers per text, in their order.
    ///
    /// `progress` hears the number of texts finished since it was called before.
    ///
    /// # Errors
    /// See [`EmbedError`].
    fn embed(&self, texts: &[&str], progress: &dyn Fn(usize)) -> Result<Vec<f32>, EmbedError> {
        let dim = self.dim();
        let mut out = Vec::with_capacity(texts.len().saturating_mul(dim));
        self.embed_batches(texts, &mut |first, rows| {
            debug_assert_eq!(first * dim, out.len());
            out.extend_from_slice(rows);
            progress(rows.len() / dim);
            Ok(())
        })?;
        Ok(out)
    }
}

impl<E: Embedder + ?Sized> Embedder for Box<E> {
    fn fingerprint(&self) -> Fingerprint {
        (**self).fingerprint()
    }

    fn max_tokens(&self) -> usize {
        (**self).max_tokens()
    }

    fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError> {
        (**self).embed_batches(texts, sink)
    }
}

/// Why texts could not be embedded.
#[derive(Debug)]
#[non_exhaustive]
pub enum EmbedError {
    /// The built-in model is unusable.
    Model(BadModel),
    /// The endpoint gave no embeddings.
    Endpoint(EndpointError),
    /// The cache is unusable.
    Cache(CacheError),
}

impl From<BadModel> for EmbedError {
    fn from(error: BadModel) -> Self {
        Self::Model(error)
    }
}

impl From<EndpointError> for EmbedError {
    fn from(error: EndpointError) -> Self {
        Self::Endpoint(error)
    }
}

impl From<CacheError> for EmbedError {
    fn from(error: CacheError) -> Self {
        Self::Cache(error)
    }
}

impl fmt::Display for EmbedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(error) => error.fmt(f),
            Self::Endpoint(error) => write!(f, "embeddings endpoint: {error}"),
            Self::Cache(error) => write!(f, "embedding cache: {error}"),
        }
    }
}

impl core::error::Error for EmbedError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Model(error) => Some(error),
            Self::Endpoint(error) => Some(error),
            Self::Cache(error) => Some(error),
        }
    }
}

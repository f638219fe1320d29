//! Word pieces into embeddings without a network: a table of their vectors, summed.
//!
//! ```text
//! text ─ word pieces ─ count ─► Σ √count · row ─ length 1 ─► embedding
//! ```
//!
//! The table is trained by `model/train_static.rs` towards the built-in model, see `model/README.md`. Its
//! layout: the number of components (u16 LE); one bit for each word piece of the tokenizer, lowest
//! first, that says whether it has a row; the rows ([`coracle::vector::row`]) in order of their ids.
//! Pieces that are not made of Latin letters and digits have none, so that texts of other scripts get
//! zeros and are searched by words alone.

use core::fmt;
use std::sync::Arc;

use coracle::bytes::Reader;
use coracle::vector::row::Row;
use coracle::vector::row::row_len;
use rayon::iter::IndexedParallelIterator;
use rayon::iter::IntoParallelRefIterator;
use rayon::iter::ParallelIterator;
use rayon::slice::ParallelSliceMut;
use xxhash_rust::xxh3::xxh3_64;

use super::EmbedError;
use super::Embedder;
use super::Fingerprint;
use super::Sink;
use super::bert::MAX_TOKENS;
use super::tokens::WordPieces;
use super::weights::BadModel;

static TABLE: &[u8] = include_bytes!("../model/static-words.bin");

/// Texts handed to the sink at once.
const BATCH: usize = 4096;

/// The table of word vectors inside the program.
///
/// Hundreds of times as fast as the transformer, and less good: it knows no order and no context.
pub struct StaticWords {
    word_pieces: WordPieces,
    dim: usize,
    /// The place of each word piece's row.
    places: Vec<Option<u32>>,
    rows: Arc<[f32]>,
    fingerprint: Fingerprint,
}

impl fmt::Debug for StaticWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticWords")
            .field("fingerprint", &self.fingerprint)
            .finish_non_exhaustive()
    }
}

impl StaticWords {
    /// Unpacks the table.
    ///
    /// # Errors
    /// [`BadModel`] when the program was built with a damaged table or tokenizer.
    pub fn new() -> Result<Self, BadModel> {
        let word_pieces = WordPieces::new()?;
        let (dim, places, rows) =
            parse(TABLE, word_pieces.vocabulary_len()).ok_or(BadModel::StaticWords)?;
        Ok(Self {
            word_pieces,
            dim,
            places,
            rows: rows.into(),
            fingerprint: Fingerprint {
                model: "static-words".into(),
                revision: format!("{:016x}", xxh3_64(TABLE)),
                dim,
                pooling: "sum".into(),
                prefix: String::new(),
            },
        })
    }

    /// Embeds a text into `out`, zeros at first; zeros again if no piece of it has a row.
    fn embed_text(&self, text: &str, out: &mut [f32]) {
        let mut ids = self.word_pieces.ids(text, MAX_TOKENS);
        ids.sort_unstable();
        for equal in ids.chunk_by(|a, b| a == b) {
            let place = self.places.get(equal[0] as usize).copied().flatten();
            let Some(place) = place else {
                continue;
            };
            let weight = (equal.len() as f32).sqrt();
            let row = &self.rows[place as usize * self.dim..][..self.dim];
            out.iter_mut()
                .zip(row)
                .for_each(|(sum, x)| *sum += weight * x);
        }
        let norm = out.iter().map(|x| x * x).sum::<f32>().sqrt();
        if norm > 0.0 {
            out.iter_mut().for_each(|x| *x /= norm);
        }
    }
}

/// Components, places and rows of the table; `None` if it is damaged.
#[allow(clippy::type_complexity)]
fn parse(table: &[u8], vocabulary: usize) -> Option<(usize, Vec<Option<u32>>, Vec<f32>)> {
    let mut reader = Reader::new(table, "static words");
    let dim = usize::from(reader.u16("dimension").ok()?);
    let bits = reader.take(vocabulary.div_ceil(8), "word pieces").ok()?;
    let (mut places, mut rows) = (Vec::with_capacity(vocabulary), Vec::new());
    for id in 0..vocabulary {
        if bits[id / 8] >> (id % 8) & 1 == 0 {
            places.push(None);
            continue;
        }
        places.push(Some((rows.len() / dim.max(1)) as u32));
        let row = reader.take(row_len(dim), "row").ok()?;
        rows.extend(Row::parse(row, dim).ok()?.decode());
    }
    reader.end().ok()?;
    (dim > 0).then_some((dim, places, rows))
}

impl Embedder for StaticWords {
    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn max_tokens(&self) -> usize {
        MAX_TOKENS
    }

    fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError> {
        for (n, batch) in texts.chunks(BATCH).enumerate() {
            let mut rows = vec![0.0; batch.len() * self.dim];
            batch
                .par_iter()
                .zip(rows.par_chunks_exact_mut(self.dim))
                .for_each(|(text, row)| self.embed_text(text, row));
            sink(n * BATCH, &rows)?;
        }
        Ok(())
    }
}

//! The embedded default: all-MiniLM-L6-v2 on all cores.

use core::fmt;
use core::num::NonZeroUsize;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::thread;

use rayon::ThreadPoolBuilder;
use xxhash_rust::xxh3::xxh3_64;

use super::EmbedError;
use super::Embedder;
use super::Fingerprint;
use super::Sink;
use super::TokenCounter;
use super::bert::Bert;
use super::bert::MAX_TOKENS;
use super::bert::Scratch;
use super::bert::WIDTH;
use super::tokens::WordPieces;
use super::weights::BadModel;

static MODEL: &[u8] = include_bytes!("../model/minilm-l6-v2-int8.safetensors");

/// Texts handed to the sink at once, per thread: a second's work.
const BATCH_PER_THREAD: usize = 64;

/// The model inside the program: all-MiniLM-L6-v2 with int8 weights.
///
/// 384 dimensions, unit length, 256 tokens; mean cosine with the unquantized model 0.998.
pub struct MiniLm {
    bert: Bert,
    word_pieces: WordPieces,
    threads: NonZeroUsize,
    fingerprint: Fingerprint,
}

impl fmt::Debug for MiniLm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiniLm")
            .field("fingerprint", &self.fingerprint)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}

impl MiniLm {
    /// Unpacks the model for `threads` threads; `None` means all cores. Takes about 0.1 s.
    ///
    /// # Errors
    /// [`BadModel`] when the program was built with damaged model files.
    pub fn new(threads: Option<NonZeroUsize>) -> Result<Self, BadModel> {
        let available = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Ok(Self {
            bert: Bert::new(MODEL)?,
            word_pieces: WordPieces::new()?,
            threads: threads.unwrap_or_else(available),
            fingerprint: Fingerprint {
                model: "all-MiniLM-L6-v2".into(),
                revision: format!("int8-{:016x}", xxh3_64(MODEL)),
                dim: WIDTH,
                pooling: "mean".into(),
                prefix: String::new(),
            },
        })
    }

    /// Counts tokens as this model sees them, for cutting texts into chunks.
    pub fn token_counter(&self) -> TokenCounter {
        TokenCounter::of(self.word_pieces.clone())
    }

    /// The ids of a text's word pieces with the special tokens around them, not cut.
    pub fn token_ids(&self, text: &str) -> Vec<u32> {
        self.word_pieces.ids(text, usize::MAX)
    }

    /// Embeds one batch into `out`, one row per text.
    ///
    /// Every text is a pass by itself on one thread, so the rows do not depend on who computed them.
    fn embed_batch(&self, texts: &[&str], out: &mut [f32]) {
        let ids: Vec<Vec<u32>> = texts
            .iter()
            .map(|text| self.word_pieces.ids(text, MAX_TOKENS))
            .collect();
        // Longest first: the last texts to finish are short, and no core waits long.
        let mut order: Vec<usize> = (0..ids.len()).collect();
        order.sort_by_key(|&i| core::cmp::Reverse(ids[i].len()));
        let rows: Vec<Mutex<&mut [f32]>> = out.chunks_exact_mut(WIDTH).map(Mutex::new).collect();
        let next = AtomicUsize::new(0);
        let work = || {
            let mut scratch = Scratch::default();
            while let Some(&i) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                let mut row = rows[i].lock().expect("each row is locked once");
                self.bert.embed(&ids[i], &mut scratch, &mut row);
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.threads.get().min(texts.len()) {
                // In a pool of its own a matrix product stays on its thread.
                scope.spawn(|| match ThreadPoolBuilder::new().num_threads(1).build() {
                    Ok(pool) => pool.install(work),
                    Err(_) => work(),
                });
            }
        });
    }
}

impl Embedder for MiniLm {
    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn max_tokens(&self) -> usize {
        MAX_TOKENS
    }

    fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError> {
        let len = BATCH_PER_THREAD.saturating_mul(self.threads.get());
        let mut rows = vec![0.0; len.min(texts.len()) * WIDTH];
        for (n, batch) in texts.chunks(len).enumerate() {
            let rows = &mut rows[..batch.len() * WIDTH];
            self.embed_batch(batch, rows);
            sink(n * len, rows)?;
        }
        Ok(())
    }
}

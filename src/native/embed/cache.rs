//! Finished embeddings into a file that survives a kill, and back.
//!
//! ```text
//! header  "CORACLEV" │ version u32 │ dim u32 │ fingerprint u64 │ checksum u64
//! record  key u128 │ dim × f32 │ checksum u64                        (one per text, appended)
//! ```
//!
//! Little-endian. The key is the hash of the text; one file serves one fingerprint. Records have one
//! size, so a damaged record costs itself only, and a torn tail is cut off when the file is opened.
//! In memory there is one entry per record, never an embedding.

use core::fmt;
use std::collections::HashMap;
use std::fs::File;
use std::fs::OpenOptions;
use std::fs::TryLockError;
use std::fs::create_dir_all;
use std::io;
use std::io::BufReader;
use std::io::Read;
use std::io::Seek;
use std::io::SeekFrom;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;
use std::time::Duration;

use coracle::bytes::FormatError;
use coracle::bytes::Problem;
use coracle::bytes::Reader;
use xxhash_rust::xxh3::xxh3_64;
use xxhash_rust::xxh3::xxh3_128;

use super::EmbedError;
use super::Embedder;
use super::Fingerprint;
use super::Sink;

const MAGIC: &[u8; 8] = b"CORACLEV";
const VERSION: u32 = 1;
const HEADER_LEN: usize = 32;
const KEY_LEN: usize = 16;
const CHECKSUM_LEN: usize = 8;

/// Rows read back at once.
const ROWS_AT_ONCE: usize = 256;

/// Why the cache is unusable.
#[derive(Debug)]
#[non_exhaustive]
pub enum CacheError {
    /// The file system refused.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// Its answer.
        error: io::Error,
    },
    /// Another process writes to the file.
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// The file is not a cache of this embedder.
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with its header or a record.
        error: FormatError,
    },
}

impl fmt::Display for CacheError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { path, error } => {
                write!(
                    f,
                    "{}: {error}; choose another cache folder, or none",
                    path.display()
                )
            }
            Self::Busy { path } => write!(
                f,
                "{}: another process is using it; wait for it, or choose another cache folder",
                path.display()
            ),
            Self::Format { path, error } => {
                write!(
                    f,
                    "{}: {error}; delete the file to begin anew",
                    path.display()
                )
            }
        }
    }
}

impl core::error::Error for CacheError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            Self::Format { error, .. } => Some(error),
            Self::Busy { .. } => None,
        }
    }
}

/// The file, and where in it each text's embedding is.
#[derive(Debug)]
struct Store {
    path: PathBuf,
    file: File,
    dim: usize,
    records: HashMap<u128, u64>,
    /// Records in the file, damaged ones included.
    len: u64,
}

impl Store {
    fn open(dir: &Path, fingerprint: &Fingerprint) -> Result<Self, CacheError> {
        let print = xxh3_64(format!("{fingerprint:?}").as_bytes());
        let path = dir.join(format!("embeddings-{print:016x}.cache"));
        let failed = |error| CacheError::Io {
            path: path.clone(),
            error,
        };
        create_dir_all(dir).map_err(|error| CacheError::Io {
            path: dir.into(),
            error,
        })?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path);
        let file = file.map_err(failed)?;
        let mut patience = LOCK_PATIENCE;
        // A file system without locks is used without: only one process should use the folder.
        while let Err(TryLockError::WouldBlock) = file.try_lock() {
            if patience.is_zero() {
                return Err(CacheError::Busy { path });
            }
            thread::sleep(LOCK_PAUSE);
            patience = patience.saturating_sub(LOCK_PAUSE);
        }
        let dim = fingerprint.dim;
        let mut store = Self {
            path: path.clone(),
            file,
            dim,
            records: HashMap::new(),
            len: 0,
        };
        store.recover(print).map_err(|error| match error {
            Damage::Io(error) => CacheError::Io {
                path: path.clone(),
                error,
            },
            Damage::Format(error) => CacheError::Format {
                path: path.clone(),
                error,
            },
        })?;
        Ok(store)
    }

    fn record_len(&self) -> usize {
        KEY_LEN + 4 * self.dim + CHECKSUM_LEN
    }

    /// Reads all records, drops a torn tail, begins an empty file.
    fn recover(&mut self, print: u64) -> Result<(), Damage> {
        let bytes = self.file.metadata()?.len();
        if bytes < HEADER_LEN as u64 {
            self.file.set_len(0)?;
            return Ok(self.file.write_all(&header(self.dim, print))?);
        }
        let record_len = self.record_len();
        self.file.seek(SeekFrom::Start(0))?;
        let mut reader = BufReader::with_capacity(1 << 20, &self.file);
        let mut found = [0; HEADER_LEN];
        reader.read_exact(&mut found)?;
        check_header(&found, self.dim, print)?;
        self.len = (bytes - HEADER_LEN as u64) / record_len as u64;
        let mut record = vec![0; record_len];
        for number in 0..self.len {
            reader.read_exact(&mut record)?;
            if let Ok((key, _)) = parse(&record, self.dim) {
                self.records.insert(key, number);
            }
        }
        Ok(self
            .file
            .set_len(HEADER_LEN as u64 + self.len * record_len as u64)?)
    }

    fn io(&self, error: io::Error) -> CacheError {
        CacheError::Io {
            path: self.path.clone(),
            error,
        }
    }

    /// Appends a batch with one write.
    fn append(&mut self, keys: &[u128], rows: &[f32]) -> Result<(), CacheError> {
        let mut bytes = Vec::with_capacity(keys.len() * self.record_len());
        for (key, row) in keys.iter().zip(rows.chunks_exact(self.dim)) {
            let from = bytes.len();
            bytes.extend(key.to_le_bytes());
            bytes.extend(row.iter().flat_map(|x| x.to_le_bytes()));
            bytes.extend(xxh3_64(&bytes[from..]).to_le_bytes());
        }
        if let Err(error) = self.file.write_all(&bytes) {
            // A part may have been written; without it later batches stay aligned.
            let whole = HEADER_LEN as u64 + self.len * self.record_len() as u64;
            self.file.set_len(whole).map_err(|error| self.io(error))?;
            return Err(self.io(error));
        }
        for &key in keys {
            self.records.insert(key, self.len);
            self.len += 1;
        }
        Ok(())
    }

    /// Appends the embedding of `key`, which is present, to `rows`.
    fn read(&mut self, key: u128, rows: &mut Vec<f32>) -> Result<(), CacheError> {
        let number = self.records.get(&key).copied().unwrap_or(self.len);
        let mut record = vec![0; self.record_len()];
        let at = HEADER_LEN as u64 + number * self.record_len() as u64;
        self.file
            .seek(SeekFrom::Start(at))
            .map_err(|error| self.io(error))?;
        self.file
            .read_exact(&mut record)
            .map_err(|error| self.io(error))?;
        let row = parse(&record, self.dim).map_err(|error| CacheError::Format {
            path: self.path.clone(),
            error,
        })?;
        rows.extend(row.1.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)));
        Ok(())
    }
}

enum Damage {
    Io(io::Error),
    Format(FormatError),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<FormatError> for Damage {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

fn header(dim: usize, print: u64) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    out.extend(VERSION.to_le_bytes());
    out.extend((dim as u32).to_le_bytes());
    out.extend(print.to_le_bytes());
    out.extend(xxh3_64(&out).to_le_bytes());
    out
}

fn check_header(bytes: &[u8], dim: usize, print: u64) -> Result<(), FormatError> {
    let mut reader = Reader::new(bytes, "embedding cache header");
    let wanted = header(dim, print);
    let fields = [
        ("magic", 8),
        ("version", 4),
        ("dimension", 4),
        ("fingerprint", 8),
        ("checksum", 8),
    ];
    for (field, len) in fields {
        let at = reader.offset();
        if reader.take(len, field)? != &wanted[at..at + len] {
            return Err(reader.error(field, Problem::Inconsistent));
        }
    }
    Ok(())
}

/// Key and embedding bytes of a record.
fn parse(record: &[u8], dim: usize) -> Result<(u128, &[u8]), FormatError> {
    let mut reader = Reader::new(record, "embedding cache record");
    let key = reader
        .take(KEY_LEN, "key")?
        .as_chunks()
        .0
        .first()
        .copied()
        .unwrap_or_default();
    let row = reader.take(4 * dim, "embedding")?;
    let sum = xxh3_64(&record[..reader.offset()]);
    if reader.take(CHECKSUM_LEN, "checksum")? != sum.to_le_bytes() {
        return Err(reader.error("checksum", Problem::Checksum));
    }
    Ok((u128::from_le_bytes(key), row))
}

/// How long a cache in use is waited for: a process that has just ended, or a child of this one that
/// has not yet let go of the files it inherited, is no reason to fail.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);

/// Time between two attempts to lock.
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// An embedder that computes (or pays) no text twice, not even after a kill.
#[derive(Debug)]
pub struct Cached<E> {
    embedder: E,
    store: Mutex<Store>,
}

impl<E: Embedder> Cached<E> {
    /// Puts a cache in `dir`, one file per fingerprint, before an embedder.
    ///
    /// # Errors
    /// [`CacheError`] when the file cannot be used.
    pub fn open(embedder: E, dir: &Path) -> Result<Self, CacheError> {
        let store = Mutex::new(Store::open(dir, &embedder.fingerprint())?);
        Ok(Self { embedder, store })
    }

    /// Embeddings in the cache.
    pub fn cached_len(&self) -> usize {
        self.store
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .records
            .len()
    }
}

impl<E: Embedder> Embedder for Cached<E> {
    fn fingerprint(&self) -> Fingerprint {
        self.embedder.fingerprint()
    }

    fn max_tokens(&self) -> usize {
        self.embedder.max_tokens()
    }

    fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError> {
        let store = &mut *self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<u128> = texts.iter().map(|text| xxh3_128(text.as_bytes())).collect();
        let mut seen = HashMap::new();
        let missing: Vec<usize> = (0..texts.len())
            .filter(|&i| !store.records.contains_key(&keys[i]) && seen.insert(keys[i], i).is_none())
            .collect();
        let missing_texts: Vec<&str> = missing.iter().map(|&i| texts[i]).collect();

        // Whenever a batch arrives, all texts before the next missing one can be handed on.
        let mut done = 0;
        let mut rows = Vec::new();
        let mut hand_on = |store: &mut Store, next: usize| -> Result<(), EmbedError> {
            while done < next {
                let to = next.min(done + ROWS_AT_ONCE);
                rows.clear();
                for &key in &keys[done..to] {
                    store.read(key, &mut rows)?;
                }
                sink(done, &rows)?;
                done = to;
            }
            Ok(())
        };
        hand_on(store, missing.first().copied().unwrap_or(texts.len()))?;
        let dim = store.dim;
        self.embedder
            .embed_batches(&missing_texts, &mut |first, rows| {
                let end = first + rows.len() / dim;
                let batch: Vec<u128> = missing[first..end].iter().map(|&i| keys[i]).collect();
                store.append(&batch, rows)?;
                hand_on(store, missing.get(end).copied().unwrap_or(texts.len()))
            })
    }
}

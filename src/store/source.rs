//! The trait through which bytes come in, and the sources that need no I/O.

use crate::index::ROOT_FILE;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::ops::Range;

/// Reads byte ranges of an index's files.
pub trait Source {
    /// The bytes of `range` of `file`, or of the whole file.
    ///
    /// Reads of one wave are polled together; a source that can should run them side by side.
    ///
    /// # Errors
    /// [`SourceError`], which names the file and the range.
    fn read(
        &self,
        file: &str,
        range: Option<Range<u64>>,
    ) -> impl Future<Output = Result<Vec<u8>, SourceError>>;

    /// Reads that one wave may have at most, as far as larger ones can bring the same bytes: where
    /// requests are counted and bytes are not.
    fn most_reads(&self) -> usize {
        usize::MAX
    }

    /// Whether one search should bring what the next ones will want as well: where many searches read,
    /// and waiting costs more than bytes do.
    fn reads_ahead(&self) -> bool {
        false
    }
}

impl<S: Source + ?Sized> Source for &S {
    fn reads_ahead(&self) -> bool {
        (**self).reads_ahead()
    }

    fn most_reads(&self) -> usize {
        (**self).most_reads()
    }

    fn read(
        &self,
        file: &str,
        range: Option<Range<u64>>,
    ) -> impl Future<Output = Result<Vec<u8>, SourceError>> {
        (**self).read(file, range)
    }
}

/// A read failed; [`FailedRead`] says which and why. One pointer, like
/// [`FormatError`](crate::bytes::FormatError).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError(Box<FailedRead>);

/// A read that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRead {
    /// File that was read.
    pub file: String,
    /// Range that was asked for; `None` for the whole file.
    pub range: Option<Range<u64>>,
    /// What happened.
    pub problem: SourceProblem,
}

impl SourceError {
    /// An error about a read of `file`.
    pub fn new(file: &str, range: Option<Range<u64>>, problem: SourceProblem) -> Self {
        Self(Box::new(FailedRead {
            file: file.to_string(),
            range,
            problem,
        }))
    }
}

impl core::ops::Deref for SourceError {
    type Target = FailedRead;

    fn deref(&self) -> &FailedRead {
        &self.0
    }
}

/// What can go wrong with a read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SourceProblem {
    /// The file is not there.
    NotFound,
    /// Reading it is not allowed.
    Denied,
    /// The host answered with an HTTP status that brings no data.
    Status(u16),
    /// The host ignored the range and would send the whole, large file.
    RangeIgnored {
        /// Length of the file as announced, if it was.
        len: Option<u64>,
    },
    /// Not as many bytes came as the index says there are.
    WrongLength {
        /// Bytes expected.
        expected: u64,
        /// Bytes that came.
        got: u64,
    },
    /// The file is not a whole bundle.
    NotABundle(crate::bytes::FormatError),
    /// A key was given, and these are not bytes that its owner signed; in what way.
    Signature(String),
    /// Nothing came.
    Empty,
    /// The read was given up by the caller.
    Aborted,
    /// The transport failed; its own words.
    Failed(String),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if let Some(range) = &self.range {
            write!(f, " bytes {}-{}", range.start, range.end)?;
        }
        match &self.problem {
            SourceProblem::NotFound if self.file.ends_with(ROOT_FILE) => {
                f.write_str(": not found; is there an index at this address?")
            }
            SourceProblem::NotFound => {
                f.write_str(": not found; the index may have been rebuilt, open it again")
            }
            SourceProblem::Denied => f.write_str(": permission denied"),
            SourceProblem::Status(status) => write!(f, ": the host answered {status}"),
            SourceProblem::RangeIgnored { len } => {
                f.write_str(": the host ignores byte ranges")?;
                if let Some(len) = len {
                    write!(f, " and would send {len} bytes")?;
                }
                f.write_str("; build with --layout split for such hosts")
            }
            SourceProblem::WrongLength { expected, got } => {
                write!(
                    f,
                    ": {got} bytes came instead of {expected}; the file is cut or of another build"
                )
            }
            SourceProblem::NotABundle(error) => {
                write!(
                    f,
                    ": not an index: {error}; give a folder with an index or a bundle"
                )
            }
            SourceProblem::Signature(reason) => write!(f, ": {reason}"),
            SourceProblem::Empty => f.write_str(": nothing came"),
            SourceProblem::Aborted => f.write_str(": aborted"),
            SourceProblem::Failed(reason) => write!(f, ": {reason}"),
        }
    }
}

impl core::error::Error for SourceError {}

/// Files held in memory.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    files: alloc::collections::BTreeMap<String, Vec<u8>>,
}

impl Memory {
    /// Adds or replaces a file.
    pub fn insert(&mut self, file: &str, bytes: Vec<u8>) {
        self.files.insert(file.to_string(), bytes);
    }

    /// The files by name.
    pub fn files(&self) -> &alloc::collections::BTreeMap<String, Vec<u8>> {
        &self.files
    }
}

impl Source for Memory {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        let Some(bytes) = self.files.get(file) else {
            return Err(SourceError::new(file, range, SourceProblem::NotFound));
        };
        slice(file, bytes, range)
    }
}

fn slice(file: &str, bytes: &[u8], range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
    let Some(range) = range else {
        return Ok(bytes.to_vec());
    };
    let start = usize::try_from(range.start).ok();
    let end = usize::try_from(range.end).ok();
    match start
        .zip(end)
        .and_then(|(start, end)| bytes.get(start..end))
    {
        Some(slice) => Ok(slice.to_vec()),
        None => {
            let expected = range.end.saturating_sub(range.start);
            let got = (bytes.len() as u64).saturating_sub(range.start);
            let problem = SourceProblem::WrongLength { expected, got };
            Err(SourceError::new(file, Some(range), problem))
        }
    }
}

/// First bytes of a bundle: root and body in one file.
pub const BUNDLE_MAGIC: [u8; 8] = *b"CORABNDL";

/// A bundle made of a root and its body.
///
/// `magic (8) ‖ root length (u64) ‖ root ‖ body`
pub fn bundle(root: &[u8], body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(BUNDLE_MAGIC.len() + 8 + root.len() + body.len());
    out.extend_from_slice(&BUNDLE_MAGIC);
    out.extend_from_slice(&(root.len() as u64).to_le_bytes());
    out.extend_from_slice(root);
    out.extend_from_slice(body);
    out
}

/// An index whose root and body are one string of bytes: inside a worker, or a small site's one file.
#[derive(Debug, Clone)]
pub struct Bundle<B> {
    bytes: B,
    body: usize,
}

impl<B: AsRef<[u8]>> Bundle<B> {
    /// Finds root and body.
    ///
    /// # Errors
    /// [`crate::bytes::FormatError`] when the bytes are not a bundle or end before the body.
    pub fn new(bytes: B) -> Result<Self, crate::bytes::FormatError> {
        let mut reader = crate::bytes::Reader::new(bytes.as_ref(), "bundle");
        if reader.take(BUNDLE_MAGIC.len(), "magic")? != BUNDLE_MAGIC {
            return Err(reader.error("magic", crate::bytes::Problem::Inconsistent));
        }
        let root_len = reader.u64("root length")?;
        let left = reader.left() as u64;
        if root_len > left {
            let problem = crate::bytes::Problem::Truncated {
                need: root_len,
                left,
            };
            return Err(reader.error("root", problem));
        }
        let body = reader.offset() + root_len as usize;
        Ok(Self { bytes, body })
    }
}

impl<B: AsRef<[u8]>> Source for Bundle<B> {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        let (root, body) = self.bytes.as_ref().split_at(self.body);
        match file {
            ROOT_FILE => slice(file, &root[BUNDLE_MAGIC.len() + 8..], range),
            _ => slice(file, body, range),
        }
    }
}

//! Where a native process reads an index from: a folder, a bundle, or an HTTP address.

use crate::signing::CheckStats;
use crate::signing::Checked;
use crate::signing::PublicKeys;
use crate::transport;
use crate::transport::explained;
use coracle::index::ROOT_FILE;
use coracle::store::Bundle;
use coracle::store::Source;
use coracle::store::SourceError;
use coracle::store::SourceProblem;
use reqwest::Client;
use reqwest::RequestBuilder;
use reqwest::header::RANGE;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_util::task::AbortOnDropHandle;

/// A whole file that a host sends although a range was asked for is taken up to this size.
const MAX_WHOLE_BYTES: u64 = 8 << 20;

/// Longest time for one request and its response.
const PATIENCE: Duration = Duration::from_secs(30);

/// One thread moves the bytes of all indexes that come by HTTP, so that the reads of a wave go side by
/// side whoever waits for them.
static RUNTIME: LazyLock<io::Result<Runtime>> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("index-reads")
        .enable_all()
        .build()
});

/// An index given on the command line.
#[derive(Debug)]
pub enum Location {
    /// A folder of index files.
    Folder(PathBuf),
    /// A bundle, read into memory.
    Bundle(Bundle<Vec<u8>>),
    /// A base address of index files.
    Http {
        /// Address of the folder, ending in `/`.
        base: String,
        /// Client with time limits.
        client: Client,
        /// Where its requests run.
        runtime: &'static Runtime,
    },
}

impl Location {
    /// Finds out what `place` is: an `http(s)` address, a folder, or a bundle file.
    ///
    /// # Errors
    /// [`SourceError`] when there is nothing or it is not a bundle.
    pub fn open(place: &str) -> Result<Self, SourceError> {
        if place.starts_with("http://") || place.starts_with("https://") {
            let failed =
                |reason: String| SourceError::new(place, None, SourceProblem::Failed(reason));
            let client = transport::client().map_err(|error| failed(error.to_string()))?;
            let client = client.timeout(PATIENCE).build();
            let runtime = RUNTIME
                .as_ref()
                .map_err(|error| failed(error.to_string()))?;
            return Ok(Self::Http {
                base: format!("{}/", place.trim_end_matches('/')),
                client: client.map_err(|error| failed(explained(error)))?,
                runtime,
            });
        }
        let path = Path::new(place);
        if path.is_file() {
            let bytes = std::fs::read(path).map_err(|error| problem(place, None, &error))?;
            return Bundle::new(bytes)
                .map(Self::Bundle)
                .map_err(|error| SourceError::new(place, None, SourceProblem::NotABundle(error)));
        }
        if path.is_dir() || !path.exists() {
            return Ok(Self::Folder(path.to_path_buf()));
        }
        let reason = "is neither a folder nor a file".to_string();
        Err(SourceError::new(place, None, SourceProblem::Failed(reason)))
    }
}

fn problem(file: &str, range: Option<Range<u64>>, error: &io::Error) -> SourceError {
    let problem = match error.kind() {
        io::ErrorKind::NotFound => SourceProblem::NotFound,
        io::ErrorKind::PermissionDenied => SourceProblem::Denied,
        _ => SourceProblem::Failed(error.to_string()),
    };
    SourceError::new(file, range, problem)
}

/// An index given on the command line, and perhaps a key that must have signed it.
#[derive(Debug)]
pub enum Input {
    /// As the host gives it.
    Open(Location),
    /// Nothing but what was signed.
    Checked(Box<Checked<Location>>),
}

impl Input {
    /// Finds `place`, and checks what comes from it if there are keys.
    ///
    /// # Errors
    /// As [`Location::open`].
    pub fn open(place: &str, keys: Option<&PublicKeys>) -> Result<Self, SourceError> {
        let location = Location::open(place)?;
        let Some(keys) = keys else {
            return Ok(Self::Open(location));
        };
        let is_bundle = matches!(location, Location::Bundle(_));
        Ok(Self::Checked(Box::new(Checked::new(
            location,
            keys.clone(),
            is_bundle,
        ))))
    }

    /// What checking signatures cost so far, if they are checked.
    pub fn check_stats(&self) -> Option<CheckStats> {
        match self {
            Self::Open(_) => None,
            Self::Checked(checked) => Some(checked.stats()),
        }
    }
}

impl Source for Input {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Open(location) => location.read(file, range).await,
            Self::Checked(checked) => checked.read(file, range).await,
        }
    }
}

impl Source for Location {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(file);
                // The root is the first file read: its whole path says which index is meant.
                let name = if file == ROOT_FILE {
                    path.display().to_string()
                } else {
                    file.into()
                };
                read_path(&name, &path, range)
            }
            Self::Bundle(bundle) => bundle.read(file, range).await,
            Self::Http {
                base,
                client,
                runtime,
            } => {
                let request = client.get(format!("{base}{file}"));
                let read = read_http(request, file.into(), range.clone());
                // Any executor may wait for this one; who stops waiting ends the request.
                let read = AbortOnDropHandle::new(runtime.spawn(read)).await;
                read.unwrap_or_else(|error| {
                    let problem = SourceProblem::Failed(error.to_string());
                    Err(SourceError::new(file, range, problem))
                })
            }
        }
    }
}

/// The bytes of `range` of the file at `path`, which errors call `name`.
///
/// # Errors
/// [`SourceError`].
pub fn read_path(
    name: &str,
    path: &Path,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, SourceError> {
    read_file(path, range.clone()).map_err(|error| problem(name, range, &error))
}

fn read_file(path: &Path, range: Option<Range<u64>>) -> io::Result<Vec<u8>> {
    let Some(range) = range else {
        return std::fs::read(path);
    };
    let file = File::open(path)?;
    let left = file.metadata()?.len().saturating_sub(range.start);
    // A file that is cut short gives the bytes there are: the caller compares lengths.
    let mut bytes = vec![0; (range.end - range.start).min(left) as usize];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(bytes)
}

async fn read_http(
    mut request: RequestBuilder,
    file: String,
    range: Option<Range<u64>>,
) -> Result<Vec<u8>, SourceError> {
    let fail = |problem| SourceError::new(&file, range.clone(), problem);
    let failed = |error| fail(SourceProblem::Failed(explained(error)));
    if let Some(range) = &range {
        request = request.header(RANGE, format!("bytes={}-{}", range.start, range.end - 1));
    }
    let mut response = request.send().await.map_err(failed)?;
    let status = response.status().as_u16();
    let expected = match (status, &range) {
        (206, Some(range)) => range.end - range.start,
        (200, None) => coracle::index::MAX_ROOT_BYTES.max(64 << 20),
        (200, Some(_)) => {
            let len = response.content_length();
            if len.is_none_or(|len| len > MAX_WHOLE_BYTES) {
                return Err(fail(SourceProblem::RangeIgnored { len }));
            }
            MAX_WHOLE_BYTES
        }
        (404 | 410, _) => return Err(fail(SourceProblem::NotFound)),
        (401 | 403, _) => return Err(fail(SourceProblem::Denied)),
        _ => return Err(fail(SourceProblem::Status(status))),
    };
    let mut bytes = Vec::new();
    // One byte too many is enough to tell that it is too long.
    while bytes.len() as u64 <= expected {
        match response.chunk().await.map_err(failed)? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => break,
        }
    }
    bytes.truncate(expected as usize + 1);
    match range {
        Some(range) if status == 200 => {
            let got = (bytes.len() as u64).saturating_sub(range.start);
            let expected = range.end - range.start;
            match bytes.get(range.start as usize..range.end as usize) {
                Some(slice) => Ok(slice.to_vec()),
                None => Err(SourceError::new(
                    &file,
                    Some(range),
                    SourceProblem::WrongLength { expected, got },
                )),
            }
        }
        _ => Ok(bytes),
    }
}

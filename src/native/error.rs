//! Failures of a command → one message and one exit code.
//!
//! Exit codes are part of the interface; [`ExitCode`] documents them and the help text shows them.

use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use coracle::bytes::FormatError;

use crate::ingest::IngestError;
use crate::ingest::Quarantined;

/// What a process reports when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Done; for `search`, something was found.
    Done = 0,
    /// `search` found nothing.
    NothingFound = 1,
    /// The command line or `coracle.toml` is wrong.
    Usage = 2,
    /// The documents are unusable.
    BadInput = 3,
    /// The index is damaged, or belongs to another format, build or embedder.
    DamagedIndex = 4,
    /// A file or folder could not be read or written.
    Io = 5,
    /// A remote endpoint failed or refused.
    Endpoint = 6,
    /// A limit that was set is exceeded, for example `--max-cold-bytes`.
    LimitExceeded = 7,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

/// Why a command ended early.
#[derive(Debug)]
#[non_exhaustive]
pub enum Failure {
    /// Arguments that contradict each other.
    Usage {
        /// The flag that is wrong, for example `--endpoint-url`.
        flag: &'static str,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// The documents could not be read.
    Ingest(IngestError),
    /// Inputs were left out and `--strict` forbids that.
    Quarantined(Vec<Quarantined>),
    /// A file of an index does not hold what it should.
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        problem: FormatError,
    },
    /// The index exists, but not for this program or these settings.
    Foreign {
        /// The index.
        path: PathBuf,
        /// What differs and what to do.
        problem: String,
    },
    /// The system refused.
    Io {
        /// What was being done, for example `"write"`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A remote endpoint failed or refused.
    Endpoint {
        /// Its address, without keys.
        url: String,
        /// HTTP status; `None` when no answer came.
        status: Option<u16>,
        /// What it said.
        message: String,
    },
    /// A limit that was set is exceeded.
    Limit {
        /// What was measured, for example `"a cold query"`.
        what: &'static str,
        /// The figure in bytes.
        got: u64,
        /// The limit in bytes.
        limit: u64,
        /// The flag that set it.
        flag: &'static str,
    },
}

impl Failure {
    /// A failure to do `action` with `path`; fits `map_err`.
    pub fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io {
            action,
            path,
            source,
        }
    }

    /// Damage found in the file at `path`; fits `map_err`.
    pub fn index(path: &Path) -> impl FnOnce(FormatError) -> Self + use<> {
        let path = path.to_owned();
        move |problem| Self::Index { path, problem }
    }

    /// The code that the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage { .. } | Self::Ingest(IngestError::Exclude { .. }) => ExitCode::Usage,
            Self::Ingest(IngestError::Io { .. }) | Self::Io { .. } => ExitCode::Io,
            Self::Ingest(_) | Self::Quarantined(_) => ExitCode::BadInput,
            Self::Index { .. } | Self::Foreign { .. } => ExitCode::DamagedIndex,
            Self::Endpoint { .. } => ExitCode::Endpoint,
            Self::Limit { .. } => ExitCode::LimitExceeded,
        }
    }

    /// Whether the reader of standard output has gone, which is no reason to complain.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The failure as one line of JSON: `{"error": {"code", "message"}}`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let code = self.exit_code() as u8;
        serde_json::json!({ "error": { "code": code, "message": self.to_string() } }).to_string()
    }
}

impl From<IngestError> for Failure {
    fn from(error: IngestError) -> Self {
        Self::Ingest(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { flag, problem } => write!(f, "{flag}: {problem}"),
            Self::Ingest(error) => error.fmt(f),
            Self::Quarantined(inputs) => {
                write!(f, "--strict: {} inputs were left out", inputs.len())?;
                for input in inputs.iter().take(10) {
                    write!(f, "\n  {input}")?;
                }
                match inputs.len().saturating_sub(10) {
                    0 => Ok(()),
                    more => write!(f, "\n  and {more} more"),
                }
            }
            Self::Index { path, problem } => write!(
                f,
                "{}: {problem}; build the index again or copy it anew",
                path.display()
            ),
            Self::Foreign { path, problem } => write!(f, "{}: {problem}", path.display()),
            Self::Io {
                action,
                path,
                source,
            } => {
                write!(f, "cannot {action} {}: {source}", path.display())?;
                match source.kind() {
                    io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => f.write_str(
                        "; free some space and run again, the index that was there is untouched",
                    ),
                    io::ErrorKind::PermissionDenied => {
                        f.write_str("; change its permissions or choose another place")
                    }
                    io::ErrorKind::NotFound => f.write_str("; check the path"),
                    _ => Ok(()),
                }
            }
            Self::Endpoint {
                url,
                status,
                message,
            } => {
                write!(f, "{url}: ")?;
                match status {
                    None => write!(
                        f,
                        "no answer: {message}; check --endpoint-url and the network"
                    ),
                    Some(status @ (401 | 403)) => write!(
                        f,
                        "HTTP {status}: {message}; check the key in the variable that \
                         --endpoint-key-env names"
                    ),
                    Some(429) => write!(
                        f,
                        "HTTP 429: {message}; run again later, what was paid for is in the cache"
                    ),
                    Some(status) => write!(f, "HTTP {status}: {message}"),
                }
            }
            Self::Limit {
                what,
                got,
                limit,
                flag,
            } => write!(
                f,
                "{what} takes {got} bytes, {flag} allows {limit}; raise the limit or index less"
            ),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Ingest(error) => Some(error),
            Self::Index { problem, .. } => Some(problem),
            Self::Io { source, .. } => Some(source),
            Self::Usage { .. }
            | Self::Quarantined(_)
            | Self::Foreign { .. }
            | Self::Endpoint { .. }
            | Self::Limit { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use coracle::bytes::Problem;

    use super::*;

    #[test]
    fn every_failure_names_the_place_and_has_its_code() {
        let path = Path::new("public/search/root.bin");
        let damage = FormatError {
            what: "root",
            field: "version",
            offset: 4,
            problem: Problem::Checksum,
        };
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let table = [
            (
                Failure::index(path)(damage),
                ExitCode::DamagedIndex,
                "root.bin: root: version",
            ),
            (Failure::io("write", path)(full), ExitCode::Io, "untouched"),
            (
                Failure::Limit {
                    what: "a cold query",
                    got: 9,
                    limit: 5,
                    flag: "--max-cold-bytes",
                },
                ExitCode::LimitExceeded,
                "--max-cold-bytes allows 5",
            ),
            (
                Failure::Endpoint {
                    url: "https://e.org".into(),
                    status: Some(401),
                    message: "no".into(),
                },
                ExitCode::Endpoint,
                "--endpoint-key-env",
            ),
            (
                IngestError::Unsupported {
                    path: "a.pdf".into(),
                }
                .into(),
                ExitCode::BadInput,
                "a.pdf: this kind of file",
            ),
        ];
        for (failure, code, words) in table {
            assert_eq!(failure.exit_code(), code, "{failure}");
            assert!(failure.to_string().contains(words), "{failure}");
            assert!(
                failure
                    .to_json()
                    .contains(&format!("\"code\":{}", code as u8))
            );
        }
    }
}

//! Failures of a command → one message and one exit code.
//!
//! Exit codes are part of the interface; [`ExitCode`] documents them and the help text shows them.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::path::PathBuf;

use crate::config::ConfigError;
use crate::embed::EmbedError;
use crate::embed::ReadyMadeError;
use crate::evaluate::JudgedError;
use crate::fit::ridge::RidgeError;
use crate::indexer::BuildError;
use crate::ingest::IngestError;
use crate::ingest::Quarantined;
use crate::languages::synonyms::SynonymsError;
use crate::publish::PublishError;
use coracle::search::SearchError;
use coracle::service::ConfigError as VariableError;
use coracle::store::SourceProblem;
use coracle::store::StoreError;

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
    /// The index is not signed by a key that was given.
    NotSigned = 8,
    /// Stopped with Ctrl-C.
    Interrupted = 130,
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
    /// A variable's value is of no use.
    Variable(VariableError),
    /// The machine has no threads, sockets or TLS for requests.
    Setup {
        /// The system's reason.
        reason: String,
    },
    /// Somebody pressed Ctrl-C.
    Interrupted,
    /// A file did not come to where it is to be served from.
    Deploy {
        /// Its name there.
        object: String,
        /// What happened and what to do.
        reason: String,
    },
    /// The documents could not be read.
    Ingest(IngestError),
    /// The file of synonyms is unusable.
    Synonyms(SynonymsError),
    /// Inputs were left out and `--strict` forbids that.
    Quarantined(Vec<Quarantined>),
    /// The configuration is wrong.
    Config(ConfigError),
    /// Texts could not be embedded.
    Embed(EmbedError),
    /// The input's own embeddings are unusable.
    ReadyMade(ReadyMadeError),
    /// The query table cannot be fitted.
    Fit(RidgeError),
    /// The index could not be written.
    Build(BuildError),
    /// The index could not be read or searched.
    Search(SearchError),
    /// Questions, judgements or rankings to judge by are unusable.
    Judged(JudgedError),
    /// A file of an index is not the one that its name says.
    FileHash {
        /// Its name.
        file: String,
    },
    /// The address to serve at is not to be had.
    Address {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        reason: String,
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

    /// The code that the process ends with.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Interrupted => ExitCode::Interrupted,
            Self::Usage { .. }
            | Self::Config(_)
            | Self::Variable(_)
            | Self::Ingest(IngestError::Exclude { .. }) => ExitCode::Usage,
            Self::Ingest(IngestError::Io { .. })
            | Self::Synonyms(SynonymsError::Read { .. })
            | Self::Judged(JudgedError::Io { .. })
            | Self::Io { .. }
            | Self::Setup { .. }
            | Self::Address { .. } => ExitCode::Io,
            Self::Ingest(_)
            | Self::Synonyms(_)
            | Self::Judged(_)
            | Self::Quarantined(_)
            | Self::ReadyMade(_)
            | Self::Fit(_) => ExitCode::BadInput,
            Self::Embed(EmbedError::Endpoint(_)) | Self::Deploy { .. } => ExitCode::Endpoint,
            Self::Embed(_) => ExitCode::Io,
            Self::Build(BuildError::Publish(_)) => ExitCode::Io,
            Self::Build(_) => ExitCode::BadInput,
            Self::Search(error) => match error {
                SearchError::Store(StoreError::Source(source)) => match source.problem {
                    SourceProblem::WrongLength { .. } | SourceProblem::NotABundle(_) => {
                        ExitCode::DamagedIndex
                    }
                    SourceProblem::Signature(_) => ExitCode::NotSigned,
                    _ => ExitCode::Io,
                },
                SearchError::Store(_) | SearchError::Analyzer { .. } => ExitCode::DamagedIndex,
                _ => ExitCode::Usage,
            },
            Self::FileHash { .. } => ExitCode::DamagedIndex,
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

macro_rules! from {
    ($($error:ty => $variant:ident),+ $(,)?) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::$variant(error)
            }
        }
    )+};
}

from! {
    IngestError => Ingest,
    ConfigError => Config,
    VariableError => Variable,
    SynonymsError => Synonyms,
    EmbedError => Embed,
    ReadyMadeError => ReadyMade,
    RidgeError => Fit,
    BuildError => Build,
    SearchError => Search,
    JudgedError => Judged,
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        Self::Build(error.into())
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Search(error.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage { flag, problem } => write!(f, "{flag}: {problem}"),
            Self::Variable(error) => error.fmt(f),
            Self::Setup { reason } => write!(f, "no requests can be sent or taken: {reason}"),
            Self::Interrupted => f.write_str("stopped"),
            Self::Deploy { object, reason } => write!(f, "{object}: {reason}"),
            Self::Ingest(error) => error.fmt(f),
            Self::Synonyms(error) => error.fmt(f),
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
            Self::Config(error) => error.fmt(f),
            Self::Embed(error) => error.fmt(f),
            Self::ReadyMade(error) => error.fmt(f),
            Self::Fit(error) => error.fmt(f),
            Self::Build(error) => error.fmt(f),
            Self::Search(error) => error.fmt(f),
            Self::Judged(error) => error.fmt(f),
            Self::FileHash { file } => write!(
                f,
                "{file}: its content is not what its name says; copy it anew or build the index again"
            ),
            Self::Address { address, reason } => {
                write!(
                    f,
                    "cannot listen at {address}: {reason}; choose another --port or --listen"
                )
            }
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
            Self::Limit {
                what,
                got,
                limit,
                flag,
            } => write!(
                f,
                "{what} takes {got} bytes, {flag} allows {limit}; raise the limit, index less, or \
                 store vectors in less with --target size or --vectors scan"
            ),
        }
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Variable(error) => Some(error),
            Self::Ingest(error) => Some(error),
            Self::Synonyms(error) => Some(error),
            Self::Config(error) => Some(error),
            Self::Embed(error) => Some(error),
            Self::ReadyMade(error) => Some(error),
            Self::Fit(error) => Some(error),
            Self::Build(error) => Some(error),
            Self::Search(error) => Some(error),
            Self::Judged(error) => Some(error),
            Self::Io { source, .. } => Some(source),
            Self::Usage { .. }
            | Self::Setup { .. }
            | Self::Interrupted
            | Self::Deploy { .. }
            | Self::Quarantined(_)
            | Self::FileHash { .. }
            | Self::Address { .. }
            | Self::Limit { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use coracle::bytes::FormatError;
    use coracle::bytes::Problem;

    use super::*;

    #[test]
    fn every_failure_names_the_place_and_has_its_code() {
        let path = Path::new("public/search");
        let damage = FormatError::new("root", "version", 4, Problem::Checksum);
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let table = [
            (
                StoreError::Root(damage.into()).into(),
                ExitCode::DamagedIndex,
                "root: version",
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

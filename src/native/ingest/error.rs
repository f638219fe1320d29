//! What can go wrong on the way in: errors that stop a build, and reasons to leave one input out.

use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// An error that stops the build.
#[derive(Debug)]
#[non_exhaustive]
pub enum IngestError {
    /// Nothing readable was found.
    NoDocuments {
        /// The inputs that were searched.
        inputs: Vec<PathBuf>,
        /// Inputs that were found and left out.
        quarantined: Vec<Quarantined>,
    },
    /// A file that was named explicitly has no supported extension.
    Unsupported {
        /// The file.
        path: PathBuf,
    },
    /// A glob of `--exclude` does not parse.
    Exclude {
        /// The glob.
        glob: String,
        /// The parser's words.
        reason: String,
    },
    /// The system refused.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl IngestError {
    pub(crate) fn io(path: &Path, source: io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }
}

impl fmt::Display for IngestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDocuments {
                inputs,
                quarantined,
            } => {
                f.write_str("no documents found under ")?;
                for (i, input) in inputs.iter().enumerate() {
                    if i > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{}", input.display())?;
                }
                if let Some(first) = quarantined.first() {
                    let count = quarantined.len();
                    return write!(f, "; {count} inputs were left out, the first: {first}");
                }
                write!(f, "; supported are {SUPPORTED}")
            }
            Self::Unsupported { path } => write!(
                f,
                "{}: this kind of file cannot be indexed; supported are {SUPPORTED}",
                path.display()
            ),
            Self::Exclude { glob, reason } => {
                write!(
                    f,
                    "--exclude {glob:?}: {reason}; write it as in a .gitignore file"
                )
            }
            Self::Io { path, source } => {
                write!(f, "{}: {source}", path.display())?;
                match source.kind() {
                    io::ErrorKind::PermissionDenied => f.write_str(
                        "; make it readable for this user or leave it out with --exclude",
                    ),
                    io::ErrorKind::NotFound => f.write_str("; check the path"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl std::error::Error for IngestError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::NoDocuments { .. } | Self::Unsupported { .. } | Self::Exclude { .. } => None,
        }
    }
}

/// The extensions that are read, as messages list them.
pub const SUPPORTED: &str =
    ".md .markdown .mdx .html .htm .xhtml .txt .text .jsonl .ndjson .jsonl.gz .ndjson.gz";

/// One input that was left out, while the rest went on.
#[derive(Debug, Clone, PartialEq)]
pub struct Quarantined {
    /// The file.
    pub path: PathBuf,
    /// Line in it, from 1; `None` when the whole file is meant.
    pub line: Option<u64>,
    /// Why.
    pub reason: Reason,
}

impl Quarantined {
    /// `path` or `path:line`.
    #[must_use]
    pub fn place(&self) -> String {
        place(&self.path, self.line)
    }
}

pub(crate) fn place(path: &Path, line: Option<u64>) -> String {
    match line {
        Some(line) => format!("{}:{line}", path.display()),
        None => path.display().to_string(),
    }
}

impl fmt::Display for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.reason)
    }
}

/// Why an input was left out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// Not UTF-8.
    NotUtf8 {
        /// Offset of the first bad byte in the file or line.
        byte: usize,
    },
    /// A file is larger than a document may be.
    FileTooLarge {
        /// Its size in bytes.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A line is longer than a record may be.
    LineTooLong {
        /// The limit in bytes.
        limit: u64,
    },
    /// A compressed file ends early or is damaged.
    BadGzip,
    /// A line is not a JSON object.
    BadJson {
        /// Column of the error, from 1.
        column: usize,
        /// The parser's words.
        message: String,
    },
    /// Front matter does not parse.
    BadFrontMatter {
        /// The parser's words.
        message: String,
    },
    /// No text remains to be indexed.
    NoText,
    /// A record has no `id`.
    NoId,
    /// Another input has the same id.
    DuplicateId {
        /// The id.
        id: String,
        /// Where it stood first.
        first: String,
    },
    /// A component of a vector is NaN or infinite.
    NonFiniteVector {
        /// The component, from 0.
        component: usize,
    },
    /// A vector has no or too many components.
    VectorLength {
        /// Components found.
        got: usize,
        /// The most that are possible.
        max: usize,
    },
    /// A vector has another dimension than the first one.
    WrongDimension {
        /// Components found.
        got: usize,
        /// Components of the first vector.
        expected: usize,
    },
    /// A link that is neither relative nor http(s).
    UnsafeUrl {
        /// The link.
        url: String,
    },
    /// A folder links back to itself.
    LinkLoop,
    /// A link leads nowhere.
    BrokenLink,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotUtf8 { byte } => {
                write!(
                    f,
                    "not UTF-8 at byte {byte}; convert it, for example with iconv"
                )
            }
            Self::FileTooLarge { bytes, limit } => {
                write!(f, "{bytes} bytes, a document may have {limit}; split it")
            }
            Self::LineTooLong { limit } => {
                write!(f, "longer than {limit} bytes; split the record")
            }
            Self::BadGzip => f.write_str("the gzip stream is damaged or cut short from here on"),
            Self::BadJson { column, message } => {
                write!(f, "not a JSON record: {message} (column {column})")
            }
            Self::BadFrontMatter { message } => write!(f, "front matter: {message}"),
            Self::NoText => f.write_str("no text to index"),
            Self::NoId => f.write_str("no \"id\"; give every record a string or a number"),
            Self::DuplicateId { id, first } => {
                write!(f, "id {id:?} is taken by {first}; ids must differ")
            }
            Self::NonFiniteVector { component } => {
                write!(
                    f,
                    "component {component} of the vector is not a finite number"
                )
            }
            Self::VectorLength { got, max } => {
                write!(
                    f,
                    "the vector has {got} components, 1 to {max} are possible"
                )
            }
            Self::WrongDimension { got, expected } => write!(
                f,
                "the vector has {got} components, the first one has {expected}; \
                 use one model for all records"
            ),
            Self::UnsafeUrl { url } => {
                write!(f, "url {url:?} is neither relative nor http(s)")
            }
            Self::LinkLoop => f.write_str("the link leads back into its own folder"),
            Self::BrokenLink => f.write_str("the link leads nowhere"),
        }
    }
}

//! Inputs → files, in an order that does not depend on the file system.

use std::path::Path;
use std::path::PathBuf;

use ignore::WalkBuilder;
use ignore::overrides::Override;
use ignore::overrides::OverrideBuilder;

use crate::ingest::error::IngestError;
use crate::ingest::error::Quarantined;
use crate::ingest::error::Reason;

/// A file that will be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub path: PathBuf,
    /// Its path below the input, with `/`; the file name for inputs that are files.
    pub relative: String,
    /// How it is read.
    pub format: Format,
}

/// The formats that are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Markdown.
    Markdown,
    /// Markdown with JSX.
    Mdx,
    /// HTML.
    Html,
    /// Plain text.
    Text,
    /// One JSON record per line.
    JsonLines {
        /// Compressed with gzip.
        is_gzip: bool,
    },
}

impl Format {
    /// The format that a file name stands for.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        if name.ends_with(".jsonl.gz") || name.ends_with(".ndjson.gz") {
            return Some(Self::JsonLines { is_gzip: true });
        }
        match name.rsplit_once('.')?.1 {
            "md" | "markdown" => Some(Self::Markdown),
            "mdx" => Some(Self::Mdx),
            "html" | "htm" | "xhtml" => Some(Self::Html),
            "txt" | "text" => Some(Self::Text),
            "jsonl" | "ndjson" => Some(Self::JsonLines { is_gzip: false }),
            _ => None,
        }
    }
}

/// All readable files under `inputs`: inputs in the given order, files of a folder sorted by path.
///
/// Hidden files, `node_modules`, and what `exclude` names are skipped. `.gitignore` files are not
/// looked at: what a site generator writes is ignored by git more often than not.
///
/// # Errors
/// A missing or unreadable file or folder, a named file of another kind, a glob that does not
/// parse.
pub fn files(
    inputs: &[PathBuf],
    exclude: &[String],
) -> Result<(Vec<Found>, Vec<Quarantined>), IngestError> {
    let mut found = Vec::new();
    let mut quarantined = Vec::new();
    for input in inputs {
        let data = std::fs::metadata(input).map_err(|source| IngestError::io(input, source))?;
        if data.is_dir() {
            let before = found.len();
            walk(
                input,
                &overrides(input, exclude)?,
                &mut found,
                &mut quarantined,
            )?;
            if let Some(new) = found.get_mut(before..) {
                new.sort_by(|a, b| a.relative.cmp(&b.relative));
            }
        } else {
            let format = Format::of(input).ok_or_else(|| IngestError::Unsupported {
                path: input.clone(),
            })?;
            let name = input
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            found.push(Found {
                path: input.clone(),
                relative: name,
                format,
            });
        }
    }
    quarantined.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((found, quarantined))
}

fn overrides(root: &Path, exclude: &[String]) -> Result<Override, IngestError> {
    let mut builder = OverrideBuilder::new(root);
    let globs = exclude.iter().map(String::as_str).chain(["node_modules"]);
    for glob in globs {
        let bad = |error: ignore::Error| IngestError::Exclude {
            glob: glob.to_owned(),
            reason: error.to_string(),
        };
        // In an override, `!` is what excludes.
        let flipped = glob
            .strip_prefix('!')
            .map_or_else(|| format!("!{glob}"), str::to_owned);
        builder.add(&flipped).map_err(bad)?;
    }
    builder.build().map_err(|error| IngestError::Exclude {
        glob: exclude.join(" "),
        reason: error.to_string(),
    })
}

fn walk(
    root: &Path,
    overrides: &Override,
    found: &mut Vec<Found>,
    quarantined: &mut Vec<Quarantined>,
) -> Result<(), IngestError> {
    let walk = WalkBuilder::new(root)
        .standard_filters(false)
        .hidden(true)
        .follow_links(true)
        .overrides(overrides.clone())
        .build();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                quarantined.push(link_problem(root, error)?);
                continue;
            }
        };
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let Some(format) = Format::of(entry.path()) else {
            continue;
        };
        let relative = entry.path().strip_prefix(root).unwrap_or(entry.path());
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        let relative = parts.join("/");
        found.push(Found {
            path: entry.into_path(),
            relative,
            format,
        });
    }
    Ok(())
}

/// Links that lead in a circle or nowhere are left out; anything else stops the build.
fn link_problem(root: &Path, error: ignore::Error) -> Result<Quarantined, IngestError> {
    fn place(error: &ignore::Error) -> Option<&Path> {
        match error {
            ignore::Error::WithPath { path, .. } => Some(path),
            ignore::Error::WithDepth { err, .. } => place(err),
            ignore::Error::Loop { child, .. } => Some(child),
            _ => None,
        }
    }
    fn is_loop(error: &ignore::Error) -> bool {
        match error {
            ignore::Error::Loop { .. } => true,
            ignore::Error::WithPath { err, .. } | ignore::Error::WithDepth { err, .. } => {
                is_loop(err)
            }
            _ => false,
        }
    }
    let path = place(&error).unwrap_or(root).to_owned();
    if is_loop(&error) {
        return Ok(Quarantined {
            path,
            line: None,
            reason: Reason::LinkLoop,
        });
    }
    if path.is_symlink() && !path.exists() {
        return Ok(Quarantined {
            path,
            line: None,
            reason: Reason::BrokenLink,
        });
    }
    let source = error
        .into_io_error()
        .unwrap_or_else(|| std::io::Error::other("cannot be read"));
    Err(IngestError::Io { path, source })
}

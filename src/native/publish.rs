//! Index files appear whole or not at all.
//!
//! A build writes into a staging folder beside the index. When everything is written and flushed the
//! body's files move to their final, content-hashed names, and the root replaces the old one last, by
//! one rename. Until then a reader sees the previous index, and a build that fails leaves nothing. A
//! build that is killed leaves its staging folder; the next one removes it, because nobody holds its
//! lock any more.

use crate::signing;
use coracle::index::Files;
use coracle::index::ROOT_FILE;
use coracle::index::Root;
use coracle::index::Seal;
use coracle::index::Sink;
use coracle::store::BUNDLE_MAGIC;
use coracle::store::Source;
use coracle::store::SourceError;
use ed25519_dalek::SigningKey;
use std::collections::HashMap;
use std::fs;
use std::fs::File;
use std::io;
use std::io::BufWriter;
use std::io::Write;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use xxhash_rust::xxh3::Xxh3;

/// Extension of the body's files.
const EXTENSION: &str = "cora";

/// What names of staging folders begin with; the number of the process follows.
const STAGING_PREFIX: &str = ".coracle-";

/// A write that failed, and where.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}{}", way_out(source))]
pub struct PublishError {
    /// What was being written.
    pub path: String,
    /// The system's reason.
    pub source: io::Error,
}

fn way_out(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            "; nothing was published, free some space and build again"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; nothing was published, choose a folder you may write to with --out"
        }
        _ => "; nothing was published, the previous index is as it was",
    }
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, PublishError> {
    result.map_err(|source| PublishError {
        path: path.display().to_string(),
        source,
    })
}

/// How an index lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A folder with files that are read by range, at most this many bytes each.
    Range {
        /// Bytes of a file.
        part_bytes: u64,
    },
    /// A folder with files that are read whole.
    Split {
        /// Bytes of a file.
        part_bytes: u64,
    },
    /// One file with everything.
    Bundle,
}

/// Files of an index that is being written.
#[derive(Debug)]
pub struct Staging {
    out: PathBuf,
    folder: PathBuf,
    /// The folder, locked as long as this process lives: how others know that it is in use.
    _lock: File,
    created_out: bool,
    destination: Destination,
    current: Option<Part>,
    parts: Vec<(u64, PathBuf)>,
    body_len: u64,
}

struct Part {
    path: PathBuf,
    file: BufWriter<File>,
    hash: Xxh3,
    len: u64,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("path", &self.path)
            .field("len", &self.len)
            .finish()
    }
}

impl Staging {
    /// Prepares to write an index to `out`: a folder, or the file of a bundle.
    ///
    /// # Errors
    /// [`PublishError`] when the folder cannot be made.
    pub fn new(out: &Path, destination: Destination) -> Result<Self, PublishError> {
        let parent = match destination {
            Destination::Bundle => match out.parent() {
                Some(parent) if parent != Path::new("") => parent.to_path_buf(),
                _ => PathBuf::from("."),
            },
            _ => out.to_path_buf(),
        };
        let created_out = !parent.exists();
        at(&parent, fs::create_dir_all(&parent))?;
        remove_abandoned(&parent);
        let folder = parent.join(format!("{STAGING_PREFIX}{}", std::process::id()));
        at(&folder, fs::create_dir_all(&folder))?;
        let lock = at(&folder, File::open(&folder))?;
        // Where a file system has no locks, nobody can take one either and abandoned folders stay.
        let _ = lock.try_lock();
        Ok(Self {
            out: out.to_path_buf(),
            folder,
            _lock: lock,
            created_out,
            destination,
            current: None,
            parts: Vec::new(),
            body_len: 0,
        })
    }

    fn part_bytes(&self) -> u64 {
        match self.destination {
            Destination::Range { part_bytes } | Destination::Split { part_bytes } => {
                part_bytes.max(1)
            }
            Destination::Bundle => u64::MAX,
        }
    }

    fn close_part(&mut self) -> Result<(), PublishError> {
        if let Some(part) = self.current.take() {
            let file = part
                .file
                .into_inner()
                .map_err(io::IntoInnerError::into_error);
            let file = at(&part.path, file)?;
            at(&part.path, file.sync_all())?;
            self.parts.push((part.hash.digest(), part.path));
        }
        Ok(())
    }

    /// Closes the body and says how it was cut.
    ///
    /// # Errors
    /// [`PublishError`] when the last bytes could not be written.
    pub fn finish_body(&mut self) -> Result<(Files, u64), PublishError> {
        self.close_part()?;
        let files = Files {
            ranged: !matches!(self.destination, Destination::Split { .. }),
            part_bytes: self.part_bytes().min(self.body_len.max(1)),
            hashes: self.parts.iter().map(|&(hash, _)| hash).collect(),
        };
        Ok((files, self.body_len))
    }

    /// Publishes the body under `root`, signed if there is a key; returns the number of files and
    /// their bytes.
    ///
    /// # Errors
    /// [`PublishError`]; the previous index is untouched unless the last rename succeeded.
    pub fn publish(
        mut self,
        root: &Root,
        key: Option<&SigningKey>,
    ) -> Result<(usize, u64), PublishError> {
        let is_bundle = self.destination == Destination::Bundle;
        let mut root_bytes = root.to_bytes();
        let mut pages = Vec::new();
        let mut page_file = None;
        if let Some(key) = key {
            let parts: Vec<PathBuf> = self.parts.iter().map(|(_, path)| path.clone()).collect();
            let signed = signing::sign(key, root, is_bundle, &parts);
            let signed = signed.map_err(|(path, source)| PublishError {
                path: path.display().to_string(),
                source,
            })?;
            root_bytes.extend_from_slice(&signed.seal.to_bytes());
            page_file = Some(signed.seal.page_file_name());
            pages = signed.pages;
        }
        let total = (root_bytes.len() + pages.len()) as u64 + self.body_len;
        if is_bundle {
            let staged = self.folder.join("bundle");
            at(&staged, self.write_bundle(&staged, &root_bytes, &pages))?;
            at(&self.out, fs::rename(&staged, &self.out))?;
            self.created_out = false;
            return Ok((1, total + BUNDLE_MAGIC.len() as u64 + 8));
        }
        let previous = previous_files(&self.out);
        let mut names = Vec::new();
        for (part, (_, path)) in self.parts.iter().enumerate() {
            let Some(name) = root.files.name(part) else {
                continue;
            };
            let target = self.out.join(&name);
            at(&target, fs::rename(path, &target))?;
            names.push(name);
        }
        if let Some(name) = page_file {
            self.replace(&name, &pages)?;
            names.push(name);
        }
        self.replace(ROOT_FILE, &root_bytes)?;
        self.created_out = false;
        // Readers that opened the index before may go on with the previous build's files; older ones
        // are removed. A leftover file costs space, not correctness.
        for old in body_files(&self.out) {
            if !names.contains(&old) && !previous.contains(&old) {
                let _ = fs::remove_file(self.out.join(old));
            }
        }
        Ok((names.len() + 1, total))
    }

    /// A source that reads the index before it is published.
    pub fn preview(&self, root: &Root) -> Preview {
        let names = (0..self.parts.len()).filter_map(|part| root.files.name(part));
        let paths = self.parts.iter().map(|(_, path)| path.clone());
        Preview {
            root: root.to_bytes(),
            parts: names.zip(paths).collect(),
        }
    }

    /// Writes a file beside the index and moves it to its place.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), PublishError> {
        let staged = self.folder.join(name);
        let written = File::create(&staged).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        at(&staged, written)?;
        let target = self.out.join(name);
        at(&target, fs::rename(&staged, &target))
    }

    fn write_bundle(&self, staged: &Path, root: &[u8], pages: &[u8]) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(staged)?);
        file.write_all(&coracle::store::bundle(root, &[]))?;
        for (_, path) in &self.parts {
            io::copy(&mut File::open(path)?, &mut file)?;
        }
        file.write_all(pages)?;
        file.into_inner()
            .map_err(io::IntoInnerError::into_error)?
            .sync_all()
    }
}

/// An index that is written but not published.
#[derive(Debug)]
pub struct Preview {
    root: Vec<u8>,
    parts: HashMap<String, PathBuf>,
}

impl Source for Preview {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        match self.parts.get(file) {
            Some(path) => crate::source::read_path(file, path, range),
            None => Ok(self.root.clone()),
        }
    }
}

/// Removes the staging folders of builds that were killed.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name
            .to_str()
            .and_then(|name| name.strip_prefix(STAGING_PREFIX));
        let is_staging = process.is_some_and(|process| process.parse::<u32>().is_ok())
            && entry.file_type().is_ok_and(|kind| kind.is_dir());
        let is_abandoned =
            || File::open(entry.path()).is_ok_and(|folder| folder.try_lock().is_ok());
        if is_staging && is_abandoned() {
            // A folder that stays costs space, not correctness.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Names in `out` that only files of a body have: 16 hexadecimal digits and [`EXTENSION`].
fn body_files(out: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(out) else {
        return Vec::new();
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names.filter(|name| is_body_file(name)).collect()
}

/// Whether a file name says that its content never changes.
pub fn is_body_file(name: &str) -> bool {
    let stem = name
        .strip_suffix(EXTENSION)
        .and_then(|name| name.strip_suffix('.'));
    stem.is_some_and(|stem| stem.len() == 16 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Files of the body that the root in `out` names, or none if there is no usable root.
fn previous_files(out: &Path) -> Vec<String> {
    let Ok(bytes) = fs::read(out.join(ROOT_FILE)) else {
        return Vec::new();
    };
    let Ok(root) = Root::parse(&bytes) else {
        return Vec::new();
    };
    let (_, seal) = Seal::split(&bytes);
    (0..root.files.hashes.len())
        .filter_map(|part| root.files.name(part))
        .chain(seal.map(|seal| seal.page_file_name()))
        .collect()
}

impl Sink for Staging {
    type Error = PublishError;

    fn write(&mut self, mut bytes: &[u8]) -> Result<(), PublishError> {
        while !bytes.is_empty() {
            let part_bytes = self.part_bytes();
            let part = match &mut self.current {
                Some(part) => part,
                None => {
                    let path = self.folder.join(format!("part-{}", self.parts.len()));
                    let file = BufWriter::with_capacity(1 << 20, at(&path, File::create(&path))?);
                    self.current.insert(Part {
                        path,
                        file,
                        hash: Xxh3::new(),
                        len: 0,
                    })
                }
            };
            let take = (part_bytes - part.len).min(bytes.len() as u64) as usize;
            let (now, rest) = bytes.split_at(take);
            at(&part.path, part.file.write_all(now))?;
            part.hash.update(now);
            part.len += take as u64;
            self.body_len += take as u64;
            bytes = rest;
            if part.len == part_bytes {
                self.close_part()?;
            }
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        if self.created_out {
            // Only if it is still empty: the folder was made for an index that did not come.
            if let Some(parent) = self.folder.parent() {
                let _ = fs::remove_dir(parent);
            }
        }
    }
}

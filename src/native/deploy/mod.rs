//! `coracle deploy`: a built index → the place from which it is served.
//!
//! ```text
//! root.cora ─► names of the body's files ─ not there yet? ─► sent with checksums ─► root.cora, last
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `folder.rs` | a folder of this machine, or one that is mounted |
//! | `s3.rs` | a bucket of S3, R2 and what is compatible with them |
//!
//! A body's file is named by its content, so one that is there with the right length is there, and a
//! run that was stopped goes on where it was. Whoever reads meanwhile sees the build before: its root
//! is replaced by one step at the end, and its files stay.

mod folder;
mod s3;

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use coracle::index::ROOT_FILE;
use coracle::index::Root;
use coracle::index::Seal;
use coracle::search::SearchError;
use coracle::store::StoreError;
use serde::Serialize;
use xxhash_rust::xxh3::xxh3_64;

use crate::cli::DeployArgs;
use crate::error::Failure;
use crate::report::Reporter;
use folder::Folder;
use s3::Bucket;

/// What was done, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Deployed {
    /// Files that were sent, without the root.
    pub sent: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were there already.
    pub there: usize,
    /// Whether the root there is the new one now. A dry run leaves it.
    pub is_live: bool,
}

/// Where an index goes.
enum Target {
    Folder(Folder),
    Bucket(Box<Bucket>),
}

impl Target {
    fn new(args: &DeployArgs) -> Result<Self, Failure> {
        match args.to.strip_prefix("s3://") {
            Some(place) => Bucket::new(place, args.endpoint.as_deref(), args.region.as_deref())
                .map(|bucket| Self::Bucket(Box::new(bucket))),
            None => Ok(Self::Folder(Folder::new(Path::new(&args.to)))),
        }
    }

    /// Whether a file of this name and length is there.
    async fn has(&self, name: &str, len: u64) -> Result<bool, Failure> {
        match self {
            Self::Folder(folder) => Ok(folder.has(name, len)),
            Self::Bucket(bucket) => bucket.has(name, len).await,
        }
    }

    /// Puts a file there, whole or not at all.
    async fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), Failure> {
        match self {
            Self::Folder(folder) => folder.put(name, &bytes),
            Self::Bucket(bucket) => bucket.put(name, bytes).await,
        }
    }
}

/// Sends the index in `args.index` to where it is served from.
///
/// # Errors
/// [`Failure`]; whatever was served before still is.
pub async fn deploy(args: &DeployArgs, reporter: &Reporter) -> Result<Deployed, Failure> {
    let target = Target::new(args)?;
    let root_path = args.index.join(ROOT_FILE);
    if args.index.is_file() {
        return Err(Failure::Usage {
            flag: "DIR",
            problem: "is a bundle: one file, which any tool copies; deploy a folder".into(),
        });
    }
    let root = fs::read(&root_path).map_err(Failure::io("read", &root_path))?;
    let names = body_files(&root)?;
    let stage = reporter.stage("deploy", names.len() as u64);
    let mut done = Deployed::default();
    for (name, hash) in &names {
        let path = args.index.join(name);
        let len = fs::metadata(&path)
            .map_err(Failure::io("read", &path))?
            .len();
        if target.has(name, len).await? {
            done.there += 1;
        } else {
            if !args.dry_run {
                let bytes = fs::read(&path).map_err(Failure::io("read", &path))?;
                if xxh3_64(&bytes) != *hash {
                    return Err(Failure::FileHash { file: name.clone() });
                }
                target.put(name, bytes).await?;
            }
            done.sent += 1;
            done.bytes += len;
        }
        stage.advance(1);
    }
    if !args.dry_run {
        target.put(ROOT_FILE, root).await?;
        done.is_live = true;
    }
    Ok(done)
}

/// Names of the files that a root needs, and the hashes of their contents.
fn body_files(bytes: &[u8]) -> Result<Vec<(String, u64)>, Failure> {
    let root = Root::parse(bytes).map_err(StoreError::Root);
    let root = root.map_err(SearchError::from)?;
    let (_, seal) = Seal::split(bytes);
    let hashes = root.files.hashes.iter().copied();
    let parts = hashes
        .enumerate()
        .filter_map(|(part, hash)| Some((root.files.name(part)?, hash)));
    let pages = seal.map(|seal| (seal.page_file_name(), seal.page_file));
    // Parts with the same content are one file.
    let mut known = HashSet::new();
    let files = parts.chain(pages);
    Ok(files.filter(|(_, hash)| known.insert(*hash)).collect())
}

/// How long others may keep a file: a body's for ever, the root until it is asked for again.
fn cache_control(name: &str) -> &'static str {
    if name == ROOT_FILE {
        "no-cache"
    } else {
        "public, max-age=31536000, immutable"
    }
}

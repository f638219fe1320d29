//! Signatures of an index: made by a build, checked on every read by who holds a public key.
//!
//! Blocks carry checks against accidents. Whoever can write to the host can forge those; a signature
//! he cannot. [`Checked`] stands between a source and the store: what passes it was signed, whatever
//! it means. The file format is in `src/index/SPEC.md`.

use crate::error::Failure;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use coracle::index::LEAF_HASH_BYTES;
use coracle::index::Leaves;
use coracle::index::ROOT_FILE;
use coracle::index::Root;
use coracle::index::SIGNATURE_BYTES;
use coracle::index::Seal;
use coracle::store::Source;
use coracle::store::SourceError;
use coracle::store::SourceProblem;
use ed25519_dalek::Signature;
use ed25519_dalek::Signer;
use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::DecodePrivateKey;
use ed25519_dalek::pkcs8::DecodePublicKey;
use ed25519_dalek::pkcs8::EncodePublicKey;
use sha2::Digest;
use sha2::Sha256;
use std::cell::Cell;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// How finely a body is signed: bytes of a leaf, leaves of a page.
///
/// A cold query reads some 80 small pieces all over a large body, and each is widened to whole leaves
/// and needs its page. On 36 MB of C++ documentation it takes 51 kB more than without signatures at
/// 256 and 16, 66 kB at 512 and 16, 410 kB at 4,096 and 256.
const RANGE_GRAIN: (u64, u32) = (256, 16);

/// As [`RANGE_GRAIN`], where everything is in memory already: little to keep and to compute.
const BUNDLE_GRAIN: (u64, u32) = (4096, 16);

/// Leaves of a page where parts are read whole: each is one leaf, and the page file is read at once.
const SPLIT_PAGE_LEAVES: u32 = 64;

/// Reads the key that a build signs with: PKCS#8 in PEM, as `openssl genpkey -algorithm ed25519`
/// writes it.
///
/// # Errors
/// [`Failure::Io`] and [`Failure::Usage`].
pub fn signing_key(path: &Path) -> Result<SigningKey, Failure> {
    let pem = std::fs::read_to_string(path).map_err(Failure::io("read", path))?;
    SigningKey::from_pkcs8_pem(&pem).map_err(|_| Failure::Usage {
        flag: "--sign",
        problem: format!(
            "{} holds no Ed25519 key; make one with: openssl genpkey -algorithm ed25519 -out {0}",
            path.display()
        ),
    })
}

/// The public half of a key in the words of every reader: its SubjectPublicKeyInfo (RFC 8410) in
/// base64, the middle line of what `openssl pkey -pubout` prints.
pub fn public_key(key: &SigningKey) -> String {
    let der = key.verifying_key().to_public_key_der();
    der.map(|der| BASE64_STANDARD.encode(der.as_bytes()))
        .unwrap_or_default()
}

/// Public keys any of which may have signed an index.
#[derive(Debug, Clone)]
pub struct PublicKeys(Arc<[VerifyingKey]>);

impl std::str::FromStr for PublicKeys {
    type Err = String;

    /// One key as [`public_key`] writes it, or several with spaces or commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let words = text.split([' ', ',', '\n', '\t']);
        let keys: Vec<VerifyingKey> = words
            .filter(|word| !word.is_empty())
            .map(|word| {
                let der = BASE64_STANDARD.decode(word).ok();
                der.and_then(|der| VerifyingKey::from_public_key_der(&der).ok())
                    .ok_or_else(|| {
                        "expected an Ed25519 key in base64, the middle line of: \
                         openssl pkey -in KEYFILE -pubout"
                            .to_owned()
                    })
            })
            .collect::<Result<_, _>>()?;
        match keys.is_empty() {
            true => Err("expected a key".to_owned()),
            false => Ok(Self(keys.into())),
        }
    }
}

/// Signatures of an index: what follows the root, and the pages.
#[derive(Debug)]
pub struct Signatures {
    /// What stands behind the root.
    pub seal: Seal,
    /// Content of the page file.
    pub pages: Vec<u8>,
}

/// Signs an index whose body lies in `parts`. A bundle has its own grain.
///
/// # Errors
/// What went wrong with which of the files.
pub fn sign(
    key: &SigningKey,
    root: &Root,
    is_bundle: bool,
    parts: &[PathBuf],
) -> Result<Signatures, (PathBuf, io::Error)> {
    let files = &root.files;
    let (leaf_bytes, page_leaves) = match (is_bundle, files.ranged) {
        (true, _) => BUNDLE_GRAIN,
        (_, true) => RANGE_GRAIN,
        (_, false) => (files.part_bytes.max(1), SPLIT_PAGE_LEAVES),
    };
    let root_bytes = root.to_bytes();
    let digest: [u8; 32] =
        Sha256::digest(Seal::digested(&root_bytes, leaf_bytes, page_leaves)).into();
    let mut hashes = Vec::new();
    for path in parts {
        hash_leaves(path, leaf_bytes, &digest, &mut hashes)
            .map_err(|error| (path.clone(), error))?;
    }
    let mut pages = Vec::with_capacity(hashes.len() * 2);
    for (page, hashes) in hashes
        .chunks(page_leaves as usize * LEAF_HASH_BYTES)
        .enumerate()
    {
        let message = Seal::page_message(&digest, page as u64, hashes);
        pages.extend_from_slice(hashes);
        pages.extend_from_slice(&key.sign(&message).to_bytes());
    }
    let seal = Seal {
        leaf_bytes,
        page_leaves,
        page_file: xxh3_64(&pages),
        signature: key.sign(&Seal::root_message(&digest)).to_bytes(),
    };
    Ok(Signatures { seal, pages })
}

fn hash_leaves(
    path: &Path,
    leaf_bytes: u64,
    digest: &[u8; 32],
    hashes: &mut Vec<u8>,
) -> io::Result<()> {
    let mut file = io::BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut leaf = Vec::new();
    loop {
        leaf.clear();
        file.by_ref().take(leaf_bytes).read_to_end(&mut leaf)?;
        if leaf.is_empty() {
            return Ok(());
        }
        hashes.extend_from_slice(&leaf_hash(digest, &leaf));
    }
}

/// The first bytes of SHA-256 of digest and leaf. The digest, which depends on the whole index, comes
/// first: whoever contributes to its contents cannot look for two leaves of one hash beforehand, so
/// half of a SHA-256 is as strong as the signature.
fn leaf_hash(digest: &[u8; 32], leaf: &[u8]) -> [u8; LEAF_HASH_BYTES] {
    let hash = Sha256::new().chain_update(digest).chain_update(leaf);
    let mut out = [0; LEAF_HASH_BYTES];
    out.copy_from_slice(&hash.finalize()[..LEAF_HASH_BYTES]);
    out
}

/// What checking cost beside the reads themselves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CheckStats {
    /// Reads of pages.
    pub requests: u32,
    /// Bytes of pages, and those read with others because they share a leaf.
    pub bytes: u64,
}

/// A source that hands on nothing but what one of some keys signed.
#[derive(Debug)]
pub struct Checked<S> {
    source: S,
    keys: PublicKeys,
    is_bundle: bool,
    index: RefCell<Option<Arc<SignedIndex>>>,
    pages: RefCell<HashMap<u64, Arc<[u8]>>>,
    stats: Cell<CheckStats>,
}

/// A root that was signed, and by whom.
#[derive(Debug)]
struct SignedIndex {
    key: VerifyingKey,
    digest: [u8; 32],
    parts: HashMap<String, u64>,
    leaves: Leaves,
    page_file: String,
    /// Where the first page lies in it.
    page_start: u64,
    ranged: bool,
}

impl<S: Source> Checked<S> {
    /// Checks what comes from `source`.
    ///
    /// In a bundle, the pages lie behind the body instead of in a file of their own.
    pub fn new(source: S, keys: PublicKeys, is_bundle: bool) -> Self {
        Self {
            source,
            keys,
            is_bundle,
            index: RefCell::default(),
            pages: RefCell::default(),
            stats: Cell::default(),
        }
    }

    /// What checking cost so far.
    pub fn stats(&self) -> CheckStats {
        self.stats.get()
    }

    fn count(&self, requests: u32, bytes: u64) {
        let mut stats = self.stats.get();
        stats.requests += requests;
        stats.bytes += bytes;
        self.stats.set(stats);
    }

    fn open(&self, file: &[u8]) -> Result<(), &'static str> {
        let (root, Some(seal)) = Seal::split(file) else {
            return Err("the index is not signed; build it with --sign, or open it without a key");
        };
        let digest = Sha256::digest(Seal::digested(root, seal.leaf_bytes, seal.page_leaves)).into();
        let message = Seal::root_message(&digest);
        let key = self
            .keys
            .0
            .iter()
            .find(|key| is_signed(key, &message, &seal.signature))
            .ok_or("the root is not signed by a key that was given")?;
        // What was signed and still is no root, the store refuses for its own reason.
        let Ok(root) = Root::parse(root) else {
            return Ok(());
        };
        let leaves = Leaves::new(
            &root.files,
            root.body_len,
            seal.leaf_bytes,
            seal.page_leaves,
        )
        .ok_or("the numbers of the signature make no sense")?;
        let names = 0..root.files.hashes.len();
        let parts = names
            .filter_map(|part| Some((root.files.name(part)?, part as u64)))
            .collect();
        let (page_file, page_start) = match self.is_bundle {
            true => (root.files.name(0).unwrap_or_default(), root.body_len),
            false => (seal.page_file_name(), 0),
        };
        *self.pages.borrow_mut() = HashMap::new();
        *self.index.borrow_mut() = Some(Arc::new(SignedIndex {
            key: *key,
            digest,
            parts,
            leaves,
            page_file,
            page_start,
            ranged: root.files.ranged,
        }));
        Ok(())
    }

    async fn read_pages(
        &self,
        file: &str,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>, SourceError> {
        let bytes = self.source.read(file, range).await;
        let bytes = bytes.map_err(|error| match error.problem {
            SourceProblem::NotFound => {
                let reason = "the file with the signatures is not there; publish the index again";
                refused(file, None, reason.to_owned())
            }
            _ => error,
        })?;
        self.count(1, bytes.len() as u64);
        Ok(bytes)
    }

    /// The signed hashes of a page.
    async fn page(&self, index: &SignedIndex, page: u64) -> Result<Arc<[u8]>, SourceError> {
        if let Some(hashes) = self.pages.borrow().get(&page) {
            return Ok(hashes.clone());
        }
        let at = index.leaves.page(page);
        let file = &index.page_file;
        let fail = |range: &Range<u64>| forged(file, Some(range.clone()), "a page of signatures");
        if !index.ranged {
            let bytes = self.read_pages(file, None).await?;
            for page in 0..index.leaves.pages() {
                let at = index.leaves.page(page);
                let bytes = bytes.get(at.start as usize..at.end as usize);
                self.keep(index, page, bytes).ok_or_else(|| fail(&at))?;
            }
        } else {
            let range = index.page_start + at.start..index.page_start + at.end;
            let bytes = self.read_pages(file, Some(range)).await?;
            self.keep(index, page, Some(&bytes))
                .ok_or_else(|| fail(&at))?;
        }
        let pages = self.pages.borrow();
        pages.get(&page).cloned().ok_or_else(|| fail(&at))
    }

    /// Keeps the hashes of a page, if they are signed.
    fn keep(&self, index: &SignedIndex, page: u64, bytes: Option<&[u8]>) -> Option<()> {
        let at = index.leaves.page(page);
        let bytes = bytes.filter(|bytes| bytes.len() as u64 == at.end - at.start)?;
        let (hashes, signature) = bytes.split_last_chunk::<SIGNATURE_BYTES>()?;
        let message = Seal::page_message(&index.digest, page, hashes);
        if !is_signed(&index.key, &message, signature) {
            return None;
        }
        self.pages.borrow_mut().insert(page, hashes.into());
        Some(())
    }

    async fn read_part(
        &self,
        index: &SignedIndex,
        file: &str,
        part: u64,
        range: Option<Range<u64>>,
    ) -> Result<Vec<u8>, SourceError> {
        let leaves = &index.leaves;
        let wanted = range.clone().unwrap_or(0..leaves.part_len(part));
        if wanted.start > wanted.end || wanted.end > leaves.part_len(part) {
            return Err(forged(file, range, "a read behind the end of the file"));
        }
        let wide = leaves.widen(part, &wanted);
        let asked = range.as_ref().map(|_| wide.clone());
        let bytes = self.source.read(file, asked).await?;
        if bytes.len() as u64 != wide.end - wide.start {
            return Err(forged(file, range, "their number"));
        }
        self.count(0, (wide.end - wide.start) - (wanted.end - wanted.start));
        let numbers = leaves.leaves(part, &wide);
        // A leaf is no longer than what was read.
        let leaf_bytes = leaves.leaf_bytes().min(bytes.len().max(1) as u64) as usize;
        for (number, leaf) in numbers.zip(bytes.chunks(leaf_bytes)) {
            let (page, at) = leaves.page_of(number);
            let hashes = self.page(index, page).await?;
            if hashes.get(at..at + LEAF_HASH_BYTES) != Some(&leaf_hash(&index.digest, leaf)[..]) {
                return Err(forged(file, range, "their content"));
            }
        }
        let skip = (wanted.start - wide.start) as usize;
        let take = (wanted.end - wanted.start) as usize;
        Ok(bytes[skip..skip + take].to_vec())
    }
}

impl<S: Source> Source for Checked<S> {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        if file == ROOT_FILE {
            let bytes = self.source.read(file, None).await?;
            return match self.open(&bytes) {
                Ok(()) => Ok(bytes),
                Err(reason) => Err(refused(file, None, reason.to_owned())),
            };
        }
        let index = self.index.borrow().clone();
        let part = index.as_ref().and_then(|index| index.parts.get(file));
        match (&index, part) {
            (Some(index), Some(&part)) => self.read_part(index, file, part, range).await,
            _ => Err(refused(
                file,
                range,
                "no signed root names this file".into(),
            )),
        }
    }
}

fn is_signed(key: &VerifyingKey, message: &[u8], signature: &[u8; SIGNATURE_BYTES]) -> bool {
    key.verify_strict(message, &Signature::from_bytes(signature))
        .is_ok()
}

fn refused(file: &str, range: Option<Range<u64>>, reason: String) -> SourceError {
    SourceError::new(file, range, SourceProblem::Signature(reason))
}

fn forged(file: &str, range: Option<Range<u64>>, what: &str) -> SourceError {
    let reason = format!("{what} is not what was signed; publish the index again");
    refused(file, range, reason)
}

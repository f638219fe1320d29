//! Who holds a public key gets what its owner signed, or an error of its own kind: never a forged hit,
//! whatever was done to the files and however well their checks fit.

#[path = "../support/mod.rs"]
mod support;

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;

use coracle::index::CHECK_LEN;
use coracle::index::Counts;
use coracle::index::Extent;
use coracle::index::Files;
use coracle::index::ROOT_FILE;
use coracle::index::Root;
use coracle::index::SEAL_BYTES;
use coracle::index::Seal;
use coracle::search::SearchError;
use coracle::store::Bundle;
use coracle::store::Memory;
use coracle::store::Source;
use coracle::store::SourceError;
use coracle_cli::publish::Destination;
use coracle_cli::signing;
use coracle_cli::signing::Checked;
use coracle_cli::signing::PublicKeys;
use coracle_cli::vectors::AccessChoice;
use ed25519_dalek::SigningKey;
use support::process::World;
use xxhash_rust::xxh3::xxh3_64;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// What `openssl genpkey -algorithm ed25519` wrote.
const PEM: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEILgLlSGgez/P+LQj8Baeh0LEAAoDTj4BbHYRB6eojVUt
-----END PRIVATE KEY-----
";

/// Several parts, so that leaves and parts do not end together.
const PARTS: Destination = Destination::Range { part_bytes: 5_000 };
const SPLIT: Destination = Destination::Split { part_bytes: 2_000 };

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn keys(seed: u8) -> PublicKeys {
    signing::public_key(&key(seed)).parse().expect("a key")
}

/// A small index, signed with `key(seed)`.
fn signed(documents: usize, seed: u8, destination: Destination) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().expect("temporary folder");
    let out = match destination {
        Destination::Bundle => folder.path().join("index.bundle"),
        _ => folder.path().join("index"),
    };
    support::write_signed(
        &support::documents(documents, 1),
        &out,
        destination,
        AccessChoice::Cells,
        Some(&key(seed)),
    );
    match destination {
        Destination::Bundle => support::files(folder.path()),
        _ => support::files(&out),
    }
}

/// Files as a source: a bundle if there is only one.
enum Host {
    Files(Memory),
    Bundle(Bundle<Vec<u8>>),
}

impl Host {
    fn new(files: &BTreeMap<String, Vec<u8>>) -> Self {
        if let Some(bytes) = files.get("index.bundle") {
            return Self::Bundle(Bundle::new(bytes.clone()).expect("a bundle"));
        }
        let mut memory = Memory::default();
        for (name, bytes) in files {
            memory.insert(name, bytes.clone());
        }
        Self::Files(memory)
    }

    fn checked(self, keys: PublicKeys) -> Checked<Self> {
        let is_bundle = matches!(self, Self::Bundle(_));
        Checked::new(self, keys, is_bundle)
    }
}

impl Source for Host {
    async fn read(&self, file: &str, range: Option<Range<u64>>) -> Result<Vec<u8>, SourceError> {
        match self {
            Self::Files(files) => files.read(file, range).await,
            Self::Bundle(bundle) => bundle.read(file, range).await,
        }
    }
}

/// What opening, verifying and searching end with: the first error.
fn ends(files: &BTreeMap<String, Vec<u8>>, seed: u8) -> Result<(), SearchError> {
    let engine = support::open(Host::new(files).checked(keys(seed)))?;
    pollster::block_on(engine.verify())?;
    for (query, options) in support::queries() {
        support::search(&engine, query, &options)?;
    }
    Ok(())
}

#[track_caller]
fn refused(what: &str, ended: Result<(), SearchError>) {
    match ended {
        Ok(()) => panic!("{what}: nothing was noticed"),
        Err(error) => assert_eq!(error.code(), "signature", "{what}: {error}"),
    }
}

#[test]
fn signed_index_answers_with_and_without_key_in_every_layout() {
    for destination in [support::RANGE, PARTS, SPLIT, Destination::Bundle] {
        let files = signed(12, 1, destination);
        let plain = support::all_found(&support::open(Host::new(&files)).expect("opened"));
        let checked = Host::new(&files).checked(keys(1));
        let checked = support::all_found(&support::open(checked).expect("opened"));
        assert_eq!(plain, checked, "{destination:?}");
        assert!(plain.iter().all(|(found, _)| !found.hits.is_empty()));
        ends(&files, 1).expect("whole");
    }
}

#[test]
fn every_altered_byte_is_refused_in_every_layout() {
    for destination in [PARTS, SPLIT, Destination::Bundle] {
        let files = signed(6, 1, destination);
        for (name, bytes) in &files {
            let is_root = name == ROOT_FILE;
            let is_bundle = name.ends_with("bundle");
            let name_at = page_file_name_at(bytes);
            for at in 0..bytes.len() {
                // The head of a bundle says what it is; without it there is nothing to check. The
                // name of the page file, which is not signed, has no meaning in it.
                if is_bundle && (at < 16 || name_at.contains(&at)) {
                    continue;
                }
                let mut altered = files.clone();
                altered.get_mut(name).expect("file")[at] ^= 0x10;
                if is_root {
                    reseal(altered.get_mut(name).expect("file"));
                }
                // The root's own hash comes right again.
                if altered[name] == files[name] {
                    continue;
                }
                refused(&format!("{destination:?} {name} {at}"), ends(&altered, 1));
            }
        }
    }
}

/// Where the seal of a bundle has the name of the page file.
fn page_file_name_at(bundle: &[u8]) -> Range<usize> {
    let len = bundle.get(8..16).and_then(|len| len.try_into().ok());
    let root = len.map_or(0, u64::from_le_bytes) as usize;
    let seal = 16usize.saturating_add(root).saturating_sub(SEAL_BYTES);
    seal.saturating_add(12)..seal.saturating_add(20)
}

/// Gives a root the hash that belongs to it, as a forger would.
fn reseal(file: &mut [u8]) {
    let end = file.len() - SEAL_BYTES;
    let (root, hash) = file[..end].split_at_mut(end - 8);
    hash.copy_from_slice(&xxh3_64(root).to_le_bytes());
}

/// What checks against accidents cannot see: another row under a check that fits it.
#[test]
fn forged_block_with_its_check_is_refused_with_a_key_only() {
    let mut files = signed(12, 1, support::RANGE);
    let (root, _) = Seal::split(&files[ROOT_FILE]);
    let root = Root::parse(root).expect("root");
    let body = root.files.name(0).expect("one part");
    let bytes = files.get_mut(&body).expect("body");
    for row in root.vectors.expect("vectors").rows.extents() {
        let block = &mut bytes[row.offset as usize..row.range().end as usize];
        let (payload, check) = block.split_at_mut(row.len as usize - CHECK_LEN);
        payload[6] ^= 0x77;
        let seed = root.build_id ^ row.offset.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let sum = xxh3_64_with_seed(payload, seed) as u32;
        check.copy_from_slice(&sum.to_le_bytes());
    }
    let engine = support::open(Host::new(&files)).expect("opened");
    pollster::block_on(engine.verify()).expect("the checks fit");
    assert!(
        support::all_found(&engine)
            .iter()
            .any(|(found, _)| !found.hits.is_empty())
    );
    refused("forged rows", ends(&files, 1));
    // Nor does a search alone take one of them.
    let engine = support::open(Host::new(&files).checked(keys(1))).expect("opened");
    let (query, options) = &support::queries()[1];
    let error = support::search(&engine, query, options).expect_err("refused");
    assert_eq!(error.code(), "signature");
}

#[test]
fn wrong_missing_and_foreign_signatures_are_refused() {
    let files = signed(12, 1, support::RANGE);
    refused("another key", ends(&files, 2));

    let mut unsigned = files.clone();
    let root = unsigned.get_mut(ROOT_FILE).expect("root");
    root.truncate(root.len() - SEAL_BYTES);
    refused("no signature", ends(&unsigned, 1));

    let (_, seal) = Seal::split(&files[ROOT_FILE]);
    let page_file = seal.expect("a seal").page_file_name();
    let mut incomplete = files.clone();
    incomplete.remove(&page_file);
    refused("no page file", ends(&incomplete, 1));

    // A newer root, signed by somebody else or not at all, beside the older signature.
    let newer = signed(13, 2, support::RANGE);
    let mut mixed = newer.clone();
    mixed.extend(
        files
            .iter()
            .filter(|(name, _)| *name != ROOT_FILE)
            .map(clone),
    );
    let (root, seal) = (&newer[ROOT_FILE], &files[ROOT_FILE]);
    let (root, seal) = (root.len() - SEAL_BYTES, seal.len() - SEAL_BYTES);
    let root = [&newer[ROOT_FILE][..root], &files[ROOT_FILE][seal..]].concat();
    mixed.insert(ROOT_FILE.into(), root);
    refused("older signature", ends(&mixed, 1));

    // The pages of another index of the same owner, under the right name.
    let other = signed(13, 1, support::RANGE);
    let (_, seal) = Seal::split(&other[ROOT_FILE]);
    let mut swapped = files.clone();
    let pages = other[&seal.expect("a seal").page_file_name()].clone();
    swapped.insert(page_file, pages);
    refused("pages of another index", ends(&swapped, 1));
}

fn clone((name, bytes): (&String, &Vec<u8>)) -> (String, Vec<u8>) {
    (name.clone(), bytes.clone())
}

#[test]
fn one_of_several_keys_is_enough_and_builds_keep_the_page_file_before() {
    let files = signed(12, 1, support::RANGE);
    let both = format!(
        "{}, {}",
        signing::public_key(&key(2)),
        signing::public_key(&key(1))
    );
    let both: PublicKeys = both.parse().expect("keys");
    support::open(Host::new(&files).checked(both)).expect("opened");
    assert!("".parse::<PublicKeys>().is_err());
    assert!("AAAA".parse::<PublicKeys>().is_err());

    // Signed again with another key: readers of the index before still find its pages.
    let folder = tempfile::tempdir().expect("temporary folder");
    let write = |seed| {
        let documents = support::documents(12, 1);
        let access = AccessChoice::Cells;
        support::write_signed(
            &documents,
            folder.path(),
            support::RANGE,
            access,
            Some(&key(seed)),
        );
        support::files(folder.path()).into_keys().count()
    };
    assert_eq!([write(1), write(2), write(3)], [3, 4, 4]);
}

/// The example of the specification.
#[test]
fn signature_of_example_is_that_of_the_specification() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let body = folder.path().join("body");
    fs::write(&body, [1, 2, 3, 4, 5, 6, 7, 8, 9]).expect("written");
    let root = Root {
        build_id: 7,
        body_len: 9,
        files: Files {
            ranged: true,
            part_bytes: 9,
            hashes: vec![0x1122_3344_5566_7788],
        },
        counts: Counts {
            documents: 1,
            chunks: 2,
            terms: 3,
            postings: 4,
            text_bytes: 300,
        },
        analyzer: 0x1_0001,
        languages: Vec::new(),
        layout: Extent { offset: 0, len: 9 },
        term_directory: vec![3, 0x63, 0x60, 0x60, 0, 0],
        terms_offset: 9,
        spelling_directory: vec![1, 0x63, 0, 0],
        spelling_offset: 9,
        postings_offset: 9,
        passages_offset: 9,
        documents_offset: 9,
        columns: Vec::new(),
        vectors: None,
        figures: Vec::new(),
    };
    let key = signing_key_of(folder.path());
    let signatures = signing::sign(&key, &root, false, &[body]).expect("signed");
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let spec =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../index/SPEC.md")).expect("SPEC");
    let spec: String = spec.split_whitespace().collect();
    let examples = [
        ("root", hex(&root.to_bytes())),
        ("seal", hex(&signatures.seal.to_bytes())),
        ("page", hex(&signatures.pages)),
    ];
    let missing = examples.iter().filter(|(_, hex)| !spec.contains(hex));
    let missing: Vec<_> = missing.collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(
        spec.contains(&signing::public_key(&key)),
        "{}",
        signing::public_key(&key)
    );
}

fn signing_key_of(folder: &Path) -> SigningKey {
    let path = folder.join("key.pem");
    fs::write(&path, PEM).expect("written");
    signing::signing_key(&path).expect("a key")
}

#[test]
fn commands_sign_and_check() {
    let world = World::new();
    world.write(
        "docs/boats.md",
        "# Boats\n\nA coracle is a small round boat.\n",
    );
    world.write("key.pem", PEM);
    let build = ["build", "docs", "--out", "index", "--embedder", "none"];
    let summary = world.json(&[&build[..], &["--sign", "key.pem"]].concat());
    let public = summary["public_key"].as_str().expect("a key").to_owned();
    assert_eq!(summary["files"], 3);

    let search = ["search", "index", "coracle", "--public-key"];
    let found = world.json(&[&search[..], &[&public]].concat());
    assert_eq!(found["hits"][0]["title"], "Boats");
    assert!(found["stats"]["sections"]["signatures"].as_u64() > Some(0));
    assert_eq!(
        world
            .run(&["verify", "index", "--public-key", &public])
            .code,
        Some(0)
    );
    // A deployed copy has its signatures with it.
    world.json(&["deploy", "index", "--to", "copy"]);
    let copy = world.run(&["verify", "copy", "--public-key", &public]);
    assert_eq!(copy.code, Some(0), "{copy:?}");
    // Without a key nothing has changed.
    assert_eq!(world.run(&["search", "index", "coracle"]).code, Some(0));

    let other = signing::public_key(&key(2));
    let words = ["root.cora", "not signed by a key"];
    world
        .run(&["verify", "index", "--public-key", &other])
        .fails(8, &words);
    world
        .run(&[&search[..], &[&other]].concat())
        .fails(8, &words);
    world
        .run(&["inspect", "index", "--public-key", &other])
        .fails(8, &words);
    world
        .run(&[&search[..], &["AAAA"]].concat())
        .fails(2, &["openssl pkey"]);
    let docs = ["--sign", "docs/boats.md"];
    world
        .run(&[&build[..], &docs].concat())
        .fails(2, &["--sign", "openssl genpkey"]);

    assert_eq!(world.run(&build).code, Some(0));
    world
        .run(&[&search[..], &[&public]].concat())
        .fails(8, &["not signed; build it with --sign"]);
}

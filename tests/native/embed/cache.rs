//! The cache: nothing is paid twice, whatever happens to the process or the file.

use std::cell::Cell;
use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use coracle_cli::embed::CacheError;
use coracle_cli::embed::Cached;
use coracle_cli::embed::EmbedError;
use coracle_cli::embed::Embedder;
use coracle_cli::embed::Endpoint;
use coracle_cli::embed::EndpointOptions;
use coracle_cli::embed::Fingerprint;
use coracle_cli::embed::Sink;
use tempfile::tempdir;

use crate::double::DIM;
use crate::double::Double;
use crate::double::Reply;
use crate::double::row;
use crate::endpoint::model;
use crate::endpoint::options;

/// Embeds like the double, in batches of four, and counts.
#[derive(Default, Debug)]
struct Counting {
    texts: Cell<usize>,
    fails_after: Option<usize>,
}

impl Embedder for &Counting {
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint {
            model: "counting".into(),
            revision: String::new(),
            dim: DIM,
            pooling: String::new(),
            prefix: String::new(),
        }
    }

    fn max_tokens(&self) -> usize {
        100
    }

    fn embed_batches(&self, texts: &[&str], sink: &mut Sink<'_>) -> Result<(), EmbedError> {
        for (n, batch) in texts.chunks(4).enumerate() {
            if self
                .fails_after
                .is_some_and(|most| self.texts.get() + batch.len() > most)
            {
                let error = CacheError::Busy {
                    path: PathBuf::new(),
                };
                return Err(error.into());
            }
            self.texts.set(self.texts.get() + batch.len());
            let rows: Vec<f32> = batch.iter().flat_map(|text| row(text)).collect();
            sink(4 * n, &rows)?;
        }
        Ok(())
    }
}

fn texts(n: usize) -> Vec<String> {
    (0..n).map(|i| format!("passage {i}")).collect()
}

fn embed(embedder: &impl Embedder, texts: &[String]) -> Result<Vec<f32>, EmbedError> {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    embedder.embed(&texts, &|_| {})
}

fn expected(texts: &[String]) -> Vec<f32> {
    texts.iter().flat_map(|text| row(text)).collect()
}

fn only_file(dir: &Path) -> PathBuf {
    let files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1);
    files[0].clone()
}

#[test]
fn embed_known_and_repeated_texts_are_not_embedded_again() {
    let dir = tempdir().unwrap();
    let counting = Counting::default();
    let mut mixed = texts(700);
    mixed.extend(texts(5));
    mixed.insert(3, "passage 600".into());
    let finished = Cell::new(0);
    let refs: Vec<&str> = mixed.iter().map(String::as_str).collect();
    let cached = Cached::open(&counting, dir.path()).unwrap();
    let rows = cached
        .embed(&refs, &|n| finished.set(finished.get() + n))
        .unwrap();
    assert_eq!(rows, expected(&mixed));
    assert_eq!((counting.texts.get(), finished.get()), (700, 706));
    drop(cached);
    let cached = Cached::open(&counting, dir.path()).unwrap();
    assert_eq!(cached.cached_len(), 700);
    mixed.push("new".into());
    mixed.insert(0, "newer".into());
    assert_eq!(embed(&cached, &mixed).unwrap(), expected(&mixed));
    assert_eq!(counting.texts.get(), 702);
    assert!(embed(&cached, &[]).unwrap().is_empty());
}

#[test]
fn embed_after_a_failure_goes_on_behind_the_last_batch() {
    let dir = tempdir().unwrap();
    let failing = Counting {
        fails_after: Some(10),
        ..Counting::default()
    };
    assert!(embed(&Cached::open(&failing, dir.path()).unwrap(), &texts(20)).is_err());
    let counting = Counting::default();
    let cached = Cached::open(&counting, dir.path()).unwrap();
    assert_eq!(embed(&cached, &texts(20)).unwrap(), expected(&texts(20)));
    assert_eq!(counting.texts.get(), 12);
}

#[test]
fn open_torn_at_any_byte_loses_one_record_at_most() {
    let dir = tempdir().unwrap();
    let counting = Counting::default();
    embed(&Cached::open(&counting, dir.path()).unwrap(), &texts(6)).unwrap();
    let file = only_file(dir.path());
    let bytes = fs::read(&file).unwrap();
    let record = (bytes.len() - 32) / 6;
    for len in 0..bytes.len() {
        fs::write(&file, &bytes[..len]).unwrap();
        let counting = Counting::default();
        let cached = Cached::open(&counting, dir.path()).unwrap();
        assert_eq!(embed(&cached, &texts(6)).unwrap(), expected(&texts(6)));
        assert_eq!(
            counting.texts.get(),
            6 - len.saturating_sub(32) / record,
            "torn at {len}"
        );
        drop(cached);
        assert_eq!(fs::read(&file).unwrap().len(), bytes.len());
    }
}

#[test]
fn open_any_byte_flipped_is_noticed() {
    let dir = tempdir().unwrap();
    embed(
        &Cached::open(&Counting::default(), dir.path()).unwrap(),
        &texts(3),
    )
    .unwrap();
    let file = only_file(dir.path());
    let good = fs::read(&file).unwrap();
    for at in 0..good.len() {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        fs::write(&file, &bytes).unwrap();
        let counting = Counting::default();
        match Cached::open(&counting, dir.path()) {
            Err(CacheError::Format { error, .. }) => assert!(at < 32, "{error} at {at}"),
            Err(error) => panic!("{error} at {at}"),
            Ok(cached) => {
                assert_eq!(embed(&cached, &texts(3)).unwrap(), expected(&texts(3)));
                assert_eq!(counting.texts.get(), 1, "flipped at {at}");
            }
        }
    }
}

#[test]
fn open_file_in_use_is_refused() {
    let dir = tempdir().unwrap();
    let counting = Counting::default();
    let _first = Cached::open(&counting, dir.path()).unwrap();
    assert!(matches!(
        Cached::open(&counting, dir.path()),
        Err(CacheError::Busy { .. })
    ));
}

#[test]
fn open_folder_that_is_a_file_names_it() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Cached::open(&Counting::default(), &file).unwrap_err();
    assert!(error.to_string().contains("file"), "{error}");
}

const ENDPOINT: &str = "CORACLE_TEST_ENDPOINT";
const FOLDER: &str = "CORACLE_TEST_FOLDER";

fn embed_all_by(options: EndpointOptions, folder: &Path) -> Vec<f32> {
    let cached = Cached::open(Endpoint::new(options).unwrap(), folder).unwrap();
    embed(&cached, &texts(200)).unwrap()
}

/// The process that the next test kills; without its variables it has nothing to do.
#[test]
fn child_of_the_kill_test() {
    if let (Ok(url), Ok(folder)) = (env::var(ENDPOINT), env::var(FOLDER)) {
        let options = EndpointOptions {
            batch_texts: 4,
            ..EndpointOptions::new(model(&url))
        };
        embed_all_by(options, Path::new(&folder));
    }
}

#[cfg(unix)]
#[test]
fn embed_killed_in_the_middle_pays_one_batch_again_at_most() {
    let dir = tempdir().unwrap();
    let double = Double::new(|_, _| {
        thread::sleep(Duration::from_millis(10));
        Reply::Embed
    });
    let kills = 3;
    for kill in 1..=kills {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "cache::child_of_the_kill_test"])
            .env(ENDPOINT, &double.url)
            .env(FOLDER, dir.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while double.seen().len() < 10 * kill {
            assert!(
                child.try_wait().unwrap().is_none(),
                "ended before it was killed"
            );
            thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(
        embed_all_by(options(&double), dir.path()),
        expected(&texts(200))
    );
    let again = double.charged() - 200;
    assert!(
        again <= 4 * kills,
        "{again} texts paid again after {kills} kills"
    );
}

//! `coracle verify`: every byte of an index, checked.

use crate::error::Failure;
use crate::report::Reporter;
use crate::signing::PublicKeys;
use crate::source::Input;
use coracle::search::Engine;
use coracle::search::Verified;
use coracle::store::Source;
use coracle::store::StoreError;
use xxhash_rust::xxh3::xxh3_64;

/// Checks the root, signatures where there are keys, the hash of every file against its name, and every block and structure.
///
/// # Errors
/// The first [`Failure`], naming file and field.
pub fn verify(
    place: &str,
    keys: Option<&PublicKeys>,
    reporter: &Reporter,
) -> Result<Verified, Failure> {
    let source = Input::open(place, keys).map_err(StoreError::from)?;
    let engine = pollster::block_on(Engine::open(source, 0))?;
    let root = engine.root();
    let files = &root.files;
    let stage = reporter.stage("files", files.hashes.len() as u64);
    for (part, &hash) in files.hashes.iter().enumerate() {
        let Some(name) = files.name(part) else {
            continue;
        };
        let range = files.part_range(part, root.body_len);
        let range = 0..range.end - range.start;
        let bytes = pollster::block_on(engine.store().source().read(&name, Some(range)))
            .map_err(StoreError::from)?;
        if xxh3_64(&bytes) != hash {
            return Err(Failure::FileHash { file: name });
        }
        stage.advance(1);
    }
    drop(stage);
    let _stage = reporter.stage("blocks", 0);
    Ok(pollster::block_on(engine.verify())?)
}

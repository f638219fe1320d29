//! A folder that files appear in whole.

use std::fs;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use crate::error::Failure;

/// The folder.
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    pub(super) fn has(&self, name: &str, len: u64) -> bool {
        fs::metadata(self.path.join(name)).is_ok_and(|data| data.is_file() && data.len() == len)
    }

    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.path.join(name);
        // A name that no reader asks for. One that is left by a killed run is written over.
        let unfinished = self.path.join(format!(".{name}.unfinished"));
        let write = || {
            fs::create_dir_all(&self.path)?;
            let mut file = File::create(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            // The name must be on the disk before the root that refers to it.
            File::open(&self.path)?.sync_all()
        };
        write().map_err(Failure::io("write", &path))
    }
}

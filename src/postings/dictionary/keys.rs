//! Keys, front-coded: each without the bytes that it shares with the key before.

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use alloc::string::String;

/// The longest key, in bytes. It bounds what a damaged block can unfold to.
pub const MAX_KEY_BYTES: usize = 255;

/// Bytes that two keys share at their start, cut at a character.
pub(super) fn shared_prefix(a: &str, b: &str) -> usize {
    let pairs = a.char_indices().zip(b.chars());
    pairs
        .take_while(|((_, a), b)| a == b)
        .map(|((at, c), _)| at + c.len_utf8())
        .last()
        .unwrap_or(0)
}

/// The shortest beginning of `key` that comes after `before`, as separators of B-trees have it
/// (R. Bayer, K. Unterauer: *Prefix B-Trees*, TODS 1977). `before` comes before `key`.
pub(super) fn separator<'a>(before: &str, key: &'a str) -> &'a str {
    let shared = shared_prefix(before, key);
    let next = key.get(shared..).and_then(|rest| rest.chars().next());
    key.get(..shared + next.map_or(0, char::len_utf8))
        .unwrap_or(key)
}

/// Appends `key`, of at most [`MAX_KEY_BYTES`], which follows `before`.
pub(super) fn write_key(before: &str, key: &str, out: &mut Writer) {
    let shared = shared_prefix(before, key);
    out.varint(shared as u64);
    out.str(key.get(shared..).unwrap_or_default());
}

/// Reads keys that [`write_key`] wrote.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyReader {
    key: Option<String>,
}

impl KeyReader {
    /// The key read last.
    pub(super) fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_default()
    }

    /// Reads the next key.
    ///
    /// # Errors
    /// [`FormatError`] when it is too long, not UTF-8, or not after the one before.
    pub(super) fn read(&mut self, reader: &mut Reader<'_>) -> Result<&str, FormatError> {
        let shared = reader.varint("shared prefix")?;
        let suffix = reader.str("suffix")?;
        self.follow(shared, suffix, reader)
    }

    /// Takes the next key: `shared` bytes of the one before, then `suffix`. Errors name the place of
    /// `reader`.
    ///
    /// # Errors
    /// As [`KeyReader::read`].
    pub(super) fn follow(
        &mut self,
        shared: u64,
        suffix: &str,
        reader: &Reader<'_>,
    ) -> Result<&str, FormatError> {
        let before = self.key();
        let shared = usize::try_from(shared).unwrap_or(usize::MAX);
        let Some(beginning) = before.get(..shared) else {
            return Err(reader.error("shared prefix", Problem::Inconsistent));
        };
        let len = beginning.len() + suffix.len();
        if len > MAX_KEY_BYTES {
            let (got, max) = (len as u64, MAX_KEY_BYTES as u64);
            return Err(reader.error("key length", Problem::OutOfRange { got, max }));
        }
        if self.key.is_some() && suffix <= before.get(shared..).unwrap_or_default() {
            return Err(reader.error("suffix", Problem::Inconsistent));
        }
        let mut key = String::with_capacity(len);
        key.push_str(beginning);
        key.push_str(suffix);
        Ok(self.key.insert(key))
    }
}

//! Checked little-endian reading and writing: the only code that turns a number found in a file
//! into an offset or a length.
//!
//! Numbers are fixed-width little-endian or LEB128 varints. A [`Reader`] never trusts a count: every
//! length is compared with what is left before anything is allocated, and 64-bit lengths are
//! narrowed with `try_from`, since `usize` has 32 bits in WebAssembly.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// A piece of an index is not as it must be; [`Damage`] says how and where.
///
/// One pointer: every step of every reader hands it on, and copies of a larger one took a tenth of
/// the WebAssembly module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatError(Box<Damage>);

impl FormatError {
    /// An error about `field` of a `what`, `offset` bytes into it.
    #[cold]
    #[inline(never)]
    pub fn new(what: &'static str, field: &'static str, offset: usize, problem: Problem) -> Self {
        Self(Box::new(Damage {
            what,
            field,
            offset,
            problem,
        }))
    }

    /// The same error about another structure.
    pub fn of(mut self, what: &'static str) -> Self {
        self.0.what = what;
        self
    }
}

impl core::ops::Deref for FormatError {
    type Target = Damage;

    fn deref(&self) -> &Damage {
        &self.0
    }
}

/// What is wrong with a piece of an index, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The structure being read, for example `"postings entry"`.
    pub what: &'static str,
    /// The field of that structure, for example `"block count"`.
    pub field: &'static str,
    /// Byte offset inside the structure at which reading stopped.
    pub offset: usize,
    /// What was found.
    pub problem: Problem,
}

/// The kinds of damage a reader reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The bytes end before the field does.
    Truncated {
        /// Bytes the field needs.
        need: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// A number lies outside of what the field allows.
    OutOfRange {
        /// The value found.
        got: u64,
        /// The largest value allowed.
        max: u64,
    },
    /// A varint runs past ten bytes or overflows.
    BadVarint,
    /// Text is not UTF-8.
    BadUtf8,
    /// The stored checksum is not that of the bytes.
    Checksum,
    /// A compressed block does not decompress to the recorded length.
    BadCompression,
    /// Bytes are left over after the last field.
    TrailingBytes {
        /// How many.
        left: u64,
    },
    /// An invariant between fields does not hold (unsorted, duplicated or contradicting values).
    Inconsistent,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage {
            what,
            field,
            offset,
            problem,
        } = &**self;
        write!(f, "{what}: {field} at byte {offset}: ")?;
        match problem {
            Problem::Truncated { need, left } => {
                write!(
                    f,
                    "needs {need} bytes and {left} are left; the file is cut short"
                )
            }
            Problem::OutOfRange { got, max } => write!(f, "is {got}, at most {max} is possible"),
            Problem::BadVarint => f.write_str("is not a valid varint"),
            Problem::BadUtf8 => f.write_str("is not UTF-8"),
            Problem::Checksum => {
                f.write_str("checksum differs; the bytes are damaged or belong to another build")
            }
            Problem::BadCompression => f.write_str("does not decompress to the recorded length"),
            Problem::TrailingBytes { left } => write!(f, "{left} bytes are left over"),
            Problem::Inconsistent => f.write_str("contradicts the rest of the index"),
        }
    }
}

impl core::error::Error for FormatError {}

/// Reads a structure front to back, checking every step.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` as a `what` (the name that errors carry).
    pub fn new(bytes: &'a [u8], what: &'static str) -> Self {
        Self { bytes, at: 0, what }
    }

    /// Offset of the next byte.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Bytes not yet read.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// An error about `field` at the present offset.
    #[cold]
    #[inline(never)]
    pub fn error(&self, field: &'static str, problem: Problem) -> FormatError {
        FormatError::new(self.what, field, self.at, problem)
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`Problem::Truncated`] when fewer are left.
    pub fn take(&mut self, len: usize, field: &'static str) -> Result<&'a [u8], FormatError> {
        match self.bytes.get(self.at..).and_then(|rest| rest.get(..len)) {
            Some(slice) => {
                self.at += len;
                Ok(slice)
            }
            None => Err(self.error(
                field,
                Problem::Truncated {
                    need: len as u64,
                    left: self.left() as u64,
                },
            )),
        }
    }

    fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FormatError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N, field)?);
        Ok(out)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`Problem::Truncated`].
    pub fn u8(&mut self, field: &'static str) -> Result<u8, FormatError> {
        Ok(self.array::<1>(field)?[0])
    }

    /// A 16-bit number.
    ///
    /// # Errors
    /// [`Problem::Truncated`].
    pub fn u16(&mut self, field: &'static str) -> Result<u16, FormatError> {
        self.array(field).map(u16::from_le_bytes)
    }

    /// A 32-bit number.
    ///
    /// # Errors
    /// [`Problem::Truncated`].
    pub fn u32(&mut self, field: &'static str) -> Result<u32, FormatError> {
        self.array(field).map(u32::from_le_bytes)
    }

    /// A 64-bit number.
    ///
    /// # Errors
    /// [`Problem::Truncated`].
    pub fn u64(&mut self, field: &'static str) -> Result<u64, FormatError> {
        self.array(field).map(u64::from_le_bytes)
    }

    /// A finite 32-bit float.
    ///
    /// # Errors
    /// [`Problem::Truncated`]; [`Problem::Inconsistent`] for NaN and infinities.
    pub fn f32(&mut self, field: &'static str) -> Result<f32, FormatError> {
        let value = f32::from_le_bytes(self.array(field)?);
        if value.is_finite() {
            Ok(value)
        } else {
            Err(self.error(field, Problem::Inconsistent))
        }
    }

    /// A finite 64-bit float.
    ///
    /// # Errors
    /// [`Problem::Truncated`]; [`Problem::Inconsistent`] for NaN and infinities.
    pub fn f64(&mut self, field: &'static str) -> Result<f64, FormatError> {
        let value = f64::from_le_bytes(self.array(field)?);
        if value.is_finite() {
            Ok(value)
        } else {
            Err(self.error(field, Problem::Inconsistent))
        }
    }

    /// A LEB128 varint.
    ///
    /// # Errors
    /// [`Problem::Truncated`], [`Problem::BadVarint`].
    pub fn varint(&mut self, field: &'static str) -> Result<u64, FormatError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(field)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(self.error(field, Problem::BadVarint))
    }

    /// A varint that must not exceed `max`.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] and those of [`Reader::varint`].
    pub fn varint_max(&mut self, max: u64, field: &'static str) -> Result<u64, FormatError> {
        let got = self.varint(field)?;
        if got > max {
            return Err(self.error(field, Problem::OutOfRange { got, max }));
        }
        Ok(got)
    }

    /// A 32-bit varint.
    ///
    /// # Errors
    /// As [`Reader::varint_max`].
    pub fn varint_u32(&mut self, field: &'static str) -> Result<u32, FormatError> {
        Ok(self.varint_max(u64::from(u32::MAX), field)? as u32)
    }

    /// A count of elements that take at least `min_bytes` bytes each: it cannot exceed what is left,
    /// so it is safe to allocate for.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] and those of [`Reader::varint`].
    pub fn count(&mut self, min_bytes: usize, field: &'static str) -> Result<usize, FormatError> {
        let got = self.varint(field)?;
        let max = self.left().checked_div(min_bytes).unwrap_or(self.left()) as u64;
        if got > max {
            return Err(self.error(field, Problem::OutOfRange { got, max }));
        }
        Ok(got as usize)
    }

    /// Bytes preceded by their length as a varint.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] and those of [`Reader::varint`].
    pub fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], FormatError> {
        let len = self.count(1, field)?;
        self.take(len, field)
    }

    /// UTF-8 text preceded by its length in bytes as a varint.
    ///
    /// # Errors
    /// [`Problem::BadUtf8`] and those of [`Reader::bytes`].
    pub fn str(&mut self, field: &'static str) -> Result<&'a str, FormatError> {
        let bytes = self.bytes(field)?;
        core::str::from_utf8(bytes).map_err(|_| self.error(field, Problem::BadUtf8))
    }

    /// Requires that nothing is left but zeros.
    ///
    /// # Errors
    /// [`Problem::Inconsistent`].
    pub fn padding(&mut self) -> Result<(), FormatError> {
        let padding = self.take(self.left(), "padding")?;
        match padding.iter().all(|&byte| byte == 0) {
            true => Ok(()),
            false => Err(self.error("padding", Problem::Inconsistent)),
        }
    }

    /// Requires that everything has been read.
    ///
    /// # Errors
    /// [`Problem::TrailingBytes`].
    pub fn end(&self) -> Result<(), FormatError> {
        match self.left() {
            0 => Ok(()),
            left => Err(self.error("end", Problem::TrailingBytes { left: left as u64 })),
        }
    }
}

/// Appends the encodings that [`Reader`] reads.
#[derive(Debug, Default, Clone)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing has been written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends raw bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Appends a 16-bit number.
    pub fn u16(&mut self, value: u16) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a 32-bit number.
    pub fn u32(&mut self, value: u32) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a 64-bit number.
    pub fn u64(&mut self, value: u64) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a 32-bit float.
    pub fn f32(&mut self, value: f32) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a 64-bit float.
    pub fn f64(&mut self, value: f64) {
        self.raw(&value.to_le_bytes());
    }

    /// Appends a LEB128 varint.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Appends bytes preceded by their length as a varint.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }

    /// Appends text preceded by its length in bytes as a varint.
    pub fn str(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }
}

/// The values, or the first error: what `collect` does, in less code. Where blocks are read, that spares
/// the module 1 kB.
///
/// # Errors
/// That of the first value that is one.
pub fn gather<T, E>(values: impl Iterator<Item = Result<T, E>>) -> Result<Vec<T>, E> {
    let mut all = Vec::new();
    for value in values {
        all.push(value?);
    }
    Ok(all)
}

/// Owned text read from an index.
///
/// # Errors
/// As [`Reader::str`].
pub fn string(reader: &mut Reader<'_>, field: &'static str) -> Result<String, FormatError> {
    reader.str(field).map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_every_length_return_what_was_written() {
        for shift in 0..64 {
            for value in [1u64 << shift, (1u64 << shift) - 1, u64::MAX >> shift] {
                let mut writer = Writer::new();
                writer.varint(value);
                let bytes = writer.into_bytes();
                let mut reader = Reader::new(&bytes, "test");
                assert_eq!(reader.varint("v"), Ok(value));
                assert_eq!(reader.end(), Ok(()));
            }
        }
    }

    #[test]
    fn varint_past_64_bits_is_an_error() {
        let bytes = [0xff; 11];
        let mut reader = Reader::new(&bytes, "test");
        assert_eq!(
            reader.varint("v").map_err(|e| e.problem),
            Err(Problem::BadVarint)
        );
        let two_to_64 = [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x02];
        let mut reader = Reader::new(&two_to_64, "test");
        assert_eq!(
            reader.varint("v").map_err(|e| e.problem),
            Err(Problem::BadVarint)
        );
    }

    #[test]
    fn counts_never_exceed_the_bytes_left() {
        let mut writer = Writer::new();
        writer.varint(u64::MAX);
        writer.raw(&[0; 16]);
        let bytes = writer.into_bytes();
        let mut reader = Reader::new(&bytes, "test");
        assert_eq!(
            reader.count(4, "n").map_err(|e| e.problem),
            Err(Problem::OutOfRange {
                got: u64::MAX,
                max: 4
            })
        );
    }
}

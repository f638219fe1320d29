//! Blocks: the unit that is stored, read and checked.
//!
//! A block is a payload followed by a 32-bit check. The check is the low half of XXH3-64 over the
//! payload, seeded with the build id and the block's place in the body, so that bytes of another
//! build or of another place are refused like damaged ones.

use super::inflate::decompress;
use super::phrases::Phrases;
use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use alloc::vec::Vec;
use core::ops::Range;
use miniz_oxide::deflate::compress_to_vec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Bytes that a block takes beyond its payload.
pub const CHECK_LEN: usize = 4;

/// Blocks that a directory or a table lists are padded with zeros to a multiple of this, so that
/// their lengths are small numbers of few values, which deflate to half a byte each. Measured on
/// 66,000 passages: a unit of 64 bytes takes 2.2 kB more for the tables than one of 128, and 4 % less for
/// the blocks.
pub const UNIT: u32 = 64;

/// A compressed payload may not grow beyond this many bytes.
pub const MAX_INFLATED: usize = 1 << 26;

/// Where blocks of whole [`UNIT`]s lie: `units` of them, counted from `offset`; `None` outside of
/// what an extent can say.
pub fn extent_of_units(offset: u64, units: Range<u64>) -> Option<Extent> {
    let unit = u64::from(UNIT);
    let offset = offset.checked_add(units.start.checked_mul(unit)?)?;
    let len = units.end.checked_sub(units.start)?.checked_mul(unit)?;
    let len = u32::try_from(len).ok()?;
    Some(Extent { offset, len })
}

/// Where a block lies in the body: its payload and check together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Extent {
    /// Offset of the first byte in the body.
    pub offset: u64,
    /// Bytes of payload and check.
    pub len: u32,
}

impl Extent {
    /// The block's bytes as a half-open range of the body.
    pub fn range(self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.len)
    }

    /// Appends the extent.
    pub fn write(self, out: &mut Writer) {
        out.varint(self.offset);
        out.varint(u64::from(self.len));
    }

    /// Reads an extent that must lie inside a body of `body_len` bytes.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] when it does not, [`Problem::Inconsistent`] when it is too short for
    /// a block.
    pub fn read(
        reader: &mut Reader<'_>,
        body_len: u64,
        field: &'static str,
    ) -> Result<Self, FormatError> {
        let offset = reader.varint_max(body_len, field)?;
        let len = reader.varint_max((body_len - offset).min(u64::from(u32::MAX)), field)? as u32;
        if (len as usize) < CHECK_LEN {
            return Err(reader.error(field, Problem::Inconsistent));
        }
        Ok(Self { offset, len })
    }
}

/// A run of blocks with equal payloads (the last may be shorter), stored one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Offset of the first block in the body.
    pub offset: u64,
    /// Payload bytes of all blocks together.
    pub payload_len: u64,
    /// Payload bytes of a block.
    pub block_payload: u32,
}

impl Run {
    /// Number of blocks.
    pub fn blocks(&self) -> u64 {
        self.payload_len.div_ceil(u64::from(self.block_payload))
    }

    /// Bytes that the run takes in the body; `None` past 64 bits.
    fn stored_len(&self) -> Option<u64> {
        let checks = self.blocks().checked_mul(CHECK_LEN as u64)?;
        self.payload_len.checked_add(checks)
    }

    /// Where it ends in the body; `None` past 64 bits.
    pub fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.stored_len()?)
    }

    /// The extent of block `block`, or `None` past the end.
    pub fn extent(&self, block: u64) -> Option<Extent> {
        let payload = u64::from(self.block_payload);
        let start = block.checked_mul(payload)?;
        let len = self
            .payload_len
            .checked_sub(start)
            .filter(|&left| left > 0)?
            .min(payload);
        let check = CHECK_LEN as u64;
        Some(Extent {
            offset: self.offset + start + block * check,
            len: (len + check) as u32,
        })
    }

    /// The extents of all blocks.
    pub fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        (0..self.blocks()).map_while(|block| self.extent(block))
    }

    /// Appends the run.
    pub fn write(&self, out: &mut Writer) {
        out.varint(self.offset);
        out.varint(self.payload_len);
        out.varint(u64::from(self.block_payload));
    }

    /// Reads a run that must lie inside a body of `body_len` bytes.
    ///
    /// # Errors
    /// [`Problem::OutOfRange`] when it does not, [`Problem::Inconsistent`] for blocks without bytes.
    pub fn read(
        reader: &mut Reader<'_>,
        body_len: u64,
        field: &'static str,
    ) -> Result<Self, FormatError> {
        let offset = reader.varint_max(body_len, field)?;
        let payload_len = reader.varint_max(body_len - offset, field)?;
        let block_payload = reader.varint_u32(field)?;
        let run = Self {
            offset,
            payload_len,
            block_payload,
        };
        let fits = |len| len <= body_len - offset;
        if block_payload == 0 || !run.stored_len().is_some_and(fits) {
            return Err(reader.error(field, Problem::Inconsistent));
        }
        Ok(run)
    }
}

/// The check of a payload that lies at `offset` in the body of build `build_id`.
pub fn check(build_id: u64, offset: u64, payload: &[u8]) -> [u8; CHECK_LEN] {
    // An odd multiplier spreads neighbouring offsets over the whole seed.
    let seed = build_id ^ offset.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (xxh3_64_with_seed(payload, seed) as u32).to_le_bytes()
}

/// The payload of a block read from `extent`.
///
/// # Errors
/// [`Problem::Truncated`] when `bytes` are not the extent's length, [`Problem::Checksum`] when they
/// are not the bytes that were written.
pub fn payload<'a>(
    bytes: &'a [u8],
    build_id: u64,
    extent: Extent,
    what: &'static str,
) -> Result<&'a [u8], FormatError> {
    let error = |problem| FormatError::new(what, "block", 0, problem);
    if bytes.len() != extent.len as usize || bytes.len() < CHECK_LEN {
        return Err(error(Problem::Truncated {
            need: u64::from(extent.len),
            left: bytes.len() as u64,
        }));
    }
    let (payload, stored) = bytes.split_at(bytes.len() - CHECK_LEN);
    if stored != check(build_id, extent.offset, payload) {
        return Err(error(Problem::Checksum));
    }
    Ok(payload)
}

/// Compresses a payload: its length as a varint, then raw DEFLATE (RFC 1951).
pub fn deflate(raw: &[u8]) -> Vec<u8> {
    let mut out = Writer::new();
    out.varint(raw.len() as u64);
    out.raw(&compress_to_vec(raw, 9));
    out.into_bytes()
}

/// The payload that is compressed so: `stream` stands for `len` bytes in the words of
/// [`Phrases::decompress`].
///
/// Its first byte, a block type that DEFLATE does not have, tells it from one of [`deflate`].
pub fn in_phrases(len: usize, stream: &[u8]) -> Vec<u8> {
    let mut out = Writer::new();
    out.varint(len as u64);
    out.u8(IN_PHRASES);
    out.raw(stream);
    out.into_bytes()
}

/// Last block, of the reserved type, and no other bits.
const IN_PHRASES: u8 = 0b111;

/// Undoes [`deflate`].
///
/// # Errors
/// [`Problem::BadCompression`], or [`Problem::OutOfRange`] for a length above `MAX_INFLATED`.
pub fn inflate(payload: &[u8], what: &'static str) -> Result<Vec<u8>, FormatError> {
    unpack(payload, what, decompress)
}

/// Undoes [`deflate`] and [`in_phrases`].
///
/// # Errors
/// As [`inflate`].
pub fn inflate_texts(
    phrases: &Phrases,
    payload: &[u8],
    what: &'static str,
) -> Result<Vec<u8>, FormatError> {
    unpack(payload, what, |stream, len| match stream.split_first() {
        Some((&IN_PHRASES, stream)) => phrases.decompress(stream, len),
        _ => decompress(stream, len),
    })
}

fn unpack(
    payload: &[u8],
    what: &'static str,
    decompress: impl FnOnce(&[u8], usize) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, FormatError> {
    let mut reader = Reader::new(payload, what);
    let len = reader.varint_max(MAX_INFLATED as u64, "length")? as usize;
    let stream = reader.take(reader.left(), "data")?;
    decompress(stream, len).ok_or_else(|| reader.error("data", Problem::BadCompression))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn payload_refuses_other_builds_places_and_flipped_bits() {
        let extent = Extent {
            offset: 640,
            len: 9,
        };
        let mut block = vec![1, 2, 3, 4, 5];
        block.extend(check(7, 640, &block));
        assert_eq!(payload(&block, 7, extent, "t"), Ok(&[1u8, 2, 3, 4, 5][..]));
        assert!(payload(&block, 8, extent, "t").is_err());
        assert!(
            payload(
                &block,
                7,
                Extent {
                    offset: 641,
                    len: 9
                },
                "t"
            )
            .is_err()
        );
        assert!(payload(&block[..8], 7, extent, "t").is_err());
        for bit in 0..block.len() * 8 {
            let mut flipped = block.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(payload(&flipped, 7, extent, "t").is_err(), "bit {bit}");
        }
    }

    #[test]
    fn inflate_returns_what_was_deflated_and_never_more() {
        let raw: Vec<u8> = (0..10_000u32).map(|i| (i * i) as u8).collect();
        let packed = deflate(&raw);
        assert_eq!(inflate(&packed, "t").as_deref(), Ok(&raw[..]));
        let mut lying = packed.clone();
        lying[0] = lying[0].wrapping_sub(1);
        assert!(inflate(&lying, "t").is_err());
        for cut in 0..packed.len() {
            assert!(inflate(&packed[..cut], "t").is_err(), "cut at {cut}");
        }
    }
}

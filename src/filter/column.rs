//! The values of one metadata field over all documents, dictionary-coded.
//!
//! A column is the sorted list of the field's distinct values, and for every document the ascending
//! list of the positions (*codes*) of its values in that list. Every comparison becomes a set of
//! codes, a range becomes an interval of them, and sort keys compare without looking at values.
//!
//! ```text
//! documents    varint
//! booleans     u8: bit 0 if false occurs, bit 1 if true occurs
//! numbers      varint n; if n > 0: u8 kind, then
//!                kind 0: n zigzag varint, varints: first value, then differences (integers)
//!                kind 1: n × f64
//! texts        varint n, n × (varint length, UTF-8), ordered by bytes
//! least        varint: least number of codes of a document
//! width        u8: bits of what each document has beyond `least`
//! counts       documents × width bits, packed from the least significant bit on
//! codes        sum of counts × bits of the largest code
//! ```
//!
//! Codes count booleans first, then numbers, then texts.

use crate::bytes::FormatError;
use crate::bytes::Problem;
use crate::bytes::Reader;
use crate::bytes::Writer;
use crate::document::DocumentId;
use crate::document::Value;
use crate::filter::Bitmap;
use alloc::collections::BinaryHeap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::cmp::Reverse;
use core::ops::Bound;
use core::ops::Range;

/// Largest magnitude up to which every integer is a float.
const MAX_INTEGER: i64 = 1 << 53;

/// A single metadata value. Ordered by type (booleans, numbers, texts), then by value.
#[derive(Debug, Clone)]
pub enum Scalar {
    /// True or false; false is smaller.
    Bool(bool),
    /// A number; both zeros are equal.
    Number(f64),
    /// Text, ordered by its bytes.
    Text(String),
}

impl Scalar {
    /// The rank of its type in the order.
    pub(super) fn kind(&self) -> u8 {
        match self {
            Self::Bool(_) => 0,
            Self::Number(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            // The total order serves NaN, which columns and parsed filters never hold.
            (Self::Number(a), Self::Number(b)) => {
                a.partial_cmp(b).unwrap_or_else(|| a.total_cmp(b))
            }
            (Self::Text(a), Self::Text(b)) => a.cmp(b),
            _ => self.kind().cmp(&other.kind()),
        }
    }
}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scalar {}

impl From<Scalar> for Value {
    fn from(scalar: Scalar) -> Self {
        match scalar {
            Scalar::Bool(truth) => Self::Bool(truth),
            Scalar::Number(number) => Self::Number(number),
            Scalar::Text(text) => Self::Text(text),
        }
    }
}

/// The values of one field.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Distinct values, ascending.
    distinct: Vec<Scalar>,
    /// Where the codes of each document start, and of the last one end.
    starts: Vec<u32>,
    /// Codes of all documents one after another, ascending within a document.
    codes: Vec<u32>,
}

impl Column {
    /// `distinct` ascending, each with the documents that have it, ascending.
    pub(super) fn from_postings(
        documents: u32,
        postings: impl Iterator<Item = (Scalar, Vec<DocumentId>)>,
    ) -> Self {
        let (distinct, lists): (Vec<_>, Vec<_>) = postings.unzip();
        let mut starts = vec![0u32; documents as usize + 1];
        for &document in lists.iter().flatten() {
            starts[document as usize + 1] += 1;
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        let mut next = starts.clone();
        let mut codes = vec![0; end as usize];
        for (code, list) in lists.iter().enumerate() {
            for &document in list {
                codes[next[document as usize] as usize] = code as u32;
                next[document as usize] += 1;
            }
        }
        Self {
            distinct,
            starts,
            codes,
        }
    }

    /// The column as bytes, which [`Column::parse`] reads.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.varint(self.documents().into());
        let (mut booleans, mut numbers, mut texts) = (0, Vec::new(), Vec::new());
        for value in &self.distinct {
            match value {
                Scalar::Bool(truth) => booleans |= 1 << u8::from(*truth),
                Scalar::Number(number) => numbers.push(*number),
                Scalar::Text(text) => texts.push(text),
            }
        }
        out.u8(booleans);
        out.varint(numbers.len() as u64);
        let integers: Option<Vec<i64>> = numbers.iter().map(|&number| integer(number)).collect();
        match integers.as_deref() {
            Some([]) => {}
            Some(integers @ [first, ..]) => {
                out.u8(0);
                out.varint((first << 1 ^ first >> 63) as u64);
                for pair in integers.windows(2) {
                    out.varint(pair[1].abs_diff(pair[0]));
                }
            }
            None => {
                out.u8(1);
                numbers.iter().for_each(|&number| out.f64(number));
            }
        }
        out.varint(texts.len() as u64);
        texts.iter().for_each(|text| out.str(text));

        let counts: Vec<u32> = self
            .starts
            .windows(2)
            .map(|pair| pair[1] - pair[0])
            .collect();
        let least = counts.iter().min().copied().unwrap_or(0);
        let beyond: Vec<u32> = counts.iter().map(|count| count - least).collect();
        let width = bit_width(beyond.iter().max().copied().unwrap_or(0));
        out.varint(least.into());
        out.u8(width as u8);
        pack(&mut out, &beyond, width);
        pack(&mut out, &self.codes, bit_width(self.last_code()));
        out.into_bytes()
    }

    /// Reads the column of an index of `documents` documents, a number that the caller has bounded:
    /// eight bytes are allocated for each.
    ///
    /// # Errors
    /// [`FormatError`]; the result upholds all invariants of a built column.
    pub fn parse(bytes: &[u8], documents: u32) -> Result<Self, FormatError> {
        let mut reader = Reader::new(bytes, "column");
        if reader.varint("documents")? != u64::from(documents) {
            return Err(reader.error("documents", Problem::Inconsistent));
        }
        let distinct = parse_distinct(&mut reader)?;
        let mut column = Self {
            distinct,
            starts: vec![0],
            codes: Vec::new(),
        };

        // No document has more codes than there are, which bounds all that follows.
        let max = column.distinct.len() as u64;
        let least = reader.varint_max(max, "least")? as u32;
        let width = u32::from(reader.u8("width")?);
        if width > 32 {
            return Err(reader.error("width", Problem::Inconsistent));
        }
        let mut end = 0u32;
        for beyond in unpack(&mut reader, documents, width, "counts")? {
            let count = u64::from(least) + u64::from(beyond);
            end = match u32::try_from(u64::from(end) + count) {
                Ok(end) if count <= max => end,
                _ => return Err(reader.error("counts", Problem::OutOfRange { got: count, max })),
            };
            column.starts.push(end);
        }
        let last = column.last_code();
        column.codes = unpack(&mut reader, end, bit_width(last), "codes")?;
        let ascending = column.starts.windows(2).all(|pair| {
            let codes = &column.codes[pair[0] as usize..pair[1] as usize];
            codes.windows(2).all(|pair| pair[0] < pair[1])
        });
        if !ascending || column.codes.iter().any(|&code| code > last) {
            return Err(reader.error("codes", Problem::Inconsistent));
        }
        reader.end()?;
        Ok(column)
    }

    /// How many documents the index has.
    pub fn documents(&self) -> u32 {
        self.starts.len() as u32 - 1
    }

    /// The distinct values, ascending.
    pub fn distinct(&self) -> &[Scalar] {
        &self.distinct
    }

    /// The values of a document, ascending (not in the order of its metadata); none for documents
    /// past the end.
    pub fn values(&self, document: DocumentId) -> impl Iterator<Item = &Scalar> {
        self.codes_of(document)
            .iter()
            .map(|&code| &self.distinct[code as usize])
    }

    /// The smallest number of a document: the key to sort hits by.
    pub fn number(&self, document: DocumentId) -> Option<f64> {
        self.values(document).find_map(|value| match value {
            Scalar::Number(number) => Some(*number),
            _ => None,
        })
    }

    /// The first text of a document in byte order: the key to sort hits by.
    pub fn text(&self, document: DocumentId) -> Option<&str> {
        self.values(document).find_map(|value| match value {
            Scalar::Text(text) => Some(text.as_str()),
            _ => None,
        })
    }

    /// How many of `documents` have each value: the `limit` most frequent ones that occur, the
    /// smaller value first among equals.
    ///
    /// Each document counts once for each of its values; `documents` must not repeat.
    #[inline(never)]
    pub fn facet_counts(
        &self,
        documents: impl IntoIterator<Item = DocumentId>,
        limit: usize,
    ) -> Vec<(Value, u32)> {
        let mut counts = vec![0u32; self.distinct.len()];
        for document in documents {
            for &code in self.codes_of(document) {
                counts[code as usize] += 1;
            }
        }
        let counted = counts.into_iter().zip(0..).filter(|&(count, _)| count > 0);
        let mut heap: BinaryHeap<(u32, Reverse<usize>)> = counted
            .map(|(count, code)| (count, Reverse(code)))
            .collect();
        let best = core::iter::from_fn(|| heap.pop()).take(limit);
        best.map(|(count, Reverse(code))| (self.distinct[code].clone().into(), count))
            .collect()
    }

    /// The documents that have one of `codes`.
    pub(super) fn documents_with(&self, codes: &Bitmap) -> Bitmap {
        let mut out = Bitmap::new(self.documents());
        for document in 0..self.documents() {
            if self.codes_of(document).iter().any(|&code| codes.get(code)) {
                out.set(document);
            }
        }
        out
    }

    /// The codes of the values between two bounds, of their type.
    pub(super) fn codes_between(&self, lower: Bound<&Scalar>, upper: Bound<&Scalar>) -> Range<u32> {
        let kind = |bound| match bound {
            Bound::Included(value) | Bound::Excluded(value) => Some(Scalar::kind(value)),
            Bound::Unbounded => None,
        };
        let (first, last) = match (kind(lower), kind(upper)) {
            (None, None) => (0, u8::MAX),
            (Some(kind), None) | (None, Some(kind)) => (kind, kind),
            (Some(a), Some(b)) if a == b => (a, a),
            (Some(_), Some(_)) => return 0..0,
        };
        let start = self.distinct.partition_point(|value| {
            value.kind() < first
                || match lower {
                    Bound::Included(bound) => value < bound,
                    Bound::Excluded(bound) => value <= bound,
                    Bound::Unbounded => false,
                }
        });
        let end = self.distinct.partition_point(|value| {
            value.kind() <= last
                && match upper {
                    Bound::Included(bound) => value <= bound,
                    Bound::Excluded(bound) => value < bound,
                    Bound::Unbounded => true,
                }
        });
        start as u32..end as u32
    }

    fn codes_of(&self, document: DocumentId) -> &[u32] {
        let at = document as usize;
        match (self.starts.get(at), self.starts.get(at + 1)) {
            (Some(&start), Some(&end)) => &self.codes[start as usize..end as usize],
            _ => &[],
        }
    }

    fn last_code(&self) -> u32 {
        self.distinct.len().saturating_sub(1) as u32
    }
}

fn parse_distinct(reader: &mut Reader<'_>) -> Result<Vec<Scalar>, FormatError> {
    let mut out = Vec::new();
    let booleans = reader.u8("booleans")?;
    if booleans > 3 {
        return Err(reader.error("booleans", Problem::Inconsistent));
    }
    for truth in [false, true] {
        if booleans >> u8::from(truth) & 1 == 1 {
            out.push(Scalar::Bool(truth));
        }
    }

    let numbers = reader.count(1, "numbers")?;
    let kind = if numbers > 0 {
        reader.u8("number kind")?
    } else {
        0
    };
    if kind > 1 {
        return Err(reader.error("number kind", Problem::Inconsistent));
    }
    let mut integer = 0i64;
    for i in 0..numbers {
        if kind == 1 {
            out.push(Scalar::Number(reader.f64("numbers")?));
            continue;
        }
        let coded = reader.varint_max(4 * MAX_INTEGER as u64, "numbers")?;
        integer += if i == 0 {
            (coded >> 1) as i64 ^ -((coded & 1) as i64)
        } else {
            coded as i64
        };
        if integer.abs() > MAX_INTEGER {
            return Err(reader.error("numbers", Problem::Inconsistent));
        }
        out.push(Scalar::Number(integer as f64));
    }

    for _ in 0..reader.count(1, "texts")? {
        out.push(Scalar::Text(reader.str("texts")?.into()));
    }
    if out.len() > u32::MAX as usize || !out.windows(2).all(|pair| pair[0] < pair[1]) {
        return Err(reader.error("distinct values", Problem::Inconsistent));
    }
    Ok(out)
}

fn integer(number: f64) -> Option<i64> {
    let integer = number as i64;
    (integer.unsigned_abs() <= MAX_INTEGER as u64 && integer as f64 == number).then_some(integer)
}

/// Bits that hold every number up to `max`; 0 for 0.
fn bit_width(max: u32) -> u32 {
    u32::BITS - max.leading_zeros()
}

/// Appends numbers below `2^width`, from the least significant bit on.
fn pack(out: &mut Writer, numbers: &[u32], width: u32) {
    let (mut word, mut bits) = (0u64, 0);
    for &number in numbers {
        word |= u64::from(number) << bits;
        bits += width;
        while bits >= 8 {
            out.u8(word as u8);
            word >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.u8(word as u8);
    }
}

/// Reads what [`pack`] wrote, after checking that it is all there.
fn unpack(
    reader: &mut Reader<'_>,
    count: u32,
    width: u32,
    field: &'static str,
) -> Result<Vec<u32>, FormatError> {
    let len = (u64::from(count) * u64::from(width)).div_ceil(8);
    let mut bytes = reader
        .take(usize::try_from(len).unwrap_or(usize::MAX), field)?
        .iter();
    let (mut word, mut bits) = (0u64, 0);
    let number = |_| {
        while bits < width {
            word |= bytes.next().map_or(0, |&byte| u64::from(byte)) << bits;
            bits += 8;
        }
        let number = (word & ((1 << width) - 1)) as u32;
        word >>= width;
        bits -= width;
        number
    };
    Ok((0..count).map(number).collect())
}

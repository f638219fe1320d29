//! Numbers of equal width, packed without gaps, the least significant bit first.

use alloc::vec::Vec;

/// Bits that the largest of `values` needs, 0 to 32.
pub(super) fn width(values: &[u32]) -> u32 {
    values
        .iter()
        .fold(0, |all, value| all | value)
        .checked_ilog2()
        .map_or(0, |log| log + 1)
}

/// Bytes that `count` numbers of `width` bits take.
pub(super) fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends `values`, each below `2^width`.
pub(super) fn pack(values: &[u32], width: u32, out: &mut Vec<u8>) {
    let mut buffer = 0u64;
    let mut bits = 0;
    for &value in values {
        buffer |= u64::from(value) << bits;
        bits += width;
        while bits >= 8 {
            out.push(buffer as u8);
            buffer >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        out.push(buffer as u8);
    }
}

/// Fills `values` from `bytes`, which holds `packed_len(values.len(), width)` bytes; what is missing
/// reads as zeros. `width` is at most 32.
pub(super) fn unpack(bytes: &[u8], width: u32, values: &mut [u32]) {
    let mask = (1u64 << width) - 1;
    let mut bit = 0;
    for value in values {
        *value = (window(bytes, bit / 8) >> (bit % 8) & mask) as u32;
        bit += width as usize;
    }
}

/// Number `at` of those packed in `bytes`; 0 past the end. `width` is at most 32.
pub(super) fn get(bytes: &[u8], width: u32, at: usize) -> u32 {
    let bit = at * width as usize;
    (window(bytes, bit / 8) >> (bit % 8) & ((1 << width) - 1)) as u32
}

/// Eight bytes from `at`: 32 bits that start inside a byte lie in five.
#[inline(always)]
fn window(bytes: &[u8], at: usize) -> u64 {
    match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(window) => u64::from_le_bytes(*window),
        None => last_window(bytes.get(at..).unwrap_or_default()),
    }
}

#[cold]
fn last_window(tail: &[u8]) -> u64 {
    let mut window = [0; 8];
    window[..tail.len()].copy_from_slice(tail);
    u64::from_le_bytes(window)
}

#[cfg(test)]
mod tests {
    use super::get;
    use super::pack;
    use super::packed_len;
    use super::unpack;
    use super::width;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn every_width_and_count_returns_what_was_packed() {
        for bits in 0..=32 {
            for count in [0, 1, 7, 8, 9, 127, 128] {
                let top = if bits == 0 {
                    0
                } else {
                    u32::MAX >> (32 - bits)
                };
                let values: Vec<u32> = (0..count as u32)
                    .map(|i| i.wrapping_mul(2_654_435_761) & top | top >> 1)
                    .collect();
                let needed = width(&values);
                let mut packed = Vec::new();
                pack(&values, needed, &mut packed);
                assert_eq!(packed.len(), packed_len(values.len(), needed));
                let mut back = vec![0; values.len()];
                unpack(&packed, needed, &mut back);
                assert_eq!(back, values);
                for (at, &value) in values.iter().enumerate() {
                    assert_eq!(get(&packed, needed, at), value);
                }
            }
        }
    }
}

//! Decimal text to the nearest 64-bit float and back, in little code.
//!
//! core's `parse` and `{}` of floats carry tables that compress to 20 kB, a quarter of the whole
//! module that browsers load. Short numbers are read exactly by one multiplication or division
//! (Clinger 1990, *How to read floating point numbers accurately*), others by shifting the decimal
//! digits themselves (the fallback of most C libraries and of core): a few kB less, and slow only
//! for numbers that nobody writes. Tests hold both directions against core.

use alloc::vec::Vec;
use core::fmt;

/// Digits that can decide a rounding: halfway points have at most 767.
const MAX_DIGITS: usize = 800;

/// Bits shifted at once, so that a digit shifted by them fits 64 bits with its carry.
const MAX_SHIFT: i64 = 59;

/// The float nearest to a number in JSON's grammar, ties to even; infinite past the range.
pub(super) fn parse(text: &str) -> f64 {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let value = Decimal::read(mantissa, exponent).nearest();
    if mantissa.starts_with('-') {
        -value
    } else {
        value
    }
}

/// Writes a finite float with the fewest digits that read back as the same float.
pub(super) fn write(f: &mut fmt::Formatter<'_>, number: f64) -> fmt::Result {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(number);
    f.write_str(text.strip_suffix(".0").unwrap_or(text))
}

/// 0.d₁d₂d₃… × 10^point, with neither leading nor trailing zeros; zero has no digits.
struct Decimal {
    digits: Vec<u8>,
    point: i64,
}

impl Decimal {
    fn read(mantissa: &str, exponent: &str) -> Self {
        // Past a billion no length of text can bring the number back into range.
        let magnitude = exponent
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(0, |sum, digit| {
                (sum * 10 + i64::from(digit - b'0')).min(1_000_000_000)
            });
        let mut out = Self {
            digits: Vec::new(),
            point: magnitude,
        };
        if exponent.starts_with('-') {
            out.point = -magnitude;
        }
        let (mut before_point, mut more) = (1, false);
        for byte in mantissa.bytes() {
            let digit = byte.wrapping_sub(b'0');
            match byte {
                b'.' => before_point = 0,
                b'-' => {}
                b'0' if out.digits.is_empty() => out.point += before_point - 1,
                _ => {
                    out.point += before_point;
                    if out.digits.len() < MAX_DIGITS {
                        out.digits.push(digit);
                    } else {
                        more |= digit > 0;
                    }
                }
            }
        }
        if more {
            out.digits.push(1);
        }
        out.trim();
        out
    }

    fn trim(&mut self) {
        while self.digits.pop_if(|digit| *digit == 0).is_some() {}
    }

    fn nearest(mut self) -> f64 {
        if self.digits.is_empty() || self.point < -330 {
            return 0.0;
        }
        if self.point > 310 {
            return f64::INFINITY;
        }
        let power = self.point - self.digits.len() as i64;
        if self.digits.len() <= 15 && power.abs() <= 22 {
            // Both operands are exact, so the one operation rounds correctly.
            let digits = self
                .digits
                .iter()
                .fold(0.0, |sum, digit| sum * 10.0 + f64::from(*digit));
            let scale = (0..power.abs()).fold(1.0, |scale, _| scale * 10.0);
            return if power < 0 {
                digits / scale
            } else {
                digits * scale
            };
        }

        // Into [1/2, 1), times 2^exponent. No step overshoots, since 10 > 2^3.
        let mut exponent = 0;
        while self.point > 0 {
            let bits = (3 * (self.point - 1) + 1).min(MAX_SHIFT);
            self.halve(bits);
            exponent += bits;
        }
        while self.point < 0 || self.digits.first().is_some_and(|digit| *digit < 5) {
            let bits = (3 * -self.point).clamp(1, MAX_SHIFT);
            self.double(bits);
            exponent -= bits;
        }
        // 53 bits, fewer below the normal range.
        let bits = 53 - (-1021 - exponent).max(0);
        if bits < 0 {
            return 0.0;
        }
        self.double(bits);
        let scale = exponent - bits;
        let power = match scale {
            -1074..-1022 => 1 << (scale + 1074),
            -1022..=1023 => ((scale + 1023) as u64) << 52,
            _ => return f64::INFINITY,
        };
        self.round() as f64 * f64::from_bits(power)
    }

    /// The nearest integer, ties to even.
    fn round(&self) -> u64 {
        let split = self.digits.len().min(self.point as usize);
        let (whole, fraction) = self.digits.split_at(split);
        let mut out = whole
            .iter()
            .fold(0, |sum, digit| sum * 10 + u64::from(*digit));
        for _ in split..self.point as usize {
            out *= 10;
        }
        let up = match fraction {
            [5] => out % 2 == 1,
            [first, ..] => *first >= 5,
            [] => false,
        };
        out + u64::from(up)
    }

    /// Multiplies by 2^bits.
    fn double(&mut self, bits: i64) {
        let mut carry = 0u64;
        for digit in self.digits.iter_mut().rev() {
            carry += u64::from(*digit) << bits;
            *digit = (carry % 10) as u8;
            carry /= 10;
        }
        while carry > 0 {
            self.digits.insert(0, (carry % 10) as u8);
            self.point += 1;
            carry /= 10;
        }
        self.trim();
    }

    /// Divides by 2^bits.
    fn halve(&mut self, bits: i64) {
        let mut out = Vec::with_capacity(self.digits.len() + bits as usize);
        let mut rest = 0u64;
        let mut digits = self.digits.iter();
        loop {
            let digit = match digits.next() {
                Some(digit) => *digit,
                None if rest == 0 => break,
                None => 0,
            };
            rest = rest * 10 + u64::from(digit);
            let quotient = (rest >> bits) as u8;
            rest &= (1 << bits) - 1;
            if out.is_empty() && quotient == 0 {
                self.point -= 1;
            } else {
                out.push(quotient);
            }
        }
        self.digits = out;
        self.trim();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    fn agrees(text: &str) {
        let expected: f64 = text.parse().expect(text);
        assert_eq!(parse(text).to_bits(), expected.to_bits(), "{text}");
    }

    #[test]
    fn numbers_at_the_edges_of_floats_read_as_in_core() {
        for text in [
            "0",
            "-0",
            "0.000",
            "-0e5",
            "1",
            "10",
            "0.1",
            "123456789012345678",
            "1e22",
            "1e23",
            "9007199254740993",
            "9007199254740992.99",
            "4.35",
            "1.7976931348623157e308",
            "1.7976931348623158e308",
            "1.7976931348623159e308",
            "1e309",
            "1e999999999999999999999",
            "2.2250738585072011e-308",
            "2.2250738585072014e-308",
            "4.9e-324",
            "2.4703282292062327e-324",
            "2.4703282292062328e-324",
            "1e-325",
            "1e-400",
            "0e999999999999",
            "1e-999999999999999999999",
            "5e-324",
            "1.5e-323",
            "179769313486231580793728971405301e276",
            "0.500000000000000166533453693773481063544750213623046875",
            "8.98846567431158e307",
            "6631236871469758276785396630275967e-10",
        ] {
            agrees(text);
        }
        // Halfway points, exactly and a hair off them, far beyond the digits that are kept.
        let half = "9007199254740993";
        for tail in ["", "0", "1"] {
            agrees(&format!("{half}.{}{tail}", "0".repeat(2 * MAX_DIGITS)));
        }
        agrees(&format!("0.{}1e2001", "0".repeat(2000)));
        agrees(&format!("{}e-1999", "7".repeat(2000)));
        for exponent in -345..=310 {
            agrees(&format!("1e{exponent}"));
            agrees(&format!("89255e{exponent}"));
            agrees(&format!("1234567890123456789e{exponent}"));
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use super::*;
        use crate::json::Json;
        use proptest::prelude::*;
        use std::string::ToString;

        proptest! {
            #[test]
            fn arbitrary_decimals_read_as_in_core(
                text in "-?(0|[1-9][0-9]{0,24})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
            ) {
                agrees(&text);
            }

            #[test]
            fn arbitrary_floats_print_and_read_back_to_the_bit(bits in any::<u64>()) {
                let number = f64::from_bits(bits);
                if number.is_finite() {
                    let text = Json::Number(number).to_string();
                    prop_assert_eq!(parse(&text).to_bits(), bits);
                    prop_assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(bits));
                    agrees(&std::format!("{number}"));
                }
            }

            #[test]
            fn points_halfway_between_floats_round_as_in_core(
                mantissa in 1u128 << 52..1 << 53,
                shift in 0u32..60,
                fives in 0u32..30,
            ) {
                // An odd number of 54 bits lies halfway between two floats, and so does its product
                // or quotient by a power of two; m / 2^j = m × 5^j / 10^j.
                let half = 2 * mantissa + 1;
                for nudge in [-1, 0, 1] {
                    agrees(&std::format!("{}", (half << shift).wrapping_add_signed(nudge)));
                    let scaled = (half * 5u128.pow(fives)).wrapping_add_signed(nudge);
                    agrees(&std::format!("{scaled}e-{fives}"));
                }
            }
        }
    }
}

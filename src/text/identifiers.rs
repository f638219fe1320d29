//! Identifiers: where a name such as `parseHTTPHeader2` or `run_target` comes apart.

use super::characters::is_apostrophe;
use super::characters::is_hyphen;
use super::characters::is_upper;
use core::ops::Range;

/// What a character is to an identifier.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Upper,
    Lower,
    Digit,
    Joint,
}

fn kind(c: char) -> Kind {
    if c == '_' || is_hyphen(c) {
        Kind::Joint
    } else if c.is_ascii_digit() {
        Kind::Digit
    } else if is_upper(c) {
        Kind::Upper
    } else {
        Kind::Lower
    }
}

/// Calls `part` with the byte range of every part of `name`, in order.
///
/// Parts end at `_` and hyphens, before a capital that follows a small letter or a digit, before
/// the last capital of a run that a small letter follows (`HTTPHeader`: `HTTP`, `Header`), and
/// between letters and digits. A plural `s` stays with its capitals (`URLs`).
pub(super) fn for_each_part(name: &str, mut part: impl FnMut(Range<usize>)) {
    let mut start = 0;
    let mut before: Option<(usize, Kind)> = None;
    for (at, c) in name.char_indices() {
        if is_apostrophe(c) {
            continue;
        }
        let now = kind(c);
        if now == Kind::Joint {
            if start < at {
                part(start..at);
            }
            start = at + c.len_utf8();
            before = None;
            continue;
        }
        if let Some((last_at, last)) = before {
            let cut = match (last, now) {
                (Kind::Lower, Kind::Upper) => at,
                (Kind::Upper, Kind::Lower)
                    if start < last_at && !is_plural(name.get(at..).unwrap_or_default()) =>
                {
                    last_at
                }
                (Kind::Digit, Kind::Upper | Kind::Lower)
                | (Kind::Upper | Kind::Lower, Kind::Digit) => at,
                _ => start,
            };
            if start < cut {
                part(start..cut);
                start = cut;
            }
        }
        before = Some((at, now));
    }
    if start < name.len() {
        part(start..name.len());
    }
}

/// Whether `rest` is the plural ending of an acronym, alone before the next joint or the end.
fn is_plural(rest: &str) -> bool {
    let mut chars = rest.chars();
    chars.next() == Some('s') && chars.next().is_none_or(|c| kind(c) == Kind::Joint)
}

#[cfg(test)]
mod tests {
    use super::for_each_part;
    use alloc::vec::Vec;

    fn parts(name: &str) -> Vec<&str> {
        let mut out = Vec::new();
        for_each_part(name, |range| out.push(&name[range]));
        out
    }

    #[test]
    fn names_come_apart_at_case_joints_and_digits() {
        assert_eq!(parts("word"), ["word"]);
        assert_eq!(parts("DiffExecutor"), ["Diff", "Executor"]);
        assert_eq!(parts("parseHTTPHeader"), ["parse", "HTTP", "Header"]);
        assert_eq!(parts("run_target"), ["run", "target"]);
        assert_eq!(parts("__init__"), ["init"]);
        assert_eq!(parts("MAX_PATH"), ["MAX", "PATH"]);
        assert_eq!(parts("int32_t"), ["int", "32", "t"]);
        assert_eq!(parts("utf-8"), ["utf", "8"]);
        assert_eq!(parts("URLs"), ["URLs"]);
        assert_eq!(parts("IDsOf"), ["I", "Ds", "Of"]);
        assert_eq!(parts("O'Reilly"), ["O'", "Reilly"]);
        assert_eq!(parts("ÜberÄnderung"), ["Über", "Änderung"]);
        assert_eq!(parts("___"), Vec::<&str>::new());
    }
}

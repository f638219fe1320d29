//! Bytes as they come from the network into lines.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// Longest line that is kept, in bytes: an event of a model is a few hundred.
const MAX_LINE: usize = 1 << 20;

/// A line is longer than anything that a model sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line of the stream is longer than {MAX_LINE} bytes")
    }
}

impl core::error::Error for TooLong {}

/// Cuts a stream into lines at `\n`, `\r\n` and `\r`, wherever the network cut it.
#[derive(Debug, Default)]
pub struct Lines {
    line: Vec<u8>,
    /// Whether the last byte was `\r`, so that a `\n` belongs to the same end of line.
    after_return: bool,
}

impl Lines {
    /// Passes the lines that `bytes` complete to `each`, without their ends.
    ///
    /// # Errors
    /// [`TooLong`], after which nothing of the stream makes sense.
    pub fn push(&mut self, bytes: &[u8], mut each: impl FnMut(&str)) -> Result<(), TooLong> {
        for &byte in bytes {
            let follows_return = core::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if follows_return => {}
                b'\n' | b'\r' => {
                    each(&String::from_utf8_lossy(&self.line));
                    self.line.clear();
                }
                _ if self.line.len() == MAX_LINE => return Err(TooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(())
    }

    /// Passes what stands after the last end of line, if anything does.
    pub fn end(&mut self, mut each: impl FnMut(&str)) {
        if !self.line.is_empty() {
            each(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;
    use super::MAX_LINE;
    use super::TooLong;
    use alloc::string::String;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn lines_are_the_same_wherever_the_stream_is_cut() {
        let text = "eins\r\n\rdreiß\n\n\r\nsechs";
        let bytes = text.as_bytes();
        for cut in 0..=bytes.len() {
            let mut found: Vec<String> = Vec::new();
            let mut lines = Lines::default();
            for part in [&bytes[..cut], &bytes[cut..]] {
                lines
                    .push(part, |line| found.push(line.into()))
                    .expect("short");
            }
            lines.end(|line| found.push(line.into()));
            assert_eq!(found, ["eins", "", "dreiß", "", "", "sechs"], "{cut}");
        }
    }

    #[test]
    fn endless_line_is_refused() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(&vec![b'x'; MAX_LINE], |_| {}), Ok(()));
        assert_eq!(lines.push(b"x", |_| {}), Err(TooLong));
    }
}

//! The model's text as it comes, freed of what it must not hold.
//!
//! | in the text | becomes |
//! |---|---|
//! | `[2]`, `[1, 3]`, `[2](…)` with numbers of references | a [`Piece::Marks`] |
//! | the same with other numbers | nothing |
//! | `[text](address)`, a bare address, `<address>` of a reference | stays |
//! | the same of anything else | its text; `(link removed)` |
//! | `![text](address)` | its text: an image is fetched without anybody's click |
//! | tags of elements that load, link or run something | nothing |
//! | anything in code | stays |
//!
//! What could become one of these is held back until it is clear what it is. Models are made to leak
//! what they read through addresses that documents bring along: an image's, or a link's that looks
//! harmless.

use super::Reference;
use alloc::string::String;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Longest thing that is waited for, in bytes.
const MAX_HELD: usize = 2048;

/// What stands for an address that no reference has.
const REMOVED: &str = "(link removed)";

/// Elements whose tags are taken out.
const ELEMENTS: [&str; 20] = [
    "a", "audio", "base", "body", "embed", "form", "frame", "iframe", "image", "img", "input",
    "link", "meta", "object", "script", "source", "style", "svg", "track", "video",
];

/// A piece of scrubbed text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text.
    Text(String),
    /// References that are cited here.
    Marks(Vec<u32>),
}

/// What something held back turns out to be.
enum Found {
    /// So many bytes become this.
    Replaced(usize, String),
    /// So many bytes cite these references.
    Cited(usize, Vec<u32>),
    /// So many bytes are text.
    Text(usize),
    /// It depends on what comes.
    Unknown,
}

/// Scrubs one text.
#[derive(Debug)]
pub struct Scrubber {
    /// What is held back.
    held: String,
    /// Length of the run of backticks that began the code that this is in; 0 outside.
    code: usize,
    references: u32,
    addresses: Vec<String>,
}

impl Scrubber {
    /// For the text of a model that was given these references.
    pub fn new(references: &[Reference]) -> Self {
        let addresses = references.iter().map(|one| page(&one.url).to_string());
        Self {
            held: String::new(),
            code: 0,
            references: references.len() as u32,
            addresses: addresses.collect(),
        }
    }

    /// Appends what `text` completes to `out`.
    pub fn push(&mut self, text: &str, out: &mut Vec<Piece>) {
        self.held.push_str(text);
        self.scrub(false, out);
    }

    /// Appends what was held back: nothing comes any more.
    pub fn end(&mut self, out: &mut Vec<Piece>) {
        self.scrub(true, out);
    }

    fn scrub(&mut self, is_whole: bool, out: &mut Vec<Piece>) {
        let held = core::mem::take(&mut self.held);
        let mut rest = &*held;
        let mut text = String::new();
        while !rest.is_empty() {
            let found = match self.find(rest, is_whole) {
                Found::Unknown if is_whole || rest.len() > MAX_HELD => Found::Text(first(rest)),
                found => found,
            };
            let len = match found {
                Found::Unknown => break,
                Found::Text(len) => {
                    text.push_str(rest.get(..len).unwrap_or_default());
                    len
                }
                Found::Replaced(len, by) => {
                    text.push_str(&by);
                    len
                }
                Found::Cited(len, numbers) => {
                    if !numbers.is_empty() {
                        flush(&mut text, out);
                        out.push(Piece::Marks(numbers));
                    }
                    len
                }
            };
            rest = rest.get(len..).unwrap_or_default();
        }
        flush(&mut text, out);
        self.held = rest.to_string();
    }

    /// What `rest` begins with; with `is_whole` nothing follows it.
    fn find(&mut self, rest: &str, is_whole: bool) -> Found {
        if rest.starts_with('`') {
            let run = rest.len() - rest.trim_start_matches('`').len();
            if run == rest.len() {
                return Found::Unknown;
            }
            match self.code {
                0 => self.code = run,
                code if code == run => self.code = 0,
                _ => {}
            }
            return Found::Text(run);
        }
        if self.code > 0 {
            return Found::Text(rest.find('`').unwrap_or(rest.len()));
        }
        if let Some(after) = rest.strip_prefix('!') {
            return match after.chars().next() {
                None => Found::Unknown,
                Some('[') => self.link(after, 1, is_whole),
                Some(_) => Found::Text(1),
            };
        }
        match first_byte(rest) {
            b'[' => self.link(rest, 0, is_whole),
            b'<' => self.tag(rest),
            b'h' | b'H' => self.address(rest, is_whole),
            _ => {
                let special = |c| matches!(c, '`' | '!' | '[' | '<' | 'h' | 'H');
                let next = rest.char_indices().skip(1).find(|&(_, c)| special(c));
                Found::Text(next.map_or(rest.len(), |(at, _)| at))
            }
        }
    }

    /// What begins with `[`; `before` bytes stand before it, which make it an image.
    fn link(&self, rest: &str, before: usize, is_whole: bool) -> Found {
        let Some(close) = rest.find([']', '\n']) else {
            return Found::Unknown;
        };
        if !rest.get(close..).unwrap_or_default().starts_with(']') {
            return Found::Text(before + 1);
        }
        let text = rest.get(1..close).unwrap_or_default();
        let after = rest.get(close + 1..).unwrap_or_default();
        let target = match first_byte(after) {
            0 if !is_whole => return Found::Unknown,
            b'(' => match after.find([')', '\n']) {
                None => return Found::Unknown,
                Some(end) => after.get(1..end),
            },
            _ => None,
        };
        let len = before + close + 1 + target.map_or(0, |target| target.len() + 2);
        if let Some(numbers) = numbers(text) {
            let known = numbers.into_iter();
            return Found::Cited(
                len,
                known
                    .filter(|n| (1..=self.references).contains(n))
                    .collect(),
            );
        }
        match target {
            Some(target)
                if before == 0 && self.is_known(target.split(' ').next().unwrap_or_default()) =>
            {
                Found::Text(len)
            }
            Some(_) => Found::Replaced(len, text.into()),
            None if before > 0 => Found::Replaced(len, text.into()),
            None => Found::Text(1),
        }
    }

    /// What begins with `<`.
    fn tag(&self, rest: &str) -> Found {
        let inside = rest.get(1..).unwrap_or_default();
        let name_start = inside.strip_prefix('/').unwrap_or(inside);
        let name = name_start.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
        let name_len = name_start.len() - name.len();
        if name.is_empty() && name_len <= 10 {
            return Found::Unknown;
        }
        let element = name_start
            .get(..name_len)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let is_address = matches!(&*element, "http" | "https") && name.starts_with(':');
        if !is_address && !ELEMENTS.contains(&&*element) {
            return Found::Text(1);
        }
        match inside.find('>') {
            None => Found::Unknown,
            Some(end) if is_address && self.is_known(inside.get(..end).unwrap_or_default()) => {
                Found::Text(end + 2)
            }
            Some(end) if is_address => Found::Replaced(end + 2, REMOVED.into()),
            Some(end) => Found::Replaced(end + 2, String::new()),
        }
    }

    /// What begins with an `h`.
    fn address(&self, rest: &str, is_whole: bool) -> Found {
        let begins = ["https://", "http://"].into_iter().find(|scheme| {
            let len = scheme.len().min(rest.len());
            let bytes = rest.as_bytes().get(..len).unwrap_or_default();
            bytes.eq_ignore_ascii_case(scheme.as_bytes().get(..len).unwrap_or_default())
        });
        let Some(scheme) = begins else {
            return Found::Text(1);
        };
        let ends =
            |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`' | ')' | ']' | '|');
        let end = match rest.find(ends) {
            None if !is_whole => return Found::Unknown,
            end => end.unwrap_or(rest.len()),
        };
        if end <= scheme.len() {
            return Found::Text(1);
        }
        let address = rest.get(..end).unwrap_or_default();
        let address = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '*', '_']);
        match self.is_known(address) {
            true => Found::Text(address.len()),
            false => Found::Replaced(address.len(), REMOVED.into()),
        }
    }

    fn is_known(&self, address: &str) -> bool {
        let wanted = page(address);
        self.addresses.iter().any(|known| known == wanted)
    }
}

/// An address without its fragment.
fn page(address: &str) -> &str {
    address.split('#').next().unwrap_or_default()
}

/// The numbers of `1`, `1, 3`, `1,3`.
fn numbers(text: &str) -> Option<Vec<u32>> {
    text.split(',')
        .map(|number| number.trim().parse().ok().filter(|_| number.len() < 6))
        .collect()
}

fn first(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

fn first_byte(text: &str) -> u8 {
    text.as_bytes().first().copied().unwrap_or_default()
}

fn flush(text: &mut String, out: &mut Vec<Piece>) {
    if !text.is_empty() {
        out.push(Piece::Text(core::mem::take(text)));
    }
}

#[cfg(test)]
mod tests {
    use super::Piece;
    use super::Scrubber;
    use crate::answer::Reference;
    use alloc::format;
    use alloc::string::String;
    use alloc::vec::Vec;

    /// Scrubbed in pieces of `step` characters; marks as `{n}`.
    fn scrubbed(text: &str, step: usize) -> String {
        let references = [
            Reference::example(1, "https://docs.example/guide/", "", ""),
            Reference::example(2, "/reference/options.html", "", ""),
        ];
        let mut scrubber = Scrubber::new(&references);
        let mut pieces = Vec::new();
        let chars: Vec<char> = text.chars().collect();
        for piece in chars.chunks(step) {
            scrubber.push(&piece.iter().collect::<String>(), &mut pieces);
        }
        scrubber.end(&mut pieces);
        let shown = pieces.into_iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Marks(numbers) => format!("{{{numbers:?}}}"),
        });
        shown.collect()
    }

    #[test]
    fn text_is_scrubbed_wherever_it_is_cut() {
        for (text, expected) in [
            (
                "Plain, with ! and a[i] and h.",
                "Plain, with ! and a[i] and h.",
            ),
            (
                "It works [1][2]. And [1, 2]",
                "It works {[1]}{[2]}. And {[1, 2]}",
            ),
            ("Made up [3], [0], [2, 9].", "Made up , , {[2]}."),
            ("`a[1]` and ``b ` [2]`` [2]", "`a[1]` and ``b ` [2]`` {[2]}"),
            (
                "```c\nx[1] = <img>;\n``` [1]",
                "```c\nx[1] = <img>;\n``` {[1]}",
            ),
            (
                "[guide](https://docs.example/guide/#top) [options](/reference/options.html \"t\")",
                "[guide](https://docs.example/guide/#top) [options](/reference/options.html \"t\")",
            ),
            ("[click](https://evil.example/?q=secret) me", "click me"),
            ("[x](javascript:alert(1)) y", "x) y"),
            ("[1](https://evil.example/)", "{[1]}"),
            ("![pixel](https://evil.example/p.png?d=1)!", "pixel!"),
            ("![pixel](https://docs.example/guide/)", "pixel"),
            ("![pixel][ref]", "pixel[ref]"),
            (
                "see https://docs.example/guide/. Or HTTPS://evil.example/a, or http://",
                "see https://docs.example/guide/. Or (link removed), or http://",
            ),
            (
                "<https://evil.example> <https://docs.example/guide/>",
                "(link removed) <https://docs.example/guide/>",
            ),
            ("<img src=x onerror=alert(1)>a</a><SCRIPT>b</script>", "ab"),
            ("std::vector<int> and a < b", "std::vector<int> and a < b"),
            ("open [", "open ["),
            ("open ![alt", "open ![alt"),
            ("`code [1]", "`code [1]"),
            ("naïve 日本語 [1]", "naïve 日本語 {[1]}"),
        ] {
            for step in [1, 2, 3, 7, 1000] {
                assert_eq!(scrubbed(text, step), expected, "{text} by {step}");
            }
        }
    }

    #[test]
    fn nothing_is_held_for_ever() {
        let text = format!("[{}", "x".repeat(5000));
        assert_eq!(scrubbed(&text, 100), text);
    }
}

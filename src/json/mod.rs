//! JSON text into a small tree and back: filters, the index's root record, model endpoints.
//!
//! The reader is strict ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)) and bounded: nesting,
//! length and number range are limited, and an object that names a key twice is refused, since
//! which one counts would be anybody's guess. Objects keep their order, so that printing is
//! deterministic.

mod number;

use alloc::collections::BinaryHeap;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::fmt::Write;

/// Deepest nesting of arrays and objects that is read; keeps recursion off the end of a small stack.
pub const MAX_DEPTH: usize = 32;

/// Longest text, in bytes, that [`Json::parse`] reads.
pub const MAX_BYTES: usize = 1 << 20;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number; the reader yields finite ones only, and the writer prints others as `null`.
    Number(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Json>),
    /// An object, in the order of the text; the reader guarantees distinct keys.
    Object(Vec<(String, Json)>),
}

/// Why a text is not JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonError {
    /// Byte offset in the text.
    pub offset: usize,
    /// What was found there.
    pub problem: JsonProblem,
}

/// The ways in which a text fails to be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonProblem {
    /// Something else must stand here.
    Expected(&'static str),
    /// Arrays and objects are nested too deeply.
    TooDeep {
        /// The deepest nesting allowed.
        max: usize,
    },
    /// The text is too long.
    TooLong {
        /// The longest text allowed, in bytes.
        max: usize,
    },
    /// A number exceeds the range of a 64-bit float.
    NumberRange,
    /// An object names a key twice.
    DuplicateKey,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JSON at byte {}: ", self.offset)?;
        match self.problem {
            JsonProblem::Expected(what) => write!(f, "expected {what}"),
            JsonProblem::TooDeep { max } => {
                write!(f, "nested deeper than {max} levels; flatten it")
            }
            JsonProblem::TooLong { max } => {
                write!(
                    f,
                    "longer than the {max} bytes that are read here; shorten it"
                )
            }
            JsonProblem::NumberRange => f.write_str("number exceeds the range of a 64-bit float"),
            JsonProblem::DuplicateKey => f.write_str("key appears twice in one object; keep one"),
        }
    }
}

impl core::error::Error for JsonError {}

impl Json {
    /// Reads a text of at most [`MAX_BYTES`] bytes.
    ///
    /// # Errors
    /// [`JsonError`] with the offset of the first byte that does not fit.
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Self::parse_within(text, MAX_BYTES)
    }

    /// Reads a text of at most `max_bytes` bytes.
    ///
    /// # Errors
    /// As [`Json::parse`].
    pub fn parse_within(text: &str, max_bytes: usize) -> Result<Self, JsonError> {
        let mut parser = Parser { text, at: 0 };
        if text.len() > max_bytes {
            return Err(JsonError {
                offset: max_bytes,
                problem: JsonProblem::TooLong { max: max_bytes },
            });
        }
        let value = parser.value(0)?;
        parser.space();
        if parser.at < text.len() {
            return Err(parser.expected("the end of the text"));
        }
        Ok(value)
    }

    /// An object of these members, in this order.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let members = members.into_iter();
        Self::Object(members.map(|(name, value)| (name.into(), value)).collect())
    }

    /// The member `key` of an object.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?
            .iter()
            .find(|(name, _)| name == key)
            .map(|(_, value)| value)
    }

    /// The members, if this is an object.
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// The elements, if this is an array.
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The text, if this is a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if this is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// The number, if this is an integer from 0 to 2^53, where a float is exact.
    pub fn as_u64(&self) -> Option<u64> {
        let number = self.as_f64()?;
        let integer = number as u64;
        (integer <= 1 << 53 && integer as f64 == number).then_some(integer)
    }

    /// The truth value, if this is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(truth) => Some(*truth),
            _ => None,
        }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<f64> for Json {
    fn from(number: f64) -> Self {
        Self::Number(number)
    }
}

impl From<u32> for Json {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl From<bool> for Json {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<Vec<Json>> for Json {
    fn from(elements: Vec<Json>) -> Self {
        Self::Array(elements)
    }
}

/// Prints compactly; floats with the fewest digits that read back as the same float.
impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(truth) => f.write_str(if *truth { "true" } else { "false" }),
            Self::Number(number) if number.is_finite() => number::write(f, *number),
            Self::Number(_) => f.write_str("null"),
            Self::String(text) => write_string(f, text),
            Self::Array(elements) => {
                f.write_char('[')?;
                for (i, element) in elements.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    fmt::Display::fmt(element, f)?;
                }
                f.write_char(']')
            }
            Self::Object(members) => {
                f.write_char('{')?;
                for (i, (key, value)) in members.iter().enumerate() {
                    if i > 0 {
                        f.write_char(',')?;
                    }
                    write_string(f, key)?;
                    f.write_char(':')?;
                    fmt::Display::fmt(value, f)?;
                }
                f.write_char('}')
            }
        }
    }
}

/// Writes `text` as a JSON string, quoted and escaped.
///
/// # Errors
/// Those of `out`.
pub fn write_string(out: &mut impl Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.write_str(text.get(written..at).unwrap_or_default())?;
        written = at + 1;
        match byte {
            b'\n' => out.write_str("\\n")?,
            b'\r' => out.write_str("\\r")?,
            b'\t' => out.write_str("\\t")?,
            b'"' | b'\\' => {
                out.write_char('\\')?;
                out.write_char(char::from(byte))?;
            }
            _ => write!(out, "\\u{byte:04x}")?,
        }
    }
    out.write_str(text.get(written..).unwrap_or_default())?;
    out.write_char('"')
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn expected(&self, what: &'static str) -> JsonError {
        JsonError {
            offset: self.at,
            problem: JsonProblem::Expected(what),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    /// Reads a value below `depth` arrays and objects.
    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.space();
        match self.peek() {
            Some(b'{' | b'[') if depth == MAX_DEPTH => Err(JsonError {
                offset: self.at,
                problem: JsonProblem::TooDeep { max: MAX_DEPTH },
            }),
            Some(b'{') => self.object(depth + 1),
            Some(b'[') => self.array(depth + 1),
            Some(b'"') => self.string().map(Json::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => {
                for (word, value) in [
                    ("null", Json::Null),
                    ("true", Json::Bool(true)),
                    ("false", Json::Bool(false)),
                ] {
                    if self.text.as_bytes()[self.at..].starts_with(word.as_bytes()) {
                        self.at += word.len();
                        return Ok(value);
                    }
                }
                Err(self.expected("a value"))
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut elements = Vec::new();
        self.space();
        if self.eat(b']') {
            return Ok(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.space();
            if self.eat(b']') {
                return Ok(Json::Array(elements));
            }
            if !self.eat(b',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut members = Vec::new();
        let mut offsets = Vec::new();
        self.space();
        if self.eat(b'}') {
            return Ok(Json::Object(members));
        }
        loop {
            self.space();
            offsets.push(self.at);
            let key = self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(self.expected("`:`"));
            }
            members.push((key, self.value(depth)?));
            self.space();
            if self.eat(b'}') {
                break;
            }
            if !self.eat(b',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
        // A heap brings equal keys together in O(n log n) with a fraction of the code of a sort.
        let mut keys: BinaryHeap<(&str, usize)> = members
            .iter()
            .map(|(key, _)| key.as_str())
            .zip(offsets)
            .collect();
        while let Some((key, offset)) = keys.pop() {
            if keys.peek().is_some_and(|(next, _)| *next == key) {
                return Err(JsonError {
                    offset,
                    problem: JsonProblem::DuplicateKey,
                });
            }
        }
        Ok(Json::Object(members))
    }

    fn string(&mut self) -> Result<String, JsonError> {
        if !self.eat(b'"') {
            return Err(self.expected("a string"));
        }
        let mut out = String::new();
        let mut copied = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    out.push_str(self.text.get(copied..self.at).unwrap_or_default());
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(self.text.get(copied..self.at).unwrap_or_default());
                    self.at += 1;
                    out.push(self.escape()?);
                    copied = self.at;
                }
                None => return Err(self.expected("the string's closing `\"`")),
                Some(0..0x20) => {
                    return Err(self.expected("control characters to be escaped in strings"));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Result<char, JsonError> {
        let plain = match self.peek() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.at += 1;
                return self.unicode();
            }
            _ => return Err(self.expected("one of \"\\/bfnrtu after a backslash")),
        };
        self.at += 1;
        Ok(plain)
    }

    /// Reads `XXXX` or, for characters past U+FFFF, the surrogate pair `XXXX\uXXXX`.
    fn unicode(&mut self) -> Result<char, JsonError> {
        let start = self.at;
        let mut code = self.hex4()?;
        if (0xd800..0xdc00).contains(&code) && self.eat(b'\\') && self.eat(b'u') {
            let low = self.hex4()?.wrapping_sub(0xdc00);
            // A value that is no low surrogate leaves `code` one that `char` refuses.
            if low < 0x400 {
                code = 0x10000 + ((code - 0xd800) << 10) + low;
            }
        }
        char::from_u32(code).ok_or(JsonError {
            offset: start,
            problem: JsonProblem::Expected("surrogates in pairs, high before low"),
        })
    }

    fn hex4(&mut self) -> Result<u32, JsonError> {
        let mut code = 0;
        for _ in 0..4 {
            let digit = self.peek().and_then(|byte| char::from(byte).to_digit(16));
            code = code << 4 | digit.ok_or_else(|| self.expected("four hex digits"))?;
            self.at += 1;
        }
        Ok(code)
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') {
            self.digits()?;
        }
        if self.eat(b'.') {
            self.digits()?;
        }
        if self.eat(b'e') || self.eat(b'E') {
            if !self.eat(b'+') {
                self.eat(b'-');
            }
            self.digits()?;
        }
        let number = number::parse(self.text.get(start..self.at).unwrap_or_default());
        if number.is_finite() {
            Ok(Json::Number(number))
        } else {
            Err(JsonError {
                offset: start,
                problem: JsonProblem::NumberRange,
            })
        }
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == start {
            Err(self.expected("a digit"))
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use alloc::vec;

    fn problem(text: &str) -> (usize, JsonProblem) {
        let error = Json::parse(text).expect_err(text);
        assert!(!error.to_string().is_empty());
        (error.offset, error.problem)
    }

    #[test]
    fn value_of_every_kind_is_read() {
        let text = " {\"a\" : [null, true,false, -0.5e+2 , 0],\"\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00é\"}\n";
        let expected = Json::Object(vec![
            (
                "a".into(),
                Json::Array(vec![
                    Json::Null,
                    true.into(),
                    false.into(),
                    Json::Number(-50.0),
                    Json::Number(0.0),
                ]),
            ),
            (String::new(), "\"\\/\u{8}\u{c}\n\r\té😀é".into()),
        ]);
        assert_eq!(Json::parse(text), Ok(expected));
    }

    #[test]
    fn malformed_text_is_an_error_at_its_offset() {
        for (text, offset, what) in [
            ("", 0, "a value"),
            ("nul", 0, "a value"),
            ("é", 0, "a value"),
            ("[1 2]", 3, "`,` or `]`"),
            ("[1,]", 3, "a value"),
            ("{\"a\":1,}", 7, "a string"),
            ("{\"a\" 1}", 5, "`:`"),
            ("{\"a\":1", 6, "`,` or `}`"),
            ("1 1", 2, "the end of the text"),
            ("01", 1, "the end of the text"),
            ("-", 1, "a digit"),
            ("1.", 2, "a digit"),
            ("1e+", 3, "a digit"),
            ("\"a", 2, "the string's closing `\"`"),
            ("\"\n\"", 1, "control characters to be escaped in strings"),
            ("\"\\x\"", 2, "one of \"\\/bfnrtu after a backslash"),
            ("\"\\u12g4\"", 5, "four hex digits"),
            ("\"\\ud800\"", 3, "surrogates in pairs, high before low"),
            (
                "\"\\ud800\\u0041\"",
                3,
                "surrogates in pairs, high before low",
            ),
            ("\"\\udc00\"", 3, "surrogates in pairs, high before low"),
        ] {
            assert_eq!(
                problem(text),
                (offset, JsonProblem::Expected(what)),
                "{text}"
            );
        }
        assert_eq!(problem("1e999"), (0, JsonProblem::NumberRange));
        assert_eq!(
            problem("{\"a\":1,\"b\":2,\"\\u0061\":3}"),
            (13, JsonProblem::DuplicateKey),
            "the offset is that of the later key"
        );
    }

    #[test]
    fn limits_on_depth_and_length_are_held() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(Json::parse(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(
            problem(&nested(MAX_DEPTH + 1)),
            (MAX_DEPTH, JsonProblem::TooDeep { max: MAX_DEPTH })
        );
        assert!(Json::parse_within("1234", 4).is_ok());
        assert_eq!(
            Json::parse_within("12345", 4).map_err(|e| e.problem),
            Err(JsonProblem::TooLong { max: 4 })
        );
    }

    #[test]
    fn printed_numbers_are_short_and_never_invalid() {
        for (number, text) in [
            (0.1, "0.1"),
            (-3.0, "-3"),
            (1e21, "1e21"),
            (f64::NAN, "null"),
        ] {
            assert_eq!(Json::Number(number).to_string(), text);
        }
    }

    #[test]
    fn numbers_are_integers_only_where_floats_are_exact() {
        assert_eq!(Json::Number(7.0).as_u64(), Some(7));
        assert_eq!(
            Json::Number(9_007_199_254_740_992.0).as_u64(),
            Some(1 << 53)
        );
        for number in [0.5, -1.0, 1e300, f64::NAN] {
            assert_eq!(Json::Number(number).as_u64(), None);
        }
    }

    #[cfg(not(target_arch = "wasm32"))]
    mod properties {
        use super::*;
        use proptest::collection::btree_map;
        use proptest::collection::vec;
        use proptest::prelude::*;

        fn json() -> impl Strategy<Value = Json> {
            let leaf = prop_oneof![
                Just(Json::Null),
                any::<bool>().prop_map(Json::Bool),
                proptest::num::f64::NORMAL.prop_map(Json::Number),
                any::<i32>().prop_map(|n| Json::Number(n.into())),
                any::<String>().prop_map(Json::String),
            ];
            leaf.prop_recursive(4, 40, 6, |inner| {
                prop_oneof![
                    vec(inner.clone(), 0..6).prop_map(Json::Array),
                    btree_map(any::<String>(), inner, 0..6)
                        .prop_map(|members| Json::Object(members.into_iter().collect())),
                ]
            })
        }

        proptest! {
            #[test]
            fn printed_tree_reads_back_equal(tree in json()) {
                prop_assert_eq!(Json::parse(&tree.to_string()), Ok(tree));
            }

            #[test]
            fn arbitrary_text_never_panics(text in "[\\[\\]{}\",:0-9eE+.\\\\u a-fé-]{0,40}") {
                if let Ok(tree) = Json::parse(&text) {
                    prop_assert_eq!(Json::parse(&tree.to_string()), Ok(tree));
                }
            }
        }
    }
}

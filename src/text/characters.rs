//! Characters: which belong to words, how they are folded, and which scripts write without spaces.
//!
//! The tables are our own, not those of the standard library, for two reasons: they are part of
//! what an [`AnalyzerId`](super::AnalyzerId) fixes (the standard library's change with the
//! compiler, and an index outlives a compiler), and they cost a module 1 kB instead of 6 kB.

use alloc::string::String;

/// What a character is to the analyzer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// Ends a word.
    Separator,
    /// Part of a word.
    Word,
    /// Part of a run that is cut into overlapping n-grams of this many characters, because its
    /// script puts no spaces between words.
    NGram(usize),
}

/// Ranges of separators from U+00C0 on, sorted; every other character there counts as a letter.
const SEPARATORS: &[(u32, u32)] = &[
    (0x00d7, 0x00d7),
    (0x00f7, 0x00f7),
    (0x02c2, 0x02c5),
    (0x02d2, 0x02df),
    (0x037e, 0x037e),
    (0x0387, 0x0387),
    (0x0482, 0x0482),
    (0x055a, 0x055f),
    (0x0589, 0x058f),
    (0x05be, 0x05be),
    (0x05c0, 0x05c0),
    (0x05c3, 0x05c3),
    (0x05c6, 0x05c6),
    (0x05f3, 0x05f4),
    (0x0600, 0x060f),
    (0x061b, 0x061f),
    (0x066a, 0x066d),
    (0x06d4, 0x06d4),
    (0x0700, 0x070f),
    (0x0964, 0x0965),
    (0x0970, 0x0970),
    (0x0df4, 0x0df4),
    (0x0e3f, 0x0e3f),
    (0x0e4f, 0x0e4f),
    (0x0e5a, 0x0e5b),
    (0x0f01, 0x0f17),
    (0x0f3a, 0x0f3d),
    (0x104a, 0x104f),
    (0x10fb, 0x10fb),
    (0x1360, 0x1368),
    (0x1400, 0x1400),
    (0x166d, 0x166e),
    (0x1680, 0x1680),
    (0x169b, 0x169c),
    (0x17d4, 0x17d6),
    (0x17d8, 0x17db),
    (0x1800, 0x180a),
    (0x2000, 0x2070),
    (0x207a, 0x207e),
    (0x208a, 0x208e),
    (0x20a0, 0x20cf),
    (0x2190, 0x2bff),
    (0x2e00, 0x2e7f),
    (0x2ff0, 0x3004),
    (0x3008, 0x3020),
    (0x3030, 0x3030),
    (0x303d, 0x303f),
    (0x30a0, 0x30a0),
    (0x30fb, 0x30fb),
    (0xd800, 0xf8ff),
    (0xfd3e, 0xfd3f),
    (0xfe10, 0xfe1f),
    (0xfe30, 0xfe6f),
    (0xfeff, 0xfeff),
    (0xff00, 0xff0f),
    (0xff1a, 0xff20),
    (0xff3b, 0xff40),
    (0xff5b, 0xff65),
    (0xffe0, 0xffff),
    (0x1d000, 0x1d3ff),
    (0x1f000, 0x1fbff),
    (0xe0000, 0x10ffff),
];

/// Ranges of scripts written without spaces between words, sorted, with the length of n-gram that
/// finds most: bigrams 0.963 nDCG@10 on Chinese XQuAD (single characters 0.952, trigrams 0.879),
/// trigrams 0.955 on Thai (bigrams 0.915).
const NGRAM_SCRIPTS: &[(u32, u32, usize)] = &[
    (0x0e00, 0x0eff, 3),   // Thai, Lao
    (0x1000, 0x109f, 3),   // Myanmar
    (0x1100, 0x11ff, 2),   // Hangul letters
    (0x1780, 0x17ff, 3),   // Khmer
    (0x3005, 0x3007, 2),   // Han iteration marks
    (0x3021, 0x318f, 2),   // Kana, Bopomofo, Hangul letters
    (0x31a0, 0x31ff, 2),   // Bopomofo and Kana extensions
    (0x3400, 0x4dbf, 2),   // Han extension A
    (0x4e00, 0x9fff, 2),   // Han
    (0xac00, 0xd7ff, 2),   // Hangul syllables
    (0xf900, 0xfaff, 2),   // Han compatibility
    (0xff66, 0xff9f, 2),   // half-width Kana
    (0x20000, 0x3ffff, 2), // Han extensions B and later
];

/// Classifies `c`.
pub(super) fn class(c: char) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() || c == '_' {
            Class::Word
        } else {
            Class::Separator
        };
    }
    let code = c as u32;
    if code < 0xc0 {
        // Of Latin-1's symbols, the micro sign and the soft hyphen stand inside words.
        return if matches!(code, 0xad | 0xb5) {
            Class::Word
        } else {
            Class::Separator
        };
    }
    let at = SEPARATORS.partition_point(|&(_, last)| last < code);
    if SEPARATORS.get(at).is_some_and(|&(first, _)| first <= code) {
        return Class::Separator;
    }
    let at = NGRAM_SCRIPTS.partition_point(|&(_, last, _)| last < code);
    match NGRAM_SCRIPTS.get(at) {
        Some(&(first, _, n)) if first <= code => Class::NGram(n),
        _ => Class::Word,
    }
}

/// Whether `c` belongs to a word of a script that uses spaces.
pub(super) fn is_word(c: char) -> bool {
    class(c) == Class::Word
}

/// Whether `c` is a capital letter, as far as case marks a boundary inside an identifier.
pub(super) fn is_upper(c: char) -> bool {
    if c.is_ascii() {
        c.is_ascii_uppercase()
    } else {
        lower(c) != c
    }
}

/// Whether `c` stands between the two parts of `don't`.
pub(super) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}')
}

/// Whether `c` joins the parts of a compound: hyphen-minus, hyphen, non-breaking hyphen.
pub(super) fn is_hyphen(c: char) -> bool {
    matches!(c, '-' | '\u{2010}' | '\u{2011}')
}

/// The small letter of a capital in the scripts that have both; other characters as they are.
fn lower(c: char) -> char {
    let code = c as u32;
    let small = match code {
        0x41..=0x5a => code + 32,
        0xc0..=0xd6 | 0xd8..=0xde => code + 32,
        0x0130 => 0x69,
        // Latin Extended A and B alternate capital and small letter; the phase shifts twice.
        0x0139..=0x0148 | 0x0179..=0x017e | 0x01cd..=0x01dc => code + (code & 1),
        0x0100..=0x0137
        | 0x014a..=0x0177
        | 0x01de..=0x01ef
        | 0x01f8..=0x021f
        | 0x0222..=0x0233
        | 0x1e00..=0x1e95
        | 0x1ea0..=0x1eff => code | 1,
        0x0178 => 0xff,
        0x01a0 | 0x01af => code + 1,
        0x0386 => 0x03ac,
        0x0388..=0x038a => code + 37,
        0x038c => 0x03cc,
        0x038e | 0x038f => code + 63,
        0x0391..=0x03a1 | 0x03a3..=0x03ab => code + 32,
        0x0400..=0x040f => code + 80,
        0x0410..=0x042f => code + 32,
        0x0460..=0x0481 | 0x048a..=0x04bf | 0x04d0..=0x052f => code | 1,
        0x0531..=0x0556 => code + 48,
        _ => code,
    };
    char::from_u32(small).unwrap_or(c)
}

/// Base letters of U+00C0 to U+017F; `*` marks what is not one letter.
const LATIN: &[u8; 192] = b"aaaaaa*ceeeeiiiidnooooo*ouuuuy**\
    aaaaaa*ceeeeiiiidnooooo*ouuuuy*y\
    aaaaaaccccccccddddeeeeeeeeeegggg\
    gggghhhhiiiiiiiiii**jjkkklllllll\
    lllnnnnnnnnnoooooo**rrrrrrssssss\
    ssttttttuuuuuuuuuuuuwwyyyzzzzzzs";

/// Appends the folded form of `c`: small, without diacritics, full-width forms as ASCII.
pub(super) fn fold(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    let code = c as u32;
    let base = match code {
        0xad | 0x0300..=0x036f => return, // soft hyphen, combining diacritics
        0x0591..=0x05c7 | 0x0610..=0x061a | 0x0640 | 0x064b..=0x065f | 0x0670 => return, // vowel points
        0x093c => return,                                                                // nukta
        0xfe00..=0xfe0f => return, // variation selectors
        0xb5 => 'μ',
        0xc6 | 0xe6 => return out.push_str("ae"),
        0x152 | 0x153 => return out.push_str("oe"),
        0xdf | 0x1e9e => return out.push_str("ss"),
        0xde | 0xfe => return out.push_str("th"),
        0x132 | 0x133 => return out.push_str("ij"),
        0x00c0..=0x017f => char::from(LATIN[(code - 0xc0) as usize]),
        0x01a0 | 0x01a1 | 0x01d1 | 0x01d2 | 0x1ecc..=0x1ee3 => 'o',
        0x01af | 0x01b0 | 0x01d3..=0x01dc | 0x1ee4..=0x1ef1 => 'u',
        0x01cd | 0x01ce | 0x1ea0..=0x1eb7 => 'a',
        0x1eb8..=0x1ec7 => 'e',
        0x01cf | 0x01d0 | 0x1ec8..=0x1ecb => 'i',
        0x1ef2..=0x1ef9 => 'y',
        0x0218 | 0x0219 => 's',
        0x021a | 0x021b => 't',
        0xff10..=0xff5a => {
            // Full-width digits and letters sit at a fixed distance from ASCII.
            return fold(char::from((code - 0xfee0) as u8), out);
        }
        _ => match lower(c) {
            'ά' => 'α',
            'έ' => 'ε',
            'ή' => 'η',
            'ί' | 'ϊ' | 'ΐ' => 'ι',
            'ό' => 'ο',
            'ύ' | 'ϋ' | 'ΰ' => 'υ',
            'ώ' => 'ω',
            'ς' => 'σ',
            'ё' => 'е',
            // Arabic as it is typed, and Persian letters of the same sound.
            'أ' | 'إ' | 'آ' | 'ٱ' => 'ا',
            'ى' | 'ی' => 'ي',
            'ة' => 'ه',
            'ک' => 'ك',
            small => small,
        },
    };
    out.push(base);
}

/// Whether `c` shows nothing and changes nothing that a reader sees, as far as it can be told from itself
/// alone: such characters can hide words from readers and show them to a language model. Joiners, which
/// shape Arabic and Indic words and emoji, are not among them; white space is not either.
pub fn is_invisible(c: char) -> bool {
    match c {
        '\n' | '\t' => false,
        '\u{AD}'
        | '\u{34F}'
        | '\u{61C}'
        | '\u{115F}'..='\u{1160}'
        | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'
        | '\u{200E}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF9}'..='\u{FFFB}'
        | '\u{E0000}'..='\u{E0FFF}' => true,
        _ => c.is_control(),
    }
}

#[cfg(test)]
mod tests {
    use super::Class;
    use super::class;
    use super::fold;
    use super::is_upper;
    use super::lower;
    use alloc::string::String;
    use alloc::vec::Vec;

    fn folded(text: &str) -> String {
        let mut out = String::new();
        text.chars().for_each(|c| fold(c, &mut out));
        out
    }

    #[test]
    fn latin_letters_fold_to_their_base() {
        assert_eq!(folded("ÀÉîõüçñÿŸ"), "aeioucnyy");
        assert_eq!(
            folded("ĀĐęĞħİıĵķĸĹŀŁńŊōŒŔşŧũŵŷŽſ"),
            "adeghiijkklllnnooerstuwyzs"
        );
        assert_eq!(
            folded("straße Æsir Þór Việt Nguyễn"),
            "strasse aesir thor viet nguyen"
        );
        assert_eq!(folded("e\u{301}"), "e");
        assert_eq!(folded("ΆΒΓς Ёлка ＡＢＣ１２"), "αβγσ елка abc12");
    }

    #[test]
    fn letters_of_every_script_fold_as_their_readers_type_them() {
        for (written, typed) in [
            ("Größe Łódź Ørsted Ijsland", "grosse lodz orsted ijsland"),
            ("Iğdır ISPARTA İzmir", "igdir isparta izmir"),
            ("Ελληνική ΓΛΏΣΣΑ ϊός", "ελληνικη γλωσσα ιοσ"),
            ("МОСКВА подъём", "москва подъем"),
            ("إسلام أحمد آثار مدرسة على", "اسلام احمد اثار مدرسه علي"),
            ("كِتَابٌ کتابی", "كتاب كتابي"),
            ("שָׁלוֹם", "שלום"),
            ("क\u{93c}लम हिन्दी", "कलम हिन्दी"),
            ("Ｔｏｋｙｏ 東京", "tokyo 東京"),
            ("서울 Đà Nẵng", "서울 da nang"),
        ] {
            assert_eq!(folded(written), typed);
        }
    }

    #[test]
    fn every_latin_letter_folds_to_what_its_name_says() {
        // The small letter folds as its capital does, for every pair the standard library knows.
        for code in 0xc0..0x180u32 {
            let Some(c) = char::from_u32(code) else {
                continue;
            };
            let small: Vec<char> = c.to_lowercase().collect();
            if class(c) == Class::Word && small.len() == 1 {
                assert_eq!(
                    folded(&String::from(c)),
                    folded(&String::from(small[0])),
                    "{c}"
                );
            }
        }
    }

    #[test]
    fn capitals_agree_with_unicode_where_case_is_known() {
        for code in 0..0x600u32 {
            let Some(c) = char::from_u32(code) else {
                continue;
            };
            if lower(c) != c {
                assert_eq!(c.to_lowercase().next(), Some(lower(c)), "U+{code:04X}");
            }
            assert!(!c.is_ascii() || is_upper(c) == c.is_uppercase());
        }
    }

    #[test]
    fn no_letter_of_unicode_is_a_separator() {
        // Exceptions: mathematical alphabets, symbols that Unicode calls letters, and the like.
        let lost: Vec<u32> = (0xc0..0x1d000u32)
            .filter_map(char::from_u32)
            .filter(|&c| c.is_alphabetic() && class(c) == Class::Separator)
            .map(|c| c as u32)
            .filter(|c| !matches!(c, 0x24b6..=0x24e9 | 0x2e2f | 0xff5b..=0xff65))
            .collect();
        assert!(lost.is_empty(), "{lost:x?}");
    }
}

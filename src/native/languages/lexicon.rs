//! What is known about languages before a document is read.

use coracle::text::Apostrophe;
use coracle::text::MAX_STOP_WORDS;
use coracle::text::folded;
use snowstem::Algorithm;
use snowstem::Stemmer;

/// Languages by ISO 639-1 code with the code that detection has for them (ISO 639-3) and their
/// Snowball stemmer.
const LANGUAGES: &[(&str, &str, Option<Algorithm>)] = &[
    ("ar", "ara", Some(Algorithm::Arabic)),
    ("bg", "bul", None),
    ("ca", "cat", None),
    ("cs", "ces", Some(Algorithm::Czech)),
    ("da", "dan", Some(Algorithm::Danish)),
    ("de", "deu", Some(Algorithm::German)),
    ("el", "ell", Some(Algorithm::Greek)),
    ("en", "eng", Some(Algorithm::English)),
    ("es", "spa", Some(Algorithm::Spanish)),
    ("et", "est", None),
    ("fa", "pes", None),
    ("fi", "fin", Some(Algorithm::Finnish)),
    ("fr", "fra", Some(Algorithm::French)),
    ("he", "heb", None),
    ("hi", "hin", None),
    ("hr", "hrv", None),
    ("hu", "hun", Some(Algorithm::Hungarian)),
    ("id", "ind", None),
    ("it", "ita", Some(Algorithm::Italian)),
    ("ja", "jpn", None),
    ("ko", "kor", None),
    ("lt", "lit", None),
    ("lv", "lav", None),
    ("nl", "nld", Some(Algorithm::Dutch)),
    ("no", "nob", Some(Algorithm::Norwegian)),
    ("pl", "pol", Some(Algorithm::Polish)),
    ("pt", "por", Some(Algorithm::Portuguese)),
    ("ro", "ron", Some(Algorithm::Romanian)),
    ("ru", "rus", Some(Algorithm::Russian)),
    ("sk", "slk", None),
    ("sl", "slv", None),
    ("sr", "srp", None),
    ("sv", "swe", Some(Algorithm::Swedish)),
    ("ta", "tam", Some(Algorithm::Tamil)),
    ("th", "tha", None),
    ("tr", "tur", Some(Algorithm::Turkish)),
    ("uk", "ukr", None),
    ("ur", "urd", None),
    ("vi", "vie", None),
    ("zh", "cmn", None),
];

/// The code of the language that an input names (`de`, `pt-BR`, `nb_NO`), if it is a known one.
#[must_use]
pub fn code_of(named: &str) -> Option<&'static str> {
    let primary = named.trim().split(['-', '_']).next()?.to_ascii_lowercase();
    // Both written standards of Norwegian have one stemmer.
    let primary = match primary.as_str() {
        "nb" | "nn" => "no",
        other => other,
    };
    let known = LANGUAGES
        .iter()
        .find(|language| language.0 == primary || language.1 == primary);
    known.map(|language| language.0)
}

/// All codes.
pub fn codes() -> impl Iterator<Item = &'static str> {
    LANGUAGES.iter().map(|language| language.0)
}

/// The Snowball stemmer of a language, where there is one.
#[must_use]
pub fn stemmer(code: &str) -> Option<Stemmer> {
    let language = LANGUAGES.iter().find(|language| language.0 == code)?;
    language.2.map(Stemmer::create)
}

/// What an apostrophe does in a language.
#[must_use]
pub fn apostrophe(code: &str) -> Apostrophe {
    match code {
        "fr" | "it" | "ca" => Apostrophe::Elides,
        "tr" => Apostrophe::Ends,
        _ => Apostrophe::Joins,
    }
}

/// What folded words of a language may begin with that goes: in Arabic articles and conjunctions, as in
/// L. Larkey et al., *Light stemming for Arabic information retrieval*, 2007 (light10).
#[must_use]
pub fn prefixes(code: &str) -> Vec<String> {
    let all = match code {
        "ar" => "ال بال فال كال لل و وال",
        _ => "",
    };
    let mut all: Vec<String> = all.split_whitespace().map(String::from).collect();
    all.sort_unstable();
    all
}

/// Whether words of a language are put together without a space.
#[must_use]
pub fn has_compounds(code: &str) -> bool {
    matches!(code, "de" | "nl" | "sv" | "da" | "no" | "fi")
}

/// A word in small letters, which is what stemmers expect.
#[must_use]
pub fn lower(code: &str, word: &str) -> String {
    match code {
        "tr" => word.replace('I', "ı").replace('İ', "i").to_lowercase(),
        _ => word.to_lowercase(),
    }
}

/// Whether a folded word consists of letters alone.
#[must_use]
pub fn is_alphabetic(word: &str) -> bool {
    word.chars().all(char::is_alphabetic)
}

/// Chinese characters that mostly are particles, prepositions, pronouns, conjunctions, auxiliaries or
/// words of questions, in both scripts.
const CHINESE: &str = "的 了 在 是 和 有 与 為 为 之 也 而 及 被 并 或 个 個 么 麼 什 哪 谁 誰 吗 嗎 呢 吧 這 这 那 您 你 我 他 她 它 \
    以 于 於 由 对 對 从 從 其 中 此 者 所 就 都 能 会 會 要 可 不 没 沒 上 下 到 多 少 几 幾 何 如 怎 样 樣 些 时 時 后 後 前 \
    将 將 把 给 給 让 讓 向 着 著 过 過 地 得 與 並";

/// Folded words that say little, ascending.
///
/// Source: the lists of NLTK, which are Snowball's where that has one (crate `stop-words`).
#[must_use]
pub fn stop_words(code: &str) -> Vec<String> {
    let mut words: Vec<String> = match code {
        "zh" => CHINESE.split(' ').map(String::from).collect(),
        "ja" | "ko" | "th" => Vec::new(),
        _ => stop_words::lookup(code)
            .unwrap_or_default()
            .iter()
            .map(|word| folded(&lower(code, word)))
            .filter(|word| !word.is_empty() && !word.contains(' '))
            .collect(),
    };
    words.sort_unstable();
    words.dedup();
    words.truncate(MAX_STOP_WORDS);
    words
}

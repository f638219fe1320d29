//! The built-in model against the reference implementation, whose answers are in this folder.

use std::cell::Cell;
use std::num::NonZeroUsize;
use std::sync::LazyLock;

use coracle_cli::embed::Embedder;
use coracle_cli::embed::MiniLm;
use proptest::prelude::Strategy;
use proptest::prop_assert_eq;
use proptest::proptest;
use serde::Deserialize;

#[derive(Deserialize)]
struct Texts {
    tricky: Vec<String>,
    passages: Vec<String>,
}

static TEXTS: LazyLock<Texts> =
    LazyLock::new(|| serde_json::from_str(include_str!("texts.json")).unwrap());

fn passages() -> Vec<&'static str> {
    TEXTS.passages.iter().map(String::as_str).collect()
}

fn model(threads: usize) -> MiniLm {
    MiniLm::new(NonZeroUsize::new(threads)).unwrap()
}

static MODEL: LazyLock<MiniLm> = LazyLock::new(|| model(2));

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

#[test]
fn embed_reference_passages_is_close_to_the_f32_model() {
    let reference: Vec<f32> = include_bytes!("vectors.f32")
        .as_chunks()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect();
    let rows = MODEL.embed(&passages(), &|_| {}).unwrap();
    assert_eq!(rows.len(), reference.len());
    let cosines = rows.chunks(384).zip(reference.chunks(384)).map(|(a, b)| {
        assert!((dot(a, a) - 1.0).abs() < 1e-5);
        dot(a, b)
    });
    let cosines: Vec<f64> = cosines.collect();
    let least = cosines.iter().copied().fold(1.0, f64::min);
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    assert!(
        cosines.len() >= 20 && least >= 0.985 && mean >= 0.992,
        "mean {mean}, {cosines:?}"
    );
}

#[test]
fn tokens_tricky_texts_equal_the_reference() {
    let ids: Vec<Vec<u32>> = serde_json::from_str(include_str!("tokens.json")).unwrap();
    let texts = TEXTS.tricky.iter().chain(&TEXTS.passages);
    assert_eq!(texts.clone().count(), ids.len());
    let counter = MODEL.token_counter();
    for (text, ids) in texts.zip(ids) {
        assert_eq!(MODEL.token_ids(text), ids[..], "{text:?}");
        assert_eq!(counter.count_tokens(text), ids.len() - 2, "{text:?}");
        assert_eq!(counter.count_tokens(text), ids.len() - 2, "again: {text:?}");
    }
}

proptest! {
    #[test]
    fn count_tokens_any_text_equals_tokenizing(
        text in proptest::collection::vec(fragment(), 0..12).prop_map(|parts| parts.concat())
    ) {
        let tokens = MODEL.token_ids(&text).len() - 2;
        prop_assert_eq!(MODEL.token_counter().count_tokens(&text), tokens);
    }
}

/// Pieces that make texts on which word counting could go wrong.
fn fragment() -> impl Strategy<Value = String> {
    proptest::prop_oneof![
        "[a-zA-Z0-9]{1,12}",
        "[ \t\r\n]{1,2}",
        "[\\x00-\\x7f]{1,4}",
        "\\PC{1,4}",
        "[\u{300}-\u{310}\u{200b}-\u{200f}\u{a0}\u{ad}\u{85}\u{3000}\u{4e00}-\u{4e20}]{1,3}",
        "(\\[SEP\\]|\\[CLS\\]|\\[MASK\\]|##|\\[)",
    ]
}

#[test]
fn embed_other_company_or_threads_changes_no_bit() {
    let texts = passages();
    let bits = |rows: &[f32]| rows.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
    let all = MODEL.embed(&texts, &|_| {}).unwrap();
    assert_eq!(bits(&model(1).embed(&texts, &|_| {}).unwrap()), bits(&all));
    assert_eq!(bits(&model(5).embed(&texts, &|_| {}).unwrap()), bits(&all));
    let alone = texts
        .iter()
        .flat_map(|text| MODEL.embed(&[text], &|_| {}).unwrap());
    assert_eq!(bits(&alone.collect::<Vec<_>>()), bits(&all));
}

#[test]
fn embed_text_beyond_max_tokens_is_cut_there() {
    let long = "word ".repeat(400);
    let cut = "word ".repeat(254);
    let rows = MODEL.embed(&[&long, &cut], &|_| {}).unwrap();
    assert_eq!(rows[..384], rows[384..]);
}

#[test]
fn embed_empty_text_and_no_texts_are_fine() {
    assert!(MODEL.embed(&[], &|_| {}).unwrap().is_empty());
    assert!(
        MODEL
            .embed(&[""], &|_| {})
            .unwrap()
            .iter()
            .all(|x| x.is_finite())
    );
}

#[test]
fn embed_many_texts_reports_each_once() {
    let texts = vec!["a"; 300];
    let finished = Cell::new(0);
    MODEL
        .embed(&texts, &|n| finished.set(finished.get() + n))
        .unwrap();
    assert_eq!(finished.get(), 300);
}

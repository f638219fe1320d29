//! nDCG@10 of whole searches on judged collections: built by the command, embedded by the default
//! model, queried offline and with the model. Needs `CORACLE_DATA`; see tests/README.md for where the sets come from.

#[path = "../support/collection.rs"]
mod collection;

use collection::data;
use collection::index;
use coracle::search::Fusion;
use coracle_cli::evaluate;
use coracle_cli::evaluate::Figures;
use coracle_cli::evaluate::Way;
use coracle_cli::evaluate::judged;
use coracle_cli::report::Stage;
use std::path::Path;
use std::path::PathBuf;

fn judged_set(name: &str) -> Option<PathBuf> {
    data(&format!("ir/{name}"))
}

/// The figures of an index in these ways, in their order.
fn measure(folder: &Path, place: &str, ways: &[Way]) -> Vec<Figures> {
    let (queries, qrels) = (folder.join("queries.jsonl"), folder.join("qrels.tsv"));
    let mut questions = judged::read(&queries, &qrels).expect("questions");
    let root = evaluate::open(place).expect("an index").root().clone();
    if ways.iter().any(|way| way.model) {
        assert!(evaluate::embed(&root, &mut questions).expect("embeddings"));
    }
    evaluate::measure(
        || evaluate::open(place),
        &questions,
        ways,
        Fusion::Auto,
        &Stage::hidden(),
    )
    .expect("results")
}

/// nDCG@10 of a collection.
struct Ndcg {
    keyword: f64,
    vector: f64,
    hybrid: f64,
    /// With the model's own embeddings of questions.
    vector_model: f64,
    hybrid_model: f64,
}

/// Measures a collection and holds it to what every collection must reach.
fn figures(name: &str) -> Option<Ndcg> {
    let folder = judged_set(name)?;
    let place = index(name, &collection::corpus(name, &folder), "default");
    let root = evaluate::open(&place).expect("an index").root().clone();
    let measured = measure(&folder, &place, &evaluate::ways(&root, true));
    for figures in &measured {
        println!("{name}: {} nDCG@10 {:.4}", figures.mode, figures.ndcg10);
    }
    let of = |mode: &str| {
        let mut all = measured.iter();
        all.find(|figures| figures.mode == mode)
            .map(|figures| figures.ndcg10)
    };
    let shipped = |mode: &str| of(mode).expect("measured");
    // Whoever asks by words and meaning loses nothing worth mentioning to the better half.
    for (hybrid, vector) in [("hybrid", "vector"), ("hybrid-model", "vector-model")] {
        let better = shipped("keyword").max(shipped(vector));
        assert!(
            shipped(hybrid) >= better - 0.01,
            "{name}: {hybrid} {:.4} for {better:.4}",
            shipped(hybrid)
        );
    }
    // Small indexes have no cells: nothing is left out.
    let exact = |mode: &str| of(&format!("{mode}-exact")).unwrap_or(shipped(mode));
    assert!(shipped("hybrid") > exact("hybrid") - 0.015);
    // Where the model knows the language.
    let kept = exact("vector") / shipped("vector-model");
    assert!(
        kept >= 0.93,
        "term rows keep {kept:.3} of the model's nDCG@10"
    );
    Some(Ndcg {
        keyword: shipped("keyword"),
        vector: shipped("vector"),
        hybrid: shipped("hybrid"),
        vector_model: shipped("vector-model"),
        hybrid_model: shipped("hybrid-model"),
    })
}

#[test]
fn code_questions_by_words_alone_reach_0_70() {
    let Some(folder) = judged_set("tech-code") else {
        return;
    };
    let place = index("tech-code", &folder.join("corpus.jsonl.gz"), "none");
    let root = evaluate::open(&place).expect("an index").root().clone();
    let keyword = measure(&folder, &place, &evaluate::ways(&root, false))[0].ndcg10;
    println!("tech-code: keyword {keyword:.4}");
    assert!(keyword >= 0.70, "{keyword:.4}");
}

#[test]
fn scifact_offline_hybrid_gains_on_words() {
    let Some(ndcg) = figures("scifact") else {
        return;
    };
    assert!(ndcg.keyword >= 0.679, "{:.4}", ndcg.keyword);
    assert!(ndcg.vector >= 0.60, "{:.4}", ndcg.vector);
    assert!(ndcg.hybrid >= ndcg.keyword + 0.02, "{:.4}", ndcg.hybrid);
    assert!(ndcg.vector_model >= 0.62, "{:.4}", ndcg.vector_model);
    assert!(
        ndcg.hybrid_model >= ndcg.keyword + 0.03,
        "{:.4}",
        ndcg.hybrid_model
    );
}

#[test]
fn documentation_offline_hybrid_gains_on_words() {
    let Some(ndcg) = figures("tech-docs") else {
        return;
    };
    assert!(ndcg.keyword >= 0.69, "{:.4}", ndcg.keyword);
    assert!(ndcg.vector >= 0.65, "{:.4}", ndcg.vector);
    assert!(ndcg.hybrid >= ndcg.keyword + 0.02, "{:.4}", ndcg.hybrid);
}

#[test]
fn aeronautics_gains_on_words_with_and_without_the_model() {
    let Some(ndcg) = figures("cranfield") else {
        return;
    };
    let gain = ndcg.hybrid - ndcg.keyword;
    assert!(gain >= 0.035, "{gain:.4}");
    let gain = ndcg.hybrid_model - ndcg.keyword;
    assert!(gain >= 0.045, "{gain:.4}");
}

/// nDCG@10 of words, of meaning and of both, embedded by the table of word vectors.
fn static_figures(name: &str) -> Option<[f64; 3]> {
    let folder = judged_set(name)?;
    let place = index(name, &folder.join("corpus.jsonl.gz"), "static");
    let root = evaluate::open(&place).expect("an index").root().clone();
    let measured = measure(&folder, &place, &evaluate::offline_ways(&root));
    let of = |mode: &str| {
        let mut all = measured.iter();
        let found = all.find(|figures| figures.mode == mode);
        found.map_or(0.0, |figures| figures.ndcg10)
    };
    let figures = ["keyword", "vector", "hybrid"].map(of);
    println!("{name}: static {figures:.4?}");
    Some(figures)
}

#[test]
fn static_words_gain_on_words_and_never_lose() {
    let gain = |name: &str| {
        let [keyword, _, hybrid] = static_figures(name)?;
        assert!(
            hybrid >= keyword - 0.005,
            "{name}: {hybrid:.4} for {keyword:.4}"
        );
        Some(hybrid - keyword)
    };
    let gains: Option<Vec<f64>> = ["cranfield", "tech-docs", "tech-code"]
        .map(gain)
        .into_iter()
        .collect();
    let Some(gains) = gains else {
        return;
    };
    let mean = gains.iter().sum::<f64>() / gains.len() as f64;
    assert!(mean >= 0.010, "{mean:.4}");
    // Of its script they know nothing.
    gain("xquad-zh");
}

//! Words give the same results on every target: compiled for the host and for WebAssembly, with
//! expectations written down once.
//!
//! `cargo test --target wasm32-unknown-unknown --test parity_words` runs it as a module.

use coracle::postings::Bm25Params;
use coracle::postings::ChunkFields;
use coracle::postings::ChunkTerms;
use coracle::postings::Clause;
use coracle::postings::PostingsBuilder;
use coracle::postings::WEIGHT_ONE;
use coracle::postings::top_k;
use coracle::text::Analyzer;
use coracle::text::AnalyzerId;
use coracle::text::Language;
use coracle::text::StopWords;
use coracle::text::TokenKind;
#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

/// Text and its tokens: term, position, and `+` for wholes, `-` for parts.
const TOKENS: &[(&str, &str)] = &[
    ("The optimised codes", "optim@1 code@2"),
    (
        "Optimization, optimizing; optimisation",
        "optim@0 optim@1 optim@2",
    ),
    ("DiffExecutor", "diffexecutor@0+ diff@0- executor@1-"),
    (
        "parseHTTPHeaders URLs",
        "parsehttphead@0+ pars@0- http@1- header@2- url@3",
    ),
    (
        "run_target runTarget run-target",
        "runtarget@0+ run@0- target@1- runtarget@2+ run@2- target@3- \
        runtarget@4+ run@4- target@5-",
    ),
    ("std::vector", "std::vector@0+ std@0- vector@1-"),
    (
        "std::chrono::duration_cast<T>",
        "std::chrono::durationcast@0+ std@0- chrono@1- durationcast@2+ \
        durat@2- cast@3- t@4",
    ),
    ("C++ C# F# and C", "c++@0+ c#@1+ f#@2+ c@4"),
    (
        "C++17, libstdc++",
        "c++17@0+ c++@0+ 17@1- libstdc++@2+ libstdc@2-",
    ),
    (
        "operator<< operator[] operator()(x) operator (see",
        "operator<<@0+ oper@0- operator[]@1+ oper@1- \
        operator()@2+ oper@2- x@3 oper@4 see@5",
    ),
    (
        "/O2 -Wall --release and/or a/b",
        "/o2@0+ o2@0+ o@0- 2@1- -wall@2+ wall@2 -release@3+ releas@3 b@7",
    ),
    (
        "int32_t utf8 UTF-8",
        "int32t@0+ int@0- 32@1- t@2- utf8@3+ utf@3- 8@4- utf8@5+ utf@5- 8@6-",
    ),
    (
        "e.g. config.toml v1.95 10-20",
        "e.g@0+ e@0- g@1- config.toml@2+ config@2- toml@3- v1.95@4+ v1@4+ \
        v@4- 1@5- 95@6- 10@7 20@8",
    ),
    (
        "the user's don't O’Reilly's",
        "user@1 oreilli@3+ o@3- reilli@4-",
    ),
    ("__init__ _x ___", "init@0 x@1"),
    (
        "Straße ÉTÉ naïve Ångström İstanbul",
        "strass@0 ete@1 naiv@2 angstrom@3 istanbul@4",
    ),
    ("Приём ΟΔΟΣ", "прием@0 οδοσ@1"),
    ("向量检索 的", "向量@0 量检@1 检索@2 的@3"),
    (
        "カタカナ한국어",
        "カタ@0 タカ@1 カナ@2 ナ한@3 한국@4 국어@5",
    ),
    ("การค้น", "การ@0 ารค@1 รค้@2 ค้น@3"),
    ("日C++言語", "日@0 c++@1+ 言語@2"),
    ("ＡＢＣ１２", "abc12@0"),
    ("a — b … ☃ 🛶", "b@1"),
];

fn tokens(text: &str, stop_words: StopWords) -> String {
    let mut out = String::new();
    Analyzer::new(Language::English).analyze(text, stop_words, &mut |token| {
        assert!(text.get(token.span).is_some());
        let kind = match token.kind {
            TokenKind::Word => "",
            TokenKind::Whole => "+",
            TokenKind::Part => "-",
        };
        out.push_str(&format!(
            "{}{}@{}{kind}",
            if out.is_empty() { "" } else { " " },
            token.term,
            token.position
        ));
    });
    out
}

#[test]
fn texts_give_the_tokens_written_down() {
    for (text, expected) in TOKENS {
        assert_eq!(tokens(text, StopWords::Drop), *expected, "{text}");
    }
    assert_eq!(tokens("To be", StopWords::Keep), "to@0 be@1");
}

#[test]
fn analyzer_id_is_the_one_that_indexes_store() {
    let analyzer = Analyzer::new(Language::English);
    assert_eq!(analyzer.id(), AnalyzerId(0x1_0001));
    assert_eq!(
        Analyzer::from_parts(AnalyzerId(0x1_0001), Vec::new()),
        Ok(analyzer.clone())
    );
    let error = Analyzer::from_parts(AnalyzerId(0x2_0001), Vec::new()).unwrap_err();
    assert!(error.to_string().contains("rebuild"), "{error}");
}

#[test]
fn entries_and_scores_are_the_bytes_written_down() {
    let analyzer = Analyzer::new(Language::English);
    let mut builder = PostingsBuilder::new(Bm25Params::default());
    for (title, body) in [
        ("Coracles", "A coracle is a small round boat."),
        ("Oars", "An oar moves a boat; a coracle has one paddle."),
        ("Rivers", "The river moves without an oar."),
    ] {
        builder.push(&ChunkTerms::new(
            &analyzer,
            &ChunkFields {
                title,
                headings: &[],
                body,
            },
        ));
    }
    let postings = builder.finish();
    let dump: Vec<String> = (0..postings.len())
        .map(|at| postings.encode(at))
        .map(|term| {
            format!(
                "{} {} {:08x} {:?}",
                term.term,
                term.df,
                term.idf.to_bits(),
                term.list.head
            )
        })
        .collect();
    assert_eq!(dump, EXPECTED_ENTRIES);
    assert_eq!(postings.impact_step().to_bits(), EXPECTED_STEP_BITS);
    let encoded: Vec<_> = (0..postings.len()).map(|at| postings.encode(at)).collect();
    let clauses: Vec<Clause<'_>> = analyzer
        .query_terms("coracle and boats")
        .terms
        .iter()
        .filter_map(|wanted| encoded.iter().find(|term| term.term == wanted.term))
        .map(|term| Clause::one(term.list.list(term.df).unwrap(), WEIGHT_ONE))
        .collect();
    let found = top_k(&clauses, 3, 10, None).unwrap();
    let hits: Vec<(u32, u32)> = found
        .hits
        .iter()
        .map(|hit| (hit.chunk, hit.score))
        .collect();
    assert_eq!(hits, EXPECTED_HITS);
}

/// Term, df, bits of the idf, encoded list.
const EXPECTED_ENTRIES: [&str; 10] = [
    "boat 2 3ef0a000 [34, 28, 0, 0]",
    "coracl 2 3ef0a000 [61, 28, 0, 0]",
    "move 2 3ef0a000 [28, 34, 1, 0]",
    "oar 2 3ef0a000 [60, 34, 1, 0]",
    "one 1 3f7b1000 [58, 1]",
    "paddl 1 3f7b1000 [58, 1]",
    "river 1 3f7b1000 [127, 2]",
    "round 1 3f7b1000 [70, 0]",
    "small 1 3f7b1000 [70, 0]",
    "without 1 3f7b1000 [70, 2]",
];
/// Bits of the BM25F score of one unit of impact.
const EXPECTED_STEP_BITS: u32 = 1_014_276_437;
/// Chunk and score.
const EXPECTED_HITS: [(u32, u32); 2] = [(0, 95 * 16), (1, 56 * 16)];

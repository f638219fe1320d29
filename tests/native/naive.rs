//! Whole searches against naive twins: full scans, brute force, and formulas recomputed from the
//! explanation of every hit.

#[path = "../support/mod.rs"]
mod support;

#[path = "naive/nothing_found.rs"]
mod nothing_found;
#[path = "naive/sections.rs"]
mod sections;

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

use coracle::document::Document;
use coracle::document::Value;
use coracle::filter::Filter;
use coracle::postings::Block;
use coracle::postings::ChunkFields;
use coracle::postings::ChunkTerms;
use coracle::postings::Postings;
use coracle::search::Engine;
use coracle::search::Fusion;
use coracle::search::Group;
use coracle::search::Hit;
use coracle::search::Mode;
use coracle::search::SearchError;
use coracle::search::SearchOptions;
use coracle::search::SearchResult;
use coracle::store::Memory;
use coracle_cli::indexer;
use coracle_cli::languages::Languages;
use coracle_cli::report::Reporter;
use coracle_cli::report::Verbosity;
use coracle_cli::vectors::AccessChoice;

const QUERIES: [&str; 6] = [
    "harbour",
    "harbour pilot",
    "river river delta",
    "beacon of the bridge",
    "current anchor barge canal",
    "lighthouse",
];

const ACCESSES: [AccessChoice; 3] = [AccessChoice::Scan, AccessChoice::Cells, AccessChoice::Graph];

struct World {
    documents: Vec<Document>,
    postings: Postings,
    engine: Engine<Memory>,
}

impl World {
    /// Forty documents: fewer chunks than candidates, so that rankings are complete.
    fn new() -> Self {
        Self::with(AccessChoice::Graph)
    }

    fn with(access: AccessChoice) -> Self {
        Self::of(support::documents(40, 7), access)
    }

    fn of(documents: Vec<Document>, access: AccessChoice) -> Self {
        let postings = indexer::postings(
            &Languages::new(support::analyzer()),
            &documents,
            &Reporter::new(Verbosity::Quiet),
        );
        let engine = support::open(support::memory_with(&documents, support::RANGE, access))
            .expect("opened");
        Self {
            documents,
            postings,
            engine,
        }
    }

    fn search(&self, query: &str, options: &SearchOptions) -> SearchResult {
        support::search(&self.engine, query, options).expect("found")
    }

    /// Document of every chunk.
    fn owners(&self) -> Vec<usize> {
        let documents = self.documents.iter().enumerate();
        documents
            .flat_map(|(at, document)| std::iter::repeat_n(at, document.chunks.len()))
            .collect()
    }

    /// Sum of impacts of every chunk, posting by posting.
    fn sums(&self, query: &str) -> Vec<u32> {
        self.sums_and_counts(query).0
    }

    /// The same, and how many of the query's words each chunk holds.
    fn sums_and_counts(&self, query: &str) -> (Vec<u32>, Vec<usize>) {
        let mut sums = vec![0; self.owners().len()];
        let mut counts = vec![0; sums.len()];
        let wanted = support::analyzer().query_terms(query).terms;
        for at in 0..self.postings.len() {
            let term = self.postings.encode(at);
            let Some(wanted) = wanted.iter().find(|wanted| wanted.term == term.term) else {
                continue;
            };
            let list = term.list.list(term.df).expect("list");
            let mut block = Block::default();
            for at in 0..list.block_count() {
                list.decode(at, &mut block).expect("block");
                for (&chunk, &impact) in block.chunks().iter().zip(block.impacts()) {
                    sums[chunk as usize] += u32::from(impact) * wanted.count;
                    counts[chunk as usize] += 1;
                }
            }
        }
        (sums, counts)
    }

    /// Chunks and scores in keyword order.
    fn ranked(&self, query: &str, allowed: impl Fn(&Document) -> bool) -> Vec<(usize, f32)> {
        let ((sums, counts), owners) = (self.sums_and_counts(query), self.owners());
        let document = |chunk: usize| &self.documents[owners[chunk]];
        let chunks: Vec<usize> = (0..sums.len())
            .filter(|&chunk| sums[chunk] > 0 && allowed(document(chunk)))
            .collect();
        let best = chunks.iter().map(|&chunk| sums[chunk]).max().unwrap_or(0);
        let words = support::analyzer().query_terms(query).terms.len();
        let complete = |chunk: &&usize| counts[**chunk] == words;
        let is_known_item =
            words == 2 && (1..=10).contains(&chunks.iter().filter(complete).count());
        let score = |chunk: usize| {
            let gain = if is_known_item && complete(&&chunk) {
                1.0
            } else {
                0.0
            };
            (sums[chunk] as f32 / best as f32 + gain) * document(chunk).weight
        };
        let mut ranked: Vec<(usize, f32)> =
            chunks.iter().map(|&chunk| (chunk, score(chunk))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked
    }

    /// The best chunk of every document, with what the others add to it.
    fn grouped(&self, ranked: &[(usize, f32)]) -> Vec<(usize, f32)> {
        let owners = self.owners();
        let mut documents: BTreeMap<usize, Vec<(usize, f32)>> = BTreeMap::new();
        for &(chunk, score) in ranked {
            let document = documents.entry(owners[chunk]).or_default();
            document.push((chunk, score));
        }
        let ordinary = 0.75 * ranked.first().map_or(0.0, |best| best.1);
        let supported = |of_one: Vec<(usize, f32)>| {
            let (mut share, mut support) = (0.1, 0.0);
            for (_, score) in &of_one[1..] {
                support += share * (score - ordinary).max(0.0);
                share /= 2.0;
            }
            (of_one[0].0, of_one[0].1 + support)
        };
        let mut ranked: Vec<(usize, f32)> = documents.into_values().map(supported).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        ranked
    }
}

fn keyword() -> SearchOptions {
    SearchOptions {
        mode: Mode::Keyword,
        limit: 100,
        ..SearchOptions::default()
    }
}

fn shown(result: &SearchResult) -> Vec<(usize, u32)> {
    let hits = result.hits.iter();
    hits.map(|hit| (hit.chunk as usize, hit.score.to_bits()))
        .collect()
}

fn bits(ranked: &[(usize, f32)]) -> Vec<(usize, u32)> {
    let ranked = ranked.iter();
    ranked
        .map(|&(chunk, score)| (chunk, score.to_bits()))
        .collect()
}

#[test]
fn keyword_ranking_is_that_of_a_full_scan() {
    let world = World::new();
    let owners = world.owners();
    for query in QUERIES {
        let ranked = world.ranked(query, |_| true);
        assert!(!ranked.is_empty(), "{query}");
        let by_chunk = SearchOptions {
            group: Group::Chunk,
            explain: true,
            ..keyword()
        };
        let result = world.search(query, &by_chunk);
        assert_eq!(shown(&result), bits(&ranked), "{query}");
        assert_eq!(result.total as usize, ranked.len());
        let sums = world.sums(query);
        for hit in &result.hits {
            let explain = hit.explain.as_ref().expect("explained");
            let (sum, _) = explain.keyword.expect("keyword score");
            assert_eq!(sum, sums[hit.chunk as usize]);
            let of_terms: u32 = explain.terms.iter().map(|&(_, score)| score).sum();
            assert_eq!(of_terms, sum);
            let document = &world.documents[owners[hit.chunk as usize]];
            let meta: Vec<_> = document.meta.clone().into_iter().collect();
            assert_eq!((&hit.id, &hit.meta), (&document.id, &meta));
        }
        let grouped = world.grouped(&ranked);
        let result = world.search(query, &keyword());
        assert_eq!(shown(&result), bits(&grouped), "{query}");
        assert_eq!(result.total as usize, grouped.len());
    }
}

fn text(document: &Document, field: &str) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::List(_) => unreachable!("lists are flat"),
    };
    match document.meta.get(field) {
        None => Vec::new(),
        Some(Value::List(values)) => values.iter().map(text).collect(),
        Some(value) => vec![text(value)],
    }
}

fn has(document: &Document, field: &str, value: &str) -> bool {
    text(document, field).iter().any(|found| found == value)
}

fn year(document: &Document) -> f64 {
    match document.meta.get("year") {
        Some(Value::Number(year)) => *year,
        _ => f64::NAN,
    }
}

type Condition = fn(&Document) -> bool;

const FILTERS: [(&str, Condition); 9] = [
    (r#"{"lang": "en"}"#, |d| has(d, "lang", "en")),
    (r#"{"lang": ["en", "fr"]}"#, |d| {
        has(d, "lang", "en") || has(d, "lang", "fr")
    }),
    (r#"{"year": {"gte": 2017, "lt": 2020}}"#, |d| {
        (2017.0..2020.0).contains(&year(d))
    }),
    (r#"{"draft": true, "tags": "tag1"}"#, |d| {
        has(d, "draft", "true") && has(d, "tags", "tag1")
    }),
    (r#"{"or": [{"tags": "tag3"}, {"year": 2015}]}"#, |d| {
        has(d, "tags", "tag3") || year(d) == 2015.0
    }),
    (r#"{"not": {"lang": "de"}}"#, |d| !has(d, "lang", "de")),
    (r#"{"tags": {"all": ["tag0", "tag2"]}}"#, |d| {
        has(d, "tags", "tag0") && has(d, "tags", "tag2")
    }),
    (r#"{"tags": {"exists": false}}"#, |d| {
        text(d, "tags").is_empty()
    }),
    (r#"{"lang": "en", "not": {"lang": "en"}}"#, |_| false),
];

#[test]
fn filters_and_facets_are_those_of_brute_force() {
    let world = World::new();
    for (filter, condition) in FILTERS {
        for query in QUERIES {
            let options = SearchOptions {
                filter: Some(Filter::parse(filter).expect("filter")),
                facets: vec!["lang".into(), "tags".into(), "year".into(), "draft".into()],
                ..keyword()
            };
            let result = world.search(query, &options);
            let grouped = world.grouped(&world.ranked(query, condition));
            assert_eq!(shown(&result), bits(&grouped), "{filter} {query}");
            assert_eq!(result.total as usize, grouped.len());
            assert_eq!(result.facets.len(), 4);
            let owners = world.owners();
            for (field, counts) in &result.facets {
                let mut expected: BTreeMap<String, u32> = BTreeMap::new();
                for &(chunk, _) in &grouped {
                    for value in text(&world.documents[owners[chunk]], field) {
                        *expected.entry(value).or_default() += 1;
                    }
                }
                let frequencies: Vec<u32> = counts.iter().map(|&(_, count)| count).collect();
                assert!(frequencies.is_sorted_by_key(|&count| Reverse(count)));
                let counted = counts.iter().map(|(value, count)| {
                    let document = Document {
                        meta: BTreeMap::from([("f".into(), value.clone())]),
                        ..world.documents[0].clone()
                    };
                    (text(&document, "f").remove(0), *count)
                });
                assert_eq!(
                    counted.collect::<BTreeMap<_, _>>(),
                    expected,
                    "{filter} {field}"
                );
            }
            for mode in [Mode::Hybrid, Mode::Vector] {
                let options = SearchOptions {
                    mode,
                    ..options.clone()
                };
                let owners = world.owners();
                for hit in world.search(query, &options).hits {
                    assert!(condition(&world.documents[owners[hit.chunk as usize]]));
                }
            }
        }
    }
}

#[test]
fn pages_are_pieces_of_one_ranking() {
    for access in ACCESSES {
        let world = World::with(access);
        for mode in [Mode::Keyword, Mode::Hybrid, Mode::Vector] {
            for group in [Group::Document, Group::Chunk] {
                let page = |offset, limit| SearchOptions {
                    mode,
                    group,
                    offset,
                    limit,
                    ..SearchOptions::default()
                };
                // In cells, by which passage a document is shown depends on what was read for the page, and the
                // ranking on how long pages are.
                let in_cells = access == AccessChoice::Cells && mode == Mode::Hybrid;
                let placed = |result: &SearchResult| {
                    let hits = result.hits.iter();
                    let place = |hit: &Hit| {
                        let chunk = (!in_cells || group == Group::Chunk).then_some(hit.chunk);
                        (hit.id.clone(), chunk, hit.score.to_bits())
                    };
                    hits.map(place).collect::<Vec<_>>()
                };
                for query in ["harbour pilot", "river canal"] {
                    let whole = world.search(query, &page(0, 24));
                    for limit in [1, 5, 8] {
                        let mut pieces = Vec::new();
                        for offset in (0..24).step_by(limit) {
                            let result = world.search(query, &page(offset, limit));
                            assert_eq!(result.total, whole.total, "{mode:?} {offset}+{limit}");
                            pieces.extend(placed(&result));
                        }
                        // What lies across two pages is of both.
                        for offset in 0..24 - limit {
                            let across = placed(&world.search(query, &page(offset, limit)));
                            let end = pieces.len().min(offset + limit);
                            assert_eq!(across, pieces[offset..end], "{mode:?} {group:?} {query}");
                        }
                        let distinct: BTreeSet<_> = pieces.iter().collect();
                        assert_eq!(distinct.len(), pieces.len(), "{mode:?} {group:?} {query}");
                        pieces.truncate(24);
                        assert!(
                            in_cells || pieces == placed(&whole),
                            "{mode:?} {group:?} {query}"
                        );
                    }
                    let documents: BTreeSet<_> = whole.hits.iter().map(|hit| &hit.id).collect();
                    let distinct = documents.len() == whole.hits.len();
                    assert!(distinct || group == Group::Chunk);
                    let past = world.search(query, &page(99, 1));
                    assert!(past.hits.is_empty() || past.total > 99);
                }
            }
        }
    }
    let world = World::new();
    for (offset, limit) in [(0, 0), (0, 101), (100, 1), (usize::MAX, 1)] {
        let options = SearchOptions {
            offset,
            limit,
            ..SearchOptions::default()
        };
        let error = support::search(&world.engine, "harbour", &options);
        assert!(matches!(error, Err(SearchError::Limit { .. })), "{error:?}");
    }
}

#[test]
fn copies_go_last_and_hits_may_differ() {
    let mut documents = support::documents(12, 7);
    let mut copy = documents[3].clone();
    copy.id = "copy".into();
    documents.push(copy);
    let memory = support::memory_with(&documents, support::RANGE, AccessChoice::Scan);
    let engine = support::open(memory).expect("opened");
    // More than the title alone, which would put its page first.
    let query = &[&*documents[3].title, "willow", "harbour"].join(" ");
    for mode in [Mode::Hybrid, Mode::Vector] {
        let options = |diversity| SearchOptions {
            mode,
            diversity,
            limit: 13,
            ..SearchOptions::default()
        };
        let ids = |diversity| -> Vec<String> {
            let found = support::search(&engine, query, &options(diversity)).expect("found");
            found.hits.into_iter().map(|hit| hit.id).collect()
        };
        let by_score = support::search(&engine, query, &options(0.0)).expect("found");
        let (last, others) = by_score.hits.split_last().expect("hits");
        assert_eq!((others.len(), &*last.id), (12, "copy"));
        assert!(others.is_sorted_by(|a, b| a.score >= b.score), "{mode:?}");
        let original = others.iter().find(|hit| hit.id == "doc-3");
        assert_eq!(original.map(|hit| hit.score), Some(last.score), "{mode:?}");
        let different = ids(0.6);
        assert_eq!(different[0], others[0].id, "{mode:?}");
        assert_ne!(different, ids(0.0), "{mode:?}");
        let sorted = |mut ids: Vec<String>| {
            ids.sort();
            ids
        };
        assert_eq!(sorted(different), sorted(ids(0.0)), "{mode:?}");
    }
}

#[test]
fn fused_scores_follow_from_their_explanations() {
    for access in ACCESSES {
        let world = World::with(access);
        let fusions = [
            Fusion::Auto,
            Fusion::Convex { alpha: 0.25 },
            Fusion::Convex { alpha: 0.0 },
            Fusion::Convex { alpha: 1.0 },
            Fusion::Rrf { k: 60.0 },
        ];
        for fusion in fusions {
            for query in QUERIES {
                let options = SearchOptions {
                    limit: 100,
                    group: Group::Chunk,
                    fusion,
                    explain: true,
                    exact: true,
                    ..SearchOptions::default()
                };
                let result = world.search(query, &options);
                assert_eq!(result.mode, Mode::Hybrid);
                assert_eq!(
                    result.hits.len(),
                    world.owners().len(),
                    "all are candidates"
                );
                let parts: Vec<_> = result
                    .hits
                    .iter()
                    .map(|hit| (hit, hit.explain.as_ref().expect("explained")))
                    .collect();
                let keyword = |at: usize| parts[at].1.keyword.map_or(0, |(sum, _)| sum);
                // With feedback from the first answers, so not that of the cosine itself.
                let meaning = |at: usize| parts[at].1.vector.expect("cosine").1;
                let best_sum = (0..parts.len()).map(keyword).max().expect("hits");
                let best = (0..parts.len()).map(meaning).fold(f32::MIN, f32::max);
                assert!(best == 1.0);
                let id = |at: usize| parts[at].0.chunk;
                let rank_of = |at: usize, before: &dyn Fn(usize) -> bool| {
                    1 + (0..parts.len())
                        .filter(|&other| other != at && before(other))
                        .count() as u32
                };
                for (at, (hit, explain)) in parts.iter().enumerate() {
                    assert!(explain.rescored);
                    let by_words = (keyword(at) > 0).then(|| {
                        rank_of(at, &|other| {
                            (Reverse(keyword(other)), id(other)) < (Reverse(keyword(at)), id(at))
                        })
                    });
                    assert_eq!(explain.keyword_rank, by_words, "{query}");
                    let by_meaning = rank_of(at, &|other| {
                        meaning(other) > meaning(at)
                            || meaning(other) == meaning(at) && id(other) < id(at)
                    });
                    assert_eq!(explain.vector_rank, Some(by_meaning), "{query}");
                    let words = keyword(at) as f32 / best_sum as f32;
                    let fused = match fusion {
                        Fusion::Auto => 0.8 * meaning(at) + (1.0 - 0.8) * words,
                        Fusion::Convex { alpha } => alpha * meaning(at) + (1.0 - alpha) * words,
                        Fusion::Rrf { k } => {
                            by_words.map_or(0.0, |rank| 1.0 / (k + rank as f32))
                                + 1.0 / (k + by_meaning as f32)
                        }
                    };
                    let gain = if explain.complete { 1.0 } else { 0.0 };
                    let score = (fused + gain) * explain.weight;
                    assert_eq!(hit.score.to_bits(), score.to_bits(), "{fusion:?} {query}");
                }
                let scores: Vec<f32> = result.hits.iter().map(|hit| hit.score).collect();
                assert!(scores.is_sorted_by(|a, b| a >= b));
            }
        }
    }
}

#[test]
fn documents_are_ranked_by_all_of_their_passages() {
    let mut supported = 0;
    for access in ACCESSES {
        let world = World::of(support::long_documents(12, 7), access);
        for mode in [Mode::Keyword, Mode::Hybrid, Mode::Vector] {
            for query in QUERIES {
                // So many that all passages are candidates, and rescored.
                let options = SearchOptions {
                    mode,
                    limit: 100,
                    exact: true,
                    explain: true,
                    ..SearchOptions::default()
                };
                let by_chunk = SearchOptions {
                    group: Group::Chunk,
                    ..options.clone()
                };
                let ranked = world.search(query, &by_chunk).hits.into_iter();
                let ranked: Vec<(usize, f32)> =
                    ranked.map(|hit| (hit.chunk as usize, hit.score)).collect();
                let found = world.search(query, &options);
                let expected = world.grouped(&ranked);
                assert_eq!(shown(&found), bits(&expected), "{mode:?} {query}");
                let supports = found.hits.iter().filter_map(|hit| hit.explain.as_ref());
                supported += supports.filter(|explain| explain.support > 0.0).count();
            }
        }
    }
    assert!(supported > 40, "{supported}");
}

#[test]
fn vector_search_is_near_exact_search() {
    for access in ACCESSES {
        let world = World::with(access);
        let embeddings = support::embeddings(&world.documents, &world.postings);
        let length = |row: &[f32]| row.iter().map(|x| x * x).sum::<f32>().sqrt();
        let cosine = |a: &[f32], b: &[f32]| {
            a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>() / length(a) / length(b)
        };
        let rows: Vec<&[f32]> = embeddings.rows.chunks(support::DIM).collect();
        for query in rows.iter().step_by(9) {
            let options = SearchOptions {
                mode: Mode::Vector,
                group: Group::Chunk,
                embedding: Some(support::unprojected(query)),
                explain: true,
                ..SearchOptions::default()
            };
            let result = world.search("", &options);
            let mut exact: Vec<f32> = rows.iter().map(|row| cosine(query, row)).collect();
            for hit in &result.hits {
                let (score, _) = hit.explain.as_ref().and_then(|e| e.vector).expect("cosine");
                let truth = exact[hit.chunk as usize];
                assert!((score - truth).abs() < 0.02, "{score} for {truth}");
            }
            let worst = result.hits.iter().map(|hit| exact[hit.chunk as usize]);
            let worst = worst.fold(f32::MAX, f32::min);
            exact.sort_by(|a, b| b.total_cmp(a));
            // Weights reorder; among equals in weight nothing nearer may be missing by more than the
            // codes' error.
            let unweighted = result
                .hits
                .iter()
                .all(|hit| hit.explain.as_ref().is_some_and(|e| e.weight == 1.0));
            assert!(
                !unweighted || worst > exact[9] - 0.05,
                "{worst} of {}",
                exact[9]
            );
        }
    }
}

/// With all that a filter allows rescored, cells give the hits of a scan to the bit; otherwise most of
/// them.
#[test]
fn vector_search_in_cells_with_a_filter_is_that_of_a_scan() {
    let documents = support::documents(400, 11);
    let engine = |access| {
        support::open(support::memory_with(&documents, support::RANGE, access)).expect("opened")
    };
    let (scan, cells) = (engine(AccessChoice::Scan), engine(AccessChoice::Cells));
    let filters = [
        (r#"{"year": 2016, "lang": "en"}"#, true),
        (
            r#"{"year": {"gte": 2018}, "tags": "tag3", "draft": true}"#,
            true,
        ),
        (r#"{"lang": "en", "not": {"lang": "en"}}"#, true),
        (r#"{"lang": "fr"}"#, false),
        (r#"{"not": {"year": 2015}}"#, false),
    ];
    let mut fused = 0;
    for (filter, is_selective) in filters {
        let (mut there, mut found) = (0, 0);
        for query in QUERIES {
            let options = SearchOptions {
                mode: Mode::Vector,
                group: Group::Chunk,
                limit: 40,
                filter: Some(Filter::parse(filter).expect("filter")),
                // What fits a page of rows is found without a cell.
                exact: !is_selective,
                ..SearchOptions::default()
            };
            let [scanned, probed] = [&scan, &cells]
                .map(|engine| support::search(engine, query, &options).expect("found"));
            assert_eq!(probed.hits.len(), scanned.hits.len(), "{filter} {query}");
            if is_selective {
                assert!(scanned.total <= 80, "all are rescored");
                assert_eq!(shown(&probed), shown(&scanned), "{filter} {query}");
            }
            let wanted: BTreeSet<_> = shown(&scanned).into_iter().collect();
            there += wanted.len();
            let hits = shown(&probed).into_iter();
            found += hits.filter(|hit| wanted.contains(hit)).count();
            // By words and meaning nothing is guessed of what has no estimates.
            let few = SearchOptions {
                mode: Mode::Hybrid,
                limit: 3,
                ..options
            };
            let [scanned, probed] =
                [&scan, &cells].map(|engine| support::search(engine, query, &few).expect("found"));
            if is_selective && scanned.total <= 50 {
                assert_eq!(shown(&probed), shown(&scanned), "{filter} {query}");
                fused += probed.hits.len();
            }
        }
        // Settings are those for the 10 nearest, here 40 are asked for; two cells hold each code.
        assert!(10 * found >= 8 * there, "{filter}: {found} of {there}");
    }
    assert!(fused > 10, "{fused}");
}

#[test]
fn prefix_search_finds_the_word_at_every_keystroke() {
    let world = World::new();
    let owners = world.owners();
    for word in support::WORDS {
        let term = &support::analyzer().query_terms(word).terms[0].term;
        let chunks = indexer::chunks(&world.documents);
        let holders: BTreeSet<&str> = chunks
            .iter()
            .filter(|(document, chunk)| {
                let terms = ChunkTerms::new(
                    &support::analyzer(),
                    &ChunkFields::of(&document.title, chunk),
                );
                terms.iter().any(|(found, _)| found == term)
            })
            .map(|(document, _)| document.id.as_str())
            .collect();
        for typed in 3..=word.len() {
            for mode in [Mode::Keyword, Mode::Hybrid] {
                let options = SearchOptions {
                    prefix: true,
                    mode,
                    ..keyword()
                };
                let result = world.search(&word[..typed], &options);
                let found: BTreeSet<&str> = result.hits.iter().map(|hit| hit.id.as_str()).collect();
                assert!(found.is_superset(&holders), "{} of {word}", &word[..typed]);
            }
        }
    }
    assert!(owners.len() < 100, "hits are complete");
}

#[test]
fn corrections_are_reported_and_searched() {
    let world = World::new();
    for (typed, word) in [
        ("rivr", "river"),
        ("lagon", "lagoon"),
        ("kayk", "kayak"),
        ("lighthuse", "lighthouse"),
        ("vesel", "vessel"),
        ("compas", "compass"),
    ] {
        let right = world.search(word, &keyword());
        assert!(right.corrections.is_empty(), "{word}");
        let result = world.search(typed, &keyword());
        let [correction] = result.corrections.as_slice() else {
            panic!("{typed}: {:?}", result.corrections)
        };
        assert_eq!((&*correction.from, &*correction.to), (typed, word));
        let ids = |result: &SearchResult| -> BTreeSet<String> {
            result.hits.iter().map(|hit| hit.id.clone()).collect()
        };
        assert!(ids(&result).is_superset(&ids(&right)), "{typed}");
    }
    // Words that no edit reaches are searched by nothing.
    let nothing = world.search("qqqqqqqq", &keyword());
    assert!(nothing.hits.is_empty() && nothing.corrections.is_empty());
}

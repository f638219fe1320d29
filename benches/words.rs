//! What keyword search costs: analysis, encoding, decoding, queries.
//!
//! `cargo bench --bench words`. The text is made up, of words as frequent as Zipf's law has them, so
//! that it runs anywhere and is the same everywhere.

use coracle::postings::Block;
use coracle::postings::Bm25Params;
use coracle::postings::ChunkFields;
use coracle::postings::ChunkTerms;
use coracle::postings::Clause;
use coracle::postings::EncodedList;
use coracle::postings::EncodedTerm;
use coracle::postings::Postings;
use coracle::postings::PostingsBuilder;
use coracle::postings::WEIGHT_ONE;
use coracle::postings::top_k;
use coracle::text::Analyzer;
use coracle::text::Language;
use coracle::text::StopWords;
use core::hint::black_box;
use criterion::Criterion;
use criterion::Throughput;
use criterion::criterion_group;
use criterion::criterion_main;

const CHUNKS: usize = 100_000;
const WORDS_PER_CHUNK: usize = 40;

/// Numbers from 0 to 1 that are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 31)
    }
}

/// A chunk of words, some of them identifiers: the word of rank r comes about 1/r as often.
fn chunk(random: &mut Random) -> String {
    let mut out = String::new();
    for _ in 0..WORDS_PER_CHUNK {
        let rank = 50_000f64.powf(random.next()) as usize;
        let syllables = ["ba", "co", "du", "fe", "gi", "lo", "mu", "na", "pe", "ri"];
        for digit in rank.to_string().bytes() {
            out.push_str(syllables[usize::from(digit - b'0')]);
        }
        out.push_str(["ing ", "s ", "ed ", " ", "_at ", ". The "][rank % 6]);
    }
    out
}

fn index(analyzer: &Analyzer, texts: &[String]) -> Postings {
    let mut builder = PostingsBuilder::new(Bm25Params::default());
    for body in texts {
        builder.push(&ChunkTerms::new(
            analyzer,
            &ChunkFields {
                title: "",
                headings: &[],
                body,
            },
        ));
    }
    builder.finish()
}

fn words(criterion: &mut Criterion) {
    let analyzer = Analyzer::new(Language::English);
    let mut random = Random(7);
    let texts: Vec<String> = (0..CHUNKS).map(|_| chunk(&mut random)).collect();
    let sample = texts[..1000].join(" ");

    let mut group = criterion.benchmark_group("words");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(sample.len() as u64));
    group.bench_function("analyze", |bencher| {
        bencher.iter(|| {
            let mut tokens = 0usize;
            analyzer.analyze(black_box(&sample), StopWords::Drop, &mut |_| tokens += 1);
            tokens
        });
    });

    let postings = index(&analyzer, &texts);
    let mut terms: Vec<EncodedTerm<'_>> =
        (0..postings.len()).map(|at| postings.encode(at)).collect();
    terms.sort_by_key(|term| core::cmp::Reverse(term.df));
    let list = |term: &'_ EncodedTerm<'_>| (term.df, term.list.clone());
    let common: Vec<(u32, EncodedList)> = terms[..5].iter().map(list).collect();
    let mixed: Vec<(u32, EncodedList)> = [10, 60, 300, 1500].map(|at| list(&terms[at])).into();

    group.throughput(Throughput::Elements(u64::from(common[0].0)));
    group.bench_function("decode", |bencher| {
        let list = common[0].1.list(common[0].0).unwrap();
        let mut block = Block::default();
        bencher.iter(|| {
            for at in 0..list.block_count() {
                list.decode(at, &mut block).unwrap();
                black_box(&block);
            }
        });
    });
    for (name, lists) in [("top_10_common", &common), ("top_10_mixed", &mixed)] {
        group.throughput(Throughput::Elements(
            lists.iter().map(|(df, _)| u64::from(*df)).sum(),
        ));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let clauses: Vec<Clause<'_>> = lists
                    .iter()
                    .map(|(df, list)| Clause::one(list.list(*df).unwrap(), WEIGHT_ONE))
                    .collect();
                top_k(&clauses, CHUNKS as u32, 10, None).unwrap()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, words);
criterion_main!(benches);

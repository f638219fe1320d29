//! Samples of an index's blocks → its phrases, and the codes that all blocks share.
//!
//! Each round parses the samples at the prices of the round before and counts the symbols. Phrases are the
//! strings that repetitions and phrases made, where one symbol for all of it takes fewer bits.

use super::parse::Kind;
use super::parse::Parser;
use super::parse::Step;
use super::parse::distance_symbol;
use super::parse::length_symbol;
use super::prefix::code_lengths;
use crate::indexer::Threads;
use coracle::executor::Executor;
use coracle::index::CodeLengths;
use coracle::index::DISTANCES;
use coracle::index::END_OR_PHRASE as PHRASE;
use coracle::index::LITERALS;
use std::collections::HashMap;

/// Rounds that choose phrases, and rounds that only count them.
const CHOOSING: usize = 5;
const COUNTING: usize = 1;

/// So many of the first rounds look for candidates: in runs of so many samples, which repeat more than each
/// alone does, and in every other run.
const ROUGH: usize = 3;
const RUN: usize = 10;
const ROUGH_STEP: usize = 2;

/// Classes of the byte before. Measured on 36 MB of documentation, without phrases: texts take 30.2 % of
/// their length with one class, 28.7 % with 8, 28.3 % with 16; each has a code of some 100 bytes.
const CLASSES: usize = 8;

/// Longer strings are no phrases.
const LONGEST_PHRASE: usize = 64;

/// What a repetition takes more than the symbol of a phrase, in bits, about.
const REPETITION_BITS: f64 = 15.5;

/// Lengths of the codes for blocks like these samples, and their phrases, `most` at most, ascending.
pub fn learn(samples: &[&[u8]], most: usize) -> (CodeLengths, Vec<Vec<u8>>) {
    let runs: Vec<Vec<u8>> = samples
        .chunks(RUN)
        .step_by(ROUGH_STEP)
        .map(<[_]>::concat)
        .collect();
    let runs: Vec<&[u8]> = runs.iter().map(Vec::as_slice).collect();
    let mut phrases: Vec<Vec<u8>> = Vec::new();
    let mut lengths = CodeLengths {
        classes: vec![0; 256],
        literals: vec![6; LITERALS],
        distances: vec![5; DISTANCES],
        phrases: Vec::new(),
    };
    for round in 0..CHOOSING + COUNTING {
        let parser = Parser::new(phrases.clone(), lengths.clone());
        let samples = if round < ROUGH { &runs } else { samples };
        let counts = count(&parser, samples, phrases.len());
        let mut of_phrases = counts.phrases;
        if round < CHOOSING {
            (phrases, of_phrases) = choose(counts.strings, most);
        }
        if (ROUGH..CHOOSING).contains(&round) {
            lengths.classes = classes(&counts.literals);
        }
        lengths.literals = sums(&counts.literals, &lengths.classes)
            .iter()
            .flat_map(|sum| code_lengths(&smoothed(sum)))
            .collect();
        lengths.distances = code_lengths(&smoothed(&counts.distances));
        lengths.phrases = code_lengths(&smoothed(&of_phrases));
    }
    (lengths, phrases)
}

/// Counts such that what did not occur in the samples may.
fn smoothed(counts: &[u64]) -> Vec<u64> {
    counts.iter().map(|count| count * 32 + 1).collect()
}

/// How often what occurred.
struct Counts<'a> {
    /// By the byte before.
    literals: Vec<Vec<u64>>,
    distances: Vec<u64>,
    phrases: Vec<u64>,
    /// Of two bytes and more, by phrases and repetitions.
    strings: HashMap<&'a [u8], u64>,
}

impl<'a> Counts<'a> {
    fn new(phrases: usize) -> Self {
        Self {
            literals: vec![vec![0; LITERALS]; 256],
            distances: vec![0; DISTANCES],
            phrases: vec![0; phrases],
            strings: HashMap::new(),
        }
    }

    fn add(&mut self, parser: &Parser, sample: &'a [u8]) {
        let (mut at, mut before) = (0, 0);
        for Step { len, kind } in parser.parse(sample) {
            let len = usize::from(len);
            let string = &sample[at..at + len];
            let literals = &mut self.literals[usize::from(before)];
            match kind {
                Kind::Literal => literals[usize::from(string[0])] += 1,
                Kind::Phrase(phrase) => {
                    literals[PHRASE] += 1;
                    self.phrases[usize::from(phrase)] += 1;
                }
                Kind::Repeat(distance) => {
                    literals[length_symbol(len).0] += 1;
                    self.distances[distance_symbol(distance.into()).0] += 1;
                }
            }
            if kind != Kind::Literal && len <= LONGEST_PHRASE {
                *self.strings.entry(string).or_default() += 1;
            }
            at += len;
            before = string[len - 1];
        }
    }

    fn merge(&mut self, other: Self) {
        let pairs = self
            .literals
            .iter_mut()
            .flatten()
            .zip(other.literals.iter().flatten());
        let pairs = pairs.chain(self.distances.iter_mut().zip(&other.distances));
        for (count, more) in pairs.chain(self.phrases.iter_mut().zip(&other.phrases)) {
            *count += more;
        }
        for (string, more) in other.strings {
            *self.strings.entry(string).or_default() += more;
        }
    }
}

fn count<'a>(parser: &Parser, samples: &[&'a [u8]], phrases: usize) -> Counts<'a> {
    const PARTS: usize = 16;
    let parts = Threads.map(PARTS, |part| {
        let mut counts = Counts::new(phrases);
        for sample in samples.iter().skip(part).step_by(PARTS) {
            counts.add(parser, sample);
        }
        counts
    });
    let mut all = Counts::new(phrases);
    parts.into_iter().for_each(|counts| all.merge(counts));
    all
}

/// The strings that save most as phrases, ascending, and their counts.
fn choose(strings: HashMap<&[u8], u64>, most: usize) -> (Vec<Vec<u8>>, Vec<u64>) {
    let all = strings.values().sum::<u64>() as f64;
    let saved = |count: u64| (REPETITION_BITS - (all / count as f64).log2()) * count as f64;
    let mut chosen: Vec<(f64, &[u8], u64)> = strings
        .into_iter()
        .map(|(string, count)| (saved(count), string, count))
        .filter(|(saved, ..)| *saved > 0.0)
        .collect();
    chosen.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    chosen.truncate(most);
    chosen.sort_unstable_by_key(|&(_, string, _)| string);
    chosen
        .into_iter()
        .map(|(_, string, count)| (string.to_vec(), count))
        .unzip()
}

/// A class for each of the 256 bytes, such that what stands after bytes of one class is alike: of all
/// bytes a class each, the two whose union costs the fewest bits become one until [`CLASSES`] are left
/// (Ward, *Hierarchical Grouping to Optimize an Objective Function*, 1963).
fn classes(literals: &[Vec<u64>]) -> Vec<u8> {
    struct Class {
        members: Vec<usize>,
        counts: Vec<u64>,
        bits: f64,
    }
    let occurs = |byte: &usize| literals[*byte].iter().any(|&count| count > 0);
    let mut classes: Vec<Class> = (0..256)
        .filter(occurs)
        .map(|byte| Class {
            members: vec![byte],
            counts: literals[byte].clone(),
            bits: bits(literals[byte].iter().copied()),
        })
        .collect();
    let union = |a: &Class, b: &Class| {
        bits(a.counts.iter().zip(&b.counts).map(|(a, b)| a + b)) - a.bits - b.bits
    };
    // What the union of each class and each one before it costs.
    let mut costs: Vec<Vec<f64>> = (0..classes.len())
        .map(|a| classes[..a].iter().map(|b| union(&classes[a], b)).collect())
        .collect();
    while classes.len() > CLASSES {
        let pairs = (0..classes.len()).flat_map(|a| (0..a).map(move |b| (a, b)));
        let cheapest = pairs.min_by(|x, y| costs[x.0][x.1].total_cmp(&costs[y.0][y.1]));
        let Some((a, b)) = cheapest else { break };
        let gone = classes.remove(a);
        costs.remove(a);
        costs[a..].iter_mut().for_each(|row| {
            row.remove(a);
        });
        let class = &mut classes[b];
        class.members.extend(gone.members);
        class
            .counts
            .iter_mut()
            .zip(gone.counts)
            .for_each(|(sum, more)| *sum += more);
        class.bits = bits(class.counts.iter().copied());
        costs[b] = classes[..b]
            .iter()
            .map(|other| union(&classes[b], other))
            .collect();
        for other in b + 1..classes.len() {
            costs[other][b] = union(&classes[other], &classes[b]);
        }
    }
    let mut of = vec![0; 256];
    for (number, class) in (0u8..).zip(&classes) {
        class.members.iter().for_each(|&byte| of[byte] = number);
    }
    of
}

/// Bits that symbols of these counts take at least.
fn bits(counts: impl Iterator<Item = u64>) -> f64 {
    let (mut sum, mut all) = (0.0, 0);
    for count in counts.filter(|&count| count > 0) {
        sum -= count as f64 * (count as f64).log2();
        all += count;
    }
    if all == 0 {
        0.0
    } else {
        sum + all as f64 * (all as f64).log2()
    }
}

/// The counts of each class.
fn sums(literals: &[Vec<u64>], classes: &[u8]) -> Vec<Vec<u64>> {
    let count = classes
        .iter()
        .max()
        .map_or(0, |&last| usize::from(last) + 1);
    let mut sums = vec![vec![0; LITERALS]; count];
    for (counts, &class) in literals.iter().zip(classes) {
        let sum = &mut sums[usize::from(class)];
        sum.iter_mut()
            .zip(counts)
            .for_each(|(sum, count)| *sum += count);
    }
    sums
}

//! Words and their stems → the rules over endings that give most of them, and few rules.
//!
//! Words, read backwards, are a tree in which every node is an ending. A rule at a node holds for the
//! words below it, except where one further down holds. The cost of a set of rules is the weight of
//! the words that it stems wrongly plus a price for every rule; the set of the least cost is found
//! exactly, bottom up: what a subtree costs depends only on the action that it inherits.

use std::collections::BTreeMap;

use coracle::bytes::Writer;
use coracle::index::deflate;
use coracle::text::Action;
use coracle::text::Language;
use coracle::text::Learned;
use coracle::text::MAX_ACTIONS;
use coracle::text::MAX_RULES;
use coracle::text::SuffixRules;
use coracle::text::WORD_START;

/// Longer words, in characters, teach nothing.
pub const LONGEST_WORD: usize = 40;

/// Compressed bytes that the rules of a language take at most, which every first search reads.
///
/// German paragraphs (8,378 words): 541 bytes give 95.2 % of the words the stem of the Snowball
/// stemmer, 845 bytes 96.3 %, 1,101 bytes 97.0 %.
pub const RULE_BYTES: usize = 600;

/// What a rule costs at least, in weights of words: less than one word, so that a small collection has
/// the stems of the stemmer.
const LEAST_PRICE: u32 = 1;

/// A word, its stem, and what getting it wrong costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The folded word.
    pub word: String,
    /// Its folded stem.
    pub stem: String,
    /// At least 1.
    pub weight: u32,
}

/// The best rules that take no more than about so many bytes.
#[must_use]
pub fn within(bytes: usize, samples: &[Sample]) -> SuffixRules {
    let tree = Tree::new(samples);
    let mut price = LEAST_PRICE;
    loop {
        if let Some(rules) = tree
            .rules(price)
            .filter(|rules| packed_bytes(rules) <= bytes)
        {
            return rules;
        }
        price = price.saturating_add((price / 2).max(1));
    }
}

/// The best rules where each costs `price`.
#[must_use]
pub fn at_price(price: u32, samples: &[Sample]) -> SuffixRules {
    Tree::new(samples).rules(price).unwrap_or_default()
}

/// What rules take in a root.
#[must_use]
pub fn packed_bytes(rules: &SuffixRules) -> usize {
    let language = Language::Learned(Learned {
        rules: rules.clone(),
        ..Learned::default()
    });
    let mut out = Writer::new();
    Language::write_all(&[language], &mut out);
    deflate(&out.into_bytes()).len()
}

/// Index of an action; [`KEEP`] leaves words alone.
type ActionId = u32;
const KEEP: ActionId = 0;

#[derive(Debug, Default)]
struct Node {
    children: Vec<(char, u32)>,
    /// Weight by right action of the words that are decided here.
    own: Vec<(ActionId, u32)>,
}

/// All endings of the words, without those below which there is one word only.
struct Tree {
    nodes: Vec<Node>,
    actions: Vec<Action>,
}

/// What a subtree costs by the action that it inherits.
#[derive(Debug, Default)]
struct Costs {
    /// With any other action than those in `with`.
    other: u32,
    /// With an action for which it is less.
    with: BTreeMap<ActionId, u32>,
}

impl Costs {
    fn of(&self, action: ActionId) -> u32 {
        self.with.get(&action).copied().unwrap_or(self.other)
    }
}

impl Tree {
    fn new(samples: &[Sample]) -> Self {
        let mut ids = BTreeMap::from([(Action::default(), KEEP)]);
        let mut actions = vec![Action::default()];
        let mut words: Vec<(Vec<char>, ActionId, u32)> = Vec::new();
        for sample in samples {
            let action = action_of(sample);
            let id = *ids.entry(action.clone()).or_insert_with(|| {
                actions.push(action);
                actions.len() as ActionId - 1
            });
            let backwards = sample.word.chars().rev().chain([WORD_START]);
            words.push((backwards.collect(), id, sample.weight));
        }
        words.sort_unstable();
        let mut tree = Self {
            nodes: Vec::new(),
            actions,
        };
        tree.grow(&words, 0);
        tree
    }

    /// Adds the node of the ending that these words have in common, `depth` characters of it.
    fn grow(&mut self, words: &[(Vec<char>, ActionId, u32)], depth: usize) -> u32 {
        let at = self.nodes.len();
        self.nodes.push(Node::default());
        let is_uniform = words.windows(2).all(|pair| pair[0].1 == pair[1].1);
        if is_uniform {
            // No ending below tells these words apart.
            let weight = words.iter().map(|word| word.2).sum();
            self.nodes[at].own = words
                .first()
                .map(|word| (word.1, weight))
                .into_iter()
                .collect();
            return at as u32;
        }
        for same in words.chunk_by(|a, b| a.0.get(depth) == b.0.get(depth)) {
            match same[0].0.get(depth) {
                Some(&c) => {
                    let child = self.grow(same, depth + 1);
                    self.nodes[at].children.push((c, child));
                }
                None => self.nodes[at]
                    .own
                    .extend(same.iter().map(|word| (word.1, word.2))),
            }
        }
        at as u32
    }

    /// The best rules; nothing if there are more than an index holds.
    fn rules(&self, price: u32) -> Option<SuffixRules> {
        // Children come after their parents, so backwards they are done first.
        let mut costs: Vec<Costs> = Vec::new();
        costs.resize_with(self.nodes.len(), Costs::default);
        for at in (0..self.nodes.len()).rev() {
            let mut inherited = self.inherited(at, &costs);
            let least = inherited.with.values().copied().min();
            let with_rule = least.unwrap_or(inherited.other).min(inherited.other) + price;
            inherited.other = inherited.other.min(with_rule);
            let other = inherited.other;
            inherited.with.retain(|_, cost| *cost < other);
            costs[at] = inherited;
        }
        let mut rules = Vec::new();
        self.choose(0, KEEP, &mut Vec::new(), &costs, price, &mut rules);
        let mut used: Vec<ActionId> = rules.iter().map(|rule| rule.1).collect();
        used.sort_unstable();
        used.dedup();
        if rules.len() > MAX_RULES || used.len() > MAX_ACTIONS {
            return None;
        }
        let place = |action: ActionId| used.binary_search(&action).unwrap_or(0) as u8;
        let rules = rules
            .into_iter()
            .map(|(ending, action)| (ending, place(action)));
        let rules = rules.collect();
        let actions = used.iter().map(|&id| self.actions[id as usize].clone());
        Some(SuffixRules::new(actions.collect(), rules))
    }

    /// What the node costs without a rule of its own.
    fn inherited(&self, at: usize, costs: &[Costs]) -> Costs {
        let node = &self.nodes[at];
        let mut other = node.own.iter().map(|own| own.1).sum::<u32>();
        let mut gains: BTreeMap<ActionId, u32> = BTreeMap::new();
        for &(action, weight) in &node.own {
            *gains.entry(action).or_default() += weight;
        }
        for &(_, child) in &node.children {
            let child = &costs[child as usize];
            other += child.other;
            for (&action, &cost) in &child.with {
                *gains.entry(action).or_default() += child.other - cost;
            }
        }
        let with = gains
            .into_iter()
            .map(|(action, gain)| (action, other - gain));
        Costs {
            other,
            with: with.collect(),
        }
    }

    fn choose(
        &self,
        at: usize,
        inherited: ActionId,
        ending: &mut Vec<char>,
        costs: &[Costs],
        price: u32,
        rules: &mut Vec<(Vec<char>, ActionId)>,
    ) {
        let without = self.inherited(at, costs);
        let best = without
            .with
            .iter()
            .min_by_key(|&(&action, &cost)| (cost, action));
        let mut action = inherited;
        if let Some((&best, &cost)) = best
            && cost + price < without.of(inherited)
        {
            action = best;
            rules.push((ending.clone(), action));
        }
        for &(c, child) in &self.nodes[at].children {
            ending.push(c);
            self.choose(child as usize, action, ending, costs, price, rules);
            ending.pop();
        }
    }
}

/// What makes the stem of the word.
fn action_of(sample: &Sample) -> Action {
    let pairs = sample.word.chars().zip(sample.stem.chars());
    let common = pairs.take_while(|(a, b)| a == b).count();
    Action {
        cut: (sample.word.chars().count() - common).min(255) as u8,
        append: sample.stem.chars().skip(common).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(words: &[(&str, &str)]) -> Vec<Sample> {
        let sample = |&(word, stem): &(&str, &str)| Sample {
            word: word.into(),
            stem: stem.into(),
            weight: 3,
        };
        words.iter().map(sample).collect()
    }

    fn stem(rules: &SuffixRules, word: &str) -> String {
        let mut word = word.to_owned();
        rules.apply(&mut word);
        word
    }

    #[test]
    fn rules_give_the_stems_they_were_learnt_from_and_those_of_other_words() {
        let words = samples(&[
            ("laufen", "lauf"),
            ("kaufen", "kauf"),
            ("malen", "mal"),
            ("wagen", "wag"),
            ("haus", "haus"),
            ("baum", "baum"),
            ("ist", "ist"),
            ("faden", "faden"),
        ]);
        let rules = at_price(1, &words);
        for sample in &words {
            assert_eq!(stem(&rules, &sample.word), sample.stem);
        }
        assert_eq!(stem(&rules, "rufen"), "ruf");
        assert_eq!(rules.len(), 2);
        assert_eq!(at_price(1_000, &words).len(), 0);
    }

    #[test]
    fn no_words_give_no_rules() {
        assert!(within(RULE_BYTES, &[]).is_empty());
    }
}

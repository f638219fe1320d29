//! Texts as bags of weighted features: a sparse matrix, one row per text.

/// Bags in the order they were pushed; 8 bytes per entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Bags {
    feature_count: usize,
    /// Bag i holds the entries `ends[i − 1]..ends[i]`.
    ends: Vec<usize>,
    features: Vec<u32>,
    weights: Vec<f32>,
}

impl Bags {
    /// No bags over features `0..feature_count`.
    pub fn new(feature_count: usize) -> Self {
        Self { feature_count, ends: Vec::new(), features: Vec::new(), weights: Vec::new() }
    }

    /// Number of bags.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no bags.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Number of features that may occur.
    pub fn feature_count(&self) -> usize {
        self.feature_count
    }

    /// Appends a bag of (feature, weight) entries, scaled to length 1 and then by `emphasis`.
    ///
    /// # Panics
    /// If a feature is not below [`Bags::feature_count`].
    pub fn push(&mut self, entries: &[(u32, f32)], emphasis: f32) {
        let squares: f32 = entries.iter().map(|(_, weight)| weight * weight).sum();
        let factor = if squares > 0.0 { emphasis / squares.sqrt() } else { 0.0 };
        for &(feature, weight) in entries {
            assert!((feature as usize) < self.feature_count, "feature {feature} is unknown");
            self.features.push(feature);
            self.weights.push(weight * factor);
        }
        self.ends.push(self.features.len());
    }

    /// The entries of bag `index` as (feature, weight).
    ///
    /// # Panics
    /// If there is no such bag.
    pub fn bag(&self, index: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        let range = start..self.ends[index];
        self.features[range.clone()].iter().map(|&f| f as usize).zip(self.weights[range].iter().copied())
    }

    /// The same entries, one bag per feature, texts ascending.
    #[must_use]
    pub fn transposed(&self) -> Self {
        let mut next = vec![0usize; self.feature_count];
        for &feature in &self.features {
            next[feature as usize] += 1;
        }
        let mut start = 0;
        for slot in &mut next {
            start += std::mem::replace(slot, start);
        }
        let mut features = vec![0; self.features.len()];
        let mut weights = vec![0.0; self.features.len()];
        for text in 0..self.len() {
            for (feature, weight) in self.bag(text) {
                let at = next[feature];
                next[feature] += 1;
                features[at] = text as u32;
                weights[at] = weight;
            }
        }
        // Every slot has moved to the end of its bag.
        Self { feature_count: self.len(), ends: next, features, weights }
    }
}

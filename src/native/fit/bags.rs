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
    /// No bags over the features `0..feature_count`.
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

    /// Appends a bag of (feature, weight) entries, scaled to length 1.
    ///
    /// # Panics
    /// If a feature is not below [`Bags::feature_count`].
    pub fn push(&mut self, entries: &[(u32, f32)]) {
        let squares: f32 = entries.iter().map(|(_, weight)| weight * weight).sum();
        let factor = if squares > 0.0 { 1.0 / squares.sqrt() } else { 0.0 };
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
        let features = self.features[range.clone()].iter().map(|&feature| feature as usize);
        features.zip(self.weights[range].iter().copied())
    }

    /// The entries by feature: one bag per feature, texts ascending, weights times the text's
    /// emphasis.
    #[must_use]
    pub fn transposed(&self, emphasis: &[f32]) -> Self {
        let mut next = vec![0usize; self.feature_count];
        for &feature in &self.features {
            next[feature as usize] += 1;
        }
        let mut start = 0;
        for slot in &mut next {
            let count = *slot;
            *slot = start;
            start += count;
        }
        let mut features = vec![0; self.features.len()];
        let mut weights = vec![0.0; self.features.len()];
        for (text, factor) in (0..self.len()).zip(emphasis) {
            for (feature, weight) in self.bag(text) {
                let at = next[feature];
                next[feature] += 1;
                features[at] = text as u32;
                weights[at] = weight * factor;
            }
        }
        // Every slot has moved to the end of its bag.
        Self { feature_count: self.len(), ends: next, features, weights }
    }
}

#[cfg(test)]
mod tests {
    use super::Bags;

    #[test]
    fn pushed_bag_has_length_one() {
        let mut bags = Bags::new(9);
        bags.push(&[(8, 3.0), (0, 4.0)]);
        bags.push(&[]);
        assert_eq!(bags.bag(0).collect::<Vec<_>>(), [(8, 0.6), (0, 0.8)]);
        assert_eq!((bags.bag(1).count(), bags.len()), (0, 2));
    }

    #[test]
    fn transposed_twice_is_the_same_with_ordered_features() {
        let mut bags = Bags::new(4);
        bags.push(&[(1, 1.0), (3, 2.0)]);
        bags.push(&[]);
        bags.push(&[(0, 2.0), (1, 5.0), (3, 1.0)]);
        assert_eq!(bags.transposed(&[1.0; 3]).transposed(&[1.0; 4]), bags);
    }

    #[test]
    #[should_panic(expected = "feature 2 is unknown")]
    fn unknown_feature_is_refused() {
        Bags::new(2).push(&[(2, 1.0)]);
    }
}

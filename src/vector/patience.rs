//! When a search that looks at more and more may stop.
//!
//! A search that has gone on for some steps without finding anything among the nearest so far is
//! unlikely to find it later: easy queries end early, hard ones go on. Lucene ends walks of its graphs
//! the same way ("patience").

/// Nearest items that count: a step that changes none of them is in vain.
const NEAREST: usize = 10;

/// Follows a search and tells when to stop.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    /// The largest ranks so far, descending.
    nearest: [u64; NEAREST],
    /// Steps in vain since the last one that was not.
    vain: usize,
    limit: usize,
}

impl Patience {
    /// Lasts for `limit` steps in vain, one after the other.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            nearest: [0; NEAREST],
            vain: 0,
            limit,
        }
    }

    /// Begins a step; `false` if there is no patience left for it.
    pub(crate) fn step(&mut self) -> bool {
        let goes_on = self.vain < self.limit;
        self.vain += 1;
        goes_on
    }

    /// Tells of something found; a larger rank is nearer, and 0 is none.
    #[inline]
    pub(crate) fn found(&mut self, rank: u64) {
        if rank <= self.nearest[NEAREST - 1] {
            return;
        }
        let mut at = NEAREST - 1;
        while at > 0 && self.nearest[at - 1] < rank {
            self.nearest[at] = self.nearest[at - 1];
            at -= 1;
        }
        self.nearest[at] = rank;
        self.vain = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::NEAREST;
    use super::Patience;

    #[test]
    fn patience_ends_after_steps_that_change_none_of_the_nearest() {
        let mut patience = Patience::new(3);
        for rank in 1..=NEAREST as u64 {
            assert!(patience.step());
            patience.found(10 * rank);
        }
        assert!(patience.step());
        patience.found(5);
        assert!(patience.step());
        patience.found(10);
        assert!(patience.step());
        assert!(!patience.step(), "the eleventh nearest changes nothing");

        let mut patience = Patience::new(2);
        assert!(patience.step() && patience.step());
        patience.found(1);
        assert!(patience.step() && patience.step() && !patience.step());
        assert!(!Patience::new(0).step());
    }
}

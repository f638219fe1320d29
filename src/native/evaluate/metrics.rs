//! Measures of one ranking, as trec_eval defines them.
//!
//! `found` are the grades of a query's results, best result first, 0 where a result was not judged;
//! `judged` are all grades of the query, in any order. A document is relevant if its grade is above 0.

/// Sum of gains, each divided by log2(rank + 1).
fn discounted(gains: impl Iterator<Item = f64>, k: usize) -> f64 {
    let gains = gains.take(k).zip(2u32..);
    gains
        .map(|(gain, rank)| gain.max(0.0) / f64::from(rank).log2())
        .sum()
}

fn relevant(grades: &[f64]) -> usize {
    grades.iter().filter(|&&grade| grade > 0.0).count()
}

/// Normalised discounted cumulative gain of the first `k` results, with linear gains
/// (Järvelin, Kekäläinen: *Cumulated gain-based evaluation of IR techniques*, TOIS 2002): `ndcg_cut` of
/// trec_eval, and what BEIR reports.
#[must_use]
pub fn ndcg(found: &[f64], judged: &[f64], k: usize) -> f64 {
    let mut ideal = judged.to_vec();
    ideal.sort_by(|a, b| b.total_cmp(a));
    let ideal = discounted(ideal.into_iter(), k);
    if ideal > 0.0 {
        discounted(found.iter().copied(), k) / ideal
    } else {
        0.0
    }
}

/// 1 / rank of the first relevant result, 0 if there is none among the first `k`.
#[must_use]
pub fn reciprocal_rank(found: &[f64], k: usize) -> f64 {
    let first = found.iter().take(k).position(|&grade| grade > 0.0);
    first.map_or(0.0, |at| 1.0 / (at + 1) as f64)
}

/// Share of the relevant documents that are among the first `k` results.
#[must_use]
pub fn recall(found: &[f64], judged: &[f64], k: usize) -> f64 {
    match relevant(judged) {
        0 => 0.0,
        all => relevant(&found[..found.len().min(k)]) as f64 / all as f64,
    }
}

/// Whether a relevant document is among the first `k` results: 1 or 0.
#[must_use]
pub fn success(found: &[f64], k: usize) -> f64 {
    let is_found = found.iter().take(k).any(|&grade| grade > 0.0);
    f64::from(u8::from(is_found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(got: f64, expected: f64) {
        assert!((got - expected).abs() < 1e-12, "{got} for {expected}");
    }

    // Figures of trec_eval 9 (by pytrec_eval) for the same rankings and grades.
    #[test]
    fn graded_ranking_has_the_figures_of_trec_eval() {
        let judged = [3.0, 1.0, 2.0, 0.0, 1.0];
        let found = [1.0, 0.0, 3.0, 0.0, 0.0, 0.0, 2.0];
        close(ndcg(&found, &judged, 10), 0.6098497202319867);
        close(recall(&found, &judged, 10), 0.75);
        close(reciprocal_rank(&found, 10), 1.0);
        close(success(&found, 5), 1.0);
    }

    #[test]
    fn relevant_document_beyond_the_cut_counts_for_deeper_recall_only() {
        let judged = [1.0, 1.0];
        let mut found = vec![0.0; 11];
        found.push(1.0);
        close(ndcg(&found, &judged, 10), 0.0);
        close(recall(&found, &judged, 10), 0.0);
        close(recall(&found, &judged, 100), 0.5);
        close(reciprocal_rank(&found, 10), 0.0);
        close(reciprocal_rank(&found, 100), 1.0 / 12.0);
        close(success(&found, 5), 0.0);
    }

    #[test]
    fn second_place_has_the_figures_of_trec_eval() {
        close(ndcg(&[0.0, 2.0], &[2.0], 10), 0.6309297535714575);
        close(reciprocal_rank(&[0.0, 2.0], 10), 0.5);
    }

    #[test]
    fn gains_are_linear_and_negative_grades_count_nothing() {
        // By hand: (1 + 3 / log2 3) / (3 + 1 / log2 3).
        let discount = 1.0 / 3f64.log2();
        let expected = (1.0 + 3.0 * discount) / (3.0 + discount);
        close(ndcg(&[1.0, 3.0], &[3.0, 1.0], 10), expected);
        close(ndcg(&[1.0, 3.0, -2.0], &[3.0, 1.0, -2.0], 10), expected);
        close(recall(&[1.0, 3.0, -2.0], &[3.0, 1.0, -2.0], 10), 1.0);
    }

    #[test]
    fn nothing_found_or_nothing_relevant_is_zero() {
        for (found, judged) in [(&[][..], &[1.0][..]), (&[0.0], &[0.0]), (&[], &[])] {
            close(ndcg(found, judged, 10), 0.0);
            close(recall(found, judged, 10), 0.0);
            close(reciprocal_rank(found, 10), 0.0);
            close(success(found, 5), 0.0);
        }
    }
}

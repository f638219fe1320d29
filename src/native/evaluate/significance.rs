//! Whether two ways to search differ by more than chance on the same questions.

/// Random assignments of signs: the smallest p is 1 / (this + 1).
const ROUNDS: u32 = 10_000;

/// Two-sided p of the mean difference between two figures of the same questions, by a paired
/// randomisation test (Smucker, Allan, Carterette: *A comparison of statistical significance tests for
/// information retrieval evaluation*, CIKM 2007): were the two alike, every difference could as well
/// have the other sign. The signs come from a fixed seed, so that equal figures give equal p.
#[must_use]
pub fn p_value(a: &[f64], b: &[f64]) -> f64 {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let differences: Vec<f64> = differences.into_iter().filter(|&d| d != 0.0).collect();
    let observed = differences.iter().sum::<f64>().abs();
    // Sums in another order may differ in the last bits.
    let least = observed - 1e-9;
    let mut random = fastrand::Rng::with_seed(1);
    let mut extreme = 0u32;
    for _ in 0..ROUNDS {
        let mut bits = 0u64;
        let mut sum = 0.0;
        for (at, difference) in differences.iter().enumerate() {
            if at % 64 == 0 {
                bits = random.u64(..);
            }
            sum += if bits & 1 == 0 {
                *difference
            } else {
                -difference
            };
            bits >>= 1;
        }
        extreme += u32::from(sum.abs() >= least);
    }
    f64::from(extreme + 1) / f64::from(ROUNDS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_figures_do_not_differ() {
        assert!(p_value(&[0.1, 0.5, 1.0], &[0.1, 0.5, 1.0]) == 1.0);
        assert!(p_value(&[], &[]) == 1.0);
    }

    #[test]
    fn ten_gains_of_ten_have_the_p_of_the_exact_test() {
        // Of 1,024 assignments of signs to equal differences, two are as extreme.
        let p = p_value(&[0.6; 10], &[0.5; 10]);
        assert!((p - 2.0 / 1024.0).abs() < 0.001, "{p}");
    }

    #[test]
    fn direction_does_not_matter_and_noise_is_not_significant() {
        let a: Vec<f64> = (0..40).map(|i| f64::from(i * 7 % 13) / 13.0).collect();
        let b: Vec<f64> = (0..40).map(|i| f64::from(i * 5 % 13) / 13.0).collect();
        assert!(p_value(&a, &b) == p_value(&b, &a));
        assert!(p_value(&a, &b) > 0.05);
    }
}

//! Quantiles of the symmetric beta distribution.

/// The u-quantile of Beta(a, a): the x whose cumulative probability is u.
pub fn quantile_of_beta(u: f64, shape: f64) -> f64 {
    // The median is ½, and the halves mirror each other.
    if u > 0.5 {
        return 1.0 - quantile_of_beta(1.0 - u, shape);
    }
    let wanted = u * 2.0 * incomplete_beta(0.5, shape);
    let (mut low, mut high) = (0.0, 0.5);
    // Sixty halvings reach the precision of f64.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if incomplete_beta(middle, shape) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// ∫ s^(a−1)·(1 − s)^(a−1) ds from 0 to x ≤ ½, by the binomial series of the second factor: Σ cₖ·x^(a+k)/(a + k).
fn incomplete_beta(x: f64, shape: f64) -> f64 {
    let mut coefficient = 1.0;
    let mut sum = 0.0;
    for k in 0..64 {
        let k = f64::from(k);
        let term = coefficient * x.powf(shape + k) / (shape + k);
        // The terms fall at least by half: what follows rounds away.
        if term < sum * 1e-17 {
            break;
        }
        sum += term;
        coefficient *= (k + 1.0 - shape) / (k + 1.0);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::quantile_of_beta;

    /// Values of `scipy.stats.beta.ppf(u, 0.6, 0.6)`.
    #[test]
    fn quantiles_are_scipys() {
        for (u, want) in [
            (0.0, 0.0),
            (1e-06, 1.8558824624053043e-10),
            (0.001, 1.855873851745199e-05),
            (0.1, 0.03958440558878085),
            (0.1111111111111111, 0.04709181754904242),
            (0.25, 0.17568037865269498),
            (0.5, 0.5000000000000001),
            (0.6, 0.6372990092467856),
            (0.9, 0.9604155944112192),
            (0.999, 0.9999814412614826),
            (1.0, 1.0),
        ] {
            let got = quantile_of_beta(u, 0.6);
            assert!((got - want).abs() < 1e-12, "{u}: got {got}, want {want}");
        }
    }
}

//! The few statistics that a comparison needs.

/// A median with the interval that holds the true one with at least 95 %, as far as so few values can say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Median {
    pub(crate) low: f64,
    pub(crate) middle: f64,
    pub(crate) high: f64,
}

/// The median of `values` and the order statistics around it. They assume nothing about the distribution: with k
/// values cut from each end, the chance that the true median lies outside is twice the binomial tail P(X <= k). With
/// fewer than six values even the whole range holds it with less than 95 %, and is given all the same.
/// `None` for no values.
pub(crate) fn median(values: &[f64]) -> Option<Median> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let (below, above) = (sorted.get(n.checked_sub(1)? / 2)?, sorted.get(n / 2)?);
    let k = outermost(n);
    Some(Median { low: *sorted.get(k)?, middle: f64::midpoint(*below, *above), high: *sorted.get(n - 1 - k)? })
}

/// How many values may be cut from each end: the largest k with a binomial tail P(X <= k) of at most 2.5 %, or none.
fn outermost(n: usize) -> usize {
    let mut term = 0.5_f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    let mut tail = 0.0;
    for k in 0..n / 2 {
        tail += term;
        if tail > 0.025 {
            return k.saturating_sub(1);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of rounds are small")]
        {
            term *= (n - k) as f64 / (k + 1) as f64;
        }
    }
    n.saturating_sub(1) / 2
}

#[cfg(test)]
#[path = "numbers_tests.rs"]
mod tests;

//! Medians and quantiles.

/// The median; of an even number, the mean of the middle two.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        even if even % 2 == 0 => Some(f64::midpoint(values[middle - 1], values[middle])),
        _ => Some(values[middle]),
    }
}

/// The value that the share `q` of the sorted values does not exceed.
pub(crate) fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    // Not below 0, and at most the length, which fits.
    let rank = (sorted.len() as f64 * q).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_quantiles() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        let hundred: Vec<f64> = (1..=100).map(f64::from).collect();
        let at = |q| quantile(&hundred, q).unwrap();
        assert_eq!(
            (at(0.0), at(0.5), at(0.99), at(1.0)),
            (1.0, 50.0, 99.0, 100.0)
        );
        assert_eq!(quantile(&[], 0.5), None);
    }
}

/// The goodput of fixed limits, as a share of the best: what a limit is worth.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Curve {
    /// Limits in rising order with their shares.
    points: Vec<(u32, f64)>,
}

impl Curve {
    /// The curve through these limits and their goodputs, in rising order, as shares of what `best` gives. No limit is
    /// worth more than the best: what is beyond it was paid for with timeouts.
    pub(super) fn new(goodputs: impl IntoIterator<Item = (u32, f64)>, best: u32) -> Self {
        let points: Vec<(u32, f64)> = goodputs.into_iter().collect();
        let reference = points.iter().find(|(limit, _)| *limit == best).map_or(0.0, |(_, goodput)| *goodput);
        let share = |goodput: f64| if reference > 0.0 { (goodput / reference).min(1.0) } else { 1.0 };
        Self { points: points.into_iter().map(|(limit, goodput)| (limit, share(goodput))).collect() }
    }

    /// What a limit is worth: between two points by the ratio of the limits, beyond the outer ones what they are worth.
    pub(super) fn share(&self, limit: f64) -> f64 {
        let above = self.points.partition_point(|(point, _)| f64::from(*point) < limit);
        match (above.checked_sub(1).and_then(|below| self.points.get(below)), self.points.get(above)) {
            (Some(&(low, below)), Some(&(high, above))) => {
                let (low, high) = (f64::from(low).ln(), f64::from(high).ln());
                below + (above - below) * (limit.ln() - low) / (high - low)
            }
            (Some((_, outer)), None) | (None, Some((_, outer))) => *outer,
            (None, None) => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_worth_what_its_neighbours_are() {
        let curve = Curve::new([(5, 50.0), (10, 100.0), (40, 80.0), (50, 110.0)], 10);
        for (limit, share) in
            [(1.0, 0.5), (5.0, 0.5), (10.0, 1.0), (20.0, 0.9), (40.0, 0.8), (50.0, 1.0), (f64::INFINITY, 1.0)]
        {
            assert!((curve.share(limit) - share).abs() < 1e-9, "{limit}");
        }
    }

    #[test]
    fn where_nothing_can_be_done_every_limit_is_as_good() {
        let curve = Curve::new([(5, 0.0), (10, 0.0)], 10);
        assert!((curve.share(7.0) - 1.0).abs() < 1e-9);
    }
}

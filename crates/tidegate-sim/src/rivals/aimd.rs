use super::{LIMIT_MAX, whole};

/// A limit that grows by one permit and shrinks to a share of itself, 1 to [`LIMIT_MAX`]: additive increase and
/// multiplicative decrease, of which each such law has its own occasions.
#[derive(Debug)]
pub(super) struct AimdLimit {
    /// A whole number.
    permits: f64,
    /// 0 to 1.
    keep: f64,
}

impl AimdLimit {
    /// It begins with so many permits.
    pub(super) const fn new(permits: f64, keep: f64) -> Self {
        Self { permits, keep }
    }

    pub(super) fn permits(&self) -> u32 {
        whole(self.permits)
    }

    pub(super) fn is_highest(&self) -> bool {
        self.permits >= LIMIT_MAX
    }

    pub(super) fn grow(&mut self) {
        self.permits = (self.permits + 1.0).min(LIMIT_MAX);
    }

    pub(super) fn shrink(&mut self) {
        self.permits = (self.permits * self.keep).floor().max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_a_whole_number_between_one_and_the_highest() {
        let mut limit = AimdLimit::new(LIMIT_MAX - 1.0, 0.5);
        limit.grow();
        assert!(limit.is_highest());
        limit.grow();
        assert_eq!(limit.permits(), 1_000);
        let shrunk = [500, 250, 125, 62, 31, 15, 7, 3, 1, 1];
        for permits in shrunk {
            limit.shrink();
            assert_eq!(limit.permits(), permits);
        }
        assert!(!limit.is_highest());
    }
}

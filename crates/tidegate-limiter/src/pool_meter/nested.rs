//! Who holds a connection and asks for another one.

use std::collections::HashMap;
use std::panic::Location;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::time::Instant;

use crate::flow::Flow;

/// How many places are told of; acquires of more are counted only.
const SITES_MAX: usize = 64;

/// A place that was quiet for so long is told of again.
const QUIET: Duration = Duration::from_mins(1);

/// The lines of work that hold connections, and how many each.
#[derive(Default)]
pub(super) struct Holders(HashMap<Flow, u32, RandomState>);

impl Holders {
    pub(super) fn add(&mut self, flow: Flow) {
        *self.0.entry(flow).or_default() += 1;
    }

    pub(super) fn remove(&mut self, flow: Flow) {
        if let Some(held) = self.0.get_mut(&flow) {
            *held -= 1;
            if *held == 0 {
                self.0.remove(&flow);
            }
        }
    }

    /// Whether what runs now holds a connection.
    pub(super) fn hold_now(&self) -> bool {
        !self.0.is_empty() && Flow::any_current(|flow| self.0.contains_key(&flow))
    }
}

/// The places in the code that nested an acquire, and when each last did.
#[derive(Default)]
pub(super) struct Sites(HashMap<Option<&'static Location<'static>>, Instant, RandomState>);

impl Sites {
    /// Whether to tell of it: once while it goes on, as an episode.
    pub(super) fn is_news(&mut self, site: Option<&'static Location<'static>>, now: Instant) -> bool {
        if self.0.len() >= SITES_MAX && !self.0.contains_key(&site) {
            return false;
        }
        let last = self.0.insert(site, now);
        last.is_none_or(|last| now.saturating_duration_since(last) > QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_news_once_until_it_was_quiet() {
        let mut sites = Sites::default();
        let (here, there) = (Some(Location::caller()), None);
        let start = Instant::now();
        let mut is_news = |site, seconds| sites.is_news(site, start + Duration::from_secs(seconds));
        assert!(is_news(here, 0));
        assert!(is_news(there, 1));
        assert!(!is_news(here, 60));
        assert!(!is_news(here, 120), "it was not quiet for a minute");
        assert!(is_news(here, 181));
        assert!(is_news(there, 181));
    }
}

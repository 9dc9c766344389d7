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

/// The lines of work that hold connections, and what each holds.
#[derive(Default)]
pub(super) struct Holders(HashMap<Flow, Held, RandomState>);

/// Connections in hand.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) connections: u32,
    /// Where the latest was taken.
    pub(super) since: Site,
}

pub(super) type Site = Option<&'static Location<'static>>;

impl Holders {
    pub(super) fn add(&mut self, flow: Flow, since: Site) {
        let held = self.0.entry(flow).or_insert(Held { connections: 0, since });
        held.connections += 1;
        held.since = since;
    }

    pub(super) fn remove(&mut self, flow: Flow) {
        if let Some(held) = self.0.get_mut(&flow) {
            held.connections -= 1;
            if held.connections == 0 {
                self.0.remove(&flow);
            }
        }
    }

    /// What the lines of work that run now hold, all together.
    pub(super) fn held_now(&self) -> Option<Held> {
        if self.0.is_empty() {
            return None;
        }
        let mut all: Option<Held> = None;
        Flow::any_current(|flow| {
            if let Some(held) = self.0.get(&flow) {
                let before = all.map_or(0, |all| all.connections);
                all = Some(Held { connections: before + held.connections, since: held.since });
            }
            false
        });
        all
    }
}

/// The places in the code that nested an acquire, and when each last did.
#[derive(Default)]
pub(super) struct Sites(HashMap<Site, Instant, RandomState>);

impl Sites {
    /// Whether to tell of it: once while it goes on, as an episode.
    pub(super) fn is_news(&mut self, site: Site, now: Instant) -> bool {
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

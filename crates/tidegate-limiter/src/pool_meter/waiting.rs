use tokio::time::Instant;

/// Those who wait, oldest first: a list whose nodes stand in one vector and are used again.
///
/// Adding, removing and reading the oldest are O(1), and once there were as many waiters at once as there will ever be,
/// nothing is allocated.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    nodes: Vec<Node>,
    len: u32,
    oldest: Option<usize>,
    newest: Option<usize>,
    /// The first unused node; the others follow by `newer`.
    unused: Option<usize>,
}

#[derive(Debug)]
struct Node {
    started: Instant,
    older: Option<usize>,
    newer: Option<usize>,
}

/// A waiter's place in the list: not `Clone`, so it can be given up only once.
#[derive(Debug)]
pub(super) struct Place(usize);

impl Waiting {
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// When the oldest of those who wait and began after `moment` began.
    ///
    /// It passes over the older ones, of which there are few: those whose turn has come and who are stuck elsewhere.
    pub(super) fn oldest_after(&self, moment: Option<Instant>) -> Option<Instant> {
        let mut next = self.oldest;
        while let Some(index) = next {
            let node = &self.nodes[index];
            if moment.is_none_or(|moment| node.started > moment) {
                return Some(node.started);
            }
            next = node.newer;
        }
        None
    }

    /// Adds a waiter that began at `started`, not before those already here.
    ///
    /// Callers read the clock before they take the lock, so two of them may stand in the wrong order; they are then as
    /// far apart as a lock is waited for, which no reader of ages minds.
    pub(super) fn push(&mut self, started: Instant) -> Place {
        let node = Node { started, older: self.newest, newer: None };
        let index = match self.unused {
            Some(index) => {
                self.unused = self.nodes[index].newer;
                self.nodes[index] = node;
                index
            }
            None => {
                self.nodes.push(node);
                self.nodes.len() - 1
            }
        };
        match self.newest {
            Some(newest) => self.nodes[newest].newer = Some(index),
            None => self.oldest = Some(index),
        }
        self.newest = Some(index);
        self.len += 1;
        Place(index)
    }

    pub(super) fn remove(&mut self, place: Place) {
        let Place(index) = place;
        let Node { older, newer, .. } = self.nodes[index];
        match older {
            Some(older) => self.nodes[older].newer = newer,
            None => self.oldest = newer,
        }
        match newer {
            Some(newer) => self.nodes[newer].older = older,
            None => self.newest = older,
        }
        self.nodes[index].newer = self.unused;
        self.unused = Some(index);
        self.len -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is added and removed in whatever order, the list agrees with a plain vector.
        #[test]
        fn agrees_with_a_vector(steps in prop::collection::vec((any::<bool>(), any::<prop::sample::Index>()), 0..200)) {
            let start = Instant::now();
            let mut list = Waiting::default();
            let mut model: Vec<(Instant, Place)> = Vec::new();
            let mut most = 0;
            for (i, (add, at)) in (0_u64..).zip(steps) {
                if add || model.is_empty() {
                    let started = start + Duration::from_millis(i);
                    model.push((started, list.push(started)));
                } else {
                    let (_, place) = model.remove(at.index(model.len()));
                    list.remove(place);
                }
                most = most.max(model.len());
                prop_assert_eq!(list.len() as usize, model.len());
                prop_assert_eq!(list.oldest_after(None), model.first().map(|(started, _)| *started));
                prop_assert_eq!(list.nodes.len(), most, "nodes are used again");
            }
        }
    }
}

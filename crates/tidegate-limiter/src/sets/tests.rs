use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// Asks as the line of work 1, 2 and so on; each is in no other.
#[track_caller]
fn inside(sets: &mut Sets<u32>, flow: u32, in_hand: bool) -> Pass<u32> {
    sets.ask(&[flow], in_hand).unwrap()
}

#[track_caller]
fn in_line(sets: &mut Sets<u32>, flow: u32, in_hand: bool) -> Ticket {
    sets.ask(&[flow], in_hand).unwrap_err()
}

#[test]
fn one_connection_is_kept_for_who_has_one() {
    let mut sets = Sets::new(3, 2);
    let mut first = inside(&mut sets, 1, true);
    let second = inside(&mut sets, 2, true);
    let third = in_line(&mut sets, 3, true);
    assert_eq!((sets.open(), sets.most()), (2, 2));
    let nested = [inside(&mut sets, 1, true), inside(&mut sets, 2, false)];
    assert!(sets.admit().is_none());
    // Its set is open while one of its connections is in hand.
    sets.out_of_hand(&mut first);
    assert_eq!(sets.open(), 2);
    for pass in nested {
        sets.end(pass);
    }
    assert_eq!(sets.open(), 1);
    let (ticket, pass) = sets.admit().unwrap();
    assert_eq!(ticket, third);
    for pass in [first, second, pass] {
        sets.end(pass);
    }
    assert_eq!((sets.open(), sets.inside, sets.flows.len()), (0, 0, 0));
}

#[test]
fn a_set_is_let_in_only_where_the_pool_serves_it_at_once() {
    let mut sets = Sets::new(4, 2);
    let one = inside(&mut sets, 1, true);
    let _two = inside(&mut sets, 2, true);
    let nested = inside(&mut sets, 1, true);
    let _other = inside(&mut sets, 2, true);
    // Two of three possible sets are open, but they have all four connections.
    in_line(&mut sets, 3, true);
    assert!(sets.admit().is_none());
    sets.end(nested);
    assert!(sets.admit().is_some());
    sets.end(one);
}

#[test]
fn all_of_a_call_go_in_with_its_first() {
    let mut sets = Sets::new(2, 2);
    let full = inside(&mut sets, 1, true);
    let waiting = [in_line(&mut sets, 2, true), in_line(&mut sets, 3, true), in_line(&mut sets, 2, true)];
    let within = sets.ask(&[2, 4], false).unwrap_err();
    sets.end(full);
    let admitted: Vec<Ticket> = std::iter::from_fn(|| sets.admit()).map(|(ticket, _)| ticket).collect();
    assert_eq!(admitted, [waiting[0], waiting[2], within]);
}

#[test]
fn statements_use_all_of_the_pool_and_do_not_starve_a_set() {
    let mut sets = Sets::new(3, 2);
    let mut running: VecDeque<_> = (1..=3).map(|flow| inside(&mut sets, flow, false)).collect();
    let set = in_line(&mut sets, 4, true);
    // While a set is open, one connection is not theirs.
    for pass in running.drain(..1) {
        sets.end(pass);
    }
    assert!(sets.admit().is_none());
    let statement = in_line(&mut sets, 5, false);
    sets.end(running.pop_front().unwrap());
    let (ticket, opened) = sets.admit().unwrap();
    assert_eq!(ticket, set);
    assert!(sets.admit().is_none());
    sets.end(opened);
    assert_eq!(sets.admit().map(|(ticket, _)| ticket), Some(statement));
}

#[test]
fn who_leaves_the_line_is_forgotten() {
    let mut sets = Sets::new(2, 2);
    let full = inside(&mut sets, 1, true);
    let gone = in_line(&mut sets, 2, true);
    sets.leave(gone);
    sets.end(full);
    assert!(sets.admit().is_none());
    assert_eq!((sets.flows.len(), sets.firsts.len()), (0, 0));
}

#[test]
fn a_set_outlives_the_call_that_opened_it() {
    let mut sets = Sets::new(3, 2);
    let outer = inside(&mut sets, 1, true);
    let inner = sets.ask(&[1, 2], true).unwrap();
    sets.end(outer);
    assert_eq!(sets.open(), 1);
    assert!(sets.set_of(&[2]).is_some() && sets.set_of(&[1]).is_none());
    sets.end(inner);
    assert_eq!((sets.open(), sets.flows.len()), (0, 0));
}

/// So many sets, one after the other, which have one connection for a second and then two for `both`.
fn run_sets(sets: &mut Sets<u32>, count: u32, both: Duration) {
    for flow in 1..=count {
        let first = inside(sets, flow, true);
        sets.pass_time(Duration::from_secs(1));
        let second = inside(sets, flow, true);
        sets.pass_time(both);
        sets.end(second);
        sets.end(first);
    }
}

#[test]
fn as_many_sets_are_open_as_the_pool_serves_going_by_what_they_held() {
    let mut sets = Sets::new(20, 2);
    run_sets(&mut sets, 19, Duration::from_secs(1));
    assert_eq!(sets.most(), 19, "too early to tell");
    run_sets(&mut sets, 1, Duration::from_secs(1));
    assert_eq!(sets.most(), 13, "1.5 each");
    let mut open: Vec<_> = (1..=13).map(|flow| inside(&mut sets, flow, true)).collect();
    let waiting = in_line(&mut sets, 14, true);
    sets.end(open.remove(0));
    assert_eq!(sets.admit().map(|(ticket, _)| ticket), Some(waiting));
}

#[test]
fn a_statement_of_a_call_that_has_a_set_counts_in_what_sets_hold() {
    let mut sets = Sets::new(20, 2);
    for flow in 1..=20 {
        let first = inside(&mut sets, flow, true);
        sets.pass_time(Duration::from_secs(1));
        let statement = inside(&mut sets, flow, false);
        sets.pass_time(Duration::from_secs(1));
        sets.end(statement);
        sets.end(first);
    }
    assert_eq!((sets.most(), sets.members), (13, 0), "1.5 each");
}

#[test]
fn what_sets_held_is_forgotten() {
    let mut sets = Sets::new(20, 2);
    run_sets(&mut sets, WINDOW, Duration::from_secs(9));
    assert_eq!(sets.most(), 11, "1.9 each");
    run_sets(&mut sets, 8 * WINDOW, Duration::ZERO);
    assert_eq!(sets.most(), 19);
}

#[test]
fn statements_count_beside_what_sets_held() {
    let mut sets = Sets::new(6, 2);
    run_sets(&mut sets, 6, Duration::from_secs(9));
    let _open = [1, 2].map(|flow| inside(&mut sets, flow, true));
    let [statement, _other] = [3, 4].map(|flow| inside(&mut sets, flow, false));
    // The two sets are to have 3.8 connections, and the statements have two.
    let third = in_line(&mut sets, 5, true);
    // And statements do not go by it for ever.
    in_line(&mut sets, 6, false);
    sets.end(statement);
    assert_eq!(sets.admit().map(|(ticket, _)| ticket), Some(third));
}

#[test]
fn a_call_that_takes_more_than_it_may_does_not_shut_the_gate() {
    let mut sets = Sets::new(20, 2);
    run_sets(&mut sets, 20, Duration::from_secs(1));
    let _wide: Vec<_> = (0..100).map(|_| inside(&mut sets, 1, true)).collect();
    sets.pass_time(Duration::from_hours(1));
    assert_eq!(sets.most(), 10);
}

#[test]
fn a_set_that_stays_open_with_all_it_may_have_leaves_the_rest_to_others() {
    let mut sets = Sets::new(3, 2);
    run_sets(&mut sets, 3, Duration::ZERO);
    let _held = [inside(&mut sets, 1, true), inside(&mut sets, 1, true)];
    sets.pass_time(Duration::from_hours(1));
    let _other = inside(&mut sets, 2, true);
}

#[test]
fn a_connection_that_moves_takes_its_set_along_or_joins_the_one_there() {
    let mut sets = Sets::new(3, 2);
    let mut moved = inside(&mut sets, 1, true);
    let other = inside(&mut sets, 2, true);
    let sibling = in_line(&mut sets, 3, true);
    sets.move_to(&mut moved, Some(3));
    assert!(sets.set_of(&[1]).is_none());
    let (ticket, nested) = sets.admit().unwrap();
    assert_eq!((ticket, sets.open()), (sibling, 2));
    // To where another set is open: then there is one less, and who came from there is in it no more.
    sets.move_to(&mut moved, Some(2));
    sets.end(nested);
    assert_eq!(sets.open(), 1);
    sets.end(other);
    assert_eq!((sets.open(), sets.set_of(&[2]).is_some()), (1, true));
    sets.end(moved);
    assert_eq!((sets.open(), sets.inside, sets.flows.len(), sets.open.len()), (0, 0, 0, 0));
}

#[test]
fn a_connection_that_moves_out_of_a_set_opens_one() {
    let mut sets = Sets::new(5, 2);
    let (stays, mut moved) = (inside(&mut sets, 1, true), inside(&mut sets, 1, true));
    sets.move_to(&mut moved, Some(2));
    assert_eq!(sets.open(), 2, "each may ask for one more");
    sets.move_to(&mut moved, None);
    assert_eq!((sets.open(), sets.set_of(&[2])), (2, None));
    sets.end(stays);
    sets.end(moved);
    assert_eq!((sets.open(), sets.members, sets.flows.len(), sets.open.len()), (0, 0, 0, 0));
}

/// What a line of work does: takes so many connections one after the other, and then gives them back one by one, or takes one
/// for a statement.
#[derive(Clone, Copy, Debug)]
enum Script {
    Set(u32),
    Statement,
}

/// Lines of work behind a gate, and the pool behind it, which serves in order.
struct World {
    sets: Sets<usize>,
    free: u32,
    /// Those inside that wait for a connection.
    pool_line: VecDeque<usize>,
    tickets: BTreeMap<Ticket, usize>,
    asking: BTreeMap<usize, Pass<usize>>,
    held: Vec<Vec<Pass<usize>>>,
    wants: Vec<Script>,
    /// Who gives back, and does not take any more.
    ending: BTreeSet<usize>,
}

impl World {
    fn new(max: u32, per_call: u32, wants: Vec<Script>) -> Self {
        Self {
            sets: Sets::new(max, per_call),
            free: max,
            pool_line: VecDeque::new(),
            tickets: BTreeMap::new(),
            asking: BTreeMap::new(),
            held: wants.iter().map(|_| Vec::new()).collect(),
            wants,
            ending: BTreeSet::new(),
        }
    }

    fn wanted(&self, flow: usize) -> usize {
        match self.wants[flow] {
            Script::Set(connections) => connections as usize,
            Script::Statement => 1,
        }
    }

    /// Whether it can do something now; a statement that waits for a lock ends only after all sets have.
    fn can_act(&self, flow: usize) -> bool {
        let is_waiting = self.asking.contains_key(&flow) || self.tickets.values().any(|of| *of == flow);
        let is_done = self.ending.contains(&flow) && self.held[flow].is_empty();
        let has_lock = !matches!(self.wants[flow], Script::Statement)
            || self.held[flow].is_empty()
            || self.sets.open() == 0;
        !is_waiting && !is_done && has_lock
    }

    fn act(&mut self, flow: usize) {
        if !self.ending.contains(&flow) && self.held[flow].len() < self.wanted(flow) {
            match self.sets.ask(&[flow], matches!(self.wants[flow], Script::Set(_))) {
                Ok(pass) => self.go_inside(flow, pass),
                Err(ticket) => drop(self.tickets.insert(ticket, flow)),
            }
        } else {
            self.ending.insert(flow);
            if let Some(pass) = self.held[flow].pop() {
                self.sets.end(pass);
                self.free += 1;
            }
        }
        self.settle();
    }

    /// Gives up whatever it waits for, and ends.
    fn cancel(&mut self, flow: usize) {
        if let Some(pass) = self.asking.remove(&flow) {
            self.pool_line.retain(|of| *of != flow);
            self.sets.end(pass);
        }
        if let Some(ticket) = self.tickets.iter().find(|(_, of)| **of == flow).map(|(ticket, _)| *ticket) {
            self.tickets.remove(&ticket);
            self.sets.leave(ticket);
        }
        self.ending.insert(flow);
        self.settle();
    }

    fn go_inside(&mut self, flow: usize, pass: Pass<usize>) {
        self.asking.insert(flow, pass);
        self.pool_line.push_back(flow);
    }

    fn settle(&mut self) {
        while let Some((ticket, pass)) = self.sets.admit() {
            let flow = self.tickets.remove(&ticket).unwrap();
            self.go_inside(flow, pass);
        }
        while self.free > 0 {
            let Some(flow) = self.pool_line.pop_front() else { break };
            self.free -= 1;
            self.held[flow].extend(self.asking.remove(&flow));
        }
        let sets = &self.sets;
        assert!(sets.sets == 0 || sets.kept(sets.sets, sets.singles), "rule 3: {sets:?}");
        assert_eq!(sets.inside as usize, self.asking.len() + self.held.iter().map(Vec::len).sum::<usize>());
        // Rule 2: only who has a connection waits in the pool.
        assert!(self.pool_line.iter().all(|flow| !self.held[*flow].is_empty()));
    }
}

proptest! {
    /// Whatever calls do and in whatever order, and whoever gives up: somebody can always go on, until all are done; and in
    /// the end nothing is left.
    #[test]
    fn nobody_waits_for_ever(
        max in 2_u32..7,
        per_call in 2_u32..5,
        millis in prop::collection::vec(0_u64..50, 1..8),
        wants in prop::collection::vec((any::<bool>(), 1_u32..5), 1..14),
        steps in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..20), 300),
    ) {
        let per_call = per_call.min(max);
        let wants: Vec<Script> = wants
            .into_iter()
            .map(|(is_set, n)| if is_set { Script::Set(n.min(per_call)) } else { Script::Statement })
            .collect();
        let mut world = World::new(max, per_call, wants);
        for (i, (which, dice)) in steps.into_iter().enumerate() {
            world.sets.pass_time(Duration::from_millis(millis[i % millis.len()]));
            let flows = 0..world.wants.len();
            if dice == 0 {
                world.cancel(which.index(flows.len()));
                continue;
            }
            let able: Vec<usize> = flows.filter(|flow| world.can_act(*flow)).collect();
            if able.is_empty() {
                prop_assert!(world.tickets.is_empty() && world.asking.is_empty(), "stuck: {:?}", world.sets);
                break;
            }
            world.act(able[which.index(able.len())]);
        }
        // The rest, first come first served.
        while let Some(flow) = (0..world.wants.len()).find(|flow| world.can_act(*flow)) {
            world.act(flow);
        }
        prop_assert!(world.tickets.is_empty() && world.asking.is_empty(), "stuck: {:?}", world.sets);
        let Sets { sets, singles, inside, flows, open, .. } = &world.sets;
        prop_assert_eq!((*sets, *singles, *inside, flows.len(), open.len()), (0, 0, 0, 0, 0));
    }
}

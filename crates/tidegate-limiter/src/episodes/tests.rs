use tidegate_core::PoolReading;

use super::*;

const FLOOR: Episode = Episode::LimitAtFloor;
const ELSEWHERE: Episode = Episode::PoolBusyElsewhere;
const SERVER: Episode = Episode::ServerOutOfConnections;

fn signs(episode: Option<Episode>) -> Signs {
    Signs {
        limit_at_floor: episode == Some(FLOOR),
        pool_busy_elsewhere: episode == Some(ELSEWHERE),
        server_out_of_connections: episode == Some(SERVER),
    }
}

/// Plays a course of signs, one character for each half second: `#` is a sign, `.` none, `z` no tick at all; `+` and `-`
/// are a sign and none at which the episode is expected to begin or to end.
#[track_caller]
fn check(episode: Episode, course: &str) {
    let mut episodes = Episodes::default();
    let mut is_on = false;
    for (halves, mark) in (0..).zip(course.chars()) {
        if mark == 'z' {
            continue;
        }
        let now = Timestamp::from_start(Duration::from_millis(halves * 500));
        let shows = matches!(mark, '#' | '+').then_some(episode);
        let told: Vec<Change> = episodes.tick(now, signs(shows)).collect();
        let at = format!("{course} at {halves}: {told:?}");
        match mark {
            '+' => assert_eq!(told, [Change::Began(episode)], "{at}"),
            '-' => assert!(matches!(told[..], [Change::Ended(ended, _)] if ended == episode), "{at}"),
            _ => assert_eq!(told, [], "{at}"),
        }
        is_on = matches!((mark, is_on), ('+', _) | ('#' | '.', true));
        assert_eq!(episodes.is_on(episode), is_on, "{at}");
    }
}

#[test]
fn an_episode_is_told_once_when_it_has_lasted_and_once_when_it_is_over() {
    check(FLOOR, "####################+####....-...");
    check(FLOOR, "....................");
    // Nineteen half seconds are not enough, and what comes after a break begins anew.
    check(FLOOR, "####################.....####################+");
    check(FLOOR, "#.#.#.#.#.#.#.#.#.#.+.#....-");
    check(ELSEWHERE, "##########+##....-##########+");
    check(SERVER, "+#...#..#...");
}

#[test]
fn the_time_a_driver_slept_is_no_sign() {
    check(FLOOR, "##########zzzzzzzzzzzz##########");
    check(FLOOR, "####################+zzzzzzzz-####");
}

#[test]
fn the_end_says_how_long_the_signs_lasted() {
    let mut episodes = Episodes::default();
    let at = |seconds| Timestamp::from_start(Duration::from_secs(seconds));
    assert_eq!(episodes.tick(at(1), signs(Some(SERVER))).count(), 1);
    assert_eq!(episodes.tick(at(31), signs(Some(SERVER))).count(), 0);
    assert_eq!(episodes.tick(at(91), signs(None)).count(), 0);
    let ended = Change::Ended(SERVER, Duration::from_secs(30));
    assert_eq!(episodes.tick(at(92), signs(None)).collect::<Vec<_>>(), [ended]);
}

#[test]
fn an_end_and_a_new_beginning_may_come_at_one_tick() {
    let mut episodes = Episodes::default();
    let at = |seconds| Timestamp::from_start(Duration::from_secs(seconds));
    assert_eq!(episodes.tick(at(0), signs(Some(SERVER))).count(), 1);
    let told: Vec<Change> = episodes.tick(at(100), signs(Some(SERVER))).collect();
    assert_eq!(told, [Change::Ended(SERVER, Duration::ZERO), Change::Began(SERVER)]);
}

/// A limiter whose 5 calls of at most 10 do not fill a pool of 20, in which nobody waits.
fn calm() -> (Demand, PoolEvidence) {
    let mut demand = Demand::default();
    (demand.in_flight, demand.in_flight_peak) = (5, 5);
    let mut pool = PoolEvidence::default();
    pool.reading = PoolReading::new(20, 20, 15, Duration::from_secs(1));
    pool.held = 5;
    pool.activity.held_time = Duration::from_millis(500);
    (demand, pool)
}

#[track_caller]
fn check_signs(bound: Bound, change: impl FnOnce(&mut Demand, &mut PoolEvidence), expected: Option<Episode>) {
    let (mut demand, mut pool) = calm();
    change(&mut demand, &mut pool);
    let seen = Signs::of(&demand, Some(&pool), 10, bound);
    let shown: Vec<Episode> = Episode::ALL.into_iter().filter(|episode| seen.shows(*episode)).collect();
    assert_eq!(shown, expected.into_iter().collect::<Vec<_>>());
}

#[test]
fn each_episode_has_its_sign() {
    let wait = |pool: &mut PoolEvidence| pool.activity.pending_time = Duration::from_millis(251);
    let all_used = PoolReading::new(20, 20, 0, Duration::from_secs(1));
    check_signs(Bound::None, |_, _| {}, None);
    // The floor alone is no trouble: somebody must wait.
    check_signs(Bound::Min, |_, _| {}, None);
    check_signs(Bound::Min, |demand, _| demand.queued = 1, Some(FLOOR));
    check_signs(Bound::Max, |demand, _| demand.queued = 1, None);
    // A wait is somebody else's doing if the limit does not bind …
    check_signs(Bound::None, |_, pool| wait(pool), Some(ELSEWHERE));
    check_signs(Bound::None, |_, pool| pool.activity.pending_time = Duration::from_millis(250), None);
    for bind in [
        |demand: &mut Demand| demand.held_back = true,
        |demand: &mut Demand| demand.queued = 1,
        |demand: &mut Demand| demand.in_flight_peak = 10,
    ] {
        let binding = |demand: &mut Demand, pool: &mut PoolEvidence| {
            bind(demand);
            wait(pool);
        };
        check_signs(Bound::None, binding, None);
        // … or if others hold most of the pool.
        let mostly_others = |demand: &mut Demand, pool: &mut PoolEvidence| {
            binding(demand, pool);
            (pool.reading, pool.pending) = (all_used, 4);
        };
        check_signs(Bound::None, mostly_others, Some(ELSEWHERE));
    }
    check_signs(Bound::None, |_, pool| pool.activity.refused = 1, Some(SERVER));
    check_signs(Bound::None, |_, pool| pool.activity.connect_timeouts = 1, Some(SERVER));
}

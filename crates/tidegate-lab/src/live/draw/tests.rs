use std::collections::BTreeMap;
use std::time::Duration;

use ratatui::Terminal;
use ratatui::backend::TestBackend;
use tidegate::PoolReading;

use super::*;
use crate::error_kind::ErrorKind;
use crate::oracle::Step;
use crate::recorder::Jobs;
use crate::run::Glimpse;

/// The picture as text, a line for each row of the screen.
fn picture(view: &View, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(frame, view)).unwrap();
    let buffer = terminal.backend().buffer();
    let cells = buffer.content().chunks(usize::from(width));
    let rows = cells.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    rows.map(|row| row.trim_end().to_owned() + "\n").collect()
}

fn point(number: u32, limit: Option<u32>) -> Point {
    Point {
        t_s: f64::from(number) / 10.0,
        limit,
        in_flight: 12,
        queued: 43,
        free: 0,
        pool_wait_ms: number.is_multiple_of(2).then(|| f64::from(number)),
        experts_per_s: f64::from(40 + number % 10),
    }
}

/// Three policies, the second of which has run for so many tenths of a second.
fn view(tenths: u32, changes: Vec<Change>) -> View {
    let policies = ["none", "adaptive", "oracle"].map(str::to_owned);
    let title = "ticket on sqlite 3.46.0".to_owned();
    let mut view = View::new(title, policies, Duration::from_secs(10));
    view.begin("none");
    view.end("3 jobs ok, 9 failed, 9 connection errors, 20.1 experts/s".to_owned());
    view.begin("adaptive");
    for number in 1..=tenths {
        view.show(&Glimpse {
            elapsed: Duration::from_millis(u64::from(number) * 100),
            point: point(number, Some(5 + number / 4)),
            pool: PoolReading::new(20, 18, 3, Duration::from_secs(1)),
            jobs: Jobs { ok: 4, failed: 1 },
            errors: BTreeMap::from([(ErrorKind::PoolTimeout, 2), (ErrorKind::Deadlock, 1)]),
            changes: &[],
            shadow: None,
        });
    }
    if let Some(now) = &mut view.now {
        now.changes = changes;
    }
    view
}

fn changes() -> Vec<Change> {
    let change = |t_s, from, to, reason| Change { t_s, from, to, reason, text: String::new() };
    vec![change(2.4, 11, 10, "pool_wait"), change(1.2, 7, 11, "free_slots"), change(0.2, 5, 7, "free_slots")]
}

#[track_caller]
fn check(view: &View, width: u16, height: u16, expect: &str) {
    let found = picture(view, width, height);
    assert_eq!(found, expect, "found:\n{found}");
}

#[test]
fn everything_is_on_the_smallest_screen() {
    check(&view(25, changes()), 60, 15, include_str!("60x15.txt"));
}

#[test]
fn a_larger_screen_has_plots() {
    check(&view(25, changes()), 90, 26, include_str!("90x26.txt"));
}

#[test]
fn before_the_first_figures_the_policies_are_shown() {
    let view = View::new("ticket on sqlite".to_owned(), ["none".to_owned()], Duration::from_secs(1));
    let found = picture(&view, 60, 15);
    assert!(found.contains("Policy 1 of 1") && found.contains("none         waiting\n"), "{found}");
}

#[test]
fn an_oracle_shows_what_it_tries_and_no_limit_is_none() {
    let mut view = view(1, Vec::new());
    view.end("all well".to_owned());
    view.begin("oracle");
    view.sweep(Step { limit: 12, number: 3, of: 6 });
    let found = picture(&view, 60, 15);
    assert!(found.contains("oracle       ██████████░░░░░░░░░░ trying limit 12 (3 of 6)\n"), "{found}");
    assert!(!found.contains("in flight"), "figures of another policy: {found}");
    view.show(&Glimpse {
        elapsed: Duration::from_secs(60),
        point: point(1, None),
        pool: PoolReading::new(20, 0, 0, Duration::from_secs(1)),
        jobs: Jobs::default(),
        errors: BTreeMap::new(),
        changes: &[],
        shadow: None,
    });
    let found = picture(&view, 60, 15);
    for part in
        ["10.0 of 10.0 s\n", "limit      none ", "0 used, 0 idle, 20 max", "no errors", "pool wait  – "]
    {
        assert!(found.contains(part), "no {part:?} in:\n{found}");
    }
}

#[test]
fn in_shadow_mode_the_limit_is_a_suggestion() {
    let mut view = view(1, changes());
    assert!(picture(&view, 60, 15).contains("limit      5 "));
    if let Some(now) = &mut view.now {
        now.is_shadow = true;
    }
    assert!(picture(&view, 60, 15).contains("suggested  5 "));
}

#[test]
fn of_many_policies_the_running_one_is_shown() {
    let policies = (1..=9).map(|limit| format!("fixed:{limit}"));
    let mut view = View::new("ticket".to_owned(), policies, Duration::from_secs(1));
    view.begin("fixed:1");
    assert!(picture(&view, 60, 15).contains("fixed:1 "));
    view.begin("fixed:6");
    let found = picture(&view, 60, 15);
    assert!(found.contains("fixed:6 ") && !found.contains("fixed:3 "), "{found}");
}

#[test]
fn a_screen_that_is_too_small_says_so() {
    let needs = "The live view needs a terminal of 60×15; this one has";
    assert!(picture(&view(1, Vec::new()), 59, 15).starts_with(needs));
    assert!(!picture(&view(1, Vec::new()), 60, 15).contains("needs a terminal"));
    // However small it is, there is no panic.
    for (width, height) in [(60, 14), (10, 3), (1, 1), (200, 1)] {
        let found = picture(&view(1, changes()), width, height);
        assert!(!found.contains("Policy"), "{found}");
    }
}

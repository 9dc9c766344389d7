//! The view as a picture: the same view on a screen of the same size is the same picture.

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Sparkline, SparklineBar, Wrap};

use super::view::{AVERAGED, Now, Phase, PhaseState, View, experts_per_s, pool_wait_ms};
use crate::series::{Change, Point};
use crate::table::number;

/// Below this something would be missing.
const WIDTH_MIN: u16 = 60;
const HEIGHT_MIN: u16 = 15;

/// From this height on there is room for the plots.
const HEIGHT_WITH_PLOTS: u16 = 22;
const PLOTS_HEIGHT: u16 = 6;
const FIGURES_HEIGHT: u16 = 5;
const BAR_WIDTH: u16 = 20;

pub(super) fn draw(frame: &mut Frame<'_>, view: &View) {
    let area = frame.area();
    if area.width < WIDTH_MIN || area.height < HEIGHT_MIN {
        let (width, height) = (area.width, area.height);
        let text = format!(
            "The live view needs a terminal of {WIDTH_MIN}×{HEIGHT_MIN}; this one has {width}×{height}. q quits."
        );
        frame.render_widget(Paragraph::new(text).wrap(Wrap { trim: true }), area);
        return;
    }
    let has_plots = area.height >= HEIGHT_WITH_PLOTS;
    let phases_max = if has_plots { 8 } else { 3 };
    let phases = u16::try_from(view.phases.len()).unwrap_or(u16::MAX).min(phases_max);
    let [title, policies, figures, plots, changes, help] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1 + phases),
        Constraint::Length(FIGURES_HEIGHT),
        Constraint::Length(if has_plots { PLOTS_HEIGHT } else { 0 }),
        Constraint::Min(0),
        Constraint::Length(1),
    ])
    .areas(area);
    frame.render_widget(Line::from(view.title.as_str()).bold(), title);
    frame.render_widget(Line::from("q quits, as Ctrl-C does").dim(), help);
    draw_phases(frame, policies, view);
    let Some(now) = &view.now else {
        frame.render_widget(headed("Now"), figures);
        return;
    };
    frame.render_widget(Paragraph::new(figure_lines(now)).block(headed("Now")), figures);
    if has_plots {
        draw_plots(frame, plots, now);
    }
    draw_changes(frame, changes, &now.changes);
}

fn headed(title: &str) -> Block<'static> {
    Block::new()
        .borders(Borders::TOP)
        .border_style(Style::new().dim())
        .title(Line::from(format!("{title} ")).not_dim().bold())
}

/// A line each; where there are too many, those around the one that runs.
fn draw_phases(frame: &mut Frame<'_>, area: Rect, view: &View) {
    let room = usize::from(area.height.saturating_sub(1)).max(1);
    let first = (view.current() + 1).saturating_sub(room);
    let lines: Vec<_> = view.phases.iter().skip(first).take(room).map(phase_line).collect();
    let title = format!("Policy {} of {}", view.current() + 1, view.phases.len());
    frame.render_widget(Paragraph::new(lines).block(headed(&title)), area);
}

fn phase_line(phase: &Phase) -> Line<'static> {
    let name = Span::from(format!("{:<12} ", phase.policy));
    match &phase.state {
        PhaseState::Done(summary) => Line::from(vec![name, Span::from(summary.clone()).green()]),
        PhaseState::Running { elapsed, duration } => {
            let (elapsed, duration) = (elapsed.as_secs_f64(), duration.as_secs_f64());
            let time = format!(" {elapsed:.1} of {duration:.1} s");
            Line::from(vec![name.bold(), bar(elapsed, duration).cyan(), time.into()])
        }
        PhaseState::Sweeping(step) => {
            let (number, of) = (step.number, step.of);
            let share = f64::from(u32::try_from(number).unwrap_or(u32::MAX));
            let whole = f64::from(u32::try_from(of).unwrap_or(u32::MAX));
            let text = format!(" trying limit {} ({number} of {of})", step.limit);
            Line::from(vec![name.bold(), bar(share, whole).cyan(), text.into()])
        }
        PhaseState::Waiting => Line::from(vec![name.dim(), "waiting".dim()]),
    }
}

/// A bar of the part in the whole.
fn bar(part: f64, whole: f64) -> Span<'static> {
    let share = crate::num::ratio(part, whole).unwrap_or(0.0).clamp(0.0, 1.0);
    // Counting the steps below needs no conversion back from a fraction.
    let steps = (1..=BAR_WIDTH).filter(|step| f64::from(*step) <= share * f64::from(BAR_WIDTH) + 0.5).count();
    Span::from("█".repeat(steps) + &"░".repeat(usize::from(BAR_WIDTH) - steps))
}

fn figure_lines(now: &Now) -> Vec<Line<'static>> {
    let Some(point) = now.last() else { return Vec::new() };
    let limit = point.limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let wait = now.pool_wait_ms().map_or_else(|| "–".to_owned(), |wait| format!("{wait:.1} ms"));
    let (used, idle, max) = (now.used(), now.pool.idle, now.pool.max);
    let mut first = field(if now.is_shadow { "suggested" } else { "limit" }, &limit);
    first.extend(field("in flight", &point.in_flight.to_string()));
    first.extend(field("queued", &point.queued.to_string()));
    let mut second = field("pool wait", &wait);
    second.extend(field("throughput", &format!("{:.1} experts/s", now.experts_per_s())));
    let pool = vec![
        label("pool"),
        bar(f64::from(used), f64::from(max)).cyan(),
        Span::from(format!(" {used} used, {idle} idle, {max} max")).bold(),
    ];
    let errors = now.errors_text();
    let mut last = field("jobs", &format!("{} ok, {} failed;", now.jobs.ok, now.jobs.failed));
    let style = if errors.is_some() { Style::new().fg(Color::Red) } else { Style::new() };
    last.push(Span::styled(errors.unwrap_or_else(|| "no errors".to_owned()), style.bold()));
    [first, second, pool, last].into_iter().map(Line::from).collect()
}

fn label(name: &str) -> Span<'static> {
    Span::from(format!("{name:<11}")).dim()
}

/// Three of them fill the width of the smallest screen.
fn field(name: &str, value: &str) -> Vec<Span<'static>> {
    vec![label(name), Span::from(format!("{value:<8} ")).bold()]
}

/// What is drawn of the last points.
type Value = fn(&[Point]) -> Option<f64>;

fn draw_plots(frame: &mut Frame<'_>, area: Rect, now: &Now) {
    let plots: [(&str, Value); 3] = [
        ("limit", |points| points.last()?.limit.map(f64::from)),
        ("pool wait, ms", pool_wait_ms),
        ("experts/s", experts_per_s),
    ];
    let areas: [Rect; 3] = Layout::horizontal([Constraint::Fill(1); 3]).spacing(1).areas(area);
    for ((title, value), area) in plots.into_iter().zip(areas) {
        let ends = now.points.len().saturating_sub(usize::from(area.width)) + 1..=now.points.len();
        let shown: Vec<Option<f64>> =
            ends.map(|end| value(&now.points[end.saturating_sub(AVERAGED)..end])).collect();
        let top = shown.iter().flatten().copied().fold(0.0, f64::max);
        let title = format!("{title}, up to {}", number(Some(top), 0));
        let bars = shown.iter().map(|value| SparklineBar::from(value.and_then(whole)));
        frame.render_widget(Sparkline::default().block(headed(&title)).data(bars).cyan(), area);
    }
}

/// What a sparkline takes.
fn whole(value: f64) -> Option<u64> {
    format!("{value:.0}").parse().ok()
}

fn draw_changes(frame: &mut Frame<'_>, area: Rect, changes: &[Change]) {
    let line = |change: &Change| {
        let Change { t_s, from, to, reason, .. } = change;
        let moved = Span::from(format!("{from} → {to}"));
        let moved = if to < from { moved.yellow() } else { moved.green() };
        let reason = format!("  {}", reason.replace('_', " "));
        Line::from(vec![Span::from(format!("{t_s:>8.1} s  ")).dim(), moved, reason.into()])
    };
    let lines: Vec<_> = changes.iter().map(line).collect();
    let title = "Changes of the limit, newest first";
    frame.render_widget(Paragraph::new(lines).block(headed(title)), area);
}

#[cfg(test)]
mod tests;

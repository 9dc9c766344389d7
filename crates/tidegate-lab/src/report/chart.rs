//! One quantity over time, one line per run, as SVG.

use std::error::Error;

use plotters::prelude::*;

use super::{Report, RunReport};
use crate::series::Point;

/// A quantity of the series, and how it is drawn.
#[derive(Clone, Copy)]
pub(super) struct Quantity {
    pub(super) title: &'static str,
    /// What the numbers are, in words.
    pub(super) about: &'static str,
    value: fn(&Point) -> Option<f64>,
}

/// A line without gaps: seconds and values.
pub(crate) type Piece = Vec<(f64, f64)>;

pub(super) const QUANTITIES: [Quantity; 6] = [
    Quantity {
        title: "Limit",
        about: "experts that may be at work at once",
        value: |point| point.limit.map(f64::from),
    },
    Quantity {
        title: "In flight",
        about: "experts at work",
        value: |point| Some(f64::from(point.in_flight)),
    },
    Quantity {
        title: "Queued",
        about: "experts waiting for the policy",
        value: |point| Some(f64::from(point.queued)),
    },
    Quantity {
        title: "Pool wait, ms",
        about: "mean wait for a connection",
        value: |point| point.pool_wait_ms,
    },
    Quantity {
        title: "Free slots",
        about: "connections idle or not yet open",
        value: |point| Some(f64::from(point.free)),
    },
    Quantity {
        title: "Throughput, experts/s",
        about: "experts done per second, mean of the last half second",
        value: |point| Some(point.experts_per_s),
    },
];

/// Marks of the runs in a drawing, which [`themed`] makes the page's colours. They are those of the light page, nearly:
/// the palette of Okabe and Ito, distinct to colour-blind eyes.
const MARKS: [RGBColor; 6] = [
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

/// More lines than colours cannot be told apart.
pub(crate) const LINES_MAX: usize = MARKS.len();

/// A phone shows it in about four fifths of this size, and its text must then be readable: plotters makes letters of 15 px
/// of this text size.
const SIZE: (u32, u32) = (400, 250);
const TEXT_SIZE: u32 = 19;

/// Points over which the throughput is averaged: single experts make a 100 ms count jump.
const SMOOTHED: usize = 5;

/// A line is broken where there was no value for longer than this, in seconds.
const GAP_MAX_S: f64 = 1.0;

fn mark(run: usize) -> RGBColor {
    MARKS[run % MARKS.len()]
}

/// The page's colour of a run, in CSS.
pub(super) fn colour(run: usize) -> String {
    format!("var(--run-{})", run % MARKS.len())
}

/// The drawing in the colours of the page, light or dark: plotters knows no CSS.
fn themed(svg: &str) -> String {
    let hex = |RGBColor(r, g, b): RGBColor| format!("#{r:02X}{g:02X}{b:02X}");
    let ink = svg.replace(&hex(BLACK), "currentColor");
    (0..MARKS.len()).fold(ink, |svg, run| svg.replace(&hex(mark(run)), &colour(run)))
}

impl Quantity {
    /// The values of a run; gaps are `None`.
    fn values(&self, run: &RunReport) -> Vec<(f64, Option<f64>)> {
        let raw: Vec<_> = run.series.iter().map(|point| (point.t_s, (self.value)(point))).collect();
        if self.title.starts_with("Throughput") { smoothed(&raw) } else { raw }
    }

    /// The mean over the run, if there are values.
    pub(super) fn mean(&self, run: &RunReport) -> Option<f64> {
        let values: Vec<f64> = run.series.iter().filter_map(|point| (self.value)(point)).collect();
        crate::num::ratio(values.iter().sum(), crate::num::to_f64(values.len() as u64))
    }

    /// The plot as an SVG element.
    pub(super) fn draw(&self, report: &Report) -> Result<String, Box<dyn Error + Send + Sync>> {
        let lines: Vec<_> = report.runs.iter().map(|run| pieces(&self.values(run))).collect();
        plot(&lines)
    }
}

/// Lines over seconds as an SVG element, each in the colour of its place; a line is in pieces where it has gaps.
pub(crate) fn plot(lines: &[Vec<Piece>]) -> Result<String, Box<dyn Error + Send + Sync>> {
    let points = || lines.iter().flatten().flatten();
    let top = points().map(|(_, value)| *value).fold(1.0, f64::max) * 1.05;
    let last = points().map(|(t, _)| *t).fold(1.0, f64::max);
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            // The last label of the seconds stands across the end of its axis.
            .margin_right(24)
            .x_label_area_size(54)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..last, 0.0..top)
            .map_err(|err| err.to_string())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(6)
            .y_labels(5)
            .x_desc("seconds")
            .label_style(("sans-serif", TEXT_SIZE))
            .axis_desc_style(("sans-serif", TEXT_SIZE))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.15))
            .x_label_formatter(&|value| tick(*value, last))
            .y_label_formatter(&|value| tick(*value, top))
            .draw()
            .map_err(|err| err.to_string())?;
        for (line, pieces) in lines.iter().enumerate() {
            for piece in pieces {
                // A line of one point is invisible.
                let lone = piece.first().copied().filter(|_| piece.len() == 1);
                let dot = lone.map(|point| Circle::new(point, 2, mark(line).filled()));
                chart.draw_series(dot).map_err(|err| err.to_string())?;
                let series = LineSeries::new(piece.iter().copied(), mark(line).stroke_width(2));
                chart.draw_series(series).map_err(|err| err.to_string())?;
            }
        }
        area.present().map_err(|err| err.to_string())?;
    }
    Ok(themed(&svg))
}

/// Small scales need a decimal, large ones none.
fn tick(value: f64, top: f64) -> String {
    if top < 5.0 { format!("{value:.1}") } else { format!("{value:.0}") }
}

fn smoothed(raw: &[(f64, Option<f64>)]) -> Vec<(f64, Option<f64>)> {
    raw.iter()
        .enumerate()
        .map(|(i, (t, _))| {
            let window: Vec<f64> =
                raw[(i + 1).saturating_sub(SMOOTHED)..=i].iter().filter_map(|(_, value)| *value).collect();
            let mean = crate::num::ratio(window.iter().sum(), crate::num::to_f64(window.len() as u64));
            (*t, mean)
        })
        .collect()
}

/// Joins the values to lines, over short gaps: with slow queries nothing may end in an interval, and yet time goes on.
fn pieces(line: &[(f64, Option<f64>)]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    for (t, value) in line.iter().filter_map(|(t, value)| value.map(|value| (*t, value))) {
        match pieces.last_mut() {
            Some(piece) if piece.last().is_some_and(|(before, _)| t - before <= GAP_MAX_S) => {
                piece.push((t, value))
            }
            _ => pieces.push(vec![(t, value)]),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_goes_over_short_gaps_and_is_broken_at_long_ones() {
        let line = [(0.1, Some(1.0)), (0.2, None), (0.3, Some(2.0)), (0.4, None), (1.5, Some(3.0))];
        assert_eq!(pieces(&line), [vec![(0.1, 1.0), (0.3, 2.0)], vec![(1.5, 3.0)]]);
    }

    /// Slow queries leave every other interval without a value; the quantity must be seen all the same.
    #[test]
    fn every_value_is_drawn() {
        let spread: Vec<_> =
            (0..40).map(|i| (f64::from(i) / 10.0, (i % 2 == 0).then_some(f64::from(i)))).collect();
        assert_eq!(pieces(&spread).concat().len(), 20);
        assert_eq!(pieces(&spread).len(), 1);
    }

    /// A colour of its own would stand on the dark page as on the light one.
    #[test]
    fn a_plot_has_the_colours_of_the_page() {
        let svg = plot(&[vec![vec![(0.0, 1.0), (1.0, 2.0)]], vec![vec![(0.5, 1.0)]]]).unwrap();
        for part in ["currentColor", "var(--run-0)", "var(--run-1)"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(!svg.contains('#'), "{svg}");
    }

    #[test]
    fn smoothing_looks_back_only() {
        let raw: Vec<_> =
            [0.0, 10.0, 10.0, 10.0, 10.0, 10.0].iter().map(|value| (0.0, Some(*value))).collect();
        let means: Vec<_> = smoothed(&raw).into_iter().filter_map(|(_, value)| value).collect();
        assert!((means[0]).abs() < 1e-9 && (means[4] - 8.0).abs() < 1e-9 && (means[5] - 10.0).abs() < 1e-9);
    }
}

//! One self-contained page: no script, no network, light and dark, down to a phone's width.

use std::fmt::Write as _;

use super::chart::{QUANTITIES, Quantity, colour};
use super::{Report, RunReport, sentence, table};
use crate::failure::Failure;

const STYLE: &str = include_str!("report.css");

/// The page.
///
/// # Errors
///
/// If a plot cannot be drawn.
pub(crate) fn html(report: &Report) -> Result<String, Failure> {
    let mut page = String::new();
    let workload = &report.workload;
    push(
        &mut page,
        format_args!(
            "<h1>Deep-scan: {}</h1>\n<p class=\"lead\">{}</p>\n",
            workload.name,
            escaped(&sentence(report))
        ),
    );
    push(&mut page, format_args!("<p>{}</p>\n", escaped(&setting(report))));
    push_table(&mut page, report);
    page.push_str("<h2>Over time</h2>\n<div class=\"plots\">\n");
    for quantity in QUANTITIES {
        push_plot(&mut page, report, quantity)?;
    }
    page.push_str("</div>\n");
    for run in report.runs.iter().filter(|run| !run.decisions.is_empty()) {
        push_decisions(&mut page, run);
    }
    for run in &report.runs {
        push_sweep(&mut page, run);
    }
    let title = format!("Tidegate deep-scan: {} on {}", workload.name, report.machine.database);
    Ok(document(&title, &page))
}

/// A whole page of that title with this content.
pub(crate) fn document(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         {content}</main>\n</body>\n</html>\n",
        escaped(title)
    )
}

/// Writing to a string cannot fail.
pub(crate) fn push(page: &mut String, text: std::fmt::Arguments<'_>) {
    let _ = page.write_fmt(text);
}

fn setting(report: &Report) -> String {
    let w = &report.workload;
    let m = &report.machine;
    format!(
        "{} jobs at a time, each with {} experts of {} {} queries that hold a connection for {} ms; think time {} ms; \
         pool of {}, acquire timeout {} ms; {} s per policy; {}. {} {} and {} cores ({}, {}).",
        w.jobs,
        w.experts,
        w.queries,
        w.query_mode,
        w.query_ms,
        w.think_ms,
        w.pool,
        w.acquire_timeout_ms,
        w.duration_s,
        match w.shape {
            "slowdown" => "queries take 5 times as long in the middle third",
            "burst" => "jobs start for one second, then pause for one",
            _ => "steady demand",
        },
        m.database,
        m.database_version,
        m.cores,
        m.os,
        m.arch
    )
}

fn push_table(page: &mut String, report: &Report) {
    page.push_str("<h2>Figures</h2>\n");
    let rows = report.runs.iter().enumerate().map(|(i, run)| (Some(i), table::row(report, run)));
    push_rows(page, "Figures per policy", &table::header(report), rows);
}

/// A table that scrolls sideways; a row with the number of a line in the plots gets its swatch.
pub(crate) fn push_rows(
    page: &mut String,
    label: &str,
    header: &[&str],
    rows: impl IntoIterator<Item = (Option<usize>, Vec<String>)>,
) {
    push(
        page,
        format_args!(
            "<div class=\"scroll\" role=\"region\" aria-label=\"{}\" tabindex=\"0\">\n<table>\n<thead><tr>",
            escaped(label)
        ),
    );
    for title in header {
        push(page, format_args!("<th scope=\"col\">{title}</th>"));
    }
    page.push_str("</tr></thead>\n<tbody>\n");
    for (line, row) in rows {
        let Some((first, rest)) = row.split_first() else { continue };
        let swatch = line.map_or_else(String::new, swatch);
        push(page, format_args!("<tr><th scope=\"row\">{swatch}{}</th>", escaped(first)));
        for cell in rest {
            push(page, format_args!("<td>{}</td>", escaped(cell)));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</tbody>\n</table>\n</div>\n");
}

fn push_plot(page: &mut String, report: &Report, quantity: Quantity) -> Result<(), Failure> {
    let svg = quantity.draw(report).map_err(Failure::work)?;
    let means: Vec<_> =
        report.runs.iter().map(|run| format!("{} {}", run.policy, mean(quantity, run))).collect();
    let label = format!("{} over time: {}.", quantity.title, means.join(", "));
    push(
        page,
        format_args!(
            "<figure>\n<figcaption><strong>{}</strong> <span>{}</span></figcaption>\n\
             <div class=\"plot\" role=\"img\" aria-label=\"{}\">{svg}</div>\n<ul class=\"legend\">",
            quantity.title,
            quantity.about,
            escaped(&label)
        ),
    );
    for (i, run) in report.runs.iter().enumerate() {
        push(page, format_args!("<li>{}{}: {}</li>", swatch(i), escaped(&run.policy), mean(quantity, run)));
    }
    page.push_str("</ul>\n</figure>\n");
    Ok(())
}

fn mean(quantity: Quantity, run: &RunReport) -> String {
    quantity.mean(run).map_or_else(|| "no value".to_owned(), |mean| format!("mean {mean:.1}"))
}

pub(crate) fn swatch(run: usize) -> String {
    format!("<i class=\"swatch\" style=\"background:{}\"></i>", colour(run))
}

fn push_decisions(page: &mut String, run: &RunReport) {
    push(
        page,
        format_args!(
            "<details>\n<summary>Every change of the {} limit ({})</summary>\n<div class=\"scroll\">\n<table>\n\
             <thead><tr><th scope=\"col\">at, s</th><th scope=\"col\">decision</th></tr></thead>\n<tbody>\n",
            escaped(&run.policy),
            run.decisions.len()
        ),
    );
    for change in &run.decisions {
        let (t, text) = (change.t_s, escaped(&change.text));
        push(page, format_args!("<tr><td>{t:.1}</td><td>{text}</td></tr>\n"));
    }
    page.push_str("</tbody>\n</table>\n</div>\n</details>\n");
}

fn push_sweep(page: &mut String, run: &RunReport) {
    let (Some(limit), Some(sweep)) = (run.oracle_limit, &run.oracle_sweep) else { return };
    push(
        page,
        format_args!(
            "<details>\n<summary>What the oracle tried (it chose {limit})</summary>\n<div class=\"scroll\">\n<table>\n\
             <thead><tr><th scope=\"col\">limit</th><th scope=\"col\">seconds</th><th scope=\"col\">experts/s</th>\
             <th scope=\"col\">connection errors</th></tr></thead>\n<tbody>\n"
        ),
    );
    for trial in sweep {
        push(
            page,
            format_args!(
                "<tr><td>{}</td><td>{:.1}</td><td>{:.1}</td><td>{}</td></tr>\n",
                trial.limit, trial.duration_s, trial.experts_per_s, trial.connection_errors
            ),
        );
    }
    page.push_str("</tbody>\n</table>\n</div>\n</details>\n");
}

pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

//! The board as a self-contained page.

use tidegate_sim::scoreboard::{Row, ScenarioRows};

use super::play::{LimitLine, Played};
use super::table::{self, ROW_HEADER, STANDING_HEADER};
use crate::failure::Failure;
use crate::report::html::{document, escaped, push, push_rows, swatch};
use crate::report::{LINES_MAX, Piece, plot};
use crate::table::number;

/// A law whose mean limit is more than so many times the oracle's would press the others to the ground of the plot.
const TALL: f64 = 5.0;

/// The page.
///
/// # Errors
///
/// If a plot cannot be drawn.
pub(crate) fn page(played: &Played) -> Result<String, Failure> {
    let mut page = String::from("<h1>Scoreboard of the control laws</h1>\n");
    push(&mut page, format_args!("<p class=\"lead\">{}</p>\n", escaped(&lead(played))));
    push(
        &mut page,
        format_args!("<p>{}.</p>\n<h2>All scenarios, worst case first</h2>\n", table::cost(&played.cost)),
    );
    let standings = played.board.standings().into_iter();
    let rows = standings.map(|standing| (None, table::standing_cells(&standing).to_vec()));
    push_rows(&mut page, "All scenarios, worst case first", &STANDING_HEADER, rows);
    for (scenario, limit_lines) in played.board.scenarios.iter().zip(&played.limit_lines) {
        push_scenario(&mut page, scenario, limit_lines)?;
    }
    Ok(document("Tidegate: scoreboard of the control laws", &page))
}

fn lead(played: &Played) -> String {
    let best = played.board.standings().into_iter().find(|standing| standing.law != "oracle");
    let lowest = best.as_ref().and_then(|best| Some((best, best.lowest.as_ref()?)));
    lowest.map_or_else(
        || "No scenario has an oracle to compare with.".to_owned(),
        |(best, (scenario, share))| {
            let (law, share) = (&best.law, 100.0 * share);
            let timeouts = best.timeouts;
            format!(
                "The law with the best worst case is \u{201c}{law}\u{201d}: {share:.1}% of the oracle's goodput, in \
                 {scenario}, and {timeouts:.0} pool timeouts in all."
            )
        },
    )
}

fn push_scenario(
    page: &mut String,
    scenario: &ScenarioRows,
    limit_lines: &[LimitLine],
) -> Result<(), Failure> {
    let drawn = drawn(&scenario.laws);
    push(page, format_args!("<h2>{}</h2>\n", escaped(&scenario.name)));
    let line = |number: usize| drawn.iter().position(|drawn| *drawn == number);
    let rows =
        scenario.laws.iter().enumerate().map(|(number, row)| (line(number), table::cells(row).to_vec()));
    push_rows(page, &scenario.name, &ROW_HEADER, rows);
    if drawn.is_empty() {
        return Ok(());
    }
    let lines: Vec<Vec<Piece>> = drawn.iter().map(|number| vec![steps(&limit_lines[*number])]).collect();
    let svg = plot(&lines).map_err(Failure::work)?;
    let mean = |drawn: &usize| {
        let row = &scenario.laws[*drawn];
        format!("{} mean {}", row.law, number(row.limit_mean, 1))
    };
    let label = format!("Limit over time: {}.", drawn.iter().map(mean).collect::<Vec<_>>().join(", "));
    push(
        page,
        format_args!(
            "<div class=\"plots\">\n<figure>\n<figcaption><strong>Limit</strong> <span>with the first seed; means as in the table</span></figcaption>\n\
             <div class=\"plot\" role=\"img\" aria-label=\"{}\">{svg}</div>\n<ul class=\"legend\">",
            escaped(&label)
        ),
    );
    for (line, number) in drawn.iter().enumerate() {
        push(page, format_args!("<li>{}{}</li>", swatch(line), escaped(&mean(number))));
    }
    page.push_str("</ul>\n</figure>\n</div>\n");
    Ok(())
}

/// The rows to draw: the oracle's and the default law's if they are there, and the best others. A law without a limit has
/// no line.
fn drawn(rows: &[Row]) -> Vec<usize> {
    let limit = |number: usize| rows[number].limit_mean;
    let limits = (0..rows.len()).filter_map(limit);
    let oracle = rows.iter().find(|row| row.law == "oracle").and_then(|row| row.limit_mean);
    let reference = oracle.unwrap_or_else(|| limits.fold(f64::INFINITY, f64::min));
    let is_first = |number: &usize| matches!(rows[*number].law.as_str(), "oracle" | "default");
    let (first, mut others): (Vec<usize>, Vec<usize>) =
        (0..rows.len()).filter(|number| limit(*number).is_some()).partition(is_first);
    others.retain(|number| limit(*number).is_some_and(|limit| limit <= TALL * reference));
    let rank = |number: &usize| {
        let row = &rows[*number];
        (row.timeouts.median > 0.0, -row.goodput_of_oracle.map_or(0.0, |share| share.median))
    };
    others.sort_by(|a, b| {
        let (a, b) = (rank(a), rank(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    first.into_iter().chain(others).take(LINES_MAX).collect()
}

/// A limit holds until it is changed.
fn steps(line: &LimitLine) -> Piece {
    let mut piece: Piece = Vec::new();
    for &(at, limit) in &line.limits {
        piece.extend(piece.last().map(|(_, before)| (at, *before)));
        piece.push((at, f64::from(limit)));
    }
    piece.extend(piece.last().map(|(_, last)| (line.to_s, *last)));
    piece
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_until_it_is_changed() {
        let line = LimitLine { limits: vec![(0.0, 10), (2.0, 20)], to_s: 5.0 };
        assert_eq!(steps(&line), [(0.0, 10.0), (2.0, 10.0), (2.0, 20.0), (5.0, 20.0)]);
    }
}

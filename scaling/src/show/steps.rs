//! How many workers there are over time.

use std::fmt::Write;

use super::colour;
use super::plot::{Axis, Panel, draw};
use crate::compare::Compared;
use crate::policy::{Choice, Scaler, Settings};
use crate::time::{Millis, hours};
use crate::trace::Trace;

/// Points of a line, of which each stands for the most workers in its part of the time.
const POINTS_MAX: u64 = 300;

/// Whose lines are drawn, the last on top: a line for each would be none to see.
const DRAWN: [(Scaler, Settings); 5] = [
    (Scaler::Hpa, Settings::Advised),
    (Scaler::Keda, Settings::Default),
    (Scaler::Dask, Settings::Default),
    (Scaler::Ray, Settings::Default),
    (Scaler::Shoal, Settings::Default),
];

/// A panel for each trace, a line for each of some policies.
pub(super) fn plot(results: &[(Trace, Vec<Compared>)]) -> String {
    let panels: Vec<(Panel, String)> = results.iter().map(|(trace, compared)| panel(trace, compared)).collect();
    let drawn = DRAWN.map(|(scaler, settings)| Choice { scaler, settings });
    let all = results.first().map_or(&[][..], |(_, compared)| compared);
    let legend: Vec<(String, String)> = drawn
        .into_iter()
        .filter(|choice| all.iter().any(|it| it.choice == *choice))
        .map(|choice| {
            let line = format!(
                "<line x1=\"-8\" x2=\"6\" y1=\"0\" y2=\"0\" stroke=\"{}\" stroke-width=\"3\"/>",
                colour(choice.scaler)
            );
            (line, choice.name())
        })
        .collect();
    draw("Workers on nodes over time; the most in each three hundredth of the time", &legend, &panels)
}

fn panel(trace: &Trace, compared: &[Compared]) -> (Panel, String) {
    let lines: Vec<(Choice, Vec<(Millis, u32)>)> = DRAWN
        .into_iter()
        .filter_map(|(scaler, settings)| compared.iter().find(|it| it.choice == Choice { scaler, settings }))
        .map(|it| (it.choice, thinned(&it.workers, it.end)))
        .collect();
    let points = || lines.iter().flat_map(|(_, points)| points);
    let across = Axis::linear(points().map(|(at, _)| hours(*at)));
    let up = Axis::linear(points().map(|(_, workers)| f64::from(*workers)));
    let panel = Panel::new(trace.name.clone(), (across, "hours"), (up, "workers"));
    let mut drawn = String::new();
    for (choice, points) in &lines {
        let (colour, width) = (colour(choice.scaler), if choice.scaler == Scaler::Shoal { 2.0 } else { 1.2 });
        let _ = write!(drawn, "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" points=\"");
        let mut last = None;
        for (at, workers) in points {
            let (x, y) = (panel.x(hours(*at)), panel.y(f64::from(*workers)));
            if let Some(last) = last {
                let _ = write!(drawn, "{x:.1},{last:.1} ");
            }
            let _ = write!(drawn, "{x:.1},{y:.1} ");
            last = Some(y);
        }
        drawn.push_str("\"/>\n");
    }
    (panel, drawn)
}

/// The most workers in each of some hundred parts of the time; parts in which nothing changes are left out.
fn thinned(workers: &[(Millis, u32)], end: Millis) -> Vec<(Millis, u32)> {
    let part = (end / POINTS_MAX).max(1);
    let mut points: Vec<(Millis, u32)> = Vec::new();
    let (mut next, mut current) = (0, 0);
    for index in 0..=end / part {
        let mut most = current;
        while let Some((_, count)) = workers.get(next).filter(|(at, _)| at / part == index) {
            current = *count;
            most = most.max(current);
            next += 1;
        }
        if points.last().is_none_or(|(_, last)| *last != most) {
            points.push((index * part, most));
        }
    }
    points.push((end, current));
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_line_keeps_its_peaks() {
        let workers = [(0, 0), (10, 1), (1_000, 5), (1_001, 2), (299_999, 0)];
        assert_eq!(thinned(&workers, 300_000), [(0, 1), (1_000, 5), (2_000, 2), (300_000, 0), (300_000, 0)]);
    }
}

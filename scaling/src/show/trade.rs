//! What each policy trades for what: the time of jobs over the hours of workers.

use super::mark;
use super::plot::{Axis, Panel, draw};
use crate::compare::Compared;
use crate::policy::Scaler;
use crate::trace::Trace;

/// A panel for each trace, a point for each policy. What is below Shoal's point and to the left of it is better in both.
pub(super) fn plot(results: &[(Trace, Vec<Compared>)]) -> String {
    let panels: Vec<(Panel, String)> = results.iter().map(|(trace, compared)| panel(trace, compared)).collect();
    let legend: Vec<(String, String)> = results
        .first()
        .map_or(&[][..], |(_, compared)| compared)
        .iter()
        .map(|it| (mark(it.choice, 0.0, 0.0), it.choice.name()))
        .collect();
    draw(
        "p95 of jobs' latency over worker hours; in the shaded part one would be better than Shoal in both",
        &legend,
        &panels,
    )
}

fn panel(trace: &Trace, compared: &[Compared]) -> (Panel, String) {
    let points =
        || compared.iter().filter_map(|it| Some((it.choice, it.measures.worker_hours, it.measures.latency_p95?)));
    let across = Axis::linear(points().map(|(_, hours, _)| hours));
    let up = Axis::doublings(points().map(|(_, _, latency)| latency).collect::<Vec<_>>().into_iter());
    let mut panel = Panel::new(trace.name.clone(), (across, "worker hours"), (up, "p95 latency in seconds"));
    let shoal = points().find(|(choice, ..)| choice.scaler == Scaler::Shoal);
    if let Some((_, hours, latency)) = shoal {
        panel.shade_below(hours, latency);
    }
    let mut marks = String::new();
    for (choice, hours, latency) in points() {
        marks.push_str(&mark(choice, panel.x(hours), panel.y(latency)));
    }
    (panel, marks)
}

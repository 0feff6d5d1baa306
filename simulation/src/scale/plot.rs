//! Two lines over the tasks that are done, as an SVG that needs no other program.

use std::fmt::Write;

use super::Measured;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 40.0;

/// Lines across each panel.
const STEPS: u32 = 4;

/// Draws what a run came to: decisions per second above, memory below, the loss of the head as a dashed line.
pub fn plot(measured: &Measured) -> String {
    let size = measured.size;
    let mut svg = String::new();
    let (full_width, full_height) = (WIDTH + LEFT + 30.0, 2.0 * (HEIGHT + 2.0 * TOP));
    let title = format!(
        "{} workers with {} slots, {} jobs, {} tasks: {:.0} decisions/s, back after {:.1} s",
        size.workers,
        size.slots,
        size.jobs,
        size.tasks,
        measured.decisions_per_second,
        measured.load_seconds + measured.recover_seconds + measured.adopt_seconds
    );
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{full_width}\" height=\"{full_height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}</text>\n"
    );
    let decisions = |sample: &super::Sample| sample.decisions_per_second;
    let memory = |sample: &super::Sample| sample.memory_mib;
    panel(&mut svg, measured, TOP, "scheduling decisions per second", "#1f77b4", &decisions);
    panel(&mut svg, measured, HEIGHT + 3.0 * TOP, "memory of the head, MiB", "#d62728", &memory);
    svg.push_str("</svg>\n");
    svg
}

fn panel(
    svg: &mut String,
    measured: &Measured,
    top: f64,
    label: &str,
    colour: &str,
    of: &dyn Fn(&super::Sample) -> f64,
) {
    let highest = measured.samples.iter().map(of).fold(1.0, f64::max);
    let ceiling = round_up(highest);
    let total = f64::from(measured.size.tasks);
    let x = |done: f64| LEFT + WIDTH * done / total;
    let y = |value: f64| top + HEIGHT * (1.0 - value / ceiling);
    for step in 0..=STEPS {
        let value = ceiling * f64::from(step) / f64::from(STEPS);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{value:.0}</text>\n",
            LEFT + WIDTH,
            y(value),
            LEFT - 6.0,
            y(value) + 4.0
        );
        let done = total * f64::from(step) / f64::from(STEPS);
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{done:.0}</text>",
            x(done),
            top + HEIGHT + 16.0
        );
    }
    let points: Vec<String> =
        measured.samples.iter().map(|sample| format!("{:.1},{:.1}", x(sample.done as f64), y(of(sample)))).collect();
    let half = x(total / 2.0);
    let _ = write!(
        svg,
        "<line x1=\"{half:.1}\" x2=\"{half:.1}\" y1=\"{top}\" y2=\"{0}\" stroke=\"black\" stroke-dasharray=\"4 4\"/>\n\
         <text x=\"{1:.1}\" y=\"{2:.1}\">head lost</text>\n\
         <polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{3}\"/>\n\
         <text x=\"{LEFT}\" y=\"{4:.1}\">{label}, over tasks that are done</text>\n",
        top + HEIGHT,
        half + 6.0,
        top + 14.0,
        points.join(" "),
        top - 6.0
    );
}

/// The next of 1, 2, 4, 5, 8 or 10 times a power of ten: labels stay short.
fn round_up(highest: f64) -> f64 {
    let power = 10.0_f64.powf(highest.log10().floor());
    let steps = [1.0, 2.0, 4.0, 5.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|ceiling| *ceiling >= highest).unwrap_or(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (highest, ceiling) in [(1.0, 1.0), (1.1, 2.0), (37.0, 40.0), (4_100.0, 5_000.0), (81_000.0, 100_000.0)] {
            assert_eq!(round_up(highest), ceiling);
        }
    }
}

//! Lines over decades, as an SVG that needs no other program.

use std::fmt::Write;
use std::ops::RangeInclusive;

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 60.0;

/// What one panel shows.
pub(crate) struct Line {
    pub(crate) label: String,
    /// Positive numbers: where, and how much.
    pub(crate) points: Vec<(f64, f64)>,
}

/// Draws a panel for each line, side by side; both axes have a step per power of ten, and a dashed line through the last
/// point shows what grows in proportion.
pub(crate) fn plot(title: &str, lines: &[Line]) -> String {
    let (panel_width, full_height) = (LEFT + WIDTH + 30.0, TOP + HEIGHT + 40.0);
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{full_height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{title}</text>\n",
        panel_width * lines.len() as f64
    );
    for (index, line) in lines.iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate({:.0} 0)\">", panel_width * index as f64);
        panel(&mut svg, line);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, Line { label, points }: &Line) {
    let (across, up) = (decades(points.iter().map(|point| point.0)), decades(points.iter().map(|point| point.1)));
    let x = |value: f64| LEFT + WIDTH * share(&across, value);
    let y = |value: f64| TOP + HEIGHT * (1.0 - share(&up, value));
    for power in across.clone() {
        let value = 10_f64.powi(power);
        let _ = write!(
            svg,
            "<line x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{0:.1}\" y=\"{2}\" text-anchor=\"middle\">{value}</text>\n",
            x(value),
            TOP + HEIGHT,
            TOP + HEIGHT + 16.0
        );
    }
    for power in up.clone() {
        let value = 10_f64.powi(power);
        let _ = write!(
            svg,
            "<line x1=\"{LEFT}\" x2=\"{0}\" y1=\"{1:.1}\" y2=\"{1:.1}\" stroke=\"#dddddd\"/>\n\
             <text x=\"{2}\" y=\"{3:.1}\" text-anchor=\"end\">{value}</text>\n",
            LEFT + WIDTH,
            y(value),
            LEFT - 6.0,
            y(value) + 4.0
        );
    }
    if let Some((at, value)) = points.last() {
        // What is in proportion falls by a decade per decade, until it leaves the panel on the left or below.
        let floor = 10_f64.powi(*up.start());
        let times = (at / 10_f64.powi(*across.start())).min(value / floor);
        let _ = writeln!(
            svg,
            "<line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"black\" stroke-dasharray=\"4 4\"/>",
            x(at / times),
            x(*at),
            y(value / times),
            y(*value)
        );
    }
    let places: Vec<String> = points.iter().map(|(at, value)| format!("{:.1},{:.1}", x(*at), y(*value))).collect();
    let _ = writeln!(
        svg,
        "<polyline fill=\"none\" stroke=\"#1f77b4\" stroke-width=\"2\" points=\"{}\"/>",
        places.join(" ")
    );
    for (at, value) in points {
        let _ = write!(
            svg,
            "<circle cx=\"{0:.1}\" cy=\"{1:.1}\" r=\"3\" fill=\"#1f77b4\"/>\n\
             <text x=\"{0:.1}\" y=\"{2:.1}\" text-anchor=\"middle\">{value:.2}</text>\n",
            x(*at),
            y(*value),
            y(*value) - 8.0
        );
    }
    let _ = writeln!(svg, "<text x=\"{LEFT}\" y=\"{:.1}\">{label}; dashed: in proportion</text>", TOP - 14.0);
}

/// The powers of ten around some numbers.
fn decades(values: impl Iterator<Item = f64> + Clone) -> RangeInclusive<i32> {
    let low = values.clone().fold(f64::INFINITY, f64::min).log10().floor();
    let high = values.fold(0.0, f64::max).log10().ceil();
    low as i32..=(high as i32).max(low as i32 + 1)
}

/// How far along an axis of powers of ten a number is, from 0 to 1.
fn share(axis: &RangeInclusive<i32>, value: f64) -> f64 {
    let (low, high) = (f64::from(*axis.start()), f64::from(*axis.end()));
    (value.log10() - low) / (high - low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_powers_of_ten() {
        for (values, axis) in [([0.3, 7.0], -1..=1), ([0.1, 10.0], -1..=1), ([2.0, 3.0], 0..=1), ([1.0, 1.0], 0..=1)] {
            assert_eq!(decades(values.into_iter()), axis, "{values:?}");
        }
        assert!((share(&(-1..=1), 1.0) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_line_has_a_point_for_each_number() {
        let line = Line { label: "seconds over rows".to_owned(), points: vec![(10.0, 0.2), (100.0, 2.0)] };
        let svg = plot("growth", &[line]);
        assert_eq!(svg.matches("<circle").count(), 2);
        // In proportion, the dashed line lies upon the other.
        assert!(svg.contains("seconds over rows; dashed") && svg.ends_with("</svg>\n"));
    }
}

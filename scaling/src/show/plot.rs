//! Panels with axes, as an SVG that needs no other program.

use std::fmt::Write;

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 50.0;
const RIGHT: f64 = 30.0;
const BOTTOM: f64 = 46.0;
/// Above all panels: title and legend.
const HEAD: f64 = 66.0;
const COLUMNS: usize = 2;
/// Lines across each panel.
const STEPS: u32 = 4;

/// An axis from 0, or one with a step for each doubling.
#[derive(Clone, Copy, Debug)]
pub(super) enum Axis {
    Linear { to: f64 },
    Doublings { from: i32, to: i32 },
}

impl Axis {
    pub(super) fn linear(values: impl Iterator<Item = f64>) -> Self {
        Self::Linear { to: round_up(values.fold(1e-9, f64::max)) }
    }

    pub(super) fn doublings(values: impl Iterator<Item = f64> + Clone) -> Self {
        let low = values.clone().fold(f64::INFINITY, f64::min).max(0.001);
        let from = libm::floor(libm::log2(low)) as i32;
        let to = libm::ceil(libm::log2(values.fold(low, f64::max))) as i32;
        Self::Doublings { from, to: to.max(from + 1) }
    }

    /// How far along it a value is, from 0 to 1.
    fn share(self, value: f64) -> f64 {
        match self {
            Self::Linear { to } => value / to,
            Self::Doublings { from, to } => (libm::log2(value.max(1e-9)) - f64::from(from)) / f64::from(to - from),
        }
    }

    fn ticks(self) -> Vec<f64> {
        match self {
            Self::Linear { to } => (0..=STEPS).map(|step| to * f64::from(step) / f64::from(STEPS)).collect(),
            Self::Doublings { from, to } => (from..=to).map(|power| libm::exp2(f64::from(power))).collect(),
        }
    }
}

/// The next number above whose quarters have few digits: labels stay short.
fn round_up(highest: f64) -> f64 {
    let power = libm::pow(10.0, libm::floor(libm::log10(highest)));
    let steps = [1.0, 1.2, 1.6, 2.0, 2.4, 2.8, 3.2, 4.0, 4.8, 6.0, 8.0, 10.0];
    steps.iter().map(|step| step * power).find(|ceiling| *ceiling >= highest).unwrap_or(highest)
}

/// A panel that is being drawn.
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) across: (Axis, &'static str),
    pub(super) up: (Axis, &'static str),
    /// What is in it, in its own coordinates.
    pub(super) content: String,
}

impl Panel {
    pub(super) fn new(title: String, across: (Axis, &'static str), up: (Axis, &'static str)) -> Self {
        Self { title, across, up, content: String::new() }
    }

    pub(super) fn x(&self, value: f64) -> f64 {
        LEFT + WIDTH * self.across.0.share(value)
    }

    pub(super) fn y(&self, value: f64) -> f64 {
        TOP + HEIGHT * (1.0 - self.up.0.share(value))
    }

    /// Fills what is to the left of a place and below it.
    pub(super) fn shade_below(&mut self, x: f64, y: f64) {
        let (x, y) = (self.x(x), self.y(y));
        let _ = writeln!(
            self.content,
            "<rect x=\"{LEFT}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#fdecea\"/>",
            (x - LEFT).max(0.0),
            (TOP + HEIGHT - y).max(0.0)
        );
    }

    fn draw(&self, svg: &mut String) {
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<text x=\"{LEFT}\" y=\"{:.1}\" font-size=\"13\">{}</text>",
            TOP - 12.0,
            escaped(&format!("{}: {}", self.title, self.up.1))
        );
        svg.push_str(&self.content);
        let bottom = TOP + HEIGHT;
        for value in self.across.0.ticks() {
            let x = self.x(value);
            let _ = write!(
                svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#dddddd\"/>\n\
                 <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n",
                bottom + 15.0,
                label(value)
            );
        }
        for value in self.up.0.ticks() {
            let y = self.y(value);
            let _ = write!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#dddddd\"/>\n\
                 <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
                LEFT + WIDTH,
                LEFT - 6.0,
                y + 4.0,
                label(value)
            );
        }
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT + WIDTH,
            bottom + 31.0,
            self.across.1
        );
    }
}

/// Draws panels in two columns below a title and a legend; what is drawn twice lies above the axes.
pub(super) fn draw(title: &str, legend: &[(String, String)], panels: &[(Panel, String)]) -> String {
    let (width, height) = (LEFT + WIDTH + RIGHT, TOP + HEIGHT + BOTTOM);
    let rows = panels.len().div_ceil(COLUMNS);
    let columns = panels.len().clamp(1, COLUMNS);
    let mut svg = String::new();
    let _ = write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0}\" height=\"{:.0}\" viewBox=\"0 0 {0:.0} {1:.0}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"20\" y=\"22\" font-size=\"14\">{title}</text>\n",
        width * columns as f64,
        HEAD + height * rows as f64
    );
    let mut x = 28.0;
    for (mark, name) in legend {
        let _ = writeln!(
            svg,
            "<g transform=\"translate({x:.0} 44)\">{mark}<text x=\"10\" y=\"4\">{}</text></g>",
            escaped(name)
        );
        x += 26.0 + 6.2 * name.len() as f64;
    }
    for (index, (panel, above)) in panels.iter().enumerate() {
        let (row, column) = (index / COLUMNS, index % COLUMNS);
        let _ = writeln!(
            svg,
            "<g transform=\"translate({:.0} {:.0})\">",
            width * column as f64,
            HEAD + height * row as f64
        );
        panel.draw(&mut svg);
        svg.push_str(above);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn label(value: f64) -> String {
    if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        let text = format!("{value:.2}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

/// Text as markup has it.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        for (highest, ceiling) in [(1.0, 1.0), (1.1, 1.2), (37.0, 40.0), (81.0, 100.0), (240.0, 240.0)] {
            assert!((round_up(highest) - ceiling).abs() < 1e-9, "{highest}");
        }
        let Axis::Doublings { from, to } = Axis::doublings([30.0, 500.0].into_iter()) else { panic!("doublings") };
        assert_eq!((from, to), (4, 9));
        assert!((Axis::Doublings { from, to }.share(16.0)).abs() < 1e-12);
        assert_eq!([label(0.0), label(0.25), label(2.0), label(64.0)], ["0", "0.25", "2", "64"]);
    }

    #[test]
    fn markup_is_none() {
        assert_eq!(escaped("<a & \"b\">"), "&lt;a &amp; &quot;b&quot;&gt;");
    }
}

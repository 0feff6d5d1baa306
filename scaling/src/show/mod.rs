//! Results for people: a page, and plots on it.

pub(crate) mod page;
mod plot;
mod steps;
mod trade;

use crate::policy::{Choice, Scaler, Settings};

/// Colour of a policy's points and lines.
fn colour(scaler: Scaler) -> &'static str {
    match scaler {
        Scaler::Shoal => "#d62728",
        Scaler::Hpa => "#1f77b4",
        Scaler::Keda => "#2ca02c",
        Scaler::Ray => "#9467bd",
        Scaler::Dask => "#ff7f0e",
        Scaler::Fixed => "#7f7f7f",
    }
}

/// What stands for a policy: filled for its defaults, hollow for what its documentation advises.
fn mark(choice: Choice, x: f64, y: f64) -> String {
    let colour = colour(choice.scaler);
    let fill = if choice.settings == Settings::Advised { "white" } else { colour };
    let radius = if choice.scaler == Scaler::Shoal { 6.0 } else { 4.5 };
    format!(
        "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\" stroke=\"{colour}\" stroke-width=\"2\"/>\n"
    )
}

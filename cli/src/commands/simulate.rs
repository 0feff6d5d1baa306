//! `shoal simulate`: policies on a cluster of models.

use std::path::Path;

use shoal_core::{Failure, Reason};
use shoal_scaling::{Choice, Page, Scaler, Trace, compare, generate, page, read, write};

use crate::args::Output;
use crate::exit::End;
use crate::render::scaling::{scaling_json, scaling_text};
use crate::simulate_args::{ScalingArgs, SimulateArgs, SimulateCommand, TraceArgs};
use crate::terminal::{print, print_json};

pub(super) fn run(args: SimulateArgs) -> Result<(), End> {
    match args.command {
        SimulateCommand::Trace(TraceArgs { kind, seed }) => Ok(print(&write(&generate(kind, seed)))?),
        SimulateCommand::Scaling(args) => scaling(&args),
    }
}

fn scaling(args: &ScalingArgs) -> Result<(), End> {
    let choices = choices(args);
    let traces = traces(args)?;
    let results = traces
        .into_iter()
        .map(|trace| compare(&trace, &choices).map(|compared| (trace, compared)))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(folder) = &args.write {
        write_page(folder, &page(&results))?;
    }
    match args.output {
        Output::Json => print_json(&scaling_json(&results))?,
        Output::Table => print(&scaling_text(&results))?,
    }
    Ok(())
}

fn choices(args: &ScalingArgs) -> Vec<Choice> {
    // In the order of tables, each once.
    let runs = |scaler: &Scaler| args.policy.is_empty() || args.policy.contains(scaler);
    // Shoal is what the others are set beside: it runs with the settings that it has.
    let has = |choice: &Choice| choice.scaler == Scaler::Shoal || args.settings.is_none_or(|it| it == choice.settings);
    Scaler::ALL.into_iter().filter(runs).flat_map(Scaler::choices).filter(has).collect()
}

fn traces(args: &ScalingArgs) -> Result<Vec<Trace>, Failure> {
    let mut traces = args.trace.iter().map(|file| read(file)).collect::<Result<Vec<_>, _>>()?;
    let kinds = args.generated.iter().flat_map(|kinds| kinds.0.clone());
    traces.extend(kinds.map(|kind| generate(kind, args.seed)));
    Ok(traces)
}

fn write_page(folder: &Path, page: &Page) -> Result<(), Failure> {
    let failed = |path: &Path, error: &std::io::Error| {
        Failure::new(Reason::Io, "the page cannot be written")
            .because(error)
            .file(path.display().to_string())
            .next("name a folder in which you may write")
    };
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let Page { markdown, html, trade, workers } = page;
    for (name, text) in
        [("scaling.md", markdown), ("scaling.html", html), ("scaling.svg", trade), ("scaling-workers.svg", workers)]
    {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|error| failed(&path, &error))?;
    }
    Ok(())
}

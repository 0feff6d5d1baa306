//! Autoscalers side by side, as a table and as JSON.

use serde_json::{Value, json};
use shoal_scaling::{Compared, Measures, Trace, Verdict};

use super::table::{Cell, Table};

/// A table for each trace.
pub(crate) fn scaling_text(results: &[(Trace, Vec<Compared>)]) -> String {
    let tables: Vec<String> = results
        .iter()
        .map(|(trace, compared)| format!("{}: {}\n{}", trace.name, trace.about, table(compared)))
        .collect();
    tables.join("\n")
}

fn table(compared: &[Compared]) -> Table {
    let mut table = Table::default();
    let mut column = |name: &str, cell: &dyn Fn(&Compared) -> Cell| {
        table.add_column(name, compared.iter().map(cell).collect());
    };
    let latency = |latency: Option<f64>| latency.map_or(Cell::Missing, |seconds| Cell::number(format!("{seconds:.1}")));
    let verdict = |verdict: Option<Verdict>| verdict.map_or(Cell::Missing, |verdict| Cell::text(verdict.to_string()));
    column("policy", &|it| Cell::text(it.choice.name()));
    column("p50 s", &|it| latency(it.measures.latency_p50));
    column("p95 s", &|it| latency(it.measures.latency_p95));
    column("worker h", &|it| Cell::number(format!("{:.2}", it.measures.worker_hours)));
    column("idle h", &|it| Cell::number(format!("{:.2}", it.measures.idle_hours)));
    column("cost", &|it| Cell::number(format!("{:.2}", it.measures.cost)));
    column("turns", &|it| Cell::number(it.measures.turns));
    column("missed", &|it| Cell::number(it.measures.missed));
    column("beside shoal, p50", &|it| verdict(it.by_p50));
    column("beside shoal, p95", &|it| verdict(it.by_p95));
    table
}

/// The same for programs.
pub(crate) fn scaling_json(results: &[(Trace, Vec<Compared>)]) -> Value {
    let trace = |(trace, compared): &(Trace, Vec<Compared>)| json!({"name": trace.name, "about": trace.about, "policies": compared.iter().map(policy_json).collect::<Vec<_>>()});
    json!({"traces": results.iter().map(trace).collect::<Vec<_>>()})
}

fn policy_json(it: &Compared) -> Value {
    let Measures { latency_p50, latency_p95, worker_hours, idle_hours, cost, turns, missed, deadlines, lost_hours } =
        &it.measures;
    json!({
        "policy": it.choice.name(),
        "settings": it.choice.about(),
        "latencyP50Seconds": latency_p50,
        "latencyP95Seconds": latency_p95,
        "workerHours": worker_hours,
        "idleHours": idle_hours,
        "cost": cost,
        "turns": turns,
        "missedDeadlines": missed,
        "deadlines": deadlines,
        "lostSlotHours": lost_hours,
        "besideShoalByP50": it.by_p50.map(|verdict| verdict.to_string()),
        "besideShoalByP95": it.by_p95.map(|verdict| verdict.to_string()),
    })
}

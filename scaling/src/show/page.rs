//! The page with all results, as Markdown and as HTML.

use std::fmt::Write;

use super::plot::escaped;
use super::{steps, trade};
use crate::compare::{Compared, Verdict};
use crate::policy::Choice;
use crate::trace::Trace;

/// Files of a page, each without its folder.
#[derive(Clone, Debug)]
pub struct Page {
    /// `scaling.md`.
    pub markdown: String,
    /// `scaling.html`, with the plots in it.
    pub html: String,
    /// `scaling.svg`: latency over worker hours.
    pub trade: String,
    /// `scaling-workers.svg`: workers over time.
    pub workers: String,
}

const TITLE: &str = "Autoscalers side by side";

/// What stands above the results, in paragraphs.
const ABOUT: [&str; 4] = [
    "What Shoal's autoscaler makes of a trace of jobs, beside others. `make simulate-scaling` writes this page: a simulator in \
     which jobs arrive, pods start, wait for nodes and lose them, while one policy after the other scales the same cluster. \
     Shoal's is the decision that its operator takes, with the policy that a cluster has whose spec says nothing but how many \
     workers there may be and what they cost. The others' are written from their published formulas and checked against cases of their own unit \
     tests; they see what they could see in a cluster a second before they act, and run on the same workers with the same scheduler. \
     The same seed gives the same page.",
    "The traces were fixed before any policy ran on them, and no setting of Shoal's was chosen by them. \
     `shoal simulate scaling --trace FILE` does the same with a trace of your own.",
    "*Latency* is the time from a job's arrival to its end. *Worker hours* count from when a pod has its node; the *idle* ones are \
     those that no result came of: starting, waiting, and work that was lost. *Turns* are changes of direction of the size asked \
     for. *Missed* are jobs that took longer than their deadline.",
    "Each of the others is set beside Shoal twice, once by the median of the latencies and once by their 95th percentile. *Faster, \
     more hours* and *slower, fewer hours* are trades; AHEAD OF SHOAL is what must not be: faster with fewer hours.",
];

const COLUMNS: [&str; 10] = [
    "policy",
    "p50, s",
    "p95, s",
    "worker hours",
    "idle",
    "cost",
    "turns",
    "missed",
    "beside Shoal, p50",
    "beside Shoal, p95",
];

/// Makes the page of some traces, each with what it came to.
pub fn page(results: &[(Trace, Vec<Compared>)]) -> Page {
    let (trade, workers) = (trade::plot(results), steps::plot(results));
    Page { markdown: markdown(results), html: html(results, &trade, &workers), trade, workers }
}

fn cells(it: &Compared) -> [String; 10] {
    let measures = &it.measures;
    let latency = |latency: Option<f64>| latency.map_or_else(|| "never".to_owned(), |latency| format!("{latency:.1}"));
    let verdict = |verdict: Option<Verdict>| verdict.map(|verdict| verdict.to_string()).unwrap_or_default();
    [
        it.choice.name(),
        latency(measures.latency_p50),
        latency(measures.latency_p95),
        format!("{:.2}", measures.worker_hours),
        format!("{:.2}", measures.idle_hours),
        format!("{:.2}", measures.cost),
        measures.turns.to_string(),
        format!("{} of {}", measures.missed, measures.deadlines),
        verdict(it.by_p50),
        verdict(it.by_p95),
    ]
}

/// In how many rows one of the others is what.
fn summary(results: &[(Trace, Vec<Compared>)]) -> String {
    let verdicts: Vec<Verdict> =
        results.iter().flat_map(|(_, compared)| compared).flat_map(|it| [it.by_p50, it.by_p95]).flatten().collect();
    let count = |verdict: Verdict| verdicts.iter().filter(|it| **it == verdict).count();
    let all = verdicts.len();
    if all == 0 {
        return "Shoal did not run.".to_owned();
    }
    format!(
        "Of {all} comparisons Shoal is ahead in both time and hours in {}, in time alone in {}, in hours alone in {}; equal in {}. \
         In {} another is ahead of it in both{}.",
        count(Verdict::ShoalInBoth),
        count(Verdict::ShoalInTime),
        count(Verdict::ShoalInHours),
        count(Verdict::Equal),
        count(Verdict::OtherInBoth),
        ahead(results)
    )
}

/// Which of the others are ahead of Shoal in both, and where.
fn ahead(results: &[(Trace, Vec<Compared>)]) -> String {
    let mut named = Vec::new();
    for (trace, compared) in results {
        for it in compared {
            for (by, verdict) in [("p50", it.by_p50), ("p95", it.by_p95)] {
                if verdict == Some(Verdict::OtherInBoth) {
                    named.push(format!("`{}` on {} by {by}", it.choice.name(), trace.name));
                }
            }
        }
    }
    if named.is_empty() { String::new() } else { format!(": {}", named.join("; ")) }
}

fn choices(results: &[(Trace, Vec<Compared>)]) -> Vec<Choice> {
    results.first().map_or(&[][..], |(_, compared)| compared).iter().map(|it| it.choice).collect()
}

fn markdown(results: &[(Trace, Vec<Compared>)]) -> String {
    let mut text = format!("# {TITLE}\n\n");
    // Writing to a string cannot fail.
    for paragraph in ABOUT {
        let _ = writeln!(text, "{paragraph}\n");
    }
    let _ = writeln!(text, "{}\n", summary(results));
    text.push_str("| policy | what it is |\n|---|---|\n");
    for choice in choices(results) {
        let _ = writeln!(text, "| {} | {} |", choice.name(), choice.about());
    }
    text.push_str(
        "\n![p95 of jobs' latency over worker hours](scaling.svg)\n\n![workers over time](scaling-workers.svg)\n",
    );
    for (trace, compared) in results {
        let _ = write!(text, "\n## {}\n\n{}\n\n", trace.name, trace.about);
        let _ = writeln!(text, "| {} |\n|---|{}", COLUMNS.join(" | "), "--:|".repeat(7) + "---|---|");
        for it in compared {
            let _ = writeln!(text, "| {} |", cells(it).join(" | "));
        }
    }
    text
}

const STYLE: &str = "body{font-family:sans-serif;max-width:1010px;margin:2em auto;padding:0 1em;line-height:1.4}\
table{border-collapse:collapse;font-size:90%;margin:1em 0}td,th{padding:.25em .6em;border-bottom:1px solid #ddd;text-align:right}\
td:first-child,th:first-child,td.text{text-align:left}tr.shoal{font-weight:bold}td.ahead{background:#fdecea;font-weight:bold}\
svg{max-width:100%;height:auto}";

fn html(results: &[(Trace, Vec<Compared>)], trade: &str, workers: &str) -> String {
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{TITLE}</title>\n<style>{STYLE}</style>\n\
         </head>\n<body>\n<h1>{TITLE}</h1>\n"
    );
    let paragraphs = ABOUT.map(str::to_owned).into_iter().chain([summary(results)]);
    for paragraph in paragraphs {
        let _ = writeln!(text, "<p>{}</p>", emphasised(&escaped(&paragraph)));
    }
    text.push_str("<table>\n<tr><th>policy</th><th>what it is</th></tr>\n");
    for choice in choices(results) {
        let about = emphasised(&escaped(choice.about()));
        let _ = writeln!(text, "<tr><td>{}</td><td class=\"text\">{about}</td></tr>", escaped(&choice.name()));
    }
    let _ = write!(text, "</table>\n{trade}{workers}");
    for (trace, compared) in results {
        let _ = write!(text, "<h2>{}</h2>\n<p>{}</p>\n<table>\n<tr>", escaped(&trace.name), escaped(&trace.about));
        for column in COLUMNS {
            let _ = write!(text, "<th>{column}</th>");
        }
        text.push_str("</tr>\n");
        for it in compared {
            let class = if it.by_p50.is_none() { " class=\"shoal\"" } else { "" };
            let _ = write!(text, "<tr{class}>");
            for (index, cell) in cells(it).iter().enumerate() {
                let is_behind = index >= 8 && *cell == Verdict::OtherInBoth.to_string();
                let class = if is_behind { " class=\"ahead\"" } else { "" };
                let _ = write!(text, "<td{class}>{}</td>", escaped(cell));
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</table>\n");
    }
    text.push_str("</body>\n</html>\n");
    text
}

/// `*a*` and backticks as tags.
fn emphasised(text: &str) -> String {
    let tagged = |text: &str, mark: char, tag: &str| {
        let mut parts = text.split(mark);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.enumerate().fold(first, |all, (index, part)| {
            let slash = if index % 2 == 0 { "" } else { "/" };
            format!("{all}<{slash}{tag}>{part}")
        })
    };
    tagged(&tagged(text, '`', "code"), '*', "em")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::compare::compare;
    use crate::policy::Scaler;
    use crate::trace::{Kind, generate};

    #[test]
    fn every_trace_and_policy_is_on_the_page() {
        let choices: Vec<Choice> = Scaler::ALL.into_iter().flat_map(Scaler::choices).collect();
        let results: Vec<(Trace, Vec<Compared>)> = [Kind::Steady, Kind::Bursts]
            .into_iter()
            .map(|kind| generate(kind, 1))
            .map(|trace| (trace.clone(), compare(&trace, &choices).unwrap()))
            .collect();
        let page = page(&results);
        for text in [&page.markdown, &page.html] {
            assert!(text.contains("steady") && text.contains("bursts"), "{text}");
            assert!(choices.iter().all(|choice| text.contains(&choice.name())), "{text}");
        }
        assert_eq!(page.markdown.matches("\n| shoal |").count(), 3);
        assert_eq!(page.trade.matches("<circle").count(), 11 + 2 * 11);
        assert_eq!(page.workers.matches("<polyline").count(), 2 * 5);
        // Two comparisons for each of ten others on two traces.
        assert!(page.markdown.contains("Of 40 comparisons"), "{}", page.markdown);
    }

    #[test]
    fn marks_are_tags() {
        assert_eq!(emphasised("a `b` and *c*"), "a <code>b</code> and <em>c</em>");
    }
}

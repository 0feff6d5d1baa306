//! What a Prometheus is asked. Pure.

use std::collections::BTreeMap;

use shoal_core::autoscaling::signal;

/// A query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    /// The metric that what it gives is of, where that does not say so itself.
    pub(crate) metric: String,
    /// In PromQL.
    pub(crate) expression: String,
}

/// What is asked for a cluster: one query for all metrics, of all of its heads, as pods' labels tell whose they are; and one
/// for each metric for which somebody has another.
pub(crate) fn queries(namespace: &str, cluster: &str, own: &BTreeMap<String, String>) -> Vec<Query> {
    let rest: Vec<&str> = signal::METRICS.into_iter().filter(|metric| !own.contains_key(*metric)).collect();
    let by_name = Query {
        metric: String::new(),
        expression: format!(
            r#"{{__name__=~"{}",namespace="{namespace}",shoal_dev_cluster="{cluster}"}}"#,
            rest.join("|")
        ),
    };
    let own = own.iter().map(|(metric, expression)| Query { metric: metric.clone(), expression: expression.clone() });
    (!rest.is_empty()).then_some(by_name).into_iter().chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_metrics_of_that_cluster_are_asked_for_at_once_unless_somebody_has_a_query() {
        let all = queries("n", "a", &BTreeMap::new());
        assert_eq!(all.len(), 1);
        assert!(all[0].expression.ends_with(r#",namespace="n",shoal_dev_cluster="a"}"#), "{all:?}");
        assert!(signal::METRICS.iter().all(|metric| all[0].expression.contains(metric)));
        let own = BTreeMap::from([(signal::HELD_BYTES.to_owned(), "vector(0)".to_owned())]);
        let two = queries("n", "a", &own);
        assert_eq!(two[1], Query { metric: signal::HELD_BYTES.to_owned(), expression: "vector(0)".to_owned() });
        assert!(!two[0].expression.contains(signal::HELD_BYTES), "{two:?}");
    }
}

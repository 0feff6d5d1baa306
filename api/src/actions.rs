//! What each route does, in the words of Kubernetes: what a caller needs the right to. Pure.

use shoal_wire::callers::{Action, Resource, Verb};

/// What a request does. One that has no route here may do anything: it takes the most.
pub(crate) fn of(method: &str, route: Option<&str>) -> Action {
    use Resource::{Cluster, Jobs};
    let (verb, resource) = match (method, route) {
        ("GET", Some("/api/v1/jobs")) => (Verb::List, Jobs),
        ("POST", Some("/api/v1/jobs")) => (Verb::Create, Jobs),
        // Whoever may submit a job may bring its files along, and workers read them.
        (_, Some("/api/v1/blobs/missing" | "/api/v1/blobs/{digest}")) => (Verb::Create, Jobs),
        ("PATCH", Some("/api/v1/jobs/{name}")) => (Verb::Patch, Jobs),
        // As `kubectl delete shoaljob` ends it.
        ("POST", Some("/api/v1/jobs/{name}/cancel")) => (Verb::Delete, Jobs),
        ("GET", Some(route)) if route.starts_with("/api/v1/jobs/{name}") => (Verb::Get, Jobs),
        ("GET", _) => (Verb::Get, Cluster),
        _ => (Verb::Patch, Cluster),
    };
    Action { verb, resource }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_route_takes_the_right_to_what_it_does() {
        let document = crate::openapi();
        let mut found = BTreeMap::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                let Action { verb, resource } = of(&method.to_uppercase(), Some(path));
                found.insert(
                    format!("{} {path}", method.to_uppercase()),
                    format!("{} {}", verb.name(), resource.name()),
                );
            }
        }
        let expected = [
            ("GET /api/v1/blobs/{digest}", "create shoaljobs"),
            ("GET /api/v1/cluster", "get shoalclusters"),
            ("GET /api/v1/environments/{name}", "get shoalclusters"),
            ("GET /api/v1/jobs", "list shoaljobs"),
            ("GET /api/v1/jobs/{name}", "get shoaljobs"),
            ("GET /api/v1/jobs/{name}/attempts", "get shoaljobs"),
            ("GET /api/v1/jobs/{name}/logs", "get shoaljobs"),
            ("GET /api/v1/jobs/{name}/spec", "get shoaljobs"),
            ("GET /api/v1/openapi.json", "get shoalclusters"),
            ("GET /healthz", "get shoalclusters"),
            ("GET /metrics", "get shoalclusters"),
            ("GET /readyz", "get shoalclusters"),
            ("PATCH /api/v1/jobs/{name}", "patch shoaljobs"),
            ("POST /api/v1/blobs/missing", "create shoaljobs"),
            ("POST /api/v1/jobs", "create shoaljobs"),
            ("POST /api/v1/jobs/{name}/cancel", "delete shoaljobs"),
            ("POST /api/v1/workers/{name}/drain", "patch shoalclusters"),
            ("PUT /api/v1/blobs/{digest}", "create shoaljobs"),
            // What is shared runs in everybody's jobs: workers do that, with the cluster's token.
            ("PUT /api/v1/environments/{name}", "patch shoalclusters"),
        ];
        assert_eq!(found, expected.map(|(route, action)| (route.to_owned(), action.to_owned())).into());
    }

    #[test]
    fn what_has_no_route_takes_the_right_to_change_the_cluster_unless_it_reads() {
        for (method, route, verb) in [
            ("GET", None, Verb::Get),
            ("POST", None, Verb::Patch),
            ("DELETE", Some("/api/v1/jobs/{name}"), Verb::Patch),
            ("PUT", Some("/api/v1/jobs"), Verb::Patch),
            ("TRACE", None, Verb::Patch),
        ] {
            assert_eq!(of(method, route), Action { verb, resource: Resource::Cluster }, "{method} {route:?}");
        }
    }
}

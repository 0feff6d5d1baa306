//! Merges a user's part of a pod template over ours, as `kubectl patch` does (a strategic merge): objects member by
//! member, lists of named things by that name, other lists as a whole; null takes a member away.

use serde_json::Value;

/// Lists whose items are merged by one of their members, as Kubernetes' API says (`patchMergeKey` in its OpenAPI).
const MERGE_KEYS: [(&str, &str); 11] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("ephemeralContainers", "name"),
    ("volumes", "name"),
    ("env", "name"),
    ("volumeMounts", "mountPath"),
    ("volumeDevices", "devicePath"),
    ("ports", "containerPort"),
    ("imagePullSecrets", "name"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
];

/// Merges `patch` over `base`.
pub(crate) fn strategic(base: &mut Value, patch: &Value) {
    let (Value::Object(base), Value::Object(patch)) = (&mut *base, patch) else {
        *base = patch.clone();
        return;
    };
    for (name, value) in patch {
        match (base.get_mut(name), value) {
            (_, Value::Null) => {
                base.remove(name);
            }
            (Some(Value::Array(items)), Value::Array(patches)) => match merge_key(name) {
                Some(key) => merge_list(items, patches, key),
                None => *items = patches.clone(),
            },
            (Some(member), _) => strategic(member, value),
            (None, _) => {
                base.insert(name.clone(), value.clone());
            }
        }
    }
}

fn merge_key(list: &str) -> Option<&'static str> {
    MERGE_KEYS.iter().find(|(name, _)| *name == list).map(|(_, key)| *key)
}

fn merge_list(items: &mut Vec<Value>, patches: &[Value], key: &str) {
    for patch in patches {
        match items.iter_mut().find(|item| item.get(key).is_some() && item.get(key) == patch.get(key)) {
            Some(item) => strategic(item, patch),
            None => items.push(patch.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn objects_merge_named_lists_merge_by_name_and_other_lists_are_replaced() {
        for (base, patch, expected) in [
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"c": 3}}), json!({"a": {"b": 1, "c": 3}})),
            (json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2})),
            (
                json!({"containers": [{"name": "shoal", "image": "i"}]}),
                json!({"containers": [{"name": "shoal", "stdin": true}, {"name": "b"}]}),
                json!({"containers": [{"name": "shoal", "image": "i", "stdin": true}, {"name": "b"}]}),
            ),
            (json!({"args": ["a", "b"]}), json!({"args": ["c"]}), json!({"args": ["c"]})),
            (
                json!({"tolerations": [{"key": "a"}]}),
                json!({"tolerations": [{"key": "b"}]}),
                json!({"tolerations": [{"key": "b"}]}),
            ),
            (json!({}), json!({"nodeSelector": {"a": "b"}}), json!({"nodeSelector": {"a": "b"}})),
        ] {
            let mut merged = base.clone();
            strategic(&mut merged, &patch);
            assert_eq!(merged, expected, "{patch} over {base}");
        }
    }
}

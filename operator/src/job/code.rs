//! Code of functions that lies in a ConfigMap: read when the job is submitted, and put into it. What was submitted stays what it
//! is, whatever becomes of the ConfigMap.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client};
use serde_json::Value;
use shoal_core::spec::v1alpha1::ConfigMapKeyRef;

use crate::trouble::Trouble;

/// Where functions are in a job, of whatever kind it is.
const FUNCTIONS: [&str; 2] = ["/spec/groupedTraining/model/python", "/spec/groupedScoring/python"];

/// What names the ConfigMap in a function, and what takes its place.
const REFERENCE: &str = "configMapKeyRef";
const CODE: &str = "code";

/// Characters that the code of a job may have.
const CODE_CHARS_MAX: usize = 262_144;

/// Why there is no code yet: somebody has to make or mend the ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoCode {
    /// A name that programs can rely on.
    pub(super) reason: &'static str,
    pub(super) message: String,
}

/// Puts the code of ConfigMaps into a job.
pub(super) async fn put_in(
    document: &mut Value,
    client: &Client,
    namespace: &str,
) -> Result<Result<(), NoCode>, Trouble> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
    for function in FUNCTIONS {
        let Some(function) = document.pointer_mut(function) else { continue };
        let Some(reference) = reference(function) else { continue };
        let map = maps.get_opt(&reference.name).await?;
        match text(map.as_ref(), &reference) {
            Ok(text) => inline(function, text),
            Err(no_code) => return Ok(Err(no_code)),
        }
    }
    Ok(Ok(()))
}

fn reference(function: &Value) -> Option<ConfigMapKeyRef> {
    serde_json::from_value(function.get(REFERENCE)?.clone()).ok()
}

fn inline(function: &mut Value, text: &str) {
    if let Some(function) = function.as_object_mut() {
        function.remove(REFERENCE);
        function.insert(CODE.to_owned(), text.into());
    }
}

fn text<'a>(map: Option<&'a ConfigMap>, ConfigMapKeyRef { name, key }: &ConfigMapKeyRef) -> Result<&'a str, NoCode> {
    let not = |reason, message: String| Err(NoCode { reason, message });
    let Some(map) = map else {
        let message =
            format!("there is no ConfigMap `{name}` in this namespace: make it with `kubectl create configmap`");
        return not("ConfigMapNotFound", message);
    };
    let texts = map.data.as_ref();
    let Some(text) = texts.and_then(|texts| texts.get(key)) else {
        if map.binary_data.as_ref().is_some_and(|data| data.contains_key(key)) {
            return not("ConfigMapNotText", format!("`{key}` of the ConfigMap `{name}` is no text in UTF-8"));
        }
        let known = texts.into_iter().flat_map(BTreeMap::keys).map(|known| format!("`{known}`")).collect::<Vec<_>>();
        let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        return not("ConfigMapKeyNotFound", format!("the ConfigMap `{name}` has no key `{key}`; it has {known}"));
    };
    match text.chars().count() {
        0 => not("ConfigMapEmpty", format!("`{key}` of the ConfigMap `{name}` is empty")),
        chars if chars > CODE_CHARS_MAX => {
            let message = format!(
                "`{key}` of the ConfigMap `{name}` has {chars} characters, and code may have {CODE_CHARS_MAX}: \
                 submit the job with `shoal job submit --cluster`, which uploads files of any size"
            );
            not("ConfigMapTooLarge", message)
        }
        _ => Ok(text),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> ConfigMap {
        serde_json::from_value(value).unwrap()
    }

    fn wanted() -> ConfigMapKeyRef {
        ConfigMapKeyRef { name: "models".to_owned(), key: "train.py".to_owned() }
    }

    #[test]
    fn code_takes_the_place_of_what_names_it() {
        let mut function = json!({"configMapKeyRef": {"name": "models", "key": "train.py"}, "function": "f"});
        assert_eq!(reference(&function), Some(wanted()));
        let map = map(json!({"data": {"train.py": "x = 1\n", "other.py": "y"}}));
        inline(&mut function, text(Some(&map), &wanted()).unwrap());
        assert_eq!(function, json!({"code": "x = 1\n", "function": "f"}));
        assert_eq!(reference(&function), None);
    }

    #[test]
    fn what_is_missing_or_no_code_is_said() {
        let large = "é".repeat(CODE_CHARS_MAX);
        assert_eq!(text(Some(&map(json!({"data": {"train.py": large}}))), &wanted()), Ok(large.as_str()));
        for (found, reason, said) in [
            (None, "ConfigMapNotFound", "no ConfigMap `models`"),
            (Some(json!({})), "ConfigMapKeyNotFound", "it has nothing"),
            (Some(json!({"data": {"a.py": "", "b.py": ""}})), "ConfigMapKeyNotFound", "it has `a.py`, `b.py`"),
            (Some(json!({"binaryData": {"train.py": "/w=="}})), "ConfigMapNotText", "no text"),
            (Some(json!({"data": {"train.py": ""}})), "ConfigMapEmpty", "is empty"),
            (Some(json!({"data": {"train.py": format!("{large}x")}})), "ConfigMapTooLarge", "262145 characters"),
        ] {
            let found = found.map(map);
            let no_code = text(found.as_ref(), &wanted()).unwrap_err();
            assert!(no_code.reason == reason && no_code.message.contains(said), "{no_code:?}");
        }
    }
}

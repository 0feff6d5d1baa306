//! Tokens of accounts, as users show them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{KeyPair, SigningKey as _};
use serde_json::{Value, json};

use crate::api::{Namespace, server};

/// A token of that account, as `kubectl` makes it.
pub(crate) fn token(namespace: &Namespace, account: &str, options: &[&str]) -> String {
    namespace.kubectl(&[&["create", "token", account], options].concat()).trim().to_owned()
}

/// A token of that account that the API server might have made, and that expires at that time: it makes none that lasts
/// less than ten minutes.
pub(crate) fn token_until(namespace: &Namespace, account: &str, expires: SystemTime) -> String {
    let issuer = "https://kubernetes.default.svc.cluster.local";
    let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs();
    let made = seconds(expires - Duration::from_secs(3_600));
    let uid = &namespace.get(&format!("serviceaccount/{account}"))["metadata"]["uid"];
    let claims = json!({
        "iss": issuer, "aud": [issuer], "sub": format!("system:serviceaccount:{}:{account}", namespace.name()),
        "exp": seconds(expires), "iat": made, "nbf": made,
        "kubernetes.io": {"namespace": namespace.name(), "serviceaccount": {"name": account, "uid": uid}},
    });
    let signed = format!("{}.{}", encoded(&json!({"alg": "ES256"}).to_string()), encoded(&claims.to_string()));
    let key = server().folder().unwrap().join("pki/tokens.key");
    let key = KeyPair::from_pem(&std::fs::read_to_string(key).unwrap()).unwrap();
    format!("{signed}.{}", base64(&plain(&key.sign(signed.as_bytes()).unwrap())))
}

fn encoded(text: &str) -> String {
    base64(text.as_bytes())
}

/// As tokens have it: without what URLs do not take.
fn base64(bytes: &[u8]) -> String {
    let text = serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).unwrap();
    let Value::String(text) = text else { panic!("{text}") };
    text.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// The two numbers of a signature one after the other, of which DER makes `30 length 02 length number 02 length number`.
fn plain(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        rest = &rest[2 + length..];
        let digits = number.len().saturating_sub(32);
        numbers.extend(vec![0; 32_usize.saturating_sub(number.len())]);
        numbers.extend(&number[digits..]);
    }
    numbers
}

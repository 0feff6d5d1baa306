#![allow(clippy::unwrap_used)]

use super::*;

/// The Secret as it is after a change.
fn after(secret: Option<&Secret>, change: Change) -> Secret {
    let mut whole = match (&change, secret) {
        (Change::Create(made), None) => made.clone(),
        (Change::Merge(reference, patch), Some(secret)) => {
            assert_eq!((reference.kind.as_str(), reference.name.as_str()), ("Secret", "a-tls"));
            let mut whole = serde_json::to_value(secret).unwrap();
            whole["metadata"]["annotations"] = patch["metadata"]["annotations"].clone();
            for name in patch["data"].as_object().unwrap().keys() {
                whole["data"].as_object_mut().unwrap().remove(name);
            }
            whole["stringData"] = patch["stringData"].clone();
            whole
        }
        other => panic!("{other:?}"),
    };
    // As the API server does: what is written as text is kept as bytes.
    let texts = whole["stringData"].take();
    for (name, text) in texts.as_object().unwrap() {
        let bytes = k8s_openapi::ByteString(text.as_str().unwrap().as_bytes().to_vec());
        whole["data"][name] = serde_json::to_value(bytes).unwrap();
    }
    whole.as_object_mut().unwrap().remove("stringData");
    serde_json::from_value(whole).unwrap()
}

fn due(secret: &Secret) -> Timestamp {
    secret.annotations()[RENEW_ANNOTATION].parse().unwrap()
}

fn entries(secret: &Secret) -> Vec<&str> {
    secret.data.iter().flatten().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn a_certificate_is_made_and_replaced_in_two_steps_and_no_key_of_an_authority_is_kept() {
    let names = ["a.n.shoal".to_owned()];
    let step = |secret: Option<&Secret>, now| {
        let facts = kept(secret, &names, now).unwrap();
        let changed = facts.step.as_ref().map(|step| after(secret, change("a", step)));
        (facts, changed)
    };
    let now = Timestamp::now();
    let (facts, made) = step(None, now);
    let made = made.unwrap();
    assert_eq!(entries(&made), ["ca.crt", "tls.crt", "tls.key"]);
    assert_eq!(facts.authority, None, "what nobody has stored yet is not told");
    assert_eq!(made.type_.as_deref(), Some("kubernetes.io/tls"));

    let (facts, nothing) = step(Some(&made), now);
    assert_eq!((nothing, facts.step, facts.renew_in), (None, None, Some(LOOK)), "it is looked at, and left as it is");
    assert_eq!((facts.authority.is_some(), &facts.authority), (true, &authority(&made)));
    let (_, announced) = step(Some(&made), due(&made));
    let announced = announced.unwrap();
    assert_eq!(entries(&announced), ["ca.crt", "next.crt", "next.key", "tls.crt", "tls.key"]);
    assert_eq!(entry(&announced, CERT), entry(&made, CERT), "the present one is shown still");
    let both = authority(&announced).unwrap();
    assert!(both.starts_with(&authority(&made).unwrap()) && certificates_in(&both).len() == 2);

    let (facts, nothing) = step(Some(&announced), due(&made));
    assert_eq!((nothing, facts.authority), (None, Some(both.clone())));
    let (_, shown) = step(Some(&announced), due(&announced));
    let shown = shown.unwrap();
    assert_eq!(entries(&shown), ["ca.crt", "tls.crt", "tls.key"]);
    assert_eq!((entry(&shown, CERT), entry(&shown, KEY)), (entry(&announced, NEXT_CERT), entry(&announced, NEXT_KEY)));
    assert_eq!(authority(&shown), Some(both.clone()));

    // The next time the oldest one is trusted no more.
    let (_, again) = step(Some(&shown), due(&shown));
    let trusted = certificates_in(&authority(&again.unwrap()).unwrap());
    assert_eq!((trusted.len(), &trusted[0]), (2, &certificates_in(&both)[1]));
}

/// A Secret as an earlier operator made it, whose certificate is to be replaced at that time.
fn old(due: &str) -> Secret {
    let issued = issue(&["a.n.shoal".to_owned()], Timestamp::now()).unwrap();
    let bytes = |text: &str| serde_json::to_value(k8s_openapi::ByteString(text.as_bytes().to_vec())).unwrap();
    let data = json!({"ca.crt": bytes(&issued.authority), "ca.key": bytes("key"), "tls.crt": bytes(&issued.cert)});
    let metadata = json!({"name": "a-tls", "annotations": {(RENEW_ANNOTATION): due}});
    serde_json::from_value(json!({"metadata": metadata, "data": data})).unwrap()
}

#[test]
fn the_key_of_an_earlier_operators_authority_goes_with_the_next_certificate() {
    let now = Timestamp::now();
    let step = |secret: &Secret, now| {
        let facts = kept(Some(secret), &["a.n.shoal".to_owned()], now).unwrap();
        after(Some(secret), change("a", &facts.step.unwrap()))
    };
    for due in [text(now), "soon".to_owned()] {
        let announced = step(&old(&due), now);
        assert_eq!(entries(&announced), ["ca.crt", "next.crt", "next.key", "tls.crt"], "{due}");
        assert_eq!(certificates_in(&authority(&announced).unwrap()).len(), 2, "{due}");
    }
    // Nobody has looked after this one for so long that it is over: there is nothing to wait for.
    let replaced = step(&old("2026-01-01T00:00:00Z"), "2026-02-01T00:00:00Z".parse().unwrap());
    assert_eq!(entries(&replaced), ["ca.crt", "tls.crt", "tls.key"]);
    assert_eq!(certificates_in(&authority(&replaced).unwrap()).len(), 1);
}

#[test]
fn a_users_secret_is_read_and_never_written() {
    let issued = issue(&["a.n.shoal".to_owned()], Timestamp::now()).unwrap();
    let secret = |text: &str| -> Secret {
        let bytes = k8s_openapi::ByteString(text.as_bytes().to_vec());
        serde_json::from_value(json!({"metadata": {"name": "a-tls"}, "data": {"ca.crt": bytes}})).unwrap()
    };
    let theirs = secret(&format!("mine\n{}{}", issued.authority, issued.key));
    let facts = kept(Some(&theirs), &[], Timestamp::now()).unwrap();
    assert_eq!((facts.step, facts.renew_in), (None, Some(LOOK_AT_OTHERS)));
    // A key that stands beside it by mistake is not published.
    assert_eq!(certificates_in(&facts.authority.clone().unwrap()).concat(), facts.authority.unwrap());
    assert_eq!(authority(&secret("none")), None);
    let many = issued.authority.repeat(AUTHORITY_CHARS_MAX / issued.authority.len() + 1);
    assert_eq!(authority(&secret(&many)), None, "more than a status holds");
}

//! The certificate that all processes of a cluster show to each other, and the authority that has signed it.
//!
//! An authority signs that one certificate and its key is forgotten: nobody, not even who reads all that is stored of a
//! cluster, can sign another. The next certificate comes with an authority of its own, which is trusted beside the present
//! one before the certificate is shown.

use k8s_openapi::jiff::tz::TimeZone;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use shoal_core::Failure;

/// Days that a certificate is good for: a stolen key is of use no longer, and an operator that is away for a month does no
/// harm.
const CERTIFICATE_DAYS: i64 = 90;

/// Days after which it is replaced: the last third is for whatever keeps that from being done.
const RENEWED_AFTER_DAYS: i64 = 60;

/// Hours between the day on which another authority is trusted and the one on which its certificate is shown: by then every
/// process and every client has read of it. A kubelet takes minutes to bring a Secret to a pod.
const OVERLAP_HOURS: i64 = 24;

/// Clocks of nodes differ; and dates are whole days here.
const CLOCK_DAYS: i64 = 1;

/// A certificate with its key and the certificate of its authority, all PEM.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Issued {
    pub(crate) authority: String,
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// Signs a certificate for those names, of which the first is what all processes of the cluster are known by, with an
/// authority of its own.
///
/// # Errors
/// [`shoal_core::Reason::Internal`] where a name cannot be in a certificate.
pub(crate) fn issue(names: &[String], now: Timestamp) -> Result<Issued, Failure> {
    sign(names, now).map_err(|error| Failure::internal("a certificate for a cluster cannot be made").because(&error))
}

/// When a certificate is to be replaced that is shown from `now` on.
pub(crate) fn renewed_after(now: Timestamp) -> Timestamp {
    later(now, RENEWED_AFTER_DAYS * 24)
}

/// When a certificate may be shown whose authority is trusted from `now` on.
pub(crate) fn shown_after(now: Timestamp) -> Timestamp {
    later(now, OVERLAP_HOURS)
}

/// Whether a certificate is over that was to be replaced at that time.
pub(crate) fn is_over(due: Timestamp, now: Timestamp) -> bool {
    now >= later(due, (CERTIFICATE_DAYS - RENEWED_AFTER_DAYS) * 24)
}

fn sign(names: &[String], now: Timestamp) -> Result<Issued, rcgen::Error> {
    let subject = names.first().map(String::as_str).unwrap_or_default();
    let authority_key = KeyPair::generate()?;
    let params = authority_params(subject, now)?;
    let authority = params.self_signed(&authority_key)?.pem();
    let issuer = Issuer::new(params, authority_key);
    let mut params = valid(names.to_vec(), subject, now)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, &issuer)?.pem();
    Ok(Issued { authority, cert, key: key.serialize_pem() })
}

fn authority_params(subject: &str, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = valid(Vec::new(), &format!("authority of {subject}"), now)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn valid(names: Vec<String>, subject: &str, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    // More does not fit into a common name; nobody goes by it.
    name.push(DnType::CommonName, subject.chars().take(64).collect::<String>());
    params.distinguished_name = name;
    let day = |time: Timestamp| {
        let date = time.to_zoned(TimeZone::UTC).date();
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(later(now, -CLOCK_DAYS * 24));
    params.not_after = day(later(now, CERTIFICATE_DAYS * 24));
    Ok(params)
}

fn later(time: Timestamp, hours: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_hours(hours)).unwrap_or(Timestamp::MAX)
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// The certificates in a text, each with its lines of begin and end, and nothing else that the text may hold.
pub(crate) fn certificates_in(text: &str) -> Vec<String> {
    let rest = text.split(BEGIN).skip(1);
    rest.filter_map(|rest| Some(format!("{BEGIN}{}{END}\n", rest.split_once(END)?.0))).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_wire::Tls;

    use super::*;

    fn names() -> Vec<String> {
        ["a.n.shoal", "a-head", "a-head.n.svc", "localhost", "127.0.0.1"].map(str::to_owned).to_vec()
    }

    /// Whether a process could start that shows this and trusts that: the certificate, its key and the authority fit
    /// together, and it is valid.
    fn is_good(issued: &Issued, trusted: &str) -> bool {
        let Issued { cert, key, .. } = issued;
        Tls::fixed(cert.clone().into_bytes(), key.clone().into_bytes(), trusted.as_bytes().to_vec())
            .and_then(|tls| tls.named("a.n.shoal"))
            .is_ok()
    }

    #[test]
    fn a_certificate_is_good_for_its_cluster_and_both_are_while_two_authorities_are_trusted() {
        let now = Timestamp::now();
        let first = issue(&names(), now).unwrap();
        let second = issue(&names(), now).unwrap();
        let both = format!("{}{}", first.authority, second.authority);
        assert!(is_good(&first, &first.authority) && is_good(&first, &both) && is_good(&second, &both));
        assert!(!is_good(&second, &first.authority), "signed by another authority");
        let foreign = issue(&["b.n.shoal".to_owned()], now).unwrap();
        assert!(!is_good(&foreign, &foreign.authority), "made for another cluster");
        let old = issue(&names(), later(now, (-CERTIFICATE_DAYS - 2) * 24)).unwrap();
        assert!(!is_good(&old, &old.authority), "its time is over");
    }

    #[test]
    fn there_is_time_for_each_step() {
        let now = Timestamp::now();
        let shown = shown_after(now);
        assert_eq!(shown.duration_since(now).as_hours(), 24);
        // A certificate is made when its authority is announced, and shown from then on until its successor is.
        let replaced = shown_after(renewed_after(shown));
        assert!(replaced.duration_since(now).as_hours() < (CERTIFICATE_DAYS - 21) * 24);
        let due = renewed_after(now);
        assert!(!is_over(due, replaced) && is_over(due, later(now, CERTIFICATE_DAYS * 24)));
    }

    #[test]
    fn certificates_are_told_from_what_else_is_in_a_text() {
        let one = issue(&names(), Timestamp::now()).unwrap();
        let text = format!("# mine\n{}{}\n{}", one.authority, one.key, one.cert);
        let found = certificates_in(&text);
        assert_eq!(found.len(), 2);
        let same = |found: &str, pem: &str| found.trim() == pem.replace('\r', "").trim();
        assert!(same(&found[0], &one.authority) && same(&found[1], &one.cert), "{found:?}");
        assert!(certificates_in("").is_empty() && certificates_in(BEGIN).is_empty());
    }
}

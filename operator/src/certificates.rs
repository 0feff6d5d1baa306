//! An authority of one cluster, and the certificate that all its processes show to each other.

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

/// Days that an authority is good for: it is the cluster's own, and goes with it.
const AUTHORITY_DAYS: i64 = 3_650;

/// Clocks of nodes differ; and dates are whole days here.
const CLOCK_DAYS: i64 = 1;

/// A certificate with its key and its authority, all PEM.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Issued {
    pub(crate) authority: Authority,
    pub(crate) cert: String,
    pub(crate) key: String,
    /// When it is to be replaced.
    pub(crate) renew_after: Timestamp,
}

/// Who signs the certificates of a cluster.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Authority {
    pub(crate) cert: String,
    pub(crate) key: String,
}

/// Signs a certificate for those names, of which the first is what all processes of the cluster are known by. With the
/// authority that the cluster has, or with a new one.
///
/// # Errors
/// [`shoal_core::Reason::Internal`] where the authority's key is none, or a name cannot be in a certificate.
pub(crate) fn issue(authority: Option<Authority>, names: &[String], now: Timestamp) -> Result<Issued, Failure> {
    sign(authority, names, now)
        .map_err(|error| Failure::internal("a certificate for a cluster cannot be made").because(&error))
}

fn sign(authority: Option<Authority>, names: &[String], now: Timestamp) -> Result<Issued, rcgen::Error> {
    let subject = names.first().map(String::as_str).unwrap_or_default();
    let (authority, authority_key) = match authority {
        Some(authority) => {
            let key = KeyPair::from_pem(&authority.key)?;
            (authority, key)
        }
        None => {
            let key = KeyPair::generate()?;
            let cert = authority_params(subject, now)?.self_signed(&key)?.pem();
            (Authority { cert, key: key.serialize_pem() }, key)
        }
    };
    // What a signature takes from its authority is the name and the key: not the days.
    let issuer = Issuer::new(authority_params(subject, now)?, authority_key);
    let mut params = valid(names.to_vec(), subject, now, CERTIFICATE_DAYS)?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let cert = params.signed_by(&key, &issuer)?.pem();
    let renew_after = later(now, RENEWED_AFTER_DAYS);
    Ok(Issued { authority, cert, key: key.serialize_pem(), renew_after })
}

fn authority_params(subject: &str, now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = valid(Vec::new(), &format!("authority of {subject}"), now, AUTHORITY_DAYS)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(params)
}

fn valid(names: Vec<String>, subject: &str, now: Timestamp, days: i64) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    let mut name = DistinguishedName::new();
    // More does not fit into a common name; nobody goes by it.
    name.push(DnType::CommonName, subject.chars().take(64).collect::<String>());
    params.distinguished_name = name;
    let day = |time: Timestamp| {
        let date = time.to_zoned(TimeZone::UTC).date();
        date_time_ymd(date.year().into(), date.month().unsigned_abs(), date.day().unsigned_abs())
    };
    params.not_before = day(later(now, -CLOCK_DAYS));
    params.not_after = day(later(now, days));
    Ok(params)
}

fn later(time: Timestamp, days: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_hours(days * 24)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use shoal_wire::Tls;

    use super::*;

    fn names() -> Vec<String> {
        ["a.n.shoal", "a-head", "a-head.n.svc", "localhost", "127.0.0.1"].map(str::to_owned).to_vec()
    }

    /// Whether a process could start with it: the certificate, its key and the authority fit together, and it is valid.
    fn is_good(issued: &Issued) -> bool {
        let Issued { authority, cert, key, .. } = issued;
        Tls::fixed(cert.clone().into_bytes(), key.clone().into_bytes(), authority.cert.clone().into_bytes())
            .and_then(|tls| tls.named("a.n.shoal"))
            .is_ok()
    }

    #[test]
    fn a_certificate_is_good_for_its_cluster_and_renewed_by_the_same_authority() {
        let now = Timestamp::now();
        let first = issue(None, &names(), now).unwrap();
        assert!(is_good(&first));
        assert_eq!(first.renew_after.duration_since(now).as_hours(), RENEWED_AFTER_DAYS * 24);
        let second = issue(Some(first.authority.clone()), &names(), now).unwrap();
        assert!(is_good(&second) && second.authority == first.authority && second.key != first.key);

        let other = issue(None, &names(), now).unwrap();
        assert!(
            !is_good(&Issued { authority: first.authority.clone(), ..other.clone() }),
            "signed by another authority"
        );
        let foreign = issue(None, &["b.n.shoal".to_owned()], now).unwrap();
        assert!(!is_good(&foreign), "made for another cluster");
        let old = issue(None, &names(), later(now, -CERTIFICATE_DAYS - 2)).unwrap();
        assert!(!is_good(&old), "its time is over");
        let renewed = issue(Some(old.authority), &names(), now).unwrap();
        assert!(is_good(&renewed), "its authority is good for longer");
    }
}

//! Takes over what the files hold when they change.

use std::sync::Weak;
use std::time::Duration;

use rustls::pki_types::UnixTime;
use shoal_core::Failure;

use super::Current;
use super::files::Contents;

/// Pause between two looks at the files. Reading three small ones costs nothing, and whoever replaced them is watching;
/// looking works where notifications do not, as on network file systems and for the links of Kubernetes' volumes.
pub(super) const PAUSE: Duration = Duration::from_secs(2);

/// What a look at the files finds.
type Found = Result<Contents, Failure>;

/// What is known of the files.
struct Seen {
    /// What was found last that was taken, or told to be wrong.
    judged: Found,
    /// Something else, seen once. Files are replaced one after the other: they are judged once two looks agree.
    unsettled: Option<Found>,
}

impl Seen {
    /// What is to be judged after a look, where there is something new.
    fn look(&mut self, found: Found) -> Option<&Found> {
        if found == self.judged {
            self.unsettled = None;
            return None;
        }
        if self.unsettled.as_ref() != Some(&found) {
            self.unsettled = Some(found);
            return None;
        }
        self.unsettled = None;
        self.judged = found;
        Some(&self.judged)
    }
}

/// Watches the files for as long as something uses what is made of them.
pub(super) async fn watch(current: Weak<Current>, used: Contents, pause: Duration) {
    let mut seen = Seen { judged: Ok(used), unsettled: None };
    loop {
        tokio::time::sleep(pause).await;
        let Some(current) = current.upgrade() else { return };
        let files = current.files.clone();
        // A file system that hangs must not hold up connections.
        let Ok(found) = tokio::task::spawn_blocking(move || files.read()).await else { return };
        if let Some(found) = seen.look(found) {
            judge(&current, found);
        }
    }
}

/// Takes what was found where it can be used, and says so where it cannot.
fn judge(current: &Current, found: &Found) {
    let replaced = match found {
        Ok(contents) => current.replace(contents, UnixTime::now()),
        Err(failure) => Err(failure.clone()),
    };
    match replaced {
        Ok(()) => tracing::info!(cert = %current.files.cert.display(), "new TLS files are in use"),
        Err(failure) => {
            let causes = failure.causes.join("; ");
            tracing::error!(%failure, causes, "the TLS files have changed and cannot be used; the old ones still are");
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use shoal_core::Reason;

    use super::*;
    use crate::tls::Tls;
    use crate::tls::tests::authority::{Authority, Folder};

    fn contents(of: &str) -> Found {
        Ok(Contents { cert: of.into(), key: vec![], ca: vec![] })
    }

    #[test]
    fn what_is_new_is_judged_once_when_it_has_settled() {
        let mut seen = Seen { judged: contents("old"), unsettled: None };
        assert!(seen.look(contents("old")).is_none());
        assert!(seen.look(contents("half")).is_none());
        assert!(seen.look(contents("new")).is_none(), "it was another a moment ago");
        assert!(*seen.look(contents("new")).unwrap() == contents("new"));
        assert!(seen.look(contents("new")).is_none(), "it was judged");
    }

    #[test]
    fn a_file_that_is_gone_for_a_moment_is_nothing_to_tell() {
        let gone = || Err(Failure::new(Reason::InvalidValue, "gone"));
        let mut seen = Seen { judged: contents("old"), unsettled: None };
        assert!(seen.look(gone()).is_none());
        assert!(seen.look(contents("old")).is_none());
        assert!(seen.look(gone()).is_none());
        assert!(seen.look(gone()).is_some_and(Result::is_err));
        assert!(seen.look(gone()).is_none(), "it was told");
        // What was in use before counts as new after something else was judged.
        assert!(seen.look(contents("old")).is_none());
        assert!(seen.look(contents("old")).is_some_and(Result::is_ok));
    }

    /// What somebody reads in the log meanwhile.
    fn logged(work: impl FnOnce()) -> String {
        let log = tempfile::NamedTempFile::new().unwrap();
        let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(log.reopen().unwrap()).finish();
        tracing::subscriber::with_default(subscriber, work);
        std::fs::read_to_string(log.path()).unwrap()
    }

    #[test]
    fn what_cannot_be_used_changes_nothing() {
        let authority = Authority::new("one");
        let folder = Folder::new(&authority, &["127.0.0.1"]);
        let found = folder.files().read().unwrap();
        let current = Current::new(folder.files(), &found, UnixTime::now()).unwrap();
        let shown = || current.identity().key.cert[0].clone();
        // With a log, as in the test below: a message that is first met without one may never be heard by others.
        let judge = |found: Result<_, Failure>| logged(|| judge(&current, &found));
        let first = shown();

        std::fs::write(folder.files().cert, "no certificate").unwrap();
        judge(folder.files().read());
        judge(Err(Failure::new(Reason::InvalidValue, "gone")));
        assert_eq!(shown(), first);
        // The certificate is already another and the key is not yet.
        let second = authority.sign(&["127.0.0.1"]);
        std::fs::write(folder.files().cert, &second.cert).unwrap();
        judge(folder.files().read());
        assert_eq!(shown(), first);
        std::fs::write(folder.files().key, &second.key).unwrap();
        judge(folder.files().read());
        assert_ne!(shown(), first);
    }

    #[test]
    fn a_certificate_that_does_not_name_the_advertised_host_is_not_taken() {
        let authority = Authority::new("one");
        let folder = Folder::new(&authority, &["10.0.0.2", "w.example"]);
        let found = folder.files().read().unwrap();
        let tls = Tls { current: Arc::new(Current::new(folder.files(), &found, UnixTime::now()).unwrap()), name: None };
        // One that was refused counts for nothing later.
        tls.advertise("other.example").unwrap_err();
        tls.advertise("w.example").unwrap();
        let shown = || tls.current.identity().key.cert[0].clone();
        let first = shown();

        folder.write(&authority.sign(&["10.0.0.2"]), &authority.pem);
        let told = logged(|| judge(&tls.current, &folder.files().read()));
        assert_eq!(shown(), first, "the old one stays");
        for part in ["ERROR", "`w.example`", folder.files().cert.to_str().unwrap()] {
            assert!(told.contains(part), "{part} is not in: {told}");
        }
        folder.write(&authority.sign(&["w.example"]), &authority.pem);
        judge(&tls.current, &folder.files().read());
        assert_ne!(shown(), first);
    }
}
